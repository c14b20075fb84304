import Foundation
import Ingest
import TestSupport
import TestTraits
import Testing

/// `weir verify` on the real binary: it finds what was done to a table by hand, and nothing where nothing was done.
@Suite("weir verify", .fewAtOnce, .serialized)
struct VerifyTests {
  static let source = """
    CREATE TABLE events (
      sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL, active boolean
    ) WITH (connector = 'kafka', topic = 'events', format = 'json', event_time = 'ts', watermark_delay = '2 seconds',
            idle_timeout = '1 hour', max_future = '36500 days');

    """

  static let postgres =
    source + """
      CREATE TABLE windows (
        sensor_id text, window_start timestamptz, window_end timestamptz, readings bigint, total double precision,
        PRIMARY KEY (sensor_id, window_start)
      ) WITH (connector = 'postgres');
      CREATE TABLE slides (
        sensor_id text, window_start timestamptz, high double precision, price numeric(12, 1),
        PRIMARY KEY (sensor_id, window_start)
      ) WITH (connector = 'postgres');
      CREATE TABLE rows (part integer, place bigint, sensor_id varchar(8), temperature real, ts timestamptz, note jsonb)
      WITH (connector = 'postgres');

      INSERT INTO windows
      SELECT sensor_id, window_start, window_end, count(*), sum(temperature)
      FROM tumble(events, ts, INTERVAL '10 seconds') WHERE active
      GROUP BY sensor_id, window_start, window_end;
      INSERT INTO slides
      SELECT sensor_id, window_start, max(temperature), sum(temperature::numeric(10, 2))::numeric(12, 1)
      FROM hop(events, ts, INTERVAL '5 seconds', INTERVAL '15 seconds')
      GROUP BY sensor_id, window_start;
      INSERT INTO rows
      SELECT _partition, _offset, sensor_id, temperature, ts, '{"b": 1.50, "a": "x"}'::jsonb FROM events
      WHERE temperature > 20
      UNION ALL
      SELECT _partition, _offset, 'cold', temperature, ts, NULL::jsonb FROM events WHERE temperature < -10;
      """

