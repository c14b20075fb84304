import Actors
import Checkpointing
import Columnar
import Iceberg
import Runtime
import SQL
import SimulationKit
import Sinks
import TestTraits
import Testing

@Suite("Simulated Iceberg tables", .fewAtOnce)
struct IcebergPeerTests {
  private static let name = "lake.out"

  private static func table() -> TableDefinition {
    SinkLife.table(connector: "iceberg", options: ["table": name])
  }

  private static func world(_ seed: UInt64) -> SimulatedWorld {
    SimulatedWorld(seed: seed, faults: FaultPlan(strengths: [:]), trace: SimulationTrace())
  }

  /// The ids of rows, sorted.
  private static func ids(_ rows: [[Value]]) -> [Int64] {
    rows.compactMap { if case .int64(let id) = $0[0] { id } else { nil } }.sorted()
  }

  @Test(
    "the real sink commits through them, all of its input and output inside",
    arguments: IcebergPeer.CatalogKind.allCases)
  func sink(kind: IcebergPeer.CatalogKind) throws {
    let world = Self.world(1)
    let peer = try IcebergPeer(world, catalog: kind)
    let life = SinkLife(Self.table())
    let rows = try Simulated.run(world) { process in
      let connector = try peer.connector(life.table, job: "job", process: process)
      try await life.live(connector, checkpoints: 20)
      await connector.close()
      #expect(try await peer.orphans(Self.name).isEmpty)
      #expect(try await peer.missing(Self.name).isEmpty)
      return try #require(try await peer.rows(Self.name))
    }
    #expect(rows.columns == ["id", "name"])
    #expect(Self.ids(rows.own) == Array(0..<100))
    #expect(rows.foreign.isEmpty)
    #expect(peer.store.locations.filter { $0.hasSuffix(".parquet") }.count == 20)
  }

  @Test(
    "a zombie that commits late, or claims again, meets a conflict",
    arguments: IcebergPeer.CatalogKind.allCases)
  func zombie(kind: IcebergPeer.CatalogKind) throws {
    let world = Self.world(9)
    let peer = try IcebergPeer(world, catalog: kind)
    let life = SinkLife(Self.table())
    try Simulated.run(world) { process in
      let old = try peer.connector(life.table, job: "job", process: process)
      try await life.live(old, checkpoints: 3)
      let owner = JobOwner(lineage: "L", attempt: 1)
      // The old process has sealed an epoch, and sleeps.
      let writer = try old.makeWriter(files: NoPendingFiles())
      _ = try writer.write(life.batch(15..<19))
      let epoch = try await writer.seal(CheckpointID(4))
      let stale = PendingCommit(
        sink: "out", checkpoint: CheckpointID(4), from: CheckpointID(3),
        sources: SourcePositions(["events": ["0": 19]]), rows: epoch.rows, payload: epoch.payload, files: epoch.files)
      let successor = SimulatedProcess(in: world)
      let new = try peer.connector(life.table, job: "job", process: successor)
      try await life.live(new, checkpoints: 5)
      await #expect(throws: PositionConflict.self) {
        try await old.commit([stale], owner: owner, files: NoPendingFiles())
      }
      await #expect(throws: PositionConflict.self) {
        try await old.claim(owner: owner, newest: CheckpointID(3), committed: CheckpointID(3))
      }
      let rows = try #require(try await peer.rows(Self.name))
      #expect(Self.ids(rows.own) == Array(0..<25))
    }
  }

  @Test("what the checker calls an orphan is removed by maintenance, and nothing else")
  func orphans() throws {
    let world = Self.world(4)
    let peer = try IcebergPeer(world, catalog: .filesystem)
    let life = SinkLife(Self.table())
    try Simulated.run(world) { process in
      try await life.live(try peer.connector(life.table, job: "job", process: process), checkpoints: 4)
      let stray = "\(IcebergPeer.warehouse)/lake/out/data/stray.parquet"
      _ = try await peer.store.calmView().write(stray, [1], ifAbsent: false)
      #expect(try await peer.orphans(Self.name) == [stray])
      var report = await peer.maintain(Self.name, process: process) { [] }
      #expect(report.orphans.isEmpty, "it is younger than the grace")
      try await process.clock.sleep(for: 700_000_000_000)
      report = await peer.maintain(Self.name, process: process) { [stray] }
      #expect(try await peer.orphans(Self.name) == [stray], "it is protected")
      report = await peer.maintain(Self.name, process: process) { [] }
      #expect(report.problems.isEmpty)
      #expect(try await peer.orphans(Self.name).isEmpty)
      #expect(try await peer.missing(Self.name).isEmpty)
      #expect(Self.ids(try #require(try await peer.rows(Self.name)).own) == Array(0..<20))
    }
  }
}
