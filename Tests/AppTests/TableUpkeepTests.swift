import App
import Foundation
import Iceberg
import TestTraits
import Testing

@Suite("weir maintain", .fewAtOnce)
struct TableUpkeepTests {
  private func filled(_ spec: String = "") async throws -> MaintenanceFixture {
    let fixture = try await MaintenanceFixture(spec: spec)
    for part in 0..<12 { try await fixture.append(Int64(part) * 10..<Int64(part + 1) * 10, position: part) }
    return fixture
  }

  private func run(
    _ upkeep: TableUpkeep, _ fixture: MaintenanceFixture, pending: [String] = []
  ) async throws -> UpkeepReport {
    try await upkeep.run(MaintenanceFixture.identifier, in: fixture.catalog) { () throws(IcebergError) in pending }
  }

  @Test("it compacts, gathers, expires and removes orphans at once; rows and position stay, and every judge agrees")
  func all() async throws {
    let fixture = try await filled("bucket(2, id)")
    defer { fixture.remove() }
    let lost = try await fixture.write(900..<910, fixture.table())
    let pending = try await fixture.write(950..<960, fixture.table())
    var upkeep = TableUpkeep(scratchDirectory: fixture.scratch)
    upkeep.retentionMilliseconds = 0
    upkeep.orphanGraceMilliseconds = -1
    let report = try await run(upkeep, fixture, pending: pending.map(\.filePath))
    #expect(report.failures == [] && report.problems == [])
    #expect(report.dataFilesBefore == 24 && report.dataFilesAfter == 2)
    #expect(report.compactedGroups == 2 && report.compactedFiles == 24 && report.writtenFiles == 2)
    #expect(report.rewrittenRows == 120 && report.snapshotsAfter == 1)
    // Manifests were written by the compaction last; what it left is gathered when there is enough of it.
    #expect(report.expiredSnapshots >= 13)
    #expect(Set(lost.map(\.filePath)).isSubset(of: report.orphans))
    #expect(Set(pending.map(\.filePath)).isDisjoint(with: report.orphans))
    #expect(try await fixture.ids() == Array(0..<120))
    #expect(try await fixture.table().metadata.properties[MaintenanceFixture.position] == "11")
    let files = try fixture.files()
    #expect(pending.allSatisfy { file in files.contains { file.filePath.hasSuffix($0) } })
    try FileManager.default.removeItem(atPath: String(pending[0].filePath.dropFirst("file://".count)))
    if pending.count > 1 {
      try FileManager.default.removeItem(atPath: String(pending[1].filePath.dropFirst("file://".count)))
    }
    #expect(try await fixture.judge() == "sound")
    let again = try await run(upkeep, fixture)
    #expect(again.compactedGroups == 0 && again.expiredSnapshots == 0)
  }

  @Test("a dry run says what would be done and changes nothing")
  func dryRun() async throws {
    let fixture = try await filled()
    defer { fixture.remove() }
    let lost = try await fixture.write(900..<910, fixture.table())
    let before = try fixture.files()
    let metadata = try await fixture.table().loaded.metadataLocation
    var upkeep = TableUpkeep(scratchDirectory: fixture.scratch)
    upkeep.retentionMilliseconds = 0
    upkeep.orphanGraceMilliseconds = -1
    upkeep.isDryRun = true
    let report = try await run(upkeep, fixture)
    #expect(report.dryRun && report.failures == [])
    #expect(report.compactedFiles == 12 && report.writtenFiles == 0 && report.rewrittenManifests == 12)
    #expect(report.expiredSnapshots == 11 && report.snapshotsAfter == 12 && report.deletedFiles == 0)
    #expect(report.orphans == lost.map(\.filePath))
    #expect(try fixture.files() == before)
    #expect(try await fixture.table().loaded.metadataLocation == metadata)
    let text = UpkeepText.render(report)
    #expect(text.hasPrefix("ns.t (dry run") && text.contains("12 files") && text.contains(lost[0].filePath))
  }

  @Test("a crash in the middle of a compaction leaves orphans only, which the next run removes")
  func crash() async throws {
    let fixture = try await filled()
    defer { fixture.remove() }
    let before = Set(try fixture.files())
    var table = Table(try await fixture.table().loaded, in: DyingCatalog(fixture.catalog))
    let compaction = Compaction(scratchDirectory: fixture.scratch)
    await #expect(throws: IcebergError.self) { _ = try await compaction.run(&table, environment: Self.impatient) }
    let left = Set(try fixture.files()).subtracting(before)
    #expect(left.contains { $0.hasSuffix(".parquet") } && left.contains { $0.hasSuffix(".avro") })
    #expect(try await fixture.ids() == Array(0..<120))
    #expect(try await fixture.judge() != "sound", "the validator does not see the orphans")

    var upkeep = TableUpkeep(scratchDirectory: fixture.scratch)
    (upkeep.compacts, upkeep.gathersManifests, upkeep.expires) = (false, false, false)
    let young = try await run(upkeep, fixture)
    #expect(young.orphans == [])
    upkeep.orphanGraceMilliseconds = -1
    let report = try await run(upkeep, fixture)
    #expect(report.failures == [])
    #expect(Set(try fixture.files()) == before)
    #expect(report.orphans.count == left.count)
    #expect(try await fixture.judge() == "sound")
  }

