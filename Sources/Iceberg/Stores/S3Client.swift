import Synchronization

/// One operation on a bucket or an object.
struct S3Call: Sendable {
  var method: String
  var bucket: String
  var key: String
  var query: [(name: String, value: String)] = []
  var headers: HTTPHeaderList = [:]
  var body: HTTPTransportBody = .none
  var payloadHash = Digests.sha256OfNothing
  var responseBytesMax = 64 << 20
  /// Carried on although the task is cancelled: tidying up.
  var ignoresCancellation = false

  /// Whether an error may come with status 200, because the server begins its answer before it is done.
  var mayFailLate = false

  /// For messages.
  var summary: String { "\(method) s3://\(bucket)/\(key)" }
}

/// Signs, sends and retries; goes to a bucket's region, and gets fresh credentials, when the server says so.
struct S3Client: Sendable {
  let configuration: S3Configuration
  let sender: RetryingSender
  let credentials: any CredentialsProvider
  private let regions = RegionMemory()

  init(
    configuration: S3Configuration, credentials: any CredentialsProvider, transport: any HTTPTransport,
    environment: TransportEnvironment
  ) {
    self.configuration = configuration
    self.credentials = credentials
    sender = RetryingSender(transport: transport, policy: configuration.retryPolicy, environment: environment)
  }

  /// What came of a call.
  enum Result: Sendable {
    /// The last answer, whatever its status.
    case answer(RetryingSender.Answer)
    /// There is no answer.
    case lost(RetryingSender.Failure)

    /// Whether the server may have acted on an attempt before the last one.
    var mayHaveBeenAppliedBefore: Bool {
      switch self {
      case .answer(let answer): answer.mayHaveBeenAppliedBefore
      case .lost(let failure): failure.mayHaveBeenApplied
      }
    }
  }

  /// Makes a call until it is answered finally.
  func perform(_ call: S3Call) async throws(IcebergError) -> Result {
    var refused: S3Credentials?
    var mayHaveBeenApplied = false
    for round in 0..<3 {
      let region = regions[call.bucket] ?? configuration.region
      let credentials = try await credentials.credentials(insteadOf: refused)
      let result = try await send(call, region: region, credentials: credentials)
      guard case .answer(var answer) = result else { return result }
      mayHaveBeenApplied = mayHaveBeenApplied || answer.mayHaveBeenAppliedBefore
      answer.mayHaveBeenAppliedBefore = mayHaveBeenApplied
      if !answer.response.isSuccess && round < 2 {
        let failure = S3Failure(answer.response)
        if failure.isWrongRegion, let other = failure.region, other != region {
          regions[call.bucket] = other
          continue
        }
        if failure.isExpiredCredentials && refused == nil {
          refused = credentials
          continue
        }
      }
      return .answer(answer)
    }
    throw IcebergError(.transient, "\(call.summary): the bucket's region changes from answer to answer")
  }

  /// Makes a call that has to succeed.
  func require(_ call: S3Call) async throws(IcebergError) -> HTTPTransportResponse {
    switch try await perform(call) {
    case .lost(let failure): throw Self.error(failure)
    case .answer(let answer):
      guard answer.response.isSuccess else { throw S3Failure(answer.response).error(call.summary) }
      return answer.response
    }
  }

  /// The error for a call without an answer.
  static func error(_ failure: RetryingSender.Failure) -> IcebergError {
    IcebergError(failure.error.kind == .invalidRequest ? .invalid : .transient, "\(failure)")
  }

  private func send(
    _ call: S3Call, region: String, credentials: S3Credentials
  ) async throws(IcebergError) -> Result {
    do {
      return .answer(
        try await sender.send(
          isIdempotent: true,
          // A success may still carry an error: only the answers that may are looked into.
          isDeclaredTransient: { (!$0.isSuccess || call.mayFailLate) && S3Failure($0).isTransient },
          makeRequest: { _ in request(call, region: region, credentials: credentials) }))
    } catch let failure as RetryingSender.Failure {
      return .lost(failure)
    } catch {
      throw (error as? IcebergError) ?? IcebergError(.transient, "\(call.summary): \(error)")
    }
  }

  private func request(_ call: S3Call, region: String, credentials: S3Credentials) -> HTTPTransportRequest {
    let address = configuration.address(bucket: call.bucket, key: call.key, region: region)
    var headers = call.headers
    headers["Host"] = address.host
    headers["x-amz-content-sha256"] = call.payloadHash
    headers = SignatureV4(credentials: credentials, region: region).sign(
      SignatureV4.Message(
        method: call.method, encodedPath: address.path, query: call.query, headers: headers,
        payloadHash: call.payloadHash), atMilliseconds: sender.environment.nowMilliseconds())
    let query = call.query.isEmpty ? "" : "?" + SignatureV4.encodedQuery(call.query)
    return HTTPTransportRequest(
      method: call.method, url: address.url + query, headers: headers, body: call.body,
      responseBytesMax: call.responseBytesMax, ignoresCancellation: call.ignoresCancellation)
  }
}

/// In which regions buckets turned out to be.
private final class RegionMemory: Sendable {
  private let regions = Mutex<[String: String]>([:])

  subscript(bucket: String) -> String? {
    get { regions.withLock { $0[bucket] } }
    set {
      regions.withLock { regions in
        if regions.count >= 1000 { regions.removeAll() }
        regions[bucket] = newValue
      }
    }
  }
}
