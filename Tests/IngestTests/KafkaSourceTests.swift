import Actors
import Checkpointing
import Columnar
import Formats
import Ingest
import TestTraits
import Testing

/// The Kafka source against librdkafka's mock cluster, in this process; what reads, with either way to fetch.
@Suite(.fewAtOnce, .serialized, .timeLimit(.minutes(30)))
struct KafkaSourceTests {
  private static let fetches = ["librdkafka", "native"]

  let broker: DevelopmentBroker

  init() throws { broker = try DevelopmentBroker() }

  private func producer(_ topic: String, small: Bool = true) throws -> EventProducer {
    var configuration = EventProducer.Configuration(brokers: broker.bootstrap, topic: topic)
    configuration.prefersThroughput = !small
    configuration.properties = ["message.max.bytes": "20000000"]
    return try EventProducer(configuration)
  }

  /// Writes `{"n":i}` for each number to one partition; the record's time is `i` seconds after the epoch.
  private func write(_ numbers: Range<Int>, to topic: String, partition: Int32 = 0) throws {
    let producer = try producer(topic)
    for number in numbers {
      try producer.produce(
        key: Array("k\(number)".utf8), value: Array(#"{"n":\#(number)}"#.utf8), partition: partition,
        timestamp: Int64(number) * 1000 + 1)
    }
    try producer.flush()
  }

  private func fixture(
    _ fetch: String, _ topic: String, _ options: [String: String] = [:], metadata: [Field] = []
  ) throws -> SourceFixture {
    let own = ["connector": "kafka", "brokers": broker.bootstrap, "topic": topic, "fetch": fetch]
    return try SourceFixture(own.merging(options) { _, new in new }, metadata: metadata)
  }

  @Test("every record of every partition is read once, in order, up to the end offsets", arguments: fetches)
  func readsAll(fetch: String) async throws {
    try broker.createTopic("all", partitions: 3)
    for partition in 0..<3 {
      try write(partition * 1000..<partition * 1000 + 700, to: "all", partition: Int32(partition))
    }
    let source = try fixture(fetch, "all")
    let partitions = try await source.connector.partitions()
    #expect(partitions.map(\.name) == ["all/0", "all/1", "all/2"])
    let ends = try await source.connector.endOffsets(partitions)
    for (index, partition) in partitions.enumerated() {
      #expect(ends[partition] == 700)
      // An odd limit: polls end within what has arrived.
      let outcome = try await source.read(partition, end: ends[partition], limit: 77)
      #expect(outcome.integers() == (index * 1000..<index * 1000 + 700).map(Int64.init))
      #expect(outcome.offsets == Array(0..<700))
      #expect(outcome.nextOffset == 700)
    }
    await source.connector.close()
  }

  @Test("reading goes on at the offset of a checkpoint, and the end offset bounds it", arguments: fetches)
  func resumes(fetch: String) async throws {
    try broker.createTopic("resume", partitions: 1)
    try write(0..<500, to: "resume")
    let source = try fixture(fetch, "resume")
    let partition = try #require(await source.connector.partitions().first)
    let first = try await source.read(partition, end: 200)
    #expect(first.integers() == Array(0..<200))
    let second = try await source.read(partition, at: .offset(first.nextOffset), end: 500)
    #expect(second.integers() == Array(200..<500))
    let none = try await source.read(partition, at: .offset(500), end: 500)
    #expect(none.records == 0 && none.nextOffset == 500)
    await source.connector.close()
  }

  @Test("new records wake a reader that waits", arguments: fetches)
  func wakes(fetch: String) async throws {
    try broker.createTopic("wake", partitions: 1)
    try write(0..<10, to: "wake")
    let source = try fixture(fetch, "wake")
    let partition = try #require(await source.connector.partitions().first)
    let reader = try await source.connector.open(partition, at: .initial, end: nil)
    let decoder = try source.decoder(partition)
    for upTo in [10, 20, 30] {
      if upTo > 10 { try write(upTo - 10..<upTo, to: "wake") }
      let outcome = try await source.drain(reader, decoder) { $0.recordCount >= 10 }
      #expect(outcome.integers() == (upTo - 10..<upTo).map(Int64.init))
      #expect(reader.lag() == 0)
    }
    reader.close()
    await source.connector.close()
  }

  @Test("a reader that is not polled for a while loses and repeats nothing", arguments: fetches)
  func pauses(fetch: String) async throws {
    try broker.createTopic("pause", partitions: 1)
    try write(0..<3000, to: "pause")
    let source = try fixture(
      fetch, "pause", ["kafka.queued.min.messages": "100", "kafka.fetch.message.max.bytes": "2000"])
    let partition = try #require(await source.connector.partitions().first)
    let reader = try await source.connector.open(partition, at: .initial, end: nil)
    let decoder = try source.decoder(partition)
    let first = try await source.drain(reader, decoder, limit: 10) { $0.recordCount >= 10 }
    reader.setPaused(true)
    // The queue is full long before the last of these is written.
    try write(3000..<6000, to: "pause")
    reader.setPaused(false)
    // The first drain may end above its ten: a poll that found fewer was followed by one that found ten.
    let rest = try await source.drain(reader, decoder) { $0.recordCount >= 6000 - first.records }
    #expect(first.integers() + rest.integers() == Array(0..<6000))
    reader.close()
    await source.connector.close()
  }

  @Test("a partition that is closed and opened again starts exactly where it is told to", arguments: fetches)
  func reopens(fetch: String) async throws {
    try broker.createTopic("reopen", partitions: 1)
    try write(0..<300, to: "reopen")
    let source = try fixture(fetch, "reopen")
    let partition = try #require(await source.connector.partitions().first)
    for start in [Int64(0), 120, 7, 299, 0] {
      let outcome = try await source.read(partition, at: .offset(start), end: 300)
      #expect(outcome.integers() == Array(start..<300))
    }
    await source.connector.close()
  }

  @Test(
    "keys, times, offsets, partitions and headers come with the record; a tombstone is rejected with its place",
    arguments: fetches)
  func metadata(fetch: String) async throws {
    try broker.createTopic("meta", partitions: 2)
    let producer = try producer("meta")
    try producer.produce(
      key: Array("a".utf8), value: Array(#"{"n":1}"#.utf8), partition: 1, timestamp: 1_700_000_000_123,
      headers: [("trace", Array("x\"y".utf8)), ("none", nil)])
    try producer.produce(key: Array("b".utf8), value: nil, partition: 1, timestamp: 1_700_000_000_124)
    try producer.produce(key: nil, value: Array(#"{"n":3}"#.utf8), partition: 1, timestamp: 1_700_000_000_125)
    try producer.flush()
    let source = try fixture(
      fetch, "meta",
      metadata: [
        Field("_key", .text), Field("_partition", .integer), Field("_offset", .bigint),
        Field("_timestamp", .timestamptz), Field("_headers", .jsonb)
      ])
    let outcome = try await source.read(source.partition("meta/1"), end: 3)
    #expect(outcome.integers() == [1, 3])
    #expect(outcome.strings(1) == ["a", ""])
    #expect(outcome.batch.columns[1].isNull(1))
    #expect(outcome.integers(2) == [1, 1])
    #expect(outcome.integers(3) == [0, 2])
    #expect(outcome.integers(4) == [1_700_000_000_123_000, 1_700_000_000_125_000])
    #expect(outcome.strings(5)[0] == #"{"trace":"x\"y","none":null}"#)
    #expect(outcome.batch.columns[5].isNull(1))
    let rejected = try #require(outcome.rejected.first)
    #expect(rejected.reason == .tombstone && rejected.offset == 1 && rejected.key == Array("b".utf8))
    await source.connector.close()
  }

  @Test(
    "a message of 10 MB is rejected when it is too large, read when it is allowed, and reading goes on",
    arguments: fetches)
  func hugeMessage(fetch: String) async throws {
    try broker.createTopic("huge", partitions: 1)
    let producer = try producer("huge")
    try producer.produce(key: nil, value: Array(#"{"n":1}"#.utf8), partition: 0, timestamp: nil)
    try producer.flush()
    let padding = String(repeating: "x", count: 10_000_000)
    try producer.produce(key: nil, value: Array(#"{"x":"\#(padding)","n":2}"#.utf8), partition: 0, timestamp: nil)
    try producer.flush()
    try producer.produce(key: nil, value: Array(#"{"n":3}"#.utf8), partition: 0, timestamp: nil)
    try producer.flush()
    let strict = try fixture(fetch, "huge")
    let outcome = try await strict.read(strict.partition("huge/0"), end: 3)
    #expect(outcome.integers() == [1, 3])
    #expect(outcome.rejected.map(\.reason) == [.tooLarge])
    #expect(outcome.rejected.map(\.offset) == [1])
    let generous = try fixture(fetch, "huge", ["max_record_bytes": "20000000"])
    #expect(try await generous.read(generous.partition("huge/0"), end: 3).integers() == [1, 2, 3])
    await strict.connector.close()
    await generous.connector.close()
  }

  @Test("a broker that goes away and comes back costs nothing but time", arguments: fetches)
  func brokerRestarts(fetch: String) async throws {
    try broker.createTopic("restart", partitions: 1)
    try write(0..<100, to: "restart")
    let source = try fixture(fetch, "restart")
    let partition = try #require(await source.connector.partitions().first)
    let reader = try await source.connector.open(partition, at: .initial, end: nil)
    let decoder = try source.decoder(partition)
    let before = try await source.drain(reader, decoder) { $0.recordCount >= 100 }
    broker.setReachable(false)
    let kafka = try #require(source.connector as? KafkaConnector)
    while await kafka.brokersDownSince() == nil { try await Task.sleep(for: .milliseconds(20)) }
    #expect(try reader.poll(limit: 10, into: decoder).records == 0)
    broker.setReachable(true)
    try write(100..<200, to: "restart")
    let after = try await source.drain(reader, decoder) { $0.recordCount >= 100 }
    #expect(before.integers() + after.integers() == Array(0..<200))
    #expect(await kafka.brokersDownSince() == nil)
    reader.close()
    await source.connector.close()
  }

  @Test("errors that a broker answers with for a while are waited out", arguments: fetches)
  func transientErrors(fetch: String) async throws {
    try broker.createTopic("errors", partitions: 1)
    try write(0..<100, to: "errors")
    let source = try fixture(fetch, "errors")
    let partition = try #require(await source.connector.partitions().first)
    // Fetch (1): not the leader, network exception, unknown leader epoch.
    broker.push(error: 6, count: 2, apiKey: 1)
    broker.push(error: 13, count: 1, apiKey: 1)
    let outcome = try await source.read(partition, end: 100)
    #expect(outcome.integers() == Array(0..<100))
    await source.connector.close()
  }

  @Test(
    "the starting position decides where a new job starts, but not where a partition that appears later does",
    arguments: fetches)
  func startingPositions(fetch: String) async throws {
    try broker.createTopic("start", partitions: 1)
    try write(0..<100, to: "start")
    let latest = try fixture(fetch, "start", ["starting_position": "latest"])
    let partition = try #require(await latest.connector.partitions().first)
    let reader = try await latest.connector.open(partition, at: .initial, end: nil)
    try write(100..<110, to: "start")
    let decoder = try latest.decoder(partition)
    let outcome = try await latest.drain(reader, decoder) { $0.recordCount >= 10 }
    #expect(outcome.integers() == Array(100..<110))
    reader.close()
    #expect(try await latest.read(partition, at: .beginning, end: 110).integers() == Array(0..<110))
    await latest.connector.close()
  }

  @Test("an offset outside the log is an error that says what was lost", arguments: fetches)
  func lostOffsets(fetch: String) async throws {
    try broker.createTopic("lost", partitions: 1)
    try write(0..<100, to: "lost")
    let source = try fixture(fetch, "lost")
    let partition = try #require(await source.connector.partitions().first)
    let error = try await #require(throws: SourceError.self) {
      _ = try await source.connector.open(partition, at: .offset(101), end: nil)
    }
    #expect(error.severity == .fatal)
    #expect(error.message.contains("offset 101") && error.message.contains("ends at 100"))
    // Offset out of range, as the broker would answer after it deleted records under the reader.
    broker.push(error: 1, count: 1, apiKey: 1)
    let second = try await #require(throws: SourceError.self) {
      _ = try await source.read(partition, at: .offset(50), end: 100)
    }
    #expect(second.severity == .fatal)
    #expect(second.message.contains("offset 50"))
    await source.connector.close()
  }

  @Test(
    "a partition of the checkpoint that no topic of the option has is refused; one that a broker may not know yet is asked for again"
  )
  func missingPartitions() async throws {
    let source = try fixture("librdkafka", "kept")
    for (name, severity, text) in [
      ("gone/0", SourceError.Severity.fatal, "'topic' was changed"), ("kept/7", .failed, "made anew with fewer")
    ] {
      let error = await #expect(throws: SourceError.self) {
        try await source.connector.checkMissing([source.partition(name)], found: [source.partition("kept/0")])
      }
      #expect(error?.severity == severity && error?.message.contains(text) == true)
    }
    await source.connector.close()
  }

  @Test("offsets are reported under the group's name, and a wrong one never stops reading", arguments: fetches)
  func reports(fetch: String) async throws {
    try broker.createTopic("report", partitions: 1)
    try write(0..<10, to: "report")
    let source = try fixture(fetch, "report")
    let partition = try #require(await source.connector.partitions().first)
    var positions = SourcePositions()
    positions[partition] = 5
    positions[source.partition("other")] = 5
    await source.connector.report(committed: positions)
    #expect(try await source.read(partition, end: 10).records == 10)
    await source.connector.close()
  }

  @Test("a topic that does not exist is an error after a while, one that comes into being meanwhile is not")
  func missingTopic() async throws {
    try broker.createTopic("missing", partitions: 1)
    broker.setError(3, topic: "missing")
    let source = try fixture("librdkafka", "missing")
    let error = try await #require(throws: SourceError.self) { _ = try await source.connector.partitions() }
    #expect(error.severity == .fatal)
    #expect(error.message.contains("topic 'missing' does not exist"))
    broker.setError(0, topic: "missing")
    #expect(try await source.connector.partitions().count == 1)
    await source.connector.close()
  }
}
