import Logging

/// A catalog that is nothing but directories, as Java's `HadoopCatalog` lays them out:
/// `<warehouse>/<namespace>/…/<table>/metadata/v<N>.metadata.json`.
///
/// A commit writes the next numbered file on the condition that it is not there yet, which a file system and S3
/// (`If-None-Match`) both decide atomically. Java's `HadoopCatalog` itself checks first and renames then, so it must
/// not write at the same time on S3.
///
/// As in Java, a namespace is a directory, has no properties but its `location`, and tables can be neither renamed nor
/// put elsewhere.
public final class FileSystemCatalog: Catalog {
  /// The name for messages.
  public let name: String
  let warehouse: String
  let store: any ObjectStore
  let directories: WarehouseDirectories
  let logger: Logger
  let environment: CommitEnvironment

  /// A catalog in a directory, which need not exist yet.
  ///
  /// - Parameters:
  ///   - store: Where the warehouse is. The caller closes it.
  ///   - environment: Time and chance.
  /// - Throws: kind `invalid` when the warehouse is not a location.
  public init(
    name: String, warehouse: String, store: any ObjectStore, logger: Logger, environment: CommitEnvironment = .system
  ) throws(IcebergError) {
    self.name = name
    self.warehouse = try Locations.normalized(warehouse, what: "warehouse")
    self.store = store
    self.logger = logger
    self.environment = environment
    directories = WarehouseDirectories(store: store)
  }

  /// Each table's file is written by itself: there is nothing that could tie two together.
  public var supportsMultiTableCommits: Bool { false }

  /// Nothing to let go of.
  public func close() async {}

  // MARK: Namespaces

  /// Directories in `parent` that are no tables.
  public func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] {
    let levels = parent?.levels ?? []
    let directory = try self.directory(levels)
    guard try await directories.exists(directory) else {
      if levels.isEmpty { return [] }
      throw missing(Namespace(levels))
    }
    var found: [Namespace] = []
    for child in try await directories.children(directory) {
      if try await !isTable("\(directory)/\(child)") { found.append(Namespace(levels + [child])) }
    }
    return found.sorted()
  }

  /// Makes a directory.
  /// - Throws: kind `alreadyExists`; kind `unsupported` when there are properties.
  public func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {
    guard properties.isEmpty else {
      throw IcebergError(.unsupported, "namespaces of a file system catalog have no properties; leave them out")
    }
    let directory = try self.directory(nonEmpty: namespace)
    if try await directories.exists(directory) {
      throw IcebergError(.alreadyExists, "\(namespace) exists already")
    }
    try await directories.create(directory)
  }

  /// Its `location`.
  public func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] {
    ["location": try await existing(namespace)]
  }

  /// Not possible: a directory has no properties.
  /// - Throws: kind `unsupported` unless there is nothing to change.
  public func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {
    _ = try await existing(namespace)
    if !removing.isEmpty || !setting.isEmpty {
      throw IcebergError(.unsupported, "namespaces of a file system catalog have no properties")
    }
  }

  /// Removes an empty directory.
  public func dropNamespace(_ namespace: Namespace) async throws(IcebergError) {
    guard try await directories.removeIfEmpty(try await existing(namespace)) else {
      throw IcebergError(.conflict, "namespace \(namespace) is not empty; drop what is in it first")
    }
  }

  // MARK: Tables

  /// Directories in `namespace` that have metadata files.
  public func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] {
    let directory = try await existing(namespace)
    var found: [TableIdentifier] = []
    for child in try await directories.children(directory) {
      if try await isTable("\(directory)/\(child)") { found.append(TableIdentifier(namespace, child)) }
    }
    return found.sorted()
  }

  /// The table's newest version.
  public func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    try await load(identifier).table
  }

  /// Makes an empty table in the directory of its name.
  /// - Throws: kind `invalid` when it should be elsewhere.
  public func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws(IcebergError) -> LoadedTable {
    let location = try directory(identifier)
    if let given = creation.location, !Locations.areEqual(given, location) {
      throw IcebergError(
        .invalid, "table \(identifier) must be at \(location) in a file system catalog, not at \(given)")
    }
    _ = try await existing(identifier.namespace)
    let metadata = try TableMetadata.create(
      creation, location: location, uuid: environment.makeUUID(), now: environment.nowMilliseconds())
    return try await writeFirst(identifier, metadata)
  }

  /// Takes a metadata file of the table's own directory as its first version.
  /// - Throws: kind `unsupported` for a table that is elsewhere.
  public func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable {
    let location = try directory(identifier)
    let metadata = try await MetadataFiles.read(metadataLocation, store)
    guard Locations.areEqual(metadata.location, location) else {
      throw IcebergError(
        .unsupported,
        "a file system catalog finds tables by their directory: \(metadata.location) cannot be taken as \(location)")
    }
    return try await writeFirst(identifier, metadata)
  }

  /// Removes the table's metadata files; with `purge` all else in its directory, too.
  public func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {
    let (table, versions, version) = try await load(identifier)
    let names = try await directories.files(versions.metadataDirectory, prefix: "v")
    let older = names.filter { FileSystemVersions.number(ofName: $0) != nil }
      .map { "\(versions.metadataDirectory)/\($0)" }.filter { $0 != version.location }
    // The newest goes last: until then the table is whole.
    try await store.delete(older)
    try await store.delete([version.location])
    try await store.delete([versions.hintLocation])
    if purge {
      await TablePurge(store: store, logger: logger).run(table.metadata, metadataLocation: version.location)
    }
    try await directories.removeEmptyTree(versions.directory)
  }

  /// Not possible: a table is its directory.
  /// - Throws: kind `unsupported`.
  public func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {
    throw IcebergError(
      .unsupported, "tables of a file system catalog cannot be renamed: their files name their directory")
  }

  // MARK: Places

  /// The location of a namespace.
  func directory(_ levels: [String]) throws(IcebergError) -> String {
    var directory = warehouse
    for level in levels {
      guard !level.isEmpty, level != ".", level != "..", !level.utf8.contains(0x2F), !level.utf8.contains(0) else {
        throw IcebergError(.invalid, "'\(level)' cannot be the name of a directory; use another name")
      }
      directory += "/\(level)"
    }
    return directory
  }

  func directory(_ identifier: TableIdentifier) throws(IcebergError) -> String {
    _ = try directory(nonEmpty: identifier.namespace)
    return try directory(identifier.namespace.levels + [identifier.name])
  }

  private func directory(nonEmpty namespace: Namespace) throws(IcebergError) -> String {
    guard !namespace.levels.isEmpty else { throw IcebergError(.invalid, "expected a namespace, got none") }
    return try directory(namespace.levels)
  }

  private func existing(_ namespace: Namespace) async throws(IcebergError) -> String {
    let directory = try directory(nonEmpty: namespace)
    guard try await directories.exists(directory), try await !isTable(directory) else { throw missing(namespace) }
    return directory
  }

  private func missing(_ namespace: Namespace) -> IcebergError {
    IcebergError(.notFound, "namespace \(namespace) does not exist in \(warehouse); create it first")
  }

  private func isTable(_ directory: String) async throws(IcebergError) -> Bool {
    let versions = FileSystemVersions(directory: directory, store: store)
    if try await store.info(versions.hintLocation) != nil { return true }
    return try await directories.hasFile(versions.metadataDirectory, endingWith: ".metadata.json")
  }
}
