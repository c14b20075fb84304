/// A sum of doubles to about twice their precision, and how many there were.
///
/// Every addition is error-free: what rounding takes from `high` goes to `low`. Rounded to a double at the end, the
/// result does not depend on the order of the additions, hence not on partitioning, batches or restarts (up to sums
/// whose terms cancel by more than 2^52 or which lie within 2^-50 of a rounding boundary).
/// Infinities and NaN add up as in PostgreSQL. A sum of finite values that exceeds the range is an overflow.
struct DoubleSum: Sendable, Hashable {
  var high: Double = 0
  var low: Double = 0
  var count: Int64 = 0

  /// `low` when `high` became infinite by adding finite values.
  static let overflowMark = 1.0

  @inline(__always)
  mutating func add(_ value: Double) {
    count &+= 1
    addTerm(value)
  }

  @inline(__always)
  mutating func addTerm(_ value: Double) {
    let sum = high + value
    if sum.isFinite {
      let part = sum - high
      low += (high - (sum - part)) + (value - part)
      high = sum
    } else {
      addNotFinite(value, sum)
    }
  }

  @inline(never)
  private mutating func addNotFinite(_ value: Double, _ sum: Double) {
    if high.isFinite { low = value.isFinite ? Self.overflowMark : 0 }
    high = sum
  }

  /// Adds the square of `value`, without rounding it.
  @inline(__always)
  mutating func addSquare(_ value: Double) {
    let square = value * value
    addTerm(square)
    if high.isFinite { low += (-square).addingProduct(value, value) }
  }

  mutating func merge(_ other: DoubleSum) {
    count &+= other.count
    let wasFinite = high.isFinite
    addTerm(other.high)
    if high.isFinite {
      low += other.low
    } else if !other.high.isFinite, other.low == Self.overflowMark, wasFinite || low == 0 {
      low = Self.overflowMark
    }
  }

  /// Whether finite values added up to more than a double can hold.
  var hasOverflowed: Bool { high.isInfinite && low == Self.overflowMark }

  /// The sum, rounded.
  var value: Double { high.isFinite ? high + low : high }

  /// `high` and `low` with the error moved out of `high`.
  var normalized: (high: Double, low: Double) {
    let sum = high + low
    return (sum, low - (sum - high))
  }
}
