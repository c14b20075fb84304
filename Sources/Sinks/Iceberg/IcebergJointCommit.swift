import Actors
import Checkpointing
import Iceberg
import Runtime

/// One commit of the catalog for the tables of several sinks.
struct IcebergJointCommit: Sendable {
  /// A sink that takes part.
  struct Member: Sendable {
    let sink: String
    let tables: IcebergTables
    let pending: [PendingCommit]
  }

  let members: [Member]
  let owner: JobOwner
  let files: any PendingFileStore

  /// Makes the epochs of all members visible, or of none.
  ///
  /// - Parameter runner: commits to the catalog that the members share.
  /// - Returns: how many rows the tables of each member took.
  /// - Throws: as ``Actors/SinkConnector/commit(together:owner:files:)``.
  func run(_ runner: TransactionRunner) async throws -> [Int] {
    guard runner.catalog.supportsMultiTableCommits else {
      throw SeparateCommits(reason: "the catalog \(runner.catalog.name) commits one table at a time")
    }
    var jobs: [[IcebergTableJob]] = []
    for member in members {
      jobs.append(
        try await IcebergFailures.translate(member.sink) {
          try await member.tables.jobs(member.pending, owner: owner, files: files)
        })
    }
    let byTable = Dictionary(grouping: jobs.joined(), by: \.identifier).sorted { $0.key < $1.key }
    let outcomes: [Iceberg.CommitOutcome]
    do {
      outcomes = try await runner.commit(byTable.map { IcebergTableJob.work($0.value) })
    } catch {
      throw await failure(error, jobs, runner.catalog)
    }
    let byIdentifier = Dictionary(zip(byTable.map(\.key), outcomes), uniquingKeysWith: { first, _ in first })
    var rows: [Int] = []
    for (member, jobs) in zip(members, jobs) {
      rows.append(await member.tables.noted(jobs, jobs.compactMap { byIdentifier[$0.identifier] }))
    }
    return rows
  }

  /// The failure as the sink's whose table is the reason; the catalog's as the first sink's.
  private func failure(
    _ error: IcebergError, _ jobs: [[IcebergTableJob]], _ catalog: any Catalog
  ) async -> any Error {
    for (member, jobs) in zip(members, jobs) {
      for job in jobs {
        if let failure = job.append.verdict.failure { return failure }
        if let trouble = job.append.verdict.trouble { return IcebergFailures.sinkError(trouble, sink: member.sink) }
      }
    }
    switch error.kind {
    case .conflict, .transient, .io, .unknownOutcome, .alreadyExists:
      let changed = error.kind == .conflict ? await changed(jobs, catalog) : nil
      let named = IcebergError(error.kind, "catalog \(catalog.name): \(error.message)")
      return IcebergFailures.sinkError(named, sink: changed ?? members[0].sink)
    case .unsupported, .invalid, .notFound, .unauthorized, .corrupt: return SeparateCommits(reason: error.message)
    }
  }

  /// The sink whose table others keep changing.
  private func changed(_ jobs: [[IcebergTableJob]], _ catalog: any Catalog) async -> String? {
    for (member, jobs) in zip(members, jobs) {
      for job in jobs {
        let now = try? await catalog.loadTable(job.identifier)
        if let now, now.metadataLocation != job.table.metadataLocation { return member.sink }
      }
    }
    return nil
  }
}
