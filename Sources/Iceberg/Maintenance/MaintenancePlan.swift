/// What maintenance a table should have, and how often.
public struct MaintenancePolicy: Hashable, Sendable {
  /// Which files are worth rewriting; `nil`: none.
  public var compaction: CompactionPolicy?
  /// After how many commits with new files a table is looked through for small files.
  public var commitsBetweenCompactions: Int
  /// How long snapshots stay where the table's properties do not say so; `nil`: none are expired.
  public var retention: SnapshotRetention?
  /// How many snapshots must be due before they are expired: each expiry is a commit.
  public var minimumExpiredSnapshots: Int
  /// Which part of a table's snapshots must be due, too: an expiry reads the manifest lists of all that stay.
  public var minimumExpiredShare: Double
  /// How many small manifests there must be before they are rewritten; `nil`: they are not.
  public var minimumSmallManifests: Int?
  /// How often orphans are looked for, in milliseconds; `nil`: never.
  public var orphanIntervalMilliseconds: Int64?
  /// How old orphans must be, in milliseconds.
  public var orphanGraceMilliseconds: Int64

  /// A policy: everything but the removal of orphans.
  public init(
    compaction: CompactionPolicy? = CompactionPolicy(), commitsBetweenCompactions: Int = 20,
    retention: SnapshotRetention? = SnapshotRetention(), minimumExpiredSnapshots: Int = 10,
    minimumExpiredShare: Double = 0.1, minimumSmallManifests: Int? = 50, orphanIntervalMilliseconds: Int64? = nil,
    orphanGraceMilliseconds: Int64 = 3 * 86_400_000
  ) {
    self.compaction = compaction
    self.commitsBetweenCompactions = max(1, commitsBetweenCompactions)
    self.retention = retention
    self.minimumExpiredSnapshots = max(1, minimumExpiredSnapshots)
    self.minimumExpiredShare = minimumExpiredShare
    self.minimumSmallManifests = minimumSmallManifests
    self.orphanIntervalMilliseconds = orphanIntervalMilliseconds
    self.orphanGraceMilliseconds = orphanGraceMilliseconds
  }
}

/// What a maintainer remembers of a table between its looks at it; losing it costs a look too many.
public struct MaintenanceHistory: Hashable, Sendable {
  /// The sequence number up to which the table was looked through for small files.
  public var compactedSequenceNumber: Int64
  /// When orphans were looked for, in milliseconds since the epoch.
  public var orphansMilliseconds: Int64?

  /// Nothing was done yet.
  public init(compactedSequenceNumber: Int64 = 0, orphansMilliseconds: Int64? = nil) {
    self.compactedSequenceNumber = compactedSequenceNumber
    self.orphansMilliseconds = orphansMilliseconds
  }
}

/// Maintenance that is due.
public enum MaintenanceStep: Hashable, Sendable {
  /// Rewrite small files.
  case compact
  /// Gather small manifests.
  case rewriteManifests
  /// Expire snapshots.
  case expireSnapshots
  /// Remove orphans.
  case removeOrphans
}

extension MaintenancePolicy {
  /// What is due on a table, in the order in which it should be done. Decides from metadata alone.
  ///
  /// - Parameters:
  ///   - metadata: the table's present state.
  ///   - history: what was done before.
  ///   - now: milliseconds since the epoch.
  /// - Throws: kind `invalid` for table properties that make no sense.
  public func due(
    _ metadata: TableMetadata, history: MaintenanceHistory, now: Int64
  ) throws(IcebergError) -> [MaintenanceStep] {
    var steps: [MaintenanceStep] = []
    let newCommits = metadata.ancestors(of: metadata.head(of: "main")?.snapshotID).filter { snapshot in
      snapshot.sequenceNumber > history.compactedSequenceNumber && snapshot.summary["operation"] != "replace"
    }.count
    if newCommits >= commitsBetweenCompactions {
      if compaction != nil { steps.append(.compact) }
      if minimumSmallManifests != nil { steps.append(.rewriteManifests) }
    }
    let collects = TableSettings(metadata).allowsGarbageCollection
    if let retention, collects {
      let expired = try retention.expiry(of: metadata, now: now).expired(in: metadata, now: now)
      let count = expired.snapshotIDs.count
      let share = Double(metadata.snapshots.count) * minimumExpiredShare
      if count >= minimumExpiredSnapshots && Double(count) >= share || !expired.references.isEmpty {
        steps.append(.expireSnapshots)
      }
    }
    if let interval = orphanIntervalMilliseconds, collects {
      if history.orphansMilliseconds.map({ now &- $0 >= interval }) ?? true { steps.append(.removeOrphans) }
    }
    return steps
  }
}

