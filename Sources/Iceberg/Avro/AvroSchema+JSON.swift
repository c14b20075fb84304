extension AvroSchema {
  /// The schema of its JSON text.
  ///
  /// - Throws: kind `corrupt` when the text is not an Avro schema, `unsupported` when it is recursive.
  public init(parsing text: String) throws(IcebergError) {
    var parser = AvroSchemaParser()
    self = try parser.schema(try JSONValue(parsing: text), namespace: nil, depth: 0).schema
  }

  /// The JSON text; a named type that comes again is written as its name.
  public var text: String {
    var names: Set<String> = []
    return json(&names).text
  }

  private func json(_ names: inout Set<String>) -> JSONValue {
    switch self {
    case .null: return .string("null")
    case .boolean: return .string("boolean")
    case .float: return .string("float")
    case .double: return .string("double")
    case .int(let logical): return primitive("int", logical)
    case .long(let logical): return primitive("long", logical)
    case .bytes(let logical): return primitive("bytes", logical)
    case .string(let logical): return primitive("string", logical)
    case .fixed(let name, let size, let logical):
      guard names.insert(name).inserted else { return .string(name) }
      return .object(
        [.init("type", .string("fixed")), .init("name", .string(name)), .init("size", .integer(Int64(size)))]
          + (logical?.members ?? []))
    case .enumeration(let name, let symbols):
      guard names.insert(name).inserted else { return .string(name) }
      return .object([
        .init("type", .string("enum")), .init("name", .string(name)),
        .init("symbols", .array(symbols.map { .string($0) }))
      ])
    case .array(let items, let elementID):
      return .object(
        [.init("type", .string("array")), .init("items", items.json(&names))] + id("element-id", elementID))
    case .keyedArray(let entry):
      return .object([
        .init("type", .string("array")), .init("items", AvroSchema.record(entry).json(&names)),
        .init("logicalType", .string("map"))
      ])
    case .map(let values, let keyID, let valueID):
      return .object(
        [.init("type", .string("map")), .init("values", values.json(&names))] + id("key-id", keyID)
          + id("value-id", valueID))
    case .record(let record):
      guard names.insert(record.name).inserted else { return .string(record.name) }
      return .object([
        .init("type", .string("record")), .init("name", .string(record.name)),
        .init("fields", .array(record.fields.map { fieldJSON($0, &names) }))
      ])
    case .union(let branches): return .array(branches.map { $0.json(&names) })
    }
  }

  private func fieldJSON(_ field: AvroField, _ names: inout Set<String>) -> JSONValue {
    var members: [JSONValue.Member] = [.init("name", .string(field.name)), .init("type", field.type.json(&names))]
    if let doc = field.doc { members.append(.init("doc", .string(doc))) }
    if case .union(let branches) = field.type, branches.first == .null { members.append(.init("default", .null)) }
    members += id("field-id", field.fieldID)
    if let name = field.icebergName { members.append(.init("iceberg-field-name", .string(name))) }
    return .object(members)
  }

  private func primitive(_ name: String, _ logical: AvroLogicalType?) -> JSONValue {
    guard let logical else { return .string(name) }
    return .object([.init("type", .string(name))] + logical.members)
  }

  private func id(_ name: String, _ value: Int?) -> [JSONValue.Member] {
    value.map { [.init(name, .integer(Int64($0)))] } ?? []
  }
}

extension AvroLogicalType {
  fileprivate var members: [JSONValue.Member] {
    switch self {
    case .decimal(let precision, let scale):
      return named("decimal") + [
        .init("precision", .integer(Int64(precision))), .init("scale", .integer(Int64(scale)))
      ]
    case .date: return named("date")
    case .timeMillis: return named("time-millis")
    case .timeMicros: return named("time-micros")
    case .timestampMillis(let adjust): return named("timestamp-millis") + adjusted(adjust)
    case .timestampMicros(let adjust): return named("timestamp-micros") + adjusted(adjust)
    case .timestampNanos(let adjust): return named("timestamp-nanos") + adjusted(adjust)
    case .uuid: return named("uuid")
    }
  }

  private func named(_ name: String) -> [JSONValue.Member] { [.init("logicalType", .string(name))] }

  private func adjusted(_ value: Bool?) -> [JSONValue.Member] {
    value.map { [.init("adjust-to-utc", .bool($0))] } ?? []
  }

