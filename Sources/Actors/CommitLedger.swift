import Checkpointing
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

  /// Adds the durable pending commits of a checkpoint, all at once: nobody sees those of some sinks without the others.
  /// Commits that are known or done are left out.
  func add(_ commits: [PendingCommit]) {
    entries.withLock { entries in
      for commit in commits {
        let entry = entries[commit.sink, default: Entry()]
        let newest = entry.pending.last?.checkpoint ?? entry.committed
        if commit.checkpoint > newest { entries[commit.sink, default: Entry()].pending.append(commit) }
      }
    }
  }

  /// The next commits of `sink` to apply, oldest first, at most `limit`.
  func next(_ sink: String, limit: Int) -> [PendingCommit] {
    entries.withLock { $0[sink].map { Array($0.pending.prefix(limit)) } ?? [] }
  }

  /// The next commits of several sinks to apply together: at most `limit` of each, and of none a checkpoint that another
  /// one's limit leaves out. Sinks without any are left out.
  func next(_ sinks: [String], limit: Int) -> [String: [PendingCommit]] {
    entries.withLock { entries in
      let waiting = sinks.compactMap { entries[$0]?.pending }
      let last = waiting.compactMap { $0.count > limit ? $0[limit - 1].checkpoint : nil }.min()
      var next: [String: [PendingCommit]] = [:]
      for pending in waiting {
        let chosen = pending.prefix { commit in last.map { commit.checkpoint <= $0 } ?? true }
        if let first = chosen.first { next[first.sink] = Array(chosen) }
      }
      return next
    }
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
