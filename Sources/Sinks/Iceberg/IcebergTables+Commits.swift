import Actors
import Checkpointing
import Iceberg
import Logging
import Runtime

/// What a commit is to append to one table.
struct IcebergTableJob: Sendable {
  let table: LoadedTable
  let append: PositionedAppend
  /// The checkpoint that the table reaches.
  let checkpoint: CheckpointID

  var identifier: TableIdentifier { table.identifier }

  /// The jobs of one table as one change of it; several sinks may write to the same one.
  static func work(_ jobs: [IcebergTableJob]) -> TableWork {
    TableWork(jobs[0].table, jobs.map(\.append)) { metadata throws(IcebergError) in
      var isMissing = false
      for job in jobs {
        let missing = try job.append.missing(in: metadata)
        isMissing = isMissing || !missing.isEmpty
      }
      return isMissing ? .proceed : .alreadyApplied
    }
  }
}

/// Commits: files of epochs become snapshots, together with positions.
extension IcebergTables {
  /// Makes the epochs of a group visible, table by table, or all tables at once where the catalog can.
  /// - Returns: how many rows the tables took.
  func commit(_ group: [PendingCommit], owner: JobOwner, files: any PendingFileStore) async throws -> Int {
    let jobs = try await jobs(group, owner: owner, files: files)
    let runner = TransactionRunner(catalog: try await catalog(), environment: environment)
    if jobs.count > 1, runner.catalog.supportsMultiTableCommits {
      do {
        return noted(jobs, try await runner.commit(jobs.map { IcebergTableJob.work([$0]) }))
      } catch {
        if let failure = jobs.lazy.compactMap(\.append.verdict.failure).first { throw failure }
        guard error.kind == .unsupported else { throw error }
      }
    }
    var rows = 0
    for job in jobs { rows += try await run(job, runner) }
    return rows
  }

  /// Makes the epochs of several sinks visible in one commit of their catalog.
  /// - Returns: how many rows the tables of each took.
  func commit(_ joint: IcebergJointCommit) async throws -> [Int] {
    let catalog = try await IcebergFailures.translate(configuration.sink) { try await self.catalog() }
    return try await joint.run(TransactionRunner(catalog: catalog, environment: environment))
  }

  private func run(_ job: IcebergTableJob, _ runner: TransactionRunner) async throws -> Int {
    do {
      return noted([job], [try await runner.commit(IcebergTableJob.work([job]))])
    } catch {
      throw job.append.verdict.failure ?? error
    }
  }

  /// What the epochs of a group append, by table.
  func jobs(
    _ group: [PendingCommit], owner: JobOwner, files: any PendingFileStore
  ) async throws -> [IcebergTableJob] {
    guard let last = group.last else { return [] }
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
    let position = SinkPosition(owner: owner, checkpoint: last.checkpoint, sources: last.sources)
    var jobs: [IcebergTableJob] = []
    for (identifier, epochs) in epochs.sorted(by: { $0.key < $1.key }) {
      let table = try await load(identifier, fence)
      guard table.metadata.tableUUID == uuids[identifier] else { throw replaced(identifier) }
      let append = PositionedAppend(
        fence, reached: targets.reached(identifier) ?? CheckpointID(0), epochs: epochs, position: position,
        verdict: IcebergVerdict())
      jobs.append(IcebergTableJob(table: table, append: append, checkpoint: last.checkpoint))
    }
    return jobs
  }

  private func replaced(_ identifier: TableIdentifier) -> IcebergError {
    IcebergError(
      .invalid,
      "table \(identifier) was dropped and made anew while rows for it were under way, and they were written for the "
        + "columns of the former table: restore that one, or give the job another name to start anew")
  }

  /// The table as it is now, claimed: one that was not there at the start, or was not ours, is claimed here.
  private func load(_ identifier: TableIdentifier, _ fence: IcebergFence) async throws -> LoadedTable {
    if targets.reached(identifier) == nil { _ = try await claim(identifier, fence: fence, isNeeded: false) }
    if let table = try await existing(identifier, try await catalog()) { return table }
    if let reached = targets.reached(identifier), reached.number > 0 {
      throw lost(identifier, fence, expected: reached, found: nil)
    }
    throw replaced(identifier)
  }

  /// Notes what the tables hold now.
  /// - Returns: how many rows they took.
  func noted(_ jobs: [IcebergTableJob], _ outcomes: [Iceberg.CommitOutcome]) -> Int {
    var rows = 0
    for (job, outcome) in zip(jobs, outcomes) {
      for warning in outcome.warnings { logger.warning("\(warning)", metadata: ["table": "\(job.identifier)"]) }
      if outcome.result == .committed { rows += job.append.verdict.rows }
      let stored = targets.fence.flatMap { try? $0.stored(outcome.table.metadata) }
      targets.didReach(job.identifier, stored?.checkpoint ?? job.checkpoint)
    }
    return rows
  }
}
