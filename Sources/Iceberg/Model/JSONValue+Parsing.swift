extension JSONValue {
  /// How deep arrays and objects may be nested in a text that is parsed.
  public static let maximumDepth = 256

  /// Parses a JSON text (RFC 8259) strictly: nothing but one value, UTF-8, no comments, no trailing commas.
  ///
  /// Of members with the same name the last one wins. Integers keep all 64 bits; other numbers keep their text.
  /// - Throws: ``IcebergError`` of kind `corrupt` with the offset of the byte that is wrong.
  public init(parsing bytes: [UInt8]) throws(IcebergError) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }

  /// Parses a JSON text; see ``init(parsing:)-([UInt8])``.
  /// - Throws: ``IcebergError`` of kind `corrupt` with the offset of the byte that is wrong.
  public init(parsing text: String) throws(IcebergError) {
    try self.init(parsing: Array(text.utf8))
  }
}

/// A recursive-descent parser over bytes.
private struct JSONParser {
  private let bytes: [UInt8]
  private var index = 0
  private var depth = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(IcebergError) -> JSONValue {
    let result = try value()
    skipSpace()
    guard index == bytes.count else { throw failure("expected the end of the text") }
    return result
  }

  private func failure(_ what: String, at place: Int? = nil) -> IcebergError {
    let place = place ?? index
    let found = place < bytes.count ? "found \(describe(bytes[place]))" : "the text ends"
    return IcebergError(.corrupt, "not JSON: \(what) at byte \(place), \(found)")
  }

  private func describe(_ byte: UInt8) -> String {
    (0x20..<0x7F).contains(byte) ? "'\(Character(UnicodeScalar(byte)))'" : "byte \(byte)"
  }

