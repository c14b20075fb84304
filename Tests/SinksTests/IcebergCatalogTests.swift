import Actors
import Checkpointing
import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Logging
import SQL
import Sinks
import TestSupport
import TestTraits
import Testing

@Suite("the Iceberg sink on a catalog in PostgreSQL", .fewAtOnce)
struct IcebergCatalogTests {
  private static func database() throws -> String {
    let name = "iceberg_\(UUID().uuidString.lowercased().filter { $0 != "-" })"
    let server = try SharedServer.server
    try server.run(sql: "CREATE DATABASE \(name)")
    return "postgresql://\(server.user)@127.0.0.1:\(server.port)/\(name)"
  }

  private static func catalog(_ url: String, _ world: IcebergWorld) throws -> any Catalog {
    try SQLCatalog(
      SQLCatalog.Configuration(name: "prod", url: url, warehouse: world.directory), store: LocalFileStore(),
      logger: Logger(label: "test"), environment: IcebergWorld.environment)
  }

  @Test("groups of several tables are committed, pyiceberg appends between them, and both are read by it")
  func pyiceberg() async throws {
    let columns: [(String, DataType)] = [("id", .bigint), ("type", .text)]
    let world = try IcebergWorld(
      Make.table("sink", columns, options: ["connector": "iceberg", "table": "ns.events_{type}"]))
    let url = try Self.database()
    let program = """
      import sys, pyarrow as pa
      from pyiceberg.catalog.sql import SqlCatalog
      c = SqlCatalog("prod", uri=sys.argv[1].replace("postgresql://", "postgresql+psycopg2://"), warehouse=sys.argv[2])
      t = c.load_table("ns.events_a")
      if sys.argv[3] == "append":
          t.append(pa.table({"id": pa.array([1000], pa.int64()), "type": pa.array(["a"])}))
      rows = sorted(c.load_table("ns.events_a").scan().to_arrow()["id"].to_pylist())
      print(rows)
      """
    func ask(_ what: String) throws -> String {
      let (status, output) = try IcebergJudge.python(["-W", "ignore", "-c", program, url, world.directory, what])
      #expect(status == 0, "\(output)")
      return output
    }
    let run = try await world.start(catalog: Self.catalog(url, world))
    for start in stride(from: Int64(0), to: 30, by: 10) {
      try run.write([
        Make.whole((start..<start + 10).map { $0 }),
        Make.text((start..<start + 10).map { $0 % 2 == 0 ? "a" : "b" })
      ])
      try await run.seal()
      if start == 10 { #expect(try await run.commit().rowsApplied == 20) }
    }
    #expect(try ask("append").contains("1000"))
    #expect(try await run.commit().rowsApplied == 10)
    await run.close()
    let expected = stride(from: 0, to: 30, by: 2).map { "\($0)" } + ["1000"]
    #expect(try ask("read").contains("[" + expected.joined(separator: ", ") + "]"))
    let next = try await world.start(catalog: Self.catalog(url, world))
    try next.write([Make.whole([30]), Make.text(["b"])])
    try await next.seal()
    #expect(try await next.commit().rowsApplied == 1)
    await next.close()
  }

  @Test("an interval of commits is a day at most")
  func commitInterval() throws {
    func table(_ interval: String) -> TableDefinition {
      Make.table(
        "sink", [("id", .bigint)],
        options: [
          "connector": "iceberg", "table": "ns.t", "catalog": "filesystem", "warehouse": "/nonexistent",
          "commit_interval": interval
        ])
    }
    _ = try Make.connector(table("1 day"), job: "j")
    let error = #expect(throws: SinkError.self) { _ = try Make.connector(table("25 hours"), job: "j") }
    #expect(error?.message.contains("option commit_interval = '25 hours': expected at most 1 day") == true)
  }

  @Test("what an epoch says about its files comes back exactly, also when it is long; cut bytes are refused")
  func payload() async throws {
    let columns = (0..<60).map { ("c\($0)", DataType.text) }
    let world = try IcebergWorld(
      Make.table(
        "sink", columns,
        options: ["connector": "iceberg", "table": "wide", "partitioning": "bucket(64, c0)", "max_open_files": "5"]))
    let run = try await world.start()
    try run.write(
      columns.map { name, _ in Make.text((0..<500).map { "\(name)-\($0)-\(String(repeating: "x", count: 40))" }) })
    let pending = try await run.seal()
    #expect(!pending.files.isEmpty && pending.payload.count < 4096)
    #expect(try await run.commit().rowsApplied == 500)
    let findings = try await world.judge("default.wide", ["--unique-key", "c0"])
    #expect(findings == "", "\(findings)")
    try run.write(columns.map { _ in Make.text(["y"]) })
    let small = try await run.sealOnly()
    #expect(small.files.isEmpty)
    for length in stride(from: 0, to: small.payload.count, by: 7) where length > 0 {
      let cut = PendingCommit(
        sink: small.sink, checkpoint: small.checkpoint, from: small.from, sources: small.sources, rows: small.rows,
        payload: Array(small.payload.prefix(length)), files: [])
      await #expect(throws: SinkError.self) { try await run.commitOnly([cut]) }
    }
    await run.close()
  }
}
