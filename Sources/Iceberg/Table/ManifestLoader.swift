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
    guard let location = snapshot.manifestList else {
      guard snapshot.manifests?.isEmpty ?? true else {
        throw IcebergError(
          .unsupported,
          "snapshot \(snapshot.snapshotID) lists its manifests in the metadata file, as old v1 tables do; rewrite the "
            + "table with a writer that makes manifest lists")
      }
      return []
    }
    let bytes = try await store.read(location, range: nil)
    return try ManifestListReader.read(bytes, path: location)
  }

  /// The entries of a manifest.
  package func entries(of manifest: ManifestFile, liveOnly: Bool) async throws(IcebergError) -> [ManifestEntry] {
    let bytes = try await store.read(manifest.manifestPath, range: nil)
    return try ManifestReader.read(bytes, manifest: manifest, specs: specs, schemas: schemas, liveOnly: liveOnly)
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