  @Test("in PostgreSQL: a stopped, a crashed and a running job are sound; each change by hand is found and located")
  func postgres() async throws {
    let bench = try VerifyBench(sql: Self.postgres)
    defer { bench.stop() }
    let server = try PostgresServer()
    defer { try? server.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.workbench.broker(topics: ["events:\(VerifyBench.partitions)"])
    defer { broker.signal(SIGKILL) }
    var settings = bench.settings(bootstrap)
    settings["WEIR_POSTGRES_URL"] = server.url
    try await bench.produce(bootstrap, 6_000)

    // A job that is killed, and one that still runs.
    let first = try bench.workbench.weir(["run", bench.file], environment: settings)
    try await eventually("the first rows") { (try? server.run(sql: "SELECT count(*) > 500 FROM rows")) == [["t"]] }
    await first.killAndWait()
    try await expectSound(bench, settings, "after a crash")
    let second = try bench.workbench.weir(["run", bench.file], environment: settings)
    try await bench.produce(bootstrap, 6_000)
    try await expectSound(bench, settings, "while the job runs")
    second.signal(SIGTERM)
    #expect(await second.wait() == 0, "\(second.errorText.suffix(2000))")
    let sound = try await expectSound(bench, settings, "after it was stopped: windows are open")
    #expect(sound.accounts.allSatisfy { $0.matchesCheckpoint == true }, "\(sound.accounts)")
    #expect(sound.accounts.contains { $0.late > 0 } && sound.accounts.contains { $0.dead > 0 })
    let last = try bench.workbench.weir(["run", bench.file, "--until-end"], environment: settings)
    #expect(await last.wait() == 0, "\(last.errorText.suffix(2000))")
    // A run after an end finds windows fired that its rows would still have fallen into.
    try await bench.produce(bootstrap, 3_000)
    let more = try bench.workbench.weir(["run", bench.file, "--until-end"], environment: settings)
    #expect(await more.wait() == 0, "\(more.errorText.suffix(2000))")
    let ended = try await expectSound(bench, settings, "after two runs to the end")
    let count = try server.run(sql: "SELECT count(*) FROM windows").first?.first ?? nil
    #expect(ended.tables.first { $0.sink == "windows" }?.expected == count.flatMap { Int($0) })

    try await expectFound(bench, settings, server)
  }

  private func expectFound(_ bench: VerifyBench, _ settings: [String: String], _ server: PostgresServer) async throws {
    try server.run(
      sql: """
        CREATE TABLE gone AS SELECT * FROM rows WHERE part = 1 AND sensor_id <> 'cold' ORDER BY place OFFSET 10 LIMIT 25;
        DELETE FROM rows WHERE (part, place, sensor_id) IN (SELECT part, place, sensor_id FROM gone)
        """)
    let bounds = try server.run(sql: "SELECT min(place), max(place) FROM gone")[0]
    let deleted = try await bench.verify(settings, expecting: 1)
    let rows = try #require(deleted.tables.first { $0.sink == "rows" })
    #expect(rows.missing == 25 && rows.doubled == 0 && rows.changed == 0 && rows.unexplained == 0, "\(rows)")
    #expect(rows.ranges.count == 1, "\(rows.ranges)")
    let range = rows.ranges.first
    #expect(range?.topic == "events" && range?.partition == "1" && range?.rows == 25)
    #expect(
      range?.from.map { "\($0)" } == bounds[0] && range?.to.map { "\($0)" } == bounds[1], "\(rows.ranges) \(bounds)")
    #expect(deleted.tables.filter { $0.sink != "rows" }.allSatisfy { $0.missing + $0.changed + $0.unexplained == 0 })

    try server.run(
      sql: """
        INSERT INTO rows SELECT * FROM gone; DROP TABLE gone;
        INSERT INTO rows (SELECT * FROM rows WHERE part = 2 ORDER BY place LIMIT 1);
        UPDATE windows SET total = total + 0.25 WHERE ctid = (SELECT min(ctid) FROM windows);
        DELETE FROM slides WHERE ctid = (SELECT min(ctid) FROM slides);
        INSERT INTO windows VALUES ('stranger', now(), now(), 1, 2)
        """)
    let changed = try await bench.verify(settings, expecting: 1)
    let tables = Dictionary(uniqueKeysWithValues: changed.tables.map { ($0.sink, $0) })
    #expect(tables["rows"]?.doubled == 1 && tables["rows"]?.missing == 0, "\(String(describing: tables["rows"]))")
    #expect(tables["rows"]?.ranges.first?.partition == "2")
    #expect(tables["windows"]?.changed == 1 && tables["windows"]?.unexplained == 1 && tables["windows"]?.missing == 0)
    #expect(tables["slides"]?.missing == 1)
    let example = try #require(tables["windows"]?.examples.first { $0.kind == "changed" })
    #expect(example.expected != nil && example.found != nil && example.expected != example.found, "\(example)")
    let window = try #require(tables["slides"]?.ranges.first)
    #expect(window.windowStart != nil && window.contributions?.isEmpty == false, "\(window)")
  }

  @discardableResult
  private func expectSound(
    _ bench: VerifyBench, _ settings: [String: String], _ when: String
  ) async throws -> FoundReport {
    let report = try await bench.verify(settings, expecting: 0, when)
    #expect(report.outcome == "sound", "\(when)")
    #expect(report.tables.contains { $0.expected > 0 }, "\(when)")
    return report
  }

  // MARK: Iceberg

  static let iceberg =
    source + """
      CREATE TABLE raw (part integer NOT NULL, place bigint NOT NULL, sensor_id text, temperature double precision,
        ts timestamptz)
      WITH (connector = 'iceberg', table = 'lake.raw');
      CREATE TABLE by_kind (kind text, part integer, place bigint, temperature double precision)
      WITH (connector = 'iceberg', table = 'lake.by_{kind}');
      CREATE TABLE windows (sensor_id text, window_start timestamptz, readings bigint, total double precision)
      WITH (connector = 'iceberg', table = 'lake.windows', partitioning = 'day(window_start)');
      CREATE TABLE shown (sensor_id text) WITH (connector = 'blackhole');

      INSERT INTO raw SELECT _partition, _offset, sensor_id, temperature, ts FROM events;
      INSERT INTO by_kind SELECT CASE WHEN active THEN 'hot' ELSE 'cold' END, _partition, _offset, temperature FROM events;
      INSERT INTO windows SELECT sensor_id, window_start, count(*), sum(temperature)
      FROM tumble(events, ts, INTERVAL '10 seconds') GROUP BY sensor_id, window_start;
      INSERT INTO shown SELECT sensor_id FROM events;
      """

