import Actors
import CRdkafka

extension KafkaSettings {
  private static let partitionBytesNames = ["fetch.message.max.bytes", "max.partition.fetch.bytes"]

  /// Whether the table says how much a partition gets in one answer.
  var setsPartitionBytes: Bool { properties.contains { Self.partitionBytesNames.contains($0.name) } }

  /// How the fetch client asks, when librdkafka is set up like this.
  /// - Throws: ``SourceError`` (fatal) when it should do what the fetch client does not: encrypt, or log in.
  func fetchSettings(_ configuration: OpaquePointer) throws(SourceError) -> FetchSettings {
    let secured = properties.first { $0.name.hasPrefix("sasl.") || $0.name.hasPrefix("ssl.") }
    let isPlain = property(configuration, "security.protocol") == "plaintext"
    guard secured == nil, isPlain else {
      throw SourceError(
        source: source, severity: .fatal,
        message: """
          option 'kafka.\(isPlain ? secured?.name ?? "" : "security.protocol")' asks for a secured connection, and fetch = \
          'native' speaks plain text only; use fetch = 'librdkafka', which is the default
          """)
    }
    var fetch = FetchSettings()
    fetch.clientID = property(configuration, "client.id") ?? fetch.clientID
    fetch.waitMilliseconds = number(configuration, "fetch.wait.max.ms") ?? fetch.waitMilliseconds
    if setsPartitionBytes { fetch.partitionBytes = number(configuration, Self.partitionBytesNames[0]) ?? 1 << 20 }
    fetch.answerBytes = min(number(configuration, "fetch.max.bytes") ?? .max, fetch.answerBytes)
    fetch.frameBytesMax = number(configuration, "receive.message.max.bytes").map(Int.init) ?? fetch.frameBytesMax
    fetch.readsUncommitted = property(configuration, "isolation.level") == "read_uncommitted"
    return fetch
  }

  private func number(_ configuration: OpaquePointer, _ name: String) -> Int32? {
    property(configuration, name).flatMap { Int32($0) }
  }

  private func property(_ configuration: OpaquePointer, _ name: String) -> String? {
    var text = [CChar](repeating: 0, count: 1024)
    var size = text.count
    guard rd_kafka_conf_get(configuration, name, &text, &size) == RD_KAFKA_CONF_OK else { return nil }
    return stringUntilNull(text)
  }
}
