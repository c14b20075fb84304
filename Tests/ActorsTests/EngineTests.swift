import Actors
import Checkpointing
import Columnar
import Formats
import Foundation
import Logging
import Runtime
import SQL
import Synchronization
import TestTraits
import Testing

/// Whole jobs on fake ends: real actors, channels, checkpoints and recovery.
@Suite("Engine", .fewAtOnce)
struct EngineTests {
  static let pipeline = """
    CREATE TABLE events (k text NOT NULL, v bigint, ts timestamptz NOT NULL)
    WITH (connector = 'kafka', topic = 'events', brokers = 'none', event_time = 'ts', watermark_delay = '1 second',
          idle_timeout = '1 hour', max_future = '36500 days');
    CREATE TABLE totals (k text, window_start timestamptz, total numeric, n bigint, PRIMARY KEY (k, window_start))
    WITH (connector = 'blackhole');
    CREATE TABLE big (k text, v bigint) WITH (connector = 'blackhole');
    INSERT INTO totals SELECT k, window_start, sum(v), count(*) FROM tumble(events, ts, INTERVAL '5 seconds')
    WHERE v <> 3 GROUP BY k, window_start;
    INSERT INTO big SELECT k, 100 / v FROM events WHERE v < 90;
    """

  /// What a run leaves behind, independent of the order in which it came.
  struct Result: Equatable {
    var totals: [String]
    var big: [String]
    var dead: Int
    var late: Int
  }

  struct Targets: Sendable {
    let byName: [String: FakeTarget] = [
      "totals": FakeTarget(), "big": FakeTarget(), "dead": FakeTarget(), "late": FakeTarget(),
      "picky": FakeTarget()
    ]
    func rows(_ name: String) -> [String] { byName[name]?.content.withLock { $0.rows } ?? [] }
    var result: Result {
      Result(
        totals: rows("totals").sorted(), big: rows("big").sorted(), dead: rows("dead").count, late: rows("late").count)
    }
  }

  /// Four partitions with disorder, late rows, bad records and rows that fail in one statement only.
  static func records(seed: UInt64) -> [[String]] {
    let random = SeededRandom(seed: seed)
    return (0..<4).map { _ in
      var clock: Int64 = 1_767_225_600_000
      return (0..<600).map { _ -> String in
        clock += Int64(random.next() % 60)
        if random.next() % 50 == 0 { return "{\"k\":\"broken\"" }
        let time = random.next() % 40 == 0 ? clock - 30_000 : clock - Int64(random.next() % 900)
        return "{\"k\":\"k\(random.next() % 7)\",\"v\":\(random.next() % 100),\"ts\":\(time)}"
      }
    }
  }

