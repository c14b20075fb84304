import Actors
import Columnar
import Formats
import Ingest
import Logging
import Runtime
import Synchronization
import TestTraits
import Testing

/// The native fetch client against brokers that do what a test says.
@Suite(.fewAtOnce, .timeLimit(.minutes(30)))
struct FetchClientTests {
  /// Names leaders without asking anybody.
  private final class World: FetchEnvironment {
    private let state = Mutex((leaders: PartitionLeaders(), lines: [String](), searches: 0))

    func lead(_ broker: Int32, _ fake: FakeBroker, partitions: Range<Int32> = 0..<1) {
      state.withLock { state in
        state.leaders.brokers[broker] = [fake.brokerAddress]
        for number in partitions { state.leaders.leaders[KafkaPlace(topic: "t", number: number)] = broker }
      }
    }

    func lead(_ broker: Int32, at addresses: [BrokerAddress]) {
      state.withLock { $0.leaders.brokers[broker] = addresses }
    }

    var searches: Int { state.withLock { $0.searches } }
    var lines: [String] { state.withLock { $0.lines } }

    func findLeaders(of topics: [String], _ answer: @escaping @Sendable (PartitionLeaders) -> Void) {
      answer(
        state.withLock { state in
          state.searches += 1
          return state.leaders
        })
    }

    func brokerAnswered() {}
    func log(_ level: Logger.Level, _ text: String) { state.withLock { $0.lines.append(text) } }
    var failure: (severity: SourceError.Severity, message: String)? { nil }

    func failure(code: Int16, partition: PartitionID, offset: Int64) -> SourceError? {
      SourceError(source: "events", partition: partition, severity: .fatal, message: "code \(code) at \(offset)")
    }
  }

  private let world = World()
  private let source: SourceFixture

  init() throws { source = try SourceFixture(["connector": "kafka", "brokers": "127.0.0.1:1", "topic": "t"]) }

  private func client(_ change: (inout FetchSettings) -> Void = { _ in }) throws -> FetchClient {
    var settings = FetchSettings()
    settings.waitMilliseconds = 20
    settings.retryMilliseconds = 5...50
    change(&settings)
    return try FetchClient(settings, source: "events", environment: world, clock: SystemClock())
  }

  private func open(_ client: FetchClient, _ number: Int32 = 0, at start: Int64 = 0, end: Int64?) -> any PartitionReader
  {
    client.open(
      source.partition("t/\(number)"), place: KafkaPlace(topic: "t", number: number), start: start, end: end,
      readsHeaders: false)
  }

  /// Reads a partition to `end`.
  private func read(_ client: FetchClient, _ number: Int32 = 0, at start: Int64 = 0, end: Int64) async throws -> Outcome
  {
    let reader = open(client, number, at: start, end: end)
    defer { reader.close() }
    return try await source.drain(reader, try source.decoder(source.partition("t/\(number)"))) { _ in false }
  }

  private func fill(_ broker: FakeBroker, _ count: Int64, batch: Int64 = 100, to number: Int32 = 0) {
    broker.append(
      stride(from: 0, to: count, by: Int(batch)).map { TestBatch($0..<min(count, $0 + batch), codec: .lz4) }, to: number
    )
  }

  @Test(
    "every version of Fetch that both sides know is spoken",
    arguments: [4...4, 0...7, 5...9, 0...11, 4...17] as [ClosedRange<Int16>])
  func versions(known: ClosedRange<Int16>) async throws {
    let broker = FakeBroker(versions: known)
    defer { broker.stop() }
    world.lead(1, broker)
    fill(broker, 1000)
    #expect(try await read(client(), at: 50, end: 1000).integers() == Array(50..<1000))
    #expect(broker.problems == [])
    #expect(broker.fetchVersions == [min(11, known.upperBound)])
  }

  @Test("a broker without ApiVersions gets the oldest version; one that is too old is refused with advice")
  func oldBrokers() async throws {
    let silent = FakeBroker(versions: nil)
    defer { silent.stop() }
    world.lead(1, silent)
    fill(silent, 10)
    #expect(try await read(client(), end: 10).records == 10)
    #expect(silent.fetchVersions == [4])
    let old = FakeBroker(versions: 0...3)
    defer { old.stop() }
    world.lead(1, old)
    let error = try await #require(throws: SourceError.self) { try await read(client(), end: 10) }
    #expect(error.severity == .fatal && error.message.contains("fetch = 'librdkafka'"))
  }

