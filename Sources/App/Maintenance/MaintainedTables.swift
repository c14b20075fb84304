import Iceberg
import Logging
import Runtime
import SQL
import Sinks

/// Tables of one catalog that are kept in shape.
package struct MaintainedTables: Sendable {
  /// What the catalog is called in messages.
  package let name: String
  /// Opens the catalog; whoever calls closes it.
  package let open: @Sendable () async throws(IcebergError) -> any Catalog
  /// The tables that are there now; those that were found before need not be looked into.
  package let list: @Sendable (any Catalog, Set<TableIdentifier>) async throws(IcebergError) -> [TableIdentifier]

  /// Tables of a catalog.
  package init(
    name: String, open: @escaping @Sendable () async throws(IcebergError) -> any Catalog,
    list: @escaping @Sendable (any Catalog, Set<TableIdentifier>) async throws(IcebergError) -> [TableIdentifier]
  ) {
    self.name = name
    self.open = open
    self.list = list
  }

  /// The tables that the Iceberg sinks of a job write, by catalog.
  ///
  /// - Parameter all: also those of sinks with `maintenance = 'false'`.
  /// - Throws: what the sinks' options throw.
  package static func of(
    _ plan: JobPlan, job: String, settings: Settings, all: Bool = false, logger: Logger
  ) throws -> [MaintainedTables] {
    let defaults = EngineAdapter.sinkDefaults(settings)
    var sinks: [String: [IcebergSinkTables]] = [:]
    var keys: [String] = []
    for name in Set(plan.statements.map(\.target)).sorted() {
      guard let table = plan.tables[name],
        let sink = try IcebergSinkTables(table, job: job, defaults: defaults), all || sink.wantsMaintenance
      else { continue }
      if sinks[sink.catalogKey] == nil { keys.append(sink.catalogKey) }
      sinks[sink.catalogKey, default: []].append(sink)
    }
    return keys.compactMap { key in
      guard let group = sinks[key], let first = group.first else { return nil }
      return MaintainedTables(
        name: "catalog of sink \(first.sink)",
        open: { () throws(IcebergError) in try await first.catalog(logger: logger) },
        list: { (catalog, known) throws(IcebergError) in
          var tables: [TableIdentifier] = []
          for sink in group {
            for table in try await sink.tables(in: catalog, known: known) where !tables.contains(table) {
              tables.append(table)
            }
          }
          return tables
        })
    }
  }
}

extension MaintainedTables {
  /// Tables of the catalog that the settings describe; without names, all of them.
  ///
  /// - Throws: ``CommandFailure`` when the settings do not say where the catalog is.
  package static func named(
    _ identifiers: [TableIdentifier], settings: Settings, logger: Logger
  ) throws -> MaintainedTables {
    let properties = try catalogProperties(settings)
    let type = settings.catalog
    return MaintainedTables(
      name: "catalog \(settings.catalogName) (\(type))",
      open: { () throws(IcebergError) in
        try await Catalogs.make(type: type, properties: properties, logger: logger)
      },
      list: { (catalog, _) throws(IcebergError) in
        if !identifiers.isEmpty { return identifiers }
        return try await all(in: catalog, below: nil)
      })
  }

  private static func catalogProperties(_ settings: Settings) throws -> [String: String] {
    guard settings.catalog == "rest" else { return try ServedCatalog.properties(settings) }
    guard let url = settings.catalogURL else {
      throw CommandFailure(.usage, "WEIR_CATALOG is rest, but no server is given: set WEIR_CATALOG_URL")
    }
    var properties = ["uri": url, "catalog-name": settings.catalogName]
    // The default is a directory: it means nothing to a server.
    let entry = settings.entries.first { $0.definition.name == "WEIR_WAREHOUSE" }
    if entry?.origin != .fallback { properties["warehouse"] = settings.warehouse }
    return properties
  }

  private static func all(
    in catalog: any Catalog, below parent: Namespace?
  ) async throws(IcebergError) -> [TableIdentifier] {
    var tables: [TableIdentifier] = []
    for namespace in try await catalog.listNamespaces(parent: parent) {
      tables += try await catalog.listTables(namespace)
      tables += try await all(in: catalog, below: namespace)
    }
    return tables.sorted()
  }
}

/// The files of commits that jobs have yet to make.
package enum PendingDataFiles {
  /// Reads them from the checkpoints of all jobs, off the threads that tasks run on.
  ///
  /// - Parameter directory: where checkpoints are.
  /// - Throws: kind `io`: then it is unknown which files are needed, and none may be removed.
  package static func read(_ directory: String) async throws(IcebergError) -> [String] {
    try await BlockingPool.shared.run { () throws(IcebergError) in
      do {
        return try IcebergSinkTables.pendingFiles(directory: directory)
      } catch {
        throw IcebergError(.io, "which files jobs still need cannot be read from \(directory): \(error)")
      }
    }
  }
}
