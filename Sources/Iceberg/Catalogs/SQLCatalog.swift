import Logging
import PostgresClient

/// A catalog in two tables of a PostgreSQL database, the same as those of Java's `JdbcCatalog` and PyIceberg's
/// `SqlCatalog`: all three can work on one catalog.
///
/// A commit writes the new metadata file and then swaps the table's row from the old location to the new one, in a
/// transaction; several tables may be committed in one transaction. When the answer of that transaction is lost, the
/// rows are read back.
public final class SQLCatalog: Catalog {
  /// Where the catalog is, and what it is called.
  public struct Configuration: Hashable, Sendable {
    /// The value of the column `catalog_name`; several catalogs share a database. Spark and Java take the catalog's name.
    public var name: String
    /// A connection URI or keyword string of libpq: `postgresql://user:password@host:port/database`.
    public var url: String
    /// The location below which tables are put.
    public var warehouse: String
    /// What `pg_stat_activity` shows.
    public var applicationName = "iceberg"
    /// Whether the two tables are created when they are missing.
    public var createsTables = true

    /// A catalog in a database.
    public init(name: String, url: String, warehouse: String) {
      self.name = name
      self.url = url
      self.warehouse = warehouse
    }
  }

  /// The value of the column `catalog_name`.
  public let name: String
  let warehouse: String
  let store: any ObjectStore
  let session: SQLSession
  let logger: Logger
  let environment: CommitEnvironment

  /// A catalog; it connects with the first call.
  ///
  /// - Parameters:
  ///   - store: Where metadata files are read and written. The caller closes it.
  ///   - environment: Time and chance.
  /// - Throws: kind `invalid` when the warehouse is not a location.
  public init(
    _ configuration: Configuration, store: any ObjectStore, logger: Logger, environment: CommitEnvironment = .system
  ) throws(IcebergError) {
    name = configuration.name
    warehouse = try Locations.normalized(configuration.warehouse, what: "warehouse")
    self.store = store
    self.logger = logger
    self.environment = environment
    session = SQLSession(
      url: configuration.url, applicationName: configuration.applicationName,
      createsTables: configuration.createsTables, environment: environment)
  }

  /// Several tables are committed in one transaction of the database.
  public var supportsMultiTableCommits: Bool { true }

  /// Ends the session.
  public func close() async { await session.close() }

