import Columnar
import Iceberg
import Parquet

/// The committed content of a table.
public struct CommittedRows: Hashable, Sendable {
  /// The columns' names.
  public var columns: [String]
  /// The job's rows: a value for each column.
  public var own: [[Value]] = []
  /// The rows of strangers.
  public var foreign: [[Value]] = []
}

/// What checkers look at.
extension IcebergPeer {
  /// The committed rows of a table, deletes applied; `nil` when the table does not exist.
  public func rows(_ name: String) async throws -> CommittedRows? {
    guard let table = try await calmTable(name) else { return nil }
    let scan = try TableScan(table)
    var result = CommittedRows(columns: scan.schema.fields.map(\.name))
    let marking = Self.markingColumn(scan.schema)
    for task in try await scan.plan() {
      var reader = try await scan.open(task)
      while let batch = try await reader.next() {
        for row in 0..<batch.rowCount {
          let values = batch.columns.map { Self.value($0, row) }
          if marking.map({ Self.isForeign(values[$0]) }) ?? false {
            result.foreign.append(values)
          } else {
            result.own.append(values)
          }
        }
      }
    }
    return result
  }

  /// The objects in a table's directory that no retained state of the table refers to.
  public func orphans(_ name: String) async throws -> [String] {
    guard var table = try await calmTable(name) else { return [] }
    var environment = calmEnvironment
    environment.nowMilliseconds = { .max }
    return try await OrphanRemoval(graceMilliseconds: 0, isDryRun: true).run(&table, environment: environment).orphans
  }

  /// The objects that retained snapshots of a table refer to and that are not there.
  public func missing(_ name: String) async throws -> [String] {
    guard let table = try await calmTable(name) else { return [] }
    let lists = table.metadata.snapshots.compactMap(\.manifestList)
    if let gone = lists.first(where: { store.object($0) == nil }) { return [gone] }
    let reachable = ReachableFiles(store: table.loaded.store)
    let manifests = try await reachable.manifests(of: table.metadata.snapshots, table.metadata).values
      .sorted { $0.manifestPath < $1.manifestPath }
    var wanted = Set(manifests.map(\.manifestPath))
    let present = manifests.filter { store.object($0.manifestPath) != nil }
    try await reachable.forEachManifest(present, table.metadata, liveOnly: true) { entries in
      for entry in entries { wanted.insert(entry.file.filePath) }
    }
    return wanted.filter { store.object($0) == nil }.sorted()
  }

  /// A table on a catalog to which nothing happens; `nil` when it does not exist.
  public func calmTable(_ name: String) async throws(IcebergError) -> Table? {
    do throws(IcebergError) {
      return try await Table(Self.identifier(name), in: calm)
    } catch {
      guard error.kind == .notFound else { throw error }
      return nil
    }
  }

  /// The column that tells strangers' rows from the job's: the first text, else the first whole number.
  private static func markingColumn(_ schema: TableSchema) -> Int? {
    schema.fields.firstIndex { $0.type == .string && !$0.name.hasPrefix("stranger_") }
      ?? schema.fields.firstIndex { $0.type == .long }
  }

  private static func isForeign(_ value: Value) -> Bool {
    switch value {
    case .bytes(let bytes): bytes.starts(with: ForeignWriter.mark.utf8)
    case .int64(let number): number <= ForeignWriter.numberLimit
    default: false
    }
  }

  private static func value(_ array: ParquetArray, _ row: Int) -> Value {
    guard case .leaf(let column) = array else { return .null }
    return column.value(row)
  }
}

/// Maintenance, as a process does it beside the job.
extension IcebergPeer {
  /// What maintenance does; all times are virtual.
  public struct Upkeep: Sendable {
    /// How many files of a partition are worth compacting.
    public var minimumInputFiles = 3
    /// How old snapshots may be.
    public var snapshotMilliseconds: Int64 = 30_000
    /// How many snapshots stay.
    public var minimumSnapshots = 3
    /// How old files must be to count as orphans: more than any process takes from an upload to its checkpoint.
    public var orphanMilliseconds: Int64 = 600_000

    /// The usual upkeep.
    public init() {}
  }

  /// Compacts, gathers manifests, expires snapshots, removes orphans: one after the other, each of which may fail.
  ///
  /// - Parameters:
  ///   - name: `namespace.name`; a table that does not exist is left alone.
  ///   - process: It may die on the way.
  ///   - pending: The files of commits to come; orphans are not removed when it throws.
  /// - Returns: What was done, and what went wrong.
  public func maintain(
    _ name: String, _ upkeep: Upkeep = Upkeep(), process: SimulatedProcess,
    pending: @Sendable () async throws -> [String]
  ) async -> MaintenanceReport {
    var report = MaintenanceReport()
    let side = ProcessSide(self, process)
    do {
      var table = try await Table(Self.identifier(name), in: try await catalog(side))
      for step in [MaintenanceStep.compact, .rewriteManifests, .expireSnapshots, .removeOrphans] {
        if process.isDead { break }
        do {
          report.add(try await run(step, upkeep, &table, side.environment, pending))
        } catch {
          report.problems.append("\(step): \(error)")
        }
      }
    } catch {
      report.problems.append("\(error)")
    }
    return report
  }

  private func run(
    _ step: MaintenanceStep, _ upkeep: Upkeep, _ table: inout Table, _ environment: CommitEnvironment,
    _ pending: @Sendable () async throws -> [String]
  ) async throws -> MaintenanceReport {
    switch step {
    case .compact:
      let policy = CompactionPolicy(minimumInputFiles: upkeep.minimumInputFiles)
      return try await Compaction(policy, scratchDirectory: "maintenance").run(&table, environment: environment)
    case .rewriteManifests:
      try await table.refresh()
      try await table.commit([RewriteManifests(minimumCount: upkeep.minimumInputFiles)], environment: environment)
      return MaintenanceReport()
    case .expireSnapshots:
      let change = ExpireSnapshots(
        olderThanMilliseconds: environment.nowMilliseconds() - upkeep.snapshotMilliseconds,
        minimumSnapshotsToKeep: upkeep.minimumSnapshots)
      return try await SnapshotExpiry(change).run(&table, environment: environment)
    case .removeOrphans:
      // The files are asked for before the listing, as the service does it.
      let removal = OrphanRemoval(graceMilliseconds: upkeep.orphanMilliseconds, protected: try await pending())
      return try await removal.run(&table, environment: environment)
    }
  }
}