  private mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0A, 0x0D: index += 1
      default: return
      }
    }
  }

  private mutating func value() throws(IcebergError) -> JSONValue {
    skipSpace()
    guard index < bytes.count else { throw failure("expected a value") }
    switch bytes[index] {
    case UInt8(ascii: "{"): return try nested { parser throws(IcebergError) in try parser.object() }
    case UInt8(ascii: "["): return try nested { parser throws(IcebergError) in try parser.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"):
      try keyword("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try keyword("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try keyword("null")
      return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure("expected a value")
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(IcebergError) -> JSONValue
  ) throws(IcebergError) -> JSONValue {
    guard depth < JSONValue.maximumDepth else {
      throw failure("more than \(JSONValue.maximumDepth) levels of arrays and objects")
    }
    depth += 1
    defer { depth -= 1 }
    index += 1
    return try body(&self)
  }

  private mutating func keyword(_ word: StaticString) throws(IcebergError) {
    let length = word.utf8CodeUnitCount
    let matches =
      index + length <= bytes.count
      && word.withUTF8Buffer { buffer in (0..<length).allSatisfy { buffer[$0] == bytes[index + $0] } }
    guard matches else { throw failure("expected '\(word)'") }
    index += length
  }

  private mutating func object() throws(IcebergError) -> JSONValue {
    var members: [JSONValue.Member] = []
    var positions: [String: Int] = [:]
    skipSpace()
    if index < bytes.count, bytes[index] == UInt8(ascii: "}") {
      index += 1
      return .object([])
    }
    while true {
      skipSpace()
      guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else { throw failure("expected a member's name") }
      let name = try string()
      skipSpace()
      guard index < bytes.count, bytes[index] == UInt8(ascii: ":") else { throw failure("expected ':'") }
      index += 1
      Self.add(JSONValue.Member(name, try value()), to: &members, &positions)
      if try !anotherElement(before: UInt8(ascii: "}")) { return .object(members) }
    }
  }

  /// Adds a member or replaces the one with its name; searches in line while there are few.
  private static func add(
    _ member: JSONValue.Member, to members: inout [JSONValue.Member], _ positions: inout [String: Int]
  ) {
    let few = 12
    if members.count == few, positions.isEmpty {
      for (position, other) in members.enumerated() { positions[other.name] = position }
    }
    let existing =
      members.count < few ? members.firstIndex { $0.name == member.name } : positions[member.name]
    if let existing {
      members[existing] = member
      return
    }
    if members.count >= few { positions[member.name] = members.count }
    members.append(member)
  }

  private mutating func array() throws(IcebergError) -> JSONValue {
    var elements: [JSONValue] = []
    skipSpace()
    if index < bytes.count, bytes[index] == UInt8(ascii: "]") {
      index += 1
      return .array([])
    }
    while true {
      elements.append(try value())
      if try !anotherElement(before: UInt8(ascii: "]")) { return .array(elements) }
    }
  }

  private mutating func anotherElement(before end: UInt8) throws(IcebergError) -> Bool {
    skipSpace()
    guard index < bytes.count, bytes[index] == end || bytes[index] == UInt8(ascii: ",") else {
      throw failure("expected ',' or \(describe(end))")
    }
    index += 1
    return bytes[index - 1] != end
  }

  private mutating func digits() -> Int {
    let start = index
    while index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) { index += 1 }
    return index - start
  }

  private mutating func number() throws(IcebergError) -> JSONValue {
    let start = index
    if bytes[index] == UInt8(ascii: "-") { index += 1 }
    let first = index
    let whole = digits()
    guard whole > 0 else { throw failure("expected a digit") }
    guard whole == 1 || bytes[first] != UInt8(ascii: "0") else {
      throw failure("a number must not begin with 0", at: first)
    }
    var isInteger = true
    if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
      isInteger = false
      index += 1
      guard digits() > 0 else { throw failure("expected a digit after '.'") }
    }
    if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      index += 1
      if index < bytes.count, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-") { index += 1 }
      guard digits() > 0 else { throw failure("expected a digit in the exponent") }
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    if isInteger, text != "-0", let integer = Int64(text) { return .integer(integer) }
    return .number(text)
  }

  private mutating func string() throws(IcebergError) -> String {
    index += 1
    let start = index
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        let text = try validated(bytes[start..<index])
        index += 1
        return text
      case UInt8(ascii: "\\"): return try escapedString(from: start)
      case 0..<0x20: throw failure("a control character in a string")
      default: index += 1
      }
    }
    throw failure("expected the end of a string")
  }

  private func validated(_ slice: ArraySlice<UInt8>) throws(IcebergError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw failure("a string that is not UTF-8", at: slice.startIndex)
    }
    return text
  }

  private mutating func escapedString(from start: Int) throws(IcebergError) -> String {
    var content = Array(bytes[start..<index])
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        return try validated(content[...])
      case UInt8(ascii: "\\"): try escape(into: &content)
      case 0..<0x20: throw failure("a control character in a string", at: index - 1)
      default: content.append(byte)
      }
    }
    throw failure("expected the end of a string")
  }

  private mutating func escape(into content: inout [UInt8]) throws(IcebergError) {
    guard index < bytes.count else { throw failure("expected an escape") }
    let byte = bytes[index]
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0C)
    case UInt8(ascii: "n"): content.append(0x0A)
    case UInt8(ascii: "r"): content.append(0x0D)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"): content.append(contentsOf: String(try unicodeEscape()).utf8)
    default: throw failure("not an escape", at: index - 1)
    }
  }

  private mutating func unicodeEscape() throws(IcebergError) -> Character {
    let place = index
    let first = try hexadecimal()
    if let scalar = UnicodeScalar(first) { return Character(scalar) }
    guard first < 0xDC00, index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"),
      bytes[index + 1] == UInt8(ascii: "u")
    else { throw failure("half of a surrogate pair", at: place) }
    index += 2
    let second = try hexadecimal()
    let combined = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) &- 0xDC00)
    guard (0xDC00..<0xE000).contains(second), let scalar = UnicodeScalar(combined) else {
      throw failure("half of a surrogate pair", at: place)
    }
    return Character(scalar)
  }

  private mutating func hexadecimal() throws(IcebergError) -> UInt16 {
    var result: UInt16 = 0
    for _ in 0..<4 {
      guard index < bytes.count, let digit = Character(UnicodeScalar(bytes[index])).hexDigitValue else {
        throw failure("expected a hexadecimal digit")
      }
      result = result << 4 | UInt16(digit)
      index += 1
    }
    return result
  }
}
