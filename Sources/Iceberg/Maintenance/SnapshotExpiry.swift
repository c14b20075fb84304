/// Expires snapshots and removes the files that only they referred to.
public struct SnapshotExpiry: Sendable {
  /// What is expired.
  public var change: ExpireSnapshots
  /// Whether data and delete files are removed too; manifests and manifest lists always are.
  public var removesDataFiles: Bool
  /// How many files are read at a time.
  public var concurrency: Int

  /// An expiry.
  public init(_ change: ExpireSnapshots = ExpireSnapshots(), removesDataFiles: Bool = true, concurrency: Int = 4) {
    self.change = change
    self.removesDataFiles = removesDataFiles
    self.concurrency = concurrency
  }

  /// Commits the expiry, then removes files that no snapshot of the table's newest state refers to.
  ///
  /// A failure to read a retained manifest ends the removal before anything is deleted; what stays is an orphan, which
  /// ``OrphanRemoval`` finds.
  /// - Throws: what the commit throws; after the commit nothing is thrown, the report says what went wrong.
  public func run(
    _ table: inout Table, environment: CommitEnvironment = .system
  ) async throws(IcebergError) -> MaintenanceReport {
    let before = table.metadata
    let outcome = try await table.commit([change], environment: environment)
    var report = MaintenanceReport()
    guard outcome.result == .committed else { return report }
    let retained = Set(table.metadata.snapshots.map(\.snapshotID))
    let expired = before.snapshots.filter { !retained.contains($0.snapshotID) }
    report.expiredSnapshots = expired.count
    do throws(IcebergError) {
      let garbage = try await garbage(expired, before: before, after: table)
      try await delete(garbage, from: table.loaded.store, &report)
    } catch {
      report.problems.append("files of expired snapshots are left to the removal of orphans: \(error.message)")
    }
    return report
  }

  private struct Garbage {
    var lists: [String] = []
    var manifests: [String] = []
    var files: [String] = []
  }

  /// What only the expired snapshots refer to.
  private func garbage(
    _ expired: [Snapshot], before: TableMetadata, after table: Table
  ) async throws(IcebergError) -> Garbage {
    let reachable = ReachableFiles(store: table.loaded.store, concurrency: concurrency)
    let after = table.metadata
    let kept = try await reachable.manifests(of: after.snapshots, after)
    let keptKeys = Set(kept.keys.map { LocationKey($0) })
    let keptLists = Set(after.snapshots.compactMap(\.manifestList).map { LocationKey($0) })
    var result = Garbage()
    var readable: [Snapshot] = []
    for snapshot in expired {
      guard let list = snapshot.manifestList else {
        readable.append(snapshot)
        continue
      }
      guard !keptLists.contains(LocationKey(list)) else { continue }
      result.lists.append(list)
      if try await table.loaded.store.info(list) != nil { readable.append(snapshot) }
    }
    let gone = try await reachable.manifests(of: readable, before)
      .filter { !keptKeys.contains(LocationKey($0.key)) }
    result.manifests = gone.keys.sorted()
    let statistics = Set(ReachableFiles.statisticsFiles(after).map { LocationKey($0) })
    result.files = ReachableFiles.statisticsFiles(before).filter { !statistics.contains(LocationKey($0)) }
    guard removesDataFiles else { return result }
    var candidates: [LocationKey: String] = [:]
    var present: [ManifestFile] = []
    for path in result.manifests {
      guard let manifest = gone[path], try await table.loaded.store.info(path) != nil else { continue }
      present.append(manifest)
    }
    try await reachable.forEachManifest(present, before, liveOnly: false) { entries in
      for entry in entries { candidates[LocationKey(entry.file.filePath)] = entry.file.filePath }
    }
    guard !candidates.isEmpty else { return result }
    let live = kept.values.sorted { $0.manifestPath < $1.manifestPath }
    try await reachable.forEachManifest(live, after, liveOnly: true) { entries in
      for entry in entries { candidates[LocationKey(entry.file.filePath)] = nil }
    }
    result.files += candidates.values.sorted()
    return result
  }

  /// Data files first, lists last: a failure in between leaves what is needed to find the rest.
  private func delete(
    _ garbage: Garbage, from store: any ObjectStore, _ report: inout MaintenanceReport
  ) async throws(IcebergError) {
    try await store.delete(garbage.files)
    report.deletedFiles += garbage.files.count
    try await store.delete(garbage.manifests)
    report.deletedManifests += garbage.manifests.count
    try await store.delete(garbage.lists)
    report.deletedManifestLists += garbage.lists.count
  }
}
