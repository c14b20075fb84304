import Columnar

/// The values of one field over some rows, nested as the field is (Arrow's layout).
///
/// A leaf is a ``Columnar/Column``. Its storage follows from the leaf's type: `boolean`; `int64` for every integer, date
/// and time; `float64`; `numeric`; `bytes` for string, JSON, binary and fixed; `uuid`.
public indirect enum ParquetArray: Hashable, Sendable {
  /// A leaf's values.
  case leaf(Column)
  /// A group: its fields' values, all of `count` rows. Under a row that is null, children hold nulls or anything.
  case group(count: Int, validity: Bitmap?, [ParquetArray])
  /// A list: row *i* holds elements `offsets[i] ..< offsets[i + 1]`. A null row is empty.
  case list(offsets: [Int32], validity: Bitmap?, element: ParquetArray)
  /// A map: row *i* holds the pairs `offsets[i] ..< offsets[i + 1]`. A null row is empty.
  case map(offsets: [Int32], validity: Bitmap?, key: ParquetArray, value: ParquetArray)

  /// How many rows there are.
  public var count: Int {
    switch self {
    case .leaf(let column): column.count
    case .group(let count, _, _): count
    case .list(let offsets, _, _), .map(let offsets, _, _, _): offsets.count - 1
    }
  }

  /// Which rows are not null; absent when all are not.
  public var validity: Bitmap? {
    switch self {
    case .leaf(let column): column.validity
    case .group(_, let validity, _), .list(_, let validity, _), .map(_, let validity, _, _): validity
    }
  }
}

extension LeafType {
  /// The Columnar type that a column of this leaf has when it is read, and should have when it is written (any type of
  /// the same storage is accepted).
  public var columnType: DataType {
    switch self {
    case .boolean: .boolean
    case .int32: .integer
    case .int64, .unsigned, .time: .bigint
    case .float: .real
    case .double: .double
    case .decimal(let precision, let scale): .numeric(precision: precision, scale: scale)
    case .string: .text
    case .json: .jsonb
    case .binary, .fixed: .bytea
    case .uuid: .uuid
    case .date: .date
    case .timestamp(_, let isAdjustedToUTC): isAdjustedToUTC ? .timestamptz : .timestamp
    case .int96: .timestamptz
    }
  }
}
