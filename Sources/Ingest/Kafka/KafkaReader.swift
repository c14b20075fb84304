import Actors
import CRdkafka
import Columnar
import Formats
import Logging

/// One partition, read from a queue of its own that librdkafka fills up to its thresholds.
///
/// Nothing else is needed for back-pressure: an undrained queue stops being filled, and pausing through librdkafka would
/// throw away what it has already fetched.
final class KafkaReader: PartitionReader {
  private let partition: PartitionID
  private let place: KafkaPlace
  private let handle: KafkaHandle
  private let queue: OpaquePointer
  private let wakeup: WakeupAction
  private let drain: UnsafeMutablePointer<KafkaDrain>
  private var isClosed = false
  private var isAssigned = false

  /// Starts fetching at `start`. On the blocking thread: librdkafka's main thread is waited for.
  init(
    _ partition: PartitionID, place: KafkaPlace, handle: KafkaHandle, start: Int64, end: Int64?, settings: KafkaSettings
  ) throws(SourceError) {
    guard let queue = rd_kafka_queue_get_partition(handle.client, place.topic, place.number) else {
      throw SourceError(
        source: partition.source, partition: partition, severity: .failed, message: "librdkafka has no queue for it")
    }
    self.partition = partition
    self.place = place
    self.handle = handle
    self.queue = queue
    wakeup = WakeupAction()
    drain = .allocate(capacity: 1)
    drain.initialize(
      to: KafkaDrain(client: handle.client, start: start, end: end, readsHeaders: settings.readsHeaders))
    // Before the assignment, so that librdkafka leaves the queue alone instead of forwarding it to the shared one.
    rd_kafka_queue_forward(queue, nil)
    rd_kafka_queue_cb_event_enable(
      queue,
      { _, context in
        guard let context else { return }
        Unmanaged<WakeupAction>.fromOpaque(context).takeUnretainedValue().call()
      }, Unmanaged.passRetained(wakeup).toOpaque())
    if let end, start >= end { return }
    if let problem = place.withList(offset: start, { rd_kafka_incremental_assign(handle.client, $0) }) {
      defer { rd_kafka_error_destroy(problem) }
      let text = String(cString: rd_kafka_error_string(problem))
      close()
      throw SourceError(
        source: partition.source, partition: partition, severity: .failed, message: "cannot be assigned: \(text)")
    }
    isAssigned = true
  }

  deinit {
    close()
    drain.deinitialize(count: 1)
    drain.deallocate()
  }

  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult {
    if drain.pointee.isAtEnd || isClosed || limit <= 0 || decoder.isFull { return result(records: 0, bytes: 0) }
    if let failure = drain.pointee.takeFailure(), let error = classify(failure) { throw error }
    if let failure = handle.status.failure {
      throw SourceError(
        source: partition.source, partition: partition, severity: failure.severity, message: failure.message)
    }
    drain.pointee.begin(Unmanaged.passUnretained(decoder), limit: limit)
    withExtendedLifetime(decoder) { _ = rd_kafka_consume_callback_queue(queue, 0, receiveKafkaMessage, drain) }
    drain.pointee.finish()
    if drain.pointee.sawMessage { handle.status.brokerAnswered() }
    if drain.pointee.failure != nil {
      // The records before it count; the next poll throws it.
      if drain.pointee.records == 0, let failure = drain.pointee.takeFailure(), let error = classify(failure) {
        throw error
      }
      // The drain ended at it, and librdkafka announces no record that is queued behind another.
      wakeup.call()
    }
    return result(records: drain.pointee.records, bytes: drain.pointee.bytes)
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) { self.wakeup.set(wakeup) }

  /// Nothing to do: see the type.
  func setPaused(_ isPaused: Bool) {}

  func lag() -> Int64? {
    var low: Int64 = 0
    var high: Int64 = 0
    let code = rd_kafka_get_watermark_offsets(handle.client, place.topic, place.number, &low, &high)
    // Negative until the first fetch has answered.
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0 else { return nil }
    return max(0, high - drain.pointee.nextOffset)
  }

  func close() {
    if isClosed { return }
    isClosed = true
    // With the event off no callback runs and none will come, so its reference can go.
    rd_kafka_queue_cb_event_enable(queue, nil, nil)
    wakeup.set {}
    Unmanaged.passUnretained(wakeup).release()
    let queue = SendablePointer(queue)
    handle.thread.submit { [handle, place, isAssigned] in
      // Waits for librdkafka's main thread, hence not on a lane. The closure keeps the handle until the queue is gone.
      // What was never assigned, because its end was its start, librdkafka would refuse to give up, and log that.
      if isAssigned, let problem = place.withList(offset: nil, { rd_kafka_incremental_unassign(handle.client, $0) }) {
        rd_kafka_error_destroy(problem)
      }
      rd_kafka_queue_destroy(queue.pointer)
    }
  }

  private func result(records: Int, bytes: Int) -> PollResult {
    PollResult(
      records: records, bytes: bytes, nextOffset: drain.pointee.nextOffset, isAtEnd: drain.pointee.isAtEnd)
  }

  /// The error to throw; `nil` when librdkafka recovers by itself.
  private func classify(_ failure: (code: rd_kafka_resp_err_t, text: String)) -> SourceError? {
    let error = kafkaReadFailure(failure.code, failure.text, partition, offset: drain.pointee.nextOffset)
    if error == nil { handle.status.append(.warning, "\(partition): \(failure.text)") }
    return error
  }
}

/// The error that ends reading a partition at `offset`; `nil` when what the code says passes by itself.
func kafkaReadFailure(
  _ code: rd_kafka_resp_err_t, _ text: String, _ partition: PartitionID, offset: Int64
) -> SourceError? {
  let severity: SourceError.Severity
  var advice = ""
  switch code {
  case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__TIMED_OUT,
    RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    return nil
  case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    severity = .fatal
    advice = """
      : offset \(offset) is not in the partition's log any more; records were deleted before they were read. Restore the \
      topic, or give the job another name to start anew
      """
  case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR__AUTHENTICATION:
    severity = .fatal
    advice = ": the broker denies access; allow this user to read the topic"
  default:
    severity = .failed
  }
  return SourceError(
    source: partition.source, partition: partition, severity: severity,
    message: "\(text) (\(String(cString: rd_kafka_err2name(code))))\(advice)")
}

/// A topic and the number of a partition of it.
package struct KafkaPlace: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let topic: String
  package let number: Int32

  /// Partition `number` of `topic`.
  package init(topic: String, number: Int32) {
    self.topic = topic
    self.number = number
  }

  /// By topic, then by number.
  package static func < (left: Self, right: Self) -> Bool { (left.topic, left.number) < (right.topic, right.number) }

  package var description: String { "\(topic)/\(number)" }

  /// Calls `body` with a list of this partition alone.
  func withList<Result>(offset: Int64?, _ body: (UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?) -> Result)
    -> Result
  {
    let list = rd_kafka_topic_partition_list_new(1)
    defer { rd_kafka_topic_partition_list_destroy(list) }
    let entry = rd_kafka_topic_partition_list_add(list, topic, number)
    if let offset { entry?.pointee.offset = offset }
    return body(list)
  }
}
