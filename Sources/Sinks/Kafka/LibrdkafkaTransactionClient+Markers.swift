import CRdkafka
import Glibc

extension LibrdkafkaTransactionClient {
  /// Creates the topic of markers, compacted, with one partition; one that exists is left as it is.
  func prepare() throws {
    guard !isPrepared else { return }
    let name = configuration.positionTopic
    guard let new = rd_kafka_NewTopic_new(name, 1, -1, nil, 0) else {
      throw KafkaTransactionError(.fatal, "position_topic = '\(name)' is no topic name")
    }
    defer { rd_kafka_NewTopic_destroy(new) }
    // Only closed segments are compacted, and every registration reads the topic from its beginning.
    _ = rd_kafka_NewTopic_set_config(new, "cleanup.policy", "compact")
    _ = rd_kafka_NewTopic_set_config(new, "segment.bytes", "16777216")
    // A consumer: what a producer asks for, brokers may create by themselves, and not compacted.
    let client = try handle(RD_KAFKA_CONSUMER, settings: [("group.id", configuration.transactionalID + "-positions")])
    defer { rd_kafka_destroy(client) }
    guard try !hasPositionTopic(client) else {
      isPrepared = true
      return
    }
    let queue = rd_kafka_queue_new(client)
    defer { rd_kafka_queue_destroy(queue) }
    let options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS)
    defer { rd_kafka_AdminOptions_destroy(options) }
    _ = rd_kafka_AdminOptions_set_request_timeout(options, 10_000, nil, 0)
    var topics: [OpaquePointer?] = [new]
    rd_kafka_CreateTopics(client, &topics, 1, options, queue)
    guard let event = rd_kafka_queue_poll(queue, Self.timeoutMilliseconds) else {
      throw KafkaTransactionError(.retriable, "brokers '\(configuration.brokers)' did not answer in time")
    }
    defer { rd_kafka_event_destroy(event) }
    // What the brokers said matters only when the topic turns out to be missing: it may exist without the right, or
    // the call, to create it.
    creationFailure = Self.creationFailure(event)
    isPrepared = true
  }

  /// Whether the brokers know the topic of markers.
  private func hasPositionTopic(_ client: OpaquePointer) throws -> Bool {
    let topic = rd_kafka_topic_new(client, configuration.positionTopic, nil)
    defer { if let topic { rd_kafka_topic_destroy(topic) } }
    var metadata: UnsafePointer<rd_kafka_metadata>?
    let status = rd_kafka_metadata(client, 0, topic, &metadata, Self.timeoutMilliseconds)
    guard status == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else {
      throw KafkaTransactionError(
        .retriable, "brokers '\(configuration.brokers)' do not answer: \(Self.text(status))")
    }
    defer { rd_kafka_metadata_destroy(metadata) }
    guard metadata.pointee.topic_cnt > 0, let found = metadata.pointee.topics else { return false }
    return found[0].err == RD_KAFKA_RESP_ERR_NO_ERROR && found[0].partition_cnt > 0
  }

  /// What the broker said against creating the topic; `nil`: nothing, or that it is there.
  private static func creationFailure(_ event: OpaquePointer) -> String? {
    let whole = rd_kafka_event_error(event)
    if whole != RD_KAFKA_RESP_ERR_NO_ERROR { return text(whole) }
    guard let result = rd_kafka_event_CreateTopics_result(event) else { return nil }
    var count = 0
    guard let topics = rd_kafka_CreateTopics_result_topics(result, &count), count > 0, let topic = topics[0] else {
      return nil
    }
    let code = rd_kafka_topic_result_error(topic)
    let isThere = code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS
    return isThere ? nil : text(code)
  }

  func readMarker(settled: Bool) throws -> [UInt8]? {
    let consumer = try handle(
      RD_KAFKA_CONSUMER,
      settings: [
        ("group.id", configuration.transactionalID + "-positions"), ("isolation.level", "read_committed"),
        ("enable.auto.commit", "false"), ("enable.partition.eof", "true"), ("auto.offset.reset", "earliest"),
        ("fetch.wait.max.ms", "20")
      ])
    defer {
      rd_kafka_consumer_close(consumer)
      rd_kafka_destroy(consumer)
    }
    rd_kafka_poll_set_consumer(consumer)
    let partitions = rd_kafka_topic_partition_list_new(1)
    defer { rd_kafka_topic_partition_list_destroy(partitions) }
    rd_kafka_topic_partition_list_add(partitions, configuration.positionTopic, 0).pointee.offset =
      Int64(RD_KAFKA_OFFSET_BEGINNING)
    let status = rd_kafka_assign(consumer, partitions)
    guard status == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaTransactionError(.retriable, Self.text(status)) }
    var scan = KafkaMarkerScan(transactionalID: configuration.transactionalID, settled: settled)
    try run(&scan, consumer)
    return scan.marker
  }

  /// Feeds `scan` until it is done; the time limit starts anew with everything that arrives.
  private func run(_ scan: inout KafkaMarkerScan, _ consumer: OpaquePointer) throws {
    let limit = Duration.milliseconds(Int(Self.timeoutMilliseconds))
    var deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline && !stop.isStopping {
      guard let message = rd_kafka_consumer_poll(consumer, 200) else { continue }
      defer { rd_kafka_message_destroy(message) }
      switch message.pointee.err {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        let value = message.pointee.payload.map { UnsafeRawBufferPointer(start: $0, count: message.pointee.len) }
        scan.record(
          key: UnsafeRawBufferPointer(start: message.pointee.key, count: message.pointee.key_len), value: value)
        deadline = ContinuousClock.now + limit
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if scan.reachedEnd(at: message.pointee.offset, highWatermark: try highWatermark(consumer)) { return }
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        throw missingTopic()
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        throw KafkaTransactionError(.fatal, "topic '\(configuration.positionTopic)': no right to read it")
      default: continue
      }
    }
    guard !stop.isStopping else { throw KafkaTransactionError(.retriable, "the sink was closed") }
    throw KafkaTransactionError(
      .retriable,
      """
      the markers in topic '\(configuration.positionTopic)' could not be read to their end in time: brokers are not \
      reachable, or a transaction of another producer is open
      """)
  }

  /// The topic's end as the fetch before the last event told it; open transactions are below it.
  private func highWatermark(_ consumer: OpaquePointer) throws -> Int64 {
    var low: Int64 = 0
    var high: Int64 = 0
    let status = rd_kafka_get_watermark_offsets(consumer, configuration.positionTopic, 0, &low, &high)
    guard status == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0 else {
      throw KafkaTransactionError(.retriable, "the end of topic '\(configuration.positionTopic)' is not known")
    }
    return high
  }

  /// A topic that was just made takes a moment to be known everywhere; one that could not be made stays missing.
  private func missingTopic() -> KafkaTransactionError {
    isPrepared = false
    let name = configuration.positionTopic
    guard let creationFailure else {
      return KafkaTransactionError(.retriable, "topic '\(name)' does not exist yet")
    }
    return KafkaTransactionError(
      .fatal,
      "topic '\(name)' does not exist and could not be created (\(creationFailure)); create it with one partition "
        + "and cleanup.policy=compact, or name another with position_topic")
  }
}
