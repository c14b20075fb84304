/// One commit on its way through its attempts.
struct TransactionRun {
  /// What follows an attempt.
  enum Step {
    /// The commit is over.
    case done([CommitOutcome])
    /// It is over, and did not succeed.
    case failed(IcebergError)
    /// It may succeed later.
    case again(IcebergError)
  }

  /// What was planned for one table.
  private struct Plan {
    var requirements: [TableRequirement] = []
    var updates: [TableUpdate] = []
    var snapshotIDs: [Int64] = []
    var referencedFiles: [String] = []
    var warnings: [String] = []
    var isAlreadyApplied = false
  }

  private var works: [TableWork]
  private let runner: TransactionRunner
  private let commitID: String
  private(set) var attempts = 0
  /// Whether an answer was lost and the attempt was not found since.
  private var hasUnknownAttempt = false
  /// Files that an attempt with an unknown outcome, or the committed state, refers to.
  private var protected: Set<String> = []
  private var needsRefresh = false

  init(works: [TableWork], runner: TransactionRunner, commitID: String) {
    self.works = works
    self.runner = runner
    self.commitID = commitID
  }

  /// Plans the changes onto the present state and tries to commit them.
  mutating func attempt() async -> Step {
    attempts += 1
    do throws(IcebergError) {
      if needsRefresh, let outcomes = try await refreshAndLook() { return .done(outcomes) }
      needsRefresh = true
      var plans: [Plan] = []
      for index in works.indices { plans.append(try await plan(index)) }
      return try await commit(plans)
    } catch {
      switch error.kind {
      case .transient: return .again(error)
      default: return hasUnknownAttempt ? .failed(unknown(after: error)) : .failed(error)
      }
    }
  }

  /// Loads the tables anew; the outcomes when an earlier attempt turns out to have been applied.
  private mutating func refreshAndLook() async throws(IcebergError) -> [CommitOutcome]? {
    let before = works.map(\.table)
    for index in works.indices {
      let table = try await runner.catalog.loadTable(works[index].table.identifier)
      try works[index].table.requireSame(table)
      works[index].table = table
    }
    guard hasUnknownAttempt else { return nil }
    return try await findApplied(before: before)
  }

  /// The outcomes when the snapshots of this commit are in a table.
  private mutating func findApplied(before: [LoadedTable]) async throws(IcebergError) -> [CommitOutcome]? {
    var outcomes: [CommitOutcome] = []
    var isFound = false
    for (index, work) in works.enumerated() {
      let ids = try await appliedSnapshots(work.table, before: before[index])
      if !ids.isEmpty { isFound = true }
      outcomes.append(
        CommitOutcome(
          result: .committed, table: work.table, snapshotIDs: ids, attempts: attempts - 1,
          warnings: ["the answer of the catalog was lost; the commit was found in the table"]))
    }
    return isFound ? outcomes : nil
  }

  /// The snapshots of this commit in a table's state, or in the states that came between.
  private func appliedSnapshots(
    _ table: LoadedTable, before: LoadedTable
  ) async throws(IcebergError) -> [Int64] {
    func ours(_ metadata: TableMetadata) -> [Int64] {
      metadata.snapshots.filter { $0.summary["weir.commit-id"] == commitID }.map(\.snapshotID)
    }
    let found = ours(table.metadata)
    guard found.isEmpty, table.metadataLocation != before.metadataLocation else { return found }
    // Our snapshot may have been expired since: the states between are in the metadata log.
    let log = table.metadata.metadataLog
    guard let last = log.lastIndex(where: { $0.metadataFile == before.metadataLocation }) else { return [] }
    for entry in log[(last + 1)...] {
      do throws(IcebergError) {
        let bytes = try await table.store.read(entry.metadataFile, range: nil)
        let metadata = try TableMetadata(parsing: bytes, location: entry.metadataFile)
        let found = ours(metadata)
        if !found.isEmpty { return found }
      } catch {
        guard error.kind == .notFound else { throw error }
      }
    }
    return []
  }

