import Actors
import Checkpointing
import Columnar
import Iceberg
import Logging
import Runtime
import Synchronization

/// The tables of a sink in their catalog: makes, claims and commits to them.
actor IcebergTables {
  nonisolated private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  let configuration: IcebergConfiguration
  let targets: IcebergTargets
  private let makeCatalog: @Sendable () async throws(IcebergError) -> any Catalog
  let environment: CommitEnvironment
  let logger: Logger
  private var opened: (any Catalog)?

  init(
    _ configuration: IcebergConfiguration, targets: IcebergTargets, environment: CommitEnvironment, logger: Logger,
    catalog: @escaping @Sendable () async throws(IcebergError) -> any Catalog
  ) {
    self.configuration = configuration
    self.targets = targets
    self.environment = environment
    self.logger = logger
    makeCatalog = catalog
    lane = Lane(name: "iceberg-\(configuration.sink)")
  }

  /// The catalog, which is opened when it is first needed.
  func catalog() async throws(IcebergError) -> any Catalog {
    if let opened { return opened }
    let made = try await makeCatalog()
    opened = made
    return made
  }

  func close() async {
    await opened?.close()
    opened = nil
    lane.stop()
  }

  // MARK: Claims

  /// Takes over the tables of the sink.
  ///
  /// - Parameter committed: what an earlier run has certainly committed; a sink of many tables has no other answer, for
  ///   each table holds the checkpoint of its own last rows.
  func claim(owner: JobOwner, newest: CheckpointID, committed: CheckpointID) async throws -> CheckpointID {
    var fence = IcebergFence(job: configuration.job, sink: configuration.sink, owner: owner, newest: newest)
    if configuration.name.fixed != nil { fence.committed = committed }
    targets.reset(fence)
    if let fixed = configuration.name.fixed { return try await claim(fixed, fence: fence, isNeeded: true) }
    let catalog = try await catalog()
    for identifier in try await IcebergDiscovery(name: configuration.name, catalog: catalog).tables() {
      _ = try await claim(identifier, fence: fence, isNeeded: false)
    }
    return committed
  }

  /// Stops when a table has less than an epoch found that was sealed later.
  func checkHistory(_ reached: [TableIdentifier: CheckpointID]) throws {
    guard let fence = targets.fence else { return }
    for (identifier, checkpoint) in reached.sorted(by: { $0.key < $1.key }) {
      guard let known = targets.reached(identifier), known >= checkpoint else {
        throw lost(identifier, fence, expected: checkpoint, found: targets.reached(identifier))
      }
    }
  }

  func lost(
    _ identifier: TableIdentifier, _ fence: IcebergFence, expected: CheckpointID, found: CheckpointID?
  ) -> any Error {
    logger.critical(
      "a table has lost what was committed to it: it was dropped, made anew, or restored from a backup",
      metadata: ["table": "\(identifier)", "expected": "\(expected)"])
    func position(_ checkpoint: CheckpointID) -> SinkPosition {
      SinkPosition(owner: fence.owner, checkpoint: checkpoint, sources: SourcePositions())
    }
    return PositionConflict(sink: fence.sink, expected: position(expected), found: found.map { position($0) })
  }

  /// Claims a table, making it when it is missing.
  ///
  /// - Parameter isNeeded: whether rows are to be written; other tables are only claimed when the job has been there.
  /// - Returns: the checkpoint that the table holds.
  func claim(_ identifier: TableIdentifier, fence: IcebergFence, isNeeded: Bool) async throws -> CheckpointID {
    let catalog = try await catalog()
    if let table = try await existing(identifier, catalog) {
      if !isNeeded, try fence.stored(table.metadata) == nil { return CheckpointID(0) }
      return try await takeOver(table, fence, catalog)
    }
    guard isNeeded else { return CheckpointID(0) }
    guard fence.committed.number == 0 else { throw fence.lostHistory(nil) }
    guard configuration.createsTables else {
      throw IcebergError(.notFound, "table \(identifier) does not exist, and create_table = 'false': create it")
    }
    return try await create(identifier, fence, catalog)
  }

  func existing(
    _ identifier: TableIdentifier, _ catalog: any Catalog
  ) async throws(IcebergError) -> LoadedTable? {
    do throws(IcebergError) {
      return try await catalog.loadTable(identifier)
    } catch {
      guard error.kind == .notFound else { throw error }
      return nil
    }
  }

  private func takeOver(
    _ table: LoadedTable, _ fence: IcebergFence, _ catalog: any Catalog
  ) async throws -> CheckpointID {
    let verdict = IcebergVerdict()
    let declared = configuration.columns
    var changes: [any TableChange] = []
    if !configuration.isStrict {
      changes.append(
        UpdateSchema { update throws(IcebergError) in
          let schema = try update.apply().schema
          try IcebergDifferences.evolve(&update, schema, declared: declared)
        })
    }
    if !configuration.tableProperties.isEmpty {
      changes.append(UpdateProperties(setting: configuration.tableProperties))
    }
    changes.append(ClaimPosition(fence: fence, verdict: verdict))
    let before = table.metadata
    // What does not fit is found before anything is changed.
    if let schema = before.currentSchema, configuration.isStrict {
      _ = try IcebergColumns(schema, declared: declared, table: table.identifier)
    }
    try await checkReadable(table)
    let work = TableWork(table, changes) { metadata throws(IcebergError) in
      // Positions change together with the snapshot: having looked, the commit requires that none came since.
      _ = try fence.stored(metadata)
      return .proceed
    }
    let outcome: Iceberg.CommitOutcome
    do {
      outcome = try await TransactionRunner(catalog: catalog, environment: environment).commit(work)
    } catch {
      throw verdict.failure ?? error
    }
    if outcome.table.metadata.currentSchemaID != before.currentSchemaID {
      logger.info(
        "the schema of a table was extended",
        metadata: ["table": "\(table.identifier)", "schema": "\(outcome.table.metadata.currentSchemaID)"])
    }
    let reached = try fence.stored(outcome.table.metadata)?.checkpoint ?? CheckpointID(0)
    targets.add(try IcebergTarget(outcome.table, configuration), reached: reached)
    return reached
  }

  /// What cannot be appended to is not claimed: the list of its manifests must be there, and be one.
  private func checkReadable(_ table: LoadedTable) async throws(IcebergError) {
    guard let head = table.metadata.head(of: "main") else { return }
    do throws(IcebergError) {
      _ = try await ManifestLoader(table, concurrency: 1).manifests(of: head)
    } catch {
      throw error.kind == .notFound ? IcebergError(.corrupt, error.message) : error
    }
  }

  private func create(
    _ identifier: TableIdentifier, _ fence: IcebergFence, _ catalog: any Catalog
  ) async throws -> CheckpointID {
    let start = SinkPosition(owner: fence.owner, checkpoint: CheckpointID(0), sources: SourcePositions())
    let creation = try configuration.creation(properties: [fence.property: try IcebergFence.text(start)])
    try await createNamespaces(identifier.namespace, catalog)
    do throws(IcebergError) {
      let table = try await catalog.createTable(identifier, creation)
      logger.info("a table was created", metadata: ["table": "\(identifier)", "location": "\(table.metadata.location)"])
      targets.add(try IcebergTarget(table, configuration), reached: CheckpointID(0))
      return CheckpointID(0)
    } catch {
      // Somebody else was faster, or the answer was lost: either way the table is there.
      guard error.kind == .alreadyExists || error.kind == .unknownOutcome else { throw error }
    }
    guard let table = try await existing(identifier, catalog) else {
      throw IcebergError(.transient, "the answer to making the table \(identifier) was lost, and it is not there yet")
    }
    return try await takeOver(table, fence, catalog)
  }

  private func createNamespaces(_ namespace: Namespace, _ catalog: any Catalog) async throws(IcebergError) {
    for count in 1...max(1, namespace.levels.count) {
      let outer = Namespace(Array(namespace.levels.prefix(count)))
      do throws(IcebergError) {
        _ = try await catalog.namespaceProperties(outer)
        continue
      } catch {
        guard error.kind == .notFound else { throw error }
      }
      do throws(IcebergError) {
        try await catalog.createNamespace(outer, properties: [:])
        logger.info("a namespace was created", metadata: ["namespace": "\(outer)"])
      } catch {
        guard error.kind == .alreadyExists else { throw error }
      }
    }
  }

  /// The table, claimed and ready for rows; it is made when it is missing.
  func prepare(_ identifier: TableIdentifier) async throws -> IcebergTarget {
    if let known = targets[identifier] { return known }
    guard let fence = targets.fence else { throw IcebergError(.invalid, "a table was asked for before the claim") }
    _ = try await claim(identifier, fence: fence, isNeeded: true)
    guard let target = targets[identifier] else { throw IcebergError(.notFound, "table \(identifier) is gone") }
    return target
  }
}
