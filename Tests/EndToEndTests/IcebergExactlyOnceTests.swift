import Foundation
import Ingest
import TestSupport
import Testing

/// The promise on Iceberg tables, with the real binary: whatever is killed while files are written, committed and
/// compacted, the tables hold every record once, and every reader finds them sound.
///
/// `WEIR_TEST_SEED` repeats a run, `WEIR_TEST_KILLS` and `WEIR_TEST_EVENTS` make it longer.
@Suite("Exactly once into Iceberg", .serialized)
struct IcebergExactlyOnceTests {
  static let partitions = 8

  static let pipeline = """
    CREATE TABLE events (
      sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL, active boolean
    ) WITH (connector = 'kafka', topic = 'events', format = 'json', event_time = 'ts', watermark_delay = '2 seconds',
            idle_timeout = '1 hour', max_future = '36500 days');

    CREATE TABLE raw (
      part integer NOT NULL, "offset" bigint NOT NULL, sensor_id text, temperature double precision, ts timestamptz,
      active boolean
    ) WITH (connector = 'iceberg', table = 'lake.raw', partitioning = 'bucket(2, sensor_id), day(ts)');

    CREATE TABLE windows (
      sensor_id text, window_start timestamptz, readings bigint, total double precision, low double precision,
      high double precision
    ) WITH (connector = 'iceberg', table = 'lake.windows', commit_interval = '700ms', format_version = '3');

    INSERT INTO raw SELECT _partition, _offset, sensor_id, temperature, ts, active FROM events;
    INSERT INTO windows
    SELECT sensor_id, window_start, count(*), sum(temperature), min(temperature), max(temperature)
    FROM tumble(events, ts, INTERVAL '10 seconds')
    WHERE active
    GROUP BY sensor_id, window_start;
    """

  /// Where tables are registered.
  enum Place: String, CaseIterable {
    case filesystem, sql
  }

  @Test("every record is in the tables once, whatever is killed while it is written", arguments: Place.allCases)
  func survivesKills(place: Place) async throws {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["WEIR_TEST_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)
    let kills = environment["WEIR_TEST_KILLS"].flatMap(Int.init) ?? 13
    let events = environment["WEIR_TEST_EVENTS"].flatMap(Int.init) ?? 120_000
    print("exactly once into Iceberg (\(place)): WEIR_TEST_SEED=\(seed), \(kills) kills, \(events) events")

    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:\(Self.partitions)"])
    defer { broker.signal(SIGKILL) }
    let postgres = place == .sql ? try PostgresServer() : nil
    defer { try? postgres?.stop(mode: .immediate) }
    let file = try bench.write("lake.sql", Self.pipeline)
    var settings = [
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_INTERVAL": "150ms",
      "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints", "WEIR_WAREHOUSE": bench.directory + "/warehouse",
      "WEIR_MAINTENANCE_INTERVAL": "1s"
    ]
    if let postgres {
      settings["WEIR_CATALOG"] = "sql"
      settings["WEIR_CATALOG_URL"] = postgres.url
    }

    async let produced = produce(seed: seed, events: events, kills: kills, bootstrap: bootstrap)
    var numbers = SeededNumbers(seed: seed &+ 1)
    for round in 1...kills {
      let weir = try bench.weir(["run", file], environment: settings)
      try await Task.sleep(nanoseconds: UInt64.random(in: 150...1_800, using: &numbers) * 1_000_000)
      #expect(weir.process.isRunning, "round \(round): the job ended by itself: \(weir.errorText.suffix(2000))")
      await weir.killAndWait()
    }
    let written = try await produced
    let last = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await last.wait() == 0, "\(last.errorText.suffix(4000))")

    try await expectSound("lake.raw", rows: try bench.write("raw.csv", written.raw), bench, postgres)
    try await expectSound("lake.windows", rows: try bench.write("windows.csv", written.windows), bench, postgres)
    // What the killed attempts left behind is found, and is all that is found.
    var flags = ["maintain", "lake.raw", "lake.windows", "--orphans", "--older-than", "0s"]
    if postgres == nil { flags += ["--warehouse", bench.directory + "/warehouse"] }
    let maintain = try bench.weir(flags, environment: settings)
    #expect(await maintain.wait() == 0, "\(maintain.errorText.suffix(2000))")
    try await expectSound(
      "lake.raw", rows: bench.directory + "/raw.csv", bench, postgres, allowsOrphans: false)
    try await expectSound(
      "lake.windows", rows: bench.directory + "/windows.csv", bench, postgres, allowsOrphans: false)
  }

