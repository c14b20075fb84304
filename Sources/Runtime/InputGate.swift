import Synchronization

/// Why an element could not be sent: the receiver is gone.
public struct GateClosedError: Error, CustomStringConvertible {
  /// The gate's name.
  public let gate: String
  /// Why the gate was closed, when it was closed with an error.
  public let reason: String?

  /// Which gate was closed, and why.
  public var description: String { "the input of '\(gate)' was closed" + (reason.map { ": \($0)" } ?? "") }
}

/// How one input of a gate stands, for metrics and for finding what holds a job up.
public struct GateInputStatus: Hashable, Sendable {
  /// Elements in the ring.
  public let elements: Int
  /// Rows in the ring.
  public let rows: Int
  /// How many elements the ring can take.
  public let capacity: Int
  /// Whether the input is held back, waiting for the barriers of others.
  public let isHeld: Bool
  /// Whether the input has ended.
  public let isFinished: Bool
  /// How long the producer has waited for room, in all, in nanoseconds.
  public let blockedNanoseconds: Int64
  /// Whether the producer waits now.
  public let isBlocked: Bool
}

/// What an operator actor reads from: a bounded ring per input. Each input has one producer, the gate one consumer.
///
/// Neither side leaves its executor when it does not have to wait.
public final class InputGate: Sendable {
  private struct State {
    var machine: InputGateMachine<StreamElement, CheckedContinuation<Void, Never>>
    /// Per input, since when its producer waits (monotonic nanoseconds), and how long it waited before.
    var blockedSince: [Int64?]
    var blockedTotal: [Int64]
  }

  /// The operator's name, for messages.
  public let name: String
  /// How many elements each ring takes.
  public let capacity: Int
  private let state: Mutex<State>

  /// A gate with `inputCount` rings.
  ///
  /// - Parameters:
  ///   - name: the operator that reads.
  ///   - capacity: elements a ring holds.
  ///   - rowCapacity: rows a ring holds; one bigger batch is accepted when the ring is empty.
  public init(name: String, inputCount: Int, capacity: Int, rowCapacity: Int = .max) {
    self.name = name
    self.capacity = capacity
    state = Mutex(
      State(
        machine: InputGateMachine(inputCount: inputCount, slots: capacity, rowLimit: rowCapacity),
        blockedSince: Array(repeating: nil, count: inputCount),
        blockedTotal: Array(repeating: 0, count: inputCount)))
  }

  /// The sending side of `input`.
  public func sender(_ input: Int) -> GateSender { GateSender(gate: self, input: input) }

  /// The next element of an input that is not held back; suspends while there is none. Inputs take turns.
  ///
  /// - Returns: `nil` when every input has ended, or the gate was closed without an error.
  /// - Throws: the error that the gate was closed with; `CancellationError` when the task is cancelled.
  public func receive(
    isolation: isolated (any Actor)? = #isolation
  ) async throws -> (input: Int, element: StreamElement)? {
    while true {
      try Task.checkCancellation()
      switch state.withLock({ $0.machine.taken() }) {
      case .element(let input, let element, let producer):
        producer?.resume()
        return (input, element)
      case .finished(let error):
        if let error { throw error }
        return nil
      case .empty:
        await waitForElement()
      }
    }
  }

  /// Holds `input` back: nothing of it is received until ``releaseAll()``. For the consumer only.
  public func hold(_ input: Int) { state.withLock { $0.machine.held(input: input) } }

  /// Lets every input go on. For the consumer only.
  public func releaseAll() { state.withLock { $0.machine.released() } }

  /// Ends the gate: what is in the rings is dropped, both sides are woken and get `error`.
  public func close(_ error: (any Error)? = nil) {
    let waiters = state.withLock { $0.machine.closed(error) }
    for waiter in waiters { waiter.resume() }
  }

  /// How the inputs stand now.
  public func status() -> [GateInputStatus] {
    let now = SystemClock.monotonicNanoseconds()
    return state.withLock { state in
      state.machine.inputs.indices.map { index in
        let input = state.machine.inputs[index]
        let waiting = state.blockedSince[index].map { max(0, now - $0) }
        return GateInputStatus(
          elements: input.count, rows: input.rows, capacity: capacity, isHeld: input.isHeld,
          isFinished: input.isFinished, blockedNanoseconds: state.blockedTotal[index] + (waiting ?? 0),
          isBlocked: waiting != nil)
      }
    }
  }

  private func waitForElement(isolation: isolated (any Actor)? = #isolation) async {
    await withTaskCancellationHandler {
      // As in `Signal`: what captures the actor stays on it.
      _ = isolation
      await withCheckedContinuation { continuation in
        // Cancellation is looked at with the lock held: a cancellation that comes later finds the continuation.
        state.withLock { $0.machine.consumerWaited(waiter: continuation, isCancelled: Task.isCancelled) }?.resume()
      }
    } onCancel: {
      state.withLock { $0.machine.consumerCancelled() }?.resume()
    }
  }

  fileprivate func offer(_ element: StreamElement, input: Int) throws -> Bool {
    let isLast = if case .end = element { true } else { false }
    let offer = state.withLock {
      $0.machine.offered(input: input, element: element, rows: element.rowCount, isLast: isLast)
    }
    switch offer {
    case .accepted(let consumer):
      consumer?.resume()
      return true
    case .full:
      return false
    case .closed(let error):
      throw GateClosedError(gate: name, reason: error.map { "\($0)" })
    }
  }

  fileprivate func waitForRoom(input: Int, rows: Int, isolation: isolated (any Actor)? = #isolation) async {
    let started = SystemClock.monotonicNanoseconds()
    state.withLock { $0.blockedSince[input] = started }
    await withTaskCancellationHandler {
      _ = isolation
      await withCheckedContinuation { continuation in
        state.withLock {
          $0.machine.producerWaited(input: input, rows: rows, waiter: continuation, isCancelled: Task.isCancelled)
        }?.resume()
      }
    } onCancel: {
      state.withLock { $0.machine.producerCancelled(input: input) }?.resume()
    }
    let waited = SystemClock.monotonicNanoseconds() - started
    state.withLock {
      $0.blockedSince[input] = nil
      $0.blockedTotal[input] += waited
    }
  }
}

/// The sending side of one input of an ``InputGate``. It may be copied, but one task at a time sends.
public struct GateSender: Sendable {
  fileprivate let gate: InputGate
  /// The input's index.
  public let input: Int

  /// Sends `element`; suspends while the ring is full. Nothing may follow ``StreamElement/end``.
  /// - Throws: ``GateClosedError``; `CancellationError` when the task was cancelled before there was room. The element
  ///   was not sent then.
  public func send(_ element: StreamElement, isolation: isolated (any Actor)? = #isolation) async throws {
    while try !gate.offer(element, input: input) {
      try Task.checkCancellation()
      await gate.waitForRoom(input: input, rows: element.rowCount)
    }
  }

  /// Sends `element` if the ring has room now. Returns whether it was sent.
  /// - Throws: ``GateClosedError``.
  public func trySend(_ element: StreamElement) throws -> Bool { try gate.offer(element, input: input) }
}
