import Foundation
import Ingest
import TestSupport
import TestTraits
import Testing

/// What can be wrong around a job: it says so in words that help, and loses nothing.
@Suite("Failures", .fewAtOnce, .serialized)
struct FailureTests {
  // MARK: What the user wrote

  @Test("a wrong SQL file ends with exit code 1, line, column and a hint", arguments: ["run", "check"])
  func wrongSQL(command: String) async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let text = Self.generated(rows: 10, sink: "connector = 'blackhole'").replacingOccurrences(
      of: "SELECT id, name", with: "SELECT id, nmae")
    let weir = try bench.weir([command, try bench.write("wrong.sql", text)], environment: bench.settings)
    #expect(await weir.wait() == 1)
    #expect(weir.errorText.contains("wrong.sql:4:31: error: column nmae does not exist"), "\(weir.errorText)")
    #expect(weir.errorText.contains("did you mean name?"), "\(weir.errorText)")
  }

  @Test("an unknown setting and a value out of range end with exit code 2 and the right name")
  func wrongSettings() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let file = try bench.write("job.sql", Self.generated(rows: 10, sink: "connector = 'blackhole'"))
    let misspelt = try bench.weir(["run", file], environment: bench.settings(["WEIR_CHEKPOINT_DIR": "/tmp"]))
    #expect(await misspelt.wait() == 2)
    #expect(misspelt.errorText.contains("did you mean WEIR_CHECKPOINT_DIR?"), "\(misspelt.errorText)")

    let unitless = try bench.weir(["run", file], environment: bench.settings(["WEIR_CHECKPOINT_INTERVAL": "5"]))
    #expect(await unitless.wait() == 2)
    #expect(unitless.errorText.contains("expected a duration such as 200ms"), "\(unitless.errorText)")
  }

  // MARK: Kafka

  /// Whoever waits for `--until-end` wants an answer: it gives up. A job that runs on tries again instead.
  @Test("an unreachable broker ends a run to the end when no restart is left, and its address is named")
  func unreachableBroker() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let file = try bench.write("job.sql", Self.passthrough(bench))
    let weir = try bench.weir(
      ["run", file, "--until-end"],
      environment: bench.settings(["WEIR_KAFKA_BROKERS": "127.0.0.1:1", "WEIR_MAX_RESTARTS": "1"]))
    #expect(await weir.wait() == 3)
    #expect(
      bench.lastLine(weir).contains("source events: no broker of '127.0.0.1:1' answers"), "\(bench.lastLine(weir))")
  }

  @Test("a job waits for a broker that starts later, with warnings, and then reads everything")
  func lateBroker() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:1"])
    defer { broker.signal(SIGKILL) }
    try bench.produce(0..<100, bootstrap)
    broker.tell("down")
    let file = try bench.write("job.sql", Self.passthrough(bench))
    let weir = try bench.weir(["run", file], environment: bench.settings(["WEIR_KAFKA_BROKERS": bootstrap]))
    try await eventually("a warning that names the broker") {
      weir.errorText.contains("no broker of '\(bootstrap)' answers")
    }
    #expect(weir.process.isRunning)
    broker.tell("up")
    try await eventually("all rows") { try bench.identifiers().count == 100 }
    try await bench.stop(weir)
    #expect(try bench.identifiers() == Array(0..<100))
  }

  @Test("a job that cannot start ends on SIGTERM nevertheless", arguments: ["broker", "database"])
  func stopWhileStarting(missing: String) async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let isBroker = missing == "broker"
    let text = isBroker ? Self.passthrough(bench) : Self.generated(rows: 10, sink: Self.postgresSink)
    let weir = try bench.weir(
      ["run", try bench.write("job.sql", text)],
      environment: bench.settings([
        "WEIR_KAFKA_BROKERS": "127.0.0.1:1", "WEIR_POSTGRES_URL": "postgresql://weir@127.0.0.1:1/postgres",
        "WEIR_SHUTDOWN_TIMEOUT": "25s"
      ]))
    let warning = isBroker ? "no broker of" : "a sink is not reachable yet"
    try await eventually("the warning") { weir.errorText.contains(warning) }
    try await bench.stop(weir)
  }

  @Test("a missing topic ends the job with the topic's name and what to do")
  func missingTopic() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let broker = try DevelopmentBroker()
    let unknownTopicOrPartition: Int32 = 3
    broker.setError(unknownTopicOrPartition, topic: "events")
    let file = try bench.write("job.sql", Self.passthrough(bench))
    let weir = try bench.weir(["run", file], environment: bench.settings(["WEIR_KAFKA_BROKERS": broker.bootstrap]))
    #expect(await weir.wait() == 3)
    #expect(weir.errorText.contains("topic 'events' does not exist yet; looking again"), "\(weir.errorText)")
    #expect(
      bench.lastLine(weir).contains("topic 'events' does not exist on \(broker.bootstrap); create it"),
      "\(weir.errorText)")
  }

  @Test("records that were deleted before they were read stop the job, with their offsets")
  func deletedRecords() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:1"])
    defer { broker.signal(SIGKILL) }
    let file = try bench.write("job.sql", Self.passthrough(bench))
    let settings = bench.settings(["WEIR_KAFKA_BROKERS": bootstrap])
    try bench.produce(0..<10, bootstrap)
    let first = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await first.wait() == 0, "\(first.errorText)")

    // The development broker keeps the newest 5 MiB of a partition.
    try bench.produce(10..<20, bootstrap)
    var numbers = SeededNumbers(seed: 1)
    let filling = (0..<700_000).map { _ in UInt8.random(in: 0x30...0x7a, using: &numbers) }
    for _ in 0..<12 { try bench.produce([filling], bootstrap) }
    let second = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await second.wait() == 3)
    let expected = "the checkpoint goes on at offset 10, but the log begins at"
    #expect(bench.lastLine(second).contains(expected), "\(bench.lastLine(second))")
    #expect(try bench.identifiers() == Array(0..<10))
  }

  // MARK: PostgreSQL

  @Test("a database that starts later is waited for, with warnings")
  func lateDatabase() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let postgres = try PostgresServer()
    try postgres.stop()
    defer { try? postgres.stop(mode: .immediate) }
    let file = try bench.write("job.sql", Self.generated(rows: 1_000, sink: Self.postgresSink))
    let weir = try bench.weir(
      ["run", file, "--until-end"], environment: bench.settings(["WEIR_POSTGRES_URL": postgres.url]))
    try await eventually("a warning that names the sink") {
      weir.errorText.contains("a sink is not reachable yet") && weir.errorText.contains("sink 'target'")
        && weir.errorText.contains("Connection refused")
    }
    try postgres.start()
    #expect(await weir.wait() == 0, "\(weir.errorText)")
    #expect(try postgres.run(sql: "SELECT count(*), count(DISTINCT id) FROM target") == [["1000", "1000"]])
  }

  @Test("a job that is stopped while PostgreSQL is away says so in time, and delivers at its next start")
  func stopWithoutDatabase() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:1"])
    defer { broker.signal(SIGKILL) }
    let text = Self.passthrough(bench).replacingOccurrences(of: bench.fileSink, with: Self.postgresSink)
    let file = try bench.write("job.sql", text)
    let settings = bench.settings([
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_POSTGRES_URL": postgres.url, "WEIR_SHUTDOWN_TIMEOUT": "2s"
    ])
    try bench.produce(0..<100, bootstrap)
    let weir = try bench.weir(["run", file], environment: settings)
    try await eventually("the first rows") {
      try postgres.run(sql: "SELECT 1 FROM pg_tables WHERE tablename = 'target'") == [["1"]]
        && (try postgres.run(sql: "SELECT count(*) FROM target")) == [["100"]]
    }
    try postgres.stop(mode: .immediate)
    try bench.produce(100..<200, bootstrap)
    try await eventually("a commit to fail") { weir.errorText.contains("commit failed and will be tried again") }
    weir.signal(SIGTERM)
    #expect(await weir.wait() == 3)
    #expect(bench.lastLine(weir).contains("sink 'target' cannot commit: "), "\(bench.lastLine(weir))")
    #expect(bench.lastLine(weir).contains("goes on from its last checkpoint"), "\(bench.lastLine(weir))")

    try postgres.start()
    let next = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await next.wait() == 0, "\(next.errorText)")
    #expect(
      try postgres.run(sql: "SELECT count(*), count(DISTINCT id), max(id) FROM target") == [["200", "200", "199"]])
  }

  @Test("a wrong password, database or table stops the job with what to change")
  func wrongTarget() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let rules = postgres.directory + "/data/pg_hba.conf"
    let former = try String(contentsOfFile: rules, encoding: .utf8)
    try ("host all guarded 127.0.0.1/32 scram-sha-256\n" + former).write(
      toFile: rules, atomically: false, encoding: .utf8)
    try postgres.run(
      sql: """
        CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE TABLE target (id bigint, name integer);
        SELECT pg_reload_conf();
        """)
    let file = try bench.write("job.sql", Self.generated(rows: 10, sink: Self.postgresSink))
    let cases = [
      ("postgresql://guarded:wrong-secret@127.0.0.1:\(postgres.port)/postgres", "check user and password in the url"),
      ("postgresql://weir@127.0.0.1:\(postgres.port)/nowhere", "database \"nowhere\" does not exist"),
      ("nonsense://weir@127.0.0.1/postgres", "expected postgresql://user:password@host:port/database"),
      (postgres.url, "column 'name' of table \"target\" is integer, declared here as text")
    ]
    for (url, expected) in cases {
      let weir = try bench.weir(["run", file], environment: bench.settings(["WEIR_POSTGRES_URL": url]))
      #expect(await weir.wait() == 3, "\(url)")
      #expect(bench.lastLine(weir).contains("sink 'target': "), "\(bench.lastLine(weir))")
      #expect(bench.lastLine(weir).contains(expected), "\(bench.lastLine(weir))")
      #expect(!weir.errorText.contains("wrong-secret"))
      #expect(
        !weir.errorText.contains("CancellationError"), "what follows from the failure hides it: \(weir.errorText)")
    }
    #expect(try postgres.run(sql: "SELECT count(*) FROM target") == [["0"]])
  }

  // MARK: Disk

  @Test("a full disk for checkpoints is reported, nothing is lost, and the job goes on when there is room")
  func fullDisk() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:1"])
    defer { broker.signal(SIGKILL) }
    let disk = try SmallDisk(bench.directory + "/disk")
    defer { disk.remove() }
    let file = try bench.write("job.sql", Self.passthrough(bench))
    let weir = try ChildProcess(
      "/bin/sh", ["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", bench.binary, "run", file],
      environment: bench.settings([
        "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_CHECKPOINT_DIR": disk.path + "/checkpoints", "WEIR_STALL_TIMEOUT": "1s"
      ]))
    try bench.produce(0..<100, bootstrap)
    try await eventually("the first rows") { try bench.identifiers().count == 100 }

    try disk.fill(weir)
    try bench.produce(100..<200, bootstrap)
    let address = try await bench.address(of: weir)
    try await eventually("readiness to fail") { try await bench.get(address + "readyz").status == 503 }
    let reason = try await bench.get(address + "readyz").body
    #expect(reason.contains(disk.path) && reason.contains(disk.complaint), "\(reason)")
    #expect(weir.errorText.contains("checkpoint abandoned; it is tried again"), "\(weir.errorText)")
    #expect(weir.process.isRunning)
    #expect(try bench.identifiers().count == 100, "no row arrives without a checkpoint that covers it")

    try disk.free(weir)
    try await eventually("the other rows") { try bench.identifiers().count == 200 }
    try await eventually("readiness to return") { try await bench.get(address + "readyz").status == 200 }
    try await bench.stop(weir)
    #expect(try bench.identifiers() == Array(0..<200))
  }

  // MARK: Pipelines

  private static let postgresSink = "connector = 'postgres', table = 'target'"

  private static func generated(rows: Int, sink: String) -> String {
    """
    CREATE TABLE numbers (id bigint NOT NULL, name text)
      WITH (connector = 'generator', rows = '\(rows)', "fields.id.kind" = 'sequence');
    CREATE TABLE target (id bigint, name text) WITH (\(sink));
    INSERT INTO target SELECT id, name FROM numbers;
    """
  }

  private static func passthrough(_ bench: Workbench) -> String {
    """
    CREATE TABLE events (id bigint NOT NULL) WITH (connector = 'kafka', topic = 'events', format = 'json');
    CREATE TABLE target (id bigint) WITH (\(bench.fileSink));
    INSERT INTO target SELECT id FROM events;
    """
  }
}
