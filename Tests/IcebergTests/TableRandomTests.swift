import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Parquet
import Synchronization
import TestSupport
import TestTraits
import Testing

/// Random operations with rivals and lost answers, against a set of row ids as the model.
@Suite("Random sequences of table operations", .fewAtOnce)
struct TableRandomTests {
  @Test(
    "no row is lost or doubled, whatever others commit and whichever answers are lost",
    arguments: [2, 3], 1...6)
  func random(version: Int, seed: Int) async throws {
    var run = try await RandomRun(version: version, seed: UInt64(seed * 100 + version))
    defer { run.remove() }
    for step in 0..<30 {
      try await run.step(step)
      let rows = try await run.rows()
      let expected = run.expected
      #expect(rows == expected, "version \(version), seed \(seed), step \(step): \(run.log.suffix(3))")
      if rows != expected { return }
    }
    #expect(run.log.contains { $0.hasPrefix("append") })
    let fates = run.fates
    #expect(fates.count >= 5, "\(fates)")
  }
}

/// What the rival has added.
private final class RivalRows: Sendable {
  private let state = Mutex<[Int64]>([])

  var rows: [Int64] { state.withLock { $0 } }

  func take() -> Int64 {
    state.withLock { rows in
      rows.append(1_000_000 + Int64(rows.count))
      return rows[rows.count - 1]
    }
  }
}

private struct RandomRun {
  let directory: String
  let catalog: RivalCatalog
  let rivals = RivalRows()
  var table: Table
  var random: SeededNumbers
  var model: Set<Int64> = []
  var log: [String] = []
  private var nextID: Int64 = 0
  private let environment: CommitEnvironment

