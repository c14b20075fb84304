import Columnar

/// A value of fixed width that `min`, `max`, `first_value` and `last_value` keep per group.
///
/// What a group without a value holds is the ``KernelValue/nullPlaceholder``: it is never read as a value.
protocol GroupElement: FixedKernelValue {
  /// The values of a column of this kind.
  static func values(of column: Column) -> [Self]
  /// PostgreSQL's order.
  func precedes(_ other: Self) -> Bool
}

extension Int64: GroupElement {
  static func values(of column: Column) -> [Int64] { column.int64Values }
  @inline(__always) func precedes(_ other: Int64) -> Bool { self < other }
}

extension Double: GroupElement {
  static func values(of column: Column) -> [Double] { column.float64Values }
  /// NaN is greater than every number.
  @inline(__always) func precedes(_ other: Double) -> Bool { self < other || other.isNaN && !isNaN }
}

extension Bool: GroupElement {
  static func values(of column: Column) -> [Bool] { column.booleanValues }
  func precedes(_ other: Bool) -> Bool { !self && other }
}

extension Numeric: GroupElement {
  static func values(of column: Column) -> [Numeric] { column.numericValues }

  /// NaN is greater than every number; of equal values the one with fewer digits comes first, so that the choice
  /// between 1.0 and 1.00 does not depend on the order of arrival.
  func precedes(_ other: Numeric) -> Bool {
    if isNotANumber || other.isNotANumber { return !isNotANumber && other.isNotANumber }
    if scale == other.scale { return unscaled < other.unscaled }
    if (unscaled < 0) != (other.unscaled < 0) { return unscaled < 0 }
    // Both magnitudes at the greater scale; 128 + 127 bits always fit.
    let target = max(scale, other.scale)
    guard let left = magnitude(at: target), let right = other.magnitude(at: target) else {
      return asDouble < other.asDouble
    }
    if left == right { return scale < other.scale }
    return unscaled < 0 ? right < left : left < right
  }

  private func magnitude(at target: Int16) -> WideInteger? {
    NumericDivision.powerOfTen(Int(target) - Int(scale)).map { WideInteger(unscaled.magnitude, times: $0) }
  }

  /// An approximation, for scales that differ by more than 38.
  private var asDouble: Double {
    var result = Double(unscaled)
    for _ in 0..<max(0, Int(scale)) { result /= 10 }
    return result
  }
}

extension Interval: GroupElement {
  static func values(of column: Column) -> [Interval] {
    guard case .interval(let values) = column.storage else { preconditionFailure("not an interval column") }
    return values
  }

  /// By total length; equal lengths (a month, 30 days) by their parts.
  func precedes(_ other: Interval) -> Bool {
    let (left, right) = (comparisonMicroseconds, other.comparisonMicroseconds)
    if left != right { return left < right }
    return (months, days, microseconds) < (other.months, other.days, other.microseconds)
  }
}

extension UUIDValue: GroupElement {
  static func values(of column: Column) -> [UUIDValue] {
    guard case .uuid(let values) = column.storage else { preconditionFailure("not a uuid column") }
    return values
  }
  func precedes(_ other: UUIDValue) -> Bool { (high, low) < (other.high, other.low) }
}

extension Array where Element == UInt8 {
  /// Order by bytes, as `memcmp` does.
  @inline(__always)
  func precedes(_ other: ArraySlice<UInt8>) -> Bool { lexicographicallyPrecedes(other) }
}
