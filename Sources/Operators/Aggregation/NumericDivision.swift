import Columnar

/// Division and square root of numerics with PostgreSQL's choice of scale.
///
/// PostgreSQL computes in base 10,000; the scale of a quotient follows from the weights of the operands in that base
/// so that a quotient has at least 16 significant digits.
enum NumericDivision {
  private static let minimumSignificantDigits = 16

  /// 10 to the power of `exponent`, or nil beyond 128 bits.
  static func powerOfTen(_ exponent: Int) -> UInt128? {
    guard exponent >= 0, exponent <= 38 else { return nil }
    return powers[exponent]
  }

  private static let powers: [UInt128] = {
    var result: [UInt128] = [1]
    for _ in 0..<38 { result.append(result[result.count - 1] * 10) }
    return result
  }()

  /// The number of decimal digits of `value`; 0 has none.
  static func digitCount(_ value: UInt128) -> Int {
    var low = 0
    var high = powers.count
    while low < high {
      let middle = (low + high) / 2
      if powers[middle] <= value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The weight and the first digit, in base 10,000, of `unscaled` × 10^−`scale`.
  private static func leadingDigit(digits: Int, leading: UInt128, scale: Int) -> (weight: Int, digit: Int) {
    if digits == 0 { return (0, 0) }
    // The position of the leading decimal digit, counted from the units (0), and of its base-10,000 digit.
    let position = digits - scale - 1
    let weight = position >= 0 ? position / 4 : -((3 - position) / 4)
    // `leading` holds the first (up to) 4 decimal digits; the base-10,000 digit has position - 4 weight + 1 of them.
    let wanted = position - 4 * weight + 1
    var digit = leading
    var have = min(4, digits)
    while have > wanted {
      digit /= 10
      have -= 1
    }
    while have < wanted {
      digit *= 10
      have += 1
    }
    return (weight, Int(digit))
  }

  private static func leadingDigit(_ value: WideInteger, scale: Int) -> (weight: Int, digit: Int) {
    var reduced = value
    var dropped = 0
    // Ten digits at a time until it fits 128 bits: the leading digits survive.
    while reduced.high != 0 {
      reduced = reduced.dividedByTenThousand
      dropped += 4
    }
    let digits = digitCount(reduced.low)
    let leading = digits > 4 ? reduced.low / powers[digits - 4] : reduced.low
    return leadingDigit(digits: digits + dropped, leading: leading, scale: scale)
  }

  /// PostgreSQL's scale of `numerator / denominator`.
  static func scale(_ numerator: WideInteger, _ numeratorScale: Int, _ denominator: UInt128, displayScale: Int) -> Int {
    let first = leadingDigit(numerator, scale: numeratorScale)
    let second = leadingDigit(WideInteger(high: 0, low: denominator), scale: 0)
    var quotientWeight = first.weight - second.weight
    if first.digit <= second.digit { quotientWeight -= 1 }
    return min(1000, max(0, displayScale, minimumSignificantDigits - quotientWeight * 4))
  }

  /// `numerator` × 10^−`numeratorScale` / `denominator`, rounded half away from zero at `scale` digits.
  ///
  /// Nil when the digits need more than 127 bits.
  static func divide(_ numerator: WideInteger, _ numeratorScale: Int, _ denominator: UInt128, scale: Int) -> UInt128? {
    guard denominator != 0 else { return nil }
    let shift = scale - numeratorScale
    if shift >= 0, let factor = powerOfTen(shift), let scaled = numerator.multiplied(by: factor) {
      guard let (quotient, remainder) = scaled.divided(by: denominator) else { return nil }
      return rounded(quotient, remainder, denominator)
    }
    if shift < 0 { return shortened(numerator, denominator, by: -shift) }
    guard var (quotient, remainder) = numerator.divided(by: denominator) else { return nil }
    for _ in 0..<shift {
      let next = WideInteger(remainder, times: 10).divided(by: denominator)
      let (shifted, overflow) = quotient.multipliedReportingOverflow(by: 10)
      guard let next, !overflow else { return nil }
      quotient = shifted + next.quotient
      remainder = next.remainder
    }
    return rounded(quotient, remainder, denominator)
  }

  /// `numerator` / `denominator` without its last digits, rounded half away from zero; nil when it needs more than 127
  /// bits.
  private static func shortened(_ numerator: WideInteger, _ denominator: UInt128, by digits: Int) -> UInt128? {
    // The last digit that is dropped decides how to round. What is cut off in steps is what is cut off at once.
    var rest = numerator
    var steps = digits - 1
    while steps > 0 {
      rest = rest.dividedInFull(by: powers[min(steps, 38)]).quotient
      steps -= 38
    }
    let (kept, last) = rest.dividedInFull(by: denominator).quotient.dividedInFull(by: 10)
    return kept.high == 0 && kept.low >> 127 == 0 ? kept.low + (last >= 5 ? 1 : 0) : nil
  }

  /// `numerator` × 10^−`numeratorScale` / `denominator` with `scale` digits after the point, or with as many as 38 digits
  /// hold; nil when they do not hold what stands before the point.
  static func quotient(
    _ numerator: WideInteger, _ numeratorScale: Int, _ denominator: UInt128, scale: Int
  ) -> Numeric? {
    for target in stride(from: min(scale, Numeric.maximumPrecision), through: 0, by: -1) {
      let digits = divide(numerator, numeratorScale, denominator, scale: target)
      if let digits, digits < powers[Numeric.maximumPrecision] {
        return Numeric(unscaled: Int128(digits), scale: Int16(target))
      }
    }
    return nil
  }

  private static func rounded(_ quotient: UInt128, _ remainder: UInt128, _ denominator: UInt128) -> UInt128? {
    let result = remainder >= denominator - remainder ? quotient + 1 : quotient
    return result >> 127 == 0 ? result : nil
  }

  /// The average of `count` numerics whose exact sum is `sum`; nil on overflow.
  static func average(_ sum: Numeric, count: Int64) -> Numeric? {
    if sum.isNotANumber { return sum }
    let magnitude = WideInteger(high: 0, low: UInt128(sum.unscaled.magnitude))
    let denominator = UInt128(count)
    let resultScale = scale(magnitude, Int(sum.scale), denominator, displayScale: Int(sum.scale))
    guard let average = quotient(magnitude, Int(sum.scale), denominator, scale: resultScale) else { return nil }
    return Numeric(unscaled: sum.unscaled < 0 ? -average.unscaled : average.unscaled, scale: average.scale)
  }

  /// The square root, rounded at the value's own scale as PostgreSQL's `stddev` does; nil on overflow.
  static func squareRoot(_ value: Numeric) -> Numeric? {
    guard let factor = powerOfTen(Int(value.scale)), value.unscaled >= 0 else { return nil }
    let scaled = WideInteger(UInt128(value.unscaled), times: factor)
    guard var root = scaled.squareRoot else { return nil }
    if scaled.subtracting(WideInteger(root, times: root)) > WideInteger(high: 0, low: root) { root += 1 }
    return Numeric(unscaled: Int128(root), scale: value.scale)
  }
}

extension WideInteger {
  fileprivate var dividedByTenThousand: WideInteger {
    let upper = high.quotientAndRemainder(dividingBy: 10_000)
    let lower = UInt128(10_000).dividingFullWidth((upper.remainder, low))
    return WideInteger(high: upper.quotient, low: lower.quotient)
  }
}
