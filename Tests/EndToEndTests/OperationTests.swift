import Foundation
import FoundationNetworking
import Ingest
import TestSupport
import TestTraits
import Testing

/// What somebody who runs Weir does with it: files, pipes, stopping, restarting, changing, watching.
@Suite("Operation", .fewAtOnce, .serialized)
struct OperationTests {
  // MARK: Files and pipes

  @Test("a directory of JSON lines goes into files; a second run finds nothing new and adds nothing")
  func jsonLines() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    try FileManager.default.createDirectory(atPath: bench.directory + "/in", withIntermediateDirectories: true)
    _ = try bench.write("in/1.jsonl", "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"ü\"}\nbroken\n")
    _ = try bench.write("in/2.jsonl", "{\"id\":3,\"name\":null}")
    let file = try bench.write(
      "job.sql", Self.copy(from: "path = '\(bench.directory)/in', format = 'json'", to: bench.fileSink))
    for round in 1...2 {
      let weir = try bench.weir(["run", file, "--until-end"], environment: bench.settings)
      #expect(await weir.wait() == 0, "\(weir.errorText)")
      let summary = try bench.summary(weir)
      #expect(summary.rowsIn == (round == 1 ? 4 : 0))
      #expect(summary.account("target") == ["out": 3, "filtered": 0, "aggregated": 0, "late": 0, "dead": 1])
      #expect(try bench.identifiers() == [1, 2, 3])
    }
    let kept = try bench.jsonLines(below: bench.directory + "/checkpoints/job/dead-letters")
    #expect(kept.count == 1)
    #expect(kept.first?["partition"] as? String == "1.jsonl")
    #expect(kept.first?["offset"] as? Int == 41)
    #expect(kept.first?["value"] as? String == "broken")
  }

  @Test("CSV with a header goes to the standard output as JSON lines")
  func commaSeparated() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let input = try bench.write("in.csv", "name,other,id\na,x,1\n\"b, \"\"q\"\"\nc\",x,2\n,x,3\nd,x,wrong\n")
    let file = try bench.write(
      "job.sql", Self.copy(from: "path = '\(input)', format = 'csv', header = 'true'", to: "connector = 'stdout'"))
    let weir = try bench.weir(["run", file, "--until-end"], environment: bench.settings)
    #expect(await weir.wait() == 0, "\(weir.errorText)")
    #expect(
      weir.lines.filter { $0.hasPrefix("{\"id\"") } == [
        #"{"id":1,"name":"a"}"#, #"{"id":2,"name":"b, \"q\"\nc"}"#, #"{"id":3,"name":null}"#
      ])
    #expect(try bench.summary(weir).account("target")?["dead"] == 1)
  }

  @Test("the standard input is read to its end", arguments: [[], ["--until-end"]])
  func standardInput(options: [String]) async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let file = try bench.write("job.sql", Self.copy(from: "path = '-', format = 'json'", to: bench.fileSink))
    let weir = try bench.weir(["run", file] + options, environment: bench.settings)
    for id in 1...1_000 { weir.tell("{\"id\":\(id),\"name\":\"n\"}") }
    weir.endInput()
    #expect(await weir.wait() == 0, "\(weir.errorText.suffix(4000))")
    #expect(try bench.identifiers() == Array(1...1_000))
  }

  @Test("a directory that is empty so far is waited for; a job that waits can be stopped")
  func emptyDirectory() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let input = bench.directory + "/in"
    try FileManager.default.createDirectory(atPath: input, withIntermediateDirectories: true)
    let file = try bench.write(
      "job.sql",
      Self.copy(from: "path = '\(input)', format = 'json', discovery_interval = '200ms'", to: bench.fileSink))
    let idle = try bench.weir(["run", file], environment: bench.settings)
    try await eventually("the job to wait") { idle.errorText.contains("waits until there is something to read") }
    try await bench.stop(idle)

    let weir = try bench.weir(["run", file], environment: bench.settings)
    try await eventually("the job to wait") { weir.errorText.contains("waits until there is something to read") }
    for (name, text, expected) in [
      ("first", "{\"id\":1}\n{\"id\":2}\n", [1, 2]), ("second", "{\"id\":3}\n", [1, 2, 3])
    ] {
      _ = try bench.write("new.jsonl", text)
      try FileManager.default.moveItem(atPath: bench.directory + "/new.jsonl", toPath: input + "/\(name).jsonl")
      try await eventually("the rows") { try bench.identifiers() == expected }
    }
    #expect(weir.process.isRunning, "a job that looks for files does not end with those that are there")
    try await bench.stop(weir)
  }

  @Test("a generator gives the same rows for the same seed, and a blackhole counts them")
  func generator() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let source = """
      CREATE TABLE numbers (id bigint NOT NULL, name text, value double precision)
        WITH (connector = 'generator', rows = '5000', seed = '7');
      CREATE VIEW digest AS SELECT id, md5(concat(name, '/', value::text)) AS name FROM numbers;
      """
    let counted = try bench.write(
      "counted.sql",
      source + "CREATE TABLE target (id bigint, name text) WITH (connector = 'blackhole');"
        + "INSERT INTO target SELECT id, name FROM digest;")
    let weir = try bench.weir(["run", counted, "--until-end"], environment: bench.settings)
    #expect(await weir.wait() == 0, "\(weir.errorText)")
    #expect(try bench.summary(weir).account("target")?["out"] == 5_000)

    var contents: [Set<String>] = []
    for name in ["first", "second"] {
      let file = try bench.write(
        name + ".sql",
        source
          + "CREATE TABLE target (id bigint, name text) WITH (connector = 'file', path = '\(bench.directory)/\(name)');"
          + "INSERT INTO target SELECT id, name FROM digest;")
      let weir = try bench.weir(["run", file, "--until-end"], environment: bench.settings)
      #expect(await weir.wait() == 0, "\(weir.errorText)")
      let rows = try bench.jsonLines(below: bench.directory + "/" + name)
      #expect(rows.count == 5_000)
      contents.append(Set(rows.map { "\($0["id"] ?? "") \($0["name"] ?? "")" }))
    }
    #expect(contents[0] == contents[1])
  }

  // MARK: Stopping, restarting, changing

  @Test(
    "SIGTERM takes a last checkpoint; another parallelism goes on without loss or doubling; a changed query is refused")
  func stopAndGoOn() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:4"])
    defer { broker.signal(SIGKILL) }
    let file = try bench.write("job.sql", Self.windowed(bench))
    // Only the last checkpoint can make rows arrive in the first lives.
    var settings = bench.settings(["WEIR_KAFKA_BROKERS": bootstrap, "WEIR_CHECKPOINT_INTERVAL": "10m"])
    for (life, parallelism) in [1, 5, 2].enumerated() {
      try bench.produce((life * 1_000)..<(life * 1_000 + 1_000), bootstrap, partitions: 4)
      let weir = try bench.weir(["run", file, "--parallelism", "\(parallelism)"], environment: settings)
      let address = try await bench.address(of: weir)
      try await eventually("the rows of life \(life) to be read") {
        let metrics = Metrics(try await bench.get(address + "metrics").body)
        return metrics.sum("weir_source_rows_total") == 1_000
      }
      try await bench.stop(weir)
      #expect(try bench.identifiers() == Array(0..<((life + 1) * 1_000)))
    }

    let changed = Self.windowed(bench).replacingOccurrences(of: "max(id)", with: "min(id)")
    let refused = try bench.weir(
      ["run", try bench.write("changed.sql", changed), "--job", "job"], environment: settings)
    #expect(await refused.wait() == 3)
    #expect(bench.lastLine(refused).contains("the checkpoint does not fit this SQL file"), "\(refused.errorText)")
    #expect(bench.lastLine(refused).contains("max") && bench.lastLine(refused).contains("min"))

    settings["WEIR_CHECKPOINT_INTERVAL"] = "200ms"
    let last = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await last.wait() == 0, "\(last.errorText)")
    let windows = try bench.jsonLines(below: bench.directory + "/windows")
    #expect(Set(windows.compactMap { $0["shard"] as? Int }) == Set(0..<10) && windows.count == 10, "\(windows)")
    for window in windows {
      #expect(window["readings"] as? Int == 300, "\(window)")
      #expect(window["newest"] as? Int == 2_990 + (window["shard"] as? Int ?? -1), "\(window)")
    }
    #expect(try bench.identifiers() == Array(0..<3_000))
  }

  @Test("late rows go to the table that the source names, with the watermark that had passed")
  func lateTable() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let input = try bench.write(
      "in.jsonl",
      ["01", "31", "02", "32", "03"].enumerated().map { "{\"id\":\($0),\"ts\":\"2026-01-01T00:00:\($1)Z\"}\n" }.joined()
    )
    let file = try bench.write(
      "job.sql",
      """
      CREATE TABLE events (id bigint NOT NULL, ts timestamptz NOT NULL)
        WITH (connector = 'file', path = '\(input)', format = 'json', event_time = 'ts', watermark_delay = '0 seconds',
              late = 'late_rows');
      CREATE TABLE late_rows ("offset" bigint, value text, reason text, event_time timestamptz, watermark timestamptz)
        WITH (\(bench.fileSink));
      CREATE TABLE counts (window_start timestamptz, readings bigint)
        WITH (connector = 'file', path = '\(bench.directory)/windows');
      INSERT INTO counts
      SELECT window_start, count(*) FROM tumble(events, ts, INTERVAL '10 seconds') GROUP BY window_start, window_end;
      """)
    let weir = try bench.weir(["run", file, "--until-end"], environment: bench.settings)
    #expect(await weir.wait() == 0, "\(weir.errorText)")
    let account = try bench.summary(weir).account("counts")
    #expect(account == ["out": 0, "filtered": 0, "aggregated": 3, "late": 2, "dead": 0])
    let late = try bench.jsonLines(below: bench.directory + "/out")
    #expect(late.compactMap { $0["offset"] as? Int }.sorted() == [74, 148])
    #expect(late.allSatisfy { $0["reason"] as? String == "late" })
    #expect(
      late.compactMap { $0["watermark"] as? String }.sorted() == [
        "2026-01-01T00:00:31.000000Z", "2026-01-01T00:00:32.000000Z"
      ])
    let windows = try bench.jsonLines(below: bench.directory + "/windows")
    #expect(windows.compactMap { $0["readings"] as? Int }.sorted() == [1, 2])
  }

  // MARK: Watching

  @Test("metrics cover the job; readiness fails with the reason while PostgreSQL is away, and returns")
  func metricsAndReadiness() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:4"])
    defer { broker.signal(SIGKILL) }
    let sink = "connector = 'postgres', table = 'windows'"
    let file = try bench.write("job.sql", Self.windowed(bench, sink: sink, size: "1 second"))
    let weir = try bench.weir(
      ["run", file],
      environment: bench.settings([
        "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_POSTGRES_URL": postgres.url, "WEIR_STALL_TIMEOUT": "1s"
      ]))
    let address = try await bench.address(of: weir)
    try bench.produce(0..<1_000, bootstrap, partitions: 4)
    try await eventually("windows in the table") {
      try postgres.run(sql: "SELECT count(*) > 0 FROM pg_tables WHERE tablename = 'windows'") == [["t"]]
        && (try postgres.run(sql: "SELECT count(*) > 10 FROM windows")) == [["t"]]
    }
    #expect(try await bench.get(address + "healthz").status == 200)
    try await eventually("readiness") { try await bench.get(address + "readyz").status == 200 }
    try await eventually("metrics of everything that was read") {
      Metrics(try await bench.get(address + "metrics").body).sum("weir_source_rows_total") == 1_000
    }
    expectFamilies(Metrics(try await bench.get(address + "metrics").body))

    try postgres.stop(mode: .immediate)
    try bench.produce(1_000..<2_000, bootstrap, partitions: 4)
    try await eventually("readiness to fail") { try await bench.get(address + "readyz").status == 503 }
    let reason = try await bench.get(address + "readyz").body
    #expect(reason.contains("sink 'target' cannot commit") && reason.contains("Connection refused"), "\(reason)")
    #expect(try await bench.get(address + "healthz").status == 200, "a job that waits is alive")

    try postgres.start()
    try await eventually("readiness to return") { try await bench.get(address + "readyz").status == 200 }
    try await bench.stop(weir)
    #expect(try bench.identifiers() == Array(0..<2_000))
  }

  private func expectFamilies(_ metrics: Metrics) {
    let families = [
      "weir_source_rows_total", "weir_source_read_bytes_total", "weir_source_lag_messages",
      "weir_source_watermark_delay_seconds", "weir_source_late_rows_total", "weir_source_dead_rows_total",
      "weir_sink_rows_total", "weir_sink_written_bytes_total", "weir_channel_fill_ratio",
      "weir_channel_blocked_seconds",
      "weir_sink_channel_fill_ratio", "weir_sink_channel_blocked_seconds", "weir_checkpoint_duration_seconds_count",
      "weir_checkpoint_size_bytes", "weir_checkpoint_age_seconds", "weir_checkpoint_failures_total",
      "weir_commit_duration_seconds_count", "weir_restarts_total", "process_resident_memory_bytes"
    ]
    for family in families { #expect(metrics.samples[family] != nil, "\(family) is missing") }
    #expect(metrics.samples["weir_source_rows_total"]?.count == 4, "one for each partition")
    #expect(metrics.sum("weir_source_dead_rows_total") == 0)
    #expect(metrics.sum("process_resident_memory_bytes") > 1_000_000)
  }

  // MARK: Pipelines

  private static func copy(from source: String, to sink: String) -> String {
    """
    CREATE TABLE input (id bigint NOT NULL, name text) WITH (connector = 'file', \(source));
    CREATE TABLE target (id bigint, name text) WITH (\(sink));
    INSERT INTO target SELECT id, name FROM input;
    """
  }

  /// Rows as they are into files, and windows by `id % 10`. The event time of row n is n × 10 ms.
  private static func windowed(_ bench: Workbench, sink: String? = nil, size: String = "1 hour") -> String {
    """
    CREATE TABLE events (id bigint NOT NULL, ts timestamptz NOT NULL)
      WITH (connector = 'kafka', topic = 'events', format = 'json', event_time = 'ts', watermark_delay = '1 second',
            idle_timeout = '1 hour');
    CREATE TABLE copies (id bigint) WITH (\(bench.fileSink));
    INSERT INTO copies SELECT id FROM events;
    CREATE TABLE target (shard bigint, window_start timestamptz, readings bigint, newest bigint)
      WITH (\(sink ?? "connector = 'file', path = '\(bench.directory)/windows'"));
    INSERT INTO target
    SELECT id % 10, window_start, count(*), max(id) FROM tumble(events, ts, INTERVAL '\(size)')
    GROUP BY id % 10, window_start, window_end;
    """
  }
}

