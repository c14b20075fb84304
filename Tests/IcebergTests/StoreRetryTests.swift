import Glibc
import Iceberg
import IcebergSupport
import TestTraits
import Testing

private let errorBodies: [String: String] = [
  "slow": "<Error><Code>SlowDown</Code><Message>calm down</Message></Error>",
  "conflict": "<Error><Code>ConditionalRequestConflict</Code></Error>",
  "unknown": "<Error><Code>NotImplemented</Code></Error>",
  "internal": "<Error><Code>InternalError</Code></Error>",
  "expired": "<Error><Code>ExpiredToken</Code></Error>",
  "skew":
    "<Error><Code>RequestTimeTooSkewed</Code><RequestTime>20260101T000000Z</RequestTime><ServerTime>2026-01-01T03:00:00Z</ServerTime></Error>"
]

private func answer(_ status: Int, _ name: String = "", _ headers: HTTPHeaderList = [:]) -> HTTPTransportResponse {
  HTTPTransportResponse(status: status, headers: headers, body: Array((errorBodies[name] ?? name).utf8))
}

private func makeStore(
  _ transport: any HTTPTransport, endpoint: String? = "http://127.0.0.1:9",
  credentials: any CredentialsProvider = FixedCredentials(S3Credentials(accessKeyID: "id", secretAccessKey: "s3cret"))
) -> S3Store {
  S3Store(
    configuration: S3Configuration(endpoint: endpoint), credentials: credentials, transport: transport,
    environment: .simulated(seed: 1))
}

private func failure(_ body: () async throws(IcebergError) -> Void) async -> IcebergError? {
  do throws(IcebergError) {
    try await body()
    return nil
  } catch {
    return error
  }
}

