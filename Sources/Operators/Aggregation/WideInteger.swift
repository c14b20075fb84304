import Columnar

/// An unsigned integer of 256 bits: just enough of one for exact sums of squares.
struct WideInteger: Hashable, Sendable, Comparable {
  var high: UInt128
  var low: UInt128

  static let zero = WideInteger(high: 0, low: 0)

  init(high: UInt128, low: UInt128) {
    self.high = high
    self.low = low
  }

  /// The exact product of two 128-bit factors.
  init(_ left: UInt128, times right: UInt128) {
    let product = left.multipliedFullWidth(by: right)
    high = product.high
    low = product.low
  }

  static func < (left: WideInteger, right: WideInteger) -> Bool {
    left.high != right.high ? left.high < right.high : left.low < right.low
  }

  /// The sum, or nil beyond 256 bits.
  func adding(_ other: WideInteger) -> WideInteger? {
    let (lowSum, carry) = low.addingReportingOverflow(other.low)
    let (highSum, overflow) = high.addingReportingOverflow(other.high)
    let (total, carryOverflow) = highSum.addingReportingOverflow(carry ? 1 : 0)
    return overflow || carryOverflow ? nil : WideInteger(high: total, low: lowSum)
  }

  /// The difference; `other` must not be greater.
  func subtracting(_ other: WideInteger) -> WideInteger {
    let (difference, borrow) = low.subtractingReportingOverflow(other.low)
    return WideInteger(high: high &- other.high &- (borrow ? 1 : 0), low: difference)
  }

  /// The product, or nil beyond 256 bits.
  func multiplied(by factor: UInt128) -> WideInteger? {
    let lower = WideInteger(low, times: factor)
    let (upper, overflow) = high.multipliedReportingOverflow(by: factor)
    if overflow { return nil }
    return lower.adding(WideInteger(high: upper, low: 0))
  }

  /// Quotient and remainder, or nil when the quotient needs more than 128 bits.
  func divided(by divisor: UInt128) -> (quotient: UInt128, remainder: UInt128)? {
    guard high < divisor else { return nil }
    if high == 0 { return low.quotientAndRemainder(dividingBy: divisor) }
    return divisor.dividingFullWidth((high, low))
  }

  /// Quotient and remainder, whatever the quotient's size.
  func dividedInFull(by divisor: UInt128) -> (quotient: WideInteger, remainder: UInt128) {
    let upper = high.quotientAndRemainder(dividingBy: divisor)
    let lower = divisor.dividingFullWidth((upper.remainder, low))
    return (WideInteger(high: upper.quotient, low: lower.quotient), lower.remainder)
  }

  /// The greatest integer whose square is not greater than this; nil when it needs more than 127 bits.
  var squareRoot: UInt128? {
    if high == 0 && low == 0 { return 0 }
    guard high >> 126 == 0 else { return nil }
    // Newton's iteration from above: it falls until it reaches the root.
    let bits = high == 0 ? 128 - low.leadingZeroBitCount : 256 - high.leadingZeroBitCount
    var estimate = UInt128(1) << UInt128((bits + 1) / 2)
    while true {
      guard let quotient = divided(by: estimate)?.quotient else { return nil }
      let next = (estimate + quotient) >> 1
      if next >= estimate { return estimate }
      estimate = next
    }
  }
}
