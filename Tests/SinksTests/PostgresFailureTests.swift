import Actors
import Checkpointing
import Columnar
import TestSupport
import TestTraits
import Testing

@Suite("The PostgreSQL sink, when things go wrong", .fewAtOnce)
struct PostgresFailureTests {
  private static let columns: [(String, DataType)] = [("k", .text), ("n", .bigint)]

  /// Commits as a committer does: again while the failure is transient. Returns the outcome and the failures.
  private func commitWithRetries(_ driver: SinkDriver, _ pending: PendingCommit) async throws -> (
    CommitOutcome, [String]
  ) {
    var failures: [String] = []
    while true {
      do { return (try await driver.commit(pending), failures) } catch let error as SinkError
        where error.severity == .transient && failures.count < 50
      {
        failures.append(error.message)
      }
    }
  }

  @Test(
    "settles a commit whose connection was cut, whether or not the server got it",
    arguments: [
      (CuttingProxy.Cut.beforePassing, "COPY "), (.afterPassing, "COPY "), (.beforePassing, "UPDATE weir.positions"),
      (.afterPassing, "UPDATE weir.positions"), (.beforePassing, "COMMIT\0"), (.afterPassing, "COMMIT\0")
    ], ["append", "upsert"])
  func cutConnections(_ cut: (CuttingProxy.Cut, String), mode: String) async throws {
    let server = try SharedServer.server
    let proxy = try CuttingProxy(serverPort: server.port)
    let name = "cut_\(mode)_\(cut.0)_\(cut.1.prefix(4).filter { $0.isLetter })".lowercased()
    let table = Make.table(
      name, Self.columns, key: mode == "upsert" ? ["k"] : [], options: ["connector": "postgres", "mode": mode])
    let driver = try SinkDriver(table, job: name, url: "postgresql://weir@127.0.0.1:\(proxy.port)/postgres")
    try await driver.claim()
    try await driver.commitEpoch([Make.text(["a"]), Make.whole([1])])
    proxy.cut(cut.0, at: cut.1)
    try driver.write([Make.text(["b", "c"]), Make.whole([2, 3])])
    let (outcome, failures) = try await commitWithRetries(driver, await driver.seal())
    #expect(proxy.cutCount == 1)
    #expect(failures.count >= 1)
    let wasApplied = cut.0 == .afterPassing && cut.1 == "COMMIT\0"
    #expect(outcome.wasSkipped == wasApplied)
    #expect(try server.run(sql: "SELECT k, n FROM \(name) ORDER BY k") == [["a", "1"], ["b", "2"], ["c", "3"]])
    #expect(try server.run(sql: "SELECT checkpoint FROM weir.positions WHERE job = '\(name)'") == [["2"]])
    await driver.close()
  }

  @Test(
    "a process that stands still while it sends rows does not keep its successor from taking over, and is refused later",
    arguments: [("append", false), ("append", true), ("upsert", true)])
  func standsStill(mode: String, hasKey: Bool) async throws {
    let server = try SharedServer.server
    let proxy = try CuttingProxy(serverPort: server.port)
    let name = "stopped_\(mode)_\(hasKey)"
    let table = Make.table(
      name, Self.columns, key: hasKey ? ["k"] : [], options: ["connector": "postgres", "mode": mode])
    let stopped = try SinkDriver(table, job: name, url: "postgresql://weir@127.0.0.1:\(proxy.port)/postgres")
    try await stopped.claim()
    // The server stores a COPY's rows by the thousand: those that were sent are there when the last ones are not.
    let count = 50_000
    try stopped.write([
      Make.text((0..<count).map { $0 == count - 1 ? "the last one" : "k\($0)" }),
      Make.whole((0..<count).map { Int64($0) })
    ])
    let pending = try await stopped.seal()
    proxy.cut(.hold, at: "the last one")
    let (connector, owner, files) = (stopped.connector, stopped.owner, stopped.files)
    let late = Task { try await connector.commit(pending, owner: owner, files: files) }
    while proxy.cutCount == 0 { try await Task.sleep(for: .milliseconds(5)) }
    let successor = try SinkDriver(table, job: name, url: server.url, owner: JobOwner(lineage: "L", attempt: 2))
    try await successor.claim()
    try await successor.commitEpoch([Make.text(["k0"]), Make.whole([2])])
    proxy.release()
    await #expect(throws: PositionConflict.self) { try await late.value }
    #expect(try server.run(sql: "SELECT k, n FROM \(name)") == [["k0", "2"]])
    for driver in [stopped, successor] { await driver.close() }
  }

