extension UUIDValue {
  /// The value of a text in any form that PostgreSQL reads: 32 hexadecimal digits, hyphens after groups of four, braces.
  /// - Throws: `.malformed`.
  public init(_ text: some StringProtocol) throws(ValueTextError) {
    self = try withBytes(of: text) { bytes throws(ValueTextError) in try UUIDValue(utf8: bytes) }
  }

  /// The value of a text, see ``init(_:)-swift.init``.
  public init(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(ValueTextError) {
    var text = TextCursor(bytes)
    text.trim()
    let isBraced = text.take(0x7b)
    var halves: (UInt64, UInt64) = (0, 0)
    for index in 0..<32 {
      if index > 0, index % 4 == 0, text.current == 0x2d { text.advance() }
      guard let digit = hexadecimalValue(text.current) else { throw .malformed }
      text.advance()
      if index < 16 {
        halves.0 = halves.0 << 4 | UInt64(digit)
      } else {
        halves.1 = halves.1 << 4 | UInt64(digit)
      }
    }
    if isBraced, !text.take(0x7d) { throw .malformed }
    guard text.isAtEnd else { throw .malformed }
    self.init(high: halves.0, low: halves.1)
  }

  /// Appends the text: lower case, groups of 8, 4, 4, 4 and 12 digits.
  public func appendText(to bytes: inout [UInt8]) {
    for index in 0..<32 {
      if index == 8 || index == 12 || index == 16 || index == 20 { bytes.append(0x2d) }
      let half = index < 16 ? high : low
      bytes.append(hexadecimalDigit(UInt8(truncatingIfNeeded: half >> UInt64(60 - (index & 15) * 4)) & 15))
    }
  }
}

extension UUIDValue: CustomStringConvertible {
  /// The text, lower case, with hyphens.
  public var description: String { String(writing: { appendText(to: &$0) }) }
}

/// The value of a hexadecimal digit; `nil` for another byte.
package func hexadecimalValue(_ byte: UInt8) -> UInt8? {
  if isDigit(byte) { return byte &- 0x30 }
  let lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower &- 0x61 &+ 10 : nil
}

/// The lower-case digit of a value below 16.
@inlinable
package func hexadecimalDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x57 &+ value }

/// `bytea` as text, in PostgreSQL's hexadecimal form: `\x0aff`.
public enum ByteaText {
  /// The bytes of `\x…`, an even number of hexadecimal digits.
  /// - Throws: `.malformed`.
  public static func parse(utf8 text: UnsafeBufferPointer<UInt8>) throws(ValueTextError) -> [UInt8] {
    guard text.count >= 2, text.count % 2 == 0, text[0] == 0x5c, text[1] == 0x78 else { throw .malformed }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 2 - 1)
    var index = 2
    while index < text.count {
      guard let high = hexadecimalValue(text[index]), let low = hexadecimalValue(text[index + 1]) else {
        throw .malformed
      }
      bytes.append(high << 4 | low)
      index += 2
    }
    return bytes
  }

  /// The bytes of a text, see ``parse(utf8:)``.
  public static func parse(_ text: some StringProtocol) throws(ValueTextError) -> [UInt8] {
    try withBytes(of: text) { bytes throws(ValueTextError) in try parse(utf8: bytes) }
  }

  /// Appends `\x` and the digits.
  public static func append(_ value: some Sequence<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(0x5c)
    bytes.append(0x78)
    for byte in value {
      bytes.append(hexadecimalDigit(byte >> 4))
      bytes.append(hexadecimalDigit(byte & 15))
    }
  }
}
