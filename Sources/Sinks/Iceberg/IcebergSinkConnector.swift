import Actors
import Checkpointing
import Columnar
import Iceberg
import Logging
import Runtime
import SQL

/// Iceberg tables: rows become data files when an epoch is sealed, and one snapshot of each table, together with the
/// table's position, when it is committed.
package final class IcebergSinkConnector: SinkConnector {
  private let configuration: IcebergConfiguration
  private let targets = IcebergTargets()
  private let tables: IcebergTables
  private let environment: CommitEnvironment

  init(
    _ configuration: IcebergConfiguration, environment: CommitEnvironment = .system, logger: Logger,
    catalog: @escaping @Sendable () async throws(IcebergError) -> any Catalog
  ) {
    self.configuration = configuration
    self.environment = environment
    var logger = logger
    logger[metadataKey: "sink"] = "\(configuration.sink)"
    tables = IcebergTables(
      configuration, targets: targets, environment: environment, logger: logger, catalog: catalog)
  }

  /// A connector to a catalog of the caller's making.
  /// - Throws: ``SinkError``, or ``SQL/SQLDiagnostic``, which name the option.
  package convenience init(
    _ table: TableDefinition, job: String, defaults: SinkDefaults, environment: CommitEnvironment = .system,
    logger: Logger, catalog: @escaping @Sendable () async throws(IcebergError) -> any Catalog
  ) throws {
    let configuration = try IcebergConfiguration(table, job: job, defaults: defaults)
    self.init(configuration, environment: environment, logger: logger, catalog: catalog)
  }

  /// Epochs are made visible together: each commit writes metadata.
  package var commitsGroups: Bool { true }

  /// A table without new rows stays as it is.
  package var positionFollowsRows: Bool { true }

  /// The option `commit_interval`.
  package var commitInterval: Int64 { configuration.commitIntervalNanoseconds }

  /// See ``Actors/SinkConnector``.
  package func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID {
    try await claim(owner: owner, newest: newest, committed: CheckpointID(0))
  }

  /// See ``Actors/SinkConnector``.
  package func claim(
    owner: JobOwner, newest: CheckpointID, committed: CheckpointID
  ) async throws -> CheckpointID {
    try await IcebergFailures.translate(configuration.sink) {
      try await tables.claim(owner: owner, newest: newest, committed: committed)
    }
  }

  /// See ``Actors/SinkConnector``.
  package func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    guard targets.fence != nil else {
      throw SinkError(sink: configuration.sink, severity: .failed, message: "a writer was asked for before the claim")
    }
    return try IcebergSinkWriter(
      configuration, targets: targets, tables: tables, files: files, environment: environment)
  }

  /// See ``Actors/SinkConnector``.
  package func commit(
    _ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore
  ) async throws -> Actors.CommitOutcome {
    try await commit([pending], owner: owner, files: files)
  }

  /// See ``Actors/SinkConnector``.
  package func commit(
    _ pending: [PendingCommit], owner: JobOwner, files: any PendingFileStore
  ) async throws -> Actors.CommitOutcome {
    try await IcebergFailures.translate(configuration.sink) {
      Self.outcome(rows: try await tables.commit(pending, owner: owner, files: files), of: pending)
    }
  }

  /// The catalog: one that commits several tables at once takes those of several sinks.
  package var commitGroup: String? {
    configuration.catalogType == "filesystem" ? nil : configuration.catalogKey
  }

  /// See ``Actors/SinkConnector``.
  package func commit(
    together parts: [SinkCommits], owner: JobOwner, files: any PendingFileStore
  ) async throws -> [Actors.CommitOutcome] {
    let members = try parts.map { part in
      guard let connector = part.connector as? IcebergSinkConnector else {
        throw SeparateCommits(reason: "a sink of another kind takes part")
      }
      return IcebergJointCommit.Member(
        sink: connector.configuration.sink, tables: connector.tables, pending: part.pending)
    }
    let joint = IcebergJointCommit(members: members, owner: owner, files: files)
    return zip(parts, try await tables.commit(joint)).map { Self.outcome(rows: $1, of: $0.pending) }
  }

  private static func outcome(rows: Int, of pending: [PendingCommit]) -> Actors.CommitOutcome {
    Actors.CommitOutcome(rowsApplied: rows, wasSkipped: rows == 0 && pending.contains { $0.rows > 0 })
  }

  /// See ``Actors/SinkConnector``.
  package func close() async { await tables.close() }
}

extension SinkConnectors {
  static func iceberg(
    _ table: TableDefinition, job: String, defaults: SinkDefaults, logger: Logger
  ) throws -> any SinkConnector {
    let configuration: IcebergConfiguration
    do { configuration = try IcebergConfiguration(table, job: job, defaults: defaults) } catch let error
      as SQLDiagnostic
    {
      throw SinkError(sink: table.name, severity: .fatal, message: error.description)
    }
    let (type, properties) = (configuration.catalogType, configuration.catalogProperties)
    return IcebergSinkConnector(configuration, logger: logger) { () throws(IcebergError) in
      try await Catalogs.make(type: type, properties: properties, logger: logger)
    }
  }
}
