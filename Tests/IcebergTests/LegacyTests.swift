import Foundation
import Iceberg
import TestTraits
import Testing

@Suite("Tables of format version 1 as old writers left them", .fewAtOnce)
struct LegacyTests {
  @Test("metadata with one schema and spec, and manifests without a list, are read, upgraded, written to and expired")
  func legacy() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("legacy-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory + "/scratch", withIntermediateDirectories: true)
    let made = try TableJudge.run("legacy_v1.py", ["\(directory)/wh/ns/t"], java: true)
    try #require(made.status == 0, "\(made.output)")
    let catalog = try FileSystemCatalog(
      name: "test", warehouse: "file://\(directory)/wh", store: LocalFileStore(), logger: TableFixture.logger)
    var table = try await Table(TableIdentifier(Namespace(["ns"]), "t"), in: catalog)
    #expect(table.metadata.snapshots.allSatisfy { $0.manifestList == nil && $0.manifests != nil })
    let ids = Array(0..<10) + Array(20..<40)
    var rows = ids.map { "\($0)|p\($0 / 10 % 2)" }.sorted()
    #expect(try await table.sortedRows() == rows)
    #expect(try RowsJudge.read([table.loaded.metadataLocation], java: true) == [.rows(rows)])
    let second = table.metadata.snapshots[1].snapshotID
    #expect(try await table.sortedRows(.id(second)).count == 20)
    // Files of one partition are left out by their values: there are no summaries.
    let tasks = try await TableScan(
      table, options: ScanOptions(predicate: .compare(2, .equal, .string("p1")))
    ).plan()
    #expect(tasks.count == 1)

    let writer = PartitionedWriter(
      try WriteSettings(table.metadata), directory: directory + "/scratch", prefix: UUID().uuidString)
    try writer.write([.longs([100, 101]), .texts(["p1", nil])])
    let sealed = try writer.finish()
    try await SealedFile.publish(sealed, to: table.loaded.store)
    let append = AppendFiles(sealed.map(\.file), duplicateCheck: .allFiles)
    let former = table
    let error = await #expect(throws: IcebergError.self) {
      var table = former
      try await table.commit([append])
    }
    #expect(error?.kind == .unsupported && error?.message.contains("UpgradeFormat(to: 2)") ?? false)
    try await table.commit([UpgradeFormat(to: 2), append])
    rows = (rows + ["100|p1", "101|null"]).sorted()
    #expect(try await table.sortedRows() == rows)
    #expect(try RowsJudge.read([table.loaded.metadataLocation], java: true) == [.rows(rows)])

    let compaction = Compaction(MaintenanceTests.policy(2), scratchDirectory: directory + "/scratch")
    #expect(try await compaction.run(&table).compactedFiles == 4)
    let expired = try await SnapshotExpiry(ExpireSnapshots(olderThanMilliseconds: .max, minimumSnapshotsToKeep: 1))
      .run(&table)
    #expect(expired.problems == [])
    #expect(expired.expiredSnapshots == 7 && expired.deletedManifests >= 4)
    #expect(try await table.sortedRows() == rows)
    #expect(try RowsJudge.read([table.loaded.metadataLocation], java: true) == [.rows(rows)])
  }
}
