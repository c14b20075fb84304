import Glibc
import Iceberg
import IcebergSupport
import Logging
import TestSupport
import TestTraits
import Testing

/// An S3 server that verifies signatures, a bucket, and a store.
private struct S3Fixture {
  static let bucket = "lake"
  let server: MotoServer
  let key: String
  let secret: String

  init() async throws {
    server = try await MotoServer()
    let words = try await Self.judge(["setup", server.endpoint, Self.bucket]).split(whereSeparator: \.isWhitespace)
    key = String(words[0])
    secret = String(words[1])
  }

  static func judge(_ arguments: [String]) async throws -> String {
    let script = #filePath.replacing("IcebergTests/StoreS3Tests.swift", with: "Judges/s3_judge.py")
    return try await ChildProcess.run([try MotoServer.python(), script] + arguments)
  }

  func judge(_ command: String) async throws -> String {
    try await Self.judge([command, server.endpoint, key, secret, Self.bucket])
  }

  func store(transport: any HTTPTransport, secret: String? = nil, environment: TransportEnvironment? = nil) -> S3Store {
    var configuration = S3Configuration(endpoint: server.endpoint)
    configuration.multipartThresholdBytes = 6 << 20
    configuration.partBytesMin = 5 << 20
    configuration.retryPolicy.attempts = 12
    return S3Store(
      configuration: configuration,
      credentials: FixedCredentials(S3Credentials(accessKeyID: key, secretAccessKey: secret ?? self.secret)),
      transport: transport, environment: environment ?? .withoutWaiting(seed: 1))
  }

  func location(_ key: String) -> String { "s3://\(Self.bucket)/\(key)" }
}

private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
  var random = SeededNumbers(seed: seed)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
  return Array(bytes.prefix(count))
}

private func temporaryFile(_ content: [UInt8]) async throws -> String {
  let path = "/tmp/iceberg-store-\(getpid())-\(UInt64.random(in: .min ... .max))"
  _ = try await LocalFileStore().write(path, content, ifAbsent: true)
  return path
}

private func kind<Value>(_ body: () async throws(IcebergError) -> Value) async -> IcebergError.Kind? {
  do throws(IcebergError) {
    _ = try await body()
    return nil
  } catch {
    return error.kind
  }
}

/// Sends one request after the other: the server of these tests looks whether an object is there, and writes it, in two steps
/// that others may come between.
private actor OneAtATime: HTTPTransport {
  private let base: any HTTPTransport
  private var last: Task<Result<HTTPTransportResponse, HTTPTransportError>, Never>?

  init(_ base: any HTTPTransport) { self.base = base }

  func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    let (previous, base) = (last, base)
    let sent = Task { () -> Result<HTTPTransportResponse, HTTPTransportError> in
      _ = await previous?.value
      do throws(HTTPTransportError) { return .success(try await base.send(request)) } catch { return .failure(error) }
    }
    last = sent
    return try await sent.value.get()
  }

  func close() async { await base.close() }
}

@Suite("S3 store against a server that verifies signatures", .fewAtOnce)
struct StoreS3Tests {
  static let oddKeys = [
    "plain", "with space", "a+b", "100%", "%41", "year=2024/x=ä ö/ñ.parquet", "tab\tkey", "q?u&e=r#y", "a'(b)*!,;:@$",
    "日本語", "<xml>&\"quoted\"", "\u{1F600}", "~tilde_under-dash.dot", "a//b"
  ]

