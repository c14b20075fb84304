import Foundation
import IcebergSupport
import TestSupport
import TestTraits
import Testing

/// The promise on the worst of networks, with the real binary: one request in ten to S3 fails, answers of the catalog get
/// lost or come late, and the job is killed again and again.
///
/// `WEIR_TEST_SEED` repeats a run as far as the order of requests does, `WEIR_TEST_KILLS` makes it longer.
@Suite("Iceberg under faults", .fewAtOnce, .serialized)
struct IcebergFaultTests {
  @Test("every record is in the tables once, and nothing else is in the warehouse")
  func survivesFaults() async throws {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["WEIR_TEST_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)
    let kills = environment["WEIR_TEST_KILLS"].flatMap(Int.init) ?? 8
    let events = kills * 3_000
    print("Iceberg under faults: WEIR_TEST_SEED=\(seed), \(kills) kills, \(events) events")

    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:\(IcebergLake.partitions)"])
    defer { broker.signal(SIGKILL) }
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let storage = try await MotoServer()
    try await ObjectStorage.makeBucket("lake", storage.endpoint)
    let s3 = try await FaultProxy(
      storage.endpoint, ["unavailable", "reset-before", "reset-after", "slow", "truncated"], share: 0.1, seed: seed)
    defer { s3.stop() }
    let server = try await catalogServer(bench, postgres, s3.url)
    defer { server.process.signal(SIGKILL) }
    let catalog = try await FaultProxy(server.url, ["reset-after", "slow"], share: 0.15, seed: seed &+ 1)
    defer { catalog.stop() }

    let file = try bench.write("lake.sql", IcebergLake.pipeline)
    let settings = ObjectStorage.environment(s3.url).merging([
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_INTERVAL": "200ms",
      "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints", "WEIR_MAINTENANCE_INTERVAL": "1s",
      "WEIR_CATALOG": "rest", "WEIR_CATALOG_URL": catalog.url
    ]) { $1 }
    async let produced = IcebergLake.produce(seed: seed, events: events, kills: kills, bootstrap: bootstrap)
    var numbers = SeededNumbers(seed: seed &+ 2)
    for round in 1...kills {
      let weir = try bench.weir(["run", file], environment: settings)
      try await Task.sleep(nanoseconds: UInt64.random(in: 300...2_200, using: &numbers) * 1_000_000)
      #expect(weir.process.isRunning, "round \(round): the job ended by itself: \(weir.errorText.suffix(2000))")
      await weir.killAndWait()
    }
    let written = try await produced
    let last = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await last.wait() == 0, "\(last.errorText.suffix(4000))")
    for fault in ["unavailable", "reset-before", "reset-after", "slow", "truncated"] {
      #expect(s3.lines.contains { $0.hasPrefix("fault \(fault) ") }, "no request to S3 met \(fault)")
    }
    #expect(catalog.lines.contains { $0.hasPrefix("fault reset-after ") })
    #expect(catalog.lines.contains { $0.hasPrefix("request POST ") && $0.contains("/transactions/commit") })
    try await expectSound(IcebergLake.writeExpected(written, bench), bench, postgres, storage.endpoint)
  }

  /// Looked at without the proxies: the rows, the files, and that removing orphans removes all of them, and only them.
  private func expectSound(
    _ tables: [(table: String, file: String)], _ bench: Workbench, _ postgres: PostgresServer, _ endpoint: String
  ) async throws {
    let location = ["--catalog", IcebergLake.sqlCatalog(postgres)] + ObjectStorage.properties(endpoint)
    for (table, file) in tables { try await IcebergLake.expectSound(table, rows: file, location + [table]) }
    let settings = ObjectStorage.environment(endpoint).merging([
      "WEIR_CATALOG": "sql", "WEIR_CATALOG_URL": postgres.url, "WEIR_WAREHOUSE": "s3://lake/warehouse",
      "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints"
    ]) { $1 }
    let maintain = try bench.weir(
      ["maintain"] + tables.map(\.table) + ["--orphans", "--older-than", "0s"], environment: settings)
    #expect(await maintain.wait() == 0, "\(maintain.errorText.suffix(2000))")
    for (table, file) in tables {
      try await IcebergLake.expectSound(table, rows: file, location + [table], allowsOrphans: false)
    }
  }

  private func catalogServer(
    _ bench: Workbench, _ postgres: PostgresServer, _ endpoint: String
  ) async throws -> (process: ChildProcess, url: String) {
    let settings = ObjectStorage.environment(endpoint).merging([
      "WEIR_CATALOG": "sql", "WEIR_CATALOG_URL": postgres.url, "WEIR_WAREHOUSE": "s3://lake/warehouse"
    ]) { $1 }
    let process = try bench.weir(["catalog", "serve", "--port", "0"], environment: settings)
    var url: String?
    try await eventually("the catalog's address") {
      let words = process.lines.flatMap { $0.split(separator: " ") }
      url = words.first { $0.hasPrefix("http://") }.map { $0.last == "/" ? String($0.dropLast()) : String($0) }
      return url != nil
    }
    return (process, try #require(url))
  }
}

/// `Tests/Judges/fault_proxy.py`: an HTTP proxy that fails some requests.
final class FaultProxy: Sendable {
  /// Its address.
  let url: String
  private let process: ChildProcess

  init(_ upstream: String, _ faults: [String], share: Double, seed: UInt64) async throws {
    let (python, script) = try IcebergLake.judge("fault_proxy.py")
    let process = try ChildProcess(
      python,
      [
        script, "--upstream", String(upstream.dropFirst("http://".count)), "--faults",
        faults.joined(separator: ","), "--share", "\(share)", "--seed", "\(seed)"
      ])
    try await eventually("the proxy's port") { process.lines.contains { $0.hasPrefix("port=") } }
    let port = process.lines.first { $0.hasPrefix("port=") }?.dropFirst("port=".count) ?? ""
    url = "http://127.0.0.1:\(port)"
    self.process = process
  }

  /// What it says about requests and faults.
  var lines: [String] { process.lines }

  func stop() { process.signal(SIGKILL) }
}

/// S3 as the tests use it.
enum ObjectStorage {
  /// The environment of programs that use `endpoint`.
  static func environment(_ endpoint: String, key: String = "test", secret: String = "test") -> [String: String] {
    [
      "AWS_ENDPOINT_URL_S3": endpoint, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
      "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"
    ]
  }

  /// The same for PyIceberg.
  static func properties(_ endpoint: String) -> [String] {
    [
      "s3.endpoint=\(endpoint)", "s3.access-key-id=test", "s3.secret-access-key=test", "s3.region=us-east-1"
    ].flatMap { ["--prop", $0] }
  }

  static func makeBucket(_ name: String, _ endpoint: String) async throws {
    let (python, _) = try IcebergLake.judge("")
    let program = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1]).create_bucket(Bucket=sys.argv[2])"
    let process = try ChildProcess(python, ["-c", program, endpoint, name], environment: environment(endpoint))
    guard await process.wait() == 0 else { throw WorkbenchError(message: process.errorText) }
  }
}
