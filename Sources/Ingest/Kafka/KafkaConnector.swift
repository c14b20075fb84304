import Actors
import CRdkafka
import Checkpointing
import Columnar
import Logging
import Runtime

/// A Kafka table: partitions are assigned by offset, without group membership, so nothing but a checkpoint decides where
/// reading goes on, and no broker can take a partition away. The group's name only serves to report offsets.
///
/// The actor runs on a thread of its own, because librdkafka's queries block.
public actor KafkaConnector: SourceConnector {
  /// How often, and how many milliseconds apart, a topic that does not exist is looked for at start.
  private static let topicAttempts = 8
  private static let topicRetryMilliseconds = 500
  /// How old the known edges of the partitions may be when a partition is opened.
  private static let edgesAgeMaxNanoseconds: Int64 = 2_000_000_000

  nonisolated private let thread: BlockingThread
  nonisolated private let settings: KafkaSettings
  nonisolated private let clock: any EngineClock
  private let logger: Logger
  private let fetch: FetchSettings?
  private var handle: KafkaHandle?
  /// Fetches in librdkafka's place, when the table says so.
  private var fetcher: FetchClient?
  private var bounds = KafkaSettings.QueueBounds(partitions: 1)
  private var isFound = false
  private var known: [KafkaPlace] = []
  private var edges: (loadedAt: Int64, lows: [KafkaPlace: Int64], highs: [KafkaPlace: Int64])?

  /// The thread that the actor is pinned to.
  nonisolated public var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// Topics can grow.
  nonisolated public var discoversPartitions: Bool { true }

  init(_ settings: KafkaSettings, clock: any EngineClock, logger: Logger) throws(SourceError) {
    self.settings = settings
    self.clock = clock
    self.logger = logger
    thread = BlockingThread(name: "kafka-\(settings.source)")
    // A wrong option is an error when the job starts, not when a broker answers.
    let configuration = try settings.makeConfiguration(bounds)
    defer { rd_kafka_conf_destroy(configuration) }
    fetch = settings.fetch == .native ? try settings.fetchSettings(configuration) : nil
  }

  /// Since when no broker can be reached, in microseconds since the epoch; `nil` while one can.
  public func brokersDownSince() -> Int64? { handle?.status.brokersDownSince }

  /// The partitions of all topics; a topic that does not exist is waited for briefly.
  /// - Throws: ``SourceError``.
  public func partitions() async throws -> [PartitionID] {
    var attempt = 1
    while true {
      var places: [KafkaPlace] = []
      var missing: [String] = []
      for topic in settings.topics {
        let count = try partitionCount(of: topic)
        if count == 0 { missing.append(topic) }
        places += (0..<count).map { KafkaPlace(topic: topic, number: $0) }
      }
      if missing.isEmpty {
        isFound = true
        known = places
        try adapt(toPartitions: places.count)
        return places.map(partitionID)
      }
      let text = missing.map { "'\($0)'" }.joined(separator: ", ")
      guard attempt < Self.topicAttempts else {
        throw failure(
          .fatal, "topic \(text) does not exist on \(settings.brokers); create it, or correct the option 'topic'")
      }
      if attempt == 1 { logger.warning("topic \(text) does not exist yet; looking again") }
      attempt += 1
      try await Task.sleep(for: .milliseconds(Self.topicRetryMilliseconds))
    }
  }

  /// The end of each partition: behind the last record that readers can see.
  /// - Throws: ``SourceError``.
  public func endOffsets(_ partitions: [PartitionID]) async throws -> [PartitionID: Int64] {
    let highs = try offsets(of: try partitions.map(place), at: Int64(RD_KAFKA_OFFSET_END))
    return try Dictionary(
      uniqueKeysWithValues: partitions.map { partition in
        guard let high = highs[try place(partition)] else {
          throw failure(.failed, "the broker did not say where it ends", partition)
        }
        return (partition, high)
      })
  }

  /// A topic keeps its partitions: one is only missing when the option names other topics, when a broker does not know it
  /// yet after a restart, or when the topic was made anew.
  /// - Throws: ``SourceError``.
  public func checkMissing(_ partitions: [PartitionID], found: [PartitionID]) async throws(SourceError) {
    for partition in partitions { _ = try place(partition) }
    guard let first = partitions.first else { return }
    throw failure(
      .failed,
      """
      the checkpoint knows it, but the topic does not have it: a broker does not know all partitions yet, or the topic was \
      made anew with fewer. Restore it, or give the job another name to start anew
      """, first)
  }

  /// Starts to fetch a partition. An offset that is not in its log is refused, never moved.
  /// - Throws: ``SourceError``.
  public func open(_ partition: PartitionID, at position: ReadPosition, end: Int64?) async throws
    -> sending any PartitionReader
  {
    let place = try place(partition)
    let start = try start(of: place, partition, at: position)
    if let fetch {
      let client = try fetcher(fetch)
      return client.open(partition, place: place, start: start, end: end, readsHeaders: settings.readsHeaders)
    }
    return try KafkaReader(
      partition, place: place, handle: try connected(), start: start, end: end, settings: settings)
  }

  /// Commits offsets for the group's name, for monitoring; nothing reads them back.
  public func report(committed positions: SourcePositions) async {
    guard let handle, let offsets = positions.offsets[settings.source], !offsets.isEmpty else { return }
    let list = rd_kafka_topic_partition_list_new(Int32(offsets.count))
    defer { rd_kafka_topic_partition_list_destroy(list) }
    for (name, offset) in offsets {
      guard let place = try? place(PartitionID(source: settings.source, name: name)) else { continue }
      rd_kafka_topic_partition_list_add(list, place.topic, place.number)?.pointee.offset = offset
    }
    let code = rd_kafka_commit(handle.client, list, 1)
    if code != RD_KAFKA_RESP_ERR_NO_ERROR {
      logger.warning("offsets were not reported to the broker (monitoring only): \(kafkaErrorText(code))")
    }
  }

  /// Lets go of the consumer; it is destroyed once the readers are closed as well.
  public func close() async {
    fetcher = nil
    handle = nil
    edges = nil
  }
}

