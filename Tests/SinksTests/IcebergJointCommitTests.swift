import Actors
import Checkpointing
import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Logging
import SQL
import Sinks
import Synchronization
import TestSupport
import TestTraits
import Testing

@Suite("several Iceberg sinks of one job, in one commit", .fewAtOnce)
struct IcebergJointCommitTests {
  /// What stands between the sinks and the tables.
  enum Place: String, CaseIterable {
    case sql, rest
  }

  @Test(
    "whatever requests and answers are lost and whoever dies, a reader sees a checkpoint in both tables or in neither",
    arguments: Place.allCases, [1, 2, 3, 4] as [UInt64])
  func atomic(place: Place, seed: UInt64) async throws {
    let pair = try await SinkPair(place, seed: seed)
    pair.faults.probability = 0.25
    let reader = ReaderOfPairs(try pair.catalog())
    async let torn = reader.watch()
    // Also when a life fails: the reader is waited for, and looks until it is told to stop.
    defer { reader.stop() }
    var numbers = SeededNumbers(seed: seed)
    for _ in 0..<5 {
      // Each life ends somewhere, with commits that are not done.
      try await pair.live(epochs: 4, dyingAfter: Int.random(in: 1...6, using: &numbers))
    }
    pair.faults.probability = 0
    try await pair.live(epochs: 2, dyingAfter: nil)
    reader.stop()
    let states = try await torn
    #expect(states == [], "seed \(seed)")
    #expect(reader.looks > 10)
    let expected = (0..<pair.offset).map { "\($0)" }.sorted()
    for table in ["ns.a", "ns.b"] { #expect(try await pair.ids(table) == expected, "seed \(seed)") }
  }

  @Test("a sink whose own table is the reason is named, nothing is applied, and the other one commits without it")
  func blame() async throws {
    let pair = try await SinkPair(.sql, seed: 1)
    let sick = FaultyStore(LocalFileStore(), seed: 1)
    let runs = try await pair.start(storeOfSecond: sick)
    for run in runs { try run.write(pair.rows(0..<10)) }
    for run in runs { try await run.seal() }
    sick.die(atCall: sick.calls + 1)
    let error = await #expect(throws: SinkError.self) { try await pair.commitTogether(runs) }
    #expect(error?.sink == "b" && error?.severity == .transient)
    #expect(try await pair.ids("ns.a").isEmpty)
    #expect(try await runs[0].commit().rowsApplied == 10)
    sick.die(atCall: nil)
    #expect(try await pair.commitTogether(runs).map(\.rowsApplied) == [0, 10])
    for run in runs { await run.close() }
  }

  @Test("two sinks into one table make two snapshots in one commit, and what one has already is not repeated")
  func oneTable() async throws {
    let pair = try await SinkPair(.sql, seed: 1, tables: ["ns.t", "ns.t"])
    let runs = try await pair.start()
    try runs[0].write(pair.rows(0..<10))
    try runs[1].write(pair.rows(10..<20))
    for run in runs { try await run.seal() }
    let groups = pair.worlds.map(\.pending)
    #expect(try await pair.commitTogether(runs).map(\.rowsApplied) == [10, 10])
    #expect(try await pair.ids("ns.t").count == 20)
    let parts = zip(runs, groups).map { SinkCommits(connector: $0.connector, pending: $1) }
    let again = try await runs[0].connector.commit(together: parts, owner: runs[0].owner, files: pair.worlds[0].files)
    #expect(again.allSatisfy { $0.rowsApplied == 0 && $0.wasSkipped })
    #expect(try await pair.ids("ns.t").count == 20)
    for run in runs { await run.close() }
  }

  @Test("a catalog of files, and a server without transactions, ask for separate commits")
  func separate() async throws {
    let world = try IcebergWorld(SinkPair.table("a", "ns.a"))
    let run = try await world.start()
    #expect(run.connector.commitGroup == nil)
    let parts = [SinkCommits(connector: run.connector, pending: []), .init(connector: run.connector, pending: [])]
    await #expect(throws: SeparateCommits.self) {
      _ = try await run.connector.commit(together: parts, owner: run.owner, files: world.files)
    }
    await run.close()
  }

