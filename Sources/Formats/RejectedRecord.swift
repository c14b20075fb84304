/// Why a row could not be processed; the code is a metric label and a column of the dead-letter output.
public enum RejectionReason: String, Hashable, Sendable, CaseIterable {
  /// The bytes are not in the table's format.
  case malformed
  /// A value does not fit its column's type.
  case type
  /// A value is outside its type's range.
  case range
  /// A NOT NULL column is missing or NULL.
  case missing
  /// Bytes that must be UTF-8 are not.
  case encoding
  /// The record is larger, or nested deeper, than allowed.
  case tooLarge = "too_large"
  /// A tombstone (no value) on a table that does not take them.
  case tombstone
  /// The event time is further in the future than `max_future` allows.
  case future
  /// An expression failed: division by zero, overflow, an impossible conversion.
  case expression
  /// The sink refused the row.
  case sink
}

/// A record that could not be processed: kept, with its bytes, its place and the reason.
public struct RejectedRecord: Hashable, Sendable {
  /// The offset within the partition.
  public var offset: Int64
  /// The record's own time, microseconds since the epoch.
  public var timestamp: Int64?
  /// The key's bytes.
  public var key: [UInt8]?
  /// The value's bytes; `nil` for a tombstone.
  public var value: [UInt8]?
  /// The class of failure.
  public var reason: RejectionReason
  /// What was expected and what came, for a person.
  public var message: String

  /// A rejected record.
  public init(
    offset: Int64, timestamp: Int64?, key: [UInt8]?, value: [UInt8]?, reason: RejectionReason, message: String
  ) {
    self.offset = offset
    self.timestamp = timestamp
    self.key = key
    self.value = value
    self.reason = reason
    self.message = message
  }
}
