import CRdkafka
import Synchronization

/// Which partition a record goes to.
public enum Partitioner: String, CaseIterable, Sendable {
  /// As Java clients do: murmur2 of the key; records without a key anywhere.
  case murmur2 = "murmur2_random"
  /// As librdkafka does by default: CRC32 of the key.
  case crc32 = "consistent_random"
  /// Anywhere.
  case random
}

/// Writes records to a topic as fast as librdkafka takes them. For one thread; waits while librdkafka's queue is full.
public final class EventProducer {
  /// How to write.
  public struct Configuration: Sendable {
    /// `host:port`, separated by commas.
    public var brokers: String
    /// The topic.
    public var topic: String
    /// Which partition a key goes to.
    public var partitioner = Partitioner.murmur2
    /// Whether the broker drops what a retry repeats, and order is kept.
    public var isIdempotent = false
    /// Large batches, sent after up to 200 ms, for throughput; otherwise 5 ms.
    public var prefersThroughput = true
    /// Further properties of librdkafka.
    public var properties: [String: String] = [:]

    /// Writes to `topic`.
    public init(brokers: String, topic: String) {
      self.brokers = brokers
      self.topic = topic
    }
  }

  private let client: OpaquePointer
  private let topic: OpaquePointer
  private let failures: Unmanaged<DeliveryFailures>

