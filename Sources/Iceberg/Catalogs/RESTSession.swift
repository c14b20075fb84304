/// One exchange, with the failures of the way as the catalog's own.
enum RESTExchange {
  /// The last answer, whatever its status.
  ///
  /// - Throws: kind `unknownOutcome` when the server may have acted on a request that may not be repeated.
  static func send(
    _ sender: RetryingSender, isIdempotent: Bool, _ what: String,
    makeRequest: (Int) async throws(IcebergError) -> HTTPTransportRequest
  ) async throws(IcebergError) -> RetryingSender.Answer {
    do {
      return try await sender.send(isIdempotent: isIdempotent, makeRequest: makeRequest)
    } catch let failure as RetryingSender.Failure {
      throw error(failure, isIdempotent: isIdempotent, what)
    } catch let error as IcebergError {
      throw error
    } catch {
      throw IcebergError(.transient, "\(what): \(error)")
    }
  }

  private static func error(
    _ failure: RetryingSender.Failure, isIdempotent: Bool, _ what: String
  ) -> IcebergError {
    let text = "\(what): \(failure)"
    if failure.mayHaveBeenApplied, !isIdempotent {
      return IcebergError(
        .unknownOutcome, "\(text); whether it was done is unknown: look before trying again, delete nothing")
    }
    switch failure.error.kind {
    case .invalidRequest: return IcebergError(.invalid, text)
    case .responseTooLarge, .malformedResponse: return IcebergError(.corrupt, text)
    case .notSent, .connectionLost, .timeout, .cancelled: return IcebergError(.transient, text)
    }
  }
}

/// Sends requests of a REST catalog: addresses, headers, tokens.
struct RESTSession: Sendable {
  /// What a request may be taken to do when it is sent twice.
  enum Repetition: Hashable, Sendable {
    /// The same as once.
    case harmless
    /// Something else: it is sent again only when the server has refused to look at it.
    case harmful
    /// As `harmful`, and 429 and 503 are for the caller to judge.
    case commit
  }

  /// An answer with a success status.
  struct Answer: Sendable {
    /// The body; null when it is empty.
    var json: JSONValue
    /// Whether an earlier attempt may have done it.
    var mayHaveBeenAppliedBefore: Bool
  }

  /// An answer without one.
  struct Refused: Error, Sendable {
    var refusal: RESTRefusal
    var mayHaveBeenAppliedBefore: Bool
  }

  private static let responseBytesMax = 512 << 20
  private static let timeoutMilliseconds = 300_000

  let settings: RESTSettings
  let sender: RetryingSender
  let authenticator: RESTAuthenticator
  private let headers: HTTPHeaderList
  private let signer: RESTSigner?

  /// - Parameter authenticator: One that has a token already.
  init(
    _ settings: RESTSettings, sender: RetryingSender, authenticator: RESTAuthenticator? = nil
  ) throws(IcebergError) {
    self.settings = settings
    self.sender = sender
    signer = try RESTSigner(settings.properties, transport: sender.transport, environment: sender.environment)
    var headers: HTTPHeaderList = [:]
    for (name, value) in settings.properties.sorted(by: { $0.key < $1.key }) where name.hasPrefix("header.") {
      headers[String(name.dropFirst(7))] = value
    }
    self.authenticator =
      authenticator ?? RESTAuthenticator(RESTCredentials(settings), sender: sender, headers: headers)
    if headers["X-Iceberg-Access-Delegation"] == nil { headers["X-Iceberg-Access-Delegation"] = "vended-credentials" }
    if headers["X-Iceberg-Access-Delegation"] == "" { headers["X-Iceberg-Access-Delegation"] = nil }
    headers["Accept"] = "application/json"
    self.headers = headers
  }

  /// Sends a request and reads its answer.
  ///
  /// - Parameters:
  ///   - path: What follows ``RESTSettings/root``, encoded, with its query.
  ///   - what: Begins messages.
  /// - Returns: A success, or what the server refused with.
  func send(
    _ method: String, _ path: String, _ body: JSONValue?, _ repetition: Repetition, _ what: String
  ) async throws(IcebergError) -> Result<Answer, Refused> {
    try await send(method, address: settings.root + path, body, repetition, what)
  }

  /// As ``send(_:_:_:_:_:)``, with a whole address.
  func send(
    _ method: String, address: String, _ body: JSONValue?, _ repetition: Repetition, _ what: String
  ) async throws(IcebergError) -> Result<Answer, Refused> {
    var mayHaveBeenApplied = false
    var hasRenewed = false
    while true {
      let authorization = try await authenticator.header()
      var request = HTTPTransportRequest(
        method: method, url: address, headers: headers, timeoutMilliseconds: Self.timeoutMilliseconds,
        responseBytesMax: Self.responseBytesMax)
      if let authorization { request.headers["Authorization"] = authorization }
      if let body {
        request.headers["Content-Type"] = "application/json"
        request.body = .bytes(body.bytes)
      }
      let answer = try await exchange(request, repetition, what)
      let response = answer.response
      mayHaveBeenApplied = mayHaveBeenApplied || answer.mayHaveBeenAppliedBefore
      if response.isSuccess {
        let json: JSONValue
        do {
          json = response.body.isEmpty ? .null : try JSONValue(parsing: response.body)
        } catch {
          throw IcebergError(
            repetition == .harmless ? .corrupt : .unknownOutcome,
            "\(what): the server answered \(response.status), but not with JSON: \(error.message)")
        }
        return .success(Answer(json: json, mayHaveBeenAppliedBefore: mayHaveBeenApplied))
      }
      if response.status == 401 || response.status == 419, !hasRenewed, authenticator.canRenew {
        authenticator.forget(authorization)
        hasRenewed = true
        continue
      }
      return .failure(Refused(refusal: RESTRefusal(response), mayHaveBeenAppliedBefore: mayHaveBeenApplied))
    }
  }

  private func exchange(
    _ request: HTTPTransportRequest, _ repetition: Repetition, _ what: String
  ) async throws(IcebergError) -> RetryingSender.Answer {
    let makeRequest = { (_: Int) async throws(IcebergError) -> HTTPTransportRequest in
      guard let signer else { return request }
      return try await signer.sign(request, atMilliseconds: sender.environment.nowMilliseconds())
    }
    guard repetition == .commit else {
      return try await RESTExchange.send(
        sender, isIdempotent: repetition == .harmless, what, makeRequest: makeRequest)
    }
    // The policy would send it again after 503, which a proxy may have made of an answer that it lost.
    var once = sender.policy
    once.attempts = 1
    let single = RetryingSender(transport: sender.transport, policy: once, environment: sender.environment)
    var attempt = 1
    while true {
      do {
        return try await RESTExchange.send(single, isIdempotent: false, what, makeRequest: makeRequest)
      } catch  where error.kind == .transient && attempt < sender.policy.attempts && !Task.isCancelled {
        // Only a request that was never sent fails so.
        let wait = sender.policy.backoff(attempt: attempt, random: sender.environment.random())
        do { try await sender.environment.sleep(wait) } catch let interruption {
          throw IcebergError(.transient, "\(error.message) (\(interruption))")
        }
        attempt += 1
      }
    }
  }
}
