import Actors
import CRdkafka
import SQL

/// What a Kafka table's options say.
struct KafkaSettings {
  /// Where a new job starts.
  enum Start: Hashable, Sendable {
    case earliest
    case latest
    /// At the first record whose time is not before this many milliseconds since the epoch.
    case timestamp(milliseconds: Int64)
  }

  /// Who fetches records.
  enum Fetch: String, CaseIterable {
    case librdkafka, native
  }

  private enum StartName: String, CaseIterable { case earliest, latest, timestamp }

  let source: String
  let brokers: String
  let topics: [String]
  let start: Start
  let group: String
  let fetch: Fetch
  let readsHeaders: Bool
  /// `kafka.` options, without the prefix, in the order of their names.
  let properties: [(name: String, value: String)]

  init(_ options: SourceOptions, readsHeaders: Bool, defaults: SourceDefaults) throws(SourceError) {
    source = options.table.name
    guard let brokers = options.string("brokers") ?? defaults.brokers, !brokers.isEmpty else {
      throw SourceError(
        source: source, severity: .fatal,
        message: "no broker is named: set the option 'brokers' (host:port, …) or the variable WEIR_KAFKA_BROKERS")
    }
    self.brokers = brokers
    let names = try options.required("topic", "one topic, or several separated by commas").split(separator: ",")
    topics = names.map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
    guard !topics.isEmpty, Set(topics).count == topics.count else {
      throw options.invalid("topic", expected: "the names of different topics, separated by commas")
    }
    switch try options.choice("starting_position", default: StartName.earliest) {
    case .earliest: start = .earliest
    case .latest: start = .latest
    case .timestamp:
      guard let moment = try options.moment("starting_timestamp") else {
        throw options.invalid("starting_timestamp", expected: "given when starting_position is 'timestamp'")
      }
      start = .timestamp(milliseconds: moment / 1000)
    }
    group = options.string("group") ?? "\(defaults.jobName)-\(options.table.name)"
    fetch = try options.choice("fetch", default: .librdkafka)
    self.readsHeaders = readsHeaders
    var properties: [(name: String, value: String)] = []
    for (name, entry) in options.table.options.entries.sorted(by: { $0.key < $1.key }) where name.hasPrefix("kafka.") {
      let property = String(name.dropFirst("kafka.".count))
      if let instead = Self.ownProperties[property] {
        throw SourceError(
          source: source, severity: .fatal,
          message: "option '\(name)' at \(entry.location) cannot be set: \(instead)")
      }
      properties.append((property, entry.value))
    }
    self.properties = properties
  }

  /// Properties that exactly-once reading depends on, and what to do instead.
  private static let ownProperties = [
    "bootstrap.servers": "use the option 'brokers'",
    "group.id": "use the option 'group'",
    "enable.auto.commit": "offsets are kept in checkpoints and reported after the sinks have committed",
    "enable.auto.offset.store": "offsets are kept in checkpoints and reported after the sinks have committed",
    "auto.offset.reset": "use the option 'starting_position'; an offset that is gone is an error, never skipped",
    "enable.partition.eof": "it is needed in order to find the end of a partition"
  ]
}

extension KafkaSettings {
  /// How much librdkafka may hold per partition before it stops fetching.
  ///
  /// Messages over all partitions are bounded by `max(400,000, 5,000 × partitions)` and their bytes by
  /// `max(256 MiB, 1 MiB × partitions)`, plus one fetch (256 KiB, or one larger record batch) a partition. Each waiting
  /// message costs about 400 bytes beside its own. Fewer than 5,000 a partition make librdkafka stall.
  struct QueueBounds: Hashable {
    let messages: Int
    let kibibytes: Int

    init(partitions: Int) {
      messages = min(20_000, max(5_000, 400_000 / max(1, partitions)))
      kibibytes = min(16_384, max(1024, 262_144 / max(1, partitions)))
    }
  }

  /// The properties of the consumer, before the table's own.
  func consumerProperties(_ bounds: QueueBounds) -> [(name: String, value: String)] {
    [
      ("bootstrap.servers", brokers), ("client.id", "weir"), ("group.id", group),
      ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"), ("auto.offset.reset", "error"),
      ("enable.partition.eof", "true"), ("isolation.level", "read_committed"), ("check.crcs", "true"),
      ("allow.auto.create.topics", "false"),
      ("queued.min.messages", String(bounds.messages)), ("queued.max.messages.kbytes", String(bounds.kibibytes)),
      ("fetch.message.max.bytes", "262144"), ("fetch.wait.max.ms", "50"), ("fetch.error.backoff.ms", "100"),
      ("reconnect.backoff.max.ms", "2000"), ("socket.keepalive.enable", "true"), ("socket.nagle.disable", "true"),
      ("topic.metadata.refresh.interval.ms", "30000")
    ]
  }

  /// A configuration for `rd_kafka_new`, which takes it over; the caller destroys it otherwise.
  func makeConfiguration(_ bounds: QueueBounds) throws(SourceError) -> OpaquePointer {
    guard let configuration = rd_kafka_conf_new() else {
      throw SourceError(source: source, severity: .failed, message: "librdkafka has no memory for a configuration")
    }
    for (index, property) in (consumerProperties(bounds) + properties).enumerated() {
      let isOwn = index >= consumerProperties(bounds).count
      if let problem = setKafkaProperty(configuration, property.name, property.value) {
        rd_kafka_conf_destroy(configuration)
        let option = isOwn ? "option 'kafka.\(property.name)'" : "librdkafka's property '\(property.name)'"
        throw SourceError(source: source, severity: .fatal, message: "\(option) was refused: \(problem)")
      }
    }
    return configuration
  }
}

/// Sets a property of librdkafka; returns why it was refused, without the value when that may be a secret.
func setKafkaProperty(_ configuration: OpaquePointer, _ name: String, _ value: String) -> String? {
  var text = [CChar](repeating: 0, count: 512)
  let result = rd_kafka_conf_set(configuration, name, value, &text, text.count)
  if result == RD_KAFKA_CONF_OK { return nil }
  if SourceOptions.isSecret(name) && result != RD_KAFKA_CONF_UNKNOWN { return "the value (not shown) is not valid" }
  return stringUntilNull(text)
}

/// The text in a buffer that a C function filled.
func stringUntilNull(_ buffer: [CChar]) -> String {
  String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// librdkafka's text for an error code, with the code's name.
func kafkaErrorText(_ code: rd_kafka_resp_err_t) -> String {
  "\(String(cString: rd_kafka_err2str(code))) (\(String(cString: rd_kafka_err2name(code))))"
}
