import Actors
import Checkpointing
import Columnar
import Logging
import Runtime
import SQL
import SimulationKit
import Sinks

/// A job in small: it counts, keeps state and pending commits in a checkpoint store, and writes what it counted into a
/// file sink, all on one simulated disk, over as many processes as it takes.
final class DiskJob {
  /// What must not be, and is.
  struct Violation: Error, CustomStringConvertible {
    let description: String
  }

  private static let table = TableDefinition(
    name: "out", columns: [ColumnDefinition(field: Field("a", .bigint, isNullable: false), declaredType: "bigint")],
    primaryKey: [],
    options: TableOptions([
      "connector": .init(value: "file", location: SourceLocation(line: 1, column: 1)),
      "path": .init(value: "/data/out", location: SourceLocation(line: 1, column: 1))
    ]), location: SourceLocation(line: 1, column: 1))
  private static let partition = PartitionID(source: "numbers", name: "0")

  let world: SimulatedWorld
  let disk: SimulatedDisk
  /// How many rows go into an epoch; by turns.
  let epochs: [Int64]
  /// The steps that processes have taken.
  private(set) var steps = 0
  /// Whether faults break what the store relies on: then it may refuse to go on, or fall back, but not go wrong.
  private let isDishonest: Bool
  /// Whether the power goes as soon as some process has found out what it restores from.
  var losesPowerAfterRestore = false
  private var crashStep = Int.max
  private var random: SeededGenerator
  /// The newest checkpoint that was said to be stored, or was restored from: nothing older may come back.
  private var acknowledged = CheckpointID(0)
  private var begun = CheckpointID(0)
  private var lastAttempt: UInt64 = 0
  private(set) var hasRefused = false

  init(seed: UInt64, faults: [Fault: Double] = [:], epochs: [Int64] = [3, 7000]) {
    world = SimulatedWorld(seed: seed, faults: FaultPlan(strengths: faults))
    disk = SimulatedDisk(in: world)
    self.epochs = epochs
    random = SeededGenerator(seed: seed).branch("job")
    isDishonest = faults.keys.contains { $0.breaksAssumption }
    disk.onStep = { [unowned self] process in
      steps += 1
      if steps == crashStep { process.die() }
    }
  }

  /// Runs processes, one after the other, until one of them has made `count` checkpoints.
  /// - Parameter crashes: after how many steps, each counted from the one before, a process dies.
  func run(checkpoints count: Int, crashes: [Int] = []) async throws {
    var crashes = crashes[...]
    for start in 0... {
      if hasRefused { return }
      if start > 100 { world.isCalm = true }
      crashStep = crashes.popFirst().map { steps + $0 } ?? .max
      let process = SimulatedProcess(in: world)
      do {
        try await live(process, checkpoints: count)
        process.die()
        return
      } catch let violation as Violation {
        throw violation
      } catch {
        if !process.isDead { try checkRefusal(error) }
        process.die()
      }
      letTimePass()
    }
  }

  /// Long enough for a full disk to have room again.
  private func letTimePass() {
    var hasPassed = false
    world.after(4_000_000_000) { hasPassed = true }
    world.run(until: .max) { hasPassed }
  }

  /// Only faults of the disk may make a living process fail.
  private func checkRefusal(_ error: any Error) throws {
    let isFatal: Bool
    switch error {
    case let error as SinkError: isFatal = error.severity == .fatal
    case is PositionConflict: isFatal = true
    case let error as SnapshotStoreError: isFatal = error.code == .corrupt
    default: throw Violation(description: "an error of another kind: \(error)")
    }
    if isFatal {
      guard isDishonest else { throw Violation(description: "the job cannot go on: \(error)") }
      hasRefused = true
    } else if world.injected.isEmpty {
      throw Violation(description: "nothing went wrong, and: \(error)")
    }
  }

  private func live(_ process: SimulatedProcess, checkpoints count: Int) async throws {
    let files = disk.fileSystem(of: process)
    let store = try LocalSnapshotStore(
      directory: "/data/checkpoints", job: "j", random: SeededRandom(seed: 1), fileSystem: files)
    defer { store.close() }
    guard store.owner.attempt > lastAttempt || isDishonest else {
      throw Violation(description: "attempt \(store.owner.attempt) is used twice")
    }
    lastAttempt = store.owner.attempt
    let connector = try SinkConnectors.make(
      Self.table, job: "j", defaults: SinkDefaults(checkpointDirectory: "/data/checkpoints", fileSystem: files),
      logger: Logger(label: "disk"))
    do {
      // An engine that has failed once may try again with the same store.
      for _ in 0..<3 {
        do {
          try await work(process, store, connector, checkpoints: count)
          break
        } catch let error as SnapshotStoreError where error.code != .corrupt && !process.isDead {
          letTimePass()
        }
      }
    } catch {
      await connector.close()
      throw error
    }
    await connector.close()
  }

