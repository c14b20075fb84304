import Logging

/// Removes the files of a table that its catalog has forgotten.
struct TablePurge {
  /// Locations are removed so many at a time.
  private static let batchSize = 500

  let store: any ObjectStore
  let logger: Logger

  /// Removes everything below `data` and `metadata` of the table's location, or below the directories that
  /// `write.data.path` and `write.metadata.path` name. Other tables' directories in there are left alone, and so are
  /// data files when `gc.enabled` is false.
  ///
  /// The table is gone already, so a failure is only logged: the files that are left are orphans.
  func run(_ metadata: TableMetadata, metadataLocation: String) async {
    do {
      let location = Locations.strippingSlash(metadata.location)
      let metadataDirectory = MetadataFiles.directory(metadata)
      if metadata.properties["gc.enabled"]?.lowercased() != "false" {
        var directories = ["\(location)/data"]
        for name in ["write.data.path", "write.object-storage.path", "write.folder-storage.path"] {
          if let directory = metadata.properties[name] { directories.append(Locations.strippingSlash(directory)) }
        }
        for directory in directories { try await remove(below: directory, own: metadataDirectory) }
      }
      // The current file goes last: as long as it is there, the rest can be found.
      try await store.delete(metadata.metadataLog.map(\.metadataFile))
      try await remove(below: metadataDirectory, own: metadataDirectory, except: metadataLocation)
      if !Locations.areEqual(metadataDirectory, "\(location)/metadata") {
        try await remove(below: "\(location)/metadata", own: metadataDirectory, except: metadataLocation)
      }
      try await store.delete([metadataLocation])
    } catch {
      logger.warning(
        "a dropped table's files were not all removed",
        metadata: ["location": "\(metadata.location)", "error": "\(error)"])
    }
  }

  /// Removes the objects below `directory`, but not those of tables that have their own directory in it.
  private func remove(
    below directory: String, own metadataDirectory: String, except kept: String? = nil
  ) async throws(IcebergError) {
    let nested = try await nestedTables(below: directory, own: metadataDirectory)
    var token: String?
    var batch: [String] = []
    repeat {
      let page = try await store.list(prefix: "\(directory)/", after: token)
      for object in page.objects where object.location != kept && !nested.contains(where: object.location.hasPrefix) {
        batch.append(object.location)
      }
      token = page.next
      if batch.count >= Self.batchSize {
        try await store.delete(batch)
        batch = []
      }
    } while token != nil
    try await store.delete(batch)
  }

  /// The directories, with a slash, of tables whose metadata is below `directory`.
  private func nestedTables(below directory: String, own: String) async throws(IcebergError) -> [String] {
    var found: Set<String> = []
    var token: String?
    repeat {
      let page = try await store.list(prefix: "\(directory)/", after: token)
      for object in page.objects where object.location.hasSuffix(".metadata.json") {
        var parts = object.location.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast()
        let parent = parts.joined(separator: "/")
        guard !Locations.areEqual(parent, own), !Locations.areEqual(parent, directory), parts.last == "metadata" else {
          continue
        }
        parts.removeLast()
        found.insert(parts.joined(separator: "/") + "/")
      }
      token = page.next
    } while token != nil
    return found.sorted()
  }
}