  static func engine(
    _ records: [[String]], _ targets: Targets, directory: String, parallelism: Int, faults: FaultPlan,
    pipeline: String = EngineTests.pipeline, others: [String: [[String]]] = [:], grows: Bool = false,
    isAway: SlowStore.Switch? = nil, clock: any EngineClock = SystemClock(),
    flags: [String: String] = [:], wrap: (LocalSnapshotStore) -> any SnapshotStore = { $0 }
  ) throws -> (Engine, LocalSnapshotStore) {
    let plan = try SQLFile.plan(pipeline, fileName: "test.sql") { _ in nil }
    let settings = try Settings(
      flags: [
        "WEIR_PARALLELISM": "\(parallelism)", "WEIR_CHECKPOINT_INTERVAL": "10ms", "WEIR_MAX_RESTARTS": "1000",
        "WEIR_RESTART_BACKOFF": "1ms", "WEIR_RESTART_BACKOFF_MAX": "2ms", "WEIR_CHANNEL_BATCHES": "2",
        "WEIR_BATCH_ROWS": "50", "WEIR_BATCH_LINGER": "1ms", "WEIR_CHECKPOINT_DIR": directory
      ].merging(flags) { $1 }, environment: [:])
    let store = try LocalSnapshotStore(directory: directory, job: "test", random: SystemRandom())
    @Sendable func sink(_ name: String) throws -> any SinkConnector {
      guard let target = targets.byName[name] else { throw FormatError("no target \(name)") }
      return FakeSink(name: name, target: target, faults: faults)
    }
    let factory = ConnectorFactory(
      source: { table, _ in
        FakeSource(
          name: table.name, records: others[table.name] ?? records, faults: faults, discoversPartitions: grows,
          isAway: isAway)
      },
      decoder: { _, scan, partition in
        DecoderConfiguration(
          schema: scan, format: .json, partition: partition, eventTimeColumn: scan.index(of: "ts"),
          watermarkDelay: 1_000_000)
      },
      sink: { try sink($0.name) }, deadLetters: { _ in try sink("dead") }, late: { _ in try sink("late") })
    let engine = Engine(
      plan: plan, job: "test", settings: settings, factory: factory,
      store: SnapshotStoreActor(store: wrap(store), lane: Lane(name: "store")), clock: clock,
      random: SystemRandom(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return (engine, store)
  }

  static func directory() -> String { NSTemporaryDirectory() + "weir-engine-" + UUID().uuidString }

  /// One undisturbed run of one shard: what every other run must equal.
  static func reference(_ records: [[String]]) async throws -> (Result, JobSummary) {
    let targets = Targets()
    let directory = directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let (engine, store) = try engine(
      records, targets, directory: directory, parallelism: 1, faults: FaultPlan(seed: 0, faults: 0))
    let summary = try await engine.run()
    store.close()
    return (targets.result, summary)
  }

  @Test("every record has exactly one fate in each statement")
  func accounts() async throws {
    let records = Self.records(seed: 7)
    let (result, summary) = try await Self.reference(records)
    #expect(summary.rowsIn == 2400)
    let account = try #require(summary.accounting["totals"])
    #expect(account.total == 2400)
    #expect(Int(account.late) == result.late)
    let broken = records.joined().count { $0.hasSuffix("broken\"") }
    #expect(account.dead == UInt64(broken))
    // The other statement divides by zero where v is 0: those rows are dead for it, and for it alone.
    let zeros = records.joined().count { $0.contains("\"v\":0,") }
    let other = try #require(summary.accounting["big"])
    #expect(other.total == 2400)
    #expect(other.dead == UInt64(broken + zeros))
    #expect(result.dead == broken + zeros)
    #expect(Int(other.out) == result.big.count)
  }

  @Test("failures of sources and sinks change nothing in what arrives", arguments: 1...6)
  func survivesFaults(seed: Int) async throws {
    let records = Self.records(seed: 11)
    let (expected, _) = try await Self.reference(records)
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let (engine, store) = try Self.engine(
      records, targets, directory: directory, parallelism: 1 + seed % 4,
      faults: FaultPlan(seed: UInt64(seed), faults: 25))
    let summary = try await engine.run()
    store.close()
    #expect(targets.result == expected, "seed \(seed)")
    #expect(summary.accounting.values.allSatisfy { $0.total == 2400 })
  }

  @Test("a job that is stopped goes on with another parallelism where it was", arguments: [3, 5])
  func restoresOntoAnotherParallelism(seed: Int) async throws {
    let records = Self.records(seed: 13)
    let (expected, _) = try await Self.reference(records)
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    for parallelism in [2, 4, 1, 3] {
      let (engine, store) = try Self.engine(
        records, targets, directory: directory, parallelism: parallelism,
        faults: FaultPlan(seed: UInt64(seed), faults: 5))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { _ = try await engine.run() }
        group.addTask {
          try await SystemClock().sleep(for: 15_000_000)
          engine.stop()
        }
        try await group.waitForAll()
      }
      store.close()
    }
    let (last, store) = try Self.engine(
      records, targets, directory: directory, parallelism: 2, faults: FaultPlan(seed: 0, faults: 0))
    _ = try await last.run()
    store.close()
    #expect(targets.result == expected)
  }

  @Test("an instance of another history is refused before it reads anything")
  func refusesAnotherHistory() async throws {
    let records = Self.records(seed: 17)
    let targets = Targets()
    let first = Self.directory()
    let second = Self.directory()
    defer {
      try? FileManager.default.removeItem(atPath: first)
      try? FileManager.default.removeItem(atPath: second)
    }
    let none = FaultPlan(seed: 0, faults: 0)
    let (engine, store) = try Self.engine(records, targets, directory: first, parallelism: 1, faults: none)
    _ = try await engine.run()
    store.close()
    let before = targets.result
    let (other, otherStore) = try Self.engine(records, targets, directory: second, parallelism: 1, faults: none)
    await #expect(throws: PositionConflict.self) { try await other.run() }
    otherStore.close()
    #expect(targets.result == before)
  }

  @Test(
    "a sink is waited for at the start: for long where somebody else still commits to it",
    arguments: [
      (0, "not reachable after 30 s: why"), (315_000_000_000, "another process still commits to it after 345 s: why")
    ])
  func waitsForSinks(held: Int64, message: String) async throws {
    let targets = Targets()
    let refusal = SinkError(sink: "big", severity: .transient, message: "why", heldNanoseconds: held)
    targets.byName["big"]?.content.withLock { $0.refusal = refusal }
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let clock = HurryingClock()
    let (engine, store) = try Self.engine(
      Self.records(seed: 1), targets, directory: directory, parallelism: 1, faults: FaultPlan(seed: 0, faults: 0),
      clock: clock)
    let error = await #expect(throws: SinkError.self) { _ = try await engine.run() }
    #expect(error?.message == message)
    #expect(clock.monotonicNanoseconds() >= held + 30_000_000_000)
    store.close()
  }

  static func rows(from start: Int64, count: Int) -> [String] {
    (0..<count).map { "{\"k\":\"k\",\"v\":1,\"ts\":\(start + Int64($0) * 1000)}" }
  }

  @Test("a window that fired when the input ended stays closed; later rows of other windows count")
  func goesOnAfterTheEnd() async throws {
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let none = FaultPlan(seed: 0, faults: 0)
    let start: Int64 = 1_767_225_600_000
    // The first run ends in the middle of the window from 10 s to 15 s.
    let first = Self.rows(from: start, count: 12)
    for records in [first, first + Self.rows(from: start + 12_000, count: 10)] {
      let (engine, store) = try Self.engine([records], targets, directory: directory, parallelism: 2, faults: none)
      _ = try await engine.run()
      store.close()
    }
    let totals = targets.rows("totals").map { String($0.suffix(21)) }.sorted()
    #expect(targets.rows("totals").count == 5, "one row a window: \(totals)")
    #expect(targets.rows("late").count == 3, "seconds 12 to 14 came after their window had fired")
    #expect(targets.rows("late").allSatisfy { $0.contains("\"late\"") })
  }

  @Test("a partition that was away goes on where it was when it comes back")
  func partitionComesBack() async throws {
    let records = Self.records(seed: 19)
    let (expected, _) = try await Self.reference(records)
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let none = FaultPlan(seed: 0, faults: 0)
    for present in [records, [records[0]], records] {
      let (engine, store) = try Self.engine(present, targets, directory: directory, parallelism: 2, faults: none)
      _ = try await engine.run()
      store.close()
    }
    #expect(targets.result == expected)
  }

  @Test("a job whose source may grow goes on at the end, with its last windows open; --until-end closes them")
  func waitsForMore() async throws {
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let none = FaultPlan(seed: 0, faults: 0)
    let records = [Self.rows(from: 1_767_225_600_000, count: 12)]
    let (engine, store) = try Self.engine(
      records, targets, directory: directory, parallelism: 2, faults: none, grows: true)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { _ = try await engine.run() }
      group.addTask {
        for _ in 0..<500 where targets.rows("big").count < 12 || targets.rows("totals").count < 2 {
          try await SystemClock().sleep(for: 20_000_000)
        }
        try await SystemClock().sleep(for: 100_000_000)
        #expect(await engine.status().state == .running)
        engine.stop()
      }
      try await group.waitForAll()
    }
    store.close()
    #expect(targets.rows("totals").count == 2 && targets.rows("big").count == 12)
    let (last, lastStore) = try Self.engine(
      records, targets, directory: directory, parallelism: 2, faults: none, grows: true)
    _ = try await last.run(untilEnd: true)
    lastStore.close()
    #expect(targets.rows("totals").count == 3 && targets.rows("big").count == 12 && targets.rows("late").isEmpty)
  }