  private func work(
    _ process: SimulatedProcess, _ store: LocalSnapshotStore, _ connector: any SinkConnector, checkpoints count: Int
  ) async throws {
    let restored = try restore(store)
    if losesPowerAfterRestore, restored != nil {
      losesPowerAfterRestore = false
      disk.diesAlone = 0
      process.die()
    }
    var newest = restored?.checkpoint ?? CheckpointID(0)
    var offset = restored?.partitions.first?.nextOffset ?? 0
    _ = try await connector.claim(owner: store.owner, newest: newest)
    for pending in restored?.pendingCommits ?? [] {
      _ = try await connector.commit(pending, owner: store.owner, files: store.pendingFiles)
    }
    let writer = try connector.makeWriter(files: store.pendingFiles)
    defer { writer.close() }
    for _ in 0..<count {
      let next = CheckpointID(max(store.highestCheckpoint.number, newest.number) + 1)
      let end = offset + epochs[Int.random(in: 0..<epochs.count, using: &random)]
      let column = Column(.bigint, .int64(Array(offset..<end)))
      _ = try writer.write(Batch(schema: Self.table.schema, columns: [column], count: Int(end - offset)))
      let sealed = try await writer.seal(next)
      var sources = SourcePositions()
      sources[Self.partition] = end
      let pending = PendingCommit(
        sink: "out", checkpoint: next, from: newest, sources: sources, rows: sealed.rows, payload: sealed.payload,
        files: sealed.files)
      try self.store(next, at: end, pending, in: store)
      _ = try await connector.commit(pending, owner: store.owner, files: store.pendingFiles)
      try store.delete(through: newest)
      (newest, offset) = (next, end)
    }
  }

  private func store(
    _ checkpoint: CheckpointID, at offset: Int64, _ pending: PendingCommit, in store: LocalSnapshotStore
  ) throws {
    let states = try [0..<64, 64..<128].map {
      try store.storeState(Self.state(offset), operator: "sums/0", keyGroups: $0, checkpoint: checkpoint)
    }
    begun = max(begun, checkpoint)
    _ = try store.storeManifest(
      Manifest(
        job: "j", owner: store.owner, checkpoint: checkpoint, createdMicroseconds: 1,
        partitions: [PartitionState(partition: Self.partition, nextOffset: offset)],
        operators: ["sums/0": OperatorState(files: states, watermark: nil)], pendingCommits: [pending],
        stateSignature: [:], keyGroupCount: 128, parallelism: 2))
    acknowledged = checkpoint
  }

  private static func state(_ offset: Int64) -> [UInt8] {
    var random = SeededGenerator(seed: UInt64(offset))
    return (0..<300).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  private func restore(_ store: LocalSnapshotStore) throws -> Manifest? {
    switch RecoveryDecision.decide(try store.checkpoints()) {
    case .fresh:
      guard acknowledged.number == 0 || isDishonest else {
        throw Violation(description: "checkpoint \(acknowledged) is gone, and no other is there")
      }
      return nil
    case .impossible(let rejected):
      guard isDishonest else { throw Violation(description: "no checkpoint holds: \(rejected)") }
      throw SnapshotStoreError(.corrupt, path: "", message: "no checkpoint holds")
    case .restore(let manifest, let rejected):
      guard (acknowledged...max(acknowledged, begun)).contains(manifest.checkpoint) || isDishonest else {
        throw Violation(description: "checkpoint \(manifest.checkpoint) came back after \(acknowledged)")
      }
      guard rejected.isEmpty || isDishonest else { throw Violation(description: "damaged: \(rejected)") }
      for file in manifest.stateFiles {
        guard try store.loadState(file) == Self.state(manifest.partitions[0].nextOffset) else {
          throw Violation(description: "the state of checkpoint \(manifest.checkpoint) is not what was stored")
        }
      }
      acknowledged = manifest.checkpoint
      return manifest
    }
  }

  /// Checks that the sink holds each number once, in order, and that removed files do not pile up.
  func checkOutput() throws {
    let parts = disk.files(below: "/data/out").filter { !$0.key.contains("/_weir/") }.sorted { $0.key < $1.key }
    let found = parts.reduce(into: [UInt8]()) { $0 += $1.value }
    var expected: [UInt8] = []
    var number = 0
    while expected.count < found.count {
      expected += Array("{\"a\":\(number)}\n".utf8)
      number += 1
    }
    guard !found.isEmpty, found == expected else {
      let place = zip(found, expected).prefix { $0 == $1 }.count
      throw Violation(
        description: "the sink's rows differ from byte \(place): \(parts.map { ($0.key, $0.value.count) })")
    }
    let pending = disk.files(below: "/data/checkpoints/j/pending").keys.sorted()
    guard pending.count <= 3 else { throw Violation(description: "files are left over: \(pending)") }
  }
}