  // MARK: Writing

  private func produce(
    seed: UInt64, events: Int, kills: Int, bootstrap: String
  ) async throws -> (raw: String, windows: String) {
    var workload = Workload(seed: seed, partitions: Self.partitions)
    let producer = try EventProducer(EventProducer.Configuration(brokers: bootstrap, topic: "events"))
    var raw = "part,offset,sensor_id,temperature,active\n"
    let perChunk = events / (kills * 12) + 1
    var produced = 0
    while produced < events {
      for _ in 0..<perChunk where produced < events {
        let partition = produced % Self.partitions
        let record = workload.next(partition)
        try producer.produce(
          key: Array(record.key.utf8), value: record.value.map { Array($0.utf8) }, partition: Int32(partition),
          timestamp: nil)
        if record.fate != .dead, let value = record.value {
          let cells = try #require(JSONSerialization.jsonObject(with: Data(value.utf8)) as? [String: Any])
          let active = (cells["active"] as? Bool) == true
          raw += "\(partition),\(produced / Self.partitions),\(record.key),\(cells["temperature"] ?? ""),\(active)\n"
        }
        produced += 1
      }
      try producer.flush()
      try await Task.sleep(nanoseconds: 100_000_000)
    }
    return (raw, Self.windowRows(workload))
  }

  private static func windowRows(_ workload: Workload) -> String {
    var text = "sensor_id,window_start,readings,total,low,high\n"
    let format = ISO8601DateFormatter()
    for (key, window) in workload.windows {
      let parts = key.split(separator: " ")
      let start = format.string(from: Date(timeIntervalSince1970: (Double(parts[1]) ?? 0) / 1000))
      text += "\(parts[0]),\(start),\(window.count),\(Double(window.sumOfQuarters) / 4),"
      text += "\(Double(window.minimum) / 4),\(Double(window.maximum) / 4)\n"
    }
    return text
  }

  // MARK: Checking

  /// The validator decodes every file of the table by itself, and compares the rows, also as other readers count them.
  private func expectSound(
    _ table: String, rows: String, _ bench: Workbench, _ postgres: PostgresServer?, allowsOrphans: Bool = true
  ) async throws {
    let python = try #require(
      ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"], "run the tests with ./weir test")
    let judge = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/iceberg_check.py").path
    var arguments = [judge, "--expect-rows", rows]
    if table == "lake.raw" { arguments += ["--unique-key", "part,offset"] }
    if allowsOrphans { arguments.append("--allow-orphans") }
    if let postgres {
      let uri = postgres.url.replacingOccurrences(of: "postgresql://", with: "postgresql+psycopg2://")
      arguments += ["--catalog", "type=sql,name=weir,uri=\(uri)", table]
    } else {
      let directory = bench.directory + "/warehouse/" + table.replacingOccurrences(of: ".", with: "/") + "/metadata"
      let hint = try String(contentsOfFile: directory + "/version-hint.text", encoding: .utf8)
      arguments.append("\(directory)/v\(hint).metadata.json")
    }
    let check = try ChildProcess(python, arguments)
    let code = await check.wait()
    #expect(code == 0, "\(table): \(check.lines.joined(separator: "\n")) \(check.errorText.suffix(2000))")
  }
}
