import Actors
import Checkpointing
import Columnar
import Foundation
import Iceberg
import IcebergSupport
import SQL
import Sinks
import TestTraits
import Testing

@Suite("the Iceberg sink, with several tables", .fewAtOnce)
struct IcebergRoutingTests {
  private static let columns: [(String, DataType)] = [("id", .bigint), ("type", .text)]

  private static func table(_ options: [String: String] = [:]) -> TableDefinition {
    Make.table(
      "sink", columns,
      options: ["connector": "iceberg", "table": "ns.events_{type}"].merging(options) { _, own in own })
  }

  private static func rows(_ rows: [(Int64, String?)]) -> [Column] {
    [Make.whole(rows.map(\.0)), Make.text(rows.map(\.1))]
  }

  @Test("rows go to tables by the text of a column, which are made when rows come; NULL and empty texts are refused")
  func routes() async throws {
    let world = try IcebergWorld(Self.table())
    let run = try await world.start()
    try run.write(Self.rows([(1, "a"), (2, "b"), (3, nil), (4, "a"), (5, ""), (6, "x/y z")]))
    #expect(run.rejections.map(\.row) == [2, 4])
    #expect(run.rejections[0].message.contains("'type'"))
    try await run.seal()
    try run.write(Self.rows([(7, "b"), (8, "c")]))
    try await run.seal()
    #expect(try await run.commit().rowsApplied == 6)
    await run.close()
    let next = try await world.start()
    try next.write(Self.rows([(9, "c"), (10, "d")]))
    try await next.seal()
    try await next.commit()
    #expect(try await world.rows("ns.events_a") == ["1|a", "4|a"])
    #expect(try await world.rows("ns.events_b") == ["2|b", "7|b"])
    #expect(try await world.rows("ns.events_c") == ["8|c", "9|c"])
    #expect(try await world.rows("ns.events_d") == ["10|d"])
    #expect(try await world.rows("ns.events_x_y_z") == ["6|x/y z"])
    #expect(try await world.judge("ns.events_c") == "")
    await next.close()
  }

  @Test("a process that dies between the commits of two tables completes the group, once")
  func diesBetween() async throws {
    let good = FaultyStore(LocalFileStore(), seed: 3)
    let calls = try await trial(good, dyingAt: nil)
    for call in stride(from: 1, through: calls, by: 6) {
      _ = try await trial(FaultyStore(LocalFileStore(), seed: 3), dyingAt: call)
    }
  }

  private func trial(_ store: FaultyStore, dyingAt call: Int?) async throws -> Int {
    let world = try IcebergWorld(Self.table(), store: store)
    func work() async throws {
      let run = try await world.start()
      try await run.commit()
      while run.offset < 24 {
        let start = run.offset
        try run.write(Self.rows((start..<start + 6).map { ($0, "abcd".map { String($0) }[Int($0 / 3) % 4]) }))
        try await run.seal()
        if start % 12 == 6 { try await run.commit() }
      }
      try await run.commit()
      await run.close()
    }
    store.die(atCall: call)
    do { try await work() } catch { if call == nil { throw error } }
    store.die(atCall: nil)
    let calls = store.calls
    try await work()
    var all: [String] = []
    for name in ["a", "b", "c", "d"] { all += try await world.rows("ns.events_\(name)", columns: ["id"]) }
    #expect(all.sorted() == (0..<24).map { "\($0)" }.sorted(), "died at call \(call ?? 0)")
    return calls
  }

  @Test("a table that was there with other columns is claimed, extended, and refuses only the rows that do not fit")
  func existing() async throws {
    let world = try IcebergWorld(Self.table())
    let catalog = try world.catalog()
    try await catalog.createNamespace(Namespace(["ns"]), properties: [:])
    let schema = TableSchema(fields: [
      NestedField(id: 1, name: "id", type: .long, isRequired: true),
      NestedField(id: 2, name: "other", type: .string)
    ])
    _ = try await catalog.createTable(
      TableIdentifier(Namespace(["ns"]), "events_a"), TableCreation(schema: schema))
    let run = try await world.start()
    let ids = Make.whole([1, nil])
    try run.write([ids, Make.text(["a", "a"])])
    #expect(run.rejections.isEmpty)
    let error = await #expect(throws: SinkError.self) { _ = try await run.seal() }
    #expect(error?.severity == .failed)
    try run.restartRegion()
    try run.write([ids, Make.text(["a", "a"])])
    #expect(run.rejections.map(\.row) == [1])
    try await run.seal()
    #expect(try await run.commit().rowsApplied == 1)
    #expect(try await world.rows("ns.events_a") == ["1|null|a"])
    await run.close()
  }

  @Test("what is wrong with a declaration is said with its place, before anything runs")
  func problems() throws {
    func messages(_ columns: [(String, DataType)], _ options: [String: String], key: [String] = []) -> [String] {
      SinkConnectors.problems(
        of: Make.table(
          "t", columns, key: key,
          options: ["connector": "iceberg", "table": "ns.t"].merging(options) { _, own in own })
      ).map { $0.message + ($0.hint ?? "") }
    }
    #expect(messages(Self.columns, ["partitioning": "bucket(4, id), type", "sort_order": "id desc"]).isEmpty)
    #expect(messages([("n", .numeric)], [:]).first?.contains("numeric(38, 9)") == true)
    #expect(messages([("n", .interval)], [:]).first?.contains("text") == true)
    #expect(messages(Self.columns, ["partitioning": "day(id)"]).count == 1)
    #expect(messages(Self.columns, ["partitioning": "nothing"]).first?.contains("nothing") == true)
    #expect(messages(Self.columns, ["sort_order": "id upwards"]).count == 1)
    #expect(messages(Self.columns, ["table": "ns.{id}"]).first?.contains("bigint") == true)
    #expect(messages(Self.columns, ["table": "ns.{what}"]).first?.contains("{what}") == true)
    #expect(messages(Self.columns, ["table": "ns..t"]).count == 1)
    #expect(messages(Self.columns, ["write.format.default": "orc"]).first?.contains("orc") == true)
    #expect(messages(Self.columns, ["write.parquet.row-group-size-bytes": "many"]).count == 1)
    #expect(messages([("x", .double)], [:], key: ["x"]).first?.contains("primary key") == true)
  }
}
