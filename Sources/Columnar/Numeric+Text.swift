extension Numeric {
  /// Not a number: equal to itself and greater than every number, as in PostgreSQL.
  public static let nan = Numeric(unscaled: 0, scale: nanScale)

  /// Zero without digits after the point.
  public static let zero = Numeric(unscaled: 0, scale: 0)

  /// The most digits that a value can have, before and after the point together, and the greatest scale.
  public static let maximumPrecision = 38

  /// Whether this is NaN.
  public var isNaN: Bool { scale == Numeric.nanScale }

  /// Ten to the power of the index, up to 10^38.
  package static let powersOfTen: [Int128] = {
    var powers: [Int128] = [1]
    for _ in 0..<38 { powers.append((powers.last ?? 1) * 10) }
    return powers
  }()

  /// Ten to the power of `exponent`, which is between 0 and 38.
  public static func powerOfTen(_ exponent: Int) -> Int128 { powersOfTen[exponent] }

  /// An integer.
  public init(_ value: Int64) { self.init(unscaled: Int128(value), scale: 0) }

  /// The value of a text such as `12.50`, `-3e5` or `NaN`, with white space around it allowed.
  ///
  /// - Parameter scale: digits to keep after the point, rounding half away from zero; by default as many as the text
  ///   has, and at most 38.
  /// - Throws: `.malformed`; `.outOfRange` when there are more than 38 digits, or for an infinity.
  public init(_ text: some StringProtocol, scale: Int? = nil) throws(ValueTextError) {
    self = try withBytes(of: text) { bytes throws(ValueTextError) in try Numeric(utf8: bytes, scale: scale) }
  }

  /// The value of a text, see ``init(_:scale:)``.
  public init(utf8 bytes: UnsafeBufferPointer<UInt8>, scale wantedScale: Int? = nil) throws(ValueTextError) {
    var text = TextCursor(bytes)
    text.trim()
    let isNegative = text.current == 0x2d
    if isNegative || text.current == 0x2b { text.advance() }
    if !isDigit(text.current) && text.current != 0x2e {
      self = try Numeric.special(text)
      return
    }
    let digits = text
    let shape = try Numeric.shape(&text)
    // Digits after the point once the exponent is applied; negative when zeros are to be added before it.
    let natural = shape.fractionDigits - shape.exponent
    let scale = min(max(wantedScale ?? natural, 0), Numeric.maximumPrecision)
    var kept = shape.digits - (natural - scale)
    var unscaled: Int128 = 0
    var source = digits
    var roundsUp = false
    for _ in 0..<shape.digits {
      if source.current == 0x2e { source.advance() }
      let digit = source.current &- 0x30
      source.advance()
      if kept <= 0 {
        roundsUp = kept == 0 && digit >= 5
        break
      }
      // Checked before the product: ten times a number of 38 digits does not fit 128 bits.
      if unscaled >= Numeric.powersOfTen[37] { throw .outOfRange }
      unscaled = unscaled * 10 + Int128(digit)
      kept -= 1
    }
    if roundsUp { unscaled += 1 }
    if kept > 0, unscaled != 0 {
      guard kept <= 38, let shifted = Numeric.scaled(unscaled, by: kept) else { throw .outOfRange }
      unscaled = shifted
    }
    if unscaled >= Numeric.powersOfTen[38] { throw .outOfRange }
    self.init(unscaled: isNegative ? -unscaled : unscaled, scale: Int16(scale))
  }

  /// How a number's text is made: digits in all, digits after the point, and the exponent.
  private static func shape(
    _ text: inout TextCursor
  ) throws(ValueTextError) -> (digits: Int, fractionDigits: Int, exponent: Int) {
    var digits = 0
    var fractionDigits = 0
    while isDigit(text.current) {
      digits += 1
      text.advance()
    }
    if text.take(0x2e) {
      while isDigit(text.current) {
        digits += 1
        fractionDigits += 1
        text.advance()
      }
    }
    guard digits > 0 else { throw .malformed }
    var exponent = 0
    if text.take(word: "e") {
      let isNegative = text.current == 0x2d
      if isNegative || text.current == 0x2b { text.advance() }
      guard isDigit(text.current) else { throw .malformed }
      while isDigit(text.current) {
        // Beyond this every digit is either lost or an overflow; the bound keeps the sums below small.
        if exponent < 1_000_000_000 { exponent = exponent * 10 + Int(text.current &- 0x30) }
        text.advance()
      }
      if isNegative { exponent = -exponent }
    }
    guard text.isAtEnd else { throw .malformed }
    return (digits, fractionDigits, exponent)
  }

  private static func special(_ text: TextCursor) throws(ValueTextError) -> Numeric {
    var text = text
    if text.take(word: "nan"), text.isAtEnd { return .nan }
    if text.take(word: "inf"), text.isAtEnd || (text.take(word: "inity") && text.isAtEnd) { throw .outOfRange }
    throw .malformed
  }

  /// `value` × 10^`exponent`; `nil` when that has more than 38 digits.
  private static func scaled(_ value: Int128, by exponent: Int) -> Int128? {
    let (product, overflow) = value.multipliedReportingOverflow(by: powersOfTen[exponent])
    return overflow || product.magnitude >= powersOfTen[38].magnitude ? nil : product
  }

  /// The value with `scale` digits after the point, rounded half away from zero as PostgreSQL does.
  ///
  /// - Parameter precision: the most digits allowed in all; 38 by default.
  /// - Returns: `nil` when the value has more digits than `precision`; NaN stays NaN.
  public func rescaled(to newScale: Int, precision: Int? = nil) -> Numeric? {
    if isNaN { return self }
    guard newScale >= 0, newScale <= Numeric.maximumPrecision else { return nil }
    var result = unscaled
    let difference = newScale - Int(scale)
    if difference > 0 {
      guard let shifted = Numeric.scaled(unscaled, by: difference) else { return nil }
      result = shifted
    } else if difference < 0 {
      guard -difference <= 38 else { return Numeric(unscaled: 0, scale: Int16(newScale)) }
      let (quotient, remainder) = unscaled.quotientAndRemainder(dividingBy: Numeric.powersOfTen[-difference])
      result = quotient
      if remainder.magnitude >= Numeric.powersOfTen[-difference].magnitude / 2 { result += unscaled < 0 ? -1 : 1 }
    }
    guard result.magnitude < Numeric.powersOfTen[min(precision ?? 38, 38)].magnitude else { return nil }
    return Numeric(unscaled: result, scale: Int16(newScale))
  }

  /// Compares as SQL does: `1.0` equals `1.00`, and NaN equals NaN and is greater than every number.
  ///
  /// - Returns: negative, 0 or positive when this value is less than, equal to or greater than `other`.
  public func compare(_ other: Numeric) -> Int {
    if isNaN || other.isNaN { return isNaN == other.isNaN ? 0 : isNaN ? 1 : -1 }
    if scale == other.scale { return unscaled == other.unscaled ? 0 : unscaled < other.unscaled ? -1 : 1 }
    if scale > other.scale { return -other.compare(self) }
    let factor = Numeric.powersOfTen[Int(other.scale - scale)]
    let (widened, overflow) = unscaled.multipliedReportingOverflow(by: factor)
    if overflow { return unscaled < 0 ? -1 : 1 }
    return widened == other.unscaled ? 0 : widened < other.unscaled ? -1 : 1
  }

  /// The value without trailing zeros after the point: equal values have equal canonical forms, for hashing.
  public var canonical: Numeric {
    guard scale > 0 else { return self }
    var result = self
    while result.scale > 0, result.unscaled % 10 == 0 {
      result.unscaled /= 10
      result.scale -= 1
    }
    return result
  }

  /// The nearest `double precision`.
  public var doubleValue: Double {
    if isNaN { return .nan }
    // Both exact in a Double, so that the division is rounded once.
    if unscaled.magnitude <= 1 << 53, scale <= 22 {
      return Double(Int64(unscaled)) / Double(Numeric.powersOfTen[Int(scale)])
    }
    return Double(description) ?? .nan
  }

  /// Appends the text, as PostgreSQL prints it.
  public func appendText(to bytes: inout [UInt8]) {
    if isNaN {
      bytes.append(contentsOf: "NaN".utf8)
      return
    }
    if unscaled < 0 { bytes.append(0x2d) }
    let magnitude = unscaled.magnitude
    if let small = UInt64(exactly: magnitude), scale == 0 {
      bytes.appendDecimal(magnitude: small)
      return
    }
    let divisor = Numeric.powersOfTen[Int(scale)].magnitude
    let (whole, fraction) = magnitude.quotientAndRemainder(dividingBy: divisor)
    Numeric.appendDigits(whole, width: 1, to: &bytes)
    if scale > 0 {
      bytes.append(0x2e)
      Numeric.appendDigits(fraction, width: Int(scale), to: &bytes)
    }
  }

  private static func appendDigits(_ value: UInt128, width: Int, to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 40) { digits in
      var start = 40
      var rest = value
      while rest > UInt128(UInt64.max) {
        start -= 1
        digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
      var small = UInt64(rest)
      while small > 0 || 40 - start < width {
        start -= 1
        digits[start] = 0x30 + UInt8(truncatingIfNeeded: small % 10)
        small /= 10
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start..<40]))
    }
  }
}

extension Numeric: CustomStringConvertible {
  /// The text, as PostgreSQL prints it: `12.50`.
  public var description: String { String(writing: { appendText(to: &$0) }) }
}
