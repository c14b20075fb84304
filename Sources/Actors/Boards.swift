import Checkpointing
import Columnar
import Runtime
import Synchronization

/// What an actor shows of itself while it runs. A busy actor may not answer for long, so it writes here, once a batch,
/// and whoever wants to know reads here.
final class Board<State: Sendable>: Sendable {
  private let state: Mutex<State>

  init(_ initial: State) { state = Mutex(initial) }

  /// Changes what is shown.
  func update(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

  /// What is shown now.
  var current: State { state.withLock { $0 } }
}

/// A partition as others see it.
struct PartitionView: Sendable {
  var nextOffset: Int64 = 0
  var records: UInt64 = 0
  /// Records and bytes read by this incarnation, for rates.
  var recordsRead: UInt64 = 0
  var bytesRead: UInt64 = 0
  var watermark: Int64?
  var lag: Int64?
  var isIdle = false
  var isPaused = false
  var lateRows: UInt64 = 0
  var deadRows: UInt64 = 0
  var accounts: [(String, RowAccount)] = []

  mutating func didRead(records: Int, bytes: Int) {
    recordsRead += UInt64(records)
    bytesRead += UInt64(bytes)
  }
}

/// A window actor as others see it.
struct StageView: Sendable {
  var watermark: Int64?
  /// The input that holds the watermark back.
  var heldBy: Int?
  /// Since when, in nanoseconds of the monotonic clock.
  var heldSince: Int64?
  var groups = 0
  var stateBytes = 0
  var firedRows: UInt64 = 0
  var lateGroups: UInt64 = 0
}

/// A sink as others see it.
struct SinkView: Sendable {
  var rows: UInt64 = 0
  var bytes: UInt64 = 0
  var rejectedRows: UInt64 = 0
  var epochBytes = 0
  var committedCheckpoint: UInt64 = 0
  var lastCommitAt: Int64?
  var commitSeconds: Double?
  var pendingCommits = 0
  var lastError: String?
}

typealias PartitionBoard = Board<PartitionView>
typealias StageBoard = Board<StageView>
typealias SinkBoard = Board<SinkView>

/// How far each stage of a job has fired; read by the partitions that feed it when they wake up from idleness. Stages of
/// other sources do not count: their event time can be months away.
final class StageWatermarks: Sendable {
  private let fired: Mutex<[Int64]>

  /// - Parameter restored: where each stage of the graph stood; `.min` before its first watermark.
  init(_ restored: [Int64]) { fired = Mutex(restored) }

  /// The greatest watermark at which `stage` has fired windows; `.min` before.
  func fired(by stage: Int) -> Int64 { fired.withLock { $0[stage] } }

  /// Notes that `stage` fired at `watermark`.
  func didFire(_ stage: Int, at watermark: Int64) { fired.withLock { $0[stage] = max($0[stage], watermark) } }
}

extension Int64 {
  /// The sum, at the type's limits where it would exceed them.
  func addingSaturated(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other > 0 ? .max : .min) : sum
  }

  /// The difference, at the type's limits where it would exceed them.
  func subtractingSaturated(_ other: Int64) -> Int64 {
    let (difference, overflow) = subtractingReportingOverflow(other)
    return overflow ? (other > 0 ? .min : .max) : difference
  }
}
