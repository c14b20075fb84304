extension IcebergType {
  /// The text of a type that is not nested, as in metadata; a description, as Java prints it, of a nested one.
  public var text: String {
    switch self {
    case .boolean: "boolean"
    case .int: "int"
    case .long: "long"
    case .float: "float"
    case .double: "double"
    case .decimal(let precision, let scale): "decimal(\(precision), \(scale))"
    case .date: "date"
    case .time: "time"
    case .timestamp: "timestamp"
    case .timestamptz: "timestamptz"
    case .timestampNanos: "timestamp_ns"
    case .timestamptzNanos: "timestamptz_ns"
    case .string: "string"
    case .uuid: "uuid"
    case .fixed(let length): "fixed[\(length)]"
    case .binary: "binary"
    case .unknown: "unknown"
    case .unsupported(let text): text
    case .structure(let fields): "struct<\(fields.map(\.text).joined(separator: ", "))>"
    case .list(let element): "list<\(element.type.text)>"
    case .map(let key, let value): "map<\(key.type.text), \(value.type.text)>"
    }
  }

  /// Whether values have fields of their own: a struct, list or map.
  public var isNested: Bool {
    switch self {
    case .structure, .list, .map: true
    default: false
    }
  }

  /// The fields directly inside: of a struct, the element of a list, key and value of a map.
  public var fields: [NestedField] {
    switch self {
    case .structure(let fields): fields
    case .list(let element): [element]
    case .map(let key, let value): [key, value]
    default: []
    }
  }

  /// The first format version that has the type.
  public var minimumFormatVersion: Int {
    switch self {
    case .timestampNanos, .timestamptzNanos, .unknown, .unsupported: 3
    default: fields.map(\.type.minimumFormatVersion).max() ?? 1
    }
  }

  /// A type that is not nested, from its text, such as `long` or `decimal(9, 2)`.
  /// - Throws: ``IcebergError`` of kind `corrupt` when there is no such type.
  public init(parsing text: String) throws(IcebergError) {
    let name = text.lowercased()
    if let simple = Self.simple[name] {
      self = simple
    } else if let numbers = Self.numbers(name, after: "fixed[", before: "]"), numbers.count == 1 {
      self = .fixed(length: numbers[0])
    } else if let numbers = Self.numbers(name, after: "decimal(", before: ")"), numbers.count == 2 {
      guard (1...38).contains(numbers[0]), numbers[1] <= numbers[0] else {
        throw IcebergError(.corrupt, "\(text): a decimal has 1 to 38 digits, and not more after the point")
      }
      self = .decimal(precision: numbers[0], scale: numbers[1])
    } else if ["variant", "geometry", "geography"].contains(where: { name == $0 || name.hasPrefix($0 + "(") }) {
      self = .unsupported(text)
    } else {
      throw IcebergError(.corrupt, "\"\(text)\" is no type of the format versions 1 to 3")
    }
  }

  private static let simple: [String: IcebergType] = [
    "boolean": .boolean, "int": .int, "long": .long, "float": .float, "double": .double, "date": .date, "time": .time,
    "timestamp": .timestamp, "timestamptz": .timestamptz, "timestamp_ns": .timestampNanos,
    "timestamptz_ns": .timestamptzNanos, "string": .string, "uuid": .uuid, "binary": .binary, "unknown": .unknown
  ]

  private static func numbers(_ text: String, after prefix: String, before suffix: String) -> [Int]? {
    guard text.hasPrefix(prefix), text.hasSuffix(suffix), text.utf8.count < 64 else { return nil }
    var result: [Int] = []
    for part in text.dropFirst(prefix.count).dropLast().split(separator: ",", omittingEmptySubsequences: false) {
      let digits = part.trimmingSpaces
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int32(digits) else {
        return nil
      }
      result.append(Int(number))
    }
    return result
  }

  /// A type of its JSON (Iceberg specification, Appendix C).
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    if case .string(let text) = json {
      try self.init(parsing: text)
      return
    }
    switch try json.string("type") {
    case "struct":
      self = .structure(try json.elements("fields") { value throws(IcebergError) in try NestedField(json: value) })
    case "list":
      let type = try Self.member("element", of: json)
      self = .list(
        element: NestedField(
          id: try json.int("element-id"), name: "element", type: type, isRequired: try json.bool("element-required")))
    case "map":
      let key = try Self.member("key", of: json)
      let value = try Self.member("value", of: json)
      self = .map(
        key: NestedField(id: try json.int("key-id"), name: "key", type: key, isRequired: true),
        value: NestedField(
          id: try json.int("value-id"), name: "value", type: value, isRequired: try json.bool("value-required")))
    case let other: throw IcebergError(.corrupt, "type: expected struct, list or map, found \(other)")
    }
  }

  private static func member(_ name: String, of json: JSONValue) throws(IcebergError) -> IcebergType {
    let value = try json.required(name)
    do { return try IcebergType(json: value) } catch { throw error.within(name) }
  }

  /// The JSON (Iceberg specification, Appendix C).
  public var json: JSONValue {
    switch self {
    case .structure(let fields): .object(["type": "struct", "fields": .array(fields.map(\.json))])
    case .list(let element):
      .object([
        "type": "list", "element-id": .integer(element.id), "element": element.type.json,
        "element-required": .bool(element.isRequired)
      ])
    case .map(let key, let value):
      .object([
        "type": "map", "key-id": .integer(key.id), "key": key.type.json, "value-id": .integer(value.id),
        "value": value.type.json, "value-required": .bool(value.isRequired)
      ])
    default: .string(text)
    }
  }
}

