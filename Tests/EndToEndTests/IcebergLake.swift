import Foundation
import Ingest
import TestSupport
import Testing

/// A job that fills two Iceberg tables, what must be in them, and the judge of what is.
enum IcebergLake {
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

  // MARK: Writing

  static func produce(
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

  /// Writes records without keys to a topic of one's own.
  static func produce(_ values: [String], _ bootstrap: String) throws {
    let producer = try EventProducer(EventProducer.Configuration(brokers: bootstrap, topic: "events"))
    for (index, value) in values.enumerated() {
      try producer.produce(key: nil, value: Array(value.utf8), partition: Int32(index % 2), timestamp: nil)
    }
    try producer.flush()
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

  /// Writes what must be in the tables to files.
  /// - Returns: the tables and their files.
  static func writeExpected(
    _ written: (raw: String, windows: String), _ bench: Workbench
  ) throws -> [(table: String, file: String)] {
    [
      ("lake.raw", try bench.write("raw.csv", written.raw)),
      ("lake.windows", try bench.write("windows.csv", written.windows))
    ]
  }

  /// How the validator reaches the catalog in a database.
  static func sqlCatalog(_ postgres: PostgresServer) -> String {
    "type=sql,name=weir,uri=" + postgres.url.replacingOccurrences(of: "postgresql://", with: "postgresql+psycopg2://")
  }

  /// The Python that has the judges' libraries, and the path of a script for it.
  static func judge(_ script: String) throws -> (python: String, script: String) {
    let python = try #require(
      ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"], "run the tests with ./weir test")
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/\(script)").path
    return (python, path)
  }

  /// The validator decodes every file of the table by itself, and compares the rows, also as other readers count them.
  static func expectSound(
    _ table: String, rows: String, _ location: [String], allowsOrphans: Bool = true
  ) async throws {
    let (python, judge) = try judge("iceberg_check.py")
    var arguments = [judge, "--expect-rows", rows] + location
    if table == "lake.raw" { arguments += ["--unique-key", "part,offset"] }
    if allowsOrphans { arguments.append("--allow-orphans") }
    let check = try ChildProcess(python, arguments)
    let code = await check.wait()
    #expect(code == 0, "\(table): \(check.lines.joined(separator: "\n")) \(check.errorText.suffix(2000))")
  }
}