  @Test("a row that a sink refuses is kept under a source that feeds the sink, also when others share the table")
  func refusedRowNamesItsSource() async throws {
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let sources = (0..<8).map { number in
      """
      CREATE TABLE s\(number) (k text, ts timestamptz) WITH (connector = 'kafka', topic = 't', brokers = 'none',
        event_time = 'ts', max_future = '36500 days', dead_letter = 'dead');
      INSERT INTO big SELECT k FROM s\(number);

      """
    }
    let statement = """
      INSERT INTO picky SELECT k, window_start, count(*) FROM tumble(s5, ts, INTERVAL '5 seconds') GROUP BY k, window_start;
      """
    let sinks = [
      "dead (source text)", "big (k text)",
      "picky (k text, window_start timestamptz, n bigint, PRIMARY KEY (k, window_start))"
    ]
    let pipeline = sinks.map { "CREATE TABLE \($0) WITH (connector = 'blackhole');\n" } + sources + [statement]
    let (engine, store) = try Self.engine(
      [Self.rows(from: 1_767_225_600_000, count: 1)], targets, directory: directory, parallelism: 1,
      faults: FaultPlan(seed: 0, faults: 0),
      pipeline: pipeline.joined())
    _ = try await engine.run()
    store.close()
    #expect(targets.rows("dead") == ["{\"source\":\"s5\"}"])
  }