  @Test("an heir's claim fences the joint commits of the one before")
  func zombie() async throws {
    let pair = try await SinkPair(.rest, seed: 1)
    let zombies = try await pair.start()
    for run in zombies { try run.write(pair.rows(0..<10)) }
    for run in zombies { try await run.seal() }
    let groups = pair.worlds.map(\.pending)
    let heirs = try await pair.start()
    #expect(try await pair.commitTogether(heirs).map(\.rowsApplied) == [10, 10])
    for run in heirs { try run.write(pair.rows(10..<20)) }
    for run in heirs { try await run.seal() }
    _ = try await pair.commitTogether(heirs)
    let parts = zip(zombies, groups).map { SinkCommits(connector: $0.connector, pending: $1) }
    await #expect(throws: PositionConflict.self) {
      _ = try await zombies[0].connector.commit(
        together: parts, owner: zombies[0].owner, files: pair.worlds[0].files)
    }
    #expect(try await pair.ids("ns.a").count == 20)
    for run in zombies + heirs { await run.close() }
  }
}

/// Two sinks of one job, and the catalog in PostgreSQL that both write to, directly or through a REST service.
private final class SinkPair {
  let worlds: [IcebergWorld]
  let faults = LossyCatalog.Faults()
  let place: IcebergJointCommitTests.Place
  let url: String
  let warehouse: String
  private var seed: UInt64

  init(_ place: IcebergJointCommitTests.Place, seed: UInt64, tables: [String] = ["ns.a", "ns.b"]) async throws {
    self.place = place
    self.seed = seed * 1000
    worlds = [try IcebergWorld(Self.table("a", tables[0])), try IcebergWorld(Self.table("b", tables[1]))]
    warehouse = worlds[0].directory
    let name = "joint_\(UUID().uuidString.lowercased().filter { $0 != "-" })"
    let server = try SharedServer.server
    try server.run(sql: "CREATE DATABASE \(name)")
    url = "postgresql://\(server.user)@127.0.0.1:\(server.port)/\(name)"
  }

  static func table(_ sink: String, _ table: String) -> TableDefinition {
    Make.table(
      sink, [("id", .bigint), ("name", .text)], options: ["connector": "iceberg", "table": table])
  }

  func rows(_ range: Range<Int64>) -> [Column] { [Make.whole(Array(range)), Make.text(range.map { "n\($0)" })] }

  var offset: Int64 { worlds[0].offset }

  /// The catalog as it is.
  func catalog(_ store: any ObjectStore = LocalFileStore()) throws -> SQLCatalog {
    try SQLCatalog(
      SQLCatalog.Configuration(name: "prod", url: url, warehouse: warehouse), store: store,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, environment: IcebergWorld.environment)
  }

