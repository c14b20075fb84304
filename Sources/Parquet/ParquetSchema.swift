/// The type of a leaf's values: a Parquet physical type and what it means (Parquet format, "Logical Types").
///
/// Times are held in the unit that the file has; the reader converts nothing.
public enum LeafType: Hashable, Sendable {
  /// `BOOLEAN`.
  case boolean
  /// `INT32`, signed, of 8, 16 or 32 bits; held in an `Int64`.
  case int32(bits: Int)
  /// `INT64`, signed.
  case int64
  /// Unsigned, of 8, 16, 32 or 64 bits; held in an `Int64` by its bit pattern (64) or value (others). Read only.
  case unsigned(bits: Int)
  /// `FLOAT`; held in a `Double`.
  case float
  /// `DOUBLE`.
  case double
  /// `DECIMAL(precision, scale)`, written as the smallest of `INT32`, `INT64` and `FIXED_LEN_BYTE_ARRAY` that fits.
  case decimal(precision: Int, scale: Int)
  /// `BYTE_ARRAY`, UTF-8.
  case string
  /// `BYTE_ARRAY`, UTF-8 JSON text.
  case json
  /// `BYTE_ARRAY` without meaning.
  case binary
  /// `FIXED_LEN_BYTE_ARRAY` of this many bytes, without meaning.
  case fixed(length: Int)
  /// `FIXED_LEN_BYTE_ARRAY(16)`, big-endian.
  case uuid
  /// `INT32`: days since 1970-01-01.
  case date
  /// `TIME`, since midnight.
  case time(TimeUnit, isAdjustedToUTC: Bool)
  /// `TIMESTAMP`, since the epoch.
  case timestamp(TimeUnit, isAdjustedToUTC: Bool)
  /// `INT96`, as Spark and Impala once wrote times: read as microseconds since the epoch, UTC. Read only.
  case int96

  /// The unit of a time.
  public enum TimeUnit: Hashable, Sendable {
    /// 1/1,000 of a second.
    case milliseconds
    /// 1/1,000,000 of a second.
    case microseconds
    /// 1/1,000,000,000 of a second.
    case nanoseconds
  }
}

/// A node of a file's schema below the root.
public struct ParquetField: Hashable, Sendable {
  /// What a field holds.
  public indirect enum Kind: Hashable, Sendable {
    /// Values.
    case leaf(LeafType)
    /// Fields with one value each.
    case group([ParquetField])
    /// A list of `element`, in the three-level form (Parquet format, "Lists").
    case list(element: ParquetField)
    /// Pairs of `key`, which is required, and `value` (Parquet format, "Maps").
    case map(key: ParquetField, value: ParquetField)
  }

  /// The name.
  public var name: String
  /// Iceberg's and others' field id.
  public var fieldID: Int?
  /// Whether no value may be null.
  public var isRequired: Bool
  /// What it holds.
  public var kind: Kind

  /// A field called `name`.
  public init(_ name: String, _ kind: Kind, fieldID: Int? = nil, isRequired: Bool = false) {
    self.name = name
    self.kind = kind
    self.fieldID = fieldID
    self.isRequired = isRequired
  }
}

/// The schema of a file.
public struct ParquetSchema: Hashable, Sendable {
  /// The columns; each is a tree.
  public var fields: [ParquetField]

  /// A schema of `fields`.
  public init(_ fields: [ParquetField]) { self.fields = fields }
}

/// A leaf of a schema, with what is needed to read or write it (Parquet format, "Nested Encoding").
public struct ParquetLeaf: Hashable, Sendable {
  /// The path in the file, repeated groups of lists and maps included.
  public var path: [String]
  /// The type of the values.
  public var type: LeafType
  /// The field id of the leaf itself.
  public var fieldID: Int?
  /// The definition level of a value that is present.
  public var maximumDefinitionLevel: Int
  /// How many repeated nodes are on the path.
  public var maximumRepetitionLevel: Int

  /// A leaf.
  public init(
    path: [String], type: LeafType, fieldID: Int?, maximumDefinitionLevel: Int, maximumRepetitionLevel: Int
  ) {
    self.path = path
    self.type = type
    self.fieldID = fieldID
    self.maximumDefinitionLevel = maximumDefinitionLevel
    self.maximumRepetitionLevel = maximumRepetitionLevel
  }
}

extension ParquetSchema {
  /// The leaves, in the order of the file's column chunks.
  public var leaves: [ParquetLeaf] {
    var result: [ParquetLeaf] = []
    for field in fields { field.appendLeaves(path: [], definition: 0, repetition: 0, to: &result) }
    return result
  }
}

extension ParquetField {
  fileprivate func appendLeaves(path: [String], definition: Int, repetition: Int, to result: inout [ParquetLeaf]) {
    let path = path + [name]
    let definition = definition + (isRequired ? 0 : 1)
    switch kind {
    case .leaf(let type):
      result.append(
        ParquetLeaf(
          path: path, type: type, fieldID: fieldID, maximumDefinitionLevel: definition,
          maximumRepetitionLevel: repetition))
    case .group(let fields):
      for field in fields {
        field.appendLeaves(path: path, definition: definition, repetition: repetition, to: &result)
      }
    case .list(let element):
      var element = element
      element.name = "element"
      element.appendLeaves(path: path + ["list"], definition: definition + 1, repetition: repetition + 1, to: &result)
    case .map(var key, var value):
      key.name = "key"
      value.name = "value"
      for field in [key, value] {
        field.appendLeaves(
          path: path + ["key_value"], definition: definition + 1, repetition: repetition + 1, to: &result)
      }
    }
  }
}
