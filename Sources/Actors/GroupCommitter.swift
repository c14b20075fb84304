import Checkpointing
import Logging
import Runtime
import Synchronization

/// Commits sinks that share a target: what they have of a checkpoint becomes visible in one act.
///
/// A sink that holds the others up is left to itself until it has caught up, and so are all of them when the target
/// turns out to know no such act.
struct GroupCommitter: Sendable {
  /// The sinks; the signal of each is for the time when it is left to itself.
  private let members: [Committer]
  /// Wakes the group.
  private let signal: Signal
  private let left = LeftCommits()

  /// - Parameter committers: at least two sinks of one ``SinkConnector/commitGroup``, which share a signal.
  init(_ committers: [Committer]) {
    signal = committers[0].signal
    members = committers.map { $0.waking(Signal()) }
  }

  /// Commits until the task is cancelled.
  ///
  /// - Throws: as ``Committer/run()``.
  func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await runTogether() }
      for member in members { tasks.addTask { try await runLeft(member) } }
      defer { tasks.cancelAll() }
      // None of them ends without a failure.
      try await tasks.next()
    }
  }

  // MARK: Together

  private func runTogether() async throws {
    var schedule = CommitSchedule()
    while true {
      let now = members[0].clock.monotonicNanoseconds()
      let hurries = members[0].ledger.mustHurry
      let waiting = members.filter { !left.contains($0.sink) && $0.ledger.pendingCount($0.sink) > 0 }
      let full = Set(waiting.filter(\.isFull).map(\.connector.commitInterval))
      let due = waiting.filter { member in
        let interval = member.connector.commitInterval
        return hurries || schedule.isDue(interval, at: now, isFull: full.contains(interval))
      }
      // Taken at once, so that all of them come up to the same checkpoint.
      let commits = members[0].ledger.next(due.map(\.sink), limit: Committer.groupMax)
      if !commits.isEmpty {
        try await apply(commits)
        let then = members[0].clock.monotonicNanoseconds()
        for member in due { schedule.committed(member.connector.commitInterval, at: then) }
      } else if let next = schedule.next(waiting.map(\.connector.commitInterval)) {
        try await signal.wait(until: next, clock: members[0].clock)
      } else {
        try await signal.wait()
      }
    }
  }

  private func apply(_ commits: [String: [PendingCommit]]) async throws {
    var round = CommitRound(commits.keys.sorted())
    var patience = CommitPatience()
    let started = members[0].clock.monotonicNanoseconds()
    while !round.sinks.isEmpty {
      do {
        let going = members(round.going)
        let outcomes = try await attempt(going, commits)
        let nanoseconds = members[0].clock.monotonicNanoseconds() - started
        for (member, outcome) in zip(going, outcomes) {
          try member.noteCommitted(commits[member.sink] ?? [], outcome, nanoseconds: nanoseconds)
        }
        for member in members(round.left) { leave(member, commits) }
        return
      } catch let error as SeparateCommits {
        tell(error, round.sinks)
        for member in members(round.sinks) { leave(member, commits) }
        return
      } catch let error as SinkError {
        try await failed(error, &round, &patience, commits)
      }
    }
  }

  private func members(_ sinks: [String]) -> [Committer] { members.filter { sinks.contains($0.sink) } }

  private func attempt(
    _ going: [Committer], _ commits: [String: [PendingCommit]]
  ) async throws -> [CommitOutcome] {
    let first = going[0]
    let parts = going.map { SinkCommits(connector: $0.connector, pending: commits[$0.sink] ?? []) }
    if parts.count == 1 {
      return [try await first.connector.commit(parts[0].pending, owner: first.owner, files: first.files)]
    }
    return try await first.connector.commit(together: parts, owner: first.owner, files: first.files)
  }

  /// Waits before the next attempt, or leaves a sink to itself: then its own committer decides what its failure means.
  private func failed(
    _ error: SinkError, _ round: inout CommitRound, _ patience: inout CommitPatience,
    _ commits: [String: [PendingCommit]]
  ) async throws {
    let blamed = members(round.sinks).first { $0.sink == error.sink }
    let mayTryAgain = patience.mayTryAgain(after: error.severity)
    guard mayTryAgain, error.severity == .transient || blamed == nil else {
      guard let blamed else { throw error }
      round.remove(blamed.sink)
      leave(blamed, commits)
      return
    }
    for member in blamed.map({ [$0] }) ?? members(round.sinks) { member.noteFailed(error) }
    round.failed(becauseOf: error.sink)
    let delay = members[0].backOff(round.failures)
    members[0].logger.warning(
      "a commit of several sinks failed and will be tried again",
      metadata: [
        "sinks": "\(round.sinks)", "failures": "\(round.failures)", "delay_ms": "\(delay / 1_000_000)",
        "error": "\(error)"
      ])
    try await members[0].clock.sleep(for: delay)
  }

  private func tell(_ separation: SeparateCommits, _ sinks: [String]) {
    guard left.isNewReason(separation.reason) else { return }
    members[0].logger.notice(
      "sinks are committed one after the other: a reader may see a checkpoint in one before it is in the next",
      metadata: ["sinks": "\(sinks)", "reason": "\(separation.reason)"])
  }

  // MARK: Left to themselves

  private func leave(_ member: Committer, _ commits: [String: [PendingCommit]]) {
    left.add(member.sink, commits[member.sink] ?? [])
    member.signal.notify()
  }

  private func runLeft(_ member: Committer) async throws {
    while true {
      try await member.signal.wait()
      guard let commits = left[member.sink] else { continue }
      try await member.apply(commits)
      left.remove(member.sink)
      signal.notify()
    }
  }
}

/// The commits of sinks that are left to themselves.
private final class LeftCommits: Sendable {
  private struct State {
    var commits: [String: [PendingCommit]] = [:]
    var reason: String?
  }

  private let state = Mutex(State())

  subscript(sink: String) -> [PendingCommit]? { state.withLock { $0.commits[sink] } }

  func contains(_ sink: String) -> Bool { self[sink] != nil }

  func add(_ sink: String, _ commits: [PendingCommit]) { state.withLock { $0.commits[sink] = commits } }

  func remove(_ sink: String) { state.withLock { $0.commits[sink] = nil } }

  /// Whether `reason` is another one than the last.
  func isNewReason(_ reason: String) -> Bool {
    state.withLock { state in
      defer { state.reason = reason }
      return state.reason != reason
    }
  }
}
