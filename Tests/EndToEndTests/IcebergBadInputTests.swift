import Foundation
import Glibc
import IcebergSupport
import TestSupport
import TestTraits
import Testing

/// Tables, stores, clocks and disks that are not as they should be, with the real binary: each is an error that says what
/// to do, nothing of the table is changed, and nobody waits for long.
@Suite("Bad tables and stores", .fewAtOnce, .serialized)
struct IcebergBadInputTests {
  /// What somebody did to a table.
  enum Damage: String, CaseIterable {
    case otherColumns, manifestList, forgedVersion, truncatedMetadata, otherLocation, lostManifestList
  }

  @Test("a table that cannot be written to stays as it is, and the job says why", arguments: Damage.allCases)
  func damaged(damage: Damage) async throws {
    let table = try await WrittenTable()
    defer { table.bench.remove() }
    let expected = try apply(damage, table)
    let before = try table.metadataFiles()
    let (code, text) = try await table.run()
    #expect(code == 3, "\(text)")
    for part in expected { #expect(text.contains(part), "\(text)") }
    #expect(try table.metadataFiles() == before)
  }

  /// - Returns: what the error must say.
  private func apply(_ damage: Damage, _ table: WrittenTable) throws -> [String] {
    let newest = table.metadata + "/v2.metadata.json"
    let list = try #require(try table.files { $0.hasPrefix("snap-") && $0.hasSuffix(".avro") }.first)
    switch damage {
    case .otherColumns:
      try table.write(
        job: WrittenTable.sql.replacingOccurrences(of: "id bigint, name text", with: "id bigint, name bigint")
          .replacingOccurrences(of: "SELECT id, name", with: "SELECT id, id"))
      return ["column name is declared bigint, and is string in the table", "cast it in the query"]
    case .manifestList:
      try "garbage".write(toFile: list, atomically: false, encoding: .utf8)
      return ["snap-", "expected an Avro file", "restore that file from a backup"]
    case .lostManifestList:
      try FileManager.default.removeItem(atPath: list)
      return ["snap-", "restore that file from a backup"]
    case .forgedVersion:
      try "garbage".write(toFile: table.metadata + "/v3.metadata.json", atomically: false, encoding: .utf8)
      return ["v3.metadata.json: not JSON", "restore that file from a backup"]
    case .truncatedMetadata:
      let whole = try String(contentsOfFile: newest, encoding: .utf8)
      try String(whole.prefix(300)).write(toFile: newest, atomically: false, encoding: .utf8)
      return ["v2.metadata.json: not JSON", "restore that file from a backup"]
    case .otherLocation:
      let whole = try String(contentsOfFile: newest, encoding: .utf8)
      try whole.replacingOccurrences(of: "/ns/t\"", with: "/elsewhere\"")
        .write(toFile: newest, atomically: false, encoding: .utf8)
      return ["table ns.t must stay at", "elsewhere"]
    }
  }

  @Test("a pointer in the database that was bent to another table's metadata is found out, and left as it is")
  func forgedPointer() async throws {
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let table = try await WrittenTable(settings: ["WEIR_CATALOG": "sql", "WEIR_CATALOG_URL": postgres.url])
    defer { table.bench.remove() }
    let other = WrittenTable.sql.replacingOccurrences(of: "'ns.t'", with: "'ns.other'")
    try table.write(job: other, as: "other.sql")
    #expect(try await table.run("other.sql").code == 0)
    // Only its second checkpoint knows what the first one has committed.
    #expect(try await table.run().code == 0)
    try postgres.run(
      sql: """
        UPDATE iceberg_tables SET metadata_location =
          (SELECT metadata_location FROM iceberg_tables WHERE table_name = 'other') WHERE table_name = 't'
        """)
    let pointers = "SELECT table_name, metadata_location FROM iceberg_tables ORDER BY 1"
    let before = try postgres.run(sql: pointers)
    let (code, text) = try await table.run()
    #expect(code == 3 && text.contains("holds no position, this instance expected checkpoint"), "\(text)")
    #expect(try postgres.run(sql: pointers) == before)
  }

  @Test("a manifest that cannot be read stops maintenance of its table, which stays as it is")
  func damagedManifest() async throws {
    let table = try await WrittenTable()
    defer { table.bench.remove() }
    let manifest = try #require(try table.files { $0.hasSuffix("-m0.avro") }.first)
    try "garbage".write(toFile: manifest, atomically: false, encoding: .utf8)
    let before = try table.metadataFiles()
    let maintain = try table.bench.weir(["maintain", "ns.t", "--compact"], environment: table.settings)
    #expect(await maintain.wait() == 3)
    let text = maintain.lines.joined(separator: "\n") + maintain.errorText
    #expect(text.contains("-m0.avro") && text.contains("has 7 bytes"), "\(text)")
    #expect(try table.metadataFiles() == before)
  }

  @Test("a table whose last change lies ahead of this machine's clock is written to, and its times do not go back")
  func clockBehind() async throws {
    let table = try await WrittenTable()
    defer { table.bench.remove() }
    let path = table.metadata + "/v2.metadata.json"
    let metadata = try String(contentsOfFile: path, encoding: .utf8)
    let tomorrow = metadata.replacing(/-ms":(\d+)/) { "-ms\":\((Int64($0.1) ?? 0) + 86_400_000)" }
    try tomorrow.write(toFile: path, atomically: false, encoding: .utf8)
    let (code, text) = try await table.run()
    #expect(code == 0, "\(text)")
    #expect(text.contains("check the clocks of all writers"), "\(text)")
    try await IcebergLake.expectSound(
      "ns.t", rows: try table.bench.write("rows.csv", "id,name\n1,a\n2,b\n"),
      [table.metadata + "/v4.metadata.json"])
  }

  /// What is wrong with the way to S3.
  enum Storage: String, CaseIterable {
    case noCredentials, wrongCredentials, wrongClock, noBucket
  }

  @Test("credentials, clocks and buckets that are wrong are said at once, and what to do", arguments: Storage.allCases)
  func storage(_ wrong: Storage) async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let moto = wrong == .noBucket ? try await MotoServer() : nil
    let faults: [Storage: String] = [.wrongCredentials: "denied", .wrongClock: "skewed", .noCredentials: "silent"]
    let proxy = try await FaultProxy(
      moto?.endpoint ?? "http://127.0.0.1:1", [faults[wrong] ?? "none"], share: 1, seed: 1)
    defer { proxy.stop() }
    var settings = ObjectStorage.environment(proxy.url)
    let expected: [String]
    switch wrong {
    case .noCredentials:
      // A machine on which nobody answers for the metadata service.
      for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"] { settings[name] = nil }
      settings["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = proxy.url
      expected = ["no credentials for S3", "set s3.access-key-id and s3.secret-access-key, or AWS_ACCESS_KEY_ID"]
    case .wrongCredentials: expected = ["InvalidAccessKeyId", "check s3.access-key-id, s3.secret-access-key"]
    case .wrongClock: expected = ["RequestTimeTooSkewed", "set this machine's clock"]
    case .noBucket: expected = ["NoSuchBucket", "create the bucket, or correct its name"]
    }
    settings["WEIR_WAREHOUSE"] = "s3://lake/warehouse"
    let table = try WrittenTable(bench, settings)
    let (code, text) = try await table.run()
    #expect(code == 3, "\(text)")
    for part in expected { #expect(text.contains(part), "\(text)") }
    if wrong != .noBucket { #expect(proxy.lines.count { $0.hasPrefix("fault ") } <= 6, "it is not asked on and on") }
  }

  @Test("a full disk is said by readiness, and every row is there once when there is room again")
  func fullDisk() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let disk = try SmallDisk(bench.directory + "/warehouse")
    defer { disk.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:2"])
    defer { broker.signal(SIGKILL) }
    let job = WrittenTable.sql.replacingOccurrences(
      of: "connector = 'file', path = '${LAKE_INPUT}'", with: "connector = 'kafka', topic = 'events'")
    let settings = [
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_INTERVAL": "200ms",
      "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints", "WEIR_WAREHOUSE": bench.directory + "/warehouse",
      "WEIR_RESTART_BACKOFF_MAX": "300ms", "WEIR_MAX_RESTARTS": "1000"
    ]
    // A file that grows too large is an error then, and not the end of the process.
    let weir = try ChildProcess(
      "/bin/sh",
      ["-c", "trap '' XFSZ; exec \"$@\"", "sh", bench.binary, "run", try bench.write("job.sql", job)],
      environment: settings)
    defer { weir.signal(SIGKILL) }
    var numbers = SeededNumbers(seed: 1)
    let rows = (0..<1000).map { (id: $0, name: String(numbers.next(), radix: 16) + String(numbers.next(), radix: 16)) }
    let records = rows.map { "{\"id\":\($0.id),\"name\":\"\($0.name)\"}" }
    try IcebergLake.produce(Array(records[..<500]), bootstrap)
    let address = try await bench.address(of: weir)
    func arrived() async throws -> Int? {
      let text = try await bench.get(address + "api/v1/jobs/job").body
      let job = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
      let sinks = job?["sinks"] as? [[String: Any]]
      return sinks?.first { $0["name"] as? String == "lake" }?["rows_out"] as? Int
    }
    try await eventually("the first rows") { try await arrived() == 500 }
    // The checkpoints, which are small, are not on this disk.
    try disk.fill(weir, sparing: 4096)
    try IcebergLake.produce(Array(records[500...]), bootstrap)
    try await eventually("a readiness that names the disk") {
      let answer = try await bench.get(address + "readyz")
      return answer.status == 503 && answer.body.contains(disk.complaint) && answer.body.contains("sink 'lake'")
    }
    try disk.free(weir)
    try await eventually("all rows") { try await arrived() == 1000 }
    try await eventually("readiness") { try await bench.get(address + "readyz").status == 200 }
    weir.signal(SIGTERM)
    #expect(await weir.wait() == 0, "\(weir.errorText.suffix(2000))")
    let metadata = bench.directory + "/warehouse/ns/t/metadata"
    let hint = try String(contentsOfFile: metadata + "/version-hint.text", encoding: .utf8)
    let expected = try bench.write("rows.csv", "id,name\n" + rows.map { "\($0.id),\($0.name)\n" }.joined())
    try await IcebergLake.expectSound(
      "ns.t", rows: expected, ["\(metadata)/v\(hint).metadata.json", "--unique-key", "id"])
  }
}

/// A table that a job wrote, from a file that has grown since.
private struct WrittenTable {
  static let sql = """
    CREATE TABLE source (id bigint, name text) WITH (connector = 'file', path = '${LAKE_INPUT}', format = 'json');
    CREATE TABLE lake (id bigint, name text) WITH (connector = 'iceberg', table = 'ns.t');
    INSERT INTO lake SELECT id, name FROM source;
    """

  let bench: Workbench
  let settings: [String: String]

  /// Without a table so far.
  init(_ bench: Workbench, _ settings: [String: String] = [:]) throws {
    self.bench = bench
    let common = [
      "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints",
      "WEIR_WAREHOUSE": bench.directory + "/warehouse", "LAKE_INPUT": bench.directory + "/in",
      "WEIR_LOG_LEVEL": "warning"
    ]
    self.settings = common.merging(settings) { $1 }
    try FileManager.default.createDirectory(atPath: bench.directory + "/in", withIntermediateDirectories: true)
    _ = try bench.write("in/1.jsonl", "{\"id\":1,\"name\":\"a\"}\n")
    try write(job: Self.sql)
  }

  init(settings: [String: String] = [:]) async throws {
    try self.init(try Workbench(), settings)
    let (code, text) = try await run()
    guard code == 0 else { throw WorkbenchError(message: text) }
    _ = try bench.write("in/2.jsonl", "{\"id\":2,\"name\":\"b\"}\n")
  }

  var metadata: String { bench.directory + "/warehouse/ns/t/metadata" }

  func write(job: String, as name: String = "lake.sql") throws { _ = try bench.write(name, job) }

  func run(_ name: String = "lake.sql") async throws -> (code: Int32, text: String) {
    let weir = try bench.weir(["run", bench.directory + "/" + name, "--until-end"], environment: settings)
    return (await weir.wait(), weir.errorText)
  }

  /// The files of metadata that `isWanted`.
  func files(_ isWanted: (String) -> Bool) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: metadata).filter(isWanted).map { metadata + "/" + $0 }
  }

  /// What says which state is the table's, byte by byte.
  func metadataFiles() throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for path in try files({ $0.hasSuffix(".metadata.json") || $0 == "version-hint.text" }) {
      contents[path] = try Data(contentsOf: URL(fileURLWithPath: path))
    }
    return contents
  }
}