extension KafkaConnector {
  /// The consumer; made at the first use.
  private func connected() throws(SourceError) -> KafkaHandle {
    if let handle { return handle }
    let made = try KafkaHandle(settings, bounds: bounds, thread: thread, logger: logger, clock: clock)
    handle = made
    return made
  }

  /// The client that fetches in librdkafka's place; made at the first use.
  private func fetcher(_ fetch: FetchSettings) throws(SourceError) -> FetchClient {
    if let fetcher { return fetcher }
    var fetch = fetch
    if !settings.setsPartitionBytes { fetch.bound(partitions: known.count) }
    let made = try FetchClient(
      fetch, source: settings.source, environment: KafkaFetchEnvironment(handle: try connected()), clock: clock)
    fetcher = made
    return made
  }

  /// Bounds librdkafka's buffers for this many partitions. The bounds are fixed when a consumer is made, so one that was
  /// only asked for metadata so far is replaced; one that partitions were opened on stays.
  private func adapt(toPartitions count: Int) throws(SourceError) {
    let wanted = KafkaSettings.QueueBounds(partitions: count)
    guard edges == nil, wanted != bounds else { return }
    bounds = wanted
    handle = nil
    _ = try connected()
  }

  /// How many partitions `topic` has; 0 when it does not exist.
  private func partitionCount(of topic: String) throws(SourceError) -> Int32 {
    let handle = try connected()
    guard let local = rd_kafka_topic_new(handle.client, topic, nil) else {
      throw failure(.fatal, "'\(topic)' is not a topic's name: \(kafkaErrorText(rd_kafka_last_error()))")
    }
    defer { rd_kafka_topic_destroy(local) }
    var answer: UnsafePointer<rd_kafka_metadata>?
    var code = RD_KAFKA_RESP_ERR__TIMED_OUT
    // In short steps: why a broker refuses is only known after its callback ran.
    for _ in 0..<5 {
      code = rd_kafka_metadata(handle.client, 0, local, &answer, 2000)
      if code == RD_KAFKA_RESP_ERR_NO_ERROR { break }
      handle.status.serve()
      if let problem = handle.status.failure { throw failure(problem.severity, problem.message) }
    }
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else {
      let cause = handle.status.lastError ?? kafkaErrorText(code)
      throw failure(.failed, "no broker of '\(settings.brokers)' answers: \(cause)")
    }
    defer { rd_kafka_metadata_destroy(answer) }
    handle.status.brokerAnswered()
    guard answer.pointee.topic_cnt > 0, let found = answer.pointee.topics else { return 0 }
    switch found.pointee.err {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return found.pointee.partition_cnt
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: return 0
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      throw failure(.fatal, "topic '\(topic)': the broker denies access; allow this user to describe and read it")
    default: throw failure(.failed, "topic '\(topic)': \(kafkaErrorText(found.pointee.err))")
    }
  }

