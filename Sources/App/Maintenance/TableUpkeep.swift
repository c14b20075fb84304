import Iceberg

/// Maintenance of one table, done once and at once.
package struct TableUpkeep: Sendable {
  /// How many small manifests are worth gathering.
  package static let smallManifestsMinimum = 10

  /// Whether small files are compacted.
  package var compacts = true
  /// Whether small manifests are gathered.
  package var gathersManifests = true
  /// Whether snapshots are expired.
  package var expires = true
  /// Whether orphans are removed.
  package var removesOrphans = true
  /// The wanted size of data files; `nil`: as the table says.
  package var targetFileSizeBytes: Int64?
  /// How old snapshots may be, whatever the table says, in milliseconds.
  package var retentionMilliseconds: Int64?
  /// How old snapshots may be where the table does not say.
  package var standardRetention = SnapshotRetention()
  /// How old orphans must be, in milliseconds.
  package var orphanGraceMilliseconds: Int64 = 3 * 86_400_000
  /// Only reports what would be done.
  package var isDryRun = false
  /// An existing local directory for files while they are written.
  package var scratchDirectory: String
  /// The time, pauses, chance.
  package var environment = CommitEnvironment.system

  /// Everything, with the usual bounds.
  package init(scratchDirectory: String) { self.scratchDirectory = scratchDirectory }

  /// Does it all.
  ///
  /// What a step throws ends that step only, and is in the report.
  /// - Parameter pending: the files of commits to come; orphans are not removed when it throws.
  /// - Throws: what loading the table throws.
  package func run(
    _ identifier: TableIdentifier, in catalog: any Catalog,
    pending: @Sendable () async throws(IcebergError) -> [String]
  ) async throws(IcebergError) -> UpkeepReport {
    var table = try await Table(identifier, in: catalog)
    var result = UpkeepReport(identifier, isDryRun: isDryRun, table.metadata)
    for step in steps {
      if !TableSettings(table.metadata).allowsGarbageCollection, step == .expireSnapshots || step == .removeOrphans {
        result.problems.append("the table's property gc.enabled is false: its snapshots and files stay")
        continue
      }
      do throws(IcebergError) {
        result.add(try await run(step, &table, pending: pending))
      } catch {
        result.add(error, step)
      }
    }
    if !isDryRun {
      do throws(IcebergError) { try await table.refresh() } catch { result.problems.append(error.message) }
    }
    result.note(after: table.metadata)
    return result
  }

  private var steps: [MaintenanceStep] {
    let all: [(MaintenanceStep, Bool)] = [
      (.compact, compacts), (.rewriteManifests, gathersManifests), (.expireSnapshots, expires),
      (.removeOrphans, removesOrphans)
    ]
    return all.filter { $0.1 }.map { $0.0 }
  }

  private func run(
    _ step: MaintenanceStep, _ table: inout Table, pending: @Sendable () async throws(IcebergError) -> [String]
  ) async throws(IcebergError) -> MaintenanceReport {
    switch step {
    case .compact: return try await compact(&table)
    case .rewriteManifests: return try await gather(&table)
    case .expireSnapshots: return try await expire(&table)
    case .removeOrphans:
      let removal = OrphanRemoval(
        graceMilliseconds: orphanGraceMilliseconds, protected: try await pending(), isDryRun: isDryRun)
      return try await removal.run(&table, environment: environment)
    }
  }

  private func compact(_ table: inout Table) async throws(IcebergError) -> MaintenanceReport {
    let policy = CompactionPolicy(targetFileSizeBytes: targetFileSizeBytes, minimumInputFiles: 2, maximumBytes: .max)
    guard isDryRun else {
      let compaction = Compaction(policy, scratchDirectory: scratchDirectory)
      return try await compaction.run(&table, environment: environment)
    }
    var report = MaintenanceReport()
    let standard = try TableSettings(table.metadata).targetFileSizeBytes
    let groups = policy.groups(
      try await TableScan(table).plan(), targetBytes: targetFileSizeBytes ?? standard)
    report.compactedGroups = groups.count
    for group in groups {
      report.compactedFiles += group.tasks.count
      report.rewrittenBytes &+= group.bytes
    }
    return report
  }

  private func gather(_ table: inout Table) async throws(IcebergError) -> MaintenanceReport {
    var report = MaintenanceReport()
    let minimum = Self.smallManifestsMinimum
    guard !isDryRun else {
      report.rewrittenManifests = try await SmallManifests.count(table, minimumCount: minimum)
      return report
    }
    try await table.refresh()
    let outcome = try await table.commit([RewriteManifests(minimumCount: minimum)], environment: environment)
    let summary = outcome.snapshotIDs.first.flatMap { outcome.table.metadata.snapshot(withID: $0)?.summary }
    report.rewrittenManifests = summary?["manifests-replaced"].flatMap { Int($0) } ?? 0
    return report
  }

  private func expire(_ table: inout Table) async throws(IcebergError) -> MaintenanceReport {
    let now = environment.nowMilliseconds()
    var change = standardRetention.expiry(of: table.metadata, now: now)
    if let retentionMilliseconds {
      let (limit, overflow) = now.subtractingReportingOverflow(retentionMilliseconds)
      change = ExpireSnapshots(olderThanMilliseconds: overflow ? .min : limit)
    }
    guard isDryRun else { return try await SnapshotExpiry(change).run(&table, environment: environment) }
    var report = MaintenanceReport()
    report.expiredSnapshots = try change.expired(in: table.metadata, now: now).snapshotIDs.count
    return report
  }
}