  /// The logical type of a type's attributes; unknown or impossible ones count as none, as Avro demands.
  fileprivate init?(_ object: AvroAttributes) {
    let adjust = object.boolean("adjust-to-utc")
    switch object.string("logicalType") {
    case "decimal":
      guard let precision = object.integer("precision"), precision > 0 else { return nil }
      self = .decimal(precision: precision, scale: object.integer("scale") ?? 0)
    case "date": self = .date
    case "time-millis": self = .timeMillis
    case "time-micros": self = .timeMicros
    case "timestamp-millis": self = .timestampMillis(adjustToUTC: adjust)
    case "timestamp-micros": self = .timestampMicros(adjustToUTC: adjust)
    case "timestamp-nanos": self = .timestampNanos(adjustToUTC: adjust)
    case "local-timestamp-millis": self = .timestampMillis(adjustToUTC: false)
    case "local-timestamp-micros": self = .timestampMicros(adjustToUTC: false)
    case "local-timestamp-nanos": self = .timestampNanos(adjustToUTC: false)
    case "uuid": self = .uuid
    default: return nil
    }
  }
}

/// The members of a JSON object, looked up by name.
private struct AvroAttributes {
  let members: [JSONValue.Member]

  subscript(name: String) -> JSONValue? { members.first { $0.name == name }?.value }

  func string(_ name: String) -> String? {
    if case .string(let value)? = self[name] { return value }
    return nil
  }

  func integer(_ name: String) -> Int? {
    if case .integer(let value)? = self[name] { return Int(exactly: value) }
    return nil
  }

  func boolean(_ name: String) -> Bool? {
    if case .bool(let value)? = self[name] { return value }
    return nil
  }
}

/// Turns JSON into a schema and resolves names.
private struct AvroSchemaParser {
  /// A schema and how many types it is made of, repeated ones counted each time.
  struct Parsed {
    var schema: AvroSchema
    var weight: Int
  }

  /// The named types so far; `nil` while one is being parsed.
  private var named: [String: Parsed?] = [:]
  private let depthLimit = 64
  private let weightLimit = 100_000

  private func corrupt(_ message: String) -> IcebergError { IcebergError(.corrupt, "Avro schema: \(message)") }

  mutating func schema(_ json: JSONValue, namespace: String?, depth: Int) throws(IcebergError) -> Parsed {
    guard depth < depthLimit else { throw corrupt("types are nested more than \(depthLimit) deep") }
    let result: Parsed
    switch json {
    case .string(let name):
      result = try reference(name, AvroAttributes(members: []), namespace: namespace)
    case .array(let branches):
      var parsed = Parsed(schema: .null, weight: 1)
      var schemas: [AvroSchema] = []
      for branch in branches {
        let next = try schema(branch, namespace: namespace, depth: depth + 1)
        if case .union = next.schema { throw corrupt("a union directly in a union") }
        parsed.weight += next.weight
        schemas.append(next.schema)
      }
      guard !schemas.isEmpty else { throw corrupt("a union without types") }
      parsed.schema = .union(schemas)
      result = parsed
    case .object(let members):
      result = try object(AvroAttributes(members: members), namespace: namespace, depth: depth)
    default: throw corrupt("expected a name, an object or an array, found \(json.text.prefix(80))")
    }
    guard result.weight <= weightLimit else { throw corrupt("more than \(weightLimit) types") }
    return result
  }

  private func reference(
    _ name: String, _ attributes: AvroAttributes, namespace: String?
  ) throws(IcebergError) -> Parsed {
    let logical = AvroLogicalType(attributes)
    switch name {
    case "null": return Parsed(schema: .null, weight: 1)
    case "boolean": return Parsed(schema: .boolean, weight: 1)
    case "int": return Parsed(schema: .int(logical), weight: 1)
    case "long": return Parsed(schema: .long(logical), weight: 1)
    case "float": return Parsed(schema: .float, weight: 1)
    case "double": return Parsed(schema: .double, weight: 1)
    case "bytes": return Parsed(schema: .bytes(logical), weight: 1)
    case "string": return Parsed(schema: .string(logical), weight: 1)
    default:
      guard let entry = named[fullName(name, namespace)] ?? named[name] else {
        throw corrupt("there is no type '\(name)'")
      }
      guard let parsed = entry else {
        throw IcebergError(.unsupported, "Avro schema: the type '\(name)' contains itself")
      }
      return parsed
    }
  }

