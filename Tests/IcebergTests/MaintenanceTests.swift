import Columnar
import Foundation
import Iceberg
import Parquet
import TestTraits
import Testing

@Suite("Maintenance of tables", .fewAtOnce)
struct MaintenanceTests {
  static func policy(_ minimum: Int = 3) -> CompactionPolicy { CompactionPolicy(minimumInputFiles: minimum) }

  @Test(
    "compaction gathers small files, keeps rows, partitions and, in v3, row ids; others' commits meanwhile stay",
    arguments: [2, 3])
  func compacts(version: Int) async throws {
    var fixture = try await TableFixture(TableAppendTests.fields, spec: "bucket(2, id)", formatVersion: version)
    defer { fixture.remove() }
    for part in 0..<6 { try await fixture.append(TableAppendTests.columns(Int64(part) * 10..<Int64(part + 1) * 10)) }
    let lineage = ScanOptions(metadataColumns: version == 3 ? [.rowID, .lastUpdatedSequenceNumber] : [])
    let before = try await fixture.rows(options: lineage)
    let compaction = Compaction(Self.policy(), scratchDirectory: fixture.scratch)
    let report = try await compaction.run(&fixture.table)
    #expect(report.compactedGroups == 2)
    #expect(report.compactedFiles == 12)
    #expect(report.writtenFiles == 2)
    #expect(try await fixture.rows(options: lineage) == before)
    #expect(fixture.table.currentSnapshot?.summary["operation"] == "replace")
    #expect(fixture.table.currentSnapshot?.summary["total-records"] == "60")
    #expect(try fixture.validate(["--unique-key", "id"]) == [])
    #expect(try await compaction.run(&fixture.table).compactedGroups == 0)
  }

  @Test("expiry leaves the files of kept snapshots alone and removes all others; the table stays valid")
  func expires() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    for part in 0..<5 { try await fixture.append(TableAppendTests.columns(Int64(part) * 10..<Int64(part + 1) * 10)) }
    _ = try await Compaction(Self.policy(), scratchDirectory: fixture.scratch).run(&fixture.table)
    let rows = try await fixture.rows()
    let expiry = SnapshotExpiry(ExpireSnapshots(olderThanMilliseconds: .max, minimumSnapshotsToKeep: 1))
    let report = try await expiry.run(&fixture.table)
    #expect(report.expiredSnapshots == 5)
    #expect(report.deletedFiles == 5)
    #expect(report.deletedManifestLists == 5)
    #expect(report.problems == [])
    #expect(fixture.table.metadata.snapshots.count == 1)
    #expect(try await fixture.rows() == rows)
    #expect(try fixture.validate(["--unique-key", "id"]) == [])
    #expect(try fixture.files().filter { $0.hasSuffix(".parquet") }.count == 1)
  }

  @Test("expiry keeps what tags and branches need, and a tag's rows can still be read")
  func keepsReferences() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    try await fixture.append(TableAppendTests.columns(0..<10))
    let first = try #require(fixture.table.currentSnapshot?.snapshotID)
    try await fixture.table.commit([
      UpdateReferences([.set(name: "release", kind: .tag, snapshotID: nil)])
    ])
    try await fixture.append(TableAppendTests.columns(10..<20))
    try await fixture.append(TableAppendTests.columns(20..<30))
    let report = try await SnapshotExpiry(ExpireSnapshots(olderThanMilliseconds: .max)).run(&fixture.table)
    #expect(report.expiredSnapshots == 1)
    #expect(fixture.table.metadata.snapshots.contains { $0.snapshotID == first })
    #expect(try await fixture.rows(.reference("release")).count == 10)
    #expect(try await fixture.rows().count == 30)
    #expect(try fixture.validate() == [])
  }

  @Test("old files that nothing refers to are removed; young, protected and referenced ones stay")
  func orphans() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    try await fixture.append(TableAppendTests.columns(0..<10))
    // Files of a writer that crashed, of one that is about to commit, and of nobody yet.
    let crashed = try await fixture.write(TableAppendTests.columns(10..<20))
    let pending = try await fixture.write(TableAppendTests.columns(20..<30))
    // Files are dated by the store; a clock that is ahead makes none of them old.
    var environment = CommitEnvironment.system
    environment.nowMilliseconds = { Int64(Date().timeIntervalSince1970 * 1000) + 365 * 86_400_000 }
    let young = try await OrphanRemoval().run(&fixture.table, environment: environment)
    #expect(young.orphans == [])
    for file in crashed + pending {
      let path = "/" + file.filePath.dropFirst(5).drop { $0 == "/" }
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: path)
    }
    let removal = OrphanRemoval(graceMilliseconds: 60_000, protected: pending.map(\.filePath))
    let report = try await removal.run(&fixture.table, environment: environment)
    #expect(report.orphans == crashed.map(\.filePath))
    try await fixture.table.commit([AppendFiles(pending)])
    #expect(try await fixture.rows().count == 20)
    #expect(try fixture.validate() == [])
  }

  @Test("small manifests are gathered without a change of rows")
  func manifests() async throws {
    var fixture = try await TableFixture(
      TableAppendTests.fields, spec: "bucket(2, id)", properties: ["commit.manifest-merge.enabled": "false"])
    defer { fixture.remove() }
    for part in 0..<6 { try await fixture.append(TableAppendTests.columns(Int64(part) * 10..<Int64(part + 1) * 10)) }
    let rows = try await fixture.rows()
    try await fixture.table.commit([RewriteManifests(minimumCount: 3)])
    #expect(fixture.table.currentSnapshot?.summary["manifests-replaced"] == "6")
    #expect(fixture.table.currentSnapshot?.summary["manifests-created"] == "1")
    #expect(try await fixture.rows() == rows)
    #expect(try fixture.validate(["--unique-key", "id"]) == [])
  }

  @Test("what is due follows from metadata: nothing on a new table, compaction after enough commits")
  func due() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    var history = MaintenanceHistory()
    let policy = MaintenancePolicy(compaction: Self.policy(), commitsBetweenCompactions: 4, minimumSmallManifests: nil)
    let maintenance = TableMaintenance(policy, scratchDirectory: fixture.scratch)
    #expect(try await maintenance.run(&fixture.table, history: &history) == MaintenanceReport())
    for part in 0..<4 { try await fixture.append(TableAppendTests.columns(Int64(part) * 10..<Int64(part + 1) * 10)) }
    #expect(try policy.due(fixture.table.metadata, history: history, now: 0) == [.compact])
    #expect(try await maintenance.run(&fixture.table, history: &history).compactedFiles == 4)
    #expect(try policy.due(fixture.table.metadata, history: history, now: 0) == [])
    let old = Int64.max / 2
    #expect(
      try MaintenancePolicy(retention: SnapshotRetention(minimumSnapshots: 1), minimumExpiredSnapshots: 3).due(
        fixture.table.metadata, history: history, now: old) == [
          .expireSnapshots
        ])
  }
}
