import CRdkafka

/// A Kafka broker for development and tests: librdkafka's mock cluster, in this process, on ports of its own.
///
/// Its limits: at most 5 MiB (as sent, so compressed) and 100,000 record batches a partition, then the oldest go; one
/// record batch a fetch, so small batches are slow; transactions are acknowledged but not transactional, and aborted
/// records are read; committed offsets of a transaction are not kept; topics cannot gain partitions.
///
/// `@unchecked Sendable`: the pointers are constant and the cluster's functions are thread-safe.
public final class DevelopmentBroker: @unchecked Sendable {
  /// Where clients connect: `host:port`, separated by commas.
  public let bootstrap: String

  private let client: OpaquePointer
  private let cluster: OpaquePointer

  /// Starts `brokers` brokers. Topics that a client asks for come into being by themselves with 4 partitions.
  /// - Throws: ``DevelopmentError``.
  public init(brokers: Int = 1) throws(DevelopmentError) {
    let configuration = rd_kafka_conf_new()
    if let configuration { _ = setKafkaProperty(configuration, "log_level", "3") }
    var text = [CChar](repeating: 0, count: 512)
    guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &text, text.count) else {
      rd_kafka_conf_destroy(configuration)
      throw DevelopmentError("the development broker's client cannot start: \(stringUntilNull(text))")
    }
    guard let cluster = rd_kafka_mock_cluster_new(client, Int32(max(1, brokers))),
      let bootstrap = rd_kafka_mock_cluster_bootstraps(cluster)
    else {
      rd_kafka_destroy(client)
      throw DevelopmentError("the development broker cannot start: are sockets on 127.0.0.1 allowed?")
    }
    self.client = client
    self.cluster = cluster
    self.bootstrap = String(cString: bootstrap)
  }

  deinit {
    rd_kafka_mock_cluster_destroy(cluster)
    rd_kafka_destroy(client)
  }

  /// Makes a topic; one that exists stays as it is.
  /// - Throws: ``DevelopmentError``.
  public func createTopic(_ name: String, partitions: Int) throws(DevelopmentError) {
    guard (1...10_000).contains(partitions) else {
      throw DevelopmentError("a topic has from 1 to 10000 partitions, not \(partitions)")
    }
    let code = rd_kafka_mock_topic_create(cluster, name, Int32(partitions), 1)
    if code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS { return }
    throw DevelopmentError("topic '\(name)' cannot be made: \(kafkaErrorText(code))")
  }

  /// Cuts or restores the connections of the broker with this number (the first is 1).
  public func setReachable(_ isReachable: Bool, broker: Int = 1) {
    if isReachable {
      rd_kafka_mock_broker_set_up(cluster, Int32(broker))
    } else {
      rd_kafka_mock_broker_set_down(cluster, Int32(broker))
    }
  }

  /// Answers every question about a topic with an error code.
  package func setError(_ code: Int32, topic: String) {
    rd_kafka_mock_topic_set_error(cluster, topic, rd_kafka_resp_err_t(rawValue: code))
  }

  /// Answers the next requests of a kind (Kafka's API key) with these error codes, one each.
  private func push(errors codes: [rd_kafka_resp_err_t], apiKey: Int16) {
    rd_kafka_mock_push_request_errors_array(cluster, apiKey, codes.count, codes)
  }

  /// Answers the next `count` requests of a kind (Kafka's API key) with an error code.
  package func push(error code: Int32, count: Int, apiKey: Int16) {
    push(errors: Array(repeating: rd_kafka_resp_err_t(rawValue: code), count: count), apiKey: apiKey)
  }
}

/// A tool for development failed: what was expected, what came, what to do.
public struct DevelopmentError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The message.
  public let description: String

  init(_ description: String) { self.description = description }
}