  /// The catalog as a sink meets it.
  private func faulty(_ store: any ObjectStore) async throws -> any Catalog {
    seed += 1
    let base = try catalog(store)
    if place == .sql { return LossyCatalog(base, seed: seed, faults) }
    let service = RESTCatalogService(
      catalog: base, store: store, options: RESTCatalogOptions(warehouse: warehouse),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return try await RESTCatalog.connect(
      name: "served", properties: ["uri": "http://served"],
      transport: FaultyTransport(ServiceTransport(service), seed: seed, probability: faults.probability),
      environment: .withoutWaiting(seed: seed)
    ) { (_: [String: String]) throws(IcebergError) in store }
  }

  func start(storeOfSecond: any ObjectStore = LocalFileStore()) async throws -> [IcebergRun] {
    // All sinks of a job have one owner: a claim that is tried again does not make it another.
    let former = max(worlds[0].attempt, worlds[1].attempt)
    var runs: [IcebergRun] = []
    for (world, store) in zip(worlds, [LocalFileStore(), storeOfSecond] as [any ObjectStore]) {
      runs.append(
        try await patiently {
          world.attempt = former
          return try await world.start(catalog: self.faulty(store))
        })
    }
    return runs
  }

  /// As the engine does while a catalog cannot be reached.
  private func patiently<Value>(_ body: () async throws -> Value) async throws -> Value {
    for _ in 0..<100 {
      do { return try await body() } catch {
        let isTransient = (error as? SinkError)?.severity == .transient || (error as? IcebergError)?.kind == .transient
        guard isTransient else { throw error }
      }
    }
    return try await body()
  }

  /// What the committer of a group does once.
  @discardableResult
  func commitTogether(_ runs: [IcebergRun]) async throws -> [Actors.CommitOutcome] {
    let parts = zip(runs, worlds).map { SinkCommits(connector: $0.connector, pending: $1.pending) }
    let outcomes = try await runs[0].connector.commit(together: parts, owner: runs[0].owner, files: worlds[0].files)
    for (world, part) in zip(worlds, parts) { world.committed(part.pending) }
    return outcomes
  }

  /// One life of the job: what was left is committed, then each epoch; it ends when attempt `dyingAfter` fails, or one
  /// after that.
  func live(epochs: Int, dyingAfter: Int?) async throws {
    let runs = try await start()
    var attempts = 0
    /// Whether it lives on.
    func commit() async throws -> Bool {
      while worlds.contains(where: { !$0.pending.isEmpty }) {
        attempts += 1
        do {
          try await commitTogether(runs)
        } catch let error as SinkError {
          guard error.severity == .transient else { throw error }
          #expect(["a", "b"].contains(error.sink), "\(error)")
          if let dyingAfter, attempts >= dyingAfter { return false }
        }
      }
      return true
    }
    var isAlive = try await commit()
    for _ in 0..<epochs where isAlive {
      for run in runs { try run.write(rows(run.offset..<run.offset + 5)) }
      for run in runs { try await run.seal() }
      isAlive = try await commit()
    }
    for run in runs { await run.close() }
  }

  /// The rows of a table, as a client of the catalog reads them.
  func ids(_ name: String) async throws -> [String] {
    let levels = name.split(separator: ".").map(String.init)
    let table = try await Table(TableIdentifier(Namespace([levels[0]]), levels[1]), in: try catalog())
    return try await IcebergWorld.rows(of: table, columns: ["id"])
  }
}

/// Looks at both tables again and again.
private final class ReaderOfPairs: Sendable {
  private let catalog: SQLCatalog
  private let state = Mutex((isStopped: false, looks: 0))

  init(_ catalog: SQLCatalog) { self.catalog = catalog }

  func stop() { state.withLock { $0.isStopped = true } }
  var looks: Int { state.withLock { $0.looks } }

  /// The states in which one table had a checkpoint that the other one had not.
  func watch() async throws -> [String] {
    var torn: [String] = []
    while !state.withLock({ $0.isStopped }) {
      // What was read of the first table held all the time while the second one was read.
      guard let first = try await checkpoint("a"), let second = try await checkpoint("b"),
        let again = try await checkpoint("a")
      else { continue }
      state.withLock { $0.looks += 1 }
      if first == again, first != second { torn.append("a has \(first), b has \(second)") }
    }
    await catalog.close()
    return torn
  }

  private func checkpoint(_ name: String) async throws -> String? {
    do throws(IcebergError) {
      let metadata = try await catalog.loadTable(TableIdentifier(Namespace(["ns"]), name)).metadata
      return metadata.head(of: "main")?.summary["weir.checkpoint"] ?? "none"
    } catch {
      // Not made yet, or its metadata file has just been replaced and removed.
      if error.kind == .notFound || error.kind == .transient { return nil }
      throw error
    }
  }
}
