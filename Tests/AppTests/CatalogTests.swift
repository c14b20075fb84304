import App
import Foundation
import Runtime
import TestTraits
import Testing

@Suite("The served catalog", .fewAtOnce)
struct CatalogTests {
  private func settings(_ more: [String: String] = [:]) throws -> (settings: Settings, directory: String) {
    let directory = "/tmp/weir-catalog-\(getpid())-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let flags = ["WEIR_WAREHOUSE": directory, "WEIR_LOG_LEVEL": "error"].merging(more) { _, given in given }
    return (try Settings(flags: flags, environment: [:]), directory)
  }

  @Test("PyIceberg and DuckDB read and write through it as through any catalog, and without its token not at all")
  func clients() async throws {
    let python = try #require(
      ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"], "`./weir test` installs the judges and says where")
    let (settings, directory) = try settings(["WEIR_CATALOG_TOKEN": "hush"])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let served = try await ServedCatalog.open(settings, logger: EngineAdapter.logger(settings))
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
      let server = served.server(port: 0) { port in continuation.yield(port) }
      group.addTask { try await server.run() }
      var iterator = ports.makeAsyncIterator()
      let port = try #require(await iterator.next())
      let judge = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Judges/rest_clients.py").path
      let address = served.address(port: port)
      let allowed = try await Self.run(python, [judge, address, "filesystem", "token=hush"])
      #expect(allowed.hasSuffix("OK\n"), "\(allowed)")
      let refused = try await Self.run(python, [judge, address, "filesystem", "token=guess"])
      #expect(refused.contains("UnauthorizedError"), "\(refused)")
      // Both bodies are announced and never sent: the answers do not wait for them.
      let announced = """
        import http.client, sys
        for token, length in (("guess", 10), ("hush", 40 << 20)):
            client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
            client.putrequest("POST", "/v1/namespaces")
            client.putheader("Authorization", "Bearer " + token)
            client.putheader("Content-Length", str(length))
            client.endheaders()
            answer = client.getresponse()
            print(answer.status, answer.read().decode())
        """
      let early = try await Self.run(python, ["-c", announced, "\(port)"]).split(separator: "\n")
      #expect(early.count == 2, "\(early)")
      #expect(early.first?.hasPrefix("401 ") == true && early.last?.hasPrefix("413 ") == true, "\(early)")
      #expect(early.last?.contains("BadRequestException") == true, "\(early)")
      group.cancelAll()
    }
    await served.close()
  }

  /// What a program writes to both of its outputs; waits for it without holding a thread of the pool.
  private static func run(_ program: String, _ arguments: [String]) async throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    let output = FileManager.default.temporaryDirectory.appending(path: "weir-judge-\(UUID().uuidString)")
    try Data().write(to: output)
    defer { try? FileManager.default.removeItem(at: output) }
    let handle = try FileHandle(forWritingTo: output)
    process.standardOutput = handle
    process.standardError = handle
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in continuation.resume() }
      do {
        try process.run()
      } catch {
        process.terminationHandler = nil
        continuation.resume(throwing: error)
      }
    }
    try handle.close()
    return try String(contentsOf: output, encoding: .utf8)
  }

  @Test(
    "the address for people can be opened on this machine",
    arguments: [
      ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("fe80::1", "http://[fe80::1]:80"),
      ("lake.example", "http://lake.example:80")
    ])
  func address(host: String, expected: String) async throws {
    let (settings, directory) = try settings(["WEIR_CATALOG_HOST": host])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let served = try await ServedCatalog.open(settings, logger: EngineAdapter.logger(settings))
    #expect(served.address(port: 80) == expected)
    await served.close()
  }

  @Test("a port that is taken is said to be so")
  func portInUse() async throws {
    let (settings, directory) = try settings()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let served = try await ServedCatalog.open(settings, logger: EngineAdapter.logger(settings))
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
      let first = served.server(port: 0) { port in continuation.yield(port) }
      group.addTask { try await first.run() }
      var iterator = ports.makeAsyncIterator()
      let port = try #require(await iterator.next())
      let failure = await #expect(throws: CommandFailure.self) {
        try await served.server(port: port) { _ in }.run()
      }
      #expect(failure?.code == .usage && failure?.message.contains("WEIR_CATALOG_PORT") == true)
      group.cancelAll()
    }
    await served.close()
  }

  @Test(
    "a catalog that cannot be used is a mistake of the configuration, said at start and without its password",
    arguments: [
      (["WEIR_CATALOG": "sql"], "set WEIR_CATALOG_URL or WEIR_POSTGRES_URL"),
      (["WEIR_CATALOG": "sql", "WEIR_CATALOG_URL": "postgresql://u:s3cret@127.0.0.1:1/d"], "127.0.0.1"),
      (["WEIR_CATALOG": "sql", "WEIR_POSTGRES_URL": "mysql://u:s3cret@h/d"], "postgresql://"),
      (["WEIR_WAREHOUSE": "ftp://host/path"], "ftp")
    ])
  func unusable(more: [String: String], expected: String) async throws {
    let (settings, directory) = try settings(more)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let failure = await #expect(throws: CommandFailure.self) {
      _ = try await ServedCatalog.open(settings, logger: EngineAdapter.logger(settings))
    }
    #expect(failure?.code == .usage && failure?.message.contains(expected) == true, "\(failure?.message ?? "")")
    #expect(failure?.message.contains("s3cret") == false)
  }

  @Test("the warehouse and the database are what the settings say, or their defaults")
  func properties() throws {
    let plain = try ServedCatalog.properties(try Settings(environment: ["WEIR_WAREHOUSE": "/a/./b/../c/"]))
    #expect(plain == ["warehouse": "/a/c", "catalog-name": "weir"])
    let sql = try ServedCatalog.properties(
      try Settings(environment: [
        "WEIR_WAREHOUSE": "s3://bucket/w", "WEIR_CATALOG": "sql", "WEIR_CATALOG_NAME": "prod",
        "WEIR_POSTGRES_URL": "postgresql://h/d"
      ]))
    #expect(sql == ["warehouse": "s3://bucket/w", "catalog-name": "prod", "uri": "postgresql://h/d"])
  }
}
