import Foundation
import Iceberg
import TestTraits
import Testing

@Suite("Files without field ids", .fewAtOnce)
struct NameMappingTests {
  /// What PyIceberg cannot tell apart: it writes a list of structs that is null as an empty one.
  private static func withoutEmptyLists(_ rows: [String]) -> [String] {
    rows.map { $0.replacingOccurrences(of: "[]", with: "null") }.sorted()
  }

  @Test(
    """
    PyArrow's files, imported before and after nested columns changed, have the rows of the same table with ids; so \
    does what compaction makes of them
    """)
  func imported() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("imported-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory + "/scratch", withIntermediateDirectories: true)
    let seeds = Array(21...28)
    // The same rows and changes as an imported table and as one whose files have ids.
    for (kind, place) in [("imported", "wh"), ("pyiceberg", "ids")] {
      let made = try TableJudge.run("evolution_tables.py", [kind, "\(directory)/\(place)"] + seeds.map { "\($0)" })
      try #require(made.status == 0, "\(made.output)")
    }
    let twins = try RowsJudge.read(
      seeds.map { "file://\(directory)/ids/ns/t\($0)/metadata/v1.metadata.json" }, java: true)
    let catalog = try FileSystemCatalog(
      name: "test", warehouse: "file://\(directory)/wh", store: LocalFileStore(), logger: TableFixture.logger)
    var compacted: [(location: String, rows: [String])] = []
    for (seed, twin) in zip(seeds, twins) {
      var table = try await Table(TableIdentifier(Namespace(["ns"]), "t\(seed)"), in: catalog)
      #expect(table.metadata.properties[NameMapping.propertyName] != nil)
      guard case .rows(let expected) = twin else {
        Issue.record("seed \(seed): \(twin)")
        continue
      }
      let rows = try await table.sortedRows()
      #expect(Self.withoutEmptyLists(rows) == Self.withoutEmptyLists(expected), "seed \(seed)")
      let report = try await Compaction(MaintenanceTests.policy(2), scratchDirectory: directory + "/scratch")
        .run(&table)
      #expect(report.compactedFiles == 4)
      #expect(try await table.sortedRows() == rows, "seed \(seed)")
      compacted.append((table.loaded.metadataLocation, rows))
    }
    // The new files have ids: every reader takes them as any others.
    try RowsJudge.expectSame(compacted, "imported, then compacted by us")
    let bare = try await Table(TableIdentifier(Namespace(["ns"]), "t\(seeds[0])"), in: catalog)
    var unmapped = bare
    try await unmapped.commit([
      SetSnapshot(to: .snapshot(try #require(bare.metadata.snapshots.first?.snapshotID))),
      UpdateProperties(setting: [:], removing: [NameMapping.propertyName])
    ])
    let nameless = unmapped
    let error = await #expect(throws: IcebergError.self) { try await nameless.sortedRows() }
    #expect(error?.message.contains("schema.name-mapping.default") ?? false, "\(error?.message ?? "")")
  }
}
