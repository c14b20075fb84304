/// The properties of librdkafka that a Kafka table without options of its own is read with: whoever measures another
/// consumer against Weir gives it the same.
package enum KafkaConsumerProperties {
  /// Names and values, for a topic with so many partitions.
  package static func all(brokers: String, partitions: Int) -> [(name: String, value: String)] {
    KafkaSettings(brokers: brokers).consumerProperties(KafkaSettings.QueueBounds(partitions: partitions))
  }
}

extension KafkaSettings {
  fileprivate init(brokers: String) {
    source = "bench"
    self.brokers = brokers
    topics = []
    start = .earliest
    group = "weir-bench"
    fetch = .librdkafka
    readsHeaders = false
    properties = []
  }
}
