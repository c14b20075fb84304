import Columnar
import Glibc

/// Floating-point numbers as PostgreSQL writes them: the shortest text that reads back, `1e+20` for large exponents.
package enum FloatText {
  package static func append(_ value: Double, to bytes: inout [UInt8]) {
    append("\(value)", limit: 15, value.isFinite, to: &bytes)
  }
  package static func append(_ value: Float, to bytes: inout [UInt8]) {
    append("\(value)", limit: 6, value.isFinite, to: &bytes)
  }

  /// Rewrites Swift's shortest text, which differs in when and how it shows exponents.
  private static func append(_ text: String, limit: Int, _ isFinite: Bool, to bytes: inout [UInt8]) {
    guard isFinite else {
      bytes.append(contentsOf: (text == "inf" ? "Infinity" : text == "-inf" ? "-Infinity" : "NaN").utf8)
      return
    }
    var digits: [UInt8] = []
    var exponent = 0
    var pointAt: Int?
    var rest = Array(text.utf8)[...]
    if rest.first == 0x2D {
      bytes.append(0x2D)
      rest.removeFirst()
    }
    while let byte = rest.popFirst() {
      switch byte {
      case 0x2E: pointAt = digits.count
      case 0x65: (exponent, rest) = (Int(String(decoding: rest, as: UTF8.self)) ?? 0, [])
      default: digits.append(byte)
      }
    }
    // The value is 0.d1d2d3… × 10^position.
    var position = (pointAt ?? digits.count) + exponent
    while digits.count > 1, digits[0] == 0x30 {
      digits.removeFirst()
      position -= 1
    }
    while digits.count > 1, digits[digits.count - 1] == 0x30 { digits.removeLast() }
    if digits == [0x30] {
      bytes.append(0x30)
      return
    }
    write(digits, position, limit, to: &bytes)
  }

  private static func write(_ digits: [UInt8], _ position: Int, _ limit: Int, to bytes: inout [UInt8]) {
    let scientific = position - 1
    if scientific < -4 || scientific >= limit {
      bytes.append(digits[0])
      if digits.count > 1 {
        bytes.append(0x2E)
        bytes.append(contentsOf: digits[1...])
      }
      bytes.append(0x65)
      bytes.append(scientific < 0 ? 0x2D : 0x2B)
      bytes.appendDecimal(abs(scientific), width: 2)
    } else if position <= 0 {
      bytes.append(contentsOf: [0x30, 0x2E])
      bytes.append(contentsOf: [UInt8](repeating: 0x30, count: -position))
      bytes.append(contentsOf: digits)
    } else if position >= digits.count {
      bytes.append(contentsOf: digits)
      bytes.append(contentsOf: [UInt8](repeating: 0x30, count: position - digits.count))
    } else {
      bytes.append(contentsOf: digits[..<position])
      bytes.append(0x2E)
      bytes.append(contentsOf: digits[position...])
    }
  }

  /// `%.*f` of C: `digits` after the point, exact.
  static func fixed(_ value: Double, digits: Int) -> [UInt8] {
    // The greatest double has 309 digits before the point.
    var buffer = [CChar](repeating: 0, count: 320 + digits)
    let written = withVaList([Int32(digits), value]) { vsnprintf(&buffer, buffer.count, "%.*f", $0) }
    return buffer.prefix(Int(written)).map { UInt8(bitPattern: $0) }
  }

  /// `%.*g` of C, for the conversion to numeric.
  static func significant(_ value: Double, digits: Int) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    let written = withVaList([Int32(digits - 1), value]) { vsnprintf(&buffer, 64, "%.*e", $0) }
    return String(decoding: buffer.prefix(Int(written)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