  @Test("without garbage collection snapshots and files stay; without a retention of its own a table keeps ten")
  func retention() async throws {
    let fixture = try await filled()
    defer { fixture.remove() }
    var upkeep = TableUpkeep(scratchDirectory: fixture.scratch)
    (upkeep.compacts, upkeep.gathersManifests, upkeep.removesOrphans) = (false, false, false)
    upkeep.standardRetention.ageMilliseconds = 0
    upkeep.environment.nowMilliseconds = { CommitEnvironment.system.nowMilliseconds() + 1000 }
    #expect(try await run(upkeep, fixture).snapshotsAfter == 10)
    var table = try await fixture.table()
    try await table.commit([UpdateProperties(setting: ["gc.enabled": "false"])])
    upkeep.retentionMilliseconds = 0
    let kept = try await run(upkeep, fixture)
    #expect(kept.snapshotsAfter == 10 && kept.failures == [] && kept.problems.count == 1)
    try await table.commit([
      UpdateProperties(
        setting: ["gc.enabled": "true", SnapshotRetention.ageProperty: "0", SnapshotRetention.countProperty: "3"])
    ])
    upkeep.retentionMilliseconds = nil
    #expect(try await run(upkeep, fixture).snapshotsAfter == 3)
  }

  private static var impatient: CommitEnvironment {
    var environment = CommitEnvironment.system
    environment.sleep = { _ in }
    return environment
  }
}

@Suite("When a table is looked at", .fewAtOnce)
struct TableWatchTests {
  @Test("a table with many commits is looked at sooner, one without at the longest interval")
  func rate() {
    var watch = TableWatch(now: 1_000_000, orphanInterval: nil)
    #expect(watch.nextLook == 1_000_000)
    watch.looked(from: 1_000_000, to: 1_000_100, sequenceNumber: 100, interval: 30_000, commits: 8)
    #expect(watch.nextLook == 1_030_000)
    // 15 commits in 30 s: eight of them take 16 s.
    watch.looked(from: 1_030_000, to: 1_031_000, sequenceNumber: 115, interval: 30_000, commits: 8)
    #expect(watch.nextLook == 1_046_000)
    watch.looked(from: 1_046_000, to: 1_046_100, sequenceNumber: 115, interval: 30_000, commits: 8)
    #expect(watch.nextLook == 1_076_000)
    // A look that took longer than that is followed by a short pause.
    watch.looked(from: 1_076_000, to: 1_120_000, sequenceNumber: 300, interval: 30_000, commits: 8)
    #expect(watch.nextLook == 1_120_500)
  }

  @Test("failures double the time to the next look, up to 16 times")
  func failures() {
    var watch = TableWatch(now: 0, orphanInterval: nil)
    var delays: [Int64] = []
    for _ in 0..<8 {
      watch.looked(from: 0, to: 0, sequenceNumber: nil, interval: 1000, commits: 8)
      delays.append(watch.nextLook)
    }
    #expect(delays == [1000, 2000, 4000, 8000, 16000, 16000, 16000, 16000])
    watch.looked(from: 0, to: 0, sequenceNumber: 1, interval: 1000, commits: 8)
    #expect(watch.nextLook == 1000)
  }

  @Test("orphans are looked for some minutes after the start, not at each start")
  func orphans() {
    let day: Int64 = 86_400_000
    #expect(TableWatch(now: 5 * day, orphanInterval: day).history.orphansMilliseconds == 4 * day + 600_000)
    #expect(TableWatch(now: 5 * day, orphanInterval: 1000).history.orphansMilliseconds == 5 * day)
    #expect(TableWatch(now: 5 * day, orphanInterval: nil).history.orphansMilliseconds == nil)
  }
}

/// A catalog whose commits never come to be known: the process dies.
private struct DyingCatalog: Catalog {
  let catalog: any Catalog

  init(_ catalog: any Catalog) { self.catalog = catalog }

  var name: String { catalog.name }
  var supportsMultiTableCommits: Bool { false }
  func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] { [] }
  func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {}
  func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] { [:] }
  func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {}
  func dropNamespace(_ namespace: Namespace) async throws(IcebergError) {}
  func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] { [] }
  func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    try await catalog.loadTable(identifier)
  }
  func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws(IcebergError) -> LoadedTable { throw IcebergError(.unsupported, "") }
  func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable { throw IcebergError(.unsupported, "") }
  func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {}
  func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {}
  func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    throw IcebergError(.unknownOutcome, "the process died")
  }
  func close() async {}
}
