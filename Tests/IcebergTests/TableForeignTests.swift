import Columnar
import Foundation
import Iceberg
import Parquet
import TestTraits
import Testing

@Suite("Tables that the Java library writes", .fewAtOnce)
struct TableForeignTests {
  /// Java's reading of a table: ids and names, sorted.
  private static func javaRows(_ table: Table) throws -> [String] {
    let location = table.loaded.metadataLocation
    let path = location.hasPrefix("file:") ? "/" + location.dropFirst(5).drop { $0 == "/" } : location
    let outcome = try TableJudge.run("java_iceberg.py", ["read", path], java: true)
    return try outcome.output.split(separator: "\n").filter { $0.hasPrefix("{") }.map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
      let name = object["name"] as? String ?? "null"
      return "\(object["id"] ?? "?")|\(name)"
    }.sorted()
  }

  private static func rows(_ table: Table) async throws -> [String] {
    var rows: [String] = []
    let scan = try TableScan(table)
    for task in try await scan.plan() {
      var reader = try await scan.open(task)
      while let batch = try await reader.next() {
        for row in 0..<batch.rowCount { rows.append(batch.columns.map { $0.text(row) }.joined(separator: "|")) }
      }
    }
    return rows.sorted()
  }

  @Test(
    "are read with all their deletes, appended to, compacted and expired, and Java and the validator agree each time",
    arguments: [("v1", 60), ("v2", 54), ("v3", 57)])
  func maintained(kind: String, count: Int) async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("java-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory + "/scratch", withIntermediateDirectories: true)
    let made = try TableJudge.run("java_tables.py", ["\(directory)/wh/ns/t", kind], java: true)
    #expect(made.status == 0, "\(made.output)")
    let catalog = try FileSystemCatalog(
      name: "test", warehouse: "file://\(directory)/wh", store: LocalFileStore(), logger: TableFixture.logger)
    var table = try await Table(TableIdentifier(Namespace(["ns"]), "t"), in: catalog)
    var rows = try await Self.rows(table)
    #expect(rows.count == count)
    #expect(try Self.javaRows(table) == rows)

    let writer = PartitionedWriter(
      try WriteSettings(table.metadata), directory: directory + "/scratch", prefix: UUID().uuidString)
    try writer.write([.longs([100, 101]), .texts(["ours", nil])])
    let sealed = try writer.finish()
    try await SealedFile.publish(sealed, to: table.loaded.store)
    try await table.commit([AppendFiles(sealed.map(\.file), duplicateCheck: .allFiles)])
    rows = (rows + ["100|ours", "101|null"]).sorted()
    #expect(try await Self.rows(table) == rows)
    #expect(try Self.javaRows(table) == rows)

    let compaction = Compaction(CompactionPolicy(minimumInputFiles: 2), scratchDirectory: directory + "/scratch")
    let report = try await compaction.run(&table)
    #expect(report.compactedFiles == 7)
    #expect(try await Self.rows(table) == rows)
    #expect(try Self.javaRows(table) == rows)

    let expired = try await SnapshotExpiry(ExpireSnapshots(olderThanMilliseconds: .max)).run(&table)
    #expect(expired.problems == [])
    #expect(expired.deletedFiles >= 7)
    #expect(try await Self.rows(table) == rows)
    #expect(try Self.javaRows(table) == rows)
    let path = "/" + table.loaded.metadataLocation.dropFirst(5).drop { $0 == "/" }
    let judged = try TableJudge.run("iceberg_check.py", [path, "--unique-key", "id", "--ignore", "delete.target"])
    #expect(judged.status == 0, "\(judged.output)")
  }
}