  /// The tables in `namespace`; views are none.
  public func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] {
    let key = try SQLNames.key(namespace)
    let catalog = name
    let rows = try await session.read { connection, schema in
      guard try SQLNamespaces.exists(key, catalog: catalog, connection) else { return [String]?.none }
      let answer = try connection.run(
        "SELECT table_name FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2\(schema.isTable)",
        [catalog, key])
      return answer.rows.compactMap { $0.first ?? nil }
    }
    guard let rows else { throw SQLNames.missing(namespace) }
    return rows.map { TableIdentifier(namespace, $0) }.sorted()
  }

  /// The table as its row says now.
  public func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    // A commit that deletes old metadata files may come between reading the row and reading the file.
    var lastMissing: String?
    while true {
      guard let location = try await pointer(identifier)?.current else {
        throw IcebergError(.notFound, "table \(identifier) is not in catalog \(name)")
      }
      do {
        let metadata = try await MetadataFiles.read(location, store)
        return LoadedTable(identifier: identifier, metadata: metadata, metadataLocation: location, store: store)
      } catch  where error.kind == .notFound && location != lastMissing {
        lastMissing = location
      } catch  where error.kind == .notFound {
        throw IcebergError(
          .corrupt, "table \(identifier): the catalog names \(location), which is not there: \(error.message)")
      }
    }
  }

  /// Makes an empty table below its namespace's location, unless `creation` says where.
  public func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws(IcebergError) -> LoadedTable {
    let key = try SQLNames.key(identifier)
    if try await pointer(identifier) != nil { throw SQLNames.exists(identifier) }
    let location: String
    if let given = creation.location {
      location = try Locations.normalized(given, what: "location of table \(identifier)")
    } else {
      let properties = try await namespaceProperties(identifier.namespace)
      let parent = try Locations.normalized(
        properties["location"] ?? warehouse, what: "location of namespace \(identifier.namespace)")
      location = "\(parent)/\(identifier.name)"
    }
    let metadata = try TableMetadata.create(
      creation, location: location, uuid: environment.makeUUID(), now: environment.nowMilliseconds())
    let file = try await writeFile(metadata, after: nil)
    do {
      try await insert(identifier, key, location: file)
    } catch  where error.kind != .unknownOutcome {
      await discard([file])
      throw error
    }
    return LoadedTable(identifier: identifier, metadata: metadata, metadataLocation: file, store: store)
  }

  /// Takes an existing metadata file as a table; the file stays where it is.
  public func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable {
    let key = try SQLNames.key(identifier)
    if try await pointer(identifier) != nil { throw SQLNames.exists(identifier) }
    let location = try Locations.normalized(metadataLocation, what: "metadata location")
    let metadata = try await MetadataFiles.read(location, store)
    try await insert(identifier, key, location: location)
    return LoadedTable(identifier: identifier, metadata: metadata, metadataLocation: location, store: store)
  }

  /// Removes the table's row; with `purge` its files after that, as far as they are below its own directories.
  public func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {
    let key = try SQLNames.key(identifier)
    var last: LoadedTable?
    if purge { last = try await loadTable(identifier) }
    let catalog = name
    var wasLost = false
    while true {
      let outcome = try await session.transaction { connection, schema in
        try connection.run(
          """
          DELETE FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3\(schema.isTable)
          """, [catalog, key.namespace, key.name]
        ).affectedRows
      }
      switch outcome {
      case .rolledBack(let refusal): throw SQLFailures.error(refusal)
      case .unknown where !wasLost: wasLost = true  // Deleting again finds out.
      case .unknown(let message):
        throw IcebergError(.unknownOutcome, "dropping \(identifier): \(message); look whether it is still there")
      case .committed(let count):
        guard count > 0 || wasLost else {
          throw IcebergError(.notFound, "table \(identifier) is not in catalog \(name)")
        }
        if let last {
          await TablePurge(store: store, logger: logger).run(last.metadata, metadataLocation: last.metadataLocation)
        }
        return
      }
    }
  }

  /// Gives the table another name; its files stay where they are.
  public func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {
    let from = try SQLNames.key(identifier)
    let target = try SQLNames.key(to)
    let catalog = name
    if identifier == to { return }
    let outcome = try await session.transaction { connection, schema in
      guard try SQLNamespaces.lock(target.namespace, catalog: catalog, connection) else {
        throw SQLNames.missing(to.namespace)
      }
      let answer = try connection.run(
        """
        UPDATE iceberg_tables SET table_namespace = $1, table_name = $2
        WHERE catalog_name = $3 AND table_namespace = $4 AND table_name = $5\(schema.isTable)
        """, [target.namespace, target.name, catalog, from.namespace, from.name])
      guard answer.affectedRows > 0 else {
        throw IcebergError(.notFound, "table \(identifier) is not in catalog \(catalog)")
      }
    }
    switch outcome {
    case .committed: return
    case .rolledBack(.server(let failure)) where failure.code == "23505": throw SQLNames.exists(to)
    case .rolledBack(let refusal): throw SQLFailures.error(refusal)
    case .unknown(let message):
      throw IcebergError(.unknownOutcome, "renaming \(identifier) to \(to): \(message); look which of them is there")
    }
  }
}

/// Names as the tables hold them.
enum SQLNames {
  /// A table's key.
  struct Key: Hashable, Sendable {
    var namespace: String
    var name: String
  }

  static func key(_ identifier: TableIdentifier) throws(IcebergError) -> Key {
    guard !identifier.name.isEmpty, !identifier.name.utf8.contains(0) else {
      throw IcebergError(.invalid, "table '\(identifier)': expected a name that is not empty")
    }
    return Key(namespace: try key(identifier.namespace), name: identifier.name)
  }

  /// The levels, joined by dots.
  static func key(_ namespace: Namespace) throws(IcebergError) -> String {
    guard !namespace.levels.isEmpty else {
      throw IcebergError(.invalid, "expected a namespace; a catalog in a database has no tables without one")
    }
    for level in namespace.levels where level.isEmpty || level.utf8.contains(0) || level.utf8.contains(0x2E) {
      throw IcebergError(
        .invalid,
        "namespace '\(namespace)': the level '\(level)' is empty or has a dot in it, which separates the levels here")
    }
    return namespace.description
  }

  static func namespace(_ key: String) -> Namespace {
    Namespace(key.split(separator: ".", omittingEmptySubsequences: false).map(String.init))
  }

  static func missing(_ namespace: Namespace) -> IcebergError {
    IcebergError(.notFound, "namespace \(namespace) does not exist; create it first")
  }

  static func exists(_ identifier: TableIdentifier) -> IcebergError {
    IcebergError(.alreadyExists, "\(identifier) exists already, as a table or a view")
  }
}
