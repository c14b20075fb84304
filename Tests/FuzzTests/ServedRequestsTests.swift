import Foundation
import FuzzTargets
import Glibc
import Testing

/// The real binary, as a server on a free port of this machine; it is ended with the value.
private final class Server {
  let process = Process()
  let directory: String
  let port: UInt16

  /// Starts `weir`, and waits for the line in which it says where it listens.
  init(_ arguments: [String], files: [String: String] = [:], environment: [String: String]) throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("served-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    for (name, content) in files { try Data(content.utf8).write(to: URL(fileURLWithPath: "\(directory)/\(name)")) }
    let given = ProcessInfo.processInfo.environment
    let path = try #require(given["WEIR_BINARY"], "the tests need WEIR_BINARY; './weir test' sets it")
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.environment = given.filter { !$0.key.hasPrefix("WEIR_") }.merging(environment) { $1 }
    let log = "\(directory)/log"
    try Data().write(to: URL(fileURLWithPath: log))
    process.standardOutput = FileHandle(forWritingAtPath: log)
    process.standardError = FileHandle(forWritingAtPath: log)
    try process.run()
    var found: UInt16?
    for _ in 0..<3000 where found == nil && process.isRunning {
      usleep(10_000)
      let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      let after = text.firstRange(of: "http://127.0.0.1:").map { text[$0.upperBound...] } ?? ""
      let digits = after.prefix { $0.isNumber }
      if digits.endIndex < after.endIndex { found = UInt16(digits) }
    }
    port = try #require(found, "expected 'http://127.0.0.1:PORT' in \(log)")
  }

  deinit {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// Sends bytes, ends the sending side, and returns what comes back until the server closes or is silent for long.
  func send(_ bytes: [UInt8]) -> [UInt8]? {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { return nil }
    var patience = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    _ = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    shutdown(socket, Int32(SHUT_WR))
    var answer: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while answer.count < 1 << 20 {
      let count = recv(socket, &piece, piece.count, 0)
      if count <= 0 { break }
      answer += piece[..<count]
    }
    return answer
  }
}

@Suite("Requests to the running binary")
struct ServedRequestsTests {
  private static func request(_ method: String, _ target: String, _ body: String = "") -> [UInt8] {
    Array(
      "\(method) \(target) HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        .utf8)
  }

  /// Sends requests and damaged ones; the server must answer the next good one, and never say that it is at fault.
  private func damage(_ server: Server, seeds: [[UInt8]], good: [UInt8], count: UInt64) throws {
    let words = [
      "%", "%00", "%ff", "..", "//", "?", "&", "=", "Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n"
    ]
    let target = FuzzTarget("requests", shape: .text, dictionary: words, seeds: { seeds }, check: { _ in })
    let mutator = Mutator(target, corpus: seeds)
    for iteration in 0..<count {
      var random = FuzzRandom(seed: 1, iteration: iteration)
      let input = iteration < seeds.count ? seeds[Int(iteration)] : mutator.input(&random)
      let shown = String(decoding: input.prefix(500), as: UTF8.self).debugDescription
      let answer = try #require(server.send(input), "the server is gone after iteration \(iteration): \(shown)")
      let start = String(decoding: answer.prefix(12), as: UTF8.self)
      #expect(start.isEmpty || start.hasPrefix("HTTP/1."), "iteration \(iteration): \(shown)")
      #expect(!start.hasPrefix("HTTP/1.1 500"), "iteration \(iteration): \(shown)")
    }
    let last = try #require(server.send(good))
    #expect(String(decoding: last.prefix(12), as: UTF8.self) == "HTTP/1.1 200")
    #expect(server.process.isRunning)
  }

  private var iterations: UInt64 {
    UInt64(ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"] ?? "") ?? 200
  }

  @Test("a running job answers whatever is asked of its pages and its API")
  func job() throws {
    let job = """
      CREATE TABLE numbers (n bigint) WITH (connector = 'generator', rows_per_second = '10');
      CREATE TABLE nowhere (n bigint) WITH (connector = 'blackhole');
      INSERT INTO nowhere SELECT n FROM numbers;
      """
    let server = try Server(
      ["run", "job.sql"], files: ["job.sql": job],
      environment: ["WEIR_HTTP_PORT": "0", "WEIR_HTTP_HOST": "127.0.0.1", "WEIR_CHECKPOINT_DIR": "checkpoints"])
    let paths = [
      "/", "/metrics", "/healthz", "/readyz", "/api/v1/jobs", "/api/v1/jobs/job", "/api/v1/jobs/job/checkpoints",
      "/api/v1/jobs/j%6fb?x=y", "/assets/x.js"
    ]
    let seeds = paths.map { Self.request("GET", $0) } + [Self.request("POST", "/api/v1/jobs/job/checkpoint")]
    try damage(server, seeds: seeds, good: Self.request("GET", "/healthz"), count: iterations)
  }

  @Test("a served catalog answers whatever is asked of it")
  func catalog() throws {
    let server = try Server(
      ["catalog", "serve"], environment: ["WEIR_CATALOG_PORT": "0", "WEIR_WAREHOUSE": "warehouse"])
    let table =
      #"{"name":"t","schema":{"type":"struct","fields":[{"id":1,"name":"a","type":"long","required":false}]}}"#
    let commit = #"{"requirements":[],"updates":[{"action":"set-properties","updates":{"a":"b"}}]}"#
    let seeds = [
      Self.request("GET", "/v1/config"), Self.request("POST", "/v1/namespaces", #"{"namespace":["db"]}"#),
      Self.request("POST", "/v1/namespaces/db/tables", table), Self.request("GET", "/v1/namespaces/db/tables/t"),
      Self.request("POST", "/v1/namespaces/db/tables/t", commit), Self.request("GET", "/v1/namespaces?parent=a%1Fb"),
      Self.request("HEAD", "/v1/namespaces/db"),
      Self.request("DELETE", "/v1/namespaces/db/tables/u?purgeRequested=true")
    ]
    try damage(server, seeds: seeds, good: Self.request("GET", "/v1/config"), count: iterations)
  }
}
