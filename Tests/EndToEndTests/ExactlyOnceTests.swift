import Foundation
import Ingest
import TestSupport
import TestTraits
import Testing

/// The promise itself, on the real binary: whatever is killed, the table holds what one undisturbed run would have
/// written, and every record is accounted for.
///
/// Kills are SIGKILL at moments drawn from the printed seed. `WEIR_TEST_SEED` repeats a run, `WEIR_TEST_KILLS` and
/// `WEIR_TEST_EVENTS` make it longer, each for both ways to fetch.
@Suite("Exactly once", .fewAtOnce, .serialized)
struct ExactlyOnceTests {
  static let partitions = 16

  /// Who fetches records: the values of the option `fetch`.
  enum Fetch: String, CaseIterable {
    case librdkafka, native

    /// Fewer for the second, because most of what a kill can interrupt is the same for both.
    var kills: Int { self == .native ? 13 : 26 }
  }

  private static func pipeline(_ fetch: Fetch) -> String {
    """
    CREATE TABLE events (
      sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL, active boolean
    ) WITH (connector = 'kafka', fetch = '\(fetch.rawValue)', topic = 'events', format = 'json', key = 'sensor_id',
            event_time = 'ts', watermark_delay = '2 seconds', idle_timeout = '1 hour', max_future = '36500 days');

    CREATE TABLE windows (
      sensor_id text, window_start timestamptz, window_end timestamptz, readings bigint,
      total double precision, average double precision, low double precision, high double precision,
      PRIMARY KEY (sensor_id, window_start)
    ) WITH (connector = 'postgres', table = 'windows');

    INSERT INTO windows
    SELECT sensor_id, window_start, window_end, count(*), sum(temperature), avg(temperature), min(temperature),
      max(temperature)
    FROM tumble(events, ts, INTERVAL '10 seconds')
    WHERE active
    GROUP BY sensor_id, window_start, window_end;
    """
  }

  @Test(
    "every row of the table survives kills, restarts of PostgreSQL and a broker that goes away",
    arguments: Fetch.allCases)
  func survivesKills(fetch: Fetch) async throws {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["WEIR_TEST_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)
    let kills = environment["WEIR_TEST_KILLS"].flatMap(Int.init) ?? fetch.kills
    let events = environment["WEIR_TEST_EVENTS"].flatMap(Int.init) ?? 512_000
    print("exactly once, fetch = '\(fetch.rawValue)': WEIR_TEST_SEED=\(seed), \(kills) kills, \(events) events")

    let bench = try Workbench()
    defer { bench.remove() }
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:\(Self.partitions)"])
    defer { broker.signal(SIGKILL) }
    let file = try bench.write("exact.sql", Self.pipeline(fetch))
    let settings = settings(bench, postgres, bootstrap)

    async let produced = produce(seed: seed, events: events, kills: kills, bootstrap: bootstrap)
    try await disturb(seed: seed &+ 1, kills: kills, bench, file, settings, postgres, broker)
    let workload = try await produced

    let last = try bench.weir(["run", file, "--until-end"], environment: settings)
    let code = await last.wait()
    #expect(code == 0, "\(last.errorText.suffix(4000))")

    try expectTable(workload, postgres)
    try expectAccount(workload, last)
    try expectKeptRecords(workload, bench)
  }

  @Test("of two processes for one job at most one commits, and the other says why it stopped")
  func secondProcessStops() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:\(Self.partitions)"])
    defer { broker.signal(SIGKILL) }
    let file = try bench.write("exact.sql", Self.pipeline(.librdkafka))
    let settings = settings(bench, postgres, bootstrap)
    let first = try bench.weir(["run", file], environment: settings)
    try await eventually("the first process to claim the sink") {
      let rows = try? postgres.run(sql: "SELECT count(*) FROM weir.positions")
      return rows?.first?.first == "1"
    }

    let sameDirectory = try bench.weir(["run", file], environment: settings)
    #expect(await sameDirectory.wait() == 3)
    #expect(sameDirectory.errorText.contains("\(first.process.processIdentifier)"), "\(sameDirectory.errorText)")

    let elsewhere = settings.merging(["WEIR_CHECKPOINT_DIR": bench.directory + "/elsewhere"]) { _, new in new }
    let otherDirectory = try bench.weir(["run", file], environment: elsewhere)
    #expect(await otherDirectory.wait() == 3)
    #expect(otherDirectory.errorText.contains("another instance owns the job"), "\(otherDirectory.errorText)")

    #expect(first.process.isRunning)
    first.signal(SIGTERM)
    #expect(await first.wait() == 0, "\(first.errorText.suffix(2000))")
  }

  private func settings(_ bench: Workbench, _ postgres: PostgresServer, _ bootstrap: String) -> [String: String] {
    [
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_POSTGRES_URL": postgres.url, "WEIR_HTTP_PORT": "0",
      "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints", "WEIR_CHECKPOINT_INTERVAL": "200ms"
    ]
  }

  // MARK: Disturbing