  init(version: Int, seed: UInt64) async throws {
    random = SeededNumbers(seed: seed)
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("random-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    self.directory = directory
    let base = try FileSystemCatalog(
      name: "test", warehouse: "s3://bucket/wh", store: InMemoryStore(), logger: TableFixture.logger)
    let identifier = TableIdentifier(Namespace(["ns"]), "t")
    try await base.createNamespace(identifier.namespace, properties: [:])
    let schema = TableSchema(fields: TableAppendTests.fields)
    _ = try await base.createTable(
      identifier,
      TableCreation(
        schema: schema, spec: try PartitioningText.parseSpec(seed % 2 == 0 ? "bucket(2, id)" : "", schema: schema),
        properties: ["commit.manifest.min-count-to-merge": "4"], formatVersion: version))
    let rivals = rivals
    catalog = RivalCatalog(base, seed: seed ^ 0xABCD) {
      var table = try await Table(identifier, in: base)
      let files = try await Self.write(table, ids: [rivals.take()], directory: directory)
      try await table.commit([AppendFiles(files)])
    }
    table = try await Table(identifier, in: catalog)
    environment = CommitEnvironment(
      nowMilliseconds: CommitEnvironment.system.nowMilliseconds, sleep: { _ in },
      random: CommitEnvironment.system.random)
    catalog.setCalm(false)
  }

  func remove() { try? FileManager.default.removeItem(atPath: directory) }

  var fates: [RivalCatalog.Fate: Int] { catalog.fates }
  var expected: [Int64] { model.union(rivals.rows).sorted() }

  static func write(_ table: Table, ids: [Int64], directory: String) async throws -> [DataFile] {
    let writer = PartitionedWriter(
      try WriteSettings(table.metadata), directory: directory, prefix: UUID().uuidString)
    try writer.write([.longs(ids), .texts(ids.map { "name \($0)" })])
    let sealed = try writer.finish()
    try await SealedFile.publish(sealed, to: table.loaded.store)
    return sealed.map(\.file)
  }

  func rows() async throws -> [Int64] {
    var fresh = table
    try await fresh.refresh()
    var result: [Int64] = []
    try await TableScan(fresh, options: ScanOptions(columns: ["id"])).forEachBatch { batch throws(IcebergError) in
      if case .leaf(let column) = batch.columns[0], case .int64(let values) = column.storage { result += values }
    }
    return result.sorted()
  }

  /// One operation; the model follows when it was applied.
  mutating func step(_ number: Int) async throws {
    if Bool.random(using: &random) { try await table.refresh() }
    let operation = Int.random(in: 0..<10, using: &random)
    switch operation {
    case 0..<4: try await append(number)
    case 4: try await deleteByValue(number)
    case 5: try await deleteByPosition(number)
    case 6:
      try await attempt("compact \(number)") { table, environment, directory throws(IcebergError) in
        _ = try await Compaction(CompactionPolicy(minimumInputFiles: 2), scratchDirectory: directory)
          .run(&table, environment: environment)
      }
    case 7:
      try await attempt("manifests \(number)") { table, environment, _ throws(IcebergError) in
        try await table.commit([RewriteManifests(minimumCount: 2)], environment: environment)
      }
    case 8:
      try await attempt("expire \(number)") { table, environment, _ throws(IcebergError) in
        _ = try await SnapshotExpiry(ExpireSnapshots(olderThanMilliseconds: .max, minimumSnapshotsToKeep: 3))
          .run(&table, environment: environment)
      }
    default: try await replaceAll(number)
    }
  }

  /// An operation that does not change rows.
  private mutating func attempt(
    _ name: String, _ body: (inout Table, CommitEnvironment, String) async throws(IcebergError) -> Void
  ) async throws {
    log.append(name)
    do throws(IcebergError) {
      try await body(&table, environment, directory)
    } catch {
      try accept(error)
    }
  }

  /// Failures that rivals and lost answers may cause.
  private mutating func accept(_ error: IcebergError) throws {
    log.append("\(error.kind)")
    guard [.conflict, .unknownOutcome, .transient].contains(error.kind) else { throw error }
  }

  /// Commits changes once: the position in the table's properties tells whether they were applied.
  private mutating func commit(_ changes: [any TableChange], _ number: Int) async throws -> Bool {
    let mark = "step \(number)"
    do throws(IcebergError) {
      try await table.commit(changes + [UpdateProperties(setting: ["position": mark])], environment: environment) {
        $0.properties["position"] == mark ? .alreadyApplied : .proceed
      }
      return true
    } catch {
      try accept(error)
      guard error.kind == .unknownOutcome else { return false }
      try await table.refresh()
      return table.metadata.properties["position"] == mark
    }
  }

  private mutating func append(_ number: Int) async throws {
    let count = Int64.random(in: 1...5, using: &random)
    let ids = (nextID..<nextID + count).map { $0 }
    nextID += count
    let files = try await Self.write(table, ids: ids, directory: directory)
    log.append("append \(ids)")
    if try await commit([AppendFiles(files)], number) { model.formUnion(ids) }
  }

  private mutating func deleteByValue(_ number: Int) async throws {
    guard let id = model.sorted().randomElement(using: &random) else { return }
    log.append("delete \(id) by value")
    let schema = TableSchema(fields: [TableAppendTests.fields[0]])
    let settings = try WriteSettings(table.metadata, schema: schema)
    var partition = PartitionTuple()
    if !settings.spec.fields.isEmpty { partition = PartitionTuple([Transform.bucket(2).apply(.long(id))]) }
    let writer = try DataFileWriter(
      settings, partition: partition, name: "\(UUID().uuidString).parquet", directory: directory,
      content: .equalityDeletes, equalityIDs: [1], sortOrderID: nil)
    try writer.write([.longs([id])])
    let sealed = try writer.finish()
    try await sealed.publish(to: table.loaded.store)
    if try await commit([RowDelta(adding: [], deletes: [sealed.file])], number) { model.remove(id) }
  }

  private mutating func deleteByPosition(_ number: Int) async throws {
    guard let id = model.sorted().randomElement(using: &random) else { return }
    log.append("delete \(id) by position")
    let options = ScanOptions(columns: ["id"], metadataColumns: [.file, .position])
    let scan = try TableScan(table, options: options)
    let tasks = try await scan.plan()
    var deletes = PositionDeletes()
    for task in tasks {
      var reader = try await scan.open(task)
      while let batch = try await reader.next() {
        for row in 0..<batch.rowCount where batch.columns[0].text(row) == String(id) {
          deletes.insert(batch.columns[1].text(row), Int64(batch.columns[2].text(row)) ?? -1)
        }
      }
    }
    // A stale state may not have the row yet.
    guard !deletes.positions.isEmpty else { return }
    let written = try await deletes.write(
      scan, tasks: tasks, scratchDirectory: directory, prefix: UUID().uuidString)
    if try await commit([written.delta(startingSnapshotID: scan.snapshot?.snapshotID)], number) { model.remove(id) }
  }

  /// Replaces files that are there now by one with a new row.
  private mutating func replaceAll(_ number: Int) async throws {
    try await table.refresh()
    let scan = try TableScan(table, options: ScanOptions(columns: ["id"]))
    guard let task = try await scan.plan().randomElement(using: &random) else { return }
    var reader = try await scan.open(task)
    var gone: [Int64] = []
    while let batch = try await reader.next() {
      for row in 0..<batch.rowCount { gone.append(Int64(batch.columns[0].text(row)) ?? -1) }
    }
    // Rows of rivals are not the model's to remove.
    guard gone.allSatisfy({ $0 < 1_000_000 }) else { return }
    let id = nextID
    nextID += 1
    log.append("replace \(gone) by \(id)")
    let files = try await Self.write(table, ids: [id], directory: directory)
    let change = OverwriteFiles(adding: files, removing: [task.entry.file.filePath])
    if try await commit([change], number) {
      model.subtract(gone)
      model.insert(id)
    }
  }
}
