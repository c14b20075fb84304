import Synchronization

/// A wake-up that coalesces: however often it was set, one wait returns.
///
/// Any thread may set it, also from a C callback. One task at a time waits.
public final class Signal: Sendable {
  private let isSet = Atomic<Bool>(false)
  /// The latest deadline that a timer was set for; only the waiting task touches it.
  private let armedDeadline = Atomic<Int64>(.min)
  private let waiter = Mutex<CheckedContinuation<Void, Never>?>(nil)

  /// A signal that is not set.
  public init() {}

  /// Sets the signal and wakes the waiter. Costs one atomic operation when it is already set.
  public func notify() {
    if isSet.exchange(true, ordering: .acquiringAndReleasing) { return }
    takeWaiter()?.resume()
  }

  /// Returns when the signal has been set since the last wait, and clears it.
  /// - Throws: `CancellationError` when the task is cancelled; the signal is left as it was.
  public func wait(isolation: isolated (any Actor)? = #isolation) async throws {
    while true {
      try Task.checkCancellation()
      if isSet.exchange(false, ordering: .acquiringAndReleasing) { return }
      await withTaskCancellationHandler {
        // A closure stays on its caller's actor only if it captures it; otherwise every wait costs two thread switches.
        _ = isolation
        await withCheckedContinuation { park($0) }
      } onCancel: {
        takeWaiter()?.resume()
      }
    }
  }

  /// Returns when the signal has been set, or `deadline` (monotonic nanoseconds) was reached; sometimes earlier, when
  /// the deadline of a former wait passes: the caller looks at the time and waits again.
  /// - Throws: `CancellationError` when the task is cancelled.
  public func wait(
    until deadline: Int64, clock: any EngineClock, isolation: isolated (any Actor)? = #isolation
  ) async throws {
    // A timer that is due earlier serves as well: it wakes the caller, which waits again. Otherwise every wait would
    // leave a timer behind.
    let armed = armedDeadline.load(ordering: .relaxed)
    if armed <= clock.monotonicNanoseconds() || armed > deadline {
      armedDeadline.store(deadline, ordering: .relaxed)
      clock.notify(self, at: deadline)
    }
    try await wait()
  }

  private func park(_ continuation: CheckedContinuation<Void, Never>) {
    let isReady = waiter.withLock { waiter in
      precondition(waiter == nil, "one task at a time may wait for a signal")
      // Both are looked at with the lock held: whoever sets them afterwards finds the waiter.
      if isSet.load(ordering: .acquiring) || Task.isCancelled { return true }
      waiter = continuation
      return false
    }
    if isReady { continuation.resume() }
  }

  private func takeWaiter() -> CheckedContinuation<Void, Never>? {
    waiter.withLock { waiter in
      defer { waiter = nil }
      return waiter
    }
  }
}

/// A bounded mailbox for commands to an actor that also waits for something else: posting sets its ``Signal``.
public final class Inbox<Command: Sendable>: Sendable {
  /// Set by every post; the owner waits for it.
  public let signal: Signal
  private let capacity: Int
  private let commands = Mutex<[Command]>([])
  private let isEmptyHint = Atomic<Bool>(true)

  /// A mailbox for at most `capacity` commands that nobody has taken yet.
  public init(capacity: Int = 64, signal: Signal = Signal()) {
    self.capacity = capacity
    self.signal = signal
  }

  /// Adds a command and wakes the owner. Returns `false`, and adds nothing, when the mailbox is full.
  public func post(_ command: Command) -> Bool {
    let isAccepted = commands.withLock { commands in
      guard commands.count < capacity else { return false }
      commands.append(command)
      isEmptyHint.store(false, ordering: .releasing)
      return true
    }
    signal.notify()
    return isAccepted
  }

  /// Takes all commands, in the order in which they came. Costs one atomic load when there is none.
  public func drain() -> [Command] {
    if isEmptyHint.load(ordering: .acquiring) { return [] }
    return commands.withLock { commands in
      defer { commands = [] }
      isEmptyHint.store(true, ordering: .releasing)
      return commands
    }
  }
}
