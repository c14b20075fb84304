import Columnar
import Glibc
import SQL

extension Kernels {
  static func numericBinary(_ name: String) -> Kernel? {
    switch name {
    case "+": return numeric2(NumericArithmetic.add)
    case "-": return numeric2(NumericArithmetic.subtract)
    case "*": return numeric2(NumericArithmetic.multiply)
    case "/": return numeric2(NumericArithmetic.divide)
    case "%", "mod": return numeric2(NumericArithmetic.remainder)
    case "div": return numeric2(NumericArithmetic.integerQuotient)
    case "^", "power", "pow": return numeric2(NumericArithmetic.power)
    case "log":
      return numeric2 { (base, value) throws(RowError) in
        let denominator = try NumericArithmetic.logarithm(base, Glibc.log)
        let numerator = try NumericArithmetic.logarithm(value, Glibc.log)
        return try NumericArithmetic.fromDouble(
          numerator.doubleValue / denominator.doubleValue, significantDigits: 16, minimumScale: 16)
      }
    default: return nil
    }
  }

  private static func numeric2(
    _ body: @escaping @Sendable (Numeric, Numeric) throws(RowError) -> Numeric
  ) -> Kernel {
    strict2(.numeric, canFail: true) { (left: Numeric, right: Numeric) throws(RowError) -> Numeric? in
      try body(left, right)
    }
  }

  static func numericUnary(_ name: String) -> Kernel? {
    switch name {
    case "+": return strict1(.numeric) { (value: Numeric) in value }
    case "-": return strict1(.numeric) { (value: Numeric) in Numeric(unscaled: -value.unscaled, scale: value.scale) }
    case "abs":
      return strict1(.numeric) { (value: Numeric) in
        Numeric(unscaled: value.unscaled < 0 ? -value.unscaled : value.unscaled, scale: value.scale)
      }
    case "sign":
      return strict1(.numeric) { (value: Numeric) in value.isNaN ? value : Numeric(Int64(value.unscaled.signum())) }
    case "round": return strict1(.numeric) { (value: Numeric) in value.rescaled(to: 0) }
    case "floor": return strict1(.numeric) { (value: Numeric) in NumericArithmetic.toInteger(value, .down) }
    case "ceil", "ceiling": return strict1(.numeric) { (value: Numeric) in NumericArithmetic.toInteger(value, .up) }
    case "trunc": return strict1(.numeric) { (value: Numeric) in NumericArithmetic.toInteger(value, .towardZero) }
    case "sqrt":
      return strict1(.numeric, canFail: true) { (value: Numeric) throws(RowError) -> Numeric? in
        try NumericArithmetic.squareRoot(value)
      }
    case "ln":
      return strict1(.numeric, canFail: true) { (value: Numeric) throws(RowError) -> Numeric? in
        try NumericArithmetic.logarithm(value, Glibc.log)
      }
    case "log", "log10":
      return strict1(.numeric, canFail: true) { (value: Numeric) throws(RowError) -> Numeric? in
        try NumericArithmetic.logarithm(value, Glibc.log10)
      }
    case "exp":
      return strict1(.numeric, canFail: true) { (value: Numeric) throws(RowError) -> Numeric? in
        try NumericArithmetic.exponential(value)
      }
    default: return nil
    }
  }

  /// `round(numeric, digits)` and `trunc(numeric, digits)`; digits may be negative.
  static func roundNumeric(_ name: String) -> Kernel? {
    guard name == "round" || name == "trunc" else { return nil }
    let isTruncating = name == "trunc"
    return strict2(.numeric, canFail: true) { (value: Numeric, digits: Int64) throws(RowError) -> Numeric? in
      try NumericArithmetic.round(value, digits: Int(digits), isTruncating: isTruncating)
    }
  }
}

/// Arithmetic of numerics with PostgreSQL's scales.
///
/// PostgreSQL has thousands of digits; here there are 38. A result that needs more keeps its integral digits and loses
/// the last digits of its fraction; only when the integral part alone does not fit is it an overflow. `ln`, `log`,
/// `exp` and fractional powers are computed in double precision: about 15 significant digits.
enum NumericArithmetic {
  static let overflow = RowError("value overflows numeric format: more than 38 digits")

