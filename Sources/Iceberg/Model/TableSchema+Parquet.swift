import Parquet

extension TableSchema {
  /// The schema of the Parquet files of a table, with field ids everywhere (Iceberg specification, Appendix A).
  ///
  /// Columns of the type `unknown` are left out: they are not stored.
  /// - Throws: ``IcebergError`` of kind `unsupported` for a type that this library cannot write.
  public func parquetSchema() throws(IcebergError) -> ParquetSchema {
    ParquetSchema(try Self.parquetFields(fields))
  }

  private static func parquetFields(_ fields: [NestedField]) throws(IcebergError) -> [ParquetField] {
    var result: [ParquetField] = []
    for field in fields where field.type != .unknown { result.append(try field.parquetField()) }
    return result
  }

  fileprivate static func kind(_ type: IcebergType) throws(IcebergError) -> ParquetField.Kind {
    switch type {
    case .structure(let fields): return .group(try parquetFields(fields))
    case .list(let element): return .list(element: try element.parquetField())
    case .map(let key, let value): return .map(key: try key.parquetField(), value: try value.parquetField())
    default:
      guard let leaf = type.parquetLeaf else {
        throw IcebergError(.unsupported, "a column of the type \(type.text) cannot be written to Parquet")
      }
      return .leaf(leaf)
    }
  }

  /// The table schema of a Parquet file whose fields all have ids, such as ``NameMapping/apply(to:)`` gives.
  ///
  /// Fields without an id are left out, with what is inside of them: no reader of the table sees them.
  /// - Throws: ``IcebergError`` of kind `unsupported` for types that tables do not have.
  public init(_ schema: ParquetSchema) throws(IcebergError) {
    self.init(schemaID: 0, fields: try Self.tableFields(schema.fields))
  }

  private static func tableFields(_ fields: [ParquetField]) throws(IcebergError) -> [NestedField] {
    var result: [NestedField] = []
    for field in fields where field.fieldID != nil { result.append(try tableField(field, name: field.name)) }
    return result
  }

  private static func tableField(_ field: ParquetField, name: String) throws(IcebergError) -> NestedField {
    guard let id = field.fieldID else {
      throw IcebergError(.unsupported, "the Parquet field \(name) has no field id; the table needs a name mapping")
    }
    do {
      return NestedField(id: id, name: name, type: try type(field.kind), isRequired: field.isRequired)
    } catch { throw error.within(name) }
  }

  private static func type(_ kind: ParquetField.Kind) throws(IcebergError) -> IcebergType {
    switch kind {
    case .leaf(let leaf):
      guard let type = IcebergType(parquetLeaf: leaf) else {
        throw IcebergError(.unsupported, "no type of the table format for Parquet's \(leaf)")
      }
      return type
    case .group(let fields): return .structure(try tableFields(fields))
    case .list(let element): return .list(element: try tableField(element, name: "element"))
    case .map(let key, let value):
      return .map(key: try tableField(key, name: "key"), value: try tableField(value, name: "value"))
    }
  }
}

extension NestedField {
  fileprivate func parquetField() throws(IcebergError) -> ParquetField {
    do {
      return ParquetField(name, try TableSchema.kind(type), fieldID: id, isRequired: isRequired)
    } catch { throw error.within(name) }
  }
}

extension IcebergType {
  /// The Parquet leaf that holds the type's values (Iceberg specification, Appendix A); `nil` for nested types and those
  /// that are not written.
  public var parquetLeaf: LeafType? {
    switch self {
    case .boolean: .boolean
    case .int: .int32(bits: 32)
    case .long: .int64
    case .float: .float
    case .double: .double
    case .decimal(let precision, let scale): .decimal(precision: precision, scale: scale)
    case .date: .date
    case .time: .time(.microseconds, isAdjustedToUTC: false)
    case .timestamp: .timestamp(.microseconds, isAdjustedToUTC: false)
    case .timestamptz: .timestamp(.microseconds, isAdjustedToUTC: true)
    case .timestampNanos: .timestamp(.nanoseconds, isAdjustedToUTC: false)
    case .timestamptzNanos: .timestamp(.nanoseconds, isAdjustedToUTC: true)
    case .string: .string
    case .uuid: .uuid
    case .fixed(let length): .fixed(length: length)
    case .binary: .binary
    case .unknown, .unsupported, .structure, .list, .map: nil
    }
  }

  /// The type of a Parquet leaf's values; times of milliseconds become those of microseconds. `nil` when there is none.
  public init?(parquetLeaf leaf: LeafType) {
    switch leaf {
    case .boolean: self = .boolean
    case .int32: self = .int
    case .int64: self = .long
    case .unsigned(let bits) where bits < 32: self = .int
    case .unsigned(32): self = .long
    case .unsigned: return nil
    case .float: self = .float
    case .double: self = .double
    case .decimal(let precision, let scale):
      guard (1...38).contains(precision) else { return nil }
      self = .decimal(precision: precision, scale: scale)
    case .string, .json: self = .string
    case .binary: self = .binary
    case .fixed(let length): self = .fixed(length: length)
    case .uuid: self = .uuid
    case .date: self = .date
    case .time: self = .time
    case .timestamp(.nanoseconds, let isAdjusted): self = isAdjusted ? .timestamptzNanos : .timestampNanos
    case .timestamp(_, let isAdjusted): self = isAdjusted ? .timestamptz : .timestamp
    case .int96: self = .timestamptz
    }
  }
}
