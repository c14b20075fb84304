import Foundation
import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite("The SQL catalog", .fewAtOnce)
struct CatalogSQLTests {
  private func catalog(
    _ url: String, _ warehouse: String, name: String = "prod", store: (any ObjectStore)? = nil
  ) throws -> SQLCatalog {
    try SQLCatalog(
      SQLCatalog.Configuration(name: name, url: url, warehouse: warehouse), store: store ?? CatalogFixture.store(),
      logger: CatalogFixture.logger)
  }

  private static let oldTables = """
    CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL,
      table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000),
      PRIMARY KEY (catalog_name, table_namespace, table_name));
    CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL,
      property_key VARCHAR(255), property_value VARCHAR(1000), PRIMARY KEY (catalog_name, namespace, property_key));
    """

  private func metadataFiles(_ directory: String) -> Set<String> {
    let all = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
    return Set(all.filter { $0.hasSuffix(".metadata.json") })
  }

  @Test("keeps what every catalog promises, on tables of Java's older version, too", arguments: [false, true])
  func contract(isOld: Bool) async throws {
    let database = "contract_\(isOld)"
    let url = try CatalogServer.database(database)
    if isOld { try CatalogServer.run(database, Self.oldTables) }
    // Another schema's tables, of the other version, must not be looked at.
    try CatalogServer.run(
      database, "CREATE SCHEMA other; CREATE TABLE other.iceberg_tables (iceberg_type text, catalog_name text)")
    let catalog = try catalog(url, try CatalogFixture.directory())
    try await CatalogContract(catalog: catalog).run()
    await catalog.close()
    #expect(try CatalogServer.run(database, "SELECT count(*) FROM iceberg_tables") == [["0"]])
  }

