/// A node of the parse tree: the JSON that libpg_query writes, with text and numbers decoded.
indirect enum SyntaxNode: Hashable, Sendable {
  case object([String: SyntaxNode])
  case array([SyntaxNode])
  case string(String)
  case number(Int)
  case boolean(Bool)
  case null

  /// The member called `name` of an object.
  subscript(_ name: String) -> SyntaxNode? {
    guard case .object(let members) = self else { return nil }
    return members[name]
  }

  /// The elements of an array; none for anything else.
  var elements: [SyntaxNode] {
    if case .array(let elements) = self { return elements }
    return []
  }

  /// The text of a string.
  var text: String? {
    if case .string(let text) = self { return text }
    return nil
  }

  /// The value of a number.
  var integer: Int? {
    if case .number(let value) = self { return value }
    return nil
  }

  /// Whether this is `true`.
  var isTrue: Bool { self == .boolean(true) }

  /// The node's kind and content: libpg_query wraps each node in an object with one member, named after the kind.
  var tagged: (kind: String, node: SyntaxNode)? {
    guard case .object(let members) = self, members.count == 1, let only = members.first else { return nil }
    return (only.key, only.value)
  }

  /// The elements of the member `name`.
  func list(_ name: String) -> [SyntaxNode] { self[name]?.elements ?? [] }

  /// The strings of the member `name`, a list of `String` nodes.
  func names(_ name: String) -> [String] { list(name).compactMap { $0["String"].map { $0["sval"]?.text ?? "" } } }

  /// The byte offset in the text that was parsed.
  var location: Int? {
    guard let location = self["location"]?.integer, location >= 0 else { return self["location"] == nil ? 0 : nil }
    return location
  }
}

/// Reads the JSON of a parse tree. Depth is bounded, because whoever walks the tree recurses.
struct SyntaxTreeReader {
  /// Why a tree cannot be read.
  enum Failure: Error {
    case tooDeep
    case malformed
  }

  static let depthLimit = 700

  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0
  private var depth = 0

  /// Reads the NUL-terminated text at `text`.
  static func read(_ text: UnsafePointer<CChar>, count: Int) throws(Failure) -> SyntaxNode {
    let bytes = UnsafeRawBufferPointer(start: text, count: count).bindMemory(to: UInt8.self)
    var reader = SyntaxTreeReader(bytes: bytes)
    return try reader.value()
  }

  private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

  private mutating func take(_ byte: Character) -> Bool {
    guard current == byte.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func value() throws(Failure) -> SyntaxNode {
    switch current {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      depth += 1
      defer { depth -= 1 }
      if depth > Self.depthLimit { throw .tooDeep }
      return current == UInt8(ascii: "{") ? try object() : try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func object() throws(Failure) -> SyntaxNode {
    position += 1
    var members: [String: SyntaxNode] = [:]
    if take("}") { return .object(members) }
    repeat {
      let name = try string()
      guard take(":") else { throw .malformed }
      members[name] = try value()
    } while take(",")
    guard take("}") else { throw .malformed }
    return .object(members)
  }

  private mutating func array() throws(Failure) -> SyntaxNode {
    position += 1
    var elements: [SyntaxNode] = []
    if take("]") { return .array(elements) }
    repeat { elements.append(try value()) } while take(",")
    guard take("]") else { throw .malformed }
    return .array(elements)
  }

  private mutating func word(_ word: StaticString, _ node: SyntaxNode) throws(Failure) -> SyntaxNode {
    for index in 0..<word.utf8CodeUnitCount {
      guard current == word.utf8Start[index] else { throw .malformed }
      position += 1
    }
    return node
  }

  private mutating func number() throws(Failure) -> SyntaxNode {
    let start = position
    while "+-.eE0123456789".utf8.contains(current) { position += 1 }
    guard let value = Int(String(decoding: bytes[start..<position], as: UTF8.self)) else { throw .malformed }
    return .number(value)
  }

  private mutating func string() throws(Failure) -> String {
    guard take("\"") else { throw .malformed }
    var result: [UInt8] = []
    while position < bytes.count, current != UInt8(ascii: "\"") {
      if current == UInt8(ascii: "\\") {
        position += 1
        try escape(into: &result)
      } else {
        result.append(current)
        position += 1
      }
    }
    guard take("\"") else { throw .malformed }
    return String(decoding: result, as: UTF8.self)
  }

  private mutating func escape(into result: inout [UInt8]) throws(Failure) {
    let letter = current
    position += 1
    switch letter {
    case UInt8(ascii: "n"): result.append(0x0a)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "r"): result.append(0x0d)
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "f"): result.append(0x0c)
    case UInt8(ascii: "u"):
      guard position + 4 <= bytes.count,
        let code = UInt32(String(decoding: bytes[position..<(position + 4)], as: UTF8.self), radix: 16),
        let scalar = Unicode.Scalar(code)
      else { throw .malformed }
      position += 4
      result.append(contentsOf: Array(String(Character(scalar)).utf8))
    default: result.append(letter)
    }
  }
}
