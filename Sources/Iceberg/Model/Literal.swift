import Columnar

/// A single value: a bound, a partition value, a default (Iceberg specification, Appendix D).
public enum Literal: Hashable, Sendable {
  /// `boolean`.
  case boolean(Bool)
  /// `int`.
  case int(Int32)
  /// `long`.
  case long(Int64)
  /// `float`.
  case float(Float)
  /// `double`.
  case double(Double)
  /// `date`: days.
  case date(Int32)
  /// `time`: microseconds since midnight.
  case time(Int64)
  /// `timestamp`: microseconds.
  case timestamp(Int64)
  /// `timestamptz`: microseconds.
  case timestamptz(Int64)
  /// `timestamp_ns`.
  case timestampNanos(Int64)
  /// `timestamptz_ns`.
  case timestamptzNanos(Int64)
  /// `string`.
  case string(String)
  /// `uuid`.
  case uuid(UUIDValue)
  /// `fixed(L)`.
  case fixed([UInt8])
  /// `binary`.
  case binary([UInt8])
  /// `decimal(P, S)`.
  case decimal(unscaled: Int128, scale: Int)
}
