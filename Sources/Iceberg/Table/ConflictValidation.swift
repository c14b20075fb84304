/// Looks for what others committed meanwhile and a change cannot live with. All failures have kind `conflict`, and end
/// the attempts: the caller must plan the change anew.
struct ConflictValidation: Sendable {
  private let metadata: TableMetadata
  private let head: Snapshot?
  private let loader: ManifestLoader

  init(_ table: LoadedTable, branch: String, context: ChangeContext) {
    metadata = table.metadata
    head = table.metadata.base(of: branch)
    loader = ManifestLoader(table, concurrency: context.concurrency)
  }

  /// None of the data files is live.
  func requireNotLive(_ paths: [String]) async throws(IcebergError) {
    let wanted = Set(paths)
    guard let head else { return }
    let manifests = try await loader.manifests(of: head).filter { $0.content == .data && $0.mayHaveLiveFiles }
    let found = try await firstMatches(in: manifests) { entries in
      entries.first { wanted.contains($0.file.filePath) }.map { [$0.file.filePath] } ?? []
    }
    if let path = found.first {
      throw IcebergError(
        .conflict, "the file \(path) is in the table already; adding it again would double its rows: leave it out")
    }
  }

  /// All of the data files are live.
  func requireLive(_ paths: Set<String>) async throws(IcebergError) {
    guard !paths.isEmpty else { return }
    var missing = paths
    if let head {
      let manifests = try await loader.manifests(of: head).filter { $0.content == .data && $0.mayHaveLiveFiles }
      missing.subtract(
        try await firstMatches(in: manifests) { entries in
          entries.map(\.file.filePath).filter { paths.contains($0) }
        })
    }
    if let path = missing.min() {
      throw IcebergError(
        .conflict,
        "the deletes refer to the data file \(path), which is not part of the table any more: find the rows again")
    }
  }

  /// No data file has a live deletion vector besides those that are replaced.
  func requireNoOtherVector(for paths: Set<String>, except replaced: Set<FileKey>) async throws(IcebergError) {
    guard !paths.isEmpty, let head else { return }
    let manifests = try await loader.manifests(of: head).filter { $0.content == .deletes && $0.mayHaveLiveFiles }
    let found = try await firstMatches(in: manifests) { entries in
      entries.filter { entry in
        entry.file.contentOffset != nil && !replaced.contains(FileKey(entry.file))
          && (entry.file.referencedDataFile.map(paths.contains) ?? false)
      }.compactMap(\.file.referencedDataFile)
    }
    if let path = found.min() {
      throw IcebergError(
        .conflict,
        "the data file \(path) has a deletion vector already, which this commit does not replace: merge both")
    }
  }

  /// Nobody added data files that `predicate` may match.
  func requireNoNewData(since start: Int64?, matching predicate: Predicate) async throws(IcebergError) {
    let evaluator = InclusiveMetricsEvaluator(predicate, specs: loader.specs, schemas: loader.schemas)
    let entries = try await added(since: start, content: .data, operations: ["append", "overwrite"])
    if let entry = entries.first(where: { evaluator.mayMatch($0.file) }) {
      throw IcebergError(
        .conflict,
        "another commit (snapshot \(entry.snapshotID ?? 0)) added \(entry.file.filePath), which may have rows that "
          + "this change should have seen: plan it anew")
    }
  }

  /// Nobody added deletes in files that `predicate` may match.
  func requireNoNewDeletes(since start: Int64?, matching predicate: Predicate) async throws(IcebergError) {
    let evaluator = InclusiveMetricsEvaluator(predicate, specs: loader.specs, schemas: loader.schemas)
    let entries = try await added(since: start, content: .deletes, operations: ["overwrite", "delete"])
    let conflict = entries.first { entry in
      // The metrics of position deletes are those of paths and positions: only the partition tells.
      var file = entry.file
      if file.content == .positionDeletes {
        file.lowerBounds = nil
        file.upperBounds = nil
        file.nullValueCounts = nil
        file.valueCounts = nil
      }
      return evaluator.mayMatch(file)
    }
    if let conflict {
      throw IcebergError(
        .conflict,
        "another commit (snapshot \(conflict.snapshotID ?? 0)) added the deletes \(conflict.file.filePath), which may "
          + "concern rows that this change rewrites: plan it anew")
    }
  }

  /// Nobody deleted rows of these files by position.
  func requireNoNewPositionDeletes(of replaced: [ManifestEntry], since start: Int64) async throws(IcebergError) {
    guard !replaced.isEmpty, head?.snapshotID != start else { return }
    let paths = Set(replaced.map(\.file.filePath))
    let entries = try await added(since: start, content: .deletes, operations: nil)
    var others: [ManifestEntry] = []
    for entry in entries where entry.file.content == .positionDeletes {
      guard let target = entry.file.referencedDataFile else {
        others.append(entry)
        continue
      }
      if paths.contains(target) { throw rowsDeleted(target, by: entry) }
    }
    guard !others.isEmpty else { return }
    let index = try DeleteFileIndex(entries: others, specs: loader.specs, schemas: loader.schemas)
    for entry in replaced {
      if let delete = try index.deletes(for: entry).positionDeletes.first {
        throw rowsDeleted(entry.file.filePath, by: delete)
      }
    }
  }

  private func rowsDeleted(_ path: String, by entry: ManifestEntry) -> IcebergError {
    IcebergError(
      .conflict,
      "another commit (snapshot \(entry.snapshotID ?? 0)) deleted rows of \(path) by position while it was rewritten: "
        + "rewrite it anew")
  }

  /// The files that snapshots after `start` added and that were not added by a rewrite of the same rows.
  private func added(
    since start: Int64?, content: ManifestFile.Content, operations: Set<String>?
  ) async throws(IcebergError) -> [ManifestEntry] {
    var newer: [Snapshot] = []
    var found = start == nil
    for snapshot in metadata.ancestors(of: head?.snapshotID) {
      if snapshot.snapshotID == start {
        found = true
        break
      }
      newer.append(snapshot)
    }
    guard found else {
      throw IcebergError(
        .conflict,
        "snapshot \(start ?? 0), which the change was planned on, is not an ancestor of the table's state any more "
          + "(expired, or the table was rolled back): plan the change anew")
    }
    var manifests: [ManifestFile] = []
    var ids: Set<Int64> = []
    for snapshot in newer where operations?.contains(snapshot.summary["operation"] ?? "overwrite") ?? true {
      ids.insert(snapshot.snapshotID)
      for manifest in try await loader.manifests(of: snapshot)
      where manifest.content == content && manifest.addedSnapshotID == snapshot.snapshotID {
        manifests.append(manifest)
      }
    }
    var result: [ManifestEntry] = []
    for entries in try await loader.entries(ofAll: manifests, liveOnly: true) {
      result += entries.filter { $0.status == .added && ids.contains($0.snapshotID ?? 0) }
    }
    return result
  }

  /// What `match` finds in the live entries of manifests.
  private func firstMatches(
    in manifests: [ManifestFile], _ match: @escaping @Sendable ([ManifestEntry]) -> [String]
  ) async throws(IcebergError) -> Set<String> {
    let loader = loader
    let found = try await concurrentMap(manifests, limit: loader.concurrency) { manifest throws(IcebergError) in
      match(try await loader.entries(of: manifest, liveOnly: true))
    }
    return Set(found.flatMap { $0 })
  }
}
