/// How the plainly encoded values of a leaf are compared (Parquet format, `ColumnOrder`).
enum ValueOrder {
  case boolean
  case signed32
  case signed64
  case float
  case double
  /// Byte by byte, a prefix first.
  case unsignedBytes
  /// Big-endian two's complement numbers of one length.
  case signedBytes

  /// Whether `left` is before `right`; neither is NaN.
  func isLess(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    switch self {
    case .boolean, .unsignedBytes: left.lexicographicallyPrecedes(right)
    case .signed32: Int32(truncatingIfNeeded: Self.word(left)) < Int32(truncatingIfNeeded: Self.word(right))
    case .signed64: Int64(bitPattern: Self.word(left)) < Int64(bitPattern: Self.word(right))
    case .float: Self.isLess(Double(Self.float(left)), Double(Self.float(right)))
    case .double:
      Self.isLess(Double(bitPattern: Self.word(left)), Double(bitPattern: Self.word(right)))
    case .signedBytes: Self.flipped(left).lexicographicallyPrecedes(Self.flipped(right))
    }
  }

  /// -0.0 is before +0.0 here, so that bounds cover both.
  private static func isLess(_ left: Double, _ right: Double) -> Bool {
    left < right || (left == right && left.sign == .minus && right.sign == .plus)
  }

  private static func float(_ bytes: [UInt8]) -> Float { Float(bitPattern: UInt32(truncatingIfNeeded: word(bytes))) }

  /// The little-endian number that `bytes` are.
  static func word(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

  /// The first `count` bytes of `word`, little-endian.
  static func bytes(_ word: UInt64, count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
  }

  private static func flipped(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    if let first = bytes.first { bytes[0] = first ^ 0x80 }
    return bytes
  }
}

/// The smallest and the greatest of some values, plainly encoded, and what was left out of them.
struct ValueBounds {
  var minimum: [UInt8]?
  var maximum: [UInt8]?
  var nanCount = 0
  /// Values that are no valid text were among the bounds: then there are none.
  var isUnusable = false

  mutating func merge(_ other: ValueBounds, _ order: ValueOrder) {
    nanCount += other.nanCount
    isUnusable = isUnusable || other.isUnusable
    if let value = other.minimum, minimum.map({ order.isLess(value, $0) }) ?? true { minimum = value }
    if let value = other.maximum, maximum.map({ order.isLess($0, value) }) ?? true { maximum = value }
  }
}

/// Shortens bounds (Parquet format, `Statistics`: "more compact values").
enum BoundTruncation {
  /// A prefix of `bytes` of at most `length` bytes, which ends at a code point when they are text.
  static func lower(_ bytes: [UInt8], length: Int, isText: Bool) -> [UInt8] {
    guard bytes.count > length else { return bytes }
    var end = length
    while isText, end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    return Array(bytes[..<end])
  }

  /// A short value that is greater than every one that begins like `bytes`; `nil` when there is none.
  static func upper(_ bytes: [UInt8], length: Int, isText: Bool) -> [UInt8]? {
    guard bytes.count > length else { return bytes }
    let prefix = lower(bytes, length: length, isText: isText)
    return isText ? incrementedText(prefix) : incrementedBytes(prefix)
  }

  private static func incrementedBytes(_ bytes: [UInt8]) -> [UInt8]? {
    guard let last = bytes.lastIndex(where: { $0 != 0xFF }) else { return nil }
    return Array(bytes[..<last]) + [bytes[last] + 1]
  }

  private static func incrementedText(_ bytes: [UInt8]) -> [UInt8]? {
    var scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
    while let last = scalars.popLast() {
      let next = last.value == 0xD7FF ? 0xE000 : last.value + 1  // Surrogates are no code points of text.
      guard let scalar = Unicode.Scalar(next) else { continue }
      scalars.append(scalar)
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      return Array(String(text).utf8)
    }
    return nil
  }

  /// Whether `bytes` are UTF-8.
  static func isText(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }
}