  /// Produces the workload while the job is being killed, and returns the account of what must come of it.
  private func produce(seed: UInt64, events: Int, kills: Int, bootstrap: String) async throws -> Workload {
    var workload = Workload(seed: seed, partitions: Self.partitions)
    var configuration = EventProducer.Configuration(brokers: bootstrap, topic: "events")
    configuration.properties["compression.type"] = "lz4"
    let producer = try EventProducer(configuration)
    let chunks = max(1, kills * 12)
    let perChunk = events / chunks + 1
    var produced = 0
    while produced < events {
      for _ in 0..<perChunk where produced < events {
        let partition = produced % Self.partitions
        let record = workload.next(partition)
        try producer.produce(
          key: Array(record.key.utf8), value: record.value.map { Array($0.utf8) }, partition: Int32(partition),
          timestamp: nil)
        produced += 1
      }
      try producer.flush()
      // The production must last as long as the disturbance: what is killed shall be busy.
      try await Task.sleep(nanoseconds: 100_000_000)
    }
    return workload
  }

  private func disturb(
    seed: UInt64, kills: Int, _ bench: Workbench, _ file: String, _ settings: [String: String],
    _ postgres: PostgresServer, _ broker: ChildProcess
  ) async throws {
    var numbers = SeededNumbers(seed: seed)
    for round in 1...kills {
      let weir = try bench.weir(["run", file], environment: settings)
      let life = UInt64.random(in: 150...1_800, using: &numbers)
      if round == kills / 3 || round == 2 * kills / 3 {
        try await Task.sleep(nanoseconds: life * 500_000)
        try postgres.restart(mode: round == kills / 3 ? .immediate : .fast)
        try await Task.sleep(nanoseconds: life * 500_000)
      } else if round == kills / 2 {
        try await Task.sleep(nanoseconds: life * 500_000)
        broker.tell("down")
        try await Task.sleep(nanoseconds: 1_500_000_000)
        broker.tell("up")
        try await Task.sleep(nanoseconds: life * 500_000)
      } else {
        try await Task.sleep(nanoseconds: life * 1_000_000)
      }
      #expect(weir.process.isRunning, "round \(round): the job ended by itself: \(weir.errorText.suffix(2000))")
      await weir.killAndWait()
    }
  }

  // MARK: Checking

  private func expectTable(_ workload: Workload, _ postgres: PostgresServer) throws {
    let rows = try postgres.run(
      sql: """
        SELECT sensor_id, (extract(epoch FROM window_start) * 1000)::bigint, readings, (total * 4)::bigint,
          (low * 4)::bigint, (high * 4)::bigint,
          average = total / readings AND window_end = window_start + INTERVAL '10 seconds'
        FROM windows
        """)
    var found: [String: ExpectedWindow] = [:]
    for row in rows {
      let cells = row.map { $0 ?? "NULL" }
      var window = ExpectedWindow()
      window.count = Int(cells[2]) ?? -1
      window.sumOfQuarters = Int(cells[3]) ?? -1
      window.minimum = Int(cells[4]) ?? -1
      window.maximum = Int(cells[5]) ?? -1
      found["\(cells[0]) \(cells[1])"] = window
      #expect(cells[6] == "t", "average and window_end of \(cells)")
    }
    #expect(found.count == rows.count, "a key stands in the table once")
    #expect(rows.count == workload.windows.count)
    let wrong = workload.windows.filter { found[$0.key] != $0.value }
    #expect(
      wrong.isEmpty,
      "\(wrong.count) windows differ, such as \(wrong.prefix(3)) found \(wrong.prefix(3).map { found[$0.key] as Any })")
    let extra = found.keys.filter { workload.windows[$0] == nil }
    #expect(extra.isEmpty, "\(extra.count) windows that nothing explains, such as \(extra.prefix(3))")
  }

  /// in = out + aggregated + filtered + late + dead, counted over all lives of the process.
  private func expectAccount(_ workload: Workload, _ last: ChildProcess) throws {
    let text = last.lines.joined(separator: "\n")
    let summary = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let account = try #require((summary?["accounting"] as? [String: [String: Int]])?["windows"], "\(text)")
    #expect(account["out"] == 0)
    #expect(account["aggregated"] == workload.fates[.aggregated])
    #expect(account["filtered"] == workload.fates[.filtered])
    #expect(account["late"] == workload.fates[.late])
    #expect(account["dead"] == workload.fates[.dead])
  }

  /// Each record that was left aside is kept once, with its place and reason.
  private func expectKeptRecords(_ workload: Workload, _ bench: Workbench) throws {
    let kept = try bench.jsonLines(below: bench.directory + "/checkpoints")
    let places = kept.map { "\($0["partition"] ?? "") \($0["offset"] ?? "")" }
    #expect(Set(places).count == places.count, "no record is kept twice")
    let late = kept.filter { $0["reason"] as? String == "late" }
    #expect(late.count == workload.fates[.late])
    #expect(kept.count - late.count == workload.fates[.dead])
    #expect(kept.allSatisfy { !(($0["message"] as? String) ?? "").isEmpty })
  }
}
