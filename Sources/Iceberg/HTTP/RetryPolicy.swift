/// When a request is sent again, and how long to wait before: exponential back-off with full jitter.
///
/// | failed attempt | 1 | 2 | 3 | 4 | … |
/// |---|---|---|---|---|---|
/// | wait at most | i | 2·i | 4·i | 8·i | m |
///
/// with *i* = ``initialMilliseconds`` and *m* = ``maximumMilliseconds``; the wait is random between 0 and that.
/// `Retry-After` is a lower bound of the wait, itself cut to ``retryAfterMillisecondsMax``.
public struct RetryPolicy: Hashable, Sendable {
  /// How often a request is sent at most; 1 is no retry.
  public var attempts: Int
  /// The longest wait after the first failure.
  public var initialMilliseconds: Int
  /// The longest wait after any failure.
  public var maximumMilliseconds: Int
  /// How much of a server's `Retry-After` is obeyed.
  public var retryAfterMillisecondsMax: Int

  /// A policy; values below 1 are taken as 1.
  public init(
    attempts: Int = 8, initialMilliseconds: Int = 100, maximumMilliseconds: Int = 20_000,
    retryAfterMillisecondsMax: Int = 60_000
  ) {
    self.attempts = max(1, attempts)
    self.initialMilliseconds = max(1, initialMilliseconds)
    self.maximumMilliseconds = max(1, maximumMilliseconds)
    self.retryAfterMillisecondsMax = max(1, retryAfterMillisecondsMax)
  }

  /// Nothing is sent twice.
  public static let never = RetryPolicy(attempts: 1)

  /// What came of an attempt.
  public enum Outcome: Hashable, Sendable {
    /// An answer, with what `Retry-After` asked for. `isDeclaredTransient`: its body says that it may be tried again.
    case response(status: Int, retryAfterMilliseconds: Int?, isDeclaredTransient: Bool = false)
    /// No answer.
    case failure(HTTPTransportError.Kind)
  }

  /// What to do then.
  public enum Decision: Hashable, Sendable {
    /// Take the answer or the failure as it is.
    case settle
    /// Wait, then send it again.
    case retry(afterMilliseconds: Int)
  }

  /// Decides after attempt number `attempt`, which counts from 1.
  ///
  /// A request that is not idempotent is only sent again when the server certainly has not acted: it was not sent, or
  /// the answer is 429 or 503.
  /// - Parameter random: at least 0, less than 1; drawn afresh for each decision.
  public func decision(attempt: Int, outcome: Outcome, isIdempotent: Bool, random: Double) -> Decision {
    guard attempt < attempts, Self.mayHelp(outcome, isIdempotent: isIdempotent) else { return .settle }
    var least = 0
    if case .response(_, let retryAfter, _) = outcome { least = min(retryAfter ?? 0, retryAfterMillisecondsMax) }
    return .retry(afterMilliseconds: least + backoff(attempt: attempt, random: random))
  }

  /// The random wait after attempt number `attempt`, which counts from 1, in milliseconds.
  public func backoff(attempt: Int, random: Double) -> Int {
    let doublings = min(max(0, attempt - 1), 30)
    let (product, overflow) = initialMilliseconds.multipliedReportingOverflow(by: 1 << doublings)
    let ceiling = overflow ? maximumMilliseconds : min(product, maximumMilliseconds)
    return Int(Double(ceiling) * min(max(random, 0), 1))
  }

  private static func mayHelp(_ outcome: Outcome, isIdempotent: Bool) -> Bool {
    switch outcome {
    case .response(let status, _, let isDeclaredTransient):
      if status == 429 || status == 503 { return true }
      return isIdempotent && (isDeclaredTransient || status == 408 || status == 500 || status == 502 || status == 504)
    case .failure(.notSent): return true
    case .failure(.connectionLost), .failure(.timeout), .failure(.malformedResponse): return isIdempotent
    case .failure(.responseTooLarge), .failure(.invalidRequest), .failure(.cancelled): return false
    }
  }
}
