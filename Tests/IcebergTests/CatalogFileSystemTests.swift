import Foundation
import Iceberg
import IcebergSupport
import TestTraits
import Testing

@Suite("The file system catalog", .fewAtOnce)
struct CatalogFileSystemTests {
  private func catalog(
    _ warehouse: String, store: (any ObjectStore)? = nil, name: String = "fs"
  ) throws -> FileSystemCatalog {
    try FileSystemCatalog(
      name: name, warehouse: warehouse, store: store ?? CatalogFixture.store(), logger: CatalogFixture.logger)
  }

  private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  @Test("keeps what every catalog promises")
  func contract() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(directory + "/")
    try await CatalogContract(catalog: catalog, hasNamespaceProperties: false, canRename: false).run()
  }

  @Test(
    "keeps what every catalog promises where directories are only names, however short the pages", arguments: [1, 3])
  func names(pageMax: Int) async throws {
    let store = InMemoryStore(pageMax: pageMax)
    let catalog = try catalog("s3://bucket/warehouse", store: store)
    try await CatalogContract(catalog: catalog, hasNamespaceProperties: false, canRename: false).run()
    let table = CatalogFixture.table("sales", "purged")
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    for number in 0..<20 {
      _ = try await store.write("s3://bucket/warehouse/sales/purged/data/\(number).parquet", [1], ifAbsent: true)
    }
    #expect(try await catalog.listTables(table.namespace) == [table])
    try await catalog.dropTable(table, purge: true)
    try await catalog.dropNamespace(table.namespace)
    #expect(store.contents.isEmpty)
  }

  @Test("keeps what every catalog promises on S3, and lets exactly one of many writers win there")
  func objectStore() async throws {
    let server = try await MotoServer()
    _ = try CatalogJudge.script(
      """
      import sys, boto3
      boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a",
        aws_secret_access_key="b").create_bucket(Bucket="lake")
      """, [server.endpoint])
    let properties = [
      "warehouse": "s3://lake/wh", "s3.endpoint": server.endpoint, "s3.access-key-id": "a",
      "s3.secret-access-key": "b", "s3.region": "us-east-1"
    ]
    var catalogs: [any Catalog] = []
    for _ in 0..<4 {
      catalogs.append(
        try await Catalogs.make(type: "filesystem", properties: properties, logger: CatalogFixture.logger))
    }
    try await CatalogContract(catalog: catalogs[0], hasNamespaceProperties: false, canRename: false).run()
    let table = CatalogFixture.table("sales", "race")
    _ = try await catalogs[0].createTable(table, CatalogFixture.creation())
    let winners = try await CatalogRace(catalogs: catalogs, identifier: table, rounds: 4).exactlyOneWins()
    #expect(try await catalogs[0].loadTable(table).metadata.snapshots.map(\.snapshotID) == winners)
    for catalog in catalogs { await catalog.close() }
  }

  @Test("lays tables out as Java's HadoopCatalog does, the hint without a newline")
  func layout() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog("file:\(directory)")
    let table = CatalogFixture.table("a.b", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    let created = try await catalog.createTable(table, CatalogFixture.creation())
    #expect(created.metadata.location == "file://\(directory)/a/b/t")
    #expect(created.metadataLocation == "file://\(directory)/a/b/t/metadata/v1.metadata.json")
    _ = try await catalog.commit([CatalogFixture.setting(table, ["x": "1"])])
    #expect(try text("\(directory)/a/b/t/metadata/version-hint.text") == "2")
    let files = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/a/b/t/metadata").sorted()
    #expect(files == ["v1.metadata.json", "v2.metadata.json", "version-hint.text"])
    // An empty directory is a namespace, too.
    try FileManager.default.createDirectory(atPath: "\(directory)/empty", withIntermediateDirectories: true)
    #expect(try await catalog.listNamespaces(parent: nil) == [Namespace(["a"]), Namespace(["empty"])])
    #expect(try await catalog.listTables(Namespace(["empty"])) == [])
  }

  @Test("finds the newest version whatever the hint says", arguments: ["1", "2\n", "9", "", "garbage", "-1", nil])
  func hints(_ hint: String?) async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(directory)
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    for value in 1...3 { _ = try await catalog.commit([CatalogFixture.setting(table, ["x": "\(value)"])]) }
    let path = "\(directory)/ns/t/metadata/version-hint.text"
    try FileManager.default.removeItem(atPath: path)
    if let hint { try hint.write(toFile: path, atomically: true, encoding: .utf8) }
    #expect(try await catalog.loadTable(table).metadata.properties["x"] == "3")
    _ = try await catalog.commit([CatalogFixture.setting(table, ["x": "4"])])
    let loaded = try await catalog.loadTable(table)
    #expect(loaded.metadata.properties["x"] == "4")
    #expect(loaded.metadataLocation.hasSuffix("/v5.metadata.json"))
  }

  @Test("reads and writes compressed versions, also under the older name")
  func compressed() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(directory)
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation(["write.metadata.compression-codec": "gzip"]))
    let second = try await catalog.commit([CatalogFixture.setting(table, ["x": "1"])])
    #expect(second.first?.metadataLocation.hasSuffix("/v2.gz.metadata.json") == true)
    let path = "\(directory)/ns/t/metadata/v2.gz.metadata.json"
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path)).prefix(2)) == [0x1F, 0x8B])
    try FileManager.default.moveItem(atPath: path, toPath: "\(directory)/ns/t/metadata/v2.metadata.json.gz")
    #expect(try await catalog.loadTable(table).metadata.properties["x"] == "1")
    let wrong = CatalogFixture.setting(table, ["write.metadata.compression-codec": "lzma"])
    #expect(await CatalogFixture.failure { try await catalog.commit([wrong]) } == .invalid)
  }

  @Test("lets exactly one of many writers win each round, and loses nothing")
  func races() async throws {
    let directory = try CatalogFixture.directory()
    let catalogs = try (0..<8).map { _ in try catalog(directory) }
    let table = CatalogFixture.table("ns", "t")
    try await catalogs[0].createNamespace(table.namespace, properties: [:])
    let made = await withTaskGroup(of: Bool.self) { group in
      for catalog in catalogs {
        group.addTask {
          await CatalogFixture.failure { try await catalog.createTable(table, CatalogFixture.creation()) } == nil
        }
      }
      var count = 0
      for await isMade in group where isMade { count += 1 }
      return count
    }
    #expect(made == 1)
    let winners = try await CatalogRace(catalogs: catalogs, identifier: table, rounds: 10).exactlyOneWins()
    let snapshots = try await catalogs[0].loadTable(table).metadata.snapshots.map(\.snapshotID)
    #expect(snapshots == winners)
    let final = try await CatalogRace(catalogs: catalogs, identifier: table, rounds: 5).nothingIsLost()
    #expect(final.metadataLocation.hasSuffix("/v51.metadata.json"))
  }

  @Test("settles a write whose answer was lost by reading back")
  func lostAnswers() async throws {
    let directory = try CatalogFixture.directory()
    let store = CatalogFaultyStore(CatalogFixture.store())
    let catalog = try catalog(directory, store: store)
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    let lost: CatalogFaultyStore.Fault = { $0.hasSuffix(".json") ? IcebergError(.unknownOutcome, "lost") : nil }
    store.on("after", lost)
    let applied = try await catalog.commit([CatalogFixture.setting(table, ["x": "1"])])
    #expect(applied.first?.metadata.properties["x"] == "1")
    store.on("after", nil)
    store.on("before", lost)
    let kind = await CatalogFixture.failure { try await catalog.commit([CatalogFixture.setting(table, ["x": "2"])]) }
    #expect(kind == .unknownOutcome)
    store.on("before", nil)
    #expect(try await catalog.loadTable(table).metadata.properties["x"] == "1")
  }

  @Test("refuses the commit of a writer that slept while others deleted the version that it writes")
  func sleeper() async throws {
    let directory = try CatalogFixture.directory()
    let inner = CatalogFixture.store()
    let store = CatalogFaultyStore(inner)
    let sleeper = try catalog(directory, store: store)
    let other = try catalog(directory, store: inner)
    let table = CatalogFixture.table("ns", "t")
    try await other.createNamespace(table.namespace, properties: [:])
    _ = try await other.createTable(
      table,
      CatalogFixture.creation([
        "write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "1"
      ]))
    // The sleeper has read version 1 and is about to write version 2 when others get to version 6.
    let path = "\(directory)/ns/t/metadata"
    let saved = try Data(contentsOf: URL(fileURLWithPath: "\(path)/v1.metadata.json"))
    for value in 1...5 { _ = try await other.commit([CatalogFixture.setting(table, ["x": "\(value)"])]) }
    #expect(!FileManager.default.fileExists(atPath: "\(path)/v2.metadata.json"))
    // It reads what it read then: only version 1 and a hint of that time.
    let away = "\(path)-away"
    try FileManager.default.createDirectory(atPath: away, withIntermediateDirectories: true)
    for name in ["v5.metadata.json", "v6.metadata.json", "version-hint.text"] {
      try FileManager.default.moveItem(atPath: "\(path)/\(name)", toPath: "\(away)/\(name)")
    }
    try saved.write(to: URL(fileURLWithPath: "\(path)/v1.metadata.json"))
    store.on("before") { location in
      guard location.hasSuffix("v2.metadata.json") else { return nil }
      for name in ["v5.metadata.json", "v6.metadata.json", "version-hint.text"] {
        try? FileManager.default.moveItem(atPath: "\(away)/\(name)", toPath: "\(path)/\(name)")
      }
      return nil
    }
    let kind = await CatalogFixture.failure { try await sleeper.commit([CatalogFixture.setting(table, ["y": "1"])]) }
    #expect(kind == .conflict)
    #expect(!FileManager.default.fileExists(atPath: "\(path)/v2.metadata.json"))
    let loaded = try await other.loadTable(table).metadata
    #expect(loaded.properties["x"] == "5")
    #expect(loaded.properties["y"] == nil)
  }

  @Test("deletes old versions only when the table wants that")
  func deletion() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(directory)
    for (name, wants) in [("keeps", "false"), ("deletes", "true")] {
      let table = CatalogFixture.table("ns", name)
      if name == "keeps" { try await catalog.createNamespace(table.namespace, properties: [:]) }
      _ = try await catalog.createTable(
        table,
        CatalogFixture.creation([
          "write.metadata.delete-after-commit.enabled": wants, "write.metadata.previous-versions-max": "2"
        ]))
      for value in 1...5 { _ = try await catalog.commit([CatalogFixture.setting(table, ["x": "\(value)"])]) }
      let files = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/ns/\(name)/metadata")
      #expect(files.filter { $0.hasPrefix("v") && $0.hasSuffix(".json") }.count == (wants == "true" ? 3 : 6))
    }
  }

  @Test("drops with and without files, but never those of another table")
  func drops() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(directory)
    let outer = CatalogFixture.table("ns", "t")
    let inner = CatalogFixture.table("ns.t.data", "nested")
    try await catalog.createNamespace(outer.namespace, properties: [:])
    for purge in [false, true] {
      _ = try await catalog.createTable(outer, CatalogFixture.creation())
      try FileManager.default.createDirectory(
        atPath: "\(directory)/ns/t/data/p=1", withIntermediateDirectories: true)
      try "rows".write(toFile: "\(directory)/ns/t/data/p=1/f.parquet", atomically: true, encoding: .utf8)
      if purge { _ = try await catalog.createTable(inner, CatalogFixture.creation()) }
      try await catalog.dropTable(outer, purge: purge)
      #expect(FileManager.default.fileExists(atPath: "\(directory)/ns/t/data/p=1/f.parquet") == !purge)
    }
    #expect(try await catalog.loadTable(inner).metadata.currentSchemaID == 0)
  }

  @Test("refuses names that are no directories, and places that Java could not find")
  func refusals() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(directory)
    for name in ["..", ".", "a/b", ""] {
      #expect(
        await CatalogFixture.failure { try await catalog.createNamespace(Namespace([name]), properties: [:]) }
          == .invalid)
    }
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    let elsewhere = CatalogFixture.creation(location: "file:///elsewhere")
    #expect(await CatalogFixture.failure { try await catalog.createTable(table, elsewhere) } == .invalid)
    _ = try await catalog.createTable(table, CatalogFixture.creation(location: "\(directory)/ns/t/"))
    let moved = CatalogFixture.setting(table, ["write.metadata.path": "file:///elsewhere"])
    #expect(await CatalogFixture.failure { try await catalog.commit([moved]) } == .invalid)
    let two = [CatalogFixture.setting(table, ["a": "b"]), CatalogFixture.setting(table, ["c": "d"])]
    #expect(await CatalogFixture.failure { try await catalog.commit(two) } == .unsupported)
    #expect(throws: IcebergError.self) { try self.catalog("relative/path") }
  }

  @Test("is read by Java's HadoopCatalog and PyIceberg, and reads what Java committed")
  func judges() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(directory)
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    let location = try await catalog.commit([CatalogFixture.setting(table, ["x": "1"])])[0].metadataLocation
    let list = try CatalogJudge.run(
      CatalogJudge.java(), [CatalogJudge.file("java_iceberg.py"), "cat", "hadoop", "", "file://\(directory)", "LIST"])
    #expect(list.contains("ns.t"))
    let properties = try CatalogJudge.script(
      """
      import sys; from pyiceberg.table import StaticTable
      print(StaticTable.from_metadata(sys.argv[1]).properties["x"])
      """, [location])
    #expect(properties == "1\n")
    _ = try CatalogJudge.run(
      CatalogJudge.java(),
      [
        "-c",
        """
        import sys; sys.path.insert(0, sys.argv[1]); import java_iceberg as j
        c = j.catalog("hadoop", "", sys.argv[2])
        c.loadTable(j.ident("ns.t")).updateProperties().set("java", "yes").commit()
        """, (CatalogJudge.file("java_iceberg.py") as NSString).deletingLastPathComponent, "file://\(directory)"
      ])
    let loaded = try await catalog.loadTable(table)
    #expect(loaded.metadata.properties["java"] == "yes")
    #expect(loaded.metadataLocation.hasSuffix("/v3.metadata.json"))
  }
}
