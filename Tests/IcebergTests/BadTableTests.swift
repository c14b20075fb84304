import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Parquet
import TestSupport
import TestTraits
import Testing

@Suite("Tables that are damaged, or not what they say", .fewAtOnce)
struct BadTableTests {
  /// Reads and commits must fail, name the file, and leave everything as it is.
  private static func expectRefused(
    _ fixture: TableFixture, adding files: [DataFile], naming name: String, _ comment: String
  ) async throws {
    let before = try contents(fixture)
    func attempt(_ what: String, _ body: (inout Table) async throws -> Void) async throws {
      let error = await #expect(throws: IcebergError.self, "\(what), \(comment)") {
        var table = try await Table(fixture.table.identifier, in: fixture.catalog)
        try await body(&table)
      }
      #expect(error?.message.contains(name) ?? false, "\(what), \(comment): \(error?.message ?? "")")
      #expect([.corrupt, .notFound].contains(error?.kind), "\(what), \(comment): \(error?.message ?? "")")
    }
    try await attempt("scan") { table in _ = try await table.sortedRows() }
    try await attempt("commit") { table in
      try await table.commit([AppendFiles(files, duplicateCheck: .allFiles)])
    }
    #expect(try contents(fixture) == before, "\(comment)")
  }

  /// Every file of the table with its bytes.
  private static func contents(_ fixture: TableFixture) throws -> [String: Data] {
    var result: [String: Data] = [:]
    for name in try fixture.files() {
      result[name] = try Data(contentsOf: URL(fileURLWithPath: "\(fixture.directory)/wh/ns/t/\(name)"))
    }
    return result
  }

  /// The files in `metadata` that the current state needs.
  private static func metadataFiles(_ fixture: TableFixture) throws -> [String] {
    try fixture.files().filter { $0.hasSuffix(".avro") } + [
      "metadata/\(fixture.metadataPath.split(separator: "/").last ?? "")"
    ]
  }

  @Test(
    "a cut metadata file, manifest list or manifest is an error that names it, wherever it is cut",
    arguments: ["none", "gzip"])
  func cut(codec: String) async throws {
    var fixture = try await TableFixture(
      TableAppendTests.fields, properties: ["write.metadata.compression-codec": codec])
    defer { fixture.remove() }
    try await fixture.append(TableAppendTests.columns(0..<10))
    let files = try await fixture.write(TableAppendTests.columns(10..<20))
    let rows = try await fixture.rows()
    let names = try Self.metadataFiles(fixture)
    #expect(names.count == 3 && names[2].hasSuffix(codec == "gzip" ? "v2.gz.metadata.json" : "v2.metadata.json"))
    for name in names {
      let path = URL(fileURLWithPath: "\(fixture.directory)/wh/ns/t/\(name)")
      let whole = try Data(contentsOf: path)
      // The last cut of an Avro file is right behind its header: what is left is a file without values.
      var cuts = [0, 3, whole.count / 3, whole.count / 2, whole.count - 17, whole.count - 1]
      if name.hasSuffix(".avro"), let end = whole.firstRange(of: whole.suffix(16)) { cuts.append(end.upperBound) }
      for cut in cuts {
        try whole.prefix(cut).write(to: path)
        let short = String(name.split(separator: "/").last ?? "")
        try await Self.expectRefused(fixture, adding: files, naming: short, "\(name) cut at \(cut) of \(whole.count)")
      }
      try FileManager.default.removeItem(at: path)
      if name.hasSuffix(".avro") {
        try await Self.expectRefused(fixture, adding: files, naming: name, "\(name) is missing")
      }
      try whole.write(to: path)
    }
    #expect(try await fixture.rows() == rows)
    try await fixture.table.commit([AppendFiles(files)])
    #expect(try await fixture.rows().count == 20)
  }

  @Test("whatever bits are wrong in metadata files, a scan gives rows or an error of this library", arguments: 1...4)
  func flipped(seed: Int) async throws {
    var random = SeededNumbers(seed: UInt64(seed))
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    try await fixture.append(TableAppendTests.columns(0..<10))
    var errors = 0
    for name in try Self.metadataFiles(fixture) {
      let path = URL(fileURLWithPath: "\(fixture.directory)/wh/ns/t/\(name)")
      let whole = try Data(contentsOf: path)
      for _ in 0..<60 {
        var damaged = whole
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          damaged[Int.random(in: 0..<whole.count, using: &random)] ^=
            UInt8(1) << UInt8.random(in: 0...7, using: &random)
        }
        try damaged.write(to: path)
        do {
          _ = try await Table(fixture.table.identifier, in: fixture.catalog).sortedRows()
        } catch is IcebergError { errors += 1 }
      }
      try whole.write(to: path)
    }
    #expect(errors > 20, "seed \(seed): \(errors) errors")
    #expect(try await fixture.rows().count == 10)
  }

  @Test("a data file of another length or number of rows than its manifest says is refused", arguments: [false, true])
  func replacedFile(remote: Bool) async throws {
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("bad-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    let store: any ObjectStore = remote ? InMemoryStore() : LocalFileStore()
    let catalog = try FileSystemCatalog(
      name: "test", warehouse: remote ? "s3://bucket/wh" : "file://\(scratch)/wh", store: store,
      logger: TableFixture.logger)
    try await catalog.createNamespace(Namespace(["ns"]), properties: [:])
    let changes: [(String, (inout DataFile) -> Void)] = [
      ("bytes", { $0.fileSizeInBytes += 1 }), ("bytes", { $0.fileSizeInBytes -= 1 }),
      ("bytes", { $0.fileSizeInBytes += 100_000 }), ("bytes", { $0.fileSizeInBytes = 5 }),
      ("rows", { $0.recordCount += 1 })
    ]
    for (index, (word, change)) in changes.enumerated() {
      let identifier = TableIdentifier(Namespace(["ns"]), "t\(index)")
      var table = Table(
        try await catalog.createTable(
          identifier, TableCreation(schema: TableSchema(fields: TableAppendTests.fields), formatVersion: 2)),
        in: catalog)
      let writer = PartitionedWriter(try WriteSettings(table.metadata), directory: scratch, prefix: "f")
      try writer.write(TableAppendTests.columns(0..<10))
      var sealed = try writer.finish()
      try await SealedFile.publish(sealed, to: store)
      change(&sealed[0].file)
      try await table.commit([AppendFiles(sealed.map(\.file))])
      let changed = table
      let error = await #expect(throws: IcebergError.self) { try await changed.sortedRows() }
      #expect(error?.kind == .corrupt, "\(index): \(error?.message ?? "")")
      let message = error?.message ?? ""
      #expect(message.contains(sealed[0].file.filePath) && message.contains(word), "\(index): \(message)")
    }
  }

  @Test("a pointer to another table's metadata is noticed by its id; neither table is changed")
  func forgedPointer() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    var other = try await TableFixture(TableAppendTests.fields)
    defer {
      fixture.remove()
      other.remove()
    }
    try await fixture.append(TableAppendTests.columns(0..<10))
    try await other.append(TableAppendTests.columns(50..<60))
    let files = try await fixture.write(TableAppendTests.columns(10..<20))
    let metadata = "\(fixture.directory)/wh/ns/t/metadata"
    try FileManager.default.copyItem(atPath: other.metadataPath, toPath: metadata + "/v3.metadata.json")
    let before = (try Self.contents(fixture), try Self.contents(other))
    var table = fixture.table
    let refreshed = await #expect(throws: IcebergError.self) { try await table.refresh() }
    #expect(refreshed?.kind == .conflict && refreshed?.message.contains("table-uuid") ?? false)
    // The commit finds version 3 there, and then that it is not of this table.
    let committed = await #expect(throws: IcebergError.self) { try await table.commit([AppendFiles(files)]) }
    #expect(committed?.kind == .conflict && committed?.message.contains("table-uuid") ?? false)
    // Whoever has not seen the table before cannot know its id, but sees that it lies elsewhere.
    var fresh = try await Table(fixture.table.identifier, in: fixture.catalog)
    let moved = await #expect(throws: IcebergError.self) { try await fresh.commit([AppendFiles(files)]) }
    #expect(moved?.message.contains("must stay at") ?? false, "\(moved?.message ?? "")")
    #expect(try Self.contents(fixture) == before.0)
    #expect(try Self.contents(other) == before.1)
  }

  @Test("clocks that are off: time never runs backwards in the metadata, commits go on, Java and the validator read it")
  func clocks() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    let now = CommitEnvironment.system.nowMilliseconds()
    var updated = fixture.table.metadata.lastUpdatedMilliseconds
    for (number, offset) in [0, 86_400_000, 0, -86_400_000, 30_000].enumerated() {
      var environment = CommitEnvironment.system
      environment.nowMilliseconds = { now + Int64(offset) + Int64(number) }
      let catalog = try FileSystemCatalog(
        name: "test", warehouse: "file://\(fixture.directory)/wh", store: LocalFileStore(),
        logger: TableFixture.logger, environment: environment)
      var table = try await Table(fixture.table.identifier, in: catalog)
      let files = try await fixture.write(TableAppendTests.columns(Int64(number) * 10..<Int64(number) * 10 + 10))
      let outcome = try await table.commit([AppendFiles(files)], environment: environment)
      #expect(outcome.warnings.isEmpty == (number < 2), "\(number): \(outcome.warnings)")
      if number == 3 {
        let first = try #require(table.metadata.snapshots.first?.snapshotID)
        let last = try #require(table.currentSnapshot?.snapshotID)
        try await table.commit([SetSnapshot(to: .snapshot(first))], environment: environment)
        try await table.commit([SetSnapshot(to: .snapshot(last), requiresAncestor: false)], environment: environment)
      }
      #expect(table.metadata.lastUpdatedMilliseconds >= updated)
      updated = table.metadata.lastUpdatedMilliseconds
      let log = table.metadata.snapshotLog.map(\.timestampMilliseconds)
      #expect(log == log.sorted())
      #expect(log.last == table.metadata.snapshotLog.map(\.timestampMilliseconds).max())
    }
    try await fixture.table.refresh()
    #expect(try await fixture.rows().count == 50)
    try RowsJudge.expectSame([(fixture.table.loaded.metadataLocation, try await fixture.rows())], "clocks")
    #expect(try fixture.validate() == [])
  }
}