@Suite("Retries and odd answers", .fewAtOnce)
struct StoreRetryTests {
  @Test("the wait doubles up to the maximum, is random below that, and honours Retry-After")
  func backoff() {
    let policy = RetryPolicy(attempts: 6, initialMilliseconds: 100, maximumMilliseconds: 1000)
    #expect((1...5).map { policy.backoff(attempt: $0, random: 0.5) } == [50, 100, 200, 400, 500])
    #expect(policy.backoff(attempt: .max, random: 0) == 0)
    let slow = RetryPolicy.Outcome.response(status: 503, retryAfterMilliseconds: 7000)
    #expect(
      policy.decision(attempt: 1, outcome: slow, isIdempotent: false, random: 0.5) == .retry(afterMilliseconds: 7050))
    #expect(policy.decision(attempt: 6, outcome: slow, isIdempotent: true, random: 0.5) == .settle)
  }

  @Test("what is not idempotent is only repeated when the server has not acted")
  func idempotency() {
    func repeats(_ outcome: RetryPolicy.Outcome, _ isIdempotent: Bool) -> Bool {
      RetryPolicy().decision(attempt: 1, outcome: outcome, isIdempotent: isIdempotent, random: 0) != .settle
    }
    for kind in [HTTPTransportError.Kind.connectionLost, .timeout, .malformedResponse] {
      #expect(repeats(.failure(kind), true) && !repeats(.failure(kind), false))
    }
    for status in [500, 502, 504, 408] {
      let outcome = RetryPolicy.Outcome.response(status: status, retryAfterMilliseconds: nil)
      #expect(repeats(outcome, true) && !repeats(outcome, false))
    }
    #expect(repeats(.failure(.notSent), false))
    for status in [200, 301, 400, 403, 404, 409, 412, 501] {
      #expect(!repeats(.response(status: status, retryAfterMilliseconds: nil), true))
    }
  }

  @Test("SlowDown, conflicts of conditional writes and lost requests are tried again, until the policy says enough")
  func retried() async throws {
    let transport = ScriptedTransport { (number, _) throws(HTTPTransportError) in
      switch number {
      case 1: return answer(503, "slow")
      case 2: return answer(409, "conflict")
      case 3: throw HTTPTransportError(.notSent, "nobody")
      default: return answer(200)
      }
    }
    _ = try await makeStore(transport).write("s3://bucket/k", [1], ifAbsent: true)
    #expect(transport.requests.count == 4)
    let never = ScriptedTransport { (_, _) throws(HTTPTransportError) in answer(503, "slow") }
    let error = await failure { () throws(IcebergError) in _ = try await makeStore(never).info("s3://bucket/k") }
    #expect(error?.kind == .transient)
    #expect(never.requests.count == RetryPolicy().attempts)
  }

  @Test("a conditional write whose answer was lost succeeds when its own bytes are there, and fails when others are")
  func lostAnswer() async throws {
    for (content, expected) in [("mine", nil), ("else", IcebergError.Kind.alreadyExists), ("", .unknownOutcome)] {
      let transport = ScriptedTransport { (number, request) throws(HTTPTransportError) in
        switch request.method {
        case "PUT" where number == 1: throw HTTPTransportError(.connectionLost, "lost")
        case "PUT": return answer(412)
        case "HEAD": return content.isEmpty ? answer(404) : answer(200, "", ["Content-Length": "4"])
        default: return answer(200, content)
        }
      }
      let error = await failure { () throws(IcebergError) in
        _ = try await makeStore(transport).write("s3://bucket/k", Array("mine".utf8), ifAbsent: true)
      }
      #expect(error?.kind == expected, "\(content)")
    }
    // Without a lost answer, the same bytes are somebody else's.
    let plain = ScriptedTransport { (_, _) throws(HTTPTransportError) in answer(412) }
    let error = await failure { () throws(IcebergError) in
      _ = try await makeStore(plain).write("s3://bucket/k", [], ifAbsent: true)
    }
    #expect(error?.kind == .alreadyExists && plain.requests.count == 1)
  }

  @Test("a store without conditional writes is looked at first, and says so")
  func withoutConditionalWrites() async throws {
    let transport = ScriptedTransport { (_, request) throws(HTTPTransportError) in
      if request.headers["If-None-Match"] != nil { return answer(501, "unknown") }
      return request.method == "HEAD" ? answer(404) : answer(200)
    }
    let store = makeStore(transport)
    #expect(store.offersConditionalWrites)
    _ = try await store.write("s3://bucket/k", [1], ifAbsent: true)
    #expect(!store.offersConditionalWrites)
    #expect(transport.requests.map(\.method) == ["PUT", "HEAD", "PUT"])
  }

  @Test("a bucket of another region is found, and remembered; credentials that have expired are replaced once")
  func redirects() async throws {
    let transport = ScriptedTransport { (_, request) throws(HTTPTransportError) in
      request.url.hasPrefix("https://bucket.s3.eu-west-3.amazonaws.com/")
        ? answer(200, "", ["Content-Length": "1"]) : answer(301, "", ["x-amz-bucket-region": "eu-west-3"])
    }
    let store = makeStore(transport, endpoint: nil)
    for _ in 0..<2 { _ = try await store.info("s3://bucket/k") }
    #expect(transport.requests.count == 3)
    #expect(transport.requests[1].headers["Authorization"]?.contains("/eu-west-3/s3/") == true)

    let expiring = ScriptedTransport { (_, request) throws(HTTPTransportError) in
      request.headers["x-amz-security-token"] == "2" ? answer(200) : answer(400, "expired")
    }
    let counter = ScriptedTransport { (_, _) throws(HTTPTransportError) in answer(200) }
    let credentials = RefreshingCredentials(environment: .simulated(seed: 1)) { () throws(IcebergError) in
      _ = try? await counter.send(HTTPTransportRequest(method: "GET", url: ""))
      return S3Credentials(
        accessKeyID: "id", secretAccessKey: "s", sessionToken: String(counter.requests.count),
        expiresAtMilliseconds: .max)
    }
    _ = try await makeStore(expiring, credentials: credentials).write("s3://bucket/k", [], ifAbsent: false)
    #expect(expiring.requests.count == 2)
  }

  @Test("a skewed clock is explained with both times")
  func skew() async {
    let transport = ScriptedTransport { (_, _) throws(HTTPTransportError) in answer(403, "skew") }
    let error = await failure { () throws(IcebergError) in
      _ = try await makeStore(transport).read("s3://b/k", range: nil)
    }
    #expect(error?.kind == .unauthorized)
    #expect(error?.message.contains("20260101T000000Z") == true)
    #expect(error?.message.contains("2026-01-01T03:00:00Z") == true)
  }

  @Test("a deletion reports each key that was refused, and repeats those that may succeed")
  func deletion() async throws {
    let transport = ScriptedTransport { (number, _) throws(HTTPTransportError) in
      let code = number == 1 ? "InternalError" : "AccessDenied"
      return answer(200, "<DeleteResult><Error><Key>b&amp;c</Key><Code>\(code)</Code></Error></DeleteResult>")
    }
    let error = await failure { () throws(IcebergError) in
      try await makeStore(transport).delete(["s3://bucket/a", "s3://bucket/b&c"])
    }
    #expect(error?.kind == .unauthorized)
    #expect(error?.message.contains("b&c") == true)
    #expect(transport.requests.count == 2)
    guard case .bytes(let second) = transport.requests[1].body else { return }
    #expect(!String(decoding: second, as: UTF8.self).contains("<Key>a</Key>"))
  }

  @Test("the container's and the instance's credentials are fetched, kept, and replaced before they end")
  func credentialSources() async throws {
    let json =
      "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"2023-11-14T23:13:20Z\"}"
    let transport = ScriptedTransport { (_, request) throws(HTTPTransportError) in
      if request.method == "PUT" { return answer(200, "session") }
      if request.url.hasSuffix("security-credentials/") { return answer(200, "role\n") }
      return answer(200, json)
    }
    // The simulated clock starts one hour before the credentials end.
    let environment = TransportEnvironment.simulated(seed: 1, startMilliseconds: 1_700_000_000_000)
    let provider = CredentialSources(
      transport: transport, environment: environment, variable: { _ in nil }, region: "us-east-1"
    ).provider()
    for _ in 0..<3 {
      let credentials = try await provider.credentials(insteadOf: nil)
      #expect(credentials.sessionToken == "T" && credentials.expiresAtMilliseconds == 1_700_003_600_000)
    }
    #expect(transport.requests.count == 3)
    #expect(transport.requests[2].headers["X-aws-ec2-metadata-token"] == "session")
    #expect(transport.requests[2].url.hasSuffix("security-credentials/role"))
    try await environment.sleep(56 * 60_000)
    _ = try await provider.credentials(insteadOf: nil)
    #expect(transport.requests.count == 6)
    let plain = CredentialSources(
      transport: transport, environment: environment,
      variable: { $0 == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? "http://example.com/steal" : nil }, region: "us-east-1"
    ).provider()
    #expect(
      await failure { () throws(IcebergError) in _ = try await plain.credentials(insteadOf: nil) }?.kind == .invalid)
  }

  @Test("an upload whose completion is answered late, lost, or with an error in a success, is settled by looking")
  func completion() async throws {
    let path = "/tmp/iceberg-completion-\(getpid())"
    _ = try await LocalFileStore().write(path, [UInt8](repeating: 1, count: 20 << 20), ifAbsent: false)
    defer { unlink(path) }
    // 900150983cd24fb0d6963f7d28e17f72 thrice, as the parts' tags; their MD5 is not what the store says below.
    let tag = "\"900150983cd24fb0d6963f7d28e17f72\""
    for (completion, found, expected) in [
      ("lost", "encrypted", nil), ("lost", "none", IcebergError.Kind.transient), ("late", "none", nil),
      ("refused", "none", .invalid), ("lost", "other", .transient)
    ] {
      let transport = ScriptedTransport { (number, request) throws(HTTPTransportError) in
        switch request.method {
        case "POST" where request.url.hasSuffix("uploads="):
          return answer(200, "<R><UploadId>u</UploadId></R>")
        case "PUT": return answer(200, "", ["ETag": found == "encrypted" ? "\"opaque\"" : tag])
        case "HEAD" where found == "none": return answer(404)
        case "HEAD":
          let size = found == "other" ? "7" : String(20 << 20)
          return answer(200, "", ["Content-Length": size, "ETag": "\"whatever-3\""])
        case "POST" where completion == "lost": throw HTTPTransportError(.connectionLost, "lost")
        case "POST" where completion == "late" && number < 8: return answer(200, "internal")
        case "POST" where completion == "refused": return answer(400, "<Error><Code>InvalidPart</Code></Error>")
        case "POST":
          return answer(200, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
        default: return answer(204)
        }
      }
      let error = await failure { () throws(IcebergError) in
        _ = try await makeStore(transport).upload(file: path, to: "s3://bucket/k")
      }
      #expect(error?.kind == expected, "\(completion) \(found): \(error?.message ?? "")")
      #expect(transport.requests.contains { $0.method == "DELETE" } == (expected != nil), "\(completion) \(found)")
    }
  }
}
