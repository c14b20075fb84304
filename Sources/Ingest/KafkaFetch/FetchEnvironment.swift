import Actors
import Columnar
import Logging

/// Where a broker listens: a socket address, as `getaddrinfo` gives it.
package struct BrokerAddress: Hashable, Sendable {
  let family: Int32
  let bytes: [UInt8]

  /// An address of a family of protocols (`AF_INET`, `AF_INET6`) in the bytes of its C structure.
  package init(family: Int32, bytes: [UInt8]) {
    self.family = family
    self.bytes = bytes
  }
}

/// Who leads which partition.
package struct PartitionLeaders: Sendable {
  /// The addresses of the brokers, by their numbers; to be tried in this order.
  package var brokers: [Int32: [BrokerAddress]] = [:]
  /// The leader of each partition that has one.
  package var leaders: [KafkaPlace: Int32] = [:]

  /// Nobody leads anything.
  package init() {}
}

/// What the fetch client needs besides fetching; librdkafka does it, and tests decide it.
package protocol FetchEnvironment: Sendable {
  /// Looks for the leaders of the topics' partitions, and calls `answer` once, from any thread; with what is known when
  /// brokers do not answer. Never waits.
  func findLeaders(of topics: [String], _ answer: @escaping @Sendable (PartitionLeaders) -> Void)

  /// A broker has answered.
  func brokerAnswered()

  /// Keeps a line for the log. Never waits.
  func log(_ level: Logger.Level, _ text: String)

  /// What ends reading for all partitions.
  var failure: (severity: SourceError.Severity, message: String)? { get }

  /// The error that a reader throws for Kafka's error code; `nil` when it passes by itself.
  func failure(code: Int16, partition: PartitionID, offset: Int64) -> SourceError?
}
