import Columnar

/// A parsed `jsonb`: strings are decoded, numbers have no exponent, keys are in order and each is there once.
package indirect enum JSONTree: Hashable, Sendable {
  /// A member of an object.
  package struct Member: Hashable, Sendable {
    let key: [UInt8]
    let value: JSONTree
  }

  case null
  case boolean(Bool)
  /// The number's text.
  case number([UInt8])
  /// The characters, UTF-8.
  case string([UInt8])
  case array([JSONTree])
  case object([Member])

  /// Reads a JSON text as PostgreSQL reads a `jsonb`.
  ///
  /// - Parameters:
  ///   - text: UTF-8.
  ///   - isComparable: whether numbers lose the zeros at their end, so that equal trees are equal values.
  /// - Throws: `.malformed` for what is no JSON or what `jsonb` cannot hold (U+0000, half a surrogate pair, more than
  ///   1000 levels); `.outOfRange` for numbers of more than 131,072 digits.
  package init(_ text: ArraySlice<UInt8>, isComparable: Bool = false) throws(ValueTextError) {
    var parser = JSONTreeParser(text, isComparable: isComparable)
    self = try parser.whole()
  }

  /// The value under a key of an object.
  package func member(_ key: ArraySlice<UInt8>) -> JSONTree? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key[...] == key }?.value
  }

  /// An element of an array; negative positions count from the end. A scalar is an array of itself, as in PostgreSQL.
  package func element(_ position: Int64) -> JSONTree? {
    switch self {
    case .array(let elements):
      let index = position < 0 ? Int64(elements.count) + position : position
      return index >= 0 && index < elements.count ? elements[Int(index)] : nil
    case .object: return nil
    case .null, .boolean, .number, .string: return position == 0 || position == -1 ? self : nil
    }
  }

  /// Appends the text as PostgreSQL shows a `jsonb`: `{"a": 1, "b": [true, null]}`.
  package func append(to bytes: inout [UInt8]) {
    switch self {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .boolean(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
    case .number(let text): bytes.append(contentsOf: text)
    case .string(let text): Self.appendQuoted(text, to: &bytes)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { bytes.append(contentsOf: ", ".utf8) }
        element.append(to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(contentsOf: ", ".utf8) }
        Self.appendQuoted(member.key, to: &bytes)
        bytes.append(contentsOf: ": ".utf8)
        member.value.append(to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private static func appendQuoted(_ text: [UInt8], to bytes: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    bytes.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case 0x08: bytes.append(contentsOf: "\\b".utf8)
      case 0x09: bytes.append(contentsOf: "\\t".utf8)
      case 0x0A: bytes.append(contentsOf: "\\n".utf8)
      case 0x0C: bytes.append(contentsOf: "\\f".utf8)
      case 0x0D: bytes.append(contentsOf: "\\r".utf8)
      case 0x22, 0x5C: bytes.append(contentsOf: [0x5C, byte])
      case 0..<0x20: bytes.append(contentsOf: Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]])
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// An object: the last of equal keys stays; shorter keys come first, those of one length in the order of bytes.
  static func object(merging members: [Member]) -> JSONTree {
    var positions: [[UInt8]: Int] = [:]
    var unique: [Member] = []
    for member in members {
      if let known = positions[member.key] {
        unique[known] = member
      } else {
        positions[member.key] = unique.count
        unique.append(member)
      }
    }
    return .object(
      unique.sorted { left, right in
        left.key.count == right.key.count
          ? left.key.lexicographicallyPrecedes(right.key) : left.key.count < right.key.count
      })
  }
}

/// Reads JSON; the depth is bounded, and so is the stack.
struct JSONTreeParser {
  private var rest: ArraySlice<UInt8>
  private let isComparable: Bool
  private static let maximumDepth = 1000
  private static let maximumIntegralDigits = 131_072
  private static let maximumFractionDigits = 16_383

  init(_ text: ArraySlice<UInt8>, isComparable: Bool) {
    rest = text
    self.isComparable = isComparable
  }

  mutating func whole() throws(ValueTextError) -> JSONTree {
    let result = try value(depth: 0)
    skipSpaces()
    guard rest.isEmpty else { throw .malformed }
    return result
  }

  private mutating func skipSpaces() {
    while let byte = rest.first, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { rest.removeFirst() }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard rest.first == byte else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func value(depth: Int) throws(ValueTextError) -> JSONTree {
    guard depth < Self.maximumDepth else { throw .malformed }
    skipSpaces()
    switch rest.first {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return .number(try number())
    }
  }

  private mutating func word(_ word: String, _ value: JSONTree) throws(ValueTextError) -> JSONTree {
    guard rest.starts(with: word.utf8) else { throw .malformed }
    rest = rest.dropFirst(word.utf8.count)
    return value
  }

  private mutating func array(_ depth: Int) throws(ValueTextError) -> JSONTree {
    rest.removeFirst()
    skipSpaces()
    if take(UInt8(ascii: "]")) { return .array([]) }
    var elements: [JSONTree] = []
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpaces()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      guard take(UInt8(ascii: ",")) else { throw .malformed }
    }
  }

  private mutating func object(_ depth: Int) throws(ValueTextError) -> JSONTree {
    rest.removeFirst()
    skipSpaces()
    if take(UInt8(ascii: "}")) { return .object([]) }
    var members: [JSONTree.Member] = []
    while true {
      skipSpaces()
      guard rest.first == UInt8(ascii: "\"") else { throw .malformed }
      let key = try string()
      skipSpaces()
      guard take(UInt8(ascii: ":")) else { throw .malformed }
      members.append(JSONTree.Member(key: key, value: try value(depth: depth + 1)))
      skipSpaces()
      if take(UInt8(ascii: "}")) { return .object(merging: members) }
      guard take(UInt8(ascii: ",")) else { throw .malformed }
    }
  }

  // MARK: Strings

  private mutating func string() throws(ValueTextError) -> [UInt8] {
    rest.removeFirst()
    var result: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return result
      case UInt8(ascii: "\\"): try escape(&result)
      case 0..<0x20: throw .malformed
      default: result.append(byte)
      }
    }
    throw .malformed
  }

  private mutating func escape(_ result: inout [UInt8]) throws(ValueTextError) {
    switch rest.popFirst() {
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "n"): result.append(0x0A)
    case UInt8(ascii: "f"): result.append(0x0C)
    case UInt8(ascii: "r"): result.append(0x0D)
    case UInt8(ascii: "u"): try result.append(contentsOf: String(Character(scalar())).utf8)
    case .some(let byte) where byte == 0x22 || byte == 0x5C || byte == 0x2F: result.append(byte)
    default: throw .malformed
    }
  }

  private mutating func scalar() throws(ValueTextError) -> Unicode.Scalar {
    var code = try codeUnit()
    if code & 0xFC00 == 0xD800 {
      guard take(0x5C), take(UInt8(ascii: "u")) else { throw .malformed }
      let low = try codeUnit()
      guard low & 0xFC00 == 0xDC00 else { throw .malformed }
      code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
    }
    guard code != 0, let scalar = Unicode.Scalar(code) else { throw .malformed }
    return scalar
  }

  private mutating func codeUnit() throws(ValueTextError) -> UInt32 {
    let digits = rest.prefix(4)
    rest = rest.dropFirst(4)
    var value: UInt32 = 0
    for byte in digits {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw .malformed }
      value = value << 4 | UInt32(digit)
    }
    guard digits.count == 4 else { throw .malformed }
    return value
  }

  // MARK: Numbers

  private mutating func digits() -> ArraySlice<UInt8> {
    let result = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }
    rest = rest[result.endIndex...]
    return result
  }

  /// A number as PostgreSQL shows a `numeric`: without an exponent, with the zeros at its end.
  private mutating func number() throws(ValueTextError) -> [UInt8] {
    let isNegative = take(UInt8(ascii: "-"))
    let integral = digits()
    guard !integral.isEmpty, integral.count == 1 || integral.first != 0x30 else { throw .malformed }
    var fraction = rest.prefix(0)
    if take(UInt8(ascii: ".")) {
      fraction = digits()
      if fraction.isEmpty { throw .malformed }
    }
    var exponent = 0
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      let isBelow = take(UInt8(ascii: "-"))
      if !isBelow { _ = take(UInt8(ascii: "+")) }
      let written = digits()
      guard !written.isEmpty else { throw .malformed }
      for digit in written { exponent = min(exponent * 10 + Int(digit - 0x30), 1_000_000) }
      if isBelow { exponent = -exponent }
    }
    return try Self.number(Array(integral) + fraction, point: integral.count + exponent, isNegative, isComparable)
  }

  private static func number(
    _ digits: [UInt8], point: Int, _ isNegative: Bool, _ isComparable: Bool
  ) throws(ValueTextError) -> [UInt8] {
    let isZero = digits.allSatisfy { $0 == 0x30 }
    guard isZero || point <= maximumIntegralDigits, digits.count - point <= maximumFractionDigits else {
      throw .outOfRange
    }
    func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x30, count: max(count, 0)) }
    var integral: [UInt8]
    var fraction: [UInt8]
    if isZero {
      (integral, fraction) = ([0x30], zeros(digits.count - point))
    } else if point <= 0 {
      (integral, fraction) = ([0x30], zeros(-point) + digits)
    } else {
      integral = Array(digits.prefix(point)) + zeros(point - digits.count)
      fraction = Array(digits.dropFirst(point))
    }
    let leading = integral.prefix { $0 == 0x30 }.count
    integral.removeFirst(min(leading, integral.count - 1))
    if isComparable { while fraction.last == 0x30 { fraction.removeLast() } }
    let sign: [UInt8] = isNegative && !isZero ? [UInt8(ascii: "-")] : []
    return sign + integral + (fraction.isEmpty ? [] : [UInt8(ascii: ".")] + fraction)
  }
}
