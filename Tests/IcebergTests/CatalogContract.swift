import Iceberg
import Testing

/// What every catalog promises, tried on a new and empty one.
struct CatalogContract {
  var catalog: any Catalog
  var hasNamespaceProperties = true
  var canRename = true
  /// Whether a namespace can be dropped while only its parent was created.
  var hasNestedNamespaces = true

  func run() async throws {
    try await namespaces()
    try await tables()
    try await commits()
    try await ends()
  }

  private func kind<Value>(_ body: () async throws -> Value) async -> IcebergError.Kind? {
    await CatalogFixture.failure(body)
  }

  private func namespaces() async throws {
    #expect(try await catalog.listNamespaces(parent: nil) == [])
    let sales = Namespace(["sales"])
    #expect(await kind { try await catalog.namespaceProperties(sales) } == .notFound)
    #expect(await kind { try await catalog.listTables(sales) } == .notFound)
    #expect(await kind { try await catalog.dropNamespace(sales) } == .notFound)
    try await catalog.createNamespace(sales, properties: hasNamespaceProperties ? ["owner": "me"] : [:])
    #expect(await kind { try await catalog.createNamespace(sales, properties: [:]) } == .alreadyExists)
    #expect(try await catalog.listNamespaces(parent: nil) == [sales])
    #expect(try await catalog.listNamespaces(parent: sales) == [])
    #expect(try await catalog.listTables(sales) == [])
    if hasNamespaceProperties {
      try await catalog.updateNamespace(sales, removing: ["owner"], setting: ["a": "1", "b": "it's"])
      let properties = try await catalog.namespaceProperties(sales)
      #expect(properties["owner"] == nil)
      #expect(properties["a"] == "1")
      #expect(properties["b"] == "it's")
      #expect(properties["exists"] == nil)
    }
    guard hasNestedNamespaces else { return }
    let nested = Namespace(["sales", "north_%"])
    try await catalog.createNamespace(nested, properties: [:])
    try await catalog.createNamespace(Namespace(["salesman"]), properties: [:])
    #expect(try await catalog.listNamespaces(parent: sales) == [nested])
    #expect(try await catalog.listNamespaces(parent: nil) == [sales, Namespace(["salesman"])])
    #expect(await kind { try await catalog.dropNamespace(sales) } == .conflict)
    try await catalog.dropNamespace(nested)
    try await catalog.dropNamespace(Namespace(["salesman"]))
  }