  /// Connects in the background.
  /// - Throws: ``DevelopmentError``.
  public init(_ configuration: Configuration) throws(DevelopmentError) {
    let failures = Unmanaged.passRetained(DeliveryFailures())
    let settings = rd_kafka_conf_new()
    rd_kafka_conf_set_opaque(settings, failures.toOpaque())
    rd_kafka_conf_set_dr_msg_cb(settings) { _, message, context in
      guard let message, let context, message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
      Unmanaged<DeliveryFailures>.fromOpaque(context).takeUnretainedValue().add(message.pointee.err)
    }
    for (name, value) in configuration.librdkafkaProperties {
      guard let settings, let problem = setKafkaProperty(settings, name, value) else { continue }
      rd_kafka_conf_destroy(settings)
      failures.release()
      throw DevelopmentError("the producer's property '\(name)' was refused: \(problem)")
    }
    var text = [CChar](repeating: 0, count: 512)
    guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, settings, &text, text.count) else {
      rd_kafka_conf_destroy(settings)
      failures.release()
      throw DevelopmentError("the producer cannot start: \(stringUntilNull(text))")
    }
    guard let topic = rd_kafka_topic_new(client, configuration.topic, nil) else {
      rd_kafka_destroy(client)
      failures.release()
      throw DevelopmentError("'\(configuration.topic)' is not a topic's name")
    }
    self.client = client
    self.topic = topic
    self.failures = failures
  }

  deinit {
    rd_kafka_topic_destroy(topic)
    rd_kafka_destroy(client)
    failures.release()
  }

  /// Hands a record over; its bytes are copied.
  /// - Parameter partition: where it goes; `nil` lets the partitioner decide.
  /// - Throws: ``DevelopmentError`` when the record cannot be sent, or an earlier one was not delivered.
  public func produce(key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, partition: Int32? = nil)
    throws(DevelopmentError)
  {
    while true {
      let status = rd_kafka_produce(
        topic, partition ?? RD_KAFKA_PARTITION_UA, Int32(RD_KAFKA_MSG_F_COPY),
        UnsafeMutableRawPointer(mutating: value?.baseAddress), value?.count ?? 0, key?.baseAddress, key?.count ?? 0, nil
      )
      if status == 0 { return }
      try waitForRoom(rd_kafka_last_error())
    }
  }

  /// Hands a record over, with a time (milliseconds since the epoch) and headers.
  /// - Throws: ``DevelopmentError``.
  public func produce(
    key: [UInt8]?, value: [UInt8]?, partition: Int32?, timestamp: Int64?,
    headers: [(name: String, value: [UInt8]?)] = []
  ) throws(DevelopmentError) {
    let list = rd_kafka_headers_new(headers.count)
    for header in headers {
      let text = header.value ?? []
      // Absent and empty values differ by the pointer.
      _ = text.withUnsafeBytes { bytes in
        rd_kafka_header_add(
          list, header.name, -1, header.value == nil ? nil : (bytes.baseAddress ?? UnsafeRawPointer(client)),
          header.value == nil ? 0 : bytes.count)
      }
    }
    while true {
      let code = produceOnce(key: key, value: value, partition: partition, timestamp: timestamp, headers: list)
      if code == RD_KAFKA_RESP_ERR_NO_ERROR { return }
      do {
        try waitForRoom(code)
      } catch {
        rd_kafka_headers_destroy(list)
        throw error
      }
    }
  }

  /// Waits until everything is delivered.
  /// - Throws: ``DevelopmentError`` when something was not, also after `timeoutMilliseconds`.
  public func flush(timeoutMilliseconds: Int32 = 120_000) throws(DevelopmentError) {
    let code = rd_kafka_flush(client, timeoutMilliseconds)
    try checkDeliveries()
    if code != RD_KAFKA_RESP_ERR_NO_ERROR {
      throw DevelopmentError("\(rd_kafka_outq_len(client)) records are not delivered yet: \(kafkaErrorText(code))")
    }
  }

  /// Runs librdkafka's callbacks; call it now and then.
  /// - Throws: ``DevelopmentError`` when a record was not delivered.
  public func serve() throws(DevelopmentError) {
    rd_kafka_poll(client, 0)
    try checkDeliveries()
  }

  private func produceOnce(
    key: [UInt8]?, value: [UInt8]?, partition: Int32?, timestamp: Int64?, headers: OpaquePointer?
  ) -> rd_kafka_resp_err_t {
    (key ?? []).withUnsafeBytes { keyBytes in
      (value ?? []).withUnsafeBytes { valueBytes in
        var arguments = [rd_kafka_vu_t](repeating: rd_kafka_vu_t(), count: 7)
        arguments[0].vtype = RD_KAFKA_VTYPE_RKT
        arguments[0].u.rkt = topic
        arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION
        arguments[1].u.i32 = partition ?? RD_KAFKA_PARTITION_UA
        arguments[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS
        arguments[2].u.i = Int32(RD_KAFKA_MSG_F_COPY)
        arguments[3].vtype = RD_KAFKA_VTYPE_KEY
        arguments[3].u.mem.ptr = key == nil ? nil : UnsafeMutableRawPointer(mutating: keyBytes.baseAddress)
        arguments[3].u.mem.size = keyBytes.count
        arguments[4].vtype = RD_KAFKA_VTYPE_VALUE
        arguments[4].u.mem.ptr = value == nil ? nil : UnsafeMutableRawPointer(mutating: valueBytes.baseAddress)
        arguments[4].u.mem.size = valueBytes.count
        arguments[5].vtype = RD_KAFKA_VTYPE_TIMESTAMP
        arguments[5].u.i64 = timestamp ?? 0
        arguments[6].vtype = RD_KAFKA_VTYPE_HEADERS
        arguments[6].u.headers = headers
        guard let problem = rd_kafka_produceva(client, arguments, arguments.count) else {
          return RD_KAFKA_RESP_ERR_NO_ERROR
        }
        defer { rd_kafka_error_destroy(problem) }
        return rd_kafka_error_code(problem)
      }
    }
  }

  private func waitForRoom(_ code: rd_kafka_resp_err_t) throws(DevelopmentError) {
    guard code == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
      throw DevelopmentError("a record cannot be sent: \(kafkaErrorText(code))")
    }
    rd_kafka_poll(client, 5)
    try checkDeliveries()
  }

  private func checkDeliveries() throws(DevelopmentError) {
    if let failure = failures.takeUnretainedValue().first {
      throw DevelopmentError("records were not delivered: \(failure)")
    }
  }
}

extension EventProducer.Configuration {
  fileprivate var librdkafkaProperties: [(String, String)] {
    var result = [
      ("bootstrap.servers", brokers), ("client.id", "weir-generate"), ("partitioner", partitioner.rawValue),
      ("delivery.report.only.error", "true"), ("compression.type", "lz4"),
      ("queue.buffering.max.messages", "500000"), ("queue.buffering.max.kbytes", "262144"),
      ("enable.idempotence", isIdempotent ? "true" : "false"),
      ("linger.ms", prefersThroughput ? "200" : "5")
    ]
    if prefersThroughput { result += [("batch.num.messages", "100000"), ("batch.size", "1000000")] }
    return result + properties.sorted { $0.key < $1.key }
  }
}

/// The first failure that librdkafka reported.
private final class DeliveryFailures: Sendable {
  private let state = Mutex<String?>(nil)

  var first: String? { state.withLock { $0 } }

  func add(_ code: rd_kafka_resp_err_t) {
    state.withLock { if $0 == nil { $0 = kafkaErrorText(code) } }
  }
}