  @Test("goes on after its session was terminated and after the server was restarted")
  func restarts() async throws {
    let server = try PostgresServer()
    let table = Make.table("restarted", Self.columns, key: ["k"], options: ["connector": "postgres"])
    let driver = try SinkDriver(table, job: "restart", url: server.url)
    try await driver.claim()
    try await driver.commitEpoch([Make.text(["a"]), Make.whole([1])])
    try server.run(
      sql: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir restart'")
    try await driver.commitEpoch([Make.text(["b"]), Make.whole([1])])
    try server.stop(mode: .immediate)
    try driver.write([Make.text(["c"]), Make.whole([1])])
    let pending = try await driver.seal()
    let error = await #expect(throws: SinkError.self) { try await driver.commit(pending) }
    #expect(error?.severity == .transient)
    try server.start()
    _ = try await commitWithRetries(driver, pending)
    #expect(try server.run(sql: "SELECT k FROM restarted ORDER BY k") == [["a"], ["b"], ["c"]])
    await driver.close()
    try server.stop()
  }

  @Test(
    "isolates the rows that a constraint refuses, keeps them, and commits the others", arguments: ["append", "upsert"])
  func constraint(mode: String) async throws {
    let server = try SharedServer.server
    let name = "checked_\(mode)"
    try server.run(
      sql: "CREATE TABLE \(name) (k text PRIMARY KEY, n bigint CHECK (n % 1000 <> 7), at timestamptz DEFAULT now())")
    let table = Make.table(name, Self.columns, key: ["k"], options: ["connector": "postgres", "mode": mode])
    let driver = try SinkDriver(table, job: name, url: server.url)
    try await driver.claim()
    let outcome = try await driver.commitEpoch([
      Make.text((0..<3_000).map { "k\($0)" }), Make.whole((0..<3_000).map { Int64($0) })
    ])
    #expect(outcome.rowsApplied == 2_997)
    #expect(outcome.rejectedCount == 3)
    #expect(outcome.rejected.allSatisfy { $0.message.contains("_n_check") && $0.message.contains("23514") })
    #expect(try server.run(sql: "SELECT count(*), count(at) FROM \(name)") == [["2997", "2997"]])
    #expect(
      try server.run(sql: "SELECT row, checkpoint FROM weir.rejected WHERE sink = '\(name)' ORDER BY (row->>'n')::int")
        == [
          [#"{"k": "k7", "n": 7}"#, "1"], [#"{"k": "k1007", "n": 1007}"#, "1"], [#"{"k": "k2007", "n": 2007}"#, "1"]
        ])
    await driver.close()
  }

  @Test("refuses, row by row, what the target's columns cannot hold")
  func values() async throws {
    let server = try SharedServer.server
    try server.run(sql: "CREATE TABLE narrow (v varchar(3), i int, t timestamp, n numeric(4,1), d date NOT NULL)")
    let table = Make.table(
      "narrow", [("v", .text), ("i", .bigint), ("t", .timestamptz), ("n", .numeric), ("d", .date)],
      options: ["connector": "postgres"])
    let driver = try SinkDriver(table, job: "narrow", url: server.url)
    try await driver.claim()
    let good = Numeric(unscaled: 99_994, scale: 2)
    let outcome = try await driver.commitEpoch([
      Make.text(["äöü", "abcd", "a\0b", "ab   ", "x", "x", "x", "x"]),
      Make.whole([1, 1, 1, 1, 1 << 31, 1, 1, 1]),
      Make.whole([0, 0, 0, 0, 0, .max, 0, 0], .timestamptz),
      Column(
        .numeric,
        .numeric([good, good, good, good, good, good, Numeric(unscaled: 99_995, scale: 2), good])),
      Make.whole([0, 0, 0, 0, 0, 0, 0, nil], .date)
    ])
    #expect(outcome.rowsApplied == 2)
    #expect(driver.rejections.map(\.row) == [1, 2, 4, 5, 6, 7])
    #expect(
      driver.rejections.map(\.message) == [
        "column 'v' takes at most 3 characters, and the value has 4",
        "column 'v' has a zero byte in its text, which PostgreSQL cannot store",
        "column 'i' takes integer, and 2147483648 is outside its range",
        "column 't' takes timestamp (4713 BC to 294276 AD), and 9223372036854775807 is outside its range",
        "column 'n' takes numeric(4,1), and the value has too many digits",
        "column 'd' is NULL, and the target does not allow that"
      ])
    #expect(
      try server.run(sql: "SELECT * FROM narrow ORDER BY v DESC") == [
        ["äöü", "1", "1970-01-01 00:00:00", "999.9", "1970-01-01"],
        ["ab ", "1", "1970-01-01 00:00:00", "999.9", "1970-01-01"]
      ])
    await driver.close()
  }

  @Test("says at the claim what is wrong with the target")
  func claims() async throws {
    let server = try SharedServer.server
    try server.run(
      sql: """
        CREATE TABLE odd (k text, n point, extra int NOT NULL); CREATE TABLE odd2 (k text);
        CREATE TABLE odd3 (k text, n bigint, extra int NOT NULL); CREATE VIEW odd4 AS SELECT 1 AS k
        """)
    let cases: [(String, [String: String], [String])] = [
      ("odd", [:], ["column 'n' of table \"odd\" is point, declared here as bigint"]),
      ("odd2", [:], ["table \"odd2\" has no column 'n'", "it has: k"]),
      ("odd3", ["mode": "append"], ["column 'extra'", "NOT NULL without a default"]),
      ("odd4", [:], ["\"odd4\" is not a table"]),
      ("missing", ["create_table": "false"], ["table \"missing\" does not exist"]),
      ("s1", ["url": "postgresql://weir:s3cret@127.0.0.1:1/x"], ["127.0.0.1"]),
      ("s2", ["url": "weir:s3cret"], ["expected postgresql://"])
    ]
    for (name, options, texts) in cases {
      let table = Make.table(name, Self.columns, key: ["k"], options: options.merging(["connector": "postgres"]) { $1 })
      let driver = try SinkDriver(table, job: "claims", url: server.url)
      let error = await #expect(throws: SinkError.self) { try await driver.claim() }
      for text in texts { #expect(error?.message.contains(text) == true, "\(error?.message ?? "")") }
      #expect(error?.message.contains("s3cret") == false)
      #expect(error?.severity == (name == "s1" ? .transient : .fatal))
      await driver.close()
    }
    try server.run(sql: "DROP TABLE odd3; CREATE TABLE odd3 (k text, n bigint)")
    let table = Make.table("odd3", Self.columns, key: ["k"], options: ["connector": "postgres"])
    let driver = try SinkDriver(table, job: "claims", url: server.url)
    let error = await #expect(throws: SinkError.self) { try await driver.claim() }
    #expect(error?.message.contains("needs a primary key or a unique index on exactly (k)") == true)
    await driver.close()
  }
}