  /// The offset that answers `query` for each partition: `RD_KAFKA_OFFSET_BEGINNING`, `RD_KAFKA_OFFSET_END`, or a time in
  /// milliseconds since the epoch (negative where no record is as late). One request a broker.
  private func offsets(of places: [KafkaPlace], at query: Int64) throws(SourceError) -> [KafkaPlace: Int64] {
    if places.isEmpty { return [:] }
    let handle = try connected()
    let list = rd_kafka_topic_partition_list_new(Int32(places.count))
    defer { rd_kafka_topic_partition_list_destroy(list) }
    for place in places {
      rd_kafka_topic_partition_list_add(list, place.topic, place.number)?.pointee.offset = query
    }
    let code = rd_kafka_offsets_for_times(handle.client, list, 10_000)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let list else {
      throw failure(.failed, "offsets could not be asked for: \(kafkaErrorText(code))")
    }
    var result: [KafkaPlace: Int64] = [:]
    for index in 0..<Int(list.pointee.cnt) {
      let entry = list.pointee.elems[index]
      let place = KafkaPlace(topic: String(cString: entry.topic), number: entry.partition)
      guard entry.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
        throw failure(.failed, "its offsets could not be asked for: \(kafkaErrorText(entry.err))", partitionID(place))
      }
      result[place] = entry.offset
    }
    handle.status.brokerAnswered()
    return result
  }

  /// Where `place` begins and ends; one query serves all partitions that are opened within a moment.
  private func range(of place: KafkaPlace, notOlderThan age: Int64) throws(SourceError) -> (low: Int64, high: Int64) {
    let now = clock.monotonicNanoseconds()
    if let edges, now - edges.loadedAt <= age, let low = edges.lows[place], let high = edges.highs[place] {
      return (low, high)
    }
    let places = known.contains(place) ? known : known + [place]
    let lows = try offsets(of: places, at: Int64(RD_KAFKA_OFFSET_BEGINNING))
    let highs = try offsets(of: places, at: Int64(RD_KAFKA_OFFSET_END))
    edges = (now, lows, highs)
    guard let low = lows[place], let high = highs[place] else {
      throw failure(.failed, "the broker does not know it", partitionID(place))
    }
    return (low, high)
  }

  private func start(of place: KafkaPlace, _ partition: PartitionID, at position: ReadPosition) throws(SourceError)
    -> Int64
  {
    var range = try range(of: place, notOlderThan: Self.edgesAgeMaxNanoseconds)
    switch position {
    case .beginning: return range.low
    case .initial:
      switch settings.start {
      case .earliest: return range.low
      case .latest: return range.high
      case .timestamp(let milliseconds):
        let offset = try offsets(of: [place], at: milliseconds)[place] ?? -1
        return offset >= 0 ? offset : range.high
      }
    case .offset(let offset):
      if offset > range.high { range = try self.range(of: place, notOlderThan: 0) }
      if offset < range.low {
        throw failure(
          .fatal,
          """
          the checkpoint goes on at offset \(offset), but the log begins at \(range.low): records \(offset) to \
          \(range.low - 1) were deleted before they were read. Restore them, or give the job another name to start anew
          """, partition)
      }
      if offset > range.high {
        throw failure(
          .fatal,
          """
          the checkpoint goes on at offset \(offset), but the log ends at \(range.high): the topic was made anew or lost \
          records. Restore it, or give the job another name to start anew
          """, partition)
      }
      return offset
    }
  }

  private nonisolated func partitionID(_ place: KafkaPlace) -> PartitionID {
    PartitionID(source: settings.source, name: "\(place.topic)/\(place.number)")
  }

  private nonisolated func place(_ partition: PartitionID) throws(SourceError) -> KafkaPlace {
    guard let slash = partition.name.lastIndex(of: "/"),
      let number = Int32(partition.name[partition.name.index(after: slash)...]), number >= 0,
      settings.topics.contains(String(partition.name[..<slash]))
    else {
      throw failure(
        .fatal,
        """
        the checkpoint knows '\(partition.name)', which is not a partition of \
        \(settings.topics.joined(separator: ", ")): the option 'topic' was changed; give the job another name
        """, partition)
    }
    return KafkaPlace(topic: String(partition.name[..<slash]), number: number)
  }

  private nonisolated func failure(
    _ severity: SourceError.Severity, _ message: String, _ partition: PartitionID? = nil
  ) -> SourceError {
    SourceError(source: settings.source, partition: partition, severity: severity, message: message)
  }
}
