/// An SQL `interval`: three parts that are not convertible into each other without a calendar.
public struct Interval: Hashable, Sendable {
  /// Whole months.
  public var months: Int32
  /// Whole days, beside the months.
  public var days: Int32
  /// Microseconds, beside months and days.
  public var microseconds: Int64

  /// An interval of the three parts.
  public init(months: Int32 = 0, days: Int32 = 0, microseconds: Int64 = 0) {
    self.months = months
    self.days = days
    self.microseconds = microseconds
  }
}

/// A 128-bit `uuid`, in the byte order of its text.
public struct UUIDValue: Hashable, Sendable {
  /// The first eight bytes, big-endian.
  public var high: UInt64
  /// The last eight bytes, big-endian.
  public var low: UInt64

  /// A uuid of its two halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }
}

/// An SQL `numeric`: `unscaled` divided by ten to the power of `scale`, or NaN.
///
/// Precision is bounded by 38 digits, as in Iceberg's `decimal`; arithmetic that would exceed it reports an overflow.
public struct Numeric: Hashable, Sendable {
  /// The digits, as an integer.
  public var unscaled: Int128
  /// Digits after the decimal point (PostgreSQL's display scale), 0 or more; `Numeric.nanScale` marks NaN.
  public var scale: Int16

  /// The value of `scale` that marks NaN.
  public static let nanScale: Int16 = -1

  /// `unscaled` × 10^−`scale`.
  public init(unscaled: Int128, scale: Int16) {
    self.unscaled = unscaled
    self.scale = scale
  }
}

/// One SQL value, for literals and options; never used per row on the hot path.
public enum Value: Hashable, Sendable {
  /// NULL, of any type.
  case null
  /// A `boolean`.
  case boolean(Bool)
  /// An `integer`, `bigint`, `date`, `timestamp` or `timestamptz`, as ``Column/Storage`` holds it.
  case int64(Int64)
  /// A `real` or `double precision`.
  case float64(Double)
  /// A `numeric`.
  case numeric(Numeric)
  /// A `text`, `bytea` or `jsonb`.
  case bytes([UInt8])
  /// An `interval`.
  case interval(Interval)
  /// A `uuid`.
  case uuid(UUIDValue)

  /// A `text` value.
  public static func text(_ string: String) -> Value { .bytes(Array(string.utf8)) }
}