  @Test("partitions of several brokers, and one that moves to another, are read without loss or repetition")
  func leaderMoves() async throws {
    let (first, second) = (FakeBroker(), FakeBroker())
    defer { first.stop(); second.stop() }
    world.lead(1, first, partitions: 0..<2)
    world.lead(2, second, partitions: 2..<3)
    for number in Int32(0)..<2 { fill(first, 500, to: number) }
    fill(second, 500, to: 2)
    let client = try client()
    for number in Int32(0)..<3 { #expect(try await read(client, number, end: 500).integers() == Array(0..<500)) }
    let reader = open(client, end: 1000)
    let decoder = try source.decoder(source.partition("t/0"))
    var outcome = try await source.drain(reader, decoder) { $0.recordCount >= 500 }
    #expect(outcome.integers() == Array(0..<500))
    // The second broker takes over; the first says so, and has nothing more.
    fill(second, 1000)
    world.lead(2, second, partitions: 0..<1)
    first.misbehave(.partitionError(6), .partitionError(6))
    outcome = try await source.drain(reader, decoder) { _ in false }
    #expect(outcome.integers() == Array(500..<1000) && outcome.nextOffset == 1000)
    reader.close()
    #expect(first.problems + second.problems == [])
  }

  @Test(
    "a connection that is cut anywhere in an answer costs nothing but time", arguments: [0, 3, 4, 11, 40, 90, 150, 700])
  func cuts(after count: Int) async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker, partitions: 0..<2)
    fill(broker, 2000)
    broker.misbehave(.cut(after: count), .cut(after: count))
    #expect(try await read(client { $0.partitionBytes = 2000 }, end: 2000).integers() == Array(0..<2000))
    #expect(world.lines.contains { $0.contains("broker 1") })
  }

  @Test(
    "errors that pass are waited out; leaders are looked for where another may lead",
    arguments: [3, 5, 6, 7, 9, 13, 56, 74, 75, 78] as [Int16])
  func passingErrors(code: Int16) async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker)
    fill(broker, 100)
    broker.misbehave(.partitionError(code), .requestError(code), .partitionError(code))
    #expect(try await read(client(), end: 100).integers() == Array(0..<100))
    #expect((world.searches > 1) == (FetchDecision(errorCode: code) == .findLeader))
  }

  @Test("an error that does not pass is thrown, after the records before it")
  func lastingErrors() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker)
    fill(broker, 100)
    let reader = open(try client(), end: 200)
    let decoder = try source.decoder(source.partition("t/0"))
    _ = try await source.drain(reader, decoder) { $0.recordCount >= 100 }
    broker.misbehave(.partitionError(1))
    let error = try await #require(throws: SourceError.self) { try await source.drain(reader, decoder) { _ in false } }
    #expect(error.message == "code 1 at 100" && error.partition == source.partition("t/0"))
    reader.close()
  }

  @Test("a batch with a wrong checksum is thrown with its place, behind the records before it")
  func damagedBatch() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker)
    var damaged = TestBatch(100..<200)
    broker.append([TestBatch(0..<100), damaged])
    damaged.maxTime += 1
    let bytes = damaged.bytes
    let intact = FakeBroker.answer(
      bytes: TestBatch(0..<100).bytes + Array(bytes[..<20]) + [bytes[20] ^ 1] + bytes[21...])
    broker.misbehave(.bytes(intact))
    let reader = open(try client(), end: 200)
    let decoder = try source.decoder(source.partition("t/0"))
    let error = try await #require(throws: SourceError.self) { try await source.drain(reader, decoder) { _ in false } }
    #expect(error.severity == .failed && error.message.contains("offset 100: the checksum"))
    #expect(decoder.recordCount == 100)
    reader.close()
  }

  @Test("answers that are none end the connection, and in the end the reader", arguments: 0..<4)
  func nonsense(kind: Int) async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker)
    fill(broker, 100)
    let bytes: [UInt8] = [
      big(Int32(-5)) + big(Int32(2)), big(Int32.max) + big(Int32(2)), big(Int32(10)) + big(Int32(77)),
      big(Int32(18)) + big(Int32(2)) + big(Int32(0)) + big(Int16(0)) + big(Int32(0)) + big(Int32(-3))
    ][kind]
    broker.misbehave(.bytes(bytes), .bytes(bytes))
    #expect(try await read(client(), end: 100).records == 100)
    // The first client's last request must not get what is meant for the second.
    while broker.connections > 0 { try await Task.sleep(for: .milliseconds(1)) }
    broker.misbehave(.bytes(bytes), .bytes(bytes), .bytes(bytes))
    let error = try await #require(throws: SourceError.self) { try await read(client(), end: 100) }
    #expect(error.severity == .failed && error.message.contains("broker 1"))
  }

  @Test("batches larger than what a partition may get come, whichever partition is asked for first")
  func oversized() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker, partitions: 0..<3)
    for number in Int32(0)..<3 { broker.append([TestBatch(0..<3000), TestBatch(3000..<6000)], to: number) }
    let client = try client { ($0.partitionBytes, $0.answerBytes) = (1000, 1500) }
    let readers = (Int32(0)..<3).map { open(client, $0, end: 6000) }
    for (number, reader) in readers.enumerated() {
      let decoder = try source.decoder(source.partition("t/\(number)"))
      #expect(try await source.drain(reader, decoder) { _ in false }.integers() == Array(0..<6000))
      reader.close()
    }
  }

  @Test("a broker that is silent is left and asked again; one that is slow is waited for")
  func silence() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker)
    fill(broker, 300)
    broker.misbehave(.silence, .slow)
    let client = try client { $0.silenceMilliseconds = 300 }
    #expect(try await read(client, end: 300).integers() == Array(0..<300))
    #expect(world.lines.contains { $0.contains("no answer for 300 ms") })
  }

  @Test("records of aborted transactions are left out, and markers at the end are passed")
  func transactions() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker)
    broker.append(
      [
        TestBatch(0..<10, producer: 7), TestBatch(10..<20, producer: 8), .marker(20, producer: 7, isCommit: false),
        .marker(21, producer: 8, isCommit: true)
      ], aborted: [AbortedTransaction(producer: 7, firstOffset: 0)])
    let outcome = try await read(client(), end: 22)
    #expect(outcome.integers() == Array(10..<20) && outcome.nextOffset == 22)
  }

  @Test("a partition that nobody reads is not asked for, and the others are")
  func backPressure() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker, partitions: 0..<2)
    for number in Int32(0)..<2 { fill(broker, 3000, to: number) }
    let client = try client { $0.partitionBytes = 1000 }
    let idle = open(client, 0, end: nil)
    #expect(try await read(client, 1, end: 3000).integers() == Array(0..<3000))
    let asked = broker.asked.joined()
    // One answer waits: the second question comes when the reader has taken it.
    #expect(asked.filter { $0.number == 0 }.count == 1)
    #expect(asked.filter { $0.number == 1 }.count > 10)
    idle.close()
  }

  @Test("closing the last reader ends the connection; opening one begins anew")
  func closes() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker, partitions: 0..<2)
    fill(broker, 100)
    let client = try client()
    for _ in 0..<3 {
      let (first, second) = (open(client, 0, end: nil), open(client, 1, end: nil))
      let decoder = try source.decoder(source.partition("t/0"))
      #expect(try await source.drain(first, decoder) { $0.recordCount >= 100 }.records == 100)
      #expect(first.lag() == 0)
      first.close()
      #expect(broker.connections == 1)
      second.close()
      while broker.connections > 0 { try await Task.sleep(for: .milliseconds(1)) }
    }
  }

  @Test("an answer that was due when its partition was closed is not for the one who opens it again elsewhere")
  func reopensDuringAnswer() async throws {
    let broker = FakeBroker()
    defer { broker.stop() }
    world.lead(1, broker, partitions: 0..<2)
    fill(broker, 1000)
    broker.misbehave(.late(milliseconds: 300))
    let client = try client()
    let first = open(client, 0, at: 500, end: nil)
    // It keeps the connection when the first one is closed.
    let other = open(client, 1, end: nil)
    while !broker.asked.joined().contains(where: { $0.number == 0 }) { try await Task.sleep(for: .milliseconds(1)) }
    first.close()
    #expect(try await read(client, 0, end: 1000).integers() == Array(0..<1000))
    other.close()
  }

  @Test("all addresses of a broker are tried")
  func addresses() async throws {
    let (gone, broker) = (FakeBroker(), FakeBroker())
    gone.stop()
    defer { broker.stop() }
    world.lead(1, broker)
    world.lead(1, at: [gone.brokerAddress, broker.brokerAddress])
    fill(broker, 100)
    #expect(try await read(client(), end: 100).records == 100)
  }
}

extension FakeBroker {
  /// A whole answer to the first fetch of partition 0 in version 11, with these records.
  static func answer(bytes records: [UInt8]) -> [UInt8] {
    let head = big(Int32(2)) + big(Int32(0)) + big(Int16(0)) + big(Int32(0)) + big(Int32(1))
    let partition = big(Int32(0)) + big(Int16(0)) + big(Int64(200)) + big(Int64(200)) + big(Int64(0)) + big(Int32(-1))
    let body =
      head + big(Int16(1)) + Array("t".utf8) + big(Int32(1)) + partition + big(Int32(-1)) + big(Int32(records.count))
      + records
    return big(Int32(body.count)) + body
  }
}
