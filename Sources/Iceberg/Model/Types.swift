/// A type of the table format (Iceberg specification, "Schemas and Data Types").
public indirect enum IcebergType: Hashable, Sendable {
  /// `boolean`.
  case boolean
  /// `int`, 32 bits.
  case int
  /// `long`, 64 bits.
  case long
  /// `float`.
  case float
  /// `double`.
  case double
  /// `decimal(P, S)`, P at most 38.
  case decimal(precision: Int, scale: Int)
  /// `date`: days since 1970-01-01.
  case date
  /// `time`: microseconds since midnight.
  case time
  /// `timestamp`: microseconds, no zone.
  case timestamp
  /// `timestamptz`: microseconds, UTC.
  case timestamptz
  /// `timestamp_ns`, from v3.
  case timestampNanos
  /// `timestamptz_ns`, from v3.
  case timestamptzNanos
  /// `string`, UTF-8.
  case string
  /// `uuid`.
  case uuid
  /// `fixed(L)`.
  case fixed(length: Int)
  /// `binary`.
  case binary
  /// `unknown`, from v3: only nulls.
  case unknown
  /// A type that this library keeps in metadata but cannot read or write: `variant`, `geometry(…)`, `geography(…)`.
  case unsupported(String)
  /// `struct`.
  case structure([NestedField])
  /// `list`; the element is a field of its own, with an id.
  case list(element: NestedField)
  /// `map`; key and value are fields of their own, with ids.
  case map(key: NestedField, value: NestedField)
}

/// A field of a struct, an element of a list, a key or value of a map.
public struct NestedField: Hashable, Sendable {
  /// The id, unique in the table, never used again.
  public var id: Int
  /// The name; `element`, `key` and `value` in lists and maps.
  public var name: String
  /// The type.
  public var type: IcebergType
  /// Whether no value may be null.
  public var isRequired: Bool
  /// What it means.
  public var doc: String?
  /// The value of rows that were written before the field was added (v3, Appendix C's JSON single value).
  public var initialDefault: JSONValue?
  /// The value for writers that have none (v3).
  public var writeDefault: JSONValue?

  /// A field.
  public init(
    id: Int, name: String, type: IcebergType, isRequired: Bool = false, doc: String? = nil,
    initialDefault: JSONValue? = nil, writeDefault: JSONValue? = nil
  ) {
    self.id = id
    self.name = name
    self.type = type
    self.isRequired = isRequired
    self.doc = doc
    self.initialDefault = initialDefault
    self.writeDefault = writeDefault
  }
}

/// A version of a table's schema.
public struct TableSchema: Hashable, Sendable {
  /// The version's id.
  public var schemaID: Int
  /// The columns.
  public var fields: [NestedField]
  /// The fields that identify a row.
  public var identifierFieldIDs: [Int]

  /// A schema.
  public init(schemaID: Int = 0, fields: [NestedField], identifierFieldIDs: [Int] = []) {
    self.schemaID = schemaID
    self.fields = fields
    self.identifierFieldIDs = identifierFieldIDs
  }
}

/// A JSON value whose numbers keep their form: metadata that is not understood is written back as it was read.
public indirect enum JSONValue: Hashable, Sendable {
  /// `null`.
  case null
  /// `true` and `false`.
  case bool(Bool)
  /// A number without fraction or exponent that fits 64 bits.
  case integer(Int64)
  /// Any other number, as its text.
  case number(String)
  /// A string.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object; the order of members is kept.
  case object([Member])

  /// A member of an object.
  public struct Member: Hashable, Sendable {
    /// The name.
    public var name: String
    /// The value.
    public var value: JSONValue

    /// A member.
    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }
}
