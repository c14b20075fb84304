import Checkpointing
import Runtime
import Synchronization

/// The newest checkpoints and restarts of a job, bounded, for the API and the dashboard.
final class JobHistory: Sendable {
  private struct State {
    var checkpoints: [CheckpointStatus] = []
    var startedMonotonic: [UInt64: Int64] = [:]
    var restarts: [RestartStatus] = []
    var restartCount = 0
    var completed = 0
    var lastCompletedMonotonic: Int64?
    var regionStartedMonotonic: Int64?
  }

  private static let limit = 50
  private let state = Mutex(State())

  /// Notes that a region runs. Only the first one counts: restarts without a checkpoint between them are no progress.
  func regionStarted(monotonic: Int64) {
    state.withLock { $0.regionStartedMonotonic = $0.regionStartedMonotonic ?? monotonic }
  }

  func started(_ checkpoint: CheckpointID, at wall: Int64, monotonic: Int64) {
    state.withLock { state in
      state.checkpoints.insert(
        CheckpointStatus(
          id: checkpoint.number, startedAt: WallTime(microseconds: wall), durationSeconds: 0, bytes: 0,
          state: .inProgress), at: 0)
      if state.checkpoints.count > Self.limit { state.checkpoints.removeLast() }
      state.startedMonotonic = [checkpoint.number: monotonic]
    }
  }

  /// Notes the end of `checkpoint` and returns how long it took, in seconds.
  func completed(_ checkpoint: CheckpointID, bytes: Int, monotonic: Int64) -> Double? {
    state.withLock { state in
      state.lastCompletedMonotonic = monotonic
      state.completed += 1
      return Self.end(&state, checkpoint, monotonic) {
        $0.state = .completed
        $0.reason = nil
        $0.bytes = Int64(bytes)
      }
    }
  }

  /// Everybody has answered; what is left is to store `checkpoint`.
  func isBeingStored(_ checkpoint: CheckpointID) {
    state.withLock { state in
      guard let index = state.checkpoints.firstIndex(where: { $0.id == checkpoint.number }) else { return }
      state.checkpoints[index].reason = "its state is being stored"
    }
  }

  func failed(_ checkpoint: CheckpointID, reason: String, monotonic: Int64) {
    state.withLock { state in
      _ = Self.end(&state, checkpoint, monotonic) {
        $0.state = .failed
        $0.reason = reason
      }
    }
  }

  private static func end(
    _ state: inout State, _ checkpoint: CheckpointID, _ monotonic: Int64, _ body: (inout CheckpointStatus) -> Void
  ) -> Double? {
    guard let index = state.checkpoints.firstIndex(where: { $0.id == checkpoint.number }),
      let started = state.startedMonotonic[checkpoint.number]
    else { return nil }
    let seconds = Double(monotonic - started) / 1e9
    state.checkpoints[index].durationSeconds = seconds
    body(&state.checkpoints[index])
    return seconds
  }

  func restarted(_ scope: String, reason: String, at wall: Int64) {
    state.withLock { state in
      state.restartCount += 1
      state.restarts.insert(RestartStatus(at: WallTime(microseconds: wall), scope: scope, reason: reason), at: 0)
      if state.restarts.count > Self.limit { state.restarts.removeLast() }
    }
  }

  /// The checkpoints, newest first; one in progress shows how long it has taken.
  func checkpoints(monotonic: Int64) -> [CheckpointStatus] {
    state.withLock { state in
      state.checkpoints.map { checkpoint in
        guard checkpoint.state == .inProgress, let started = state.startedMonotonic[checkpoint.id] else {
          return checkpoint
        }
        var running = checkpoint
        running.durationSeconds = Double(monotonic - started) / 1e9
        return running
      }
    }
  }

  var restarts: (newest: [RestartStatus], count: Int) { state.withLock { ($0.restarts, $0.restartCount) } }

  /// How many checkpoints have completed.
  var completedCount: Int { state.withLock { $0.completed } }

  /// When a checkpoint last completed, or the first region started, in nanoseconds of the monotonic clock.
  var lastProgress: Int64? { state.withLock { $0.lastCompletedMonotonic ?? $0.regionStartedMonotonic } }
}
