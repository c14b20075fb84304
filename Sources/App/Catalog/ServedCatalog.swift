import Glibc
import Iceberg
import Logging
import Runtime
import ServiceLifecycle

/// The catalog that the settings describe, with what serves it.
package struct ServedCatalog: Sendable {
  /// The catalog.
  package let catalog: any Catalog
  /// What it says at start: its kind and place, without secrets.
  package let summary: String
  private let settings: Settings
  private let store: any ObjectStore
  private let options: RESTCatalogOptions
  private let logger: Logger
  private let closing: @Sendable () async -> Void

  /// Makes the catalog, and asks it for its namespaces once: what is wrong is said at start.
  /// - Throws: ``CommandFailure``.
  package static func open(_ settings: Settings, logger: Logger) async throws -> ServedCatalog {
    let properties = try properties(settings)
    let transport = AsyncHTTPTransport()
    do {
      let catalog = try await Catalogs.make(
        type: settings.catalog, properties: properties, logger: logger, transport: transport)
      let options = try options(settings, warehouse: properties["warehouse"] ?? "", transport: transport)
      _ = try await catalog.listNamespaces(parent: nil)
      let store = ObjectStores.make(properties: [:], logger: logger, transport: transport)
      return ServedCatalog(
        catalog: catalog, summary: summary(settings, properties), settings: settings, store: store, options: options,
        logger: logger
      ) {
        await catalog.close()
        await store.close()
        await transport.close()
      }
    } catch {
      await transport.close()
      let place = summary(settings, properties)
      throw CommandFailure(.usage, "the catalog (\(place)) cannot be used: \(Redaction.url("\(error)"))")
    }
  }

  private init(
    catalog: any Catalog, summary: String, settings: Settings, store: any ObjectStore, options: RESTCatalogOptions,
    logger: Logger, closing: @escaping @Sendable () async -> Void
  ) {
    self.catalog = catalog
    self.summary = summary
    self.settings = settings
    self.store = store
    self.options = options
    self.logger = logger
    self.closing = closing
  }

  /// The server of this catalog.
  /// - Parameter onListening: is told the port once connections are accepted.
  package func server(port: Int, onListening: @escaping @Sendable (Int) async -> Void) -> CatalogServer {
    if settings.catalogToken == nil, !["127.0.0.1", "::1", "localhost"].contains(settings.catalogHost) {
      logger.warning(
        "the catalog lets everybody in who reaches it: set WEIR_CATALOG_TOKEN",
        metadata: ["host": "\(settings.catalogHost)"])
    }
    let service = RESTCatalogService(catalog: catalog, store: store, options: options, logger: logger)
    return CatalogServer(
      host: settings.catalogHost, port: port, service: service, logger: logger, onListening: onListening)
  }

  /// The address for people, of a port.
  package func address(port: Int) -> String { HTTPListener.address(host: settings.catalogHost, port: port) }

  /// Lets go of connections.
  package func close() async { await closing() }

  /// What ``Catalogs`` makes the catalog of.
  package static func properties(_ settings: Settings) throws -> [String: String] {
    guard settings.catalog != "rest" else {
      throw CommandFailure(
        .usage, "WEIR_CATALOG is rest, and that catalog has a server of its own: serve filesystem or sql here")
    }
    let isLocal = !settings.warehouse.contains("://") && !settings.warehouse.hasPrefix("file:")
    var properties = [
      "warehouse": isLocal ? EngineAdapter.canonical(settings.warehouse) : settings.warehouse,
      "catalog-name": settings.catalogName
    ]
    if settings.catalog == "sql" {
      guard let url = settings.catalogURL ?? settings.postgresURL else {
        throw CommandFailure(
          .usage, "WEIR_CATALOG is sql, but no database is given: set WEIR_CATALOG_URL or WEIR_POSTGRES_URL")
      }
      properties["uri"] = url
    }
    return properties
  }

  private static func summary(_ settings: Settings, _ properties: [String: String]) -> String {
    let warehouse = properties["warehouse"] ?? ""
    guard let url = properties["uri"] else { return "filesystem, \(warehouse)" }
    return "sql, \(settings.catalogName) in \(Redaction.url(url)), warehouse \(warehouse)"
  }

  private static func options(
    _ settings: Settings, warehouse: String, transport: any HTTPTransport
  ) throws -> RESTCatalogOptions {
    var options = RESTCatalogOptions(
      warehouse: warehouse, token: settings.catalogToken, prefix: settings.catalogName)
    let variable: @Sendable (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
    let storage = try S3Configuration(properties: [:], variable: variable)
    options.storageProperties = [
      "s3.region": storage.region, "client.region": storage.region,
      "s3.path-style-access": storage.usesPathStyle ? "true" : "false"
    ]
    options.storageProperties["s3.endpoint"] = storage.endpoint
    if settings.vendsCatalogCredentials {
      options.vendedCredentials = CredentialSources(
        transport: transport, environment: .system, variable: variable, region: storage.region
      ).provider()
    }
    return options
  }
}

extension EngineAdapter {
  /// `path` from the root, without `.` and `..`: it becomes part of locations, which are compared as text.
  static func canonical(_ path: String) -> String {
    var parts: [Substring] = []
    for part in absolute(path).split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }
}

/// The REST catalog that `weir run` serves beside its job, when a port is set for it.
enum CatalogBesideJob {
  /// Opens the catalog, hands its server to `body`, and closes it afterwards.
  static func run<Value>(
    _ settings: Settings, logger: Logger, _ body: ([any Service]) async throws -> Value
  ) async throws -> Value {
    guard let port = settings.catalogPort else { return try await body([]) }
    let served = try await ServedCatalog.open(settings, logger: logger)
    let server = served.server(port: port) { port in
      let address = served.address(port: port)
      if logger.logLevel <= .notice {
        logger.notice("the REST catalog is up", metadata: ["url": "\(address)/", "catalog": "\(served.summary)"])
      } else if settings.catalogPort == 0 {
        Terminal.complain("weir: catalog on \(address)/")
      }
    }
    let outcome = await Result { try await body([server]) }
    await served.close()
    return try outcome.get()
  }
}
