import Logging

/// What an error means for the part in which it happened.
public enum FailureClass: Hashable, Sendable {
  /// Trying again can help; the part that met it could not do so itself.
  case transient
  /// Start the part again.
  case failed
  /// Trying again cannot help: configuration, a conflict, incompatible state.
  case fatal
}

/// A part failed more often than its policy allows.
public struct RestartLimitError: Error, CustomStringConvertible {
  /// The part.
  public let name: String
  /// How often in what time.
  public let reason: String
  /// The last failure.
  public let last: any Error

  /// The part, how often it failed, and the last failure.
  public var description: String { "\(name) gives up: \(reason); the last was: \(last)" }
}

/// Runs a part of the engine and starts it again when it fails, as its policy allows.
public struct Supervisor: Sendable {
  /// The part's name, for messages.
  public let name: String
  private let policy: RestartPolicy
  private let clock: any EngineClock
  private let random: any RandomSource
  private let logger: Logger
  private let classify: @Sendable (any Error) -> FailureClass

  /// A supervisor.
  ///
  /// - Parameters:
  ///   - classify: what an error means.
  public init(
    name: String, policy: RestartPolicy, clock: any EngineClock, random: any RandomSource, logger: Logger,
    classify: @escaping @Sendable (any Error) -> FailureClass
  ) {
    self.name = name
    self.policy = policy
    self.clock = clock
    self.random = random
    self.logger = logger
    self.classify = classify
  }

  /// Runs `body` until it returns.
  ///
  /// - Parameters:
  ///   - onRestart: called before the delay of each restart, with what happened and the delay in nanoseconds.
  ///   - body: gets how often it was restarted.
  /// - Throws: the error when it is fatal; ``RestartLimitError``; `CancellationError` when the task is cancelled.
  public func run<Outcome: Sendable>(
    onRestart: @Sendable (any Error, Int64) async -> Void = { _, _ in },
    _ body: @Sendable (_ restarts: Int) async throws -> Outcome
  ) async throws -> Outcome {
    var policy = policy
    var restarts = 0
    while true {
      do {
        return try await body(restarts)
      } catch {
        try Task.checkCancellation()
        let delay = try delayAfter(error, &policy)
        await onRestart(error, delay)
        try await clock.sleep(for: delay)
        restarts += 1
      }
    }
  }

  private func delayAfter(_ error: any Error, _ policy: inout RestartPolicy) throws -> Int64 {
    if classify(error) == .fatal {
      logger.error("stops: trying again cannot help", metadata: ["part": "\(name)", "error": "\(error)"])
      throw error
    }
    switch policy.failureRecorded(at: clock.monotonicNanoseconds(), random: random.unitInterval()) {
    case .restart(let delay):
      logger.warning(
        "failed and starts again",
        metadata: [
          "part": "\(name)", "error": "\(error)", "delay_ms": "\(delay / 1_000_000)",
          "recent_failures": "\(policy.recentFailures)"
        ])
      return delay
    case .escalate(let reason):
      logger.error("gives up", metadata: ["part": "\(name)", "reason": "\(reason)", "error": "\(error)"])
      throw RestartLimitError(name: name, reason: reason, last: error)
    }
  }
}