  @Test("a source that is gone from the plan is refused: its positions would be lost")
  func refusesLostSource() async throws {
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let none = FaultPlan(seed: 0, faults: 0)
    let records = [Self.rows(from: 1_767_225_600_000, count: 10)]
    let (engine, store) = try Self.engine(records, targets, directory: directory, parallelism: 1, faults: none)
    _ = try await engine.run()
    store.close()
    let before = targets.result
    let renamed = Self.pipeline.replacingOccurrences(of: "events", with: "happenings")
    let (other, otherStore) = try Self.engine(
      records, targets, directory: directory, parallelism: 1, faults: none, pipeline: renamed)
    let error = await #expect(throws: IncompatibleCheckpoint.self) { try await other.run() }
    #expect(error?.description.contains("source 'events' is gone") == true)
    otherStore.close()
    #expect(targets.result == before)
  }

  @Test("sources of different times do not make each other's rows late when the job is restored")
  func restoresSourcesApart() async throws {
    let targets = Targets()
    let directory = Self.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let none = FaultPlan(seed: 0, faults: 0)
    let pipeline =
      Self.pipeline + """

        CREATE TABLE old (k text NOT NULL, v bigint, ts timestamptz NOT NULL)
        WITH (connector = 'kafka', topic = 'old', brokers = 'none', event_time = 'ts', watermark_delay = '1 second',
              idle_timeout = '1 hour', max_future = '36500 days');
        INSERT INTO totals SELECT k, window_start, sum(v), count(*) FROM tumble(old, ts, INTERVAL '1 day')
        GROUP BY k, window_start;
        """
    let new = Self.rows(from: 1_767_225_600_000, count: 100)
    let old = Self.rows(from: 1_500_000_000_000, count: 100)
    for count in [50, 100] {
      let (engine, store) = try Self.engine(
        [Array(new.prefix(count))], targets, directory: directory, parallelism: 1, faults: none, pipeline: pipeline,
        others: ["old": [count == 50 ? [] : old]])
      _ = try await engine.run()
      store.close()
    }
    #expect(targets.rows("late").count == 0)
    #expect(targets.rows("totals").count { $0.contains("\"n\":100") } == 1)
  }
}
