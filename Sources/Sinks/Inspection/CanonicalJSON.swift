import Columnar

/// JSON texts that PostgreSQL's `jsonb` takes for equal, as one text: no spaces, keys in order and once, the last value
/// of a key, strings without needless escapes, numbers without needless digits.
enum CanonicalJSON {
  /// The canonical form of a text; the text itself when it is not JSON.
  static func text(_ bytes: [UInt8]) -> [UInt8] {
    var parser = Parser(bytes)
    guard let result = parser.value(depth: 0), parser.isAtEnd else { return bytes }
    return result
  }

  private struct Parser {
    private let bytes: [UInt8]
    private var position = 0
    private static let depthMax = 1_000

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    var isAtEnd: Bool {
      mutating get {
        skipSpaces()
        return position == bytes.count
      }
    }

    private mutating func skipSpaces() {
      while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
      skipSpaces()
      guard position < bytes.count, bytes[position] == byte else { return false }
      position += 1
      return true
    }

    mutating func value(depth: Int) -> [UInt8]? {
      guard depth < Self.depthMax else { return nil }
      skipSpaces()
      switch current {
      case UInt8(ascii: "{"): return object(depth)
      case UInt8(ascii: "["): return array(depth)
      case UInt8(ascii: "\""): return string()
      default: return word()
      }
    }

    private mutating func object(_ depth: Int) -> [UInt8]? {
      position += 1
      var members: [[UInt8]: [UInt8]] = [:]
      if !take(UInt8(ascii: "}")) {
        repeat {
          skipSpaces()
          guard current == UInt8(ascii: "\""), let key = string(), take(UInt8(ascii: ":")),
            let value = value(depth: depth + 1)
          else { return nil }
          members[key] = value
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { return nil }
      }
      let texts = members.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map {
        $0.key + [UInt8(ascii: ":")] + $0.value
      }
      return [UInt8(ascii: "{")] + texts.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "}")]
    }

    private mutating func array(_ depth: Int) -> [UInt8]? {
      position += 1
      var elements: [[UInt8]] = []
      if !take(UInt8(ascii: "]")) {
        repeat {
          guard let element = value(depth: depth + 1) else { return nil }
          elements.append(element)
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { return nil }
      }
      return [UInt8(ascii: "[")] + elements.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "]")]
    }

    /// A string with its escapes resolved; quotes and backslashes stay escaped.
    private mutating func string() -> [UInt8]? {
      position += 1
      var text: [UInt8] = [UInt8(ascii: "\"")]
      while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
        if bytes[position] == UInt8(ascii: "\\") {
          guard let scalars = escape() else { return nil }
          text += scalars
        } else {
          text.append(bytes[position])
          position += 1
        }
      }
      guard position < bytes.count else { return nil }
      position += 1
      return text + [UInt8(ascii: "\"")]
    }

    private mutating func escape() -> [UInt8]? {
      position += 1
      defer { position += 1 }
      switch current {
      case UInt8(ascii: "\""): return Array("\\\"".utf8)
      case UInt8(ascii: "\\"): return Array("\\\\".utf8)
      case UInt8(ascii: "/"): return [current]
      case UInt8(ascii: "b"): return [0x08]
      case UInt8(ascii: "f"): return [0x0c]
      case UInt8(ascii: "n"): return [0x0a]
      case UInt8(ascii: "r"): return [0x0d]
      case UInt8(ascii: "t"): return [0x09]
      case UInt8(ascii: "u"):
        guard let unit = hexadecimal() else { return nil }
        guard unit & 0xfc00 == 0xd800 else { return utf8(unit) }
        guard position + 2 < bytes.count, bytes[position + 1] == UInt8(ascii: "\\"),
          bytes[position + 2] == UInt8(ascii: "u")
        else { return nil }
        position += 2
        guard let low = hexadecimal(), low & 0xfc00 == 0xdc00 else { return nil }
        return utf8(0x10000 + (unit & 0x3ff) << 10 + low & 0x3ff)
      default: return nil
      }
    }

    /// Four digits behind the `u` that the position is at; it ends at the last of them.
    private mutating func hexadecimal() -> UInt32? {
      guard position + 4 < bytes.count else { return nil }
      defer { position += 4 }
      return UInt32(String(decoding: bytes[position + 1...position + 4], as: UTF8.self), radix: 16)
    }

    private func utf8(_ scalar: UInt32) -> [UInt8]? { Unicode.Scalar(scalar).map { Array(String($0).utf8) } }

    private mutating func word() -> [UInt8]? {
      let start = position
      while position < bytes.count, ![0x20, 0x09, 0x0a, 0x0d, 0x2c, 0x5d, 0x7d].contains(bytes[position]) {
        position += 1
      }
      let word = Array(bytes[start..<position])
      if ["true", "false", "null"].contains(where: { Array($0.utf8) == word }) { return word }
      guard let first = word.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first) else { return nil }
      guard let number = try? Numeric(String(decoding: word, as: UTF8.self)) else { return word }
      return shortest(number)
    }

    private func shortest(_ value: Numeric) -> [UInt8] {
      var text: [UInt8] = []
      value.appendText(to: &text)
      guard text.contains(UInt8(ascii: ".")) else { return text }
      while text.last == UInt8(ascii: "0") { text.removeLast() }
      if text.last == UInt8(ascii: ".") { text.removeLast() }
      return text == Array("-0".utf8) ? [UInt8(ascii: "0")] : text
    }
  }
}
