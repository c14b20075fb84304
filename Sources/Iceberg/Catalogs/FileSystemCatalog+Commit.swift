import Logging

/// Versions: how they are found and added.
extension FileSystemCatalog {
  /// Applies the changes of one table.
  /// - Throws: kind `unsupported` for several tables.
  public func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    guard commits.count <= 1 else {
      throw IcebergError(.unsupported, "a file system catalog commits one table at a time, got \(commits.count)")
    }
    guard let commit = commits.first else { return [] }
    let (table, versions, version) = try await load(commit.identifier)
    try table.metadata.check(commit.requirements)
    guard !commit.updates.isEmpty else { return [table] }
    let metadata = try table.metadata.applying(
      commit.updates, now: environment.nowMilliseconds(), previousLocation: version.location)
    guard metadata != table.metadata else { return [table] }
    try checkPlace(metadata, commit.identifier)
    // Compressed as the version before says: all who commit after it then want the same name, and only one gets it.
    let isCompressed = try MetadataFiles.isCompressed(table.metadata)
    let next = FileSystemVersions.Version(
      number: version.number + 1, location: versions.location(version.number + 1, isCompressed: isCompressed))
    _ = try MetadataFiles.isCompressed(metadata)  // An unknown codec is refused before it is in force.
    do {
      try await write(next, metadata.serialized(compressed: isCompressed))
    } catch  where error.kind == .alreadyExists {
      throw IcebergError(
        .conflict, "table \(commit.identifier) was changed by another commit meanwhile; refresh and try again")
    }
    try await checkSuccession(versions, next, written: metadata, commit.identifier)
    await writeHint(versions, next.number)
    await removeSuperseded(MetadataFiles.superseded(by: metadata, from: table.metadata), commit.identifier)
    return [
      LoadedTable(
        identifier: commit.identifier, metadata: metadata, metadataLocation: next.location, store: store)
    ]
  }

  /// The newest version with its content.
  func load(
    _ identifier: TableIdentifier
  ) async throws(IcebergError) -> (
    table: LoadedTable, versions: FileSystemVersions, version: FileSystemVersions.Version
  ) {
    let versions = FileSystemVersions(directory: try directory(identifier), store: store)
    var lastMissing: FileSystemVersions.Version?
    while true {
      guard let version = try await versions.current() else {
        throw IcebergError(.notFound, "table \(identifier) is not in \(warehouse)")
      }
      do {
        let metadata = try await MetadataFiles.read(version.location, store)
        let table = LoadedTable(
          identifier: identifier, metadata: metadata, metadataLocation: version.location, store: store)
        return (table, versions, version)
      } catch  where error.kind == .notFound && version != lastMissing {
        // Deleted between finding and reading it: others have committed since.
        lastMissing = version
      }
    }
  }

  /// Writes version 1 of a table.
  func writeFirst(_ identifier: TableIdentifier, _ metadata: TableMetadata) async throws(IcebergError) -> LoadedTable {
    try checkPlace(metadata, identifier)
    _ = try MetadataFiles.isCompressed(metadata)
    let versions = FileSystemVersions(directory: try directory(identifier), store: store)
    let exists = IcebergError(.alreadyExists, "table \(identifier) exists already")
    if try await versions.current() != nil { throw exists }
    // Never compressed, so that two who create the same table want the same name.
    let first = FileSystemVersions.Version(number: 1, location: versions.location(1, isCompressed: false))
    do {
      try await write(first, metadata.serialized(compressed: false))
    } catch  where error.kind == .alreadyExists {
      throw exists
    }
    await writeHint(versions, 1)
    return LoadedTable(identifier: identifier, metadata: metadata, metadataLocation: first.location, store: store)
  }

  /// As in Java: whoever finds tables by their directory cannot follow them elsewhere.
  private func checkPlace(_ metadata: TableMetadata, _ identifier: TableIdentifier) throws(IcebergError) {
    let location = try directory(identifier)
    guard Locations.areEqual(metadata.location, location) else {
      throw IcebergError(
        .invalid,
        "table \(identifier) must stay at \(location) in a file system catalog, not move to \(metadata.location)")
    }
    guard metadata.properties["write.metadata.path"] == nil else {
      throw IcebergError(.invalid, "write.metadata.path cannot be set in a file system catalog; remove the property")
    }
  }

  /// Writes a version that must not be there yet.
  private func write(_ version: FileSystemVersions.Version, _ bytes: [UInt8]) async throws(IcebergError) {
    do {
      _ = try await store.write(version.location, bytes, ifAbsent: true)
    } catch  where error.kind == .transient || error.kind == .unknownOutcome {
      // What is there now decides; when nothing is there, the write may still arrive.
      let found: [UInt8]
      do {
        found = try await store.read(version.location, range: nil)
      } catch let second {
        throw IcebergError(
          .unknownOutcome,
          "writing \(version.location): \(error.message); reading it back: \(second.message). Whether the commit was "
            + "applied is unknown: look at the table before trying again, delete nothing")
      }
      guard found == bytes else { throw IcebergError(.alreadyExists, "\(version.location) is there already") }
    }
  }

  /// Makes sure that the version that was just written is a state of the table at all: a writer that slept long may
  /// have filled the place of a version that others had superseded and deleted since.
  private func checkSuccession(
    _ versions: FileSystemVersions, _ version: FileSystemVersions.Version, written: TableMetadata,
    _ identifier: TableIdentifier
  ) async throws(IcebergError) {
    let isState: Bool
    do {
      isState = try await follows(versions, version, written: written)
    } catch {
      throw IcebergError(
        .unknownOutcome,
        "\(version.location) was written, but others have written since, and reading that failed: \(error.message)")
    }
    if isState { return }
    try await store.delete([version.location])
    throw IcebergError(
      .conflict,
      "table \(identifier) was far beyond version \(version.number) when that was written; refresh and try again")
  }

  private func follows(
    _ versions: FileSystemVersions, _ version: FileSystemVersions.Version, written: TableMetadata
  ) async throws(IcebergError) -> Bool {
    guard let hint = try await versions.hint(), hint > version.number, try await versions.find(hint) != nil else {
      return true
    }
    guard let follower = try await versions.find(version.number + 1) else {
      // Those who follow delete from the oldest on: they have not seen this file if it is still there.
      return try await store.info(version.location) == nil
    }
    // The name may be that of the deleted version: only the time tells them apart.
    return try await MetadataFiles.read(follower.location, store).metadataLog.contains {
      Locations.areEqual($0.metadataFile, version.location)
        && $0.timestampMilliseconds == written.lastUpdatedMilliseconds
    }
  }

  /// Without a newline: DuckDB takes the whole text for the number.
  private func writeHint(_ versions: FileSystemVersions, _ number: Int) async {
    do {
      if let hint = try await versions.hint(), hint >= number { return }
      _ = try await store.write(versions.hintLocation, Array(String(number).utf8), ifAbsent: false)
    } catch {
      logger.warning(
        "the version hint was not written; readers will look for the newest version",
        metadata: ["location": "\(versions.hintLocation)", "error": "\(error)"])
    }
  }

  private func removeSuperseded(_ locations: [String], _ identifier: TableIdentifier) async {
    guard !locations.isEmpty else { return }
    do {
      try await store.delete(locations)
    } catch {
      logger.warning(
        "old metadata files were not removed",
        metadata: ["table": "\(identifier)", "locations": "\(locations)", "error": "\(error)"])
    }
  }
}
