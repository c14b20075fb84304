/// Which files states of a table refer to.
package struct ReachableFiles: Sendable {
  private let store: any ObjectStore
  private let concurrency: Int

  package init(store: any ObjectStore, concurrency: Int = 4) {
    self.store = store
    self.concurrency = max(1, concurrency)
  }

  /// The manifests of snapshots, each once, with what is needed to read them.
  package func manifests(
    of snapshots: [Snapshot], _ metadata: TableMetadata
  ) async throws(IcebergError) -> [String: ManifestFile] {
    let loader = loader(metadata)
    let lists = try await concurrentMap(snapshots, limit: concurrency) { snapshot throws(IcebergError) in
      try await loader.manifests(of: snapshot)
    }
    var result: [String: ManifestFile] = [:]
    for manifest in lists.joined() { result[manifest.manifestPath] = manifest }
    return result
  }

  /// Calls `body` with the entries of each manifest, some at a time, so that not all are in memory at once.
  package func forEachManifest(
    _ manifests: [ManifestFile], _ metadata: TableMetadata, liveOnly: Bool, _ body: ([ManifestEntry]) -> Void
  ) async throws(IcebergError) {
    let loader = loader(metadata)
    var start = 0
    while start < manifests.count {
      let end = min(manifests.count, start + concurrency)
      let some = Array(manifests[start..<end])
      for entries in try await loader.entries(ofAll: some, liveOnly: liveOnly) { body(entries) }
      start = end
    }
  }

  private func loader(_ metadata: TableMetadata) -> ManifestLoader {
    ManifestLoader(
      LoadedTable(
        identifier: TableIdentifier(Namespace([]), ""), metadata: metadata, metadataLocation: "", store: store),
      concurrency: concurrency)
  }

  /// The locations of files with statistics, which the metadata keeps as they came.
  package static func statisticsFiles(_ metadata: TableMetadata) -> [String] {
    (metadata.statistics + metadata.partitionStatistics).compactMap { value in
      guard case .object(let members) = value,
        case .string(let path)? = members.first(where: { $0.name == "statistics-path" })?.value
      else { return nil }
      return path
    }
  }
}