  private func fullName(_ name: String, _ namespace: String?) -> String {
    guard !name.contains("."), let namespace, !namespace.isEmpty else { return name }
    return namespace + "." + name
  }

  private mutating func object(
    _ attributes: AvroAttributes, namespace: String?, depth: Int
  ) throws(IcebergError) -> Parsed {
    guard let type = attributes["type"] else { throw corrupt("a type without 'type'") }
    guard case .string(let name) = type else { return try schema(type, namespace: namespace, depth: depth + 1) }
    switch name {
    case "array": return try array(attributes, namespace: namespace, depth: depth)
    case "map":
      guard let values = attributes["values"] else { throw corrupt("a map without 'values'") }
      let parsed = try schema(values, namespace: namespace, depth: depth + 1)
      return Parsed(
        schema: .map(
          values: parsed.schema, keyID: attributes.integer("key-id"), valueID: attributes.integer("value-id")),
        weight: parsed.weight + 1)
    case "fixed", "enum", "record", "error":
      return try namedType(name, attributes, namespace: namespace, depth: depth)
    default: return try reference(name, attributes, namespace: namespace)
    }
  }

  private mutating func array(
    _ attributes: AvroAttributes, namespace: String?, depth: Int
  ) throws(IcebergError) -> Parsed {
    guard let items = attributes["items"] else { throw corrupt("an array without 'items'") }
    let parsed = try schema(items, namespace: namespace, depth: depth + 1)
    // Some writers leave the logical type out: the names of key and value tell then.
    if case .record(let entry) = parsed.schema, entry.fields.count == 2,
      attributes.string("logicalType") == "map" || entry.fields.map(\.name) == ["key", "value"]
    {
      return Parsed(schema: .keyedArray(entry: entry), weight: parsed.weight + 1)
    }
    return Parsed(
      schema: .array(items: parsed.schema, elementID: attributes.integer("element-id")), weight: parsed.weight + 1)
  }

  private mutating func namedType(
    _ kind: String, _ attributes: AvroAttributes, namespace: String?, depth: Int
  ) throws(IcebergError) -> Parsed {
    guard let name = attributes.string("name") else { throw corrupt("a \(kind) without 'name'") }
    let own = attributes.string("namespace") ?? namespace
    let full = fullName(name, own)
    let inner = full.contains(".") ? String(full[..<(full.lastIndex(of: ".") ?? full.startIndex)]) : nil
    guard named[full] == nil else { throw corrupt("the type '\(full)' is there twice") }
    named[full] = .some(nil)
    let parsed: Parsed
    switch kind {
    case "fixed":
      guard let size = attributes.integer("size"), size >= 0, size <= 1 << 30 else {
        throw corrupt("the fixed '\(name)' has no size from 0 to 2^30")
      }
      parsed = Parsed(schema: .fixed(name: full, size: size, AvroLogicalType(attributes)), weight: 1)
    case "enum":
      guard case .array(let values)? = attributes["symbols"] else { throw corrupt("an enum without 'symbols'") }
      var symbols: [String] = []
      for value in values {
        guard case .string(let symbol) = value else { throw corrupt("a symbol of '\(name)' is not a string") }
        symbols.append(symbol)
      }
      parsed = Parsed(schema: .enumeration(name: full, symbols: symbols), weight: 1)
    default: parsed = try record(full, attributes, namespace: inner, depth: depth)
    }
    named[full] = .some(parsed)
    return parsed
  }

  private mutating func record(
    _ name: String, _ attributes: AvroAttributes, namespace: String?, depth: Int
  ) throws(IcebergError) -> Parsed {
    guard case .array(let members)? = attributes["fields"] else {
      throw corrupt("the record '\(name)' has no 'fields'")
    }
    var fields: [AvroField] = []
    var weight = 1
    for member in members {
      guard case .object(let object) = member else { throw corrupt("a field of '\(name)' is not an object") }
      let field = AvroAttributes(members: object)
      guard let fieldName = field.string("name"), let type = field["type"] else {
        throw corrupt("a field of '\(name)' has no name or no type")
      }
      let parsed = try schema(type, namespace: namespace, depth: depth + 1)
      weight += parsed.weight
      fields.append(
        AvroField(
          name: fieldName, fieldID: field.integer("field-id"), type: parsed.schema,
          icebergName: field.string("iceberg-field-name"), doc: field.string("doc")))
    }
    return Parsed(schema: .record(AvroRecordSchema(name: name, fields: fields)), weight: weight)
  }
}
