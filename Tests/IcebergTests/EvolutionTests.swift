import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Parquet
import TestTraits
import Testing

@Suite("Nested columns that change after rows were written", .fewAtOnce)
struct EvolutionTests {
  @Test(
    "our files are read as Java and PyIceberg read them, with initial defaults in v3, and the same after compaction",
    arguments: [2, 3])
  func ours(version: Int) async throws {
    var fixtures: [TableFixture] = []
    defer { for fixture in fixtures { fixture.remove() } }
    for seed in 1...8 {
      var random = RandomEvolution(seed: UInt64(version * 1000 + seed), formatVersion: version)
      var fixture = try await TableFixture(random.fields(), formatVersion: version)
      for stage in 0..<4 {
        let current = try #require(fixture.table.metadata.currentSchema)
        if stage > 0 {
          let steps = random.steps(current)
          try await fixture.table.commit([
            UpdateSchema { update throws(IcebergError) in
              for step in steps { do { try step.apply(to: &update) } catch { continue } }
            }
          ])
        }
        let schema = try #require(fixture.table.metadata.currentSchema)
        #expect(stage == 0 || schema != current)
        try await fixture.append(random.rows(schema, ids: Int64(stage * 10)..<Int64(stage * 10 + 10)))
      }
      fixtures.append(fixture)
    }
    try await expectSame(fixtures, "written by us")
    for index in fixtures.indices {
      let rows = try await fixtures[index].rows()
      let report = try await Compaction(MaintenanceTests.policy(2), scratchDirectory: fixtures[index].scratch)
        .run(&fixtures[index].table)
      #expect(report.compactedFiles == 4)
      #expect(try await fixtures[index].rows() == rows)
    }
    try await expectSame(fixtures, "compacted by us")
    #expect(try fixtures[0].validate(["--unique-key", "id"]) == [])
  }

  private func expectSame(_ fixtures: [TableFixture], _ comment: String) async throws {
    var tables: [(location: String, rows: [String])] = []
    for fixture in fixtures { tables.append((fixture.table.loaded.metadataLocation, try await fixture.rows())) }
    #expect(tables.allSatisfy { $0.rows.count == 40 })
    try RowsJudge.expectSame(tables, comment)
  }

  @Test(
    "files of PyIceberg and Java are read as they read them, and the same after compaction", arguments: [false, true])
  func theirs(java: Bool) async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("evolution-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory + "/scratch", withIntermediateDirectories: true)
    let seeds = Array(1...8)
    let made = try TableJudge.run(
      "evolution_tables.py", [java ? "java" : "pyiceberg", directory + "/wh"] + seeds.map { "\($0)" }, java: java)
    try #require(made.status == 0, "\(made.output)")
    let catalog = try FileSystemCatalog(
      name: "test", warehouse: "file://\(directory)/wh", store: LocalFileStore(), logger: TableFixture.logger)
    var tables: [Table] = []
    for seed in seeds {
      tables.append(try await Table(TableIdentifier(Namespace(["ns"]), "t\(seed)"), in: catalog))
    }
    try await expectSame(tables, "written by \(java ? "Java" : "PyIceberg")")
    for index in tables.indices {
      let report = try await Compaction(MaintenanceTests.policy(2), scratchDirectory: directory + "/scratch")
        .run(&tables[index])
      #expect(report.compactedFiles == 4)
    }
    try await expectSame(tables, "compacted by us")
  }

  private func expectSame(_ tables: [Table], _ comment: String) async throws {
    var pairs: [(location: String, rows: [String])] = []
    for table in tables { pairs.append((table.loaded.metadataLocation, try await table.sortedRows())) }
    #expect(pairs.allSatisfy { $0.rows.count == 48 })
    try RowsJudge.expectSame(pairs, comment)
  }

  @Test("a struct none of whose columns a file has stays what it is: null where it was null, otherwise present")
  func emptied() async throws {
    var fixture = try await TableFixture([
      NestedField(id: 1, name: "id", type: .long, isRequired: true),
      NestedField(id: 2, name: "s", type: .structure([NestedField(id: 3, name: "a", type: .int)]))
    ])
    defer { fixture.remove() }
    let inner = ParquetArray.longs([5, 6], .integer)
    try await fixture.append([.longs([1, 2]), .group(count: 2, validity: Bitmap([true, false]), [inner])])
    try await fixture.table.commit([
      UpdateSchema { update throws(IcebergError) in
        try update.addColumn("b", .string, parent: "s")
        try update.deleteColumn("s.a")
      }
    ])
    #expect(try await fixture.rows() == ["1|{null}", "2|null"])
  }

  @Test("a required column without default that a file lacks is an error that names file and column, structs too")
  func missingRequired() async throws {
    for type in [IcebergType.int, .structure([NestedField(id: 9, name: "x", type: .int)])] {
      var fixture = try await TableFixture([NestedField(id: 1, name: "id", type: .long, isRequired: true)])
      defer { fixture.remove() }
      try await fixture.append([.longs([1])])
      try await fixture.table.commit([
        UpdateSchema { update throws(IcebergError) in
          update.allowsIncompatibleChanges = true
          try update.addColumn("must", type, isRequired: true)
        }
      ])
      let error = await #expect(throws: IcebergError.self) { try await fixture.rows() }
      #expect(error?.kind == .corrupt)
      #expect(error?.message.contains("required column 'must'") ?? false)
      #expect(try await fixture.rows(options: ScanOptions(columns: ["id"])) == ["1"])
    }
  }
}

extension Table {
  /// All rows as text, sorted.
  func sortedRows(_ selector: SnapshotSelector = .current, options: ScanOptions = ScanOptions()) async throws
    -> [String]
  {
    var rows: [String] = []
    try await TableScan(self, snapshot: selector, options: options).forEachBatch { batch throws(IcebergError) in
      for row in 0..<batch.rowCount { rows.append(batch.columns.map { $0.text(row) }.joined(separator: "|")) }
    }
    return rows.sorted()
  }
}
