import Actors
import Columnar
import Formats
import Ingest
import Runtime
import TestTraits
import Testing

/// The generator source, and the reproducible events that are written to Kafka.
@Suite(.fewAtOnce, .timeLimit(.minutes(30)))
struct GeneratorSourceTests {
  private let columns = [
    Field("id", .bigint), Field("amount", .double), Field("city", .text), Field("ts", .timestamptz),
    Field("ok", .boolean), Field("key", .uuid), Field("note", .text), Field("day", .date)
  ]

  private func fixture(_ options: [String: String], clock: any EngineClock = SystemClock()) throws -> SourceFixture {
    let own = [
      "connector": "generator", "rows": "1000", "partitions": "3", "seed": "7", "fields.id.kind": "sequence",
      "fields.city.values": "Bern,Oslo,Rome", "fields.note.null_ratio": "0.5", "fields.note.length": "12",
      "fields.ts.disorder": "2 s"
    ]
    return try SourceFixture(own.merging(options) { _, new in new }, columns: columns, clock: clock)
  }

  @Test("rows are split over the partitions, and each number of a sequence comes once")
  func splits() async throws {
    let source = try fixture([:])
    let partitions = try await source.connector.partitions()
    #expect(partitions.map(\.name) == ["0", "1", "2"])
    #expect(try await source.connector.endOffsets(partitions).values.sorted() == [333, 333, 334])
    var numbers: [Int64] = []
    for partition in partitions {
      let outcome = try await source.read(partition, limit: 50)
      #expect(outcome.rejected.isEmpty)
      numbers += outcome.integers()
      #expect(Set(outcome.strings(2)) == ["Bern", "Oslo", "Rome"])
      let nulls = (0..<outcome.batch.count).filter { outcome.batch.columns[6].isNull($0) }.count
      #expect((100...233).contains(nulls))
    }
    #expect(numbers.sorted() == Array(0..<1000))
  }

  @Test("a row depends on seed, partition and number alone: going on from any row gives the same rows")
  func replays() async throws {
    let source = try fixture([:])
    let partition = source.partition("1")
    let all = try await source.read(partition)
    let again = try await source.read(partition, limit: 7)
    #expect(all.batch == again.batch)
    let rest = try await fixture([:]).read(partition, at: .offset(200))
    #expect(rest.integers(3) == Array(all.integers(3)[200...]))
    #expect(rest.strings(6) == Array(all.strings(6)[200...]))
    let other = try await fixture(["seed": "8"]).read(partition)
    #expect(other.strings(6) != all.strings(6))
  }

