/// Gathers small manifests into greater ones, their files ordered by partition, so that scans read fewer of them.
public struct RewriteManifests: TableChange {
  private var draft: SnapshotDraft
  private var written: [String: [ManifestFile]] = [:]
  /// How many small manifests there must be.
  public var minimumCount: Int

  /// A rewrite of manifests that are smaller than half of `commit.manifest.target-size-bytes`.
  public init(minimumCount: Int = 10, branch: String = "main") {
    draft = SnapshotDraft(branch: branch)
    self.minimumCount = max(2, minimumCount)
  }

  /// The files that planning wrote.
  public var writtenFiles: [String] { draft.writtenFiles }

  /// Plans the rewrite; nothing is to be done when there are few small manifests.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    guard let parent = table.metadata.head(of: draft.branch) else { return nil }
    try draft.prepare(table.metadata, context: context)
    let loader = ManifestLoader(table, concurrency: context.concurrency)
    let manifests = try await loader.manifests(of: parent)
    let live = manifests.filter(\.mayHaveLiveFiles)
    let groups = try SmallManifests.find(live, minimumCount: minimumCount, metadata: table.metadata)
    guard !groups.isEmpty else { return nil }
    var summary = SnapshotSummary()
    var created: [ManifestFile] = []
    var replaced: Set<String> = []
    var entryCount = 0
    for group in groups.keys.sorted() {
      let sources = groups[group] ?? []
      replaced.formUnion(sources.map(\.manifestPath))
      let new = try await rewrite(sources, group: group, table: table, loader: loader)
      created += new
      entryCount += new.reduce(0) { $0 + ($1.existingFilesCount ?? 0) }
    }
    let kept = live.filter { !replaced.contains($0.manifestPath) }
    summary.extra = [
      "manifests-created": String(created.count), "manifests-replaced": String(replaced.count),
      "manifests-kept": String(kept.count), "entries-processed": String(entryCount),
      "weir.commit-id": context.commitID
    ]
    let all = created + kept
    let parts = SnapshotDraft.SnapshotParts(
      manifests: all.filter { $0.content == .data } + all.filter { $0.content == .deletes }, operation: "replace",
      summary: summary, parent: parent)
    return try await draft.finish(parts, on: table, context: context)
  }

  private mutating func rewrite(
    _ sources: [ManifestFile], group: ManifestGroup, table: LoadedTable, loader: ManifestLoader
  ) async throws(IcebergError) -> [ManifestFile] {
    let key = sources.map(\.manifestPath).joined(separator: "\n")
    if let known = written[key] { return known }
    var entries: [ManifestEntry] = []
    for read in try await loader.entries(ofAll: sources, liveOnly: true) {
      for var entry in read {
        entry.status = .existing
        entries.append(entry)
      }
    }
    entries.sort { Self.precedes($0.file.partition, $1.file.partition) }
    let result = try await draft.writeManifests(entries, group: group, table: table)
    written[key] = result
    return result
  }

  private static func precedes(_ left: PartitionTuple, _ right: PartitionTuple) -> Bool {
    for (a, b) in zip(left.values, right.values) {
      switch (a, b) {
      case (nil, nil): continue
      case (nil, _): return true
      case (_, nil): return false
      case (let a?, let b?):
        let order = Literal.compare(a, b)
        if order != 0 { return order < 0 }
      }
    }
    return false
  }
}
