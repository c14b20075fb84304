import Actors
import Checkpointing
import Columnar
import Formats
import Glibc
import Runtime
import Synchronization

/// Decides, from a seed, when a fake connector fails.
final class FaultPlan: Sendable {
  private let random: SeededRandom
  private let enabled: Bool
  private let budget: Mutex<Int>

  init(seed: UInt64, faults: Int) {
    random = SeededRandom(seed: seed)
    enabled = faults > 0
    budget = Mutex(faults)
  }

  /// Whether to fail now, with a chance of one in `odds`; never more often than the plan allows.
  func strikes(oneIn odds: UInt64) -> Bool {
    guard enabled, random.next() % odds == 0 else { return false }
    return budget.withLock { left in
      guard left > 0 else { return false }
      left -= 1
      return true
    }
  }
}

/// A bounded source of JSON records that are there from the start, and that sometimes fails.
struct FakeSource: SourceConnector {
  let name: String
  let records: [[String]]
  let faults: FaultPlan
  var discoversPartitions = false

  func partitions() async throws -> [PartitionID] {
    records.indices.map { PartitionID(source: name, name: String($0)) }
  }

  func endOffsets(_ partitions: [PartitionID]) async throws -> [PartitionID: Int64] {
    if faults.strikes(oneIn: 1) { throw SourceError(source: name, severity: .failed, message: "made to fail") }
    return Dictionary(uniqueKeysWithValues: partitions.map { ($0, Int64(records[Int($0.name) ?? 0].count)) })
  }

  /// As with files: partitions may go and come back.
  func checkMissing(_ partitions: [PartitionID], found: [PartitionID]) async throws(SourceError) {}

  func open(
    _ partition: PartitionID, at position: ReadPosition, end: Int64?
  ) async throws -> sending any PartitionReader {
    var start = 0
    if case .offset(let offset) = position { start = Int(offset) }
    return FakeReader(partition: partition, records: records[Int(partition.name) ?? 0], next: start, faults: faults)
  }

  /// While it is on, reports take as long as with a broker that is away.
  var isAway: SlowStore.Switch?
  func report(committed positions: SourcePositions) async {
    while let isAway, isAway.isOn, !Task.isCancelled { try? await SystemClock().sleep(for: 5_000_000) }
  }
  func close() async {}
}

private final class FakeReader: PartitionReader {
  private let partition: PartitionID
  private let records: [String]
  private var next: Int
  private let faults: FaultPlan

  init(partition: PartitionID, records: [String], next: Int, faults: FaultPlan) {
    self.partition = partition
    self.records = records
    self.next = next
    self.faults = faults
  }

  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult {
    if faults.strikes(oneIn: 40) {
      throw SourceError(source: partition.source, partition: partition, severity: .failed, message: "made to fail")
    }
    let count = min(limit, 17, records.count - next)
    var bytes = 0
    for offset in next..<next + count {
      var text = records[offset]
      text.withUTF8 { value in
        bytes += value.count
        decoder.append(
          RawRecord(key: nil, value: UnsafeRawBufferPointer(value), offset: Int64(offset), timestamp: nil))
      }
    }
    next += count
    return PollResult(records: count, bytes: bytes, nextOffset: Int64(next), isAtEnd: next == records.count)
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) {}
  func setPaused(_ isPaused: Bool) {}
  func lag() -> Int64? { Int64(records.count - next) }
  func close() {}
}

/// A target that outlives engines: rows and the position, changed together.
final class FakeTarget: Sendable {
  struct Content: Sendable {
    var rows: [String] = []
    var position: SinkPosition?
    var commits = 0
    /// Why nobody may take it over.
    var refusal: SinkError?
  }

  let content = Mutex(Content())
}

