import Columnar

/// Numbers of a column to the unscaled integers of a decimal (Parquet format, "DECIMAL").
struct DecimalConversion {
  let precision: Int
  let scale: Int
  private let limit: Int128

  private static let powers: [Int128] = (0..<39).reduce(into: []) { powers, _ in
    powers.append((powers.last ?? 0) == 0 ? 1 : powers[powers.count - 1] * 10)
  }

  /// To `decimal(precision, scale)`, a precision of 1 to 38.
  init(precision: Int, scale: Int) {
    self.precision = precision
    self.scale = scale
    limit = Self.powers[precision]
  }

  /// The least number of bytes that hold every decimal of that precision.
  static func byteCount(precision: Int) -> Int {
    var count = 1
    while count < 16, (Int128(1) << Int128(8 * count - 1)) < powers[precision] { count += 1 }
    return count
  }

  /// The unscaled value of `number`, or `nil` when it has none: a NaN, too large, or digits beyond the scale.
  @inline(__always)
  func unscaled(_ number: Numeric) -> Int128? {
    var value = number.unscaled
    let step = scale - Int(number.scale)
    if step != 0 {
      guard number.scale >= 0, let rescaled = Self.rescaled(value, by: step) else { return nil }
      value = rescaled
    }
    return value < limit && value > -limit ? value : nil
  }

  @inline(never)
  private static func rescaled(_ value: Int128, by step: Int) -> Int128? {
    if value == 0 { return 0 }
    guard abs(step) < powers.count else { return nil }
    if step > 0 {
      let (product, overflow) = value.multipliedReportingOverflow(by: powers[step])
      return overflow ? nil : product
    }
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: powers[-step])
    return remainder == 0 ? quotient : nil
  }
}