// MARK: - What these suites share

extension Workbench {
  /// Settings for a job of its own: any port, checkpoints below the directory, often.
  var settings: [String: String] { settings([:]) }

  /// The same with others besides.
  func settings(_ others: [String: String]) -> [String: String] {
    let own = [
      "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_DIR": directory + "/checkpoints", "WEIR_CHECKPOINT_INTERVAL": "200ms"
    ]
    return own.merging(others) { $1 }
  }

  /// A sink whose rows ``identifiers()`` reads.
  var fileSink: String { "connector = 'file', path = '\(directory)/out'" }

  /// The column `id` of what arrived, sorted; what is doubled stays so.
  func identifiers() throws -> [Int] {
    try jsonLines(below: directory + "/out").compactMap { $0["id"] as? Int }.sorted()
  }

  /// The summary that a run to the end prints last.
  func summary(_ weir: ChildProcess) throws -> RunSummary {
    guard let line = weir.lines.last,
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    else { throw WorkbenchError(message: "no summary: \(weir.lines)") }
    return RunSummary(
      rowsIn: object["rows_in"] as? Int, accounts: object["accounting"] as? [String: [String: Int]] ?? [:])
  }

  /// The last line on standard error: why a process ended.
  func lastLine(_ weir: ChildProcess) -> String {
    weir.errorText.split(separator: "\n").last.map(String.init) ?? ""
  }