/// What ``TableUpkeep`` did, or would do.
package struct UpkeepReport: Hashable, Sendable, Encodable {
  /// The table.
  package var table: String
  /// Whether nothing was changed.
  package var dryRun: Bool
  /// Live data files before, if the table says so.
  package var dataFilesBefore: Int?
  /// Live data files afterwards, if the table says so.
  package var dataFilesAfter: Int?
  /// Bytes of live files before, if the table says so.
  package var bytesBefore: Int64?
  /// Bytes of live files afterwards, if the table says so.
  package var bytesAfter: Int64?
  /// Snapshots before.
  package var snapshotsBefore: Int
  /// Snapshots afterwards.
  package var snapshotsAfter: Int
  /// Groups of files that were compacted.
  package var compactedGroups = 0
  /// Groups that were left because others changed their files meanwhile.
  package var conflictedGroups = 0
  /// Data files that were replaced.
  package var compactedFiles = 0
  /// Data files that took their place.
  package var writtenFiles = 0
  /// Bytes of data files that were replaced.
  package var rewrittenBytes: Int64 = 0
  /// Rows that were written anew.
  package var rewrittenRows: Int64 = 0
  /// Manifests that were gathered.
  package var rewrittenManifests = 0
  /// Snapshots that were expired.
  package var expiredSnapshots = 0
  /// Data and delete files that were removed, orphans included.
  package var deletedFiles = 0
  /// Files of metadata that were removed.
  package var deletedMetadataFiles = 0
  /// Files that nothing refers to.
  package var orphans: [String] = []
  /// What went wrong without ending the work.
  package var problems: [String] = []
  /// Steps that failed.
  package var failures: [String] = []

  init(_ identifier: TableIdentifier, isDryRun: Bool, _ metadata: TableMetadata) {
    table = identifier.description
    dryRun = isDryRun
    snapshotsBefore = metadata.snapshots.count
    snapshotsAfter = snapshotsBefore
    (dataFilesBefore, bytesBefore) = Self.totals(metadata)
  }

  mutating func note(after metadata: TableMetadata) {
    snapshotsAfter = metadata.snapshots.count
    (dataFilesAfter, bytesAfter) = Self.totals(metadata)
  }

  mutating func add(_ report: MaintenanceReport) {
    compactedGroups += report.compactedGroups
    conflictedGroups += report.conflictedGroups
    compactedFiles += report.compactedFiles
    writtenFiles += report.writtenFiles
    rewrittenBytes &+= report.rewrittenBytes
    rewrittenRows &+= report.rewrittenRows
    rewrittenManifests += report.rewrittenManifests
    expiredSnapshots += report.expiredSnapshots
    deletedFiles += report.deletedFiles
    deletedMetadataFiles += report.deletedManifests + report.deletedManifestLists
    orphans += report.orphans
    problems += report.problems
  }

  mutating func add(_ error: IcebergError, _ step: MaintenanceStep) {
    let name =
      switch step {
      case .compact: "compaction"
      case .rewriteManifests: "gathering of manifests"
      case .expireSnapshots: "expiry of snapshots"
      case .removeOrphans: "removal of orphans"
      }
    let message = "\(name): \(error.message)"
    if error.kind == .conflict { problems.append(message) } else { failures.append(message) }
  }

  private static func totals(_ metadata: TableMetadata) -> (files: Int?, bytes: Int64?) {
    guard let current = metadata.snapshots.last(where: { $0.snapshotID == metadata.currentSnapshotID }) else {
      return (0, 0)
    }
    return (
      current.summary["total-data-files"].flatMap { Int($0) },
      current.summary["total-files-size"].flatMap { Int64($0) }
    )
  }
}
