extension JSONValue {
  /// An object of the members that are present: those whose value is `nil` are left out.
  public static func object(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
    .object(members.compactMap { name, value in value.map { Member(name, $0) } })
  }

  /// An object of strings, in the order of their names.
  public static func object(_ map: [String: String]) -> JSONValue {
    .object(map.sorted { $0.key < $1.key }.map { Member($0.key, .string($0.value)) })
  }

  /// An integer.
  public static func integer(_ value: Int) -> JSONValue { .integer(Int64(value)) }

  /// The value of the member `name`; `nil` when there is none or this is no object.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The string; `nil` when this is none.
  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }

  /// The integer; `nil` when this is none.
  public var integerValue: Int64? { if case .integer(let value) = self { value } else { nil } }

  /// The boolean; `nil` when this is none.
  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The elements; `nil` when this is no array.
  public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

  /// The members; `nil` when this is no object.
  public var objectValue: [Member]? { if case .object(let value) = self { value } else { nil } }

  /// The member `name`.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it, when it is absent or null.
  public func required(_ name: String) throws(IcebergError) -> JSONValue {
    guard let value = try optional(name) else { throw IcebergError(.corrupt, "\(name): expected, but absent") }
    return value
  }

  /// The member `name`; `nil` when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` when this is no object.
  public func optional(_ name: String) throws(IcebergError) -> JSONValue? {
    guard case .object(let members) = self else {
      throw IcebergError(.corrupt, "expected an object with the member \(name), found \(shortened)")
    }
    guard let value = members.first(where: { $0.name == name })?.value, value != .null else { return nil }
    return value
  }

  /// The string `name`.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func string(_ name: String) throws(IcebergError) -> String {
    try JSONValue.expect(try required(name).stringValue, "a string", name, self)
  }

  /// The string `name`; `nil` when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func optionalString(_ name: String) throws(IcebergError) -> String? {
    guard let value = try optional(name) else { return nil }
    return try JSONValue.expect(value.stringValue, "a string", name, self)
  }

  /// The integer `name`.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func integer(_ name: String) throws(IcebergError) -> Int64 {
    try JSONValue.expect(try required(name).integerValue, "an integer", name, self)
  }

  /// The integer `name`; `nil` when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func optionalInteger(_ name: String) throws(IcebergError) -> Int64? {
    guard let value = try optional(name) else { return nil }
    return try JSONValue.expect(value.integerValue, "an integer", name, self)
  }

  /// The integer `name`, which fits 32 bits: an id, a count, a version.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func int(_ name: String) throws(IcebergError) -> Int {
    Int(try JSONValue.expect(try required(name).integerValue.flatMap(Int32.init(exactly:)), "an int", name, self))
  }

  /// The integer `name`, which fits 32 bits; `nil` when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func optionalInt(_ name: String) throws(IcebergError) -> Int? {
    guard let value = try optional(name) else { return nil }
    return Int(try JSONValue.expect(value.integerValue.flatMap(Int32.init(exactly:)), "an int", name, self))
  }

  /// The boolean `name`.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func bool(_ name: String) throws(IcebergError) -> Bool {
    try JSONValue.expect(try required(name).boolValue, "true or false", name, self)
  }

  /// The boolean `name`; `nil` when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func optionalBool(_ name: String) throws(IcebergError) -> Bool? {
    guard let value = try optional(name) else { return nil }
    return try JSONValue.expect(value.boolValue, "true or false", name, self)
  }

  /// The array `name`.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func array(_ name: String) throws(IcebergError) -> [JSONValue] {
    try JSONValue.expect(try required(name).arrayValue, "an array", name, self)
  }

  /// The array `name`; `nil` when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func optionalArray(_ name: String) throws(IcebergError) -> [JSONValue]? {
    guard let value = try optional(name) else { return nil }
    return try JSONValue.expect(value.arrayValue, "an array", name, self)
  }

  /// The array `name`, each element read by `body`; errors name the element.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func elements<Element>(
    _ name: String, _ body: (JSONValue) throws(IcebergError) -> Element
  ) throws(IcebergError) -> [Element] {
    try JSONValue.map(try array(name), name, body)
  }

  /// The array `name`, each element read by `body`; `nil` when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func optionalElements<Element>(
    _ name: String, _ body: (JSONValue) throws(IcebergError) -> Element
  ) throws(IcebergError) -> [Element]? {
    guard let array = try optionalArray(name) else { return nil }
    return try JSONValue.map(array, name, body)
  }

  /// The object of strings `name`; empty when it is absent or null.
  /// - Throws: ``IcebergError`` of kind `corrupt` that names it.
  public func stringMap(_ name: String) throws(IcebergError) -> [String: String] {
    guard let value = try optional(name) else { return [:] }
    var result: [String: String] = [:]
    for member in try JSONValue.expect(value.objectValue, "an object", name, self) {
      result[member.name] = try JSONValue.expect(member.value.stringValue, "a string", "\(name).\(member.name)", nil)
    }
    return result
  }

  /// Array elements that are integers of 32 bits.
  func ints(_ name: String) throws(IcebergError) -> [Int]? {
    try optionalElements(name) { value throws(IcebergError) in
      Int(try JSONValue.expect(value.integerValue.flatMap(Int32.init(exactly:)), "an int", "", nil))
    }
  }

  /// Array elements that are integers of 64 bits.
  func integers(_ name: String) throws(IcebergError) -> [Int64]? {
    try optionalElements(name) { value throws(IcebergError) in
      try JSONValue.expect(value.integerValue, "an integer", "", nil)
    }
  }

  /// Array elements that are strings.
  func strings(_ name: String) throws(IcebergError) -> [String]? {
    try optionalElements(name) { value throws(IcebergError) in
      try JSONValue.expect(value.stringValue, "a string", "", nil)
    }
  }

  /// The first characters of the text, for messages.
  var shortened: String {
    let text = self.text
    return text.count > 60 ? "\(text.prefix(60))…" : text
  }

  private static func map<Element>(
    _ array: [JSONValue], _ name: String, _ body: (JSONValue) throws(IcebergError) -> Element
  ) throws(IcebergError) -> [Element] {
    var result: [Element] = []
    result.reserveCapacity(array.count)
    for (position, element) in array.enumerated() {
      do { result.append(try body(element)) } catch { throw error.within("\(name)[\(position)]") }
    }
    return result
  }

  private static func expect<Value>(
    _ value: Value?, _ what: String, _ name: String, _ parent: JSONValue?
  ) throws(IcebergError) -> Value {
    guard let value else {
      let found = parent?[name].map { ", found \($0.shortened)" } ?? ""
      throw IcebergError(.corrupt, "\(name)\(name.isEmpty ? "" : ": ")expected \(what)\(found)")
    }
    return value
  }
}

extension IcebergError {
  /// The same failure, inside of `place`.
  package func within(_ place: String) -> IcebergError {
    IcebergError(kind, message.hasPrefix("[") ? place + message : "\(place): \(message)")
  }
}
