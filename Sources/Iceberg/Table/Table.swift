/// A table of a catalog: its state when it was loaded, and the way to newer ones.
public struct Table: Sendable {
  /// The catalog.
  public let catalog: any Catalog
  /// The state.
  public private(set) var loaded: LoadedTable

  /// The table as `catalog` has it now.
  public init(_ identifier: TableIdentifier, in catalog: any Catalog) async throws(IcebergError) {
    self.catalog = catalog
    loaded = try await catalog.loadTable(identifier)
  }

  /// A table that was loaded.
  public init(_ loaded: LoadedTable, in catalog: any Catalog) {
    self.catalog = catalog
    self.loaded = loaded
  }

  /// Its name.
  public var identifier: TableIdentifier { loaded.identifier }
  /// Its metadata.
  public var metadata: TableMetadata { loaded.metadata }
  /// Its current snapshot; `nil` when it is empty.
  public var currentSnapshot: Snapshot? { metadata.head(of: "main") }

  /// The table as it is now.
  /// - Throws: kind `conflict` when another table has its name by now: its id is another one.
  public mutating func refresh() async throws(IcebergError) {
    let newer = try await catalog.loadTable(identifier)
    try loaded.requireSame(newer)
    loaded = newer
  }

  /// Which snapshot.
  public enum SnapshotSelector: Hashable, Sendable {
    /// The current one.
    case current
    /// That one.
    case id(Int64)
    /// The one that was current at this time, in milliseconds since the epoch.
    case asOf(milliseconds: Int64)
    /// The one that a branch or tag is at.
    case reference(String)
  }

  /// The snapshot that `selector` names; `nil` when the table is empty and the current one is asked for.
  ///
  /// - Throws: kind `notFound`, naming what is there.
  public func snapshot(_ selector: SnapshotSelector) throws(IcebergError) -> Snapshot? {
    switch selector {
    case .current: return currentSnapshot
    case .id(let id):
      if let snapshot = metadata.snapshot(withID: id) { return snapshot }
      throw IcebergError(.notFound, "the table \(identifier) has no snapshot \(id): it was expired or never there")
    case .asOf(let time):
      let entry = metadata.snapshotLog.last { $0.timestampMilliseconds <= time }
      if let entry, let snapshot = metadata.snapshot(withID: entry.snapshotID) { return snapshot }
      throw IcebergError(
        .notFound,
        "the table \(identifier) has no snapshot of the time \(time) ms; the oldest that is known is of "
          + "\(metadata.snapshotLog.first?.timestampMilliseconds.description ?? "never")")
    case .reference(let name):
      if let snapshot = metadata.head(of: name) { return snapshot }
      if name == "main" { return nil }
      throw IcebergError(
        .notFound,
        "the table \(identifier) has no branch or tag '\(name)'; it has: "
          + metadata.references.keys.sorted().joined(separator: ", "))
    }
  }

  /// Commits changes, and is at the new state afterwards.
  ///
  /// - Parameters:
  ///   - changes: what to do, in order, in one commit.
  ///   - environment: the time, pauses, chance.
  ///   - precondition: looks at each state before changes are planned onto it.
  /// - Throws: see ``TransactionRunner/commit(_:)``.
  @discardableResult
  public mutating func commit(
    _ changes: [any TableChange], environment: CommitEnvironment = .system,
    precondition: (@Sendable (TableMetadata) throws(IcebergError) -> Precondition)? = nil
  ) async throws(IcebergError) -> CommitOutcome {
    let runner = TransactionRunner(catalog: catalog, environment: environment)
    let outcome = try await runner.commit(TableWork(loaded, changes, precondition: precondition))
    loaded = outcome.table
    return outcome
  }
}

extension LoadedTable {
  /// Refuses a later state that is not one of this table. Old tables of version 1 have no id to compare.
  func requireSame(_ newer: LoadedTable) throws(IcebergError) {
    let (old, new) = (metadata.tableUUID.lowercased(), newer.metadata.tableUUID.lowercased())
    guard old == new || old.isEmpty else {
      throw IcebergError(
        .conflict,
        "\(newer.metadataLocation) is not a state of the table \(identifier) that was read before: its table-uuid is "
          + "\(new), expected \(old). The table was dropped and made again, or the catalog points to another table's "
          + "metadata; nothing was changed")
    }
  }
}
