import CRdkafka
import Glibc

/// The transactional producer of librdkafka, and a `read_committed` consumer for the markers.
///
/// Owned by one actor on an IO lane; calls block, each with a time limit.
///
/// Run against librdkafka's mock cluster, which acknowledges transactions without having them. Not yet run against a
/// real broker: aborts, fencing, the codes that a broker answers with then, a marker topic that is compacted, creating
/// that topic, TLS and SASL, and a topic whose `max.message.bytes` is smaller than the producer's.
final class LibrdkafkaTransactionClient: KafkaSinkClient {
  /// Where and as whom.
  struct Configuration: Sendable {
    let brokers: String
    let topic: String
    let positionTopic: String
    let transactionalID: String
    /// Further properties of librdkafka.
    let properties: [(String, String)]

    /// How large key and value of a record may be together: what librdkafka accepts to send.
    var maximumRecordBytes: Int {
      properties.last { $0.0 == "message.max.bytes" }.flatMap { Int($0.1) } ?? 1_000_000
    }
  }

  /// Reads the rows of the epoch that is being committed; set before the protocol runs.
  var rows: Rows?

  let configuration: Configuration
  let stop: StopFlag
  /// Whether the topic of markers was made or found.
  var isPrepared = false
  /// Why the topic of markers could not be made.
  var creationFailure: String?
  private var producer: OpaquePointer?
  private var topic: OpaquePointer?
  private var markerTopic: OpaquePointer?
  static let timeoutMilliseconds: Int32 = 30_000

  init(_ configuration: Configuration, stop: StopFlag) {
    self.configuration = configuration
    self.stop = stop
  }

  deinit { release() }

  /// Closes the producer; an open transaction is left to the broker, which aborts it.
  func release() {
    if let topic { rd_kafka_topic_destroy(topic) }
    if let markerTopic { rd_kafka_topic_destroy(markerTopic) }
    if let producer {
      _ = rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
      rd_kafka_destroy(producer)
    }
    producer = nil
    topic = nil
    markerTopic = nil
  }

  func initialize() throws {
    release()
    // Keys go to the partitions where other clients put them; the queue is bounded well below librdkafka's 1 GiB.
    let defaults = [
      ("transaction.timeout.ms", "60000"), ("compression.codec", "lz4"), ("linger.ms", "5"),
      ("partitioner", "murmur2_random"), ("queue.buffering.max.kbytes", "65536")
    ]
    let opened = try handle(
      RD_KAFKA_PRODUCER, defaults: defaults, settings: [("transactional.id", configuration.transactionalID)])
    producer = opened
    try check(rd_kafka_init_transactions(opened, Self.timeoutMilliseconds), unknownOutcome: false)
    topic = rd_kafka_topic_new(opened, configuration.topic, nil)
    markerTopic = rd_kafka_topic_new(opened, configuration.positionTopic, nil)
    guard topic != nil, markerTopic != nil else {
      throw KafkaTransactionError(
        .fatal, "'\(configuration.topic)' or '\(configuration.positionTopic)' is no topic name")
    }
  }

  func begin() throws {
    guard let producer else { throw KafkaTransactionError(.retriable, "the producer is not registered") }
    try check(rd_kafka_begin_transaction(producer), unknownOutcome: false)
  }

  func produceRows() throws {
    guard let topic else { return }
    try rows? { try self.produce(to: topic, partition: RD_KAFKA_PARTITION_UA, key: $0, value: $1) }
  }

  func produceMarker(_ marker: [UInt8]) throws {
    guard let markerTopic else { return }
    try Array(configuration.transactionalID.utf8).withUnsafeBytes { key in
      try marker.withUnsafeBytes { try produce(to: markerTopic, partition: 0, key: key, value: $0) }
    }
  }

  func commit() throws {
    guard let producer else { return }
    // Delivery reports are not asked for: a record that could not be delivered fails the transaction.
    try check(rd_kafka_commit_transaction(producer, Self.timeoutMilliseconds), unknownOutcome: true)
  }

