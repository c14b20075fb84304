/// A record as a source holds it: pointers into the source's memory, valid only during the call that passes them.
public struct RawRecord {
  /// The key's bytes; `nil` without a key.
  public var key: UnsafeRawBufferPointer?
  /// The value's bytes; `nil` for a tombstone.
  public var value: UnsafeRawBufferPointer?
  /// Headers as a JSON object's text, when the table reads `_headers`.
  public var headers: UnsafeRawBufferPointer?
  /// The record's offset within its partition.
  public var offset: Int64
  /// The record's own time, microseconds since the epoch; `nil` when the source has none.
  public var timestamp: Int64?

  /// A record of pointers that the caller keeps valid during the call.
  public init(
    key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, headers: UnsafeRawBufferPointer? = nil, offset: Int64,
    timestamp: Int64?
  ) {
    self.key = key
    self.value = value
    self.headers = headers
    self.offset = offset
    self.timestamp = timestamp
  }
}
