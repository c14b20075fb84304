import Columnar

extension Literal {
  /// The value for people, as Java prints identity partition values: in partition paths and messages.
  public var text: String {
    switch self {
    case .boolean(let value): String(value)
    case .int(let value): String(value)
    case .long(let value): String(value)
    case .float(let value): Self.javaText(Double(value), "\(value)")
    case .double(let value): Self.javaText(value, "\(value)")
    case .date(let days): ISOTime.date(Int64(days))
    case .time(let value): ISOTime.shortTime(value, unitsPerSecond: 1_000_000)
    case .timestamp(let value): ISOTime.shortTimestamp(value, unitsPerSecond: 1_000_000)
    case .timestamptz(let value): ISOTime.shortTimestamp(value, unitsPerSecond: 1_000_000) + "+00:00"
    case .timestampNanos(let value): ISOTime.shortTimestamp(value, unitsPerSecond: 1_000_000_000)
    case .timestamptzNanos(let value): ISOTime.shortTimestamp(value, unitsPerSecond: 1_000_000_000) + "+00:00"
    case .string(let text): text
    case .uuid(let value): value.description
    case .fixed(let bytes), .binary(let bytes): Self.base64(bytes)
    case .decimal(let unscaled, let scale): Self.javaDecimalText(unscaled, scale)
    }
  }

  /// Java's text of a number with a fraction, of Swift's shortest digits.
  static func javaText(_ value: Double, _ swift: String) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
    var text = swift[...]
    let isNegative = text.hasPrefix("-")
    if isNegative { text = text.dropFirst() }
    let parts = text.split(separator: "e", maxSplits: 1)
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let fraction = mantissa.count > 1 ? mantissa[1] : ""
    var digits = String(mantissa[0] + fraction)
    // The value is 0.digits × 10^exponent.
    var exponent = mantissa[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
    while digits.hasPrefix("0") {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.hasSuffix("0") { digits.removeLast() }
    let magnitude = value.magnitude
    let sign = isNegative ? "-" : ""
    if magnitude >= 1e-3, magnitude < 1e7 {
      if exponent <= 0 { return sign + "0." + String(repeating: "0", count: -exponent) + digits }
      let padded = digits + String(repeating: "0", count: max(0, exponent + 1 - digits.count))
      return sign + padded.prefix(exponent) + "." + padded.dropFirst(exponent)
    }
    let rest = digits.dropFirst()
    return sign + digits.prefix(1) + "." + (rest.isEmpty ? "0" : rest) + "E\(exponent - 1)"
  }

  /// Java's text of a decimal: with an exponent when it is far below 1.
  static func javaDecimalText(_ unscaled: Int128, _ scale: Int) -> String {
    let digits = String(unscaled.magnitude)
    let adjusted = digits.count - 1 - scale
    guard scale > 0, adjusted < -6 else { return decimalText(unscaled, scale) }
    let rest = digits.dropFirst()
    return (unscaled < 0 ? "-" : "") + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest) + "E\(adjusted)"
  }

  static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var result: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var bits: UInt32 = 0
      for offset in 0..<3 { bits = bits << 8 | (offset < group.count ? UInt32(group[start + offset]) : 0) }
      for position in 0..<4 {
        let index = Int(bits >> UInt32(18 - position * 6) & 63)
        result.append(position <= group.count ? alphabet[index] : UInt8(ascii: "="))
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