extension JSONValue: ExpressibleByStringLiteral {
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
}

extension NestedField {
  /// The field as Java prints it: `1: id: required long`.
  public var text: String { "\(id): \(name): \(isRequired ? "required" : "optional") \(type.text)" }

  /// A field of a struct, of its JSON (Iceberg specification, Appendix C).
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    let name = try json.string("name")
    let type: IcebergType
    do { type = try IcebergType(json: try json.required("type")) } catch { throw error.within(name) }
    self.init(
      id: try json.int("id"), name: name, type: type, isRequired: try json.bool("required"),
      doc: try json.optionalString("doc"), initialDefault: try json.optional("initial-default"),
      writeDefault: try json.optional("write-default"))
  }

  /// The JSON (Iceberg specification, Appendix C).
  public var json: JSONValue {
    .object([
      "id": .integer(id), "name": .string(name), "required": .bool(isRequired), "type": type.json,
      "doc": doc.map { .string($0) }, "initial-default": initialDefault, "write-default": writeDefault
    ])
  }
}

extension TableSchema {
  /// A schema of its JSON (Iceberg specification, Appendix C). Ids must be unique, names too among siblings.
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    if let type = try json.optionalString("type"), type != "struct" {
      throw IcebergError(.corrupt, "a schema: expected the type struct, found \(type)")
    }
    self.init(
      schemaID: try json.optionalInt("schema-id") ?? 0,
      fields: try json.elements("fields") { value throws(IcebergError) in try NestedField(json: value) },
      identifierFieldIDs: try json.ints("identifier-field-ids") ?? [])
    try checkIDs()
  }

  /// The JSON (Iceberg specification, Appendix C).
  public var json: JSONValue {
    .object([
      "type": "struct", "schema-id": .integer(schemaID),
      "identifier-field-ids": identifierFieldIDs.isEmpty ? nil : .array(identifierFieldIDs.map { .integer($0) }),
      "fields": .array(fields.map(\.json))
    ])
  }

  private func checkIDs() throws(IcebergError) {
    var seen: Set<Int> = []
    var pending: [[NestedField]] = [fields]
    while let siblings = pending.popLast() {
      var names: Set<[UInt8]> = []
      for field in siblings {
        guard seen.insert(field.id).inserted else {
          throw IcebergError(.corrupt, "schema \(schemaID): the field id \(field.id) is there twice (\(field.name))")
        }
        guard names.insert(Array(field.name.utf8)).inserted else {
          throw IcebergError(.corrupt, "schema \(schemaID): two fields are called \(field.name)")
        }
        pending.append(field.type.fields)
      }
    }
    for id in identifierFieldIDs where !seen.contains(id) {
      throw IcebergError(.corrupt, "schema \(schemaID): identifier-field-ids has \(id), which is no field")
    }
  }
}

extension StringProtocol {
  /// Without spaces and line breaks at both ends.
  package var trimmingSpaces: String {
    var slice = self[...]
    while let first = slice.first, first.isWhitespace { slice = slice.dropFirst() }
    while let last = slice.last, last.isWhitespace { slice = slice.dropLast() }
    return String(slice)
  }
}