  @Test("every operation works, also with odd keys, and boto3 and pyarrow read what was written")
  func roundTrip() async throws {
    let fixture = try await S3Fixture()
    let transport = AsyncHTTPTransport()
    let store = fixture.store(transport: transport)
    for (index, key) in Self.oddKeys.enumerated() {
      let content = bytes(10 + index, seed: UInt64(index))
      let info = try await store.write(fixture.location(key), content, ifAbsent: index % 2 == 0)
      #expect(info.size == Int64(content.count))
      #expect(try await store.read(fixture.location(key), range: nil) == content, "\(key)")
      #expect(try await store.read(fixture.location(key), range: 2..<5) == Array(content[2..<5]))
      #expect(try await store.read(fixture.location(key), range: 4..<1000) == Array(content[4...]))
      #expect(try await store.read(fixture.location(key), range: 1000..<2000) == [])
      #expect(try await store.info(fixture.location(key))?.size == Int64(content.count))
    }
    #expect(try await store.info(fixture.location("missing")) == nil)
    #expect(
      await kind { () throws(IcebergError) in try await store.read(fixture.location("missing"), range: nil) }
        == .notFound)
    #expect(
      await kind { () throws(IcebergError) in try await store.read(fixture.location("missing"), range: 1..<1) }
        == .notFound)
    let again = await kind { () throws(IcebergError) in
      try await store.write(fixture.location("plain"), [1], ifAbsent: true)
    }
    #expect(again == .alreadyExists)
    #expect(store.offersConditionalWrites)
    let listed = try await store.list(prefix: fixture.location(""), after: nil)
    let sorted = Self.oddKeys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(listed.objects.map(\.location) == sorted.map { fixture.location($0) })
    let judged = try await fixture.judge("check")
    for (index, key) in Self.oddKeys.enumerated() {
      #expect(judged.contains(" \(10 + index) \(key)\n"), "\(key)")
    }
    try await store.delete(Self.oddKeys.map { fixture.location($0) } + [fixture.location("never there")])
    #expect(try await store.list(prefix: fixture.location(""), after: nil).objects.isEmpty)
    await transport.close()
  }

  @Test("a wrong secret and a missing bucket are told apart, and no message holds the secret")
  func refusals() async throws {
    let fixture = try await S3Fixture()
    let transport = AsyncHTTPTransport()
    let wrong = fixture.store(transport: transport, secret: "not-the-secret")
    do throws(IcebergError) {
      _ = try await wrong.write(fixture.location("a"), [1], ifAbsent: false)
      Issue.record("a wrong secret was accepted")
    } catch {
      #expect(error.kind == .unauthorized)
      #expect(error.message.contains("SignatureDoesNotMatch"))
      #expect(!error.message.contains("not-the-secret"))
    }
    let store = fixture.store(transport: transport)
    #expect(
      await kind { () throws(IcebergError) in try await store.read("s3://no-such-bucket/a", range: nil) } == .notFound)
    await transport.close()
  }

  @Test("large files go up in parts, also while one in ten requests fails; nothing unfinished stays")
  func multipart() async throws {
    let fixture = try await S3Fixture()
    let real = AsyncHTTPTransport()
    let content = bytes(23 << 20, seed: 7)
    let path = try await temporaryFile(content)
    defer { unlink(path) }
    for seed in UInt64(1)...6 {
      let faulty = FaultyTransport(real, seed: seed, probability: seed == 1 ? 0 : 0.1)
      let store = fixture.store(transport: faulty)
      let location = fixture.location("large/\(seed)")
      let info = try await store.upload(file: path, to: location)
      #expect(info.size == Int64(content.count), "seed \(seed)")
      #expect(try await store.read(location, range: nil) == content, "seed \(seed)")
      #expect(try await store.info(location)?.entityTag?.hasSuffix("-5\"") == true, "seed \(seed)")
    }
    let empty = try await temporaryFile([])
    defer { unlink(empty) }
    #expect(try await fixture.store(transport: real).upload(file: empty, to: fixture.location("empty")).size == 0)
    #expect(try await fixture.judge("check").contains(" \(content.count) large/1\n"))
    await real.close()
  }

  @Test("a failed upload is aborted")
  func abortedUpload() async throws {
    let fixture = try await S3Fixture()
    let real = AsyncHTTPTransport()
    let refusing = ScriptedTransport { (_, request) throws(HTTPTransportError) in
      if request.url.contains("partNumber=3") { return HTTPTransportResponse(status: 403) }
      return try await real.send(request)
    }
    let path = try await temporaryFile(bytes(23 << 20, seed: 3))
    defer { unlink(path) }
    let store = fixture.store(transport: refusing)
    let failure = await kind { () throws(IcebergError) in try await store.upload(file: path, to: fixture.location("x"))
    }
    #expect(failure == .unauthorized)
    #expect(try await fixture.judge("uploads") == "0\n")
    await real.close()
  }

  @Test("a cancelled upload is aborted, too")
  func cancelledUpload() async throws {
    let fixture = try await S3Fixture()
    let real = AsyncHTTPTransport()
    let path = try await temporaryFile(bytes(23 << 20, seed: 3))
    defer { unlink(path) }
    let location = fixture.location("x")
    await withTaskGroup(of: Void.self) { group in
      let (parts, begun) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
      let watching = ScriptedTransport { (_, request) throws(HTTPTransportError) in
        if request.url.contains("partNumber=3") {
          begun.yield()
          begun.finish()
          // Until the cancellation arrives.
          do { try await Task.sleep(nanoseconds: 60_000_000_000) } catch {}
          throw HTTPTransportError(.cancelled, "cancelled")
        }
        return try await real.send(request)
      }
      let store = fixture.store(transport: watching)
      group.addTask {
        do throws(IcebergError) {
          _ = try await store.upload(file: path, to: location)
          Issue.record("the upload was not cancelled")
        } catch {}
      }
      for await _ in parts {}
      group.cancelAll()
    }
    #expect(try await fixture.judge("uploads") == "0\n")
    await real.close()
  }

  @Test("of many writers of an absent object exactly one wins, whatever is lost on the way")
  func conditionalWrites() async throws {
    let fixture = try await S3Fixture()
    let real = OneAtATime(AsyncHTTPTransport())
    for seed in UInt64(1)...8 {
      let location = fixture.location("race/\(seed)")
      let results = await withTaskGroup(of: (Int, IcebergError.Kind?).self) { group in
        for writer in 0..<6 {
          let faulty = FaultyTransport(real, seed: seed * 100 + UInt64(writer), probability: 0.3)
          let store = fixture.store(transport: faulty, environment: .withoutWaiting(seed: seed))
          group.addTask {
            (
              writer,
              await kind { () throws(IcebergError) in try await store.write(location, [UInt8(writer)], ifAbsent: true) }
            )
          }
        }
        return await group.reduce(into: [(Int, IcebergError.Kind?)]()) { $0.append($1) }
      }
      let winners = results.filter { $0.1 == nil }.map(\.0)
      #expect(winners.count == 1, "seed \(seed): \(results)")
      let content = try await fixture.store(transport: real).read(location, range: nil)
      #expect(content == winners.map { UInt8($0) }, "seed \(seed)")
      #expect(results.allSatisfy { $0.1 == nil || $0.1 == .alreadyExists }, "seed \(seed): \(results)")
    }
    await real.close()
  }

  @Test("listings of more than a page are complete and sorted, and batches of more than a thousand are deleted")
  func pages() async throws {
    let fixture = try await S3Fixture()
    let transport = AsyncHTTPTransport()
    let store = fixture.store(transport: transport)
    let keys = (0..<1100).map { "p/\($0)" }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for start in 0..<8 {
        group.addTask {
          for index in stride(from: start, to: keys.count, by: 8) {
            _ = try await store.write(fixture.location(keys[index]), [], ifAbsent: false)
          }
        }
      }
      try await group.waitForAll()
    }
    let first = try await store.list(prefix: fixture.location("p/"), after: nil)
    let second = try await store.list(prefix: fixture.location("p/"), after: first.next)
    #expect(first.objects.count == 1000)
    #expect(second.next == nil)
    #expect((first.objects + second.objects).map(\.location) == keys.sorted().map { fixture.location($0) })
    try await store.delete(keys.map { fixture.location($0) })
    #expect(try await store.list(prefix: fixture.location(""), after: nil).objects.isEmpty)
    await transport.close()
  }
}