  static func add(_ left: Numeric, _ right: Numeric) throws(RowError) -> Numeric {
    if left.isNaN || right.isNaN { return .nan }
    var scale = Int(max(left.scale, right.scale))
    while scale >= 0 {
      if let first = left.rescaled(to: scale), let second = right.rescaled(to: scale) {
        let (sum, overflow) = first.unscaled.addingReportingOverflow(second.unscaled)
        if !overflow, sum.magnitude < Numeric.powerOfTen(38).magnitude {
          return Numeric(unscaled: sum, scale: Int16(scale))
        }
      }
      scale -= 1
    }
    throw overflow
  }

  static func subtract(_ left: Numeric, _ right: Numeric) throws(RowError) -> Numeric {
    if right.isNaN { return .nan }
    return try add(left, Numeric(unscaled: -right.unscaled, scale: right.scale))
  }

  static func multiply(_ left: Numeric, _ right: Numeric) throws(RowError) -> Numeric {
    if left.isNaN || right.isNaN { return .nan }
    let scale = Int(left.scale) + Int(right.scale)
    let (product, overflowed) = left.unscaled.multipliedReportingOverflow(by: right.unscaled)
    if !overflowed, scale <= 38, product.magnitude < Numeric.powerOfTen(38).magnitude {
      return Numeric(unscaled: product, scale: Int16(scale))
    }
    let wide = WideInteger(left.unscaled.magnitude, times: right.unscaled.magnitude)
    let isNegative = (left.unscaled < 0) != (right.unscaled < 0)
    for target in stride(from: min(scale, 38), through: 0, by: -1) {
      let dropped = scale - target
      guard dropped <= 38 else { break }
      let divisor = Numeric.powerOfTen(dropped).magnitude
      guard let (quotient, remainder) = wide.divided(by: divisor) else { continue }
      let rounded = quotient + (remainder >= divisor - remainder && divisor > 1 ? 1 : 0)
      if rounded < Numeric.powerOfTen(38).magnitude { return signed(rounded, isNegative, target) }
    }
    throw overflow
  }

  private static func signed(_ magnitude: UInt128, _ isNegative: Bool, _ scale: Int) -> Numeric {
    Numeric(unscaled: isNegative ? -Int128(magnitude) : Int128(magnitude), scale: Int16(scale))
  }

  static func divide(_ left: Numeric, _ right: Numeric) throws(RowError) -> Numeric {
    if left.isNaN || right.isNaN { return .nan }
    if right.unscaled == 0 { throw RowError("division by zero") }
    let scale = min(quotientScale(left, right), 38)
    let numerator = WideInteger(high: 0, low: left.unscaled.magnitude)
    let denominator = right.unscaled.magnitude
    for target in stride(from: scale, through: 0, by: -1) {
      // left/10^a / (right/10^b) = left/right × 10^(b-a).
      if let digits = quotient(numerator, denominator, shift: target + Int(right.scale) - Int(left.scale)),
        digits < Numeric.powerOfTen(38).magnitude
      {
        return signed(digits, (left.unscaled < 0) != (right.unscaled < 0), target)
      }
    }
    throw overflow
  }

  /// `numerator` × 10^`shift` / `denominator`, rounded half away from zero; `nil` when it does not fit.
  private static func quotient(_ numerator: WideInteger, _ denominator: UInt128, shift: Int) -> UInt128? {
    if shift >= 0 {
      return NumericDivision.divide(numerator, 0, denominator, scale: shift)
    }
    guard -shift <= 38 else { return 0 }
    let (divisor, overflowed) = denominator.multipliedReportingOverflow(by: Numeric.powerOfTen(-shift).magnitude)
    return overflowed ? 0 : NumericDivision.divide(numerator, 0, divisor, scale: 0)
  }

  /// PostgreSQL's choice: at least 16 significant digits, and no fewer digits than the operands have.
  private static func quotientScale(_ left: Numeric, _ right: Numeric) -> Int {
    let first = leadingDigit(left)
    let second = leadingDigit(right)
    var weight = first.weight - second.weight
    if first.digit <= second.digit { weight -= 1 }
    return max(16 - weight * 4, Int(left.scale), Int(right.scale), 0)
  }

