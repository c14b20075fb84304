import Actors
import CRdkafka
import Columnar
import Glibc
import Logging

/// Lets librdkafka find leaders for the fetch client, on the connector's blocking thread.
struct KafkaFetchEnvironment: FetchEnvironment {
  private static let metadataMilliseconds: Int32 = 1000

  let handle: KafkaHandle

  func findLeaders(of topics: [String], _ answer: @escaping @Sendable (PartitionLeaders) -> Void) {
    handle.thread.submit {
      var found = PartitionLeaders()
      for topic in topics { find(topic, &found) }
      answer(found)
    }
  }

  func brokerAnswered() { handle.status.brokerAnswered() }

  func log(_ level: Logger.Level, _ text: String) { handle.status.append(level, text) }

  var failure: (severity: SourceError.Severity, message: String)? { handle.status.failure }

  func failure(code: Int16, partition: PartitionID, offset: Int64) -> SourceError? {
    let code = rd_kafka_resp_err_t(rawValue: Int32(code))
    return kafkaReadFailure(code, String(cString: rd_kafka_err2str(code)), partition, offset: offset)
  }

  /// Adds the brokers, and who leads the partitions of `topic`.
  private func find(_ topic: String, _ found: inout PartitionLeaders) {
    guard let local = rd_kafka_topic_new(handle.client, topic, nil) else { return }
    defer { rd_kafka_topic_destroy(local) }
    var answer: UnsafePointer<rd_kafka_metadata>?
    let code = rd_kafka_metadata(handle.client, 0, local, &answer, Self.metadataMilliseconds)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else {
      handle.status.append(.debug, "topic '\(topic)': who leads it cannot be found: \(kafkaErrorText(code))")
      return
    }
    defer { rd_kafka_metadata_destroy(answer) }
    for index in 0..<Int(answer.pointee.broker_cnt) {
      guard let broker = answer.pointee.brokers?[index], let host = broker.host, found.brokers[broker.id] == nil
      else { continue }
      found.brokers[broker.id] = Self.addresses(of: host, port: broker.port)
    }
    for index in 0..<Int(answer.pointee.topic_cnt) {
      guard let entry = answer.pointee.topics?[index] else { continue }
      for number in 0..<Int(entry.partition_cnt) {
        guard let partition = entry.partitions?[number], partition.leader >= 0 else { continue }
        found.leaders[KafkaPlace(topic: topic, number: partition.id)] = partition.leader
      }
    }
  }

  private static func addresses(of host: UnsafePointer<CChar>, port: Int32) -> [BrokerAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, "\(port)", &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var result: [BrokerAddress] = []
    var next = list
    while let entry = next {
      if let address = entry.pointee.ai_addr {
        let bytes = UnsafeRawBufferPointer(start: address, count: Int(entry.pointee.ai_addrlen))
        result.append(BrokerAddress(family: entry.pointee.ai_family, bytes: Array(bytes)))
      }
      next = entry.pointee.ai_next
    }
    return result
  }
}