/// Does the maintenance that is due.
public struct TableMaintenance: Sendable {
  /// What a table should have.
  public var policy: MaintenancePolicy
  /// An existing local directory for files while they are written.
  public var scratchDirectory: String
  /// Files and directories that must not be touched: those of pending commits.
  public var protected: [String]
  /// Pauses of the compaction, see ``Compaction/pace``.
  public var pace: @Sendable (_ busyMilliseconds: Int64) async throws -> Void

  /// A maintainer.
  public init(
    _ policy: MaintenancePolicy, scratchDirectory: String, protected: [String] = [],
    pace: @escaping @Sendable (_ busyMilliseconds: Int64) async throws -> Void = { _ in }
  ) {
    self.policy = policy
    self.scratchDirectory = scratchDirectory
    self.protected = protected
    self.pace = pace
  }

  /// Does what is due on `table`, and notes it in `history`.
  ///
  /// A conflict with other writers ends a step, not the run: the step is due again another time.
  /// - Throws: what the steps throw otherwise.
  public func run(
    _ table: inout Table, history: inout MaintenanceHistory, environment: CommitEnvironment = .system
  ) async throws(IcebergError) -> MaintenanceReport {
    try await table.refresh()
    var report = MaintenanceReport()
    let now = environment.nowMilliseconds()
    for step in try policy.due(table.metadata, history: history, now: now) {
      do throws(IcebergError) {
        report.add(try await run(step, &table, &history, environment))
      } catch {
        guard error.kind == .conflict else { throw error }
        report.problems.append(error.message)
      }
    }
    return report
  }

  private func run(
    _ step: MaintenanceStep, _ table: inout Table, _ history: inout MaintenanceHistory,
    _ environment: CommitEnvironment
  ) async throws(IcebergError) -> MaintenanceReport {
    switch step {
    case .compact:
      let seen = table.metadata.lastSequenceNumber
      let compaction = Compaction(
        policy.compaction ?? CompactionPolicy(), scratchDirectory: scratchDirectory, pace: pace)
      let report = try await compaction.run(&table, environment: environment)
      history.compactedSequenceNumber = seen
      return report
    case .rewriteManifests:
      var report = MaintenanceReport()
      try await table.refresh()
      let change = RewriteManifests(minimumCount: policy.minimumSmallManifests ?? 50)
      let outcome = try await table.commit([change], environment: environment)
      if let id = outcome.snapshotIDs.first, let summary = outcome.table.metadata.snapshot(withID: id)?.summary {
        report.rewrittenManifests = summary["manifests-replaced"].flatMap { Int($0) } ?? 0
      }
      if policy.compaction == nil { history.compactedSequenceNumber = table.metadata.lastSequenceNumber }
      return report
    case .expireSnapshots:
      let retention = policy.retention ?? SnapshotRetention()
      let change = retention.expiry(of: table.metadata, now: environment.nowMilliseconds())
      return try await SnapshotExpiry(change).run(&table, environment: environment)
    case .removeOrphans:
      let removal = OrphanRemoval(graceMilliseconds: policy.orphanGraceMilliseconds, protected: protected)
      let report = try await removal.run(&table, environment: environment)
      history.orphansMilliseconds = environment.nowMilliseconds()
      return report
    }
  }
}