  @Test("fewer partitions than the checkpoint knows are refused")
  func fewerPartitions() async throws {
    let connectors = [
      try fixture(["partitions": "2"]),
      try SourceFixture(
        ["connector": "nexmark", "events": "10", "partitions": "2"], columns: [Field("event_type", .integer)])
    ]
    for source in connectors {
      let error = await #expect(throws: SourceError.self) {
        try await source.connector.checkMissing([source.partition("2")], found: [source.partition("0")])
      }
      #expect(error?.severity == .fatal && error?.message.contains("'partitions' was changed") == true)
    }
  }

  @Test("the rate bounds rows by the engine's clock")
  func rate() async throws {
    let clock = ManualClock()
    let source = try fixture(["rows_per_second": "300"], clock: clock)
    let partition = source.partition("0")
    let reader = try await source.connector.open(partition, at: .initial, end: nil)
    let decoder = try source.decoder(partition)
    #expect(try reader.poll(limit: 1000, into: decoder).records == 0)
    clock.advance(by: 100_000_000)
    #expect(try reader.poll(limit: 1000, into: decoder).records == 10)
    #expect(try reader.poll(limit: 1000, into: decoder).records == 0)
    clock.advance(by: 1_000_000_000)
    #expect(try reader.poll(limit: 60, into: decoder).records == 60)
    #expect(reader.lag() == 40)
    #expect(try reader.poll(limit: 60, into: decoder).records == 40)
    // Event time passes as fast: row n of three partitions is at n * 3 / 300 s, at most 2 s of disorder back.
    clock.advance(by: 100_000_000_000)
    let end = try reader.poll(limit: 1000, into: decoder)
    #expect(end.isAtEnd && end.nextOffset == 334)
    let start: Int64 = 1_767_225_600_000_000
    guard case .int64(let times) = decoder.finish().batch.columns[3].storage else { return }
    for (row, time) in times.enumerated() {
      let due = start + Int64(row) * 10_000
      #expect(time <= due && time >= due - 2_000_000)
    }
    reader.close()
  }

  @Test("a reader that waits for its rate is woken")
  func wakes() async throws {
    let source = try fixture(["rows_per_second": "3000", "rows": "300"])
    #expect(try await source.read(source.partition("2")).records == 100)
  }

  @Test("telemetry is reproducible, well formed where it should be, and spoiled as often as asked")
  func telemetry() async throws {
    var configuration = TelemetryEvents.Configuration()
    configuration.malformedRatio = 0.1
    configuration.tombstoneRatio = 0.1
    configuration.lateRatio = 0.1
    configuration.disorderMilliseconds = 500
    var events = TelemetryEvents(configuration)
    let schema = Schema([
      Field("sensor_id", .text), Field("temperature", .double), Field("humidity", .double), Field("ts", .timestamptz),
      Field("site", .text), Field("status", .text)
    ])
    let decoder = try RecordDecoder(
      DecoderConfiguration(schema: schema, format: .json, partition: PartitionID(source: "s", name: "0")))
    var expected: [TelemetryEvents.Event] = []
    for number in 0..<1000 {
      let event = events.event(UInt64(number))
      if event.kind == .regular || event.kind == .late { expected.append(event) }
      events.withBytes(of: UInt64(number)) { key, value in
        decoder.append(RawRecord(key: key, value: value, offset: Int64(number), timestamp: nil))
      }
    }
    let decoded = decoder.finish()
    #expect(decoded.rejected.filter { $0.reason == .tombstone }.count > 50)
    #expect(decoded.rejected.filter { $0.reason == .malformed }.count > 50)
    #expect(decoded.batch.count == expected.count && expected.count > 700)
    guard case .float64(let temperatures) = decoded.batch.columns[1].storage,
      case .int64(let times) = decoded.batch.columns[3].storage
    else { return }
    #expect(temperatures == expected.map { Double($0.temperature) / 100 })
    #expect(times == expected.map { $0.milliseconds * 1000 })
    #expect(expected.filter { $0.kind == .late }.count > 50)
  }

  @Test("generated events arrive in the topic, keyed, and as many as asked for")
  func generates() async throws {
    let broker = try DevelopmentBroker()
    try broker.createTopic("telemetry", partitions: 3)
    var configuration = EventProducer.Configuration(brokers: broker.bootstrap, topic: "telemetry")
    configuration.isIdempotent = true
    let workload = try #require(EventGenerator.workload(named: "telemetry", seed: 1, rate: nil))
    let generator = EventGenerator(
      configuration, workload: workload, rate: 20_000, count: 2000, clock: SystemClock())
    #expect(try await generator.run() == 2000)
    let source = try SourceFixture(
      ["connector": "kafka", "brokers": broker.bootstrap, "topic": "telemetry"],
      columns: [Field("sensor_id", .text)], metadata: [Field("_key", .text)])
    let partitions = try await source.connector.partitions()
    let ends = try await source.connector.endOffsets(partitions)
    var places: [String: Set<String>] = [:]
    var records = 0
    for partition in partitions {
      let outcome = try await source.read(partition, end: ends[partition])
      records += outcome.records
      #expect(outcome.strings(0) == outcome.strings(1))
      for sensor in outcome.strings(0) { places[sensor, default: []].insert(partition.name) }
    }
    #expect(records == 2000)
    #expect(places.values.allSatisfy { $0.count == 1 })
    await source.connector.close()
  }

  @Test("weather is a record a city in turn, with a temperature that is text and an hour")
  func weather() {
    let events = WeatherEvents(seed: 1)
    let record = events.record(7, atMicroseconds: 1_769_860_800_000_000)
    #expect(String(decoding: record.key, as: UTF8.self) == "Denver")
    let text = String(decoding: record.value, as: UTF8.self)
    #expect(text.hasPrefix(#"{"city":"Denver","temperature":""#))
    #expect(text.hasSuffix(#"","ts":"2026-01-31-12"}"#))
    #expect(record.value == events.record(7, atMicroseconds: 1_769_860_800_000_000).value)
  }
}
