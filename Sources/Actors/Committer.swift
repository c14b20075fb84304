import Checkpointing
import Logging
import Runtime
import Synchronization

/// What the sinks have committed and what is still to do; shared by the committers, the coordinator and recovery.
final class CommitLedger: Sendable {
  private struct Entry {
    var committed = CheckpointID(0)
    /// The checkpoint that the target itself is known to hold; behind ``committed`` when its position follows rows.
    var held = CheckpointID(0)
    var pending: [PendingCommit] = []
  }

  private let entries = Mutex<[String: Entry]>([:])
  private let isHurrying = Atomic<Bool>(false)

  /// From here no commit waits for its sink's interval: the job ends.
  func hurry() { isHurrying.store(true, ordering: .relaxed) }

  /// Whether the job ends.
  var mustHurry: Bool { isHurrying.load(ordering: .relaxed) }

  /// Notes what a sink held when it was taken over.
  func didClaim(_ sink: String, at checkpoint: CheckpointID) {
    entries.withLock { entries in
      entries[sink, default: Entry()].committed = checkpoint
      entries[sink]?.held = checkpoint
      entries[sink]?.pending.removeAll { $0.checkpoint <= checkpoint }
    }
  }

  /// Adds a durable pending commit; false when it is known or done.
  func add(_ commit: PendingCommit) -> Bool {
    entries.withLock { entries in
      let entry = entries[commit.sink, default: Entry()]
      let newest = entry.pending.last?.checkpoint ?? entry.committed
      guard commit.checkpoint > newest else { return false }
      entries[commit.sink, default: Entry()].pending.append(commit)
      return true
    }
  }

  /// The next commits of `sink` to apply, oldest first, at most `limit`.
  func next(_ sink: String, limit: Int) -> [PendingCommit] {
    entries.withLock { $0[sink].map { Array($0.pending.prefix(limit)) } ?? [] }
  }

  /// Notes that `commits`, the oldest pending ones of `sink`, are applied.
  func didCommit(_ commits: [PendingCommit], of sink: String, positionFollowsRows: Bool) {
    guard let last = commits.last else { return }
    let held = positionFollowsRows ? commits.last { $0.rows > 0 } : last
    entries.withLock { entries in
      entries[sink]?.committed = last.checkpoint
      if let held { entries[sink]?.held = held.checkpoint }
      entries[sink]?.pending.removeAll { $0.checkpoint <= last.checkpoint }
    }
  }

  /// The checkpoint that the next pending commit of `sink` starts from.
  func newest(_ sink: String) -> CheckpointID {
    entries.withLock { $0[sink].map { $0.pending.last?.checkpoint ?? $0.committed } ?? CheckpointID(0) }
  }

  /// The last checkpoint that `sink` has committed.
  func committed(_ sink: String) -> CheckpointID { entries.withLock { $0[sink]?.committed ?? CheckpointID(0) } }

  /// How many commits of `sink` wait.
  func pendingCount(_ sink: String) -> Int { entries.withLock { $0[sink]?.pending.count ?? 0 } }

  /// Every commit that is not applied yet, oldest first.
  var uncommitted: [PendingCommit] {
    entries.withLock { $0.values.flatMap(\.pending).sorted { $0.checkpoint < $1.checkpoint } }
  }

  /// By sink: the checkpoint that its target is known to hold.
  var heldBySink: [String: CheckpointID] { entries.withLock { $0.mapValues(\.held) } }
}

/// Applies one sink's pending commits in order, and tries again by itself while the sink is unreachable. It lives as
/// long as the job: a restart of the region does not interrupt a commit.
struct Committer: Sendable {
  let sink: String
  let connector: any SinkConnector
  let owner: JobOwner
  let files: any PendingFileStore
  let ledger: CommitLedger
  let coordinator: Inbox<CoordinatorEvent>
  let board: SinkBoard
  let metrics: JobMetrics
  let signal: Signal
  let clock: any EngineClock
  let random: any RandomSource
  let logger: Logger

  /// Commits until the task is cancelled.
  ///
  /// - Throws: ``SinkError`` when the sink must be changed first, ``Checkpointing/PositionConflict`` when another
  ///   instance owns the job.
  func run() async throws {
    let limit = connector.commitsGroups ? Self.groupMax : 1
    // What a restored checkpoint left to do is done at once.
    var notBefore = Int64.min
    while true {
      let group = ledger.next(sink, limit: limit)
      if group.isEmpty {
        try await signal.wait()
      } else if ledger.mustHurry || clock.monotonicNanoseconds() >= notBefore {
        try await apply(group)
        if connector.commitInterval > 0 { notBefore = clock.monotonicNanoseconds() + connector.commitInterval }
      } else {
        try await signal.wait(until: notBefore, clock: clock)
      }
    }
  }

  /// So many checkpoints are committed at once, at most.
  private static let groupMax = 1024

  private func apply(_ group: [PendingCommit]) async throws {
    var failures = 0
    let started = clock.monotonicNanoseconds()
    while true {
      do {
        let outcome = try await commitOnce(group)
        noteCommitted(group, outcome, nanoseconds: clock.monotonicNanoseconds() - started)
        for commit in group { try coordinator.send(.committed(sink, commit.checkpoint)) }
        return
      } catch let error as SinkError where error.severity == .transient {
        failures += 1
        board.update { $0.lastError = error.message }
        metrics.commitFailed(sink)
        let delay = backOff(failures)
        logger.warning(
          "commit failed and will be tried again",
          metadata: [
            "sink": "\(sink)", "checkpoint": "\(group[0].checkpoint)", "failures": "\(failures)",
            "delay_ms": "\(delay / 1_000_000)", "error": "\(error.message)"
          ])
        try await clock.sleep(for: delay)
      }
    }
  }

  private func commitOnce(_ group: [PendingCommit]) async throws -> CommitOutcome {
    if group.count == 1 { return try await connector.commit(group[0], owner: owner, files: files) }
    return try await connector.commit(group, owner: owner, files: files)
  }

  private func noteCommitted(_ group: [PendingCommit], _ outcome: CommitOutcome, nanoseconds: Int64) {
    let last = group[group.count - 1]
    ledger.didCommit(group, of: sink, positionFollowsRows: connector.positionFollowsRows)
    let seconds = Double(nanoseconds) / 1e9
    metrics.committed(sink, seconds: seconds)
    let pending = ledger.pendingCount(sink)
    board.update {
      $0.committedCheckpoint = last.checkpoint.number
      $0.rows += UInt64(outcome.rowsApplied)
      $0.lastCommitAt = clock.wallMicroseconds()
      $0.commitSeconds = seconds
      $0.pendingCommits = pending
      $0.rejectedRows += UInt64(outcome.rejected.count)
      $0.lastError = nil
    }
    if let first = outcome.rejected.first {
      logger.error(
        "the sink refused rows; they are kept in weir.rejected",
        metadata: ["sink": "\(sink)", "rows": "\(outcome.rejected.count)", "first": "\(first.message)"])
    }
  }

  /// 50 ms, doubled with every failure up to 5 s, with a quarter of jitter.
  private func backOff(_ failures: Int) -> Int64 {
    let base = min(5_000_000_000, Int64(50_000_000) << Int64(min(failures - 1, 10)))
    return base + Int64(Double(base) * 0.25 * random.unitInterval())
  }
}
