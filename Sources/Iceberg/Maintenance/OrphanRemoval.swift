/// Removes files in a table's directories that no state of the table refers to: what crashed writers left.
public struct OrphanRemoval: Sendable {
  /// How old a file must be before it counts as an orphan, in milliseconds: younger ones may belong to commits to come.
  public var graceMilliseconds: Int64
  /// Files and directories (prefixes) that are never touched: those of pending commits.
  public var protected: [String]
  /// Only reports what would be removed.
  public var isDryRun: Bool
  /// How many files are read at a time.
  public var concurrency: Int

  /// A removal; three days of grace unless told otherwise.
  public init(
    graceMilliseconds: Int64 = 3 * 86_400_000, protected: [String] = [], isDryRun: Bool = false, concurrency: Int = 4
  ) {
    self.graceMilliseconds = graceMilliseconds
    self.protected = protected
    self.isDryRun = isDryRun
    self.concurrency = concurrency
  }

  /// Looks for orphans and removes them.
  ///
  /// Only the table's own location is listed; nothing is deleted when part of what the table refers to is unreadable.
  /// - Throws: kind `invalid` when `gc.enabled` is false, and what reading throws.
  public func run(
    _ table: inout Table, environment: CommitEnvironment = .system
  ) async throws(IcebergError) -> MaintenanceReport {
    guard TableSettings(table.metadata).allowsGarbageCollection else {
      throw IcebergError(.invalid, "the property gc.enabled of \(table.identifier) is false: its files must stay")
    }
    let limit = environment.nowMilliseconds() &- max(0, graceMilliseconds)
    var candidates = try await candidates(table, olderThan: limit)
    var report = MaintenanceReport()
    guard !candidates.isEmpty else { return report }
    // The state is read after the listing: what was committed in between is seen.
    try await table.refresh()
    try await subtractReachable(&candidates, table)
    report.orphans = candidates.values.sorted()
    guard !isDryRun else { return report }
    var start = 0
    while start < report.orphans.count {
      let end = min(report.orphans.count, start + 1000)
      try await table.loaded.store.delete(Array(report.orphans[start..<end]))
      start = end
    }
    report.deletedFiles = report.orphans.count
    return report
  }

  /// Old files below the table's location, protected ones left out.
  private func candidates(_ table: Table, olderThan limit: Int64) async throws(IcebergError) -> [LocationKey: String] {
    let keys = protected.map { LocationKey($0).text }
    var result: [LocationKey: String] = [:]
    // Data and metadata paths outside of the location may be shared with other tables: they are not looked through.
    var after: String?
    repeat {
      let page = try await table.loaded.store.list(prefix: table.metadata.location + "/", after: after)
      for object in page.objects where object.modifiedMilliseconds < limit {
        let key = LocationKey(object.location)
        if keys.contains(where: { key.text.hasPrefix($0) }) || Self.isKept(key.text) { continue }
        result[key] = object.location
      }
      after = page.next
    } while after != nil
    return result
  }

  /// Files that belong to the directory rather than to a state: hints of file-system catalogs, hidden files, but not
  /// those of ours that a crash left half written.
  private static func isKept(_ path: String) -> Bool {
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    if LocalFiles.isTemporary(name) { return false }
    return name.hasPrefix("version-hint") || name.hasPrefix(".") || name.hasPrefix("_")
  }

  /// Takes out what any retained state refers to.
  private func subtractReachable(
    _ candidates: inout [LocationKey: String], _ table: Table
  ) async throws(IcebergError) {
    let metadata = table.metadata
    func keep(_ location: String) { candidates[LocationKey(location)] = nil }
    keep(table.loaded.metadataLocation)
    metadata.metadataLog.forEach { keep($0.metadataFile) }
    ReachableFiles.statisticsFiles(metadata).forEach(keep)
    let reachable = ReachableFiles(store: table.loaded.store, concurrency: concurrency)
    var snapshots = metadata.snapshots
    var known = Set(snapshots.map(\.snapshotID))
    // Older metadata files may be read by somebody, for time travel: what they refer to stays as long as they do.
    for entry in metadata.metadataLog {
      guard let older = try await olderMetadata(entry.metadataFile, table) else { continue }
      ReachableFiles.statisticsFiles(older).forEach(keep)
      for snapshot in older.snapshots where known.insert(snapshot.snapshotID).inserted {
        guard let list = snapshot.manifestList else {
          // The manifests of an old v1 table's expired snapshot are gone already, as a rule.
          var isReadable = true
          for manifest in snapshot.manifests ?? [] where isReadable {
            keep(manifest)
            isReadable = try await table.loaded.store.info(manifest) != nil
          }
          if isReadable { snapshots.append(snapshot) }
          continue
        }
        keep(list)
        // An expired snapshot's list is gone already, as a rule.
        if try await table.loaded.store.info(list) != nil { snapshots.append(snapshot) }
      }
    }
    snapshots.compactMap(\.manifestList).forEach(keep)
    var manifests: [ManifestFile] = []
    for manifest in try await reachable.manifests(of: snapshots, metadata).values {
      keep(manifest.manifestPath)
      manifests.append(manifest)
    }
    let current = Set(
      try await reachable.manifests(of: metadata.snapshots, metadata).keys)
    var readable: [ManifestFile] = []
    for manifest in manifests.sorted(by: { $0.manifestPath < $1.manifestPath }) {
      if current.contains(manifest.manifestPath) {
        readable.append(manifest)
      } else if try await table.loaded.store.info(manifest.manifestPath) != nil {
        readable.append(manifest)
      }
    }
    try await reachable.forEachManifest(readable, metadata, liveOnly: false) { entries in
      for entry in entries { keep(entry.file.filePath) }
    }
  }

  /// An older state; `nil` when it was removed.
  private func olderMetadata(_ location: String, _ table: Table) async throws(IcebergError) -> TableMetadata? {
    do throws(IcebergError) {
      let bytes = try await table.loaded.store.read(location, range: nil)
      return try TableMetadata(parsing: bytes, location: location)
    } catch {
      if error.kind == .notFound { return nil }
      throw error
    }
  }
}
