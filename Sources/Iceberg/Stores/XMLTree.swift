/// An element of a small XML document, as the servers of object stores send them.
///
/// Strict and bounded: no document types, no entities of its own, limited depth and size. Namespaces are cut off names.
package struct XMLTree: Hashable, Sendable {
  /// The name without a prefix.
  package var name: String
  /// All character data directly inside.
  package var text: String
  /// The elements inside.
  package var children: [XMLTree]

  /// The first element inside that is called `name`.
  package subscript(name: String) -> XMLTree? { children.first { $0.name == name } }

  /// The elements inside that are called `name`.
  package func all(_ name: String) -> [XMLTree] { children.filter { $0.name == name } }

  /// The root of a document; `nil` when it is not well-formed or too large.
  package static func parse(_ bytes: [UInt8], elementsMax: Int = 100_000) -> XMLTree? {
    guard bytes.count <= 64 << 20 else { return nil }
    var parser = XMLParser(bytes: bytes, elementsLeft: elementsMax)
    return parser.document()
  }
}

/// Walks over a document once; every step returns `nil`, or false, at the first byte that does not fit.
private struct XMLParser {
  let bytes: [UInt8]
  var position = 0
  var elementsLeft: Int

  init(bytes: [UInt8], elementsLeft: Int) {
    self.bytes = bytes
    self.elementsLeft = elementsLeft
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  mutating func document() -> XMLTree? {
    guard skipMisc(), let root = element(depth: 0), skipMisc(), position == bytes.count else { return nil }
    return root
  }

  /// Skips white space, comments and processing instructions around the root.
  private mutating func skipMisc() -> Bool {
    while true {
      skipSpace()
      if at("<?") {
        guard skip(past: "?>") else { return false }
      } else if at("<!--") {
        guard skip(past: "-->") else { return false }
      } else {
        return true
      }
    }
  }

  private mutating func element(depth: Int) -> XMLTree? {
    guard depth < 32, elementsLeft > 0, take("<"), let name = self.name() else { return nil }
    elementsLeft -= 1
    guard skipAttributes() else { return nil }
    let local = String(name.split(separator: ":").last ?? "")
    if take("/>") { return XMLTree(name: local, text: "", children: []) }
    guard take(">") else { return nil }
    var text: [UInt8] = []
    var children: [XMLTree] = []
    while position < bytes.count {
      if take("</") {
        guard self.name() == name else { return nil }
        skipSpace()
        guard take(">"), let string = String(validating: text, as: UTF8.self) else { return nil }
        return XMLTree(name: local, text: string, children: children)
      } else if at("<!--") {
        guard skip(past: "-->") else { return nil }
      } else if take("<![CDATA[") {
        let start = position
        guard skip(past: "]]>") else { return nil }
        text.append(contentsOf: bytes[start..<position - 3])
      } else if at("<?") {
        guard skip(past: "?>") else { return nil }
      } else if at("<") {
        guard let child = element(depth: depth + 1) else { return nil }
        children.append(child)
      } else if at("&") {
        guard let character = reference() else { return nil }
        text.append(contentsOf: String(character).utf8)
      } else {
        text.append(bytes[position])
        position += 1
      }
    }
    return nil
  }

  private mutating func skipAttributes() -> Bool {
    while true {
      let before = position
      skipSpace()
      guard position < bytes.count else { return false }
      if at(">") || at("/>") { return true }
      guard position > before, name() != nil else { return false }
      skipSpace()
      guard take("=") else { return false }
      skipSpace()
      guard position < bytes.count else { return false }
      let quote = bytes[position]
      guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'"),
        let end = bytes[(position + 1)...].firstIndex(of: quote),
        !bytes[position..<end].contains(UInt8(ascii: "<"))
      else { return false }
      position = end + 1
    }
  }

  private mutating func reference() -> Unicode.Scalar? {
    guard let end = bytes[position...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else { return nil }
    let name = String(decoding: bytes[position + 1..<end], as: UTF8.self)
    position = end + 1
    switch name {
    case "lt": return "<"
    case "gt": return ">"
    case "amp": return "&"
    case "quot": return "\""
    case "apos": return "'"
    default:
      let value =
        name.hasPrefix("#x")
        ? UInt32(name.dropFirst(2), radix: 16) : name.hasPrefix("#") ? UInt32(name.dropFirst()) : nil
      guard let value, value != 0 else { return nil }
      return Unicode.Scalar(value)
    }
  }

  private mutating func name() -> String? {
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "-"),
        UInt8(ascii: "."), 0x80...0xFF:
        position += 1
        continue
      default: break
      }
      break
    }
    return position == start ? nil : String(validating: bytes[start..<position], as: UTF8.self)
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
  }

  private func at(_ token: StaticString) -> Bool {
    token.withUTF8Buffer { buffer in
      position + buffer.count <= bytes.count && bytes[position..<position + buffer.count].elementsEqual(buffer)
    }
  }

  private mutating func take(_ token: StaticString) -> Bool {
    guard at(token) else { return false }
    position += token.utf8CodeUnitCount
    return true
  }

  private mutating func skip(past token: StaticString) -> Bool {
    while position < bytes.count {
      if take(token) { return true }
      position += 1
    }
    return false
  }
}
