/// A manifest after files were removed from it.
struct FilteredManifest: Sendable {
  /// The manifest that takes its place; the same one when nothing was removed.
  var manifest: ManifestFile
  /// What was removed.
  var removed: [DataFile]
}

/// What is left of a snapshot's manifests.
struct FilteredManifests: Sendable {
  var manifests: [ManifestFile] = []
  var removedCount = 0
}

extension SnapshotDraft {
  /// Writes the manifests of added files, once for all attempts.
  mutating func writeNewManifests(_ table: LoadedTable) async throws(IcebergError) -> [ManifestFile] {
    if let newManifests { return newManifests }
    var groups: [ManifestGroup: [ManifestEntry]] = [:]
    for new in added {
      let group = ManifestGroup(specID: new.file.specID, content: new.file.content == .data ? .data : .deletes)
      let entry = ManifestEntry(
        status: .added, snapshotID: currentID, sequenceNumber: new.dataSequenceNumber, fileSequenceNumber: nil,
        file: new.file)
      groups[group, default: []].append(entry)
    }
    var result: [ManifestFile] = []
    for group in groups.keys.sorted() {
      result += try await writeManifests(groups[group] ?? [], group: group, table: table)
    }
    newManifests = result
    return result
  }

  /// Writes entries of one spec and content as manifests of the wanted size.
  mutating func writeManifests(
    _ entries: [ManifestEntry], group: ManifestGroup, table: LoadedTable
  ) async throws(IcebergError) -> [ManifestFile] {
    guard !entries.isEmpty else { return [] }
    let target = try TableSettings(table.metadata).manifestTargetSizeBytes
    var result: [ManifestFile] = []
    var writer = try makeWriter(group, table.metadata)
    var start = 0
    for (index, entry) in entries.enumerated() {
      if !writer.isEmpty, Int64(writer.estimatedBytes) >= target {
        result.append(try await finish(&writer, entries[start..<index], table: table))
        writer = try makeWriter(group, table.metadata)
        start = index
      }
      try writer.append(entry)
    }
    result.append(try await finish(&writer, entries[start...], table: table))
    return result
  }

  private func makeWriter(_ group: ManifestGroup, _ metadata: TableMetadata) throws(IcebergError) -> ManifestWriter {
    guard let spec = metadata.specsByID[group.specID], let schema = metadata.schema(for: spec) else {
      throw IcebergError(.corrupt, "a manifest has partition spec \(group.specID), which the table does not have")
    }
    return try ManifestWriter(
      formatVersion: metadata.formatVersion, schema: schema, spec: spec, content: group.content, snapshotID: currentID,
      marker: marker)
  }

  private mutating func finish(
    _ writer: inout ManifestWriter, _ entries: ArraySlice<ManifestEntry>, table: LoadedTable
  ) async throws(IcebergError) -> ManifestFile {
    let path = nextManifestPath(table.metadata)
    let output = try writer.finish(path: path)
    try await write(output.bytes, to: path, store: table.store)
    if case .merge = policy { ownEntries[path] = Array(entries) }
    return output.manifest
  }

  /// What is left of the parent's manifests when the removed files are gone.
  mutating func filter(
    _ manifests: [ManifestFile], loader: ManifestLoader, table: LoadedTable, summary: inout SnapshotSummary
  ) async throws(IcebergError) -> FilteredManifests {
    var result = FilteredManifests()
    var found: Set<FileKey> = []
    var removedData: Set<String> = []
    var floor = table.metadata.lastSequenceNumber
    for new in added where new.file.content == .data { floor = min(floor, new.dataSequenceNumber ?? floor) }
    let remover = try FileRemover(removal, table.metadata)
    for manifest in manifests where manifest.content == .data && manifest.mayHaveLiveFiles {
      let left = try await filtered(manifest, remover, loader: loader, table: table)
      for file in left.removed {
        summary.remove(file)
        found.insert(FileKey(file))
        removedData.insert(file.filePath)
      }
      result.removedCount += left.removed.count
      if left.manifest.minimumSequenceNumber >= 0 { floor = min(floor, left.manifest.minimumSequenceNumber) }
      result.manifests.append(left.manifest)
    }
    var deleteRemover = remover
    if dropsObsoleteDeletes {
      deleteRemover.removedDataFiles = removedData
      deleteRemover.minimumSequenceNumber = floor
    }
    for manifest in manifests where manifest.content == .deletes && manifest.mayHaveLiveFiles {
      let left = try await filtered(manifest, deleteRemover, loader: loader, table: table)
      for file in left.removed {
        summary.remove(file)
        found.insert(FileKey(file))
      }
      result.removedCount += left.removed.count
      result.manifests.append(left.manifest)
    }
    if let missing = removal.keys.subtracting(found).min(by: { $0.path < $1.path }) {
      throw IcebergError(
        .conflict,
        "the file \(missing.path), which this commit replaces or removes, is no longer part of the table: another "
          + "commit removed it; plan the change anew")
    }
    return result
  }

