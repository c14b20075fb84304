import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Parquet
import TestSupport
import TestTraits
import Testing

@Suite("Scans with a predicate", .fewAtOnce)
struct ScanPruningTests {
  private static let fields = [
    NestedField(id: 1, name: "i", type: .int), NestedField(id: 2, name: "d", type: .float),
    NestedField(id: 3, name: "s", type: .string), NestedField(id: 4, name: "row", type: .long, isRequired: true)
  ]

  /// Rows in several row groups of several pages; `i` and `s` are about sorted, so that pages can be left out.
  private static func columns(_ rows: Range<Int64>, _ random: inout SeededNumbers) -> [ParquetArray] {
    var (first, second, third) = (ColumnBuilder(.integer), ColumnBuilder(.real), ColumnBuilder(.text))
    for row in rows {
      let place = Int64(Double(row - rows.lowerBound) / Double(rows.count) * 25) - 12
      if Int.random(in: 0..<9, using: &random) == 0 {
        first.appendNull()
      } else {
        first.append(place + Int64.random(in: 0...1, using: &random))
      }
      switch Int.random(in: 0..<12, using: &random) {
      case 0: second.appendNull()
      case 1: second.append(Double.nan)
      case 2: second.append(-0.0)
      default: second.append(Double(place) / 2)
      }
      let texts = ["a", "ab", "abc", "b", "é", "\u{10FFFF}"]
      if row % 10 < 8 { third.append(texts[Int(place + 12) / 5]) } else { third.appendNull() }
    }
    return [.leaf(first.finish()), .leaf(second.finish()), .leaf(third.finish()), .longs(rows.map { $0 })]
  }

  /// A table of which some files were written before columns were widened, with deleted rows; and its rows.
  private static func table(
    seed: UInt64, catalog: FileSystemCatalog, scratch: String
  ) async throws -> Table {
    var random = SeededNumbers(seed: seed)
    let identifier = TableIdentifier(Namespace(["ns"]), "t\(seed)")
    let properties = [
      "write.parquet.page-row-limit": "16", "write.parquet.row-group-size-bytes": "1500",
      "write.parquet.dict-size-bytes": seed % 2 == 0 ? "1" : "100000", "commit.retry.num-retries": "0"
    ]
    _ = try await catalog.createTable(
      identifier,
      TableCreation(
        schema: TableSchema(fields: fields), properties: properties, formatVersion: seed % 3 == 0 ? 3 : 2))
    var table = try await Table(identifier, in: catalog)
    for part in Int64(0)..<3 {
      if part == 1 {
        try await table.commit([
          UpdateSchema { update throws(IcebergError) in
            try update.updateType("i", to: .long)
            try update.updateType("d", to: .double)
          }
        ])
      }
      let writer = PartitionedWriter(
        try WriteSettings(table.metadata), directory: scratch, prefix: "\(seed)-\(part)-\(UUID().uuidString)")
      for piece in Int64(0)..<3 {
        let start = part * 600 + piece * 200
        try writer.write(columns(start..<start + 200, &random))
      }
      let sealed = try writer.finish()
      try await SealedFile.publish(sealed, to: table.loaded.store)
      try await table.commit([AppendFiles(sealed.map(\.file))])
    }
    let scan = try TableScan(table)
    let tasks = try await scan.plan()
    var deletes = PositionDeletes()
    for task in tasks {
      for row in stride(from: Int64(5), to: 600, by: 97) { deletes.insert(task.entry.file.filePath, row) }
    }
    let written = try await deletes.write(scan, tasks: tasks, scratchDirectory: scratch, prefix: "deletes-\(seed)")
    try await table.commit([written.delta()])
    return table
  }

  /// Everything that a scan gives, by the row's number: values, file and position, row id.
  private static func scan(_ table: Table, _ predicate: Iceberg.Predicate) async throws -> [Int64: [String]] {
    var options = ScanOptions(predicate: predicate, metadataColumns: [.file, .position], batchRows: 50)
    if table.metadata.formatVersion >= 3 { options.metadataColumns.append(.rowID) }
    var result: [Int64: [String]] = [:]
    try await TableScan(table, options: options).forEachBatch { batch throws(IcebergError) in
      for row in 0..<batch.rowCount {
        let texts = batch.columns.map { $0.text(row) }
        result[Int64(texts[3]) ?? -1] = texts
      }
    }
    return result
  }

  private static func literals(_ texts: [String]) -> [Int: Literal] {
    var row: [Int: Literal] = [:]
    row[1] = Int64(texts[0]).map { .long($0) }
    row[2] = texts[1] == "null" ? nil : .double(Double(texts[1]) ?? .nan)
    row[3] = texts[2] == "null" ? nil : .string(texts[2])
    return row
  }

  @Test(
    "a scan that leaves out row groups and pages has every matching row, as an unpruned one has it",
    arguments: [false, true])
  func pruned(remote: Bool) async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("pruning-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let store: any ObjectStore = remote ? InMemoryStore() : LocalFileStore()
    let catalog = try FileSystemCatalog(
      name: "test", warehouse: remote ? "s3://bucket/wh" : "file://\(directory)/wh", store: store,
      logger: TableFixture.logger)
    try await catalog.createNamespace(Namespace(["ns"]), properties: [:])
    var (left, matching) = (0, 0)
    for seed in UInt64(1)...4 {
      let table = try await Self.table(seed: seed, catalog: catalog, scratch: directory)
      let all = try await Self.scan(table, .alwaysTrue)
      #expect(all.count == 1779)
      var random = SeededNumbers(seed: seed &* 7919)
      for number in 0..<40 {
        let predicate = ManifestPruningTests.predicate(2, &random)
        let found = try await Self.scan(table, predicate)
        let wanted = all.filter { ManifestPruningTests.matches(predicate, Self.literals($0.value)) == true }
        #expect(
          wanted.allSatisfy { found[$0.key] == $0.value }, "seed \(seed), predicate \(number): \(predicate)")
        #expect(found.allSatisfy { all[$0.key] == $0.value }, "seed \(seed), predicate \(number): \(predicate)")
        left += all.count - found.count
        matching += wanted.count
      }
    }
    #expect(matching > 10_000)
    #expect(left > 50_000, "\(left) rows were left out")
  }

  @Test("rows of a page are read alone when the page index says that only it can match")
  func onePage() async throws {
    var fixture = try await TableFixture(
      [NestedField(id: 1, name: "id", type: .long, isRequired: true)],
      properties: ["write.parquet.page-row-limit": "100"])
    defer { fixture.remove() }
    try await fixture.append([.longs((0..<10_000).map { $0 })])
    let options = ScanOptions(predicate: .compare(1, .equal, .long(4711)))
    #expect(try await fixture.rows(options: options).count == 100)
    let range: Iceberg.Predicate = .and(.compare(1, .greaterOrEqual, .long(150)), .compare(1, .less, .long(250)))
    #expect(try await fixture.rows(options: ScanOptions(predicate: range)).count == 200)
    let ends: Iceberg.Predicate = .or(.compare(1, .less, .long(1)), .isIn(1, [.long(9_999), .long(20_000)]))
    #expect(try await fixture.rows(options: ScanOptions(predicate: ends)).count == 200)
  }
}
