import CRdkafka
import Formats

/// What one poll does with each message, in librdkafka's memory: no allocation, no reference counting per message.
///
/// Lives behind one pointer that the callback receives. `decoder` is set, and kept alive by the caller, during a poll only.
struct KafkaDrain {
  /// A poll ends behind the record that brings it here: large records must not fill memory by their number.
  private static let pollBytesMax = 8 << 20

  let client: OpaquePointer
  /// Records at and after this offset are not handed over; `Int64.max` without a bound.
  let end: Int64
  let readsHeaders: Bool
  private(set) var nextOffset: Int64
  private(set) var records = 0
  private(set) var bytes = 0
  private(set) var failure: (code: rd_kafka_resp_err_t, text: String)?
  /// Whether anything came, also if it was no record: the broker answers.
  private(set) var sawMessage = false
  private var decoder: Unmanaged<RecordDecoder>?
  private var limit = 0
  private var headers: [UInt8] = []

  init(client: OpaquePointer, start: Int64, end: Int64?, readsHeaders: Bool) {
    self.client = client
    self.end = end ?? .max
    self.readsHeaders = readsHeaders
    nextOffset = start
  }

  var isAtEnd: Bool { nextOffset >= end }

  /// Prepares for a poll of at most `limit` records, at least one.
  mutating func begin(_ decoder: Unmanaged<RecordDecoder>, limit: Int) {
    self.decoder = decoder
    self.limit = limit
    records = 0
    bytes = 0
    sawMessage = false
  }

  mutating func finish() { decoder = nil }

  mutating func takeFailure() -> (code: rd_kafka_resp_err_t, text: String)? {
    defer { failure = nil }
    return failure
  }

  /// Takes one message; returns `false` when no further one may be handed over in this poll.
  mutating func receive(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> Bool {
    sawMessage = true
    guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else { return receiveEvent(message) }
    let offset = message.pointee.offset
    // Defends against a broker that repeats records; an offset is handed over once.
    if offset < nextOffset { return true }
    if offset >= end {
      // Whatever the bound still lacked does not exist: compacted away, or control records.
      nextOffset = end
      return false
    }
    var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
    let milliseconds = rd_kafka_message_timestamp(message, &type)
    let key = message.pointee.key.map { UnsafeRawBufferPointer(start: $0, count: message.pointee.key_len) }
    let value = message.pointee.payload.map { UnsafeRawBufferPointer(start: $0, count: message.pointee.len) }
    var record = RawRecord(
      key: key, value: value, offset: offset, timestamp: milliseconds < 0 ? nil : milliseconds &* 1000)
    if readsHeaders {
      appendWithHeaders(&record, message)
    } else {
      decoder?._withUnsafeGuaranteedRef { $0.append(record) }
    }
    nextOffset = offset + 1
    records += 1
    bytes += message.pointee.key_len + message.pointee.len
    return records < limit && bytes < Self.pollBytesMax && nextOffset < end
  }

  private mutating func appendWithHeaders(
    _ record: inout RawRecord, _ message: UnsafeMutablePointer<rd_kafka_message_t>
  ) {
    headers.removeAll(keepingCapacity: true)
    KafkaHeaders.appendJSON(of: message, to: &headers)
    headers.withUnsafeBytes { text in
      record.headers = text.isEmpty ? nil : text
      decoder?._withUnsafeGuaranteedRef { $0.append(record) }
    }
  }

  private mutating func receiveEvent(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> Bool {
    if message.pointee.err == RD_KAFKA_RESP_ERR__PARTITION_EOF {
      // The partition's end, past control records and gaps that never come as records.
      nextOffset = max(nextOffset, min(message.pointee.offset, end))
      return nextOffset < end
    }
    failure = (message.pointee.err, String(cString: rd_kafka_message_errstr(message)))
    return false
  }
}

/// librdkafka's callback for each message of a drained queue; `opaque` is the reader's `KafkaDrain`.
let receiveKafkaMessage: @convention(c) (UnsafeMutablePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void =
  { message, opaque in
    guard let message, let opaque else { return }
    let drain = opaque.assumingMemoryBound(to: KafkaDrain.self)
    // Yielding ends the drain after this message; the rest goes back to the head of the queue.
    if !drain.pointee.receive(message) { rd_kafka_yield(drain.pointee.client) }
  }