  @Test("in Iceberg: tables, also those routed by a column, are sound; doubled and deleted files are found")
  func iceberg() async throws {
    let bench = try VerifyBench(sql: Self.iceberg)
    defer { bench.stop() }
    let server = try PostgresServer()
    defer { try? server.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.workbench.broker(topics: ["events:\(VerifyBench.partitions)"])
    defer { broker.signal(SIGKILL) }
    var settings = bench.settings(bootstrap)
    settings["WEIR_WAREHOUSE"] = bench.workbench.directory + "/warehouse"
    settings["WEIR_CATALOG"] = "sql"
    settings["WEIR_CATALOG_URL"] = server.url
    try await bench.produce(bootstrap, 5_000)
    let job = try bench.workbench.weir(["run", bench.file], environment: settings)
    try await eventually("snapshots") {
      ["raw", "by_hot"].allSatisfy { table in
        let metadata = "\(bench.workbench.directory)/warehouse/lake/\(table)/metadata"
        let files = (try? FileManager.default.contentsOfDirectory(atPath: metadata)) ?? []
        return files.contains { $0.hasPrefix("snap-") }
      }
    }
    try await expectSound(bench, settings, "while the job runs")
    job.signal(SIGTERM)
    #expect(await job.wait() == 0, "\(job.errorText.suffix(2000))")
    let ended = try bench.workbench.weir(["run", bench.file, "--until-end"], environment: settings)
    #expect(await ended.wait() == 0, "\(ended.errorText.suffix(2000))")
    let sound = try await expectSound(bench, settings, "at the end")
    #expect(Set(sound.tables.map(\.table)).isSuperset(of: ["lake.raw", "lake.by_hot", "lake.by_cold", "lake.windows"]))
    #expect(sound.tables.first { $0.sink == "shown" }?.notVerified?.contains("blackhole") == true)

    let python = try #require(ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"], "run with ./weir test")
    let script = """
      import sys
      from pyiceberg.catalog.sql import SqlCatalog
      catalog = SqlCatalog("weir", uri=sys.argv[1], warehouse=sys.argv[2])
      hot = catalog.load_table("lake.by_hot")
      hot.append(hot.scan().to_arrow().slice(0, 40))
      catalog.load_table("lake.raw").delete("part = 3 and place < 50")
      """
    let uri = server.url.replacingOccurrences(of: "postgresql://", with: "postgresql+psycopg2://")
    let warehouse = bench.workbench.directory + "/warehouse"
    let change = try ChildProcess(python, ["-c", script, uri, "file://" + warehouse])
    #expect(await change.wait() == 0, "\(change.errorText.suffix(2000))")
    let found = try await bench.verify(settings, expecting: 1)
    let hot = try #require(found.tables.first { $0.table == "lake.by_hot" })
    #expect(hot.doubled == 40 && hot.missing == 0 && hot.unexplained == 0, "\(hot)")
    let raw = try #require(found.tables.first { $0.table == "lake.raw" })
    #expect(raw.missing > 0 && raw.doubled == 0 && raw.unexplained == 0, "\(raw)")
    #expect(raw.ranges.count == 1 && raw.ranges.first?.partition == "3" && raw.ranges.first?.rows == raw.missing)
    #expect((raw.ranges.first?.to ?? .max) < 50)
    #expect(found.tables.first { $0.table == "lake.windows" }?.missing == 0)
  }

  // MARK: What cannot be verified

  @Test("what cannot be said is said: another job's name, a changed file, now()")
  func refuses() async throws {
    let bench = try VerifyBench(sql: Self.postgres)
    defer { bench.stop() }
    let server = try PostgresServer()
    defer { try? server.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.workbench.broker(topics: ["events:\(VerifyBench.partitions)"])
    defer { broker.signal(SIGKILL) }
    var settings = bench.settings(bootstrap)
    settings["WEIR_POSTGRES_URL"] = server.url
    try await bench.produce(bootstrap, 1_000)
    let job = try bench.workbench.weir(["run", bench.file, "--until-end"], environment: settings)
    #expect(await job.wait() == 0, "\(job.errorText.suffix(2000))")

    let other = try bench.workbench.weir(["verify", bench.file, "--job", "other"], environment: settings)
    #expect(await other.wait() == 2)
    #expect(other.lines.joined().contains("no position of job 'other'"), "\(other.lines)")
    let changed = Self.postgres.replacingOccurrences(of: "'10 seconds'", with: "'20 seconds'")
    let changedFile = try bench.workbench.write("changed.sql", changed)
    let different = try bench.workbench.weir(["verify", changedFile, "--job", "verify"], environment: settings)
    #expect(await different.wait() == 2)
    #expect(different.errorText.contains("the SQL file is not the one"), "\(different.errorText)")
    let moment = Self.postgres.replacingOccurrences(of: "'cold', temperature, ts,", with: "'cold', temperature, now(),")
    let momentFile = try bench.workbench.write("moment.sql", moment)
    let refused = try bench.workbench.weir(["verify", momentFile, "--job", "verify"], environment: settings)
    #expect(await refused.wait() == 2)
    #expect(refused.errorText.contains("now()") && refused.errorText.contains("rows"), "\(refused.errorText)")

    let checkpoints = bench.workbench.directory + "/checkpoints/verify/checkpoints"
    for number in try FileManager.default.contentsOfDirectory(atPath: checkpoints) {
      try? Data("damaged".utf8).write(to: URL(fileURLWithPath: "\(checkpoints)/\(number)/manifest"))
    }
    let blind = try await bench.verify(settings, expecting: 0, "without checkpoints")
    #expect(blind.notes.contains { $0.contains("checkpoints are not taken into account") }, "\(blind.notes)")
  }

  @Test("a topic whose beginning is gone is verified from where it begins")
  func truncated() async throws {
    let sql =
      Self.source.replacingOccurrences(of: "active boolean", with: "active boolean, filler text") + """
        CREATE TABLE rows (part integer, place bigint, sensor_id text, size integer) WITH (connector = 'postgres');
        CREATE TABLE windows (window_start timestamptz, readings bigint, PRIMARY KEY (window_start))
        WITH (connector = 'postgres');
        INSERT INTO rows SELECT _partition, _offset, sensor_id, length(filler) FROM events;
        INSERT INTO windows SELECT window_start, count(*) FROM tumble(events, ts, INTERVAL '10 seconds')
        GROUP BY window_start;
        """
    let bench = try VerifyBench(sql: sql)
    defer { bench.stop() }
    let server = try PostgresServer()
    defer { try? server.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.workbench.broker(topics: ["events:1"])
    defer { broker.signal(SIGKILL) }
    var settings = bench.settings(bootstrap)
    settings["WEIR_POSTGRES_URL"] = server.url
    // The development broker keeps 5 MiB of a partition: what comes later pushes out what came first.
    for part in 0..<3 {
      try bench.fill(bootstrap, part * 1_500..<(part + 1) * 1_500)
      let job = try bench.workbench.weir(["run", bench.file, "--until-end"], environment: settings)
      #expect(await job.wait() == 0, "\(job.errorText.suffix(2000))")
    }
    let sound = try await bench.verify(settings, expecting: 0, "the beginning is gone")
    #expect((sound.readFrom.values.first ?? 0) > 0, "\(sound.readFrom)")
    #expect(sound.notes.contains { $0.contains("are gone") }, "\(sound.notes)")
    #expect(sound.tables.contains { $0.sink == "rows" && $0.unverifiable > 0 && $0.expected > 0 })
    try server.run(sql: "DELETE FROM rows WHERE place = 4444")
    let found = try await bench.verify(settings, expecting: 1)
    let rows = try #require(found.tables.first { $0.sink == "rows" })
    #expect(rows.missing == 1 && rows.ranges.first?.from == 4444 && rows.ranges.first?.to == 4444, "\(rows)")
    try server.run(sql: "DELETE FROM rows WHERE place IN (4450, 4460)")
    let cut = try await bench.verify(settings, expecting: 1, limit: 1)
    let some = try #require(cut.tables.first { $0.sink == "rows" })
    #expect(some.missing == 3 && some.ranges.count == 1 && some.moreRanges == 2, "\(some)")
  }

  @Test("a job that started at the newest records is verified from there")
  func latest() async throws {
    let sql = Self.postgres.replacingOccurrences(
      of: "topic = 'events',", with: "topic = 'events', starting_position = 'latest',")
    let bench = try VerifyBench(sql: sql)
    defer { bench.stop() }
    let server = try PostgresServer()
    defer { try? server.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.workbench.broker(topics: ["events:\(VerifyBench.partitions)"])
    defer { broker.signal(SIGKILL) }
    var settings = bench.settings(bootstrap)
    settings["WEIR_POSTGRES_URL"] = server.url
    try await bench.produce(bootstrap, 2_000)
    let job = try bench.workbench.weir(["run", bench.file], environment: settings)
    try await eventually("rows of new records") {
      try await bench.produce(bootstrap, 40)
      return (try? server.run(sql: "SELECT count(*) > 100 FROM rows")) == [["t"]]
    }
    job.signal(SIGTERM)
    #expect(await job.wait() == 0, "\(job.errorText.suffix(2000))")
    let sound = try await expectSound(bench, settings, "from the newest records on")
    #expect(sound.readFrom.count == VerifyBench.partitions && sound.readFrom.values.allSatisfy { $0 > 0 })

    // Without the checkpoints nobody knows where that was.
    try FileManager.default.removeItem(atPath: bench.workbench.directory + "/checkpoints")
    let unknown = try bench.workbench.weir(["verify", bench.file], environment: settings)
    #expect(await unknown.wait() == 2)
    #expect(unknown.errorText.contains("starts at 'latest'"), "\(unknown.errorText)")
  }
}

/// The parts of a report that tests look at.
struct FoundReport: Decodable {
  struct Range: Decodable {
    var kind: String
    var topic: String?
    var partition: String?
    var from: Int64?
    var to: Int64?
    var windowStart: String?
    var contributions: [String: [Int64]]?
    var rows: Int
  }
  struct Example: Decodable {
    var kind: String
    var expected: String?
    var found: String?
  }
  struct Table: Decodable {
    var sink: String
    var table: String
    var notVerified: String?
    var expected: Int
    var found: Int
    var missing: Int
    var doubled: Int
    var changed: Int
    var unexplained: Int
    var unverifiable: Int
    var ranges: [Range]
    var moreRanges: Int
    var examples: [Example]
  }
  struct Account: Decodable {
    var statement: String
    var late: Int
    var dead: Int
    var matchesCheckpoint: Bool?
  }
  var outcome: String
  var tables: [Table]
  var accounts: [Account]
  var readFrom: [String: Int64]
  var notes: [String]
}

/// A workload, and the command under test.
final class VerifyBench {
  static let partitions = 4

  let workbench: Workbench
  let file: String
  private var workload: Workload
  private var produced = 0

  init(sql: String) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("verify: seed \(seed)")
    workbench = try Workbench()
    file = try workbench.write("verify.sql", sql)
    workload = Workload(seed: seed, partitions: Self.partitions)
  }

  func stop() { workbench.remove() }

  func settings(_ bootstrap: String) -> [String: String] {
    [
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_INTERVAL": "300ms",
      "WEIR_CHECKPOINT_DIR": workbench.directory + "/checkpoints", "WEIR_CHECKPOINT_RETAIN": "20"
    ]
  }

  func produce(_ bootstrap: String, _ count: Int) async throws {
    let producer = try EventProducer(EventProducer.Configuration(brokers: bootstrap, topic: "events"))
    for _ in 0..<count {
      let partition = produced % Self.partitions
      let record = workload.next(partition)
      try producer.produce(
        key: Array(record.key.utf8), value: record.value.map { Array($0.utf8) }, partition: Int32(partition),
        timestamp: nil)
      produced += 1
    }
    try producer.flush()
  }

  /// Records of 2 KiB, a tenth of a second apart.
  func fill(_ bootstrap: String, _ numbers: Range<Int>) throws {
    let producer = try EventProducer(EventProducer.Configuration(brokers: bootstrap, topic: "events"))
    for number in numbers {
      // Digits that no compression makes small.
      var digits = UInt64(number) &+ 1
      let filler = (0..<160).map { _ -> String in
        digits = digits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return String(digits, radix: 36)
      }.joined()
      let time = Workload.start + Int64(number) * 100
      let value = "{\"sensor_id\":\"s-\(number % 7)\",\"temperature\":1.5,\"ts\":\(time),\"filler\":\"\(filler)\"}"
      try producer.produce(key: nil, value: Array(value.utf8), partition: 0, timestamp: nil)
    }
    try producer.flush()
  }

  func verify(
    _ settings: [String: String], expecting code: Int32, _ when: String = "", limit: Int = 10
  ) async throws -> FoundReport {
    let process = try workbench.weir(["verify", file, "--json", "--limit", "\(limit)"], environment: settings)
    let found = await process.wait()
    let text = process.lines.joined(separator: "\n")
    #expect(found == code, "\(when): \(text.suffix(4000)) \(process.errorText.suffix(2000))")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(FoundReport.self, from: Data(text.utf8))
  }
}