  private mutating func filtered(
    _ manifest: ManifestFile, _ remover: FileRemover, loader: ManifestLoader, table: LoadedTable
  ) async throws(IcebergError) -> FilteredManifest {
    let same = FilteredManifest(manifest: manifest, removed: [])
    guard remover.mayRemove(from: manifest) else { return same }
    // What a delete manifest loses depends on the data files of the attempt: only data manifests are kept for the next.
    let isReusable = manifest.content == .data
    if isReusable, let known = filtered[manifest.manifestPath] { return known }
    let entries = try await loader.entries(of: manifest, liveOnly: true)
    var removed: [DataFile] = []
    var rewritten: [ManifestEntry] = []
    for entry in entries {
      var entry = entry
      if try remover.removes(entry) {
        entry.status = .deleted
        entry.snapshotID = currentID
        removed.append(entry.file)
      } else {
        entry.status = .existing
      }
      rewritten.append(entry)
    }
    guard !removed.isEmpty else {
      if isReusable { filtered[manifest.manifestPath] = same }
      return same
    }
    let group = ManifestGroup(specID: manifest.specID, content: manifest.content)
    let written = try await writeManifest(rewritten, group: group, table: table)
    let result = FilteredManifest(manifest: written, removed: removed)
    if isReusable { filtered[manifest.manifestPath] = result }
    return result
  }

  /// Writes entries as one manifest, whatever its size.
  mutating func writeManifest(
    _ entries: [ManifestEntry], group: ManifestGroup, table: LoadedTable
  ) async throws(IcebergError) -> ManifestFile {
    var writer = try makeWriter(group, table.metadata)
    for entry in entries { try writer.append(entry) }
    return try await finish(&writer, entries[...], table: table)
  }

  /// Merges small data manifests, the newest ones first in the list, as the Java library does: bins are packed from the
  /// end, and the bin that has the newest manifest waits until it has enough of them.
  mutating func merge(
    _ manifests: [ManifestFile], table: LoadedTable, loader: ManifestLoader
  ) async throws(IcebergError) -> [ManifestFile] {
    let settings = TableSettings(table.metadata)
    let target = try settings.manifestTargetSizeBytes
    let minimum = try settings.manifestMinimumCountToMerge
    guard let first = manifests.first else { return [] }
    var result: [ManifestFile] = []
    for specID in Set(manifests.map(\.specID)).sorted(by: >) {
      let group = manifests.filter { $0.specID == specID }
      for bin in ManifestPacking.packFromEnd(group, target: target) {
        let hasNewest = bin.contains { $0.manifestPath == first.manifestPath }
        if bin.count == 1 || hasNewest && bin.count < minimum {
          result += bin
        } else {
          result.append(try await mergeBin(bin, table: table, loader: loader))
        }
      }
    }
    return result
  }

  private mutating func mergeBin(
    _ bin: [ManifestFile], table: LoadedTable, loader: ManifestLoader
  ) async throws(IcebergError) -> ManifestFile {
    let paths = bin.map(\.manifestPath)
    if let known = merged[paths] { return known }
    // Manifests of this very commit have no sequence number yet: their entries are taken as they were written.
    let foreign = bin.filter { ownEntries[$0.manifestPath] == nil }
    var read: [String: [ManifestEntry]] = [:]
    for (manifest, entries) in zip(foreign, try await loader.entries(ofAll: foreign, liveOnly: true)) {
      read[manifest.manifestPath] = entries
    }
    var entries: [ManifestEntry] = []
    for path in paths {
      if let own = ownEntries[path] { entries += own }
      for var entry in read[path] ?? [] {
        entry.status = .existing
        entries.append(entry)
      }
    }
    let group = ManifestGroup(specID: bin[0].specID, content: bin[0].content)
    let written = try await writeManifest(entries, group: group, table: table)
    merged[paths] = written
    return written
  }
}

/// The manifests whose files may be in one manifest.
package struct ManifestGroup: Hashable, Comparable, Sendable {
  package var specID: Int
  package var content: ManifestFile.Content

  package init(specID: Int, content: ManifestFile.Content) {
    self.specID = specID
    self.content = content
  }

  package static func < (left: ManifestGroup, right: ManifestGroup) -> Bool {
    (left.content.rawValue, left.specID) < (right.content.rawValue, right.specID)
  }
}

/// Packs manifests into bins.
package enum ManifestPacking {
  /// Neighbours in bins of at most `target` bytes, filled from the last one: only the first bin is underfull.
  package static func packFromEnd(_ manifests: [ManifestFile], target: Int64) -> [[ManifestFile]] {
    var bins: [[ManifestFile]] = []
    var bin: [ManifestFile] = []
    var bytes: Int64 = 0
    for manifest in manifests.reversed() {
      if !bin.isEmpty, bytes &+ manifest.manifestLength > target {
        bins.append(bin.reversed())
        bin = []
        bytes = 0
      }
      bin.append(manifest)
      bytes &+= manifest.manifestLength
    }
    if !bin.isEmpty { bins.append(bin.reversed()) }
    return bins.reversed()
  }
}
