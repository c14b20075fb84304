import Parquet

/// Field ids by names, for files that have none (Iceberg specification, "Column Projection" and "Name Mapping
/// Serialization").
public struct NameMapping: Hashable, Sendable {
  /// A field's names.
  public struct Field: Hashable, Sendable {
    /// The id; absent for a field that is only on the way to others.
    public var fieldID: Int?
    /// What it is or was called.
    public var names: [String]
    /// What is inside of it.
    public var fields: [Field]

    /// The names of a field.
    public init(fieldID: Int?, names: [String], fields: [Field] = []) {
      self.fieldID = fieldID
      self.names = names
      self.fields = fields
    }
  }

  /// The property that holds a table's mapping.
  public static let propertyName = "schema.name-mapping.default"

  /// The columns.
  public var fields: [Field]

  /// A mapping of columns.
  public init(fields: [Field]) { self.fields = fields }

  /// The mapping of a schema's present names.
  public init(_ schema: TableSchema) { fields = schema.fields.map(Self.field) }

  private static func field(_ field: NestedField) -> Field {
    Field(fieldID: field.id, names: [field.name], fields: field.type.fields.map(Self.field))
  }

  /// A mapping of its JSON text.
  /// - Throws: ``IcebergError`` of kind `corrupt`, also when siblings share a name.
  public init(parsing text: String) throws(IcebergError) {
    let json: JSONValue
    do { json = try JSONValue(parsing: text) } catch { throw error.within("name mapping") }
    guard case .array(let elements) = json else { throw IcebergError(.corrupt, "name mapping: expected an array") }
    do { fields = try Self.read(elements) } catch { throw error.within("name mapping") }
  }

  private static func read(_ elements: [JSONValue]) throws(IcebergError) -> [Field] {
    var result: [Field] = []
    var seen: Set<String> = []
    for element in elements {
      let names = try element.strings("names") ?? []
      for name in names where !seen.insert(name).inserted {
        throw IcebergError(.corrupt, "two fields are called \(name)")
      }
      result.append(
        Field(
          fieldID: try element.optionalInt("field-id"), names: names,
          fields: try read(try element.optionalArray("fields") ?? [])))
    }
    return result
  }

  /// The JSON.
  public var json: JSONValue { .array(fields.map(\.json)) }

  /// The JSON text.
  public var text: String { json.text }

  /// A file's schema with the ids of this mapping. Ids that a field has are replaced or, where its name is not mapped,
  /// removed: use it for files without any.
  public func apply(to schema: ParquetSchema) -> ParquetSchema {
    ParquetSchema(schema.fields.map { Self.apply(fields, to: $0, name: $0.name) })
  }

  private static func apply(_ mapping: [Field], to field: ParquetField, name: String) -> ParquetField {
    let match = mapping.first { $0.names.contains(name) }
    let inner = match?.fields ?? []
    var result = field
    result.fieldID = match?.fieldID
    switch field.kind {
    case .leaf: break
    case .group(let fields): result.kind = .group(fields.map { apply(inner, to: $0, name: $0.name) })
    case .list(let element): result.kind = .list(element: apply(inner, to: element, name: "element"))
    case .map(let key, let value):
      result.kind = .map(key: apply(inner, to: key, name: "key"), value: apply(inner, to: value, name: "value"))
    }
    return result
  }
}

extension NameMapping.Field {
  var json: JSONValue {
    .object([
      "field-id": fieldID.map { .integer($0) }, "names": .array(names.map { .string($0) }),
      "fields": fields.isEmpty ? nil : .array(fields.map(\.json))
    ])
  }
}

extension TableMetadata {
  /// The mapping that the table has for files without field ids.
  /// - Throws: ``IcebergError`` of kind `corrupt` when the property is no mapping.
  public func nameMapping() throws(IcebergError) -> NameMapping? {
    guard let text = properties[NameMapping.propertyName] else { return nil }
    return try NameMapping(parsing: text)
  }
}

extension ParquetSchema {
  /// Whether a field, at any depth, has an id.
  public var hasFieldIDs: Bool { fields.contains(where: \.hasFieldIDs) }
}

extension ParquetField {
  fileprivate var hasFieldIDs: Bool {
    if fieldID != nil { return true }
    switch kind {
    case .leaf: return false
    case .group(let fields): return fields.contains(where: \.hasFieldIDs)
    case .list(let element): return element.hasFieldIDs
    case .map(let key, let value): return key.hasFieldIDs || value.hasFieldIDs
    }
  }
}