  private func tables() async throws {
    let orders = CatalogFixture.table("sales", "orders")
    #expect(await kind { try await catalog.loadTable(orders) } == .notFound)
    #expect(await kind { try await catalog.dropTable(orders, purge: false) } == .notFound)
    #expect(
      await kind { try await catalog.createTable(CatalogFixture.table("nowhere", "t"), CatalogFixture.creation()) }
        == .notFound)
    let created = try await catalog.createTable(orders, CatalogFixture.creation(["p": "v"]))
    #expect(created.metadata.properties["p"] == "v")
    #expect(created.metadata.currentSchemaID == 0)
    #expect(await kind { try await catalog.createTable(orders, CatalogFixture.creation()) } == .alreadyExists)
    let loaded = try await catalog.loadTable(orders)
    #expect(loaded.metadata == created.metadata)
    #expect(loaded.metadataLocation == created.metadataLocation)
    #expect(try await catalog.listTables(Namespace(["sales"])) == [orders])
    #expect(try await catalog.listNamespaces(parent: Namespace(["sales"])) == [])
    #expect(await kind { try await catalog.dropNamespace(Namespace(["sales"])) } == .conflict)
    let renamed = CatalogFixture.table("sales", "renamed")
    guard canRename else {
      #expect(await kind { try await catalog.renameTable(orders, to: renamed) } == .unsupported)
      return
    }
    _ = try await catalog.createTable(renamed, CatalogFixture.creation())
    #expect(await kind { try await catalog.renameTable(orders, to: renamed) } == .alreadyExists)
    try await catalog.dropTable(renamed, purge: true)
    try await catalog.renameTable(orders, to: renamed)
    #expect(await kind { try await catalog.loadTable(orders) } == .notFound)
    #expect(try await catalog.loadTable(renamed).metadata.tableUUID == created.metadata.tableUUID)
    #expect(await kind { try await catalog.renameTable(orders, to: renamed) } != nil)
    try await catalog.renameTable(renamed, to: orders)
  }

  private func commits() async throws {
    let orders = CatalogFixture.table("sales", "orders")
    let before = try await catalog.loadTable(orders)
    let changed = try await catalog.commit([CatalogFixture.setting(orders, ["color": "blau ✓"])])
    #expect(changed.count == 1)
    #expect(changed.first?.metadata.properties["color"] == "blau ✓")
    #expect(changed.first?.metadata.metadataLog.last?.metadataFile == before.metadataLocation)
    let after = try await catalog.loadTable(orders)
    #expect(after.metadata == changed.first?.metadata)
    #expect(after.metadataLocation != before.metadataLocation)
    _ = try await catalog.commit([CatalogFixture.snapshot(after, id: 77)])
    // The same requirement again does not hold any more.
    #expect(await kind { try await catalog.commit([CatalogFixture.snapshot(after, id: 78)]) } == .conflict)
    #expect(try await catalog.loadTable(orders).metadata.currentSnapshotID == 77)
    let missing = CatalogFixture.setting(CatalogFixture.table("sales", "none"), ["a": "b"])
    #expect(await kind { try await catalog.commit([missing]) } == .notFound)
  }

  private func ends() async throws {
    let orders = CatalogFixture.table("sales", "orders")
    let last = try await catalog.loadTable(orders)
    try await catalog.dropTable(orders, purge: false)
    #expect(await kind { try await catalog.loadTable(orders) } == .notFound)
    #expect(try await catalog.listTables(Namespace(["sales"])) == [])
    guard canRename else { return }
    let registered = try await catalog.registerTable(orders, metadataLocation: last.metadataLocation)
    #expect(registered.metadata == last.metadata)
    #expect(
      await kind { try await catalog.registerTable(orders, metadataLocation: last.metadataLocation) } == .alreadyExists)
    try await catalog.dropTable(orders, purge: false)
    try await catalog.dropNamespace(Namespace(["sales"]))
    #expect(try await catalog.listNamespaces(parent: nil) == [])
  }
}

/// Many tasks that commit to one table at once.
struct CatalogRace {
  var catalogs: [any Catalog]
  var identifier: TableIdentifier
  var rounds: Int

  /// In every round all commit on the same state: exactly one wins. Returns the ids of the winners' snapshots.
  func exactlyOneWins() async throws -> [Int64] {
    var winners: [Int64] = []
    for round in 0..<rounds {
      let table = try await catalogs[0].loadTable(identifier)
      let results = await withTaskGroup(of: (Int64, IcebergError.Kind?).self) { group in
        for (index, catalog) in catalogs.enumerated() {
          let commit = CatalogFixture.snapshot(table, id: Int64(round * 1000 + index + 1))
          group.addTask {
            let kind = await CatalogFixture.failure { try await catalog.commit([commit]) }
            return (Int64(round * 1000 + index + 1), kind)
          }
        }
        var all: [(Int64, IcebergError.Kind?)] = []
        for await result in group { all.append(result) }
        return all
      }
      let won = results.filter { $0.1 == nil }.map(\.0)
      #expect(won.count == 1, "round \(round): \(results)")
      #expect(results.allSatisfy { $0.1 == nil || $0.1 == .conflict }, "round \(round): \(results)")
      winners += won
    }
    return winners
  }

  /// All commit changes of their own, again after a conflict: none is lost. Returns the final table.
  func nothingIsLost() async throws -> LoadedTable {
    await withTaskGroup(of: Void.self) { group in
      for (index, catalog) in catalogs.enumerated() {
        group.addTask {
          for round in 0..<rounds {
            let commit = CatalogFixture.setting(identifier, ["task-\(index)-\(round)": "done"])
            for attempt in 0..<1000 {
              let kind = await CatalogFixture.failure { try await catalog.commit([commit]) }
              if kind == nil { break }
              if kind != .conflict || attempt == 999 { Issue.record("task \(index), round \(round): \(kind as Any)") }
              if kind != .conflict { break }
            }
          }
        }
      }
    }
    let table = try await catalogs[0].loadTable(identifier)
    for index in catalogs.indices {
      for round in 0..<rounds {
        #expect(table.metadata.properties["task-\(index)-\(round)"] == "done")
      }
    }
    return table
  }
}
