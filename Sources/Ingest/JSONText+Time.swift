import Columnar

extension JSONText {
  /// Appends a time (microseconds since the epoch) as an ISO 8601 string, UTC, with microseconds.
  static func appendTime(_ microseconds: Int64, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    TimeText.appendISO8601(microseconds, withZone: true, to: &text)
    text.append(UInt8(ascii: "\""))
  }

  /// Appends a date (days since 1970-01-01) as an ISO 8601 string.
  static func appendDate(_ days: Int64, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    TimeText.appendISO8601Date(days, to: &text)
    text.append(UInt8(ascii: "\""))
  }

  /// Appends 128 random bits in the form of a version 4 uuid, without quotes.
  static func appendUUID(_ high: UInt64, _ low: UInt64, to text: inout [UInt8]) {
    let halves = [high & ~0xf000 | 0x4000, low & ~(3 << 62) | 2 << 62]
    for digit in 0..<32 {
      if digit == 8 || digit == 12 || digit == 16 || digit == 20 { text.append(UInt8(ascii: "-")) }
      let value = UInt8(truncatingIfNeeded: halves[digit / 16] >> UInt64(60 - digit % 16 * 4)) & 15
      text.append(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
    }
  }

  /// Appends a number of 0 or more with leading zeros.
  static func appendPadded(_ value: Int64, digits: Int, to text: inout [UInt8]) {
    var divisor: Int64 = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
    }
  }
}
