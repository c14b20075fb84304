/// What a look at a table's state says about a commit that is to come.
public enum Precondition: Hashable, Sendable {
  /// It is to be done.
  case proceed
  /// It was done: nothing is to be done.
  case alreadyApplied
}

/// The changes of one table in a commit.
public struct TableWork: Sendable {
  /// The table, as it was loaded last; it may be stale.
  public var table: LoadedTable
  /// What to do, in order; all of it becomes one new state of the table.
  public var changes: [any TableChange]
  /// Looks at each state before changes are planned onto it; throws to end the commit.
  public var precondition: (@Sendable (TableMetadata) throws(IcebergError) -> Precondition)?

  /// The changes of a table.
  public init(
    _ table: LoadedTable, _ changes: [any TableChange],
    precondition: (@Sendable (TableMetadata) throws(IcebergError) -> Precondition)? = nil
  ) {
    self.table = table
    self.changes = changes
    self.precondition = precondition
  }
}

/// How the commit of a table ended.
public struct CommitOutcome: Sendable {
  /// What came of it.
  public enum Result: Hashable, Sendable {
    /// The changes are part of the table.
    case committed
    /// The precondition found them in the table.
    case alreadyApplied
    /// No change had anything to do.
    case nothingToDo
  }

  /// What came of it.
  public var result: Result
  /// The table afterwards.
  public var table: LoadedTable
  /// The snapshots that the commit made.
  public var snapshotIDs: [Int64]
  /// How many attempts it took.
  public var attempts: Int
  /// What an operator should hear of.
  public var warnings: [String]
}

/// Commits changes optimistically: plans them onto the table's state, and again onto the new one after a conflict.
///
/// A lost answer is settled by looking for the commit's snapshots in the table; files are deleted only when it is
/// certain that no state of the table refers to them.
public struct TransactionRunner: Sendable {
  /// The catalog.
  public var catalog: any Catalog
  /// How often and how patiently; `nil`: as the first table's properties say.
  public var retry: CommitRetry?
  /// The time, pauses, chance.
  public var environment: CommitEnvironment
  /// How many files are read at a time.
  public var concurrency: Int

  /// A runner.
  public init(
    catalog: any Catalog, retry: CommitRetry? = nil, environment: CommitEnvironment = .system, concurrency: Int = 4
  ) {
    self.catalog = catalog
    self.retry = retry
    self.environment = environment
    self.concurrency = concurrency
  }

  /// Commits the changes of one table.
  ///
  /// - Throws: see ``commit(_:)``.
  public func commit(_ work: TableWork) async throws(IcebergError) -> CommitOutcome {
    let outcomes = try await commit([work])
    return outcomes[0]
  }

  /// Commits the changes of several tables, all or none.
  ///
  /// - Throws: kind `conflict` when others were faster too often or a change can no longer be applied,
  ///   `unknownOutcome` when it stays unknown whether the commit was applied (then nothing was deleted),
  ///   `unsupported` when the catalog takes one table at a time, and what planning and the preconditions throw.
  /// - Returns: an outcome for each table, in order.
  public func commit(_ works: [TableWork]) async throws(IcebergError) -> [CommitOutcome] {
    guard let first = works.first else { return [] }
    if works.count > 1, !catalog.supportsMultiTableCommits {
      throw IcebergError(
        .unsupported, "the catalog \(catalog.name) commits one table at a time; commit the tables one after another")
    }
    let retry: CommitRetry
    if let own = self.retry { retry = own } else { retry = try TableSettings(first.table.metadata).commitRetry }
    var run = TransactionRun(works: works, runner: self, commitID: environment.makeUUID())
    let start = environment.nowMilliseconds()
    while true {
      let step = await run.attempt()
      switch step {
      case .done(let outcomes):
        await run.removeLeftovers()
        return outcomes
      case .failed(let error):
        await run.removeLeftovers()
        throw error
      case .again(let error):
        let elapsed = environment.nowMilliseconds() &- start
        guard run.attempts < retry.attempts, elapsed < retry.totalMilliseconds else {
          await run.removeLeftovers()
          throw run.exhausted(error)
        }
        let wait = retry.waitMilliseconds(beforeAttempt: run.attempts + 1, random: environment.random())
        do { try await environment.sleep(wait) } catch {
          await run.removeLeftovers()
          throw run.exhausted(IcebergError(.transient, "the commit was cancelled while it waited to try again"))
        }
      }
    }
  }
}
