import Logging

/// Makes catalogs of properties.
public enum Catalogs {
  /// A catalog of the given kind.
  ///
  /// | property | `filesystem` | `sql` | `rest` |
  /// |---|---|---|---|
  /// | `warehouse` | required | required | when the server has several |
  /// | `uri` | | required: `postgresql://user:password@host:port/database` | required: `https://host/catalog` |
  /// | `catalog-name` | for messages | the column `catalog_name`; required | for messages |
  /// | `user`, `password` | | when they are not in `uri` | |
  /// | `credential`, `token`, … | | | see ``RESTCatalog`` |
  /// | `s3.…`, `client.region` | where files are | where files are | where files are, if the catalog does not say |
  ///
  /// The kinds have the names of other libraries, too: `hadoop`, `jdbc`; so has `uri`: `jdbc:postgresql://…`,
  /// `postgresql+psycopg2://…`.
  /// - Parameters:
  ///   - transport: Carries requests to catalogs and stores; the caller closes it. `nil` makes one of the catalog's own.
  ///   - environment: Time and chance.
  /// - Throws: kind `invalid` when something is missing or unknown; for `rest`, what the server refuses.
  public static func make(
    type: String, properties: [String: String], logger: Logger, transport: (any HTTPTransport)? = nil,
    environment: CommitEnvironment = .system
  ) async throws(IcebergError) -> any Catalog {
    let name = properties["catalog-name"] ?? type
    switch type.lowercased() {
    case "filesystem", "hadoop":
      let store = ObjectStores.make(properties: properties, logger: logger, transport: transport)
      let warehouse = try required("warehouse", properties, type, "s3://bucket/path or /path")
      let catalog = try FileSystemCatalog(
        name: name, warehouse: warehouse, store: store, logger: logger, environment: environment)
      return OwningCatalog(catalog, closing: { await store.close() })
    case "sql", "jdbc":
      let configuration = try sqlConfiguration(properties, type)
      let store = ObjectStores.make(properties: properties, logger: logger, transport: transport)
      let catalog = try SQLCatalog(configuration, store: store, logger: logger, environment: environment)
      return OwningCatalog(catalog, closing: { await store.close() })
    case "rest": return try await makeREST(name, properties, logger, transport)
    default:
      throw IcebergError(.invalid, "catalog type: expected filesystem, sql or rest, got '\(type)'")
    }
  }

  private static func makeREST(
    _ name: String, _ properties: [String: String], _ logger: Logger, _ given: (any HTTPTransport)?
  ) async throws(IcebergError) -> any Catalog {
    _ = try required("uri", properties, "rest", "https://host/catalog")
    let transport = given ?? AsyncHTTPTransport()
    do {
      let catalog = try await RESTCatalog.connect(
        name: name, properties: properties, transport: transport
      ) { (properties: [String: String]) throws(IcebergError) in
        ObjectStores.make(properties: properties, logger: logger, transport: transport)
      }
      return OwningCatalog(catalog, closing: { if given == nil { await transport.close() } })
    } catch {
      if given == nil { await transport.close() }
      throw error
    }
  }

  static func sqlConfiguration(
    _ properties: [String: String], _ type: String
  ) throws(IcebergError) -> SQLCatalog.Configuration {
    var url = try required("uri", properties, type, "postgresql://user:password@host:port/database")
    if url.hasPrefix("jdbc:") { url.removeFirst(5) }
    // SQLAlchemy names the driver.
    if url.hasPrefix("postgresql+"), let end = url.firstRange(of: "://") {
      url = "postgresql" + url[end.lowerBound...]
    }
    guard url.hasPrefix("postgresql://") || url.hasPrefix("postgres://") || url.contains("=") else {
      let scheme = url.prefix { $0 != ":" && $0 != "/" && $0 != "@" }
      throw IcebergError(
        .invalid,
        "catalog of type \(type): expected a uri such as postgresql://host:port/database, got one of '\(scheme)'")
    }
    for (name, keys) in [("user", ["user", "jdbc.user"]), ("password", ["password", "jdbc.password"])] {
      guard let value = keys.lazy.compactMap({ properties[$0] }).first else { continue }
      url = setting(name, value, in: url)
    }
    let name = try required("catalog-name", properties, type, "the name that the catalog has in the database")
    return SQLCatalog.Configuration(
      name: name, url: url, warehouse: try required("warehouse", properties, type, "s3://bucket/path or /path"))
  }

  /// `url` with one more setting.
  private static func setting(_ name: String, _ value: String, in url: String) -> String {
    if url.hasPrefix("postgres") && url.contains("://") {
      return "\(url)\(url.contains("?") ? "&" : "?")\(name)=\(RESTText.encoded(value))"
    }
    let quoted = value.flatMap { $0 == "'" || $0 == "\\" ? "\\\($0)" : "\($0)" }
    return "\(url) \(name)='\(String(quoted))'"
  }

  private static func required(
    _ name: String, _ properties: [String: String], _ type: String, _ example: String
  ) throws(IcebergError) -> String {
    guard let value = properties[name], !value.isEmpty else {
      throw IcebergError(.invalid, "catalog of type \(type): the property \(name) is missing; set it: \(example)")
    }
    return value
  }
}

/// A catalog that is closed together with what was made for it.
struct OwningCatalog: Catalog {
  private let catalog: any Catalog
  private let closing: @Sendable () async -> Void

  init(_ catalog: any Catalog, closing: @escaping @Sendable () async -> Void) {
    self.catalog = catalog
    self.closing = closing
  }

  var name: String { catalog.name }
  var supportsMultiTableCommits: Bool { catalog.supportsMultiTableCommits }

  func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] {
    try await catalog.listNamespaces(parent: parent)
  }

  func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {
    try await catalog.createNamespace(namespace, properties: properties)
  }

  func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] {
    try await catalog.namespaceProperties(namespace)
  }

  func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {
    try await catalog.updateNamespace(namespace, removing: removing, setting: setting)
  }

  func dropNamespace(_ namespace: Namespace) async throws(IcebergError) {
    try await catalog.dropNamespace(namespace)
  }

  func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] {
    try await catalog.listTables(namespace)
  }

  func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    try await catalog.loadTable(identifier)
  }

  func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws(IcebergError) -> LoadedTable {
    try await catalog.createTable(identifier, creation)
  }

  func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable {
    try await catalog.registerTable(identifier, metadataLocation: metadataLocation)
  }

  func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {
    try await catalog.dropTable(identifier, purge: purge)
  }

  func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {
    try await catalog.renameTable(identifier, to: to)
  }

  func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    try await catalog.commit(commits)
  }

  func close() async {
    await catalog.close()
    await closing()
  }
}
