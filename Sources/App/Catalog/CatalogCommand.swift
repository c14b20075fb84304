import ArgumentParser
import Iceberg
import Logging
import Runtime
import ServiceLifecycle

/// `weir catalog`.
struct CatalogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog", abstract: "Weir's catalog of Iceberg tables.", subcommands: [CatalogServeCommand.self])
}

/// `weir catalog serve`.
struct CatalogServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serves the catalog by the Iceberg REST protocol until SIGTERM or Ctrl-C.",
    discussion: """
      Trino, Spark, DuckDB, PyIceberg and others then read and write the tables of the warehouse:

        DuckDB     ATTACH 'weir' AS weir (TYPE iceberg, ENDPOINT 'http://127.0.0.1:8181', AUTHORIZATION_TYPE 'none');
        PyIceberg  load_catalog("weir", type="rest", uri="http://127.0.0.1:8181")
        Spark      spark.sql.catalog.weir.type=rest  spark.sql.catalog.weir.uri=http://127.0.0.1:8181
        Trino      iceberg.catalog.type=rest  iceberg.rest-catalog.uri=http://127.0.0.1:8181

      With a token (WEIR_CATALOG_TOKEN) clients need it as token, or as client secret (credential=weir:<token>).
      `weir run` serves the same beside its job when WEIR_CATALOG_PORT is set.
      """)

  /// The port that servers of this protocol usually have.
  private static let usualPort = 8181

  @Option(help: "The port; 0 takes a free one (WEIR_CATALOG_PORT, else 8181).") var port: String?

  @Option(help: "The address to listen on (WEIR_CATALOG_HOST).") var host: String?

  @Option(help: "filesystem or sql (WEIR_CATALOG).") var catalog: String?

  @Option(help: "The database of the catalog sql (WEIR_CATALOG_URL, else WEIR_POSTGRES_URL).") var url: String?

  @Option(help: "The catalog's name in the database (WEIR_CATALOG_NAME).") var name: String?

  @Option(help: "Where tables are put: a directory, or s3://bucket/path (WEIR_WAREHOUSE).") var warehouse: String?

  @OptionGroup(title: "Settings") var options: SettingsOptions

  func run() async throws {
    let flags = [
      "WEIR_CATALOG_PORT": port, "WEIR_CATALOG_HOST": host, "WEIR_CATALOG": catalog, "WEIR_CATALOG_URL": url,
      "WEIR_CATALOG_NAME": name, "WEIR_WAREHOUSE": warehouse
    ].compactMapValues(\.self)
    let settings = try EngineAdapter.settings(flags: try options.overrides().merging(flags) { _, flag in flag })
    let logger = EngineAdapter.logger(settings)
    let served = try await ServedCatalog.open(settings, logger: logger)
    let server = served.server(port: settings.catalogPort ?? Self.usualPort) { port in
      Terminal.say("catalog (\(served.summary)) on \(served.address(port: port))/")
    }
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .critical)
    var configuration = ServiceGroupConfiguration(
      services: [.init(service: server)], logger: quiet)
    configuration.maximumGracefulShutdownDuration = .nanoseconds(settings.shutdownTimeout)
    let outcome = await Result { try await SignalGuard.run(ServiceGroup(configuration: configuration)) }
    await served.close()
    try outcome.get()
  }
}

extension Result where Failure == any Error {
  /// What `body` returns or throws.
  init(_ body: () async throws -> Success) async {
    do {
      self = .success(try await body())
    } catch {
      self = .failure(error)
    }
  }
}
