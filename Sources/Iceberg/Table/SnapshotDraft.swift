/// A file to add, and the sequence number that its rows have when it is not the commit's own.
package struct NewFile: Hashable, Sendable {
  package var file: DataFile
  package var dataSequenceNumber: Int64?

  package init(_ file: DataFile, dataSequenceNumber: Int64? = nil) {
    self.file = file
    self.dataSequenceNumber = dataSequenceNumber
  }
}

/// Which files a snapshot removes.
package struct FileRemoval: Sendable {
  /// Exactly these; all must be live.
  package var keys: Set<FileKey> = []
  /// All data files of these partitions.
  package var partitions: Set<TablePartition> = []
  /// All data files whose rows all match; a file of which only some rows match cannot be removed.
  package var predicate: Predicate?

  package init() {}

  package var isEmpty: Bool { keys.isEmpty && partitions.isEmpty && predicate == nil }
}

/// How a snapshot treats manifests that are there.
package enum ManifestPolicy: Sendable {
  /// Keeps them.
  case keep
  /// Merges small ones as the table's properties say.
  case merge
}

/// What a snapshot adds and removes: the common part of all changes that make one.
///
/// Manifests are written once and used again for every attempt; the list, the summary and the numbers are made anew.
package struct SnapshotDraft: Sendable {
  package var branch: String
  package var added: [NewFile]
  package var removal = FileRemoval()
  package var policy: ManifestPolicy
  package var extraSummary: [String: String]
  /// Removes delete files that no longer apply to any data file.
  package var dropsObsoleteDeletes = false
  /// The id of the snapshot, the same in all attempts: so a lost answer can be settled.
  package private(set) var snapshotID: Int64?
  package private(set) var writtenFiles: [String] = []

  var newManifests: [ManifestFile]?
  var newManifestsVersion = 0
  var filtered: [String: FilteredManifest] = [:]
  var merged: [[String]: ManifestFile] = [:]
  /// What is in manifests that this commit wrote, when they may be merged.
  var ownEntries: [String: [ManifestEntry]] = [:]
  private var manifestCount = 0
  private var prefix = ""

  package init(
    branch: String = "main", added: [NewFile] = [], policy: ManifestPolicy = .keep, extraSummary: [String: String] = [:]
  ) {
    self.branch = branch
    self.added = added
    self.policy = policy
    self.extraSummary = extraSummary
  }

  /// Plans the snapshot onto a state of the table.
  ///
  /// - Parameter operation: the summary's operation, given what is removed in the end.
  package mutating func plan(
    on table: LoadedTable, context: ChangeContext, operation: @Sendable (_ added: Bool, _ removed: Bool) -> String
  ) async throws(IcebergError) -> PlannedChange? {
    try prepare(table.metadata, context: context)
    let parent = table.metadata.base(of: branch)
    let loader = ManifestLoader(table, concurrency: context.concurrency)
    let before: [ManifestFile]
    if let parent { before = try await loader.manifests(of: parent) } else { before = [] }
    var summary = SnapshotSummary()
    for new in added { summary.add(new.file) }
    let kept = try await filter(before, loader: loader, table: table, summary: &summary)
    let fresh = try await writeNewManifests(table)
    guard !added.isEmpty || kept.removedCount > 0 else { return nil }
    var data = (fresh + kept.manifests).filter { $0.content == .data }
    let deletes = (fresh + kept.manifests).filter { $0.content == .deletes }
    if case .merge = policy, TableSettings(table.metadata).mergesManifests {
      data = try await merge(data, table: table, loader: loader)
    }
    summary.extra = extraSummary
    summary.extra["weir.commit-id"] = context.commitID
    let parts = SnapshotParts(
      manifests: data + deletes, operation: operation(!added.isEmpty, kept.removedCount > 0), summary: summary,
      parent: parent)
    return try await finish(parts, on: table, context: context)
  }

  /// Chooses the snapshot's id and forgets what does not fit the state any more.
  package mutating func prepare(_ metadata: TableMetadata, context: ChangeContext) throws(IcebergError) {
    guard (2...3).contains(metadata.formatVersion) else {
      throw IcebergError(
        .unsupported,
        "the table has format version \(metadata.formatVersion); this library writes rows to versions 2 and 3: commit "
          + "UpgradeFormat(to: 2) first, or in the same commit (other engines: the table property 'format-version')")
    }
    try metadata.requireBranch(branch)
    try check(metadata)
    if snapshotID == nil {
      snapshotID = context.environment.makeSnapshotID(notIn: metadata.snapshots.map(\.snapshotID))
      prefix = context.environment.makeUUID()
    }
    if newManifestsVersion != metadata.formatVersion {
      newManifests = nil
      filtered = [:]
      merged = [:]
      newManifestsVersion = metadata.formatVersion
    }
  }

  private func check(_ metadata: TableMetadata) throws(IcebergError) {
    var keys: Set<FileKey> = []
    let specs = metadata.specsByID
    for new in added {
      let file = new.file
      guard keys.insert(FileKey(file)).inserted else {
        throw IcebergError(.invalid, "the file \(file.filePath) is added twice in one commit; add it once")
      }
      guard let spec = specs[file.specID] else {
        throw IcebergError(
          .invalid, "the file \(file.filePath) belongs to partition spec \(file.specID), which the table does not have")
      }
      guard file.partition.values.count == spec.fields.count else {
        throw IcebergError(
          .invalid,
          "the file \(file.filePath) has \(file.partition.values.count) partition values, spec \(file.specID) has "
            + "\(spec.fields.count) fields")
      }
      let isVector = file.content == .positionDeletes && file.fileFormat == "puffin"
      if file.content == .positionDeletes, isVector != (metadata.formatVersion >= 3) {
        throw IcebergError(
          .invalid,
          "\(file.filePath): format version \(metadata.formatVersion) wants position deletes as "
            + (isVector ? "Parquet files, not as deletion vectors" : "deletion vectors, not as delete files"))
      }
    }
  }

  /// A new path for a manifest of this commit.
  mutating func nextManifestPath(_ metadata: TableMetadata) -> String {
    defer { manifestCount += 1 }
    return TableLocations(metadata).metadataFile("\(prefix)-m\(manifestCount).avro")
  }

  /// Writes a file of this commit.
  mutating func write(_ bytes: [UInt8], to path: String, store: any ObjectStore) async throws(IcebergError) {
    writtenFiles.append(path)
    _ = try await store.write(path, bytes, ifAbsent: false)
  }

  /// The id, after ``prepare``.
  var currentID: Int64 { snapshotID ?? 0 }

  /// What a snapshot is made of.
  package struct SnapshotParts: Sendable {
    package var manifests: [ManifestFile]
    package var operation: String
    package var summary: SnapshotSummary
    package var parent: Snapshot?
  }

  /// Writes the manifest list and makes the snapshot.
  package mutating func finish(
    _ parts: SnapshotParts, on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange {
    let metadata = table.metadata
    let (sequenceNumber, overflow) = metadata.lastSequenceNumber.addingReportingOverflow(1)
    guard !overflow else { throw IcebergError(.corrupt, "the table's last-sequence-number is the greatest there is") }
    let isLineage = metadata.formatVersion >= 3
    var list = try ManifestListWriter(
      formatVersion: metadata.formatVersion, snapshotID: currentID, parentSnapshotID: parts.parent?.snapshotID,
      sequenceNumber: sequenceNumber, firstRowID: isLineage ? metadata.nextRowID : nil)
    for manifest in parts.manifests { try list.append(manifest) }
    let output = try list.finish()
    let path = TableLocations(metadata).metadataFile("snap-\(currentID)-\(context.attempt)-\(prefix).avro")
    try await write(output.bytes, to: path, store: table.store)

    let now = context.environment.nowMilliseconds()
    let timestamp = max(now, metadata.lastUpdatedMilliseconds, parts.parent?.timestampMilliseconds ?? 0)
    let snapshot = Snapshot(
      snapshotID: currentID, parentID: parts.parent?.snapshotID, sequenceNumber: sequenceNumber,
      timestampMilliseconds: timestamp, manifestList: path,
      summary: parts.summary.build(operation: parts.operation, parent: parts.parent?.summary),
      schemaID: metadata.currentSchemaID, firstRowID: isLineage ? metadata.nextRowID : nil,
      addedRows: isLineage ? output.addedRows : nil)
    return PlannedChange(
      requirements: [
        .tableUUID(metadata.tableUUID), .reference(name: branch, snapshotID: metadata.head(of: branch)?.snapshotID)
      ],
      updates: [.addSnapshot(snapshot), .setReference(name: branch, reference(metadata))],
      snapshotID: currentID, referencedFiles: [path] + output.manifests.map(\.manifestPath),
      warnings: Self.clockWarnings(now: now, metadata: metadata))
  }

  /// The branch, moved to the new snapshot; its own settings stay.
  private func reference(_ metadata: TableMetadata) -> SnapshotReference {
    guard var reference = metadata.references[branch] else {
      return SnapshotReference(snapshotID: currentID, kind: .branch)
    }
    reference.snapshotID = currentID
    return reference
  }

  private static func clockWarnings(now: Int64, metadata: TableMetadata) -> [String] {
    let behind = metadata.lastUpdatedMilliseconds - now
    guard behind > 60_000 else { return [] }
    return [
      "the table was last updated \(behind / 1000) s after this machine's time; the snapshot takes the table's time: "
        + "check the clocks of all writers"
    ]
  }
}
