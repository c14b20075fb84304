import Actors
import Checkpointing
import Columnar
import Foundation
import Iceberg
import Sinks
import TestTraits
import Testing

@Suite("the Iceberg sink", .fewAtOnce)
struct IcebergSinkTests {
  static func events(_ name: String = "events", options: [String: String] = [:]) -> [String: String] {
    ["connector": "iceberg", "table": "ns.\(name)", "catalog": "filesystem"].merging(options) { _, own in own }
  }

  static let columns: [(String, DataType)] = [("id", .bigint), ("name", .text)]

  static func rows(_ range: Range<Int64>) -> [Column] {
    [Make.whole(range.map { $0 }), Make.text(range.map { "n\($0 % 3)" })]
  }

  static func expected(_ range: Range<Int64>) -> [String] { range.map { "\($0)|n\($0 % 3)" }.sorted() }

  @Test("rows of two epochs are in the table, in one snapshot for a group, and independent readers agree")
  func writes() async throws {
    let world = try IcebergWorld(
      Make.table("sink", Self.columns, options: Self.events(options: ["partitioning": "name"])))
    let run = try await world.start()
    try run.write(Self.rows(0..<100))
    #expect(run.epochBytes > 0)
    try await run.seal()
    #expect(run.epochBytes == 0)
    try run.write(Self.rows(100..<150))
    try await run.seal()
    try await run.seal()
    let outcome = try await run.commit()
    #expect(outcome.rowsApplied == 150)
    #expect(try await world.rows("ns.events") == Self.expected(0..<150))
    let table = try await world.load("ns.events")
    #expect(table.metadata.snapshots.count == 1)
    let summary = table.currentSnapshot?.summary ?? [:]
    #expect(summary["weir.checkpoint"] == "3" && summary["weir.job"] == "job" && summary["weir.sink"] == "sink")
    #expect(summary["weir.lineage"] == "L" && summary["engine-name"] == "weir")
    #expect(summary["weir.positions"] == "{\"events\":{\"topic\\/0\":150}}")
    #expect(try await world.judge("ns.events", ["--unique-key", "id"]) == "")
    await run.close()
  }
}
