/// The SQL types that a column can have. Integers, dates and times are held as `Int64`, see ``Column/Storage``.
public enum DataType: Hashable, Sendable {
  /// `boolean`.
  case boolean
  /// `integer`, 32 bits; held in an `Int64` whose value always fits 32 bits.
  case integer
  /// `bigint`, 64 bits.
  case bigint
  /// `real`; held in a `Double` that is always exactly representable as a `Float`.
  case real
  /// `double precision`.
  case double
  /// `numeric`, or `numeric(precision, scale)`; see ``Numeric``.
  case numeric(precision: Int?, scale: Int?)
  /// `text`, `varchar` and `char`: UTF-8.
  case text
  /// `bytea`.
  case bytea
  /// `date`: days since 1970-01-01.
  case date
  /// `timestamp` without time zone: microseconds since 1970-01-01 00:00:00 of an unnamed zone.
  case timestamp
  /// `timestamptz`: microseconds since the epoch, UTC.
  case timestamptz
  /// `interval`: months, days and microseconds, see ``Interval``.
  case interval
  /// `uuid`.
  case uuid
  /// `jsonb`: the JSON text, UTF-8.
  case jsonb

  /// `numeric` without precision and scale.
  public static let numeric = DataType.numeric(precision: nil, scale: nil)

  /// The type's name as PostgreSQL spells it, for messages and `CREATE TABLE`.
  public var sqlName: String {
    switch self {
    case .boolean: "boolean"
    case .integer: "integer"
    case .bigint: "bigint"
    case .real: "real"
    case .double: "double precision"
    case .numeric(.some(let precision), let scale): "numeric(\(precision),\(scale ?? 0))"
    case .numeric: "numeric"
    case .text: "text"
    case .bytea: "bytea"
    case .date: "date"
    case .timestamp: "timestamp"
    case .timestamptz: "timestamptz"
    case .interval: "interval"
    case .uuid: "uuid"
    case .jsonb: "jsonb"
    }
  }
}

/// A named, typed column of a ``Schema``.
public struct Field: Hashable, Sendable {
  /// The column's name, as SQL folds it.
  public let name: String
  /// The column's type.
  public let type: DataType
  /// Whether NULL is allowed.
  public let isNullable: Bool

  /// A field of `type`; nullable unless told otherwise.
  public init(_ name: String, _ type: DataType, isNullable: Bool = true) {
    self.name = name
    self.type = type
    self.isNullable = isNullable
  }
}

/// The ordered columns of a ``Batch``.
public struct Schema: Hashable, Sendable {
  /// The columns, in order. Names need not be unique in intermediate results.
  public let fields: [Field]

  /// A schema of `fields`.
  public init(_ fields: [Field]) { self.fields = fields }

  /// The position of the first field called `name`.
  public func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }
}