  /// Weight and value of the first digit in base 10,000, the base of PostgreSQL's numerics.
  private static func leadingDigit(_ value: Numeric) -> (weight: Int, digit: Int) {
    let magnitude = value.unscaled.magnitude
    if magnitude == 0 { return (0, 0) }
    let digits = NumericDivision.digitCount(magnitude)
    let position = digits - Int(value.scale) - 1
    let weight = position >= 0 ? position / 4 : -((3 - position) / 4)
    // How many decimal digits the first base-10,000 digit has.
    let wanted = position - 4 * weight + 1
    if digits >= wanted { return (weight, Int(magnitude / Numeric.powerOfTen(digits - wanted).magnitude)) }
    return (weight, Int(magnitude * Numeric.powerOfTen(wanted - digits).magnitude))
  }

  static func remainder(_ left: Numeric, _ right: Numeric) throws(RowError) -> Numeric {
    if left.isNaN || right.isNaN { return .nan }
    if right.unscaled == 0 { throw RowError("division by zero") }
    let scale = Int(max(left.scale, right.scale))
    guard let first = left.rescaled(to: scale), let second = right.rescaled(to: scale) else {
      return try subtract(left, multiply(integerQuotient(left, right), right))
    }
    return Numeric(unscaled: first.unscaled % second.unscaled, scale: Int16(scale))
  }

  /// `div`: the quotient, cut off at the point.
  static func integerQuotient(_ left: Numeric, _ right: Numeric) throws(RowError) -> Numeric {
    if left.isNaN || right.isNaN { return .nan }
    if right.unscaled == 0 { throw RowError("division by zero") }
    let shift = Int(right.scale) - Int(left.scale)
    let isNegative = (left.unscaled < 0) != (right.unscaled < 0)
    if shift >= 0 {
      let wide = WideInteger(left.unscaled.magnitude, times: Numeric.powerOfTen(shift).magnitude)
      guard let digits = wide.divided(by: right.unscaled.magnitude)?.quotient,
        digits < Numeric.powerOfTen(38).magnitude
      else { throw overflow }
      return signed(digits, isNegative, 0)
    }
    let (divisor, overflowed) = right.unscaled.magnitude.multipliedReportingOverflow(
      by: Numeric.powerOfTen(-shift).magnitude)
    return signed(overflowed ? 0 : left.unscaled.magnitude / divisor, isNegative, 0)
  }

  static func toInteger(_ value: Numeric, _ rule: FloatingPointRoundingRule) -> Numeric {
    if value.isNaN { return value }
    let (quotient, remainder) = value.unscaled.quotientAndRemainder(dividingBy: Numeric.powerOfTen(Int(value.scale)))
    var result = quotient
    if rule == .down && remainder < 0 { result -= 1 }
    if rule == .up && remainder > 0 { result += 1 }
    return Numeric(unscaled: result, scale: 0)
  }

  static func round(_ value: Numeric, digits: Int, isTruncating: Bool) throws(RowError) -> Numeric {
    if value.isNaN { return value }
    let digits = max(min(digits, 38), -39)
    if digits >= Int(value.scale) {
      for scale in stride(from: digits, through: Int(value.scale), by: -1) {
        if let result = value.rescaled(to: scale) { return result }
      }
      return value
    }
    let dropped = Int(value.scale) - digits
    guard dropped <= 38 else { return Numeric(unscaled: 0, scale: Int16(max(digits, 0))) }
    let unit = Numeric.powerOfTen(dropped)
    var (quotient, remainder) = value.unscaled.quotientAndRemainder(dividingBy: unit)
    if !isTruncating, remainder.magnitude >= unit.magnitude - remainder.magnitude {
      quotient += value.unscaled < 0 ? -1 : 1
    }
    if digits >= 0 { return Numeric(unscaled: quotient, scale: Int16(digits)) }
    remainder = 0
    let (result, overflowed) = quotient.multipliedReportingOverflow(by: Numeric.powerOfTen(-digits))
    if overflowed || result.magnitude >= Numeric.powerOfTen(38).magnitude { throw overflow }
    return Numeric(unscaled: result, scale: 0)
  }

  // MARK: Roots, powers, logarithms