  func abort() throws {
    guard let producer else { return }
    try check(rd_kafka_abort_transaction(producer, Self.timeoutMilliseconds), unknownOutcome: false)
  }

  private func produce(
    to topic: OpaquePointer, partition: Int32, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
  ) throws {
    while true {
      // librdkafka copies key and value before it returns; the pointers are not kept.
      let status = rd_kafka_produce(
        topic, partition, RD_KAFKA_MSG_F_COPY, value.flatMap { UnsafeMutableRawPointer(mutating: $0.baseAddress) },
        value?.count ?? 0, key?.baseAddress, key?.count ?? 0, nil)
      if status == 0 { return }
      let code = rd_kafka_last_error()
      guard code == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
        let kind: KafkaTransactionError.Kind = Self.hopeless.contains(code) ? .fatal : .abortable
        throw KafkaTransactionError(kind, "topic '\(configuration.topic)': \(Self.text(code))\(Self.advice(code))")
      }
      guard !stop.isStopping else { throw KafkaTransactionError(.abortable, "the sink was closed") }
      rd_kafka_poll(producer, 5)
    }
  }

  // MARK: librdkafka

  /// A client; the table's own properties win over `defaults`, `settings` win over them.
  func handle(
    _ kind: rd_kafka_type_t, defaults: [(String, String)] = [], settings: [(String, String)] = []
  ) throws -> OpaquePointer {
    guard let conf = rd_kafka_conf_new() else { throw KafkaTransactionError(.retriable, "out of memory") }
    var text = [CChar](repeating: 0, count: 512)
    let own = [("bootstrap.servers", configuration.brokers), ("client.id", "weir"), ("log_level", "2")]
    for (name, value) in own + defaults + configuration.properties + settings {
      guard rd_kafka_conf_set(conf, name, value, &text, text.count) == RD_KAFKA_CONF_OK else {
        rd_kafka_conf_destroy(conf)
        // librdkafka's text repeats the value, which may be a secret.
        throw KafkaTransactionError(.fatal, "librdkafka does not accept the property '\(name)' with its value")
      }
    }
    guard let opened = rd_kafka_new(kind, conf, &text, text.count) else {
      rd_kafka_conf_destroy(conf)
      let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw KafkaTransactionError(.fatal, reason)
    }
    return opened
  }

  private func check(_ error: OpaquePointer?, unknownOutcome: Bool) throws {
    guard let error else { return }
    defer { rd_kafka_error_destroy(error) }
    let message = String(cString: rd_kafka_error_string(error))
    let code = rd_kafka_error_code(error)
    let fencing = [
      RD_KAFKA_RESP_ERR__FENCED, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
    ]
    if fencing.contains(code) { throw KafkaTransactionError(.fenced, message) }
    // These need an abort too, but no repetition can succeed.
    if Self.hopeless.contains(code) { throw KafkaTransactionError(.fatal, message + Self.advice(code)) }
    if rd_kafka_error_txn_requires_abort(error) != 0 { throw KafkaTransactionError(.abortable, message) }
    throw KafkaTransactionError(unknownOutcome ? .unknown : .retriable, message)
  }

  static func text(_ code: rd_kafka_resp_err_t) -> String { String(cString: rd_kafka_err2str(code)) }

  /// Refusals that stay until somebody changes the cluster or the table.
  private static let hopeless = [
    RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
    RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD
  ]

  private static func advice(_ code: rd_kafka_resp_err_t) -> String {
    switch code {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return "; raise the topic's max.message.bytes and the table's \"kafka.message.max.bytes\""
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return "; a compacted topic needs option key, and no NULL in that column"
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return "; lower \"kafka.transaction.timeout.ms\", or raise the broker's transaction.max.timeout.ms"
    default: return ""
    }
  }
}
