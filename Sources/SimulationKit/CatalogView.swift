import Iceberg

/// A catalog as one process uses it: strangers may come before each of its calls.
struct SimulatedCatalogView: Catalog {
  let base: any Catalog
  /// Is called before each call that looks at tables or changes them.
  let before: @Sendable (_ what: String) async -> Void

  var name: String { base.name }
  var supportsMultiTableCommits: Bool { base.supportsMultiTableCommits }

  func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] {
    try await base.listNamespaces(parent: parent)
  }

  func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {
    try await base.createNamespace(namespace, properties: properties)
  }

  func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] {
    try await base.namespaceProperties(namespace)
  }

  func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {
    try await base.updateNamespace(namespace, removing: removing, setting: setting)
  }

  func dropNamespace(_ namespace: Namespace) async throws(IcebergError) { try await base.dropNamespace(namespace) }

  func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] {
    await before("list tables")
    return try await base.listTables(namespace)
  }

  func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    await before("load \(identifier)")
    return try await base.loadTable(identifier)
  }

  func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws(IcebergError) -> LoadedTable {
    await before("create \(identifier)")
    return try await base.createTable(identifier, creation)
  }

  func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable {
    try await base.registerTable(identifier, metadataLocation: metadataLocation)
  }

  func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {
    try await base.dropTable(identifier, purge: purge)
  }

  func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {
    try await base.renameTable(identifier, to: to)
  }

  func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    await before("commit")
    return try await base.commit(commits)
  }

  func close() async { await base.close() }
}
