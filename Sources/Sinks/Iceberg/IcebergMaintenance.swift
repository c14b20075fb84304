import Checkpointing
import FoundationEssentials
import Iceberg
import Logging
import Runtime
import SQL

/// The tables that a sink of a job writes, for whoever keeps them in shape.
package struct IcebergSinkTables: Sendable {
  /// The sink's name.
  package let sink: String
  /// Whether the job is to keep them in shape: the option `maintenance`.
  package let wantsMaintenance: Bool
  private let configuration: IcebergConfiguration

  /// The tables of `table`; `nil` when its connector is another one.
  /// - Throws: ``SinkError``, or ``SQL/SQLDiagnostic``, which name the option.
  package init?(_ table: TableDefinition, job: String, defaults: SinkDefaults) throws {
    guard table.options["connector"] == "iceberg" else { return nil }
    sink = table.name
    wantsMaintenance = try table.options.boolean("maintenance", default: true)
    configuration = try IcebergConfiguration(table, job: job, defaults: defaults)
  }

  /// Identifies the catalog: sinks with equal keys can share one.
  package var catalogKey: String { configuration.catalogKey }

  /// The catalog; the caller closes it.
  package func catalog(logger: Logger) async throws(IcebergError) -> any Catalog {
    try await Catalogs.make(
      type: configuration.catalogType, properties: configuration.catalogProperties, logger: logger)
  }

  /// The tables that are there: of a name with columns in it, those that have the sink's position.
  ///
  /// - Parameter known: tables that were found before, and need not be loaded again.
  package func tables(
    in catalog: any Catalog, known: Set<TableIdentifier> = []
  ) async throws(IcebergError) -> [TableIdentifier] {
    let property = IcebergFence.property(job: configuration.job, sink: configuration.sink)
    var found: [TableIdentifier] = []
    for identifier in try await candidates(catalog) {
      if known.contains(identifier) {
        found.append(identifier)
        continue
      }
      do throws(IcebergError) {
        let table = try await catalog.loadTable(identifier)
        if configuration.name.fixed != nil || table.metadata.properties[property] != nil { found.append(identifier) }
      } catch {
        guard error.kind == .notFound else { throw error }
      }
    }
    return found
  }

  private func candidates(_ catalog: any Catalog) async throws(IcebergError) -> [TableIdentifier] {
    if let fixed = configuration.name.fixed { return [fixed] }
    return try await IcebergDiscovery(name: configuration.name, catalog: catalog).tables()
  }

  // MARK: Pending commits

  /// The data files of commits that jobs have yet to make, whether the jobs run or not.
  ///
  /// - Parameters:
  ///   - directory: where checkpoints are (`WEIR_CHECKPOINT_DIR`). Blocks on its files.
  ///   - fileSystem: where the directory is.
  /// - Throws: what reading throws: then it is unknown which files are still needed.
  package static func pendingFiles(
    directory: String, fileSystem: any FileSystem = LocalFileSystem()
  ) throws -> [String] {
    var attempt = 1
    while true {
      do {
        return try readPendingFiles(directory, fileSystem)
      } catch {
        // A job that runs removes what it has committed: what is there now is looked at again.
        attempt += 1
        if attempt > 5 { throw error }
      }
    }
  }

  private static func readPendingFiles(_ directory: String, _ fileSystem: any FileSystem) throws -> [String] {
    var result: Set<String> = []
    for manifest in try CheckpointDirectory.manifests(in: directory, fileSystem: fileSystem) {
      let files = CheckpointDirectory.PendingFiles(
        directory: directory, job: manifest.job, fileSystem: fileSystem)
      result.formUnion(try dataFiles(of: manifest.pendingCommits, files: files))
    }
    return result.sorted()
  }

  /// The data files of commits that are yet to be made; commits of sinks of other kinds have none.
  ///
  /// - Parameter files: where the commits' own files are. Blocks on them.
  /// - Throws: what reading throws.
  package static func dataFiles(of commits: [PendingCommit], files: any PendingFileStore) throws -> [String] {
    var result: [String] = []
    for pending in commits where isIceberg(pending) {
      for table in try IcebergPayload.open(pending, files: files).tables { result += table.files.map(\.filePath) }
    }
    return result
  }

  /// Whether the payload is of a sink of this kind: those of others say more about their rows.
  private static func isIceberg(_ pending: PendingCommit) -> Bool {
    struct OtherHeader: Decodable {
      var rowCount: Int?
      var rows: SpilledRows
    }
    guard let parts = PayloadCodec.decode(pending.payload),
      let header = try? JSONDecoder().decode(OtherHeader.self, from: Data(parts.header))
    else { return false }
    return header.rowCount == nil
  }
}
