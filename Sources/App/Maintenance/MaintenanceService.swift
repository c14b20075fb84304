import Iceberg
import Logging
import ServiceLifecycle

/// Keeps tables in shape while others write them: compacts, gathers manifests, expires snapshots, removes orphans.
///
/// One loop, one table at a time, so that it never takes more than its share. Nothing that goes wrong ends it, or the job:
/// failures are logged, counted, and tried again later.
package struct MaintenanceService: Service {
  /// What is done, and how eagerly.
  package struct Options: Sendable {
    /// What tables should have.
    package var policy: MaintenancePolicy
    /// The longest time between two looks at a table, in milliseconds.
    package var intervalMilliseconds: Int64
    /// After how many commits a table is looked at sooner.
    package var commitsBetweenLooks: Int
    /// The part of one core that rewriting may take.
    package var share: Double
    /// An existing local directory for files while they are written.
    package var scratchDirectory: String

    /// Options.
    package init(
      policy: MaintenancePolicy, intervalMilliseconds: Int64, commitsBetweenLooks: Int, share: Double,
      scratchDirectory: String
    ) {
      self.policy = policy
      self.intervalMilliseconds = max(1, intervalMilliseconds)
      self.commitsBetweenLooks = max(1, commitsBetweenLooks)
      self.share = share
      self.scratchDirectory = scratchDirectory
    }
  }

  private let groups: [MaintainedTables]
  private let options: Options
  private let environment: CommitEnvironment
  private let pending: @Sendable () async throws(IcebergError) -> [String]
  private let metrics: MaintenanceMetrics
  private let logger: Logger

  /// A service.
  ///
  /// - Parameters:
  ///   - groups: the tables, by catalog.
  ///   - options: what is done.
  ///   - environment: the time, pauses, chance.
  ///   - pending: the files of commits to come; orphans are not removed when it throws.
  ///   - metrics: count what is done.
  ///   - logger: hears of what is done, and of what goes wrong.
  package init(
    _ groups: [MaintainedTables], options: Options, environment: CommitEnvironment = .system,
    metrics: MaintenanceMetrics, logger: Logger,
    pending: @escaping @Sendable () async throws(IcebergError) -> [String]
  ) {
    self.groups = groups
    self.options = options
    self.environment = environment
    self.pending = pending
    self.metrics = metrics
    self.logger = logger
  }

  /// Runs until graceful shutdown or cancellation; never throws.
  package func run() async {
    await cancelWhenGracefulShutdown {
      var states = groups.map { GroupState(tables: $0) }
      while !Task.isCancelled {
        for index in states.indices {
          let state = states[index]
          states[index] = await round(state)
        }
        let now = environment.nowMilliseconds()
        let next = states.map(\.nextLook).min() ?? now + options.intervalMilliseconds
        do { try await environment.sleep(max(1, next - now)) } catch { break }
      }
      for state in states { await state.catalog?.close() }
    }
  }

  /// What is known of the tables of a catalog.
  private struct GroupState: Sendable {
    let tables: MaintainedTables
    var catalog: (any Catalog)?
    var watches: [TableIdentifier: TableWatch] = [:]
    var nextListing: Int64 = 0
    var failures: Int64 = 0

    var nextLook: Int64 { min(nextListing, watches.values.map(\.nextLook).min() ?? .max) }
  }

  /// Looks at the tables of a catalog that are due.
  private func round(_ given: GroupState) async -> GroupState {
    var state = given
    if environment.nowMilliseconds() >= state.nextListing { state = await list(state) }
    guard let catalog = state.catalog else { return state }
    for (identifier, watch) in state.watches.sorted(by: { $0.value.nextLook < $1.value.nextLook })
    where watch.nextLook <= environment.nowMilliseconds() && !Task.isCancelled {
      let looked = await look(identifier, watch, catalog)
      state.watches[identifier] = looked
    }
    return state
  }

  /// Opens the catalog when it is not open, and finds its tables.
  private func list(_ given: GroupState) async -> GroupState {
    var state = given
    do throws(IcebergError) {
      let catalog = try await open(state)
      state.catalog = catalog
      let found = try await state.tables.list(catalog, Set(state.watches.keys))
      let now = environment.nowMilliseconds()
      state.watches = state.watches.filter { found.contains($0.key) }
      for identifier in found where state.watches[identifier] == nil {
        metrics.begin(identifier.description)
        state.watches[identifier] = TableWatch(
          now: now, orphanInterval: options.policy.orphanIntervalMilliseconds)
      }
      state.failures = 0
      state.nextListing = now + options.intervalMilliseconds
    } catch {
      state.failures = min(state.failures + 1, Int64(TableWatch.failureDoublingsMax))
      state.nextListing = environment.nowMilliseconds() + options.intervalMilliseconds << (state.failures - 1)
      if !Task.isCancelled {
        metrics.failed("")
        logger.warning(
          "tables cannot be listed for maintenance; tried again later",
          metadata: ["catalog": "\(state.tables.name)", "error": "\(error.message)"])
      }
    }
    return state
  }

  private func open(_ state: GroupState) async throws(IcebergError) -> any Catalog {
    if let catalog = state.catalog { return catalog }
    let made = try await state.tables.open()
    return made
  }

  /// Does what is due on a table.
  private func look(_ identifier: TableIdentifier, _ given: TableWatch, _ catalog: any Catalog) async -> TableWatch {
    var watch = given
    let start = environment.nowMilliseconds()
    var sequenceNumber: Int64?
    do throws(IcebergError) {
      var table = try await Table(identifier, in: catalog)
      let seen = table.metadata.lastSequenceNumber
      let report = try await maintain(&table, &watch.history)
      metrics.observe(table.metadata, of: identifier.description)
      note(report, identifier, start)
      sequenceNumber = seen
    } catch {
      if !Task.isCancelled {
        metrics.failed(identifier.description)
        logger.warning(
          "maintenance of a table failed; tried again later",
          metadata: ["table": "\(identifier)", "error": "\(error.message)"])
      }
    }
    watch.looked(
      from: start, to: environment.nowMilliseconds(), sequenceNumber: sequenceNumber,
      interval: options.intervalMilliseconds, commits: options.commitsBetweenLooks)
    return watch
  }

  private func maintain(
    _ table: inout Table, _ history: inout MaintenanceHistory
  ) async throws(IcebergError) -> MaintenanceReport {
    var policy = options.policy
    var protected: [String] = []
    let due = try policy.due(table.metadata, history: history, now: environment.nowMilliseconds())
    if due.isEmpty { return MaintenanceReport() }
    var problem: String?
    if due.contains(.removeOrphans) {
      do throws(IcebergError) { protected = try await pending() } catch {
        policy.orphanIntervalMilliseconds = nil
        problem = "orphans are not looked for: \(error.message)"
      }
    }
    let maintenance = TableMaintenance(
      policy, scratchDirectory: options.scratchDirectory, protected: protected,
      pace: Compaction.share(options.share, environment: environment))
    var report = try await maintenance.run(&table, history: &history, environment: environment)
    if let problem { report.problems.append(problem) }
    return report
  }

  private func note(_ report: MaintenanceReport, _ identifier: TableIdentifier, _ start: Int64) {
    metrics.did(report, on: identifier.description)
    for problem in report.problems {
      logger.notice("maintenance goes on later", metadata: ["table": "\(identifier)", "problem": "\(problem)"])
    }
    guard report != MaintenanceReport() else { return }
    let milliseconds = environment.nowMilliseconds() - start
    metrics.took(Double(milliseconds) / 1000, on: identifier.description)
    logger.info(
      "a table was maintained",
      metadata: [
        "table": "\(identifier)", "files_before": "\(report.compactedFiles)", "files_after": "\(report.writtenFiles)",
        "bytes": "\(report.rewrittenBytes)", "manifests": "\(report.rewrittenManifests)",
        "snapshots_expired": "\(report.expiredSnapshots)", "files_deleted": "\(report.deletedFiles)",
        "milliseconds": "\(milliseconds)"
      ])
  }
}