/// A sink that loses connections before and after it commits.
struct FakeSink: SinkConnector {
  let name: String
  let target: FakeTarget
  let faults: FaultPlan

  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID {
    try target.content.withLock { content in
      if let refusal = content.refusal { throw refusal }
      switch owner.claim(sink: name, stored: content.position, newest: newest) {
      case .claim(let position):
        content.position = position
        return position.checkpoint
      case .conflict(let conflict): throw conflict
      }
    }
  }

  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    FakeWriter(refusesAll: name == "picky")
  }

  func commit(
    _ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore
  ) async throws -> CommitOutcome {
    if faults.strikes(oneIn: 4) { throw lost("before the commit") }
    try target.content.withLock { content in
      switch pending.decide(stored: content.position, owner: owner) {
      case .apply:
        let text = String(decoding: pending.payload, as: UTF8.self)
        content.rows += text.split(separator: "\n").map(String.init)
        content.position = SinkPosition(owner: owner, checkpoint: pending.checkpoint, sources: pending.sources)
        content.commits += 1
      case .skip: break
      case .conflict(let conflict): throw conflict
      }
    }
    if faults.strikes(oneIn: 4) { throw lost("after the commit, before the answer") }
    return CommitOutcome(rowsApplied: pending.rows)
  }

  /// One of the sinks commits at intervals, all that waits in one act.
  var commitsGroups: Bool { name == "big" }
  var commitInterval: Int64 { name == "big" ? 35_000_000 : 0 }

  func commit(
    _ pending: [PendingCommit], owner: JobOwner, files: any PendingFileStore
  ) async throws -> CommitOutcome {
    if faults.strikes(oneIn: 4) { throw lost("before the commits") }
    let rows = try target.content.withLock { content in
      switch PendingCommit.decide(pending, stored: content.position, owner: owner) {
      case .conflict(let conflict): throw conflict
      case .skip: return 0
      case .apply(let rest):
        for commit in rest {
          content.rows += String(decoding: commit.payload, as: UTF8.self).split(separator: "\n").map(String.init)
          content.position = SinkPosition(owner: owner, checkpoint: commit.checkpoint, sources: commit.sources)
        }
        content.commits += 1
        return rest.reduce(0) { $0 + $1.rows }
      }
    }
    if faults.strikes(oneIn: 4) { throw lost("after the commits, before the answer") }
    return CommitOutcome(rowsApplied: rows)
  }

  func close() async {}

  private func lost(_ moment: String) -> SinkError {
    SinkError(sink: name, severity: .transient, message: "connection lost \(moment)")
  }
}

final class FakeWriter: SinkWriter {
  private var bytes: [UInt8] = []
  private var rows = 0
  private let refusesAll: Bool

  init(refusesAll: Bool = false) { self.refusesAll = refusesAll }

  func write(_ batch: Batch) throws -> [RowRejection] {
    if refusesAll { return (0..<batch.count).map { RowRejection(row: $0, message: "not wanted") } }
    JSONRowEncoder(batch.schema).append(batch, to: &bytes)
    rows += batch.count
    return []
  }

  var epochBytes: Int { bytes.count }

  func seal(_ checkpoint: CheckpointID) throws -> SealedEpoch {
    defer {
      bytes = []
      rows = 0
    }
    return SealedEpoch(rows: rows, payload: bytes, files: [])
  }

  func close() {}
}

/// A store that takes as long for a manifest as the test likes.
final class SlowStore: SnapshotStore {
  final class Switch: Sendable {
    private let state = Mutex(true)

    var isOn: Bool { state.withLock { $0 } }

    func turnOff() { state.withLock { $0 = false } }

    /// Blocks the store's lane, as a slow disk would.
    func wait() { while isOn { usleep(1000) } }
  }

  private let store: LocalSnapshotStore
  private let isSlow: Switch

  init(_ store: LocalSnapshotStore, _ isSlow: Switch) {
    self.store = store
    self.isSlow = isSlow
  }

  var owner: JobOwner { store.owner }
  var pendingFiles: any PendingFileStore { store.pendingFiles }
  var highestCheckpoint: CheckpointID { store.highestCheckpoint }

  func storeState(
    _ content: [UInt8], operator name: String, keyGroups: Range<Int>, checkpoint: CheckpointID
  ) throws -> StateFile {
    try store.storeState(content, operator: name, keyGroups: keyGroups, checkpoint: checkpoint)
  }

  func storeManifest(_ manifest: Manifest) throws -> Int {
    isSlow.wait()
    return try store.storeManifest(manifest)
  }

  func loadState(_ file: StateFile) throws -> [UInt8] { try store.loadState(file) }
  func checkpoints() throws -> [CheckpointCandidate] { try store.checkpoints() }
  func delete(through checkpoint: CheckpointID) throws { try store.delete(through: checkpoint) }
  func removeStrayFiles() throws { try store.removeStrayFiles() }
  func close() { store.close() }
}

/// A clock on which it is at once as late as somebody waits for.
final class HurryingClock: EngineClock {
  private let now = Mutex<Int64>(0)

  func wallMicroseconds() -> Int64 { monotonicNanoseconds() / 1000 }
  func monotonicNanoseconds() -> Int64 { now.withLock { $0 } }

  func notify(_ signal: Signal, at nanoseconds: Int64) {
    now.withLock { $0 = max($0, nanoseconds) }
    signal.notify()
  }
}
