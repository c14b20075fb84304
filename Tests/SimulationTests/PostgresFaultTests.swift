import Actors
import Checkpointing
import Columnar
import Logging
import PostgresClient
import Runtime
import SQL
import SimulationKit
import Sinks
import Testing

@Suite("The PostgreSQL sink in a simulated world")
struct PostgresFaultTests {
  @Test("whatever breaks, the table holds what one run without faults leaves, and every refused row is kept once")
  func exactlyOnce() throws {
    var struck: [Fault: Int] = [:]
    let seeds = UInt64(0)..<UInt64(400)
    for seed in seeds {
      let run = SinkRun(seed: seed)
      #expect(run.violation() == nil, "seed \(seed)")
      struck.merge(run.world.injected, uniquingKeysWith: +)
    }
    // A fault that never strikes proves nothing.
    for fault in SinkRun.faults { #expect(struck[fault, default: 0] > seeds.count / 50, "\(fault)") }
  }

  @Test("equal seeds have equal traces")
  func reproducible() {
    for seed in UInt64(0)..<20 {
      let digests = (0..<2).map { _ in
        let run = SinkRun(seed: seed, traceLines: 100_000)
        _ = run.violation()
        return run.world.record.digest
      }
      #expect(digests[0] == digests[1], "seed \(seed)")
    }
  }
}

/// A job of one sink: epochs of random upserts, crashes, successors, until all epochs are committed.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
private final class SinkRun: @unchecked Sendable {
  static let faults: [Fault] = [
    .crash, .takeover, .postgresDisconnect, .postgresLostCommit, .postgresSerialization, .postgresRestart, .slow
  ]
  struct Row {
    var key: String
    var number: Int64
    var isDeletion: Bool
  }

  let world: SimulatedWorld
  private let server: SimulatedPostgres
  private var random: SeededGenerator
  private let epochs: Int
  private let isUpsert: Bool
  /// The manifest: what was sealed is committed sooner or later.
  private var durable: [PendingCommit] = []
  private var sealed: [[Row]] = []
  private var processes: [SimulatedProcess] = []
  private var outcome: Result<Void, any Error>?
  private let traceLines: Int

  init(seed: UInt64, traceLines: Int = 0, replaying durable: [PendingCommit]? = nil, isUpsert: Bool? = nil) {
    var root = SeededGenerator(seed: seed)
    random = root.branch("workload")
    self.traceLines = traceLines
    var plan = FaultPlan.none
    for fault in Self.faults where durable == nil && root.chance(0.6) {
      let factor: Double = fault == .crash ? 8 : fault == .takeover ? 5 : 1
      plan.strengths[fault] = factor * [0.3, 1, 3][Int.random(in: 0..<3, using: &root)]
    }
    world = SimulatedWorld(seed: seed, faults: plan, trace: SimulationTrace(keeping: traceLines))
    server = SimulatedPostgres(in: world)
    self.isUpsert = isUpsert ?? root.chance(0.7)
    self.durable = durable ?? []
    epochs = durable?.count ?? Int.random(in: 2...8, using: &root)
    let columns = [("k", "text"), ("n", "bigint")].compactMap { name, type in
      PostgresType(type).map { PostgresColumnDefinition(name, $0) }
    }
    server.create(
      PostgresTableDefinition(
        "t", columns: columns, primaryKey: self.isUpsert ? ["k"] : [],
        checks: [.init("bad") { row in if case .int64(let n) = row[1] { n % 7 != 3 } else { true } }]))
  }

  // MARK: The driver

  /// Runs to the end; what must not happen and did.
  func violation() -> String? {
    startProcess()
    var isCalmDue = false
    world.after(120_000_000_000) { isCalmDue = true }
    while world.violation == nil {
      if isCalmDue { world.isCalm = true }
      let isTakenOver = world.strikes(.takeover, "driver")
      var isDue = false
      world.after(10_000_000) { isDue = true }
      world.run(until: 3_600_000_000_000) { isDue || outcome != nil || processes.last?.isDead == true }
      if world.now > 3_600_000_000_000 { world.violate("no progress") }
      if case .success? = outcome { break }
      if isDue && !isTakenOver { continue }
      processes.last?.hasDisk = false
      startProcess()
    }
    for process in processes { process.kill() }
    server.finishAbandoned()
    if world.violation == nil { check() }
    return world.violation
  }

  private func startProcess() {
    let process = SimulatedProcess(in: world)
    processes.append(process)
    outcome = nil
    world.trace("process \(process.number) starts")
    process.start { [self] in
      try await work(process)
    } ended: { [self] result in
      if case .failure(let error) = result { judge(error, process) }
      if processes.last === process { outcome = result }
    }
  }

  private func judge(_ error: any Error, _ process: SimulatedProcess) {
    guard !process.isDead else { return }
    world.trace("process \(process.number) ended: \(error)")
    switch error {
    case is PositionConflict where processes.last !== process, is ProcessDied: break
    case let error as SinkError where error.severity == .transient && !world.isCalm: break
    default: world.violate("process \(process.number) gave up: \(error)")
    }
  }

  // MARK: A process

