import Actors
import Checkpointing
import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Sinks
import TestTraits
import Testing

@Suite("the Iceberg sink, when processes die", .fewAtOnce)
struct IcebergCrashTests {
  private static func table(_ options: [String: String] = [:]) -> [String: String] {
    ["connector": "iceberg", "table": "ns.events", "catalog": "filesystem"].merging(options) { _, own in own }
  }

  private func world(_ store: any ObjectStore, _ options: [String: String] = [:]) throws -> IcebergWorld {
    try IcebergWorld(
      Make.table("sink", IcebergSinkTests.columns, options: Self.table(options)), store: store)
  }

  /// Writes what the source has up to `end`, ten rows an epoch; commits every second epoch as a group.
  private func work(_ world: IcebergWorld, to end: Int64) async throws {
    let run = try await world.start()
    if !world.pending.isEmpty { try await run.commit() }
    var epochs = 0
    while run.offset < end {
      let next = min(end, run.offset + 10)
      try run.write(IcebergSinkTests.rows(run.offset..<next))
      try await run.seal()
      epochs += 1
      if epochs % 2 == 0 { try await run.commit() }
    }
    try await run.commit()
    await run.close()
  }

  @Test("a process that dies at any call of the store loses no row and doubles none")
  func diesAnywhere() async throws {
    let faulty = FaultyStore(LocalFileStore(), seed: 1)
    let first = try world(faulty)
    try await work(first, to: 40)
    let calls = faulty.calls
    #expect(calls > 20)
    for call in stride(from: 1, through: calls, by: 1) {
      let store = FaultyStore(LocalFileStore(), seed: UInt64(call))
      let world = try world(store, ["partitioning": "bucket(2, id)"])
      store.die(atCall: call)
      do { try await work(world, to: 40) } catch {}
      store.die(atCall: nil)
      try await work(world, to: 40)
      let rows = try await world.rows("ns.events")
      #expect(rows == IcebergSinkTests.expected(0..<40), "died at call \(call)")
      if call % 40 == 0 { #expect(try await world.judge("ns.events", ["--unique-key", "id"]) == "") }
    }
  }

  @Test("lost answers, lost requests and refusals, at random, change nothing in the end", arguments: 1...12)
  func lostAnswers(seed: UInt64) async throws {
    let store = FaultyStore(
      LocalFileStore(), seed: seed, faults: .init(refused: 0.05, answerLost: 0.1, requestLost: 0.05))
    let world = try world(store)
    for _ in 0..<200 {
      do {
        try await work(world, to: 60)
        break
      } catch let error as SinkError {
        #expect(error.severity != .fatal, "seed \(seed): \(error)")
      }
    }
    #expect(try await world.rows("ns.events") == IcebergSinkTests.expected(0..<60), "seed \(seed)")
    #expect(try await world.judge("ns.events", ["--unique-key", "id"]) == "", "seed \(seed)")
  }

  @Test("a commit that was applied, and whose answer nobody heard, is not applied again by the next attempt")
  func repeated() async throws {
    let world = try world(LocalFileStore())
    let run = try await world.start()
    try run.write(IcebergSinkTests.rows(0..<10))
    try await run.seal()
    try run.write(IcebergSinkTests.rows(10..<20))
    try await run.seal()
    let group = world.pending
    #expect(try await run.commitOnly([group[0]]).rowsApplied == 10)
    #expect(try await run.commitOnly(group).rowsApplied == 10)
    #expect(try await run.commitOnly(group).wasSkipped)
    await run.close()
    let next = try await world.start()
    #expect(try await next.commitOnly(group).wasSkipped)
    #expect(try await world.rows("ns.events") == IcebergSinkTests.expected(0..<20))
    #expect(try await world.load("ns.events").metadata.snapshots.count == 2)
    await next.close()
  }

  @Test("an older attempt that is still alive is refused, and its rows do not arrive")
  func zombie() async throws {
    let world = try world(LocalFileStore())
    let zombie = try await world.start()
    try zombie.write(IcebergSinkTests.rows(0..<10))
    try await zombie.seal()
    try await zombie.commit()
    let group = try await { () async throws -> [PendingCommit] in
      try zombie.write(IcebergSinkTests.rows(10..<20))
      return [try await zombie.sealOnly()]
    }()
    let heir = try await world.start()
    await #expect(throws: PositionConflict.self) { try await zombie.commitOnly(group) }
    try heir.write(IcebergSinkTests.rows(10..<15))
    try await heir.seal()
    try await heir.commit()
    await #expect(throws: PositionConflict.self) { try await zombie.commitOnly(group) }
    #expect(try await world.rows("ns.events") == IcebergSinkTests.expected(0..<15))
    await zombie.close()
    await heir.close()
  }

  @Test("another history, a table that was restored from a backup, and one that was dropped are refused")
  func lostHistory() async throws {
    let world = try world(LocalFileStore())
    let run = try await world.start()
    try run.write(IcebergSinkTests.rows(0..<10))
    try await run.seal()
    try await run.commit()
    await run.close()
    world.lineage = "other"
    await #expect(throws: PositionConflict.self) { _ = try await world.start() }
    world.lineage = "L"
    let back = try await world.start()
    try back.write(IcebergSinkTests.rows(10..<20))
    try await back.seal()
    try await world.catalog().dropTable(TableIdentifier(Namespace(["ns"]), "events"), purge: false)
    await #expect(throws: PositionConflict.self) { try await back.commit() }
    await back.close()
    await #expect(throws: PositionConflict.self) { _ = try await world.start() }
  }

  @Test("a table that is dropped before it had rows, with rows for it under way, is a clear refusal")
  func droppedEmpty() async throws {
    let world = try world(LocalFileStore())
    let run = try await world.start()
    try run.write(IcebergSinkTests.rows(0..<10))
    try await run.seal()
    try await world.catalog().dropTable(TableIdentifier(Namespace(["ns"]), "events"), purge: true)
    let error = await #expect(throws: SinkError.self) { try await run.commit() }
    #expect(error?.severity == .fatal && error?.message.contains("dropped") == true)
    await run.close()
  }

  @Test("an epoch without rows writes nothing, and a job that idled for long goes on after a restart")
  func idle() async throws {
    let world = try world(LocalFileStore())
    let run = try await world.start()
    try run.write(IcebergSinkTests.rows(0..<10))
    try await run.seal()
    try await run.commit()
    let before = try await world.load("ns.events").loaded.metadataLocation
    for _ in 0..<5 {
      try await run.seal()
      #expect(try await run.commit().rowsApplied == 0)
    }
    #expect(try await world.load("ns.events").loaded.metadataLocation == before)
    try await run.seal()
    await run.close()
    let next = try await world.start()
    try await next.commit()
    try next.write(IcebergSinkTests.rows(10..<20))
    try await next.seal()
    try await next.commit()
    #expect(try await world.rows("ns.events") == IcebergSinkTests.expected(0..<20))
    await next.close()
  }

  @Test("a region that dies and comes back in the same process repeats only what was not sealed")
  func region() async throws {
    let world = try world(LocalFileStore(), ["partitioning": "name"])
    let run = try await world.start()
    try run.write(IcebergSinkTests.rows(0..<10))
    try await run.seal()
    try run.write(IcebergSinkTests.rows(10..<20))
    _ = try await run.sealOnly()
    try run.write(IcebergSinkTests.rows(20..<30))
    try run.restartRegion()
    #expect(run.offset == 10)
    try run.write(IcebergSinkTests.rows(10..<25))
    try await run.seal()
    #expect(try await run.commit().rowsApplied == 25)
    #expect(try await world.rows("ns.events") == IcebergSinkTests.expected(0..<25))
    await run.close()
  }
}