  static func squareRoot(_ value: Numeric) throws(RowError) -> Numeric {
    if value.isNaN { return value }
    if value.unscaled < 0 { throw RowError("cannot take square root of a negative number") }
    let first = leadingDigit(value)
    // The root's weight decides the digits, as in PostgreSQL: 16 significant ones.
    let sweight = (first.weight + 1) * 2 - 1
    var scale = min(max(16 - sweight, Int(value.scale), 0), 38)
    while scale >= 0 {
      let shift = 2 * scale - Int(value.scale)
      if shift >= 0, shift <= 76 {
        let low = Numeric.powerOfTen(min(shift, 38)).magnitude
        let high = Numeric.powerOfTen(max(shift - 38, 0)).magnitude
        if let scaled = WideInteger(value.unscaled.magnitude, times: low).multiplied(by: high),
          var root = scaled.squareRoot
        {
          if scaled.subtracting(WideInteger(root, times: root)) > WideInteger(high: 0, low: root) { root += 1 }
          if root < Numeric.powerOfTen(38).magnitude { return signed(root, false, scale) }
        }
      }
      scale -= 1
    }
    throw overflow
  }

  static func power(_ base: Numeric, _ exponent: Numeric) throws(RowError) -> Numeric {
    if base.isNaN { return exponent.unscaled == 0 && !exponent.isNaN ? Numeric(1) : .nan }
    if exponent.isNaN { return base.compare(Numeric(1)) == 0 ? Numeric(1) : .nan }
    if base.unscaled == 0 && exponent.unscaled < 0 {
      throw RowError("zero raised to a negative power is undefined")
    }
    let logarithm = base.unscaled == 0 ? 0 : Glibc.log10(base.doubleValue.magnitude) * exponent.doubleValue
    // Small exponents have 16 digits after the point, others 16 significant ones, as in PostgreSQL.
    let isSmall = exponent.compare(Numeric(-1)) >= 0 && exponent.compare(Numeric(2)) <= 0
    let weight = isSmall ? 0 : Int(max(min(logarithm, 1_000), -1_000))
    let isIntegral = toInteger(exponent, .towardZero).compare(exponent) == 0
    if base.unscaled < 0 && !isIntegral {
      throw RowError("a negative number raised to a non-integer power yields a complex result")
    }
    let magnitude = Glibc.pow(base.doubleValue.magnitude, exponent.doubleValue)
    let integral = toInteger(exponent, .towardZero).unscaled
    let estimate = base.unscaled < 0 && integral % 2 != 0 ? -magnitude : magnitude
    let scale = max(16 - weight, Int(base.scale), Int(exponent.scale), 0)
    if isIntegral, integral >= 0, integral <= 1000 {
      var result = Numeric(1)
      for _ in 0..<Int(integral) { result = try multiply(result, base) }
      return fitted(result, scale: min(scale, 38))
    }
    return try fromDouble(estimate, significantDigits: 16, minimumScale: scale)
  }

  /// The value with `scale` digits after the point, or as many as fit.
  private static func fitted(_ value: Numeric, scale: Int) -> Numeric {
    for candidate in stride(from: scale, through: 0, by: -1) {
      if let result = value.rescaled(to: candidate) { return result }
    }
    return value
  }

  static func logarithm(_ value: Numeric, _ function: (Double) -> Double) throws(RowError) -> Numeric {
    if value.isNaN { return value }
    if value.unscaled == 0 { throw RowError("cannot take logarithm of zero") }
    if value.unscaled < 0 { throw RowError("cannot take logarithm of a negative number") }
    return try fromDouble(function(value.doubleValue), significantDigits: 16, minimumScale: max(16, Int(value.scale)))
  }

  static func exponential(_ value: Numeric) throws(RowError) -> Numeric {
    if value.isNaN { return value }
    let result = Glibc.exp(value.doubleValue)
    return try fromDouble(
      result, significantDigits: 16,
      minimumScale: max(16 - Int(max(min(value.doubleValue * 0.434294481903252, 1_000), -1_000)), Int(value.scale), 0))
  }

  static func fromDouble(_ value: Double, significantDigits: Int, minimumScale: Int) throws(RowError) -> Numeric {
    if value.isNaN { return .nan }
    guard value.isFinite, value.magnitude < 1e38, let exact = try? Numeric("\(value)") else { throw overflow }
    return fitted(exact, scale: min(minimumScale, 38))
  }
}