  private var table: TableDefinition {
    let location = SourceLocation(line: 1, column: 1)
    let options = ["connector": "postgres", "url": "postgresql://weir@simulated"]
    return TableDefinition(
      name: "t",
      columns: [
        ColumnDefinition(field: Field("k", .text, isNullable: !isUpsert), declaredType: "text"),
        ColumnDefinition(field: Field("n", .bigint), declaredType: "bigint")
      ], primaryKey: isUpsert ? ["k"] : [],
      options: TableOptions(options.mapValues { .init(value: $0, location: location) }), location: location)
  }

  private func work(_ process: SimulatedProcess) async throws {
    var defaults = SinkDefaults(checkpointDirectory: "/nonexistent")
    defaults.openPostgresSession = server.opener(for: process)
    let connector = try SinkConnectors.make(
      table, job: "j", defaults: defaults, logger: Logger(label: "trial") { _ in SwiftLogNoOpLogHandler() })
    do { try await deliver(process, connector) } catch {
      await connector.close()
      throw error
    }
    await connector.close()
  }

  private func deliver(_ process: SimulatedProcess, _ connector: any SinkConnector) async throws {
    let owner = JobOwner(lineage: "L", attempt: UInt64(process.number))
    // As a restore does: what the manifest holds when the process starts is its history.
    var history = durable
    var reached = try await patiently(process) {
      try await connector.claim(owner: owner, newest: CheckpointID(UInt64(history.count)))
    }
    let writer = try connector.makeWriter(files: NoFiles())
    while true {
      while Int(reached.number) < history.count {
        let pending = history[Int(reached.number)]
        _ = try await patiently(process) { try await connector.commit(pending, owner: owner, files: NoFiles()) }
        reached = pending.checkpoint
      }
      guard history.count < epochs else { return }
      let rows = try write(writer)
      try await world.latency(process, "seal")
      let checkpoint = CheckpointID(UInt64(history.count + 1))
      let epoch = try await writer.seal(checkpoint)
      try world.crashPoint(process, "manifest")
      guard process.hasDisk else { throw PositionConflict(sink: "volume", expected: nil, found: nil) }
      durable.append(
        PendingCommit(
          sink: "t", checkpoint: checkpoint, from: CheckpointID(UInt64(history.count)),
          sources: SourcePositions(["s": ["p": Int64(checkpoint.number)]]), rows: epoch.rows, payload: epoch.payload,
          files: []))
      sealed.append(rows)
      history = durable
    }
  }

  /// As a committer does: again while the failure is transient.
  private func patiently<Value: Sendable>(
    _ process: SimulatedProcess, _ body: () async throws -> Value
  ) async throws -> Value {
    var attempts = 0
    while true {
      do { return try await body() } catch let error as SinkError where error.severity == .transient {
        attempts += 1
        guard attempts < 100 else { throw error }
      }
      try await process.clock.sleep(for: 20_000_000)
    }
  }

  private func write(_ writer: any SinkWriter) throws -> [Row] {
    let count = Int.random(in: 0...12, using: &random)
    let rows = (0..<count).map { _ in
      Row(
        key: "k\(Int.random(in: 0..<6, using: &random))", number: Int64.random(in: 0..<40, using: &random),
        isDeletion: isUpsert && random.chance(0.2))
    }
    guard count > 0 else { return [] }
    var keys = ByteValues()
    for row in rows { keys.append(contentsOf: row.key.utf8) }
    let batch = Batch(
      schema: table.schema, columns: [Column(.text, .bytes(keys)), Column(.bigint, .int64(rows.map(\.number)))],
      count: count, rowKinds: isUpsert ? rows.map { $0.isDeletion ? .delete : .insert } : nil)
    guard try writer.write(batch).isEmpty else {
      world.violate("a row was refused by the encoder")
      return []
    }
    return rows
  }

  // MARK: What must hold

  private func check() {
    var expected: [String] = []
    var merged: [String: Int64] = [:]
    for row in sealed.joined() {
      if row.isDeletion {
        merged[row.key] = nil
      } else if row.number % 7 != 3 {
        merged[row.key] = row.number
        expected.append("\(row.key) \(row.number)")
      }
    }
    if isUpsert { expected = merged.map { "\($0.key) \($0.value)" } }
    let found = lines("t", schema: "public", columns: 2)
    if found != expected.sorted() { world.violate("expected \(expected.sorted()), found \(found)") }
    if server.position(job: "j", sink: "t")?.checkpoint.number != UInt64(epochs) { world.violate("position") }
    guard !durable.isEmpty, !world.faults.strengths.isEmpty else { return }
    let plain = SinkRun(seed: 0, replaying: durable, isUpsert: isUpsert)
    plain.sealed = sealed
    if let violation = plain.violation() { world.violate("without faults: \(violation)") }
    let kept = lines("rejected", schema: "weir", columns: 5)
    let plainKept = plain.lines("rejected", schema: "weir", columns: 5)
    if kept != plainKept { world.violate("kept \(kept), without faults \(plainKept)") }
  }

  private func lines(_ name: String, schema: String, columns: Int) -> [String] {
    (server.rows(of: name, schema: schema) ?? []).map { row in
      row.prefix(columns).map { $0 ?? "NULL" }.joined(separator: " ")
    }.sorted()
  }
}
