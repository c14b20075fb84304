import Columnar

extension IcebergType {
  /// The type of a SQL type's columns; `nil` for `numeric` without a precision, and for `interval`.
  public init?(columnType: DataType) {
    switch columnType {
    case .boolean: self = .boolean
    case .integer: self = .int
    case .bigint: self = .long
    case .real: self = .float
    case .double: self = .double
    case .numeric(let precision?, let scale):
      guard (1...38).contains(precision), (0...precision).contains(scale ?? 0) else { return nil }
      self = .decimal(precision: precision, scale: scale ?? 0)
    case .numeric(nil, _), .interval: return nil
    case .text, .jsonb: self = .string
    case .bytea: self = .binary
    case .date: self = .date
    case .timestamp: self = .timestamp
    case .timestamptz: self = .timestamptz
    case .uuid: self = .uuid
    }
  }

  /// The SQL type of the type's columns; `nil` for nested types and those that this library cannot read.
  ///
  /// `time` is held as a `bigint` of microseconds.
  public var columnType: DataType? {
    switch self {
    case .boolean: .boolean
    case .int: .integer
    case .long, .time: .bigint
    case .float: .real
    case .double: .double
    case .decimal(let precision, let scale): .numeric(precision: precision, scale: scale)
    case .date: .date
    case .timestamp, .timestampNanos: .timestamp
    case .timestamptz, .timestamptzNanos: .timestamptz
    case .string, .unknown: .text
    case .uuid: .uuid
    case .fixed, .binary: .bytea
    case .unsupported, .structure, .list, .map: nil
    }
  }
}

extension TableSchema {
  /// A schema of SQL columns, with ids from 1.
  /// - Throws: ``IcebergError`` of kind `invalid` that names a column whose type tables do not have.
  public init(_ schema: Columnar.Schema) throws(IcebergError) {
    var fields: [NestedField] = []
    for field in schema.fields {
      guard let type = IcebergType(columnType: field.type) else {
        throw IcebergError(
          .invalid,
          "\(field.name): an Iceberg table cannot hold the type \(field.type.sqlName)"
            + (field.type == .numeric ? "; give it precision and scale, such as numeric(38, 9)" : ""))
      }
      fields.append(NestedField(id: fields.count + 1, name: field.name, type: type, isRequired: !field.isNullable))
    }
    self.init(fields: fields)
    try checkNames()
  }
}
