/// A table as a catalog gives it.
public struct LoadedTable: Sendable {
  /// Its name.
  public var identifier: TableIdentifier
  /// Its metadata.
  public var metadata: TableMetadata
  /// Where the metadata file is.
  public var metadataLocation: String
  /// Where its files are, with the credentials that the catalog gave.
  public var store: any ObjectStore

  /// A table.
  public init(
    identifier: TableIdentifier, metadata: TableMetadata, metadataLocation: String, store: any ObjectStore
  ) {
    self.identifier = identifier
    self.metadata = metadata
    self.metadataLocation = metadataLocation
    self.store = store
  }
}

/// The change of one table in a commit.
public struct TableCommit: Hashable, Sendable {
  /// The table.
  public var identifier: TableIdentifier
  /// What must hold.
  public var requirements: [TableRequirement]
  /// What changes.
  public var updates: [TableUpdate]

  /// A change.
  public init(identifier: TableIdentifier, requirements: [TableRequirement], updates: [TableUpdate]) {
    self.identifier = identifier
    self.requirements = requirements
    self.updates = updates
  }
}

/// Knows which metadata file is a table's current one, and changes that atomically. All calls throw ``IcebergError``.
public protocol Catalog: Sendable {
  /// The name for messages.
  var name: String { get }
  /// Whether ``commit(_:)`` takes several tables at once.
  var supportsMultiTableCommits: Bool { get }

  /// Namespaces directly below `parent`; `nil` is the root.
  func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace]
  /// Makes a namespace.
  /// - Throws: kind `alreadyExists`.
  func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError)
  /// Its properties.
  /// - Throws: kind `notFound`.
  func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String]
  /// Changes its properties.
  func updateNamespace(_ namespace: Namespace, removing: [String], setting: [String: String]) async throws(IcebergError)
  /// Removes an empty namespace.
  /// - Throws: kinds `notFound` and, when it is not empty, `conflict`.
  func dropNamespace(_ namespace: Namespace) async throws(IcebergError)

  /// The tables directly in `namespace`.
  func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier]
  /// The table as it is now: never cached.
  /// - Throws: kind `notFound`.
  func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable
  /// Makes an empty table.
  /// - Throws: kind `alreadyExists`.
  func createTable(_ identifier: TableIdentifier, _ creation: TableCreation) async throws(IcebergError) -> LoadedTable
  /// Takes an existing metadata file as a table.
  func registerTable(_ identifier: TableIdentifier, metadataLocation: String) async throws(IcebergError) -> LoadedTable
  /// Forgets a table; `purge` also removes its files.
  func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError)
  /// Renames a table.
  func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError)

  /// Applies the changes of all tables, or of none.
  ///
  /// - Throws: kind `conflict` when a requirement does not hold, `unknownOutcome` when the answer was lost.
  /// - Returns: the tables after the commit, in the order of `commits`.
  func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable]

  /// Lets go of connections.
  func close() async
}
