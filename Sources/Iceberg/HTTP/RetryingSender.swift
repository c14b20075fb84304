/// Sends requests through a transport until the policy is satisfied.
public struct RetryingSender: Sendable {
  /// Carries the requests.
  public let transport: any HTTPTransport
  /// When a request is sent again.
  public let policy: RetryPolicy
  /// Time and chance.
  public let environment: TransportEnvironment

  /// A sender.
  public init(
    transport: any HTTPTransport, policy: RetryPolicy = RetryPolicy(), environment: TransportEnvironment = .system
  ) {
    self.transport = transport
    self.policy = policy
    self.environment = environment
  }

  /// The last answer, and what came before it.
  public struct Answer: Sendable {
    /// The last answer.
    public var response: HTTPTransportResponse
    /// How often the request was sent.
    public var attempts: Int
    /// Whether the server may have acted on an earlier attempt whose answer was lost, or was a server error.
    public var mayHaveBeenAppliedBefore: Bool
  }

  /// There is no last answer: the failure of the last attempt, and what came before it.
  public struct Failure: Error, Sendable, CustomStringConvertible {
    /// What went wrong with the last attempt.
    public var error: HTTPTransportError
    /// How often the request was sent.
    public var attempts: Int
    /// Whether the server may have acted on any of the attempts.
    public var mayHaveBeenApplied: Bool

    /// The message, with the number of attempts.
    public var description: String {
      attempts == 1 ? error.message : "\(error.message) (attempt \(attempts), the last)"
    }
  }

  /// Sends a request until it is answered finally, or the policy says that it was enough.
  ///
  /// - Parameters:
  ///   - isIdempotent: Whether it may be sent again after the server may have acted.
  ///   - isDeclaredTransient: Whether an answer that is no 429 or 5xx asks for another attempt all the same.
  ///   - makeRequest: Makes the request of each attempt, for signatures with a time in them; the number counts from 1.
  public func send(
    isIdempotent: Bool,
    isDeclaredTransient: @Sendable (HTTPTransportResponse) -> Bool = { _ in false },
    makeRequest: (Int) async throws(IcebergError) -> HTTPTransportRequest
  ) async throws -> Answer {
    var mayHaveBeenApplied = false
    var attempt = 0
    while true {
      attempt += 1
      let request = try await makeRequest(attempt)
      let result = await exchange(request)
      let outcome: RetryPolicy.Outcome
      switch result {
      case .success(let response):
        outcome = .response(
          status: response.status, retryAfterMilliseconds: response.retryAfterMilliseconds,
          isDeclaredTransient: isDeclaredTransient(response))
      case .failure(let error):
        outcome = .failure(error.kind)
      }
      let decision = policy.decision(
        attempt: attempt, outcome: outcome, isIdempotent: isIdempotent, random: environment.random())
      if case .retry(let milliseconds) = decision, await waited(milliseconds) {
        mayHaveBeenApplied = mayHaveBeenApplied || Self.mayHaveBeenApplied(result)
        continue
      }
      switch result {
      case .success(let response):
        return Answer(response: response, attempts: attempt, mayHaveBeenAppliedBefore: mayHaveBeenApplied)
      case .failure(let error):
        throw Failure(
          error: error, attempts: attempt, mayHaveBeenApplied: mayHaveBeenApplied || error.mayHaveBeenApplied)
      }
    }
  }

  private func exchange(_ request: HTTPTransportRequest) async -> Result<HTTPTransportResponse, HTTPTransportError> {
    do {
      return .success(try await transport.send(request))
    } catch {
      return .failure(error)
    }
  }

  /// Whether the wait came to its end: a cancelled task settles for what it has.
  private func waited(_ milliseconds: Int) async -> Bool {
    do {
      try await environment.sleep(milliseconds)
      return !Task.isCancelled
    } catch {
      return false
    }
  }

  /// 429 and 503 are refusals; any other server error may come after the deed.
  private static func mayHaveBeenApplied(_ result: Result<HTTPTransportResponse, HTTPTransportError>) -> Bool {
    switch result {
    case .success(let response): response.status >= 500 && response.status != 503
    case .failure(let error): error.mayHaveBeenApplied
    }
  }
}