  @Test("puts tables where Java does, and names files by number")
  func layout() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(try CatalogServer.database("layout"), directory)
    let table = CatalogFixture.table("a.b", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    let created = try await catalog.createTable(table, CatalogFixture.creation())
    #expect(created.metadata.location == "file://\(directory)/a/b/t")
    #expect(created.metadataLocation.hasPrefix("file://\(directory)/a/b/t/metadata/00000-"))
    let zipped = CatalogFixture.setting(table, ["write.metadata.compression-codec": "gzip"])
    let second = try await catalog.commit([zipped])[0].metadataLocation
    #expect(second.contains("/00001-") && second.hasSuffix(".gz.metadata.json"))
    #expect(try await catalog.loadTable(table).metadata.properties.count == 1)
    let moved = CatalogFixture.setting(
      table, ["write.metadata.path": "file://\(directory)/elsewhere/", "write.metadata.compression-codec": "none"])
    let third = try await catalog.commit([moved])[0].metadataLocation
    #expect(third.hasPrefix("file://\(directory)/elsewhere/00002-"))
    #expect(
      try CatalogServer.run(
        "layout", "SELECT metadata_location, previous_metadata_location, iceberg_type FROM iceberg_tables")
        == [[third, second, "TABLE"]])
    await catalog.close()
  }

  @Test("does not take views for tables, and takes rows without a type for tables")
  func types() async throws {
    let catalog = try catalog(try CatalogServer.database("types"), try CatalogFixture.directory())
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    try CatalogServer.run(
      "types",
      """
      UPDATE iceberg_tables SET iceberg_type = NULL;
      INSERT INTO iceberg_tables VALUES ('prod', 'ns', 'v', 'file:///view', NULL, 'VIEW'),
        ('other', 'ns', 'u', 'file:///other', NULL, 'TABLE')
      """)
    #expect(try await catalog.listTables(table.namespace) == [table])
    _ = try await catalog.commit([CatalogFixture.setting(table, ["x": "1"])])
    #expect(try await catalog.loadTable(table).metadata.properties["x"] == "1")
    let view = CatalogFixture.table("ns", "v")
    #expect(await CatalogFixture.failure { try await catalog.loadTable(view) } == .notFound)
    #expect(
      await CatalogFixture.failure { try await catalog.createTable(view, CatalogFixture.creation()) }
        == .alreadyExists)
    #expect(await CatalogFixture.failure { try await catalog.dropTable(view, purge: false) } == .notFound)
    await catalog.close()
  }

  @Test("does not follow a row that was changed to nothing, to something else or to another table; nothing is changed")
  func forgedPointers() async throws {
    let directory = try CatalogFixture.directory()
    let database = "forged"
    let catalog = try catalog(try CatalogServer.database(database), directory)
    let (first, second) = (CatalogFixture.table("a", "t"), CatalogFixture.table("a", "u"))
    try await catalog.createNamespace(first.namespace, properties: [:])
    _ = try await catalog.createTable(first, CatalogFixture.creation())
    let other = try await catalog.createTable(second, CatalogFixture.creation())
    var table = try await Table(first, in: catalog)
    let own = table.loaded.metadataLocation
    func point(to location: String) throws {
      try CatalogServer.run(
        database, "UPDATE iceberg_tables SET metadata_location = '\(location)' WHERE table_name = 't'")
    }
    try "no metadata".write(toFile: "\(directory)/garbage", atomically: true, encoding: .utf8)
    let wrong: [(String, IcebergError.Kind, String)] = [
      ("file://\(directory)/nowhere.metadata.json", .corrupt, "which is not there"),
      ("file://\(directory)/garbage", .corrupt, "\(directory)/garbage"),
      ("file://\(directory)/a", .corrupt, "\(directory)/a"), (other.metadataLocation, .conflict, "table-uuid")
    ]
    for (location, kind, text) in wrong {
      try point(to: location)
      let before = metadataFiles(directory)
      for isCommit in [false, true] {
        let error = await #expect(throws: IcebergError.self, "\(location)") {
          if isCommit {
            try await table.commit([UpdateProperties(setting: ["a": "b"])])
          } else {
            try await table.refresh()
          }
        }
        #expect(error?.kind == kind && error?.message.contains(text) ?? false, "\(location): \(error?.message ?? "")")
      }
      #expect(metadataFiles(directory) == before, "\(location)")
      #expect(try await catalog.loadTable(second).metadataLocation == other.metadataLocation)
    }
    // Where its metadata is does not matter: the next file is written where the table is.
    try FileManager.default.copyItem(
      atPath: String(own.dropFirst("file://".count)), toPath: "\(directory)/elsewhere.metadata.json")
    try point(to: "file://\(directory)/elsewhere.metadata.json")
    try await table.refresh()
    try await table.commit([UpdateProperties(setting: ["a": "b"])])
    #expect(table.loaded.metadataLocation.hasPrefix("file://\(directory)/a/t/metadata/"))
    await catalog.close()
  }

  @Test("commits several tables together, or none of them, and leaves no file of those that failed")
  func severalTables() async throws {
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(try CatalogServer.database("several"), directory)
    let tables = ["t1", "t2", "t3"].map { CatalogFixture.table("ns", $0) }
    try await catalog.createNamespace(tables[0].namespace, properties: [:])
    for table in tables { _ = try await catalog.createTable(table, CatalogFixture.creation()) }
    let together = try await catalog.commit(tables.map { CatalogFixture.setting($0, ["x": "1"]) })
    #expect(together.map(\.identifier) == tables)
    let stale = try await catalog.loadTable(tables[2])
    _ = try await catalog.commit([CatalogFixture.snapshot(stale, id: 5)])
    let before = metadataFiles(directory)
    let commits = [
      CatalogFixture.setting(tables[0], ["x": "2"]), CatalogFixture.setting(tables[1], ["x": "2"]),
      CatalogFixture.snapshot(stale, id: 6)
    ]
    #expect(await CatalogFixture.failure { try await catalog.commit(commits) } == .conflict)
    #expect(metadataFiles(directory) == before)
    for table in tables { #expect(try await catalog.loadTable(table).metadata.properties["x"] == "1") }
    let twice = [CatalogFixture.setting(tables[0], ["a": "1"]), CatalogFixture.setting(tables[0], ["b": "1"])]
    #expect(await CatalogFixture.failure { try await catalog.commit(twice) } == .invalid)
    await catalog.close()
  }

  @Test("lets exactly one of many writers win each round, and loses nothing")
  func races() async throws {
    let directory = try CatalogFixture.directory()
    let url = try CatalogServer.database("races")
    let catalogs = try (0..<6).map { _ in try catalog(url, directory) }
    let table = CatalogFixture.table("ns", "t")
    try await catalogs[0].createNamespace(table.namespace, properties: [:])
    _ = try await catalogs[0].createTable(table, CatalogFixture.creation())
    let winners = try await CatalogRace(catalogs: catalogs, identifier: table, rounds: 10).exactlyOneWins()
    #expect(try await catalogs[0].loadTable(table).metadata.snapshots.map(\.snapshotID) == winners)
    let final = try await CatalogRace(catalogs: catalogs, identifier: table, rounds: 5).nothingIsLost()
    #expect(final.metadataLocation.contains("/00040-"))
    // One file for each state: those of the losers are gone.
    #expect(metadataFiles(directory).count == 41)
    for catalog in catalogs { await catalog.close() }
  }

  @Test(
    "settles a commit whose connection was cut, whether or not the server got it",
    arguments: [CuttingProxy.Cut.beforePassing, .afterPassing], ["UPDATE iceberg_tables", "COMMIT\0"])
  func cutConnections(_ cut: CuttingProxy.Cut, at text: String) async throws {
    let server = try CatalogServer.server.get()
    let proxy = try CuttingProxy(serverPort: server.port)
    let database = "cut_\(cut)_\(text.prefix(3))".lowercased()
    let url = try CatalogServer.database(database, port: proxy.port)
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(url, directory)
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    proxy.cut(cut, at: text)
    let kind = await CatalogFixture.failure { try await catalog.commit([CatalogFixture.setting(table, ["x": "1"])]) }
    #expect(proxy.cutCount == 1)
    // A cut before COMMIT is begun again; a COMMIT that never arrived changed nothing.
    let wasLost = cut == .beforePassing && text == "COMMIT\0"
    #expect(kind == (wasLost ? .conflict : nil))
    #expect(try await catalog.loadTable(table).metadata.properties["x"] == (wasLost ? nil : "1"))
    #expect(metadataFiles(directory).count == (wasLost ? 1 : 2))
    // The same for a new row.
    let second = CatalogFixture.table("ns", "second")
    proxy.cut(cut, at: text == "COMMIT\0" ? text : "INSERT INTO iceberg_tables")
    _ = try await catalog.createTable(second, CatalogFixture.creation())
    #expect(try await catalog.loadTable(second).metadata.currentSchemaID == 0)
    #expect(proxy.cutCount == 2)
    await catalog.close()
  }

  @Test("says that the outcome is unknown when it cannot be read back, and deletes nothing")
  func unknownOutcomes() async throws {
    let proxy = try CuttingProxy(serverPort: try CatalogServer.server.get().port)
    _ = try CatalogServer.database("unreadable")
    try CatalogServer.run("unreadable", "CREATE ROLE visitor LOGIN SUPERUSER")
    let directory = try CatalogFixture.directory()
    var environment = CommitEnvironment.system
    environment.sleep = { _ in }
    let catalog = try SQLCatalog(
      SQLCatalog.Configuration(
        name: "c", url: "postgresql://visitor@127.0.0.1:\(proxy.port)/unreadable", warehouse: directory),
      store: CatalogFixture.store(), logger: CatalogFixture.logger, environment: environment)
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    // The session lives on, but nobody gets a new one.
    try CatalogServer.run("unreadable", "ALTER ROLE visitor NOLOGIN")
    proxy.cut(.afterPassing, at: "COMMIT\0")
    let commit = CatalogFixture.setting(table, ["x": "1"])
    #expect(await CatalogFixture.failure { try await catalog.commit([commit]) } == .unknownOutcome)
    #expect(metadataFiles(directory).count == 2)
    try CatalogServer.run("unreadable", "ALTER ROLE visitor LOGIN")
    #expect(try await catalog.loadTable(table).metadata.properties["x"] == "1")
    await catalog.close()
  }

  @Test("shares a catalog with PyIceberg, both ways")
  func pyIceberg() async throws {
    let directory = try CatalogFixture.directory()
    let url = try CatalogServer.database("pyiceberg")
    let alchemy = url.replacingOccurrences(of: "postgresql://", with: "postgresql+psycopg2://")
    let script = """
      import sys, pyarrow as pa
      from pyiceberg.catalog.sql import SqlCatalog
      c = SqlCatalog("prod", uri=sys.argv[1], warehouse="file://" + sys.argv[2])
      """
    // PyIceberg makes the tables of the catalog, a namespace and a table with rows.
    _ = try CatalogJudge.script(
      script + """

        c.create_namespace("py", {"owner": "them"})
        t = c.create_table("py.t", pa.schema([("id", pa.int64())]))
        t.append(pa.table({"id": [1, 2, 3]}))
        """, [alchemy, directory])
    let catalog = try await Catalogs.make(
      type: "sql", properties: ["uri": alchemy, "catalog-name": "prod", "warehouse": directory],
      logger: CatalogFixture.logger)
    let theirs = CatalogFixture.table("py", "t")
    #expect(try await catalog.listNamespaces(parent: nil) == [Namespace(["py"])])
    #expect(try await catalog.namespaceProperties(Namespace(["py"]))["owner"] == "them")
    #expect(try await catalog.listTables(Namespace(["py"])) == [theirs])
    let loaded = try await catalog.loadTable(theirs)
    #expect(loaded.metadata.currentSnapshot?.summary["total-records"] == "3")
    let committed = try await catalog.commit([CatalogFixture.setting(theirs, ["ours": "yes"])])[0]
    #expect(committed.metadataLocation.contains("/00002-"))
    let ours = CatalogFixture.table("py", "ours")
    _ = try await catalog.createTable(ours, CatalogFixture.creation())
    // PyIceberg goes on with both.
    let output = try CatalogJudge.script(
      script + """

        t = c.load_table("py.t")
        t.append(pa.table({"id": [4]}))
        u = c.load_table("py.ours")
        u.append(pa.table({"id": [7], "text": ["x"]}, schema=pa.schema([
          pa.field("id", pa.int64(), nullable=False), ("text", pa.string())])))
        print(t.properties["ours"], len(t.scan().to_arrow()), u.scan().to_arrow().to_pylist(), c.list_tables("py"))
        """, [alchemy, directory])
    #expect(
      output == "yes 4 [{'id': 7, 'text': 'x'}] [('py', 'ours'), ('py', 't')]\n"
        || output == "yes 4 [{'id': 7, 'text': 'x'}] [('py', 't'), ('py', 'ours')]\n")
    #expect(try await catalog.loadTable(theirs).metadataLocation.contains("/00003-"))
    #expect(try await catalog.loadTable(ours).metadata.currentSnapshot != nil)
    await catalog.close()
  }

  @Test("shares a catalog with Java's JdbcCatalog of either version, both ways", arguments: ["V0", "V1"])
  func java(_ version: String) async throws {
    let directory = try CatalogFixture.directory()
    let database = "java_\(version)".lowercased()
    let url = try CatalogServer.database(database)
    if version == "V0" { try CatalogServer.run(database, Self.oldTables) }
    let catalog = try await Catalogs.make(
      type: "jdbc", properties: ["uri": "jdbc:\(url)", "catalog-name": "prod", "warehouse": "file://\(directory)"],
      logger: CatalogFixture.logger)
    let table = CatalogFixture.table("a.b", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    let port = try CatalogServer.server.get().port
    _ = try CatalogJudge.run(
      CatalogJudge.java(),
      [
        "-c",
        """
        import sys; sys.path.insert(0, sys.argv[1]); import java_iceberg as j
        c = j.catalog("jdbc", sys.argv[2], sys.argv[3], **{"jdbc.user": "weir", "name": "prod",
          "jdbc.schema-version": sys.argv[4]})
        t = c.loadTable(j.ident("a.b.t"))
        t.updateProperties().set("java", "yes").commit()
        c.createTable(j.ident("a.b.java"), t.schema())
        """, (CatalogJudge.file("java_iceberg.py") as NSString).deletingLastPathComponent,
        "jdbc:postgresql://127.0.0.1:\(port)/\(database)", "file://\(directory)", version
      ])
    #expect(try await catalog.listTables(table.namespace) == [CatalogFixture.table("a.b", "java"), table])
    let committed = try await catalog.commit([CatalogFixture.setting(table, ["back": "1"])])[0]
    #expect(committed.metadata.properties["java"] == "yes")
    #expect(committed.metadataLocation.contains("/00002-"))
    let theirs = try await catalog.commit([CatalogFixture.setting(CatalogFixture.table("a.b", "java"), ["us": "1"])])[0]
    #expect(theirs.metadata.location == "file://\(directory)/a/b/java")
    #expect(theirs.metadataLocation.contains("/00001-"))
    await catalog.close()
  }

  @Test("goes on after the server was restarted, and says what is wrong with its settings")
  func restarts() async throws {
    let own = try PostgresServer()
    let directory = try CatalogFixture.directory()
    let catalog = try catalog(own.url, directory)
    let table = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(table.namespace, properties: [:])
    try own.restart()
    _ = try await catalog.createTable(table, CatalogFixture.creation())
    #expect(try await catalog.listTables(table.namespace) == [table])
    await catalog.close()
    let nobody = try self.catalog(own.url + "_missing", directory)
    #expect(await CatalogFixture.failure { try await nobody.listNamespaces(parent: nil) } == .notFound)
    let dotted = Namespace(["a.b"])
    #expect(await CatalogFixture.failure { try await nobody.createNamespace(dotted, properties: [:]) } == .invalid)
  }
}
