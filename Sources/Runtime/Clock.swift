import Glibc
import Synchronization

/// Time, as the engine sees it. Injected, so that tests and the simulator decide what time it is.
public protocol EngineClock: Sendable {
  /// Wall time: microseconds since the epoch, UTC. May jump.
  func wallMicroseconds() -> Int64
  /// Nanoseconds since an arbitrary moment; never goes back.
  func monotonicNanoseconds() -> Int64
  /// Calls `signal.notify()` once ``monotonicNanoseconds()`` has reached `nanoseconds`.
  func notify(_ signal: Signal, at nanoseconds: Int64)
}

extension EngineClock {
  /// Suspends until ``monotonicNanoseconds()`` has reached `nanoseconds`.
  /// - Throws: `CancellationError` when the task is cancelled.
  public func sleep(until nanoseconds: Int64, isolation: isolated (any Actor)? = #isolation) async throws {
    let signal = Signal()
    while monotonicNanoseconds() < nanoseconds {
      notify(signal, at: nanoseconds)
      try await signal.wait()
    }
    try Task.checkCancellation()
  }

  /// Suspends for `nanoseconds`.
  /// - Throws: `CancellationError` when the task is cancelled.
  public func sleep(for nanoseconds: Int64, isolation: isolated (any Actor)? = #isolation) async throws {
    try await sleep(until: monotonicNanoseconds() + nanoseconds)
  }
}

/// The operating system's clocks. One thread serves all timers.
public final class SystemClock: EngineClock {
  private let timers = TimerThread()

  /// A clock; its thread starts with the first timer.
  public init() {}

  deinit { timers.stop() }

  /// Microseconds since the epoch.
  public func wallMicroseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }

  /// Nanoseconds of the monotonic clock.
  public func monotonicNanoseconds() -> Int64 { Self.monotonicNanoseconds() }

  /// Notifies `signal` at the given monotonic time.
  public func notify(_ signal: Signal, at nanoseconds: Int64) { timers.add(signal, at: nanoseconds) }

  /// Nanoseconds of the monotonic clock, where no clock is injected: durations for metrics.
  public static func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// A clock that stands still until it is told to go on.
public final class ManualClock: EngineClock {
  private struct State {
    var monotonic: Int64
    var wallOffset: Int64
    var timers = TimerHeap()
  }

  private let state: Mutex<State>

  /// A clock at `nanoseconds` monotonic and `wallMicroseconds` wall time.
  public init(nanoseconds: Int64 = 0, wallMicroseconds: Int64 = 0) {
    state = Mutex(State(monotonic: nanoseconds, wallOffset: wallMicroseconds - nanoseconds / 1000))
  }

  /// Microseconds since the epoch; moves with the monotonic time.
  public func wallMicroseconds() -> Int64 { state.withLock { $0.wallOffset + $0.monotonic / 1000 } }

  /// The monotonic time.
  public func monotonicNanoseconds() -> Int64 { state.withLock { $0.monotonic } }

  /// Notifies `signal` when the clock has been advanced far enough; at once when it already was.
  public func notify(_ signal: Signal, at nanoseconds: Int64) {
    let isDue = state.withLock { state in
      if state.monotonic >= nanoseconds { return true }
      state.timers.insert(signal, at: nanoseconds)
      return false
    }
    if isDue { signal.notify() }
  }

  /// Goes on by `nanoseconds` and notifies the signals that became due, in the order of their times.
  public func advance(by nanoseconds: Int64) {
    let due = state.withLock { state in
      state.monotonic += nanoseconds
      return state.timers.removeDue(at: state.monotonic)
    }
    for signal in due { signal.notify() }
  }

  /// When the earliest timer is due; `nil` when there is none.
  public var nextTimer: Int64? { state.withLock { $0.timers.earliest } }
}
