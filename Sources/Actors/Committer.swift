import Checkpointing
import Logging
import Runtime

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
  /// So many commits may wait for the sink's interval.
  let allowance: Int
  let metrics: JobMetrics
  private(set) var signal: Signal
  let clock: any EngineClock
  let random: any RandomSource
  let logger: Logger

  /// The same committer, woken by another signal.
  func waking(_ signal: Signal) -> Committer {
    var other = self
    other.signal = signal
    return other
  }

  /// Commits until the task is cancelled.
  ///
  /// - Throws: ``SinkError`` when the sink must be changed first, or fails in the same way again and again;
  ///   ``Checkpointing/PositionConflict`` when another instance owns the job.
  func run() async throws {
    let limit = connector.commitsGroups ? Self.groupMax : 1
    let interval = connector.commitInterval
    var schedule = CommitSchedule()
    while true {
      let group = ledger.next(sink, limit: limit)
      if group.isEmpty {
        try await signal.wait()
      } else if ledger.mustHurry || schedule.isDue(interval, at: clock.monotonicNanoseconds(), isFull: isFull) {
        try await apply(group)
        schedule.committed(interval, at: clock.monotonicNanoseconds())
      } else if let next = schedule.next([interval]) {
        try await signal.wait(until: next, clock: clock)
      }
    }
  }

  /// Whether as many commits wait as may.
  var isFull: Bool { ledger.pendingCount(sink) >= allowance }

  /// So many checkpoints are committed at once, at most.
  static let groupMax = 1024

  /// Applies `group`, the oldest pending commits of the sink, and tries again by itself while that can help.
  func apply(_ group: [PendingCommit]) async throws {
    var patience = CommitPatience()
    let started = clock.monotonicNanoseconds()
    while true {
      do {
        let outcome = try await commitOnce(group)
        try noteCommitted(group, outcome, nanoseconds: clock.monotonicNanoseconds() - started)
        return
      } catch let error as SinkError {
        guard patience.mayTryAgain(after: error.severity) else { throw error }
        noteFailed(error)
        let delay = backOff(patience.failures)
        logger.warning(
          "commit failed and will be tried again",
          metadata: [
            "sink": "\(sink)", "checkpoint": "\(group[0].checkpoint)", "failures": "\(patience.failures)",
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

  /// Shows why the last attempt failed.
  func noteFailed(_ error: SinkError) {
    board.update { $0.lastError = error.message }
    metrics.commitFailed(sink)
  }

  /// Tells everybody that `group` is applied.
  func noteCommitted(_ group: [PendingCommit], _ outcome: CommitOutcome, nanoseconds: Int64) throws {
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
    for commit in group { try coordinator.send(.committed(sink, commit.checkpoint)) }
  }

  /// 50 ms, doubled with every failure up to 5 s, with a quarter of jitter.
  func backOff(_ failures: Int) -> Int64 {
    let base = min(5_000_000_000, Int64(50_000_000) << Int64(min(failures - 1, 10)))
    return base + Int64(Double(base) * 0.25 * random.unitInterval())
  }
}
