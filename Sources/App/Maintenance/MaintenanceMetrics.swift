import Iceberg
import Metrics

/// What maintenance did, as metrics of the process.
package struct MaintenanceMetrics: Sendable {
  private let job: String

  /// Metrics with the label `job`.
  package init(job: String) { self.job = job }

  /// Makes the series of a table, so that they are there before anything happens.
  package func begin(_ table: String) {
    did(MaintenanceReport(), on: table)
    counter("weir_maintenance_failures_total", table).increment(by: 0)
  }

  /// A round was done.
  package func did(_ report: MaintenanceReport, on table: String) {
    let totals: [(String, Int64)] = [
      ("weir_maintenance_compactions_total", Int64(report.compactedGroups)),
      ("weir_maintenance_conflicts_total", Int64(report.conflictedGroups)),
      ("weir_maintenance_files_rewritten_total", Int64(report.compactedFiles)),
      ("weir_maintenance_files_written_total", Int64(report.writtenFiles)),
      ("weir_maintenance_bytes_rewritten_total", report.rewrittenBytes),
      ("weir_maintenance_manifests_rewritten_total", Int64(report.rewrittenManifests)),
      ("weir_maintenance_snapshots_expired_total", Int64(report.expiredSnapshots)),
      ("weir_maintenance_files_deleted_total", Int64(report.deletedFiles)),
      ("weir_maintenance_orphans_total", Int64(report.orphans.count)),
      ("weir_maintenance_problems_total", Int64(report.problems.count))
    ]
    for (name, value) in totals { counter(name, table).increment(by: value) }
  }

  /// A round ended early.
  package func failed(_ table: String) { counter("weir_maintenance_failures_total", table).increment() }

  /// A round took so long.
  package func took(_ seconds: Double, on table: String) {
    Metrics.Timer(label: "weir_maintenance_duration_seconds", dimensions: [("job", job), ("table", table)])
      .recordSeconds(seconds)
  }

  /// The table's present state, as far as its metadata tells.
  package func observe(_ metadata: TableMetadata, of table: String) {
    gauge("weir_table_snapshots", table, Double(metadata.snapshots.count))
    let summary = metadata.snapshots.last { $0.snapshotID == metadata.currentSnapshotID }?.summary ?? [:]
    for (name, entry) in [
      ("weir_table_data_files", "total-data-files"), ("weir_table_bytes", "total-files-size"),
      ("weir_table_rows", "total-records")
    ] {
      if let value = summary[entry].flatMap(Double.init) { gauge(name, table, value) }
    }
  }

  private func counter(_ name: String, _ table: String) -> Counter {
    Counter(label: name, dimensions: [("job", job), ("table", table)])
  }

  private func gauge(_ name: String, _ table: String, _ value: Double) {
    Gauge(label: name, dimensions: [("job", job), ("table", table)]).record(value)
  }
}