  /// Ends a job in good order, and expects that.
  func stop(_ weir: ChildProcess) async throws {
    weir.signal(SIGTERM)
    #expect(await weir.wait() == 0, "\(weir.errorText.suffix(4000))")
  }

  /// Where the job's HTTP interface is, from what it logs.
  func address(of weir: ChildProcess) async throws -> String {
    var address = ""
    try await eventually("the address of the interface") {
      guard let start = weir.errorText.range(of: "url=http://") else { return false }
      let rest = weir.errorText[start.upperBound...]
      guard let end = rest.firstIndex(of: "\n") else { return false }
      address = "http://" + rest[..<end]
      return true
    }
    return address
  }

  /// Asks by HTTP.
  func get(_ address: String) async throws -> (status: Int, body: String) {
    guard let url = URL(string: address) else { throw WorkbenchError(message: "not an address: \(address)") }
    let (data, response) = try await URLSession.shared.data(from: url)
    return ((response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self))
  }

  /// Produces `{"id": n, "ts": n × 10 ms}` for each number, over the partitions in turn.
  func produce(_ numbers: Range<Int>, _ bootstrap: String, partitions: Int = 1) throws {
    let producer = try EventProducer(EventProducer.Configuration(brokers: bootstrap, topic: "events"))
    for number in numbers {
      let value = Array("{\"id\":\(number),\"ts\":\(1_767_225_600_000 + number * 10)}".utf8)
      try producer.produce(
        key: nil, value: value, partition: Int32(number % partitions), timestamp: nil)
    }
    try producer.flush()
  }

  /// Produces these bytes into partition 0.
  func produce(_ values: [[UInt8]], _ bootstrap: String) throws {
    let producer = try EventProducer(EventProducer.Configuration(brokers: bootstrap, topic: "events"))
    for value in values { try producer.produce(key: nil, value: value, partition: 0, timestamp: nil) }
    try producer.flush()
  }
}

/// What a run to the end says that it did.
struct RunSummary {
  let rowsIn: Int?
  let accounts: [String: [String: Int]]

  func account(_ statement: String) -> [String: Int]? { accounts[statement] }
}

/// Samples in Prometheus' text format, by name.
struct Metrics {
  private(set) var samples: [String: [Double]] = [:]

  init(_ text: String) {
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      guard let value = line.split(separator: " ").last.flatMap({ Double($0) }) else { continue }
      let name = line.prefix { $0 != "{" && $0 != " " }
      samples[String(name), default: []].append(value)
    }
  }

  func sum(_ name: String) -> Double { samples[name]?.reduce(0, +) ?? 0 }
}
