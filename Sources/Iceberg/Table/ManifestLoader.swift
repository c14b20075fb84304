/// Reads manifest lists and manifests of a table, several at a time.
package struct ManifestLoader: Sendable {
  package var store: any ObjectStore
  package var specs: [Int: PartitionSpec]
  package var schemas: [TableSchema]
  package var concurrency: Int

  package init(_ table: LoadedTable, concurrency: Int) {
    store = table.store
    specs = table.metadata.specsByID
    schemas = table.metadata.schemasCurrentFirst
    self.concurrency = max(1, concurrency)
  }

  /// The manifests of a snapshot.
  package func manifests(of snapshot: Snapshot) async throws(IcebergError) -> [ManifestFile] {
    guard let location = snapshot.manifestList else { return try await inlineManifests(of: snapshot) }
    let bytes = try await read(location, "the manifest list of snapshot \(snapshot.snapshotID)")
    let manifests = try ManifestListReader.read(bytes, path: location)
    // A list that was cut after its header looks like one of a table without rows.
    if manifests.isEmpty, let files = snapshot.summary["total-data-files"].flatMap({ Int64($0) }), files > 0 {
      throw IcebergError(
        .corrupt,
        "\(location) names no manifests, but snapshot \(snapshot.snapshotID) has \(files) data files: the list was cut")
    }
    return manifests
  }

  /// The manifests that old v1 tables list in the metadata file; what a manifest list would say is read from them.
  private func inlineManifests(of snapshot: Snapshot) async throws(IcebergError) -> [ManifestFile] {
    let loader = self
    return try await concurrentMap(snapshot.manifests ?? [], limit: concurrency) { path throws(IcebergError) in
      let bytes = try await loader.read(path, "a manifest of snapshot \(snapshot.snapshotID)")
      let header = try AvroFileReader(bytes, path: path).header.metadata
      let manifest = ManifestFile(
        manifestPath: path, manifestLength: Int64(bytes.count),
        specID: header["partition-spec-id"].flatMap { Int($0) } ?? 0, content: .data, sequenceNumber: 0,
        minimumSequenceNumber: 0, addedSnapshotID: snapshot.snapshotID)
      return manifest.counting(
        try ManifestReader.read(bytes, manifest: manifest, specs: loader.specs, schemas: loader.schemas))
    }
  }

  /// The entries of a manifest.
  package func entries(of manifest: ManifestFile, liveOnly: Bool) async throws(IcebergError) -> [ManifestEntry] {
    let bytes = try await read(manifest.manifestPath, "a manifest")
    // Between two blocks a cut would not be seen. Longer than its list says it is only by a fault of its writer.
    guard Int64(bytes.count) >= manifest.manifestLength else {
      throw IcebergError(
        .corrupt,
        "\(manifest.manifestPath) has \(bytes.count) bytes, its manifest list says \(manifest.manifestLength): it was cut"
      )
    }
    return try ManifestReader.read(bytes, manifest: manifest, specs: specs, schemas: schemas, liveOnly: liveOnly)
  }

  private func read(_ location: String, _ what: String) async throws(IcebergError) -> [UInt8] {
    do throws(IcebergError) {
      return try await store.read(location, range: nil)
    } catch {
      guard error.kind == .notFound else { throw error }
      throw IcebergError(
        .notFound,
        "\(location), \(what), is not there: the snapshot was expired meanwhile, or files of the table are lost "
          + "(\(error.message))")
    }
  }

  /// The entries of manifests, in their order.
  package func entries(ofAll manifests: [ManifestFile], liveOnly: Bool) async throws(IcebergError) -> [[ManifestEntry]]
  {
    let loader = self
    return try await concurrentMap(manifests, limit: concurrency) { manifest throws(IcebergError) in
      try await loader.entries(of: manifest, liveOnly: liveOnly)
    }
  }

  /// The live files of a snapshot whose content is wanted.
  package func liveEntries(of snapshot: Snapshot?, content: ManifestFile.Content) async throws(IcebergError)
    -> [ManifestEntry]
  {
    guard let snapshot else { return [] }
    let manifests = try await manifests(of: snapshot).filter { $0.content == content && $0.mayHaveLiveFiles }
    var result: [ManifestEntry] = []
    for entries in try await entries(ofAll: manifests, liveOnly: true) { result += entries }
    return result
  }
}

extension ManifestFile {
  /// Whether a file of the manifest may be live.
  package var mayHaveLiveFiles: Bool { (addedFilesCount ?? 1) > 0 || (existingFilesCount ?? 1) > 0 }

  /// The manifest with the counts of its entries, and the snapshot that added it as far as they say it.
  fileprivate func counting(_ entries: [ManifestEntry]) -> ManifestFile {
    func rows(_ status: ManifestEntry.Status) -> Int64 {
      entries.reduce(0) { $1.status == status ? $0 &+ $1.file.recordCount : $0 }
    }
    func files(_ status: ManifestEntry.Status) -> Int { entries.count { $0.status == status } }
    var result = self
    (result.addedFilesCount, result.addedRowsCount) = (files(.added), rows(.added))
    (result.existingFilesCount, result.existingRowsCount) = (files(.existing), rows(.existing))
    (result.deletedFilesCount, result.deletedRowsCount) = (files(.deleted), rows(.deleted))
    result.addedSnapshotID = entries.first { $0.status != .existing }?.snapshotID ?? addedSnapshotID
    return result
  }
}

/// The results of `operation` for all elements, in their order; at most `limit` run at a time.
package func concurrentMap<Element: Sendable, Output: Sendable>(
  _ elements: [Element], limit: Int,
  _ operation: @escaping @Sendable (Element) async throws(IcebergError) -> Output
) async throws(IcebergError) -> [Output] {
  let outcome = await withTaskGroup(of: IndexedResult<Output>.self) { group in
    var results = [Output?](repeating: nil, count: elements.count)
    var failure: IcebergError?
    var next = 0
    func addTask(_ group: inout TaskGroup<IndexedResult<Output>>) {
      let index = next
      next += 1
      group.addTask { await IndexedResult(index: index, element: elements[index], operation) }
    }
    while next < min(limit, elements.count) { addTask(&group) }
    while let done = await group.next() {
      switch done.result {
      case .success(let output): results[done.index] = output
      case .failure(let error): failure = failure ?? error
      }
      if failure == nil, next < elements.count { addTask(&group) }
      if failure != nil { group.cancelAll() }
    }
    return ConcurrentOutcome(results: results, failure: failure)
  }
  if let failure = outcome.failure { throw failure }
  return outcome.results.compactMap { $0 }
}

private struct ConcurrentOutcome<Output: Sendable>: Sendable {
  var results: [Output?]
  var failure: IcebergError?
}

private struct IndexedResult<Output: Sendable>: Sendable {
  var index: Int
  var result: Result<Output, IcebergError>

  init<Element: Sendable>(
    index: Int, element: Element, _ operation: @Sendable (Element) async throws(IcebergError) -> Output
  ) async {
    self.index = index
    do throws(IcebergError) {
      result = .success(try await operation(element))
    } catch {
      result = .failure(error)
    }
  }
}
