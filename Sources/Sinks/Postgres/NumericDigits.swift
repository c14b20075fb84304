import Columnar

/// A `numeric` in groups of four decimal digits, as PostgreSQL holds and sends it.
struct NumericDigits {
  /// The groups, most significant first; those at and after ``count`` are unspecified. 39 digits touch at most 11.
  private(set) var groups = InlineArray<12, UInt16>(repeating: 0)
  /// How many groups count; leading and trailing zeros are left out.
  private(set) var count = 0
  /// The power of 10,000 that the first group stands for.
  private(set) var weight = 0

  /// The groups of `value`, which is not NaN.
  init(_ value: Numeric) {
    var magnitude = value.unscaled.magnitude
    guard magnitude != 0 else { return }
    let scale = Int(value.scale)
    // The lowest group may be short of digits: the decimal point must lie between two groups.
    let digitsInLowest = scale & 3 == 0 ? 4 : scale & 3
    let lowest = NumericDigits.powers[digitsInLowest]
    let padding = NumericDigits.powers[4 - digitsInLowest]
    var reversed = InlineArray<12, UInt16>(repeating: 0)
    reversed[0] = UInt16(truncatingIfNeeded: magnitude % UInt128(lowest)) &* UInt16(truncatingIfNeeded: padding)
    magnitude /= UInt128(lowest)
    var length = 1
    while magnitude > UInt128(UInt64.max) {
      reversed[length] = UInt16(truncatingIfNeeded: magnitude % 10_000)
      magnitude /= 10_000
      length += 1
    }
    var low = UInt64(truncatingIfNeeded: magnitude)
    while low != 0 {
      reversed[length] = UInt16(truncatingIfNeeded: low % 10_000)
      low /= 10_000
      length += 1
    }
    let groupsBelowPoint = (scale + 3) >> 2
    weight = length - 1 - groupsBelowPoint
    var first = length - 1
    while first > 0 && reversed[first] == 0 {
      first -= 1
      weight -= 1
    }
    var last = 0
    while last < first && reversed[last] == 0 { last += 1 }
    count = first - last + 1
    for index in 0..<count { groups[index] = reversed[first - index] }
  }

  /// The bytes of the value on the wire: four 16-bit fields, then the groups.
  var wireSize: Int { 8 + 2 * count }

  private static let powers: [UInt64] = [1, 10, 100, 1_000, 10_000]
}

extension Numeric {
  /// Whether the value, rounded to `scale` digits after the point, has at most `precision` digits.
  func fits(precision: Int, scale targetScale: Int) -> Bool {
    guard scale != Numeric.nanScale else { return true }
    let dropped = Int(scale) - targetScale
    guard dropped > 0 else { return unscaled.magnitude < Numeric.powerOfTenBounded(precision + dropped) }
    let divisor = Numeric.powerOfTenBounded(dropped)
    let (quotient, remainder) = unscaled.magnitude.quotientAndRemainder(dividingBy: divisor)
    let roundsUp = remainder >= divisor - remainder
    return quotient + (roundsUp ? 1 : 0) < Numeric.powerOfTenBounded(precision)
  }

  /// Ten to the power of `exponent`; the greatest value beyond the type's range, 1 below zero.
  private static func powerOfTenBounded(_ exponent: Int) -> UInt128 {
    guard exponent <= 38 else { return .max }
    var result: UInt128 = 1
    for _ in 0..<max(0, exponent) { result *= 10 }
    return result
  }
}
