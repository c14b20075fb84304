import Iceberg
import Synchronization
import TestSupport

/// A catalog on a bad line: requests get lost on their way to it, and answers on their way back.
public final class LossyCatalog: Catalog {
  /// How likely a request fails; shared by several catalogs, and changed by a test.
  public final class Faults: Sendable {
    private let value = Mutex(0.0)

    /// Nothing fails at first.
    public init() {}

    /// From 0 to 1.
    public var probability: Double {
      get { value.withLock { $0 } }
      set { value.withLock { $0 = newValue } }
    }
  }

  private let base: any Catalog
  private let faults: Faults
  private let random: Mutex<SeededNumbers>

  /// A bad line to `base`.
  public init(_ base: any Catalog, seed: UInt64, _ faults: Faults) {
    self.base = base
    self.faults = faults
    random = Mutex(SeededNumbers(seed: seed))
  }

  private func strikes(_ share: Double = 1) -> Bool { random.withLock { $0.chance(faults.probability * share) } }

  /// Passed on, and the request or the answer may be lost.
  public func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    if strikes(0.3) { throw IcebergError(.transient, "no connection, on purpose") }
    if strikes(0.3) { throw IcebergError(.unknownOutcome, "the request was lost on purpose") }
    let tables = try await base.commit(commits)
    if strikes() { throw IcebergError(.unknownOutcome, "the answer was lost on purpose") }
    return tables
  }

  /// Passed on.
  public var name: String { base.name }
  /// Passed on.
  public var supportsMultiTableCommits: Bool { base.supportsMultiTableCommits }
  /// Passed on.
  public func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] {
    try await base.listNamespaces(parent: parent)
  }
  /// Passed on.
  public func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {
    try await base.createNamespace(namespace, properties: properties)
  }
  /// Passed on.
  public func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] {
    try await base.namespaceProperties(namespace)
  }
  /// Passed on.
  public func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {
    try await base.updateNamespace(namespace, removing: removing, setting: setting)
  }
  /// Passed on.
  public func dropNamespace(_ namespace: Namespace) async throws(IcebergError) {
    try await base.dropNamespace(namespace)
  }
  /// Passed on.
  public func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] {
    try await base.listTables(namespace)
  }
  /// Passed on, or fails.
  public func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    try await base.loadTable(identifier)
  }
  /// Passed on.
  public func createTable(_ identifier: TableIdentifier, _ creation: TableCreation) async throws(IcebergError)
    -> LoadedTable
  {
    try await base.createTable(identifier, creation)
  }
  /// Passed on.
  public func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable {
    try await base.registerTable(identifier, metadataLocation: metadataLocation)
  }
  /// Passed on.
  public func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {
    try await base.dropTable(identifier, purge: purge)
  }
  /// Passed on.
  public func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {
    try await base.renameTable(identifier, to: to)
  }
  /// Passed on.
  public func close() async { await base.close() }
}
