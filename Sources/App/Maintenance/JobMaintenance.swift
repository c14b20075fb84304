import Iceberg
import Logging
import Runtime
import SQL

/// The maintenance of the tables that a job writes.
package enum JobMaintenance {
  /// The service to run beside the job; `nil` when there is nothing to maintain, or the settings say not to.
  ///
  /// - Parameter plan: the job, whose checkpoint store this process has opened.
  /// - Throws: ``CommandFailure`` when there is no place for files while they are written.
  package static func service(
    _ plan: JobPlan, job: String, settings: Settings, logger: Logger
  ) throws -> MaintenanceService? {
    // Options that make no sense are reported by the engine, which reads them too.
    guard settings.maintainsTables,
      let tables = try? MaintainedTables.of(plan, job: job, settings: settings, logger: logger), !tables.isEmpty
    else { return nil }
    let directory = settings.checkpointDirectory
    let scratch: String
    do { scratch = try CheckpointDirectory.scratch(job: job, in: directory) } catch {
      throw CommandFailure(.job, "the job cannot start: \(error)")
    }
    return MaintenanceService(
      tables, options: options(settings, scratchDirectory: scratch), metrics: MaintenanceMetrics(job: job),
      logger: logger
    ) { () throws(IcebergError) in
      try await PendingDataFiles.read(directory)
    }
  }

  /// What the settings say.
  package static func options(_ settings: Settings, scratchDirectory: String) -> MaintenanceService.Options {
    let files = settings.maintenanceFiles
    let compaction = CompactionPolicy(
      minimumInputFiles: max(2, files / 2), growthRatio: 2, maximumBytes: Int64(settings.maintenanceBytes))
    let policy = MaintenancePolicy(
      compaction: compaction, commitsBetweenCompactions: max(1, files / 2),
      retention: SnapshotRetention(ageMilliseconds: settings.snapshotRetention / 1_000_000),
      minimumExpiredSnapshots: 20, minimumSmallManifests: 50,
      orphanIntervalMilliseconds: settings.orphanInterval == 0 ? nil : settings.orphanInterval / 1_000_000,
      orphanGraceMilliseconds: settings.orphanGrace / 1_000_000)
    return MaintenanceService.Options(
      policy: policy, intervalMilliseconds: settings.maintenanceInterval / 1_000_000, commitsBetweenLooks: files,
      share: settings.maintenanceShare, scratchDirectory: scratchDirectory)
  }
}
