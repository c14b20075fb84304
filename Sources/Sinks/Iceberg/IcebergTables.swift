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

  private let configuration: IcebergConfiguration
  private let targets: IcebergTargets
  private let makeCatalog: @Sendable () async throws(IcebergError) -> any Catalog
  private let environment: CommitEnvironment
  private let logger: Logger
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

  private func catalog() async throws(IcebergError) -> any Catalog {
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
    let fence = IcebergFence(job: configuration.job, sink: configuration.sink, owner: owner, newest: newest)
    targets.reset(fence)
    if let fixed = configuration.name.fixed { return try await claim(fixed, fence: fence, isNeeded: true) }
    let catalog = try await catalog()
    for identifier in try await IcebergDiscovery(name: configuration.name, catalog: catalog).tables() {
      _ = try await claim(identifier, fence: fence, isNeeded: false)
    }
    return committed
  }

  /// Stops when a table has less than an epoch found that was sealed later.
  private func checkHistory(_ reached: [TableIdentifier: CheckpointID]) throws {
    guard let fence = targets.fence else { return }
    for (identifier, checkpoint) in reached.sorted(by: { $0.key < $1.key }) {
      guard let known = targets.reached(identifier), known >= checkpoint else {
        throw lost(identifier, fence, expected: checkpoint, found: targets.reached(identifier))
      }
    }
  }

  private func lost(
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
  private func claim(_ identifier: TableIdentifier, fence: IcebergFence, isNeeded: Bool) async throws -> CheckpointID {
    let catalog = try await catalog()
    if let table = try await existing(identifier, catalog) {
      if !isNeeded, try fence.stored(table.metadata) == nil { return CheckpointID(0) }
      return try await takeOver(table, fence, catalog)
    }
    guard isNeeded else { return CheckpointID(0) }
    guard configuration.createsTables else {
      throw IcebergError(.notFound, "table \(identifier) does not exist, and create_table = 'false': create it")
    }
    return try await create(identifier, fence, catalog)
  }

  private func existing(
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

  // MARK: Commits

  /// Makes the epochs of a group visible, table by table, or all tables at once where the catalog can.
  /// - Returns: how many rows the tables took.
  func commit(_ group: [PendingCommit], owner: JobOwner, files: any PendingFileStore) async throws -> Int {
    guard let last = group.last else { return 0 }
    guard let fence = targets.fence, fence.owner == owner else {
      throw IcebergError(.invalid, "a commit came before the claim")
    }
    var epochs: [TableIdentifier: [IcebergEpoch]] = [:]
    var uuids: [TableIdentifier: String] = [:]
    for pending in group {
      let payload = try IcebergPayload.open(pending, files: files)
      try checkHistory(payload.reached)
      for table in payload.tables where !table.files.isEmpty {
        if let known = uuids[table.identifier], known != table.uuid { throw replaced(table.identifier) }
        uuids[table.identifier] = table.uuid
        epochs[table.identifier, default: []].append(
          IcebergEpoch(checkpoint: pending.checkpoint, sources: pending.sources, files: table.files))
      }
    }
    if epochs.isEmpty { return 0 }
    let position = SinkPosition(owner: owner, checkpoint: last.checkpoint, sources: last.sources)
    let catalog = try await catalog()
    var jobs: [TableJob] = []
    for (identifier, epochs) in epochs.sorted(by: { $0.key < $1.key }) {
      let table = try await load(identifier, fence, catalog)
      guard table.metadata.tableUUID == uuids[identifier] else { throw replaced(identifier) }
      jobs.append(job(table, epochs, position, fence))
    }
    return try await run(jobs, catalog, position.checkpoint)
  }

  private struct TableJob: Sendable {
    let identifier: TableIdentifier
    let work: TableWork
    let verdict: IcebergVerdict
  }

  private func replaced(_ identifier: TableIdentifier) -> IcebergError {
    IcebergError(
      .invalid,
      "table \(identifier) was dropped and made anew while rows for it were under way, and they were written for the "
        + "columns of the former table: restore that one, or give the job another name to start anew")
  }

  /// The table as it is now, claimed: one that was not there at the start, or was not ours, is claimed here.
  private func load(
    _ identifier: TableIdentifier, _ fence: IcebergFence, _ catalog: any Catalog
  ) async throws -> LoadedTable {
    if targets.reached(identifier) == nil { _ = try await claim(identifier, fence: fence, isNeeded: false) }
    if let table = try await existing(identifier, catalog) { return table }
    if let reached = targets.reached(identifier), reached.number > 0 {
      throw lost(identifier, fence, expected: reached, found: nil)
    }
    throw replaced(identifier)
  }

  private func job(
    _ table: LoadedTable, _ epochs: [IcebergEpoch], _ position: SinkPosition, _ fence: IcebergFence
  ) -> TableJob {
    let verdict = IcebergVerdict()
    let append = PositionedAppend(
      fence, reached: targets.reached(table.identifier) ?? CheckpointID(0), epochs: epochs, position: position,
      verdict: verdict)
    let work = TableWork(table, [append]) { metadata throws(IcebergError) in
      try append.missing(in: metadata).isEmpty ? .alreadyApplied : .proceed
    }
    return TableJob(identifier: table.identifier, work: work, verdict: verdict)
  }

  private func run(_ jobs: [TableJob], _ catalog: any Catalog, _ checkpoint: CheckpointID) async throws -> Int {
    let runner = TransactionRunner(catalog: catalog, environment: environment)
    if jobs.count > 1, catalog.supportsMultiTableCommits {
      do {
        return noted(jobs, try await runner.commit(jobs.map(\.work)), checkpoint)
      } catch {
        if let failure = jobs.lazy.compactMap(\.verdict.failure).first { throw failure }
        guard error.kind == .unsupported else { throw error }
      }
    }
    var rows = 0
    for job in jobs { rows += try await run(job, runner, checkpoint) }
    return rows
  }

  private func run(_ job: TableJob, _ runner: TransactionRunner, _ checkpoint: CheckpointID) async throws -> Int {
    do {
      let outcome = try await runner.commit(job.work)
      return noted([job], [outcome], checkpoint)
    } catch {
      throw job.verdict.failure ?? error
    }
  }

  private func noted(_ jobs: [TableJob], _ outcomes: [Iceberg.CommitOutcome], _ checkpoint: CheckpointID) -> Int {
    var rows = 0
    for (job, outcome) in zip(jobs, outcomes) {
      for warning in outcome.warnings { logger.warning("\(warning)", metadata: ["table": "\(job.identifier)"]) }
      if outcome.result == .committed { rows += job.verdict.rows }
      let stored = targets.fence.flatMap { try? $0.stored(outcome.table.metadata) }
      targets.didReach(job.identifier, stored?.checkpoint ?? checkpoint)
    }
    return rows
  }
}

/// Finds the tables whose names a template may have made.
struct IcebergDiscovery {
  let name: IcebergTableName
  let catalog: any Catalog

  func tables() async throws(IcebergError) -> [TableIdentifier] {
    var found: [TableIdentifier] = []
    for namespace in try await namespaces() {
      do throws(IcebergError) {
        let tables = try await catalog.listTables(namespace)
        found += tables.filter { name.matches($0.name, level: name.levels.count - 1) }
      } catch {
        guard error.kind == .notFound else { throw error }
      }
    }
    return found.sorted()
  }

  private func namespaces() async throws(IcebergError) -> [Namespace] {
    var parents = [Namespace([])]
    for (level, pieces) in name.levels.dropLast().enumerated() {
      var next: [Namespace] = []
      for parent in parents {
        if pieces.count == 1, case .text(let text) = pieces[0] {
          next.append(Namespace(parent.levels + [text]))
          continue
        }
        do throws(IcebergError) {
          let children = try await catalog.listNamespaces(parent: parent.levels.isEmpty ? nil : parent)
          next += children.filter { name.matches($0.levels[$0.levels.count - 1], level: level) }
        } catch {
          guard error.kind == .notFound else { throw error }
        }
      }
      parents = next
    }
    return parents
  }
}