  /// Plans the changes of one table, each onto what the former ones make of it.
  private mutating func plan(_ index: Int) async throws(IcebergError) -> Plan {
    var plan = Plan()
    var table = works[index].table
    if let precondition = works[index].precondition {
      if try precondition(table.metadata) == .alreadyApplied {
        plan.isAlreadyApplied = true
        return plan
      }
      // What the precondition saw must still hold when the catalog applies the commit.
      plan.requirements = [
        .tableUUID(table.metadata.tableUUID),
        .reference(name: "main", snapshotID: table.metadata.head(of: "main")?.snapshotID)
      ]
    }
    let context = ChangeContext(
      environment: runner.environment, commitID: commitID, attempt: attempts, concurrency: runner.concurrency)
    for position in works[index].changes.indices {
      var change = works[index].changes[position]
      let result = await Self.plan(&change, on: table, context: context)
      works[index].changes[position] = change
      guard let planned = try result.get() else { continue }
      plan.requirements += planned.requirements
      plan.updates += planned.updates
      plan.referencedFiles += planned.referencedFiles
      plan.warnings += planned.warnings
      if let id = planned.snapshotID { plan.snapshotIDs.append(id) }
      if position + 1 < works[index].changes.count {
        table.metadata = try table.metadata.applying(planned.updates, now: runner.environment.nowMilliseconds())
      }
    }
    plan.requirements = Self.firstOfEach(plan.requirements)
    return plan
  }

  /// Keeps what the change learnt even when planning fails.
  private static func plan(
    _ change: inout any TableChange, on table: LoadedTable, context: ChangeContext
  ) async -> Result<PlannedChange?, IcebergError> {
    do throws(IcebergError) {
      return .success(try await change.plan(on: table, context: context))
    } catch {
      return .failure(error)
    }
  }

  /// Later changes of a commit see what the former ones make: only the first requirement on each thing is about the
  /// state that the commit begins with.
  private static func firstOfEach(_ requirements: [TableRequirement]) -> [TableRequirement] {
    var seen: Set<String> = []
    return requirements.filter { requirement in
      switch requirement {
      case .tableDoesNotExist: seen.insert("create").inserted
      case .tableUUID: seen.insert("uuid").inserted
      case .reference(let name, _): seen.insert("reference \(name)").inserted
      case .lastColumnID: seen.insert("column").inserted
      case .currentSchemaID: seen.insert("schema").inserted
      case .lastPartitionID: seen.insert("partition").inserted
      case .defaultSpecID: seen.insert("spec").inserted
      case .defaultSortOrderID: seen.insert("order").inserted
      }
    }
  }

  private mutating func commit(_ plans: [Plan]) async throws(IcebergError) -> Step {
    var commits: [TableCommit] = []
    for (work, plan) in zip(works, plans) where !plan.updates.isEmpty {
      commits.append(
        TableCommit(
          identifier: work.table.identifier, requirements: plan.requirements, updates: plan.updates))
    }
    guard !commits.isEmpty else { return .done(outcomes(plans, after: [:])) }
    let referenced = plans.flatMap(\.referencedFiles)
    let loaded: [LoadedTable]
    do throws(IcebergError) {
      loaded = try await runner.catalog.commit(commits)
    } catch {
      switch error.kind {
      case .conflict, .transient: return .again(error)
      case .unknownOutcome:
        hasUnknownAttempt = true
        protected.formUnion(referenced)
        return .again(error)
      default:
        guard hasUnknownAttempt else { throw error }
        // The attempt with the lost answer may have been applied, and this one refused because of it.
        return .again(error)
      }
    }
    hasUnknownAttempt = false
    protected.formUnion(referenced)
    let tables = Dictionary(loaded.map { ($0.identifier, $0) }, uniquingKeysWith: { _, last in last })
    return .done(outcomes(plans, after: tables))
  }

  private func outcomes(_ plans: [Plan], after tables: [TableIdentifier: LoadedTable]) -> [CommitOutcome] {
    zip(works, plans).map { work, plan in
      let result: CommitOutcome.Result =
        plan.isAlreadyApplied ? .alreadyApplied : plan.updates.isEmpty ? .nothingToDo : .committed
      return CommitOutcome(
        result: result, table: tables[work.table.identifier] ?? work.table, snapshotIDs: plan.snapshotIDs,
        attempts: attempts, warnings: plan.warnings)
    }
  }

  /// What to throw when no further attempt is made.
  func exhausted(_ error: IcebergError) -> IcebergError {
    if hasUnknownAttempt { return unknown(after: error) }
    return IcebergError(error.kind, "\(error.message) (after \(attempts) attempts)")
  }

  private func unknown(after error: IcebergError) -> IcebergError {
    IcebergError(
      .unknownOutcome,
      "the answer to a commit of \(works.map(\.table.identifier.description).joined(separator: ", ")) was lost, and it "
        + "was not found in the table so far; look for snapshots with weir.commit-id \(commitID) before trying again. "
        + "Then: \(error.message)")
  }

  /// Removes what was written for attempts that were certainly not applied.
  func removeLeftovers() async {
    for work in works {
      let leftovers = Set(work.changes.flatMap(\.writtenFiles)).subtracting(protected)
      guard !leftovers.isEmpty else { continue }
      // Best effort: what stays is found as an orphan later.
      try? await work.table.store.delete(leftovers.sorted())
    }
  }
}
