/// Adds data files: the rows of the table stay as they are.
public struct AppendFiles: TableChange {
  /// What is done about files that are in the table already.
  public enum DuplicateCheck: Hashable, Sendable {
    /// Nothing: the names are known to be new.
    case none
    /// All live files of the branch are read, and a file that is among them is refused.
    case allFiles
  }

  package var draft: SnapshotDraft
  /// What is done about files that are in the table already.
  public var duplicateCheck: DuplicateCheck

  /// An append.
  ///
  /// - Parameters:
  ///   - files: the data files; without any there is no snapshot.
  ///   - branch: the branch to append to.
  ///   - summary: further entries of the snapshot's summary, a sink's position for instance.
  ///   - duplicateCheck: what is done about files that are in the table already.
  public init(
    _ files: [DataFile], branch: String = "main", summary: [String: String] = [:],
    duplicateCheck: DuplicateCheck = .none
  ) {
    draft = SnapshotDraft(branch: branch, added: files.map { NewFile($0) }, policy: .merge, extraSummary: summary)
    self.duplicateCheck = duplicateCheck
  }

  /// The files that planning wrote.
  public var writtenFiles: [String] { draft.writtenFiles }

  /// Plans the append.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    guard !draft.added.isEmpty else { return nil }
    for new in draft.added where new.file.content != .data {
      throw IcebergError(.invalid, "\(new.file.filePath) is a delete file; an append takes data files: use RowDelta")
    }
    if duplicateCheck == .allFiles {
      try await ConflictValidation(table, branch: draft.branch, context: context)
        .requireNotLive(draft.added.map(\.file.filePath))
    }
    return try await draft.plan(on: table, context: context) { _, _ in "append" }
  }
}

/// Removes data files as a whole.
public struct DeleteFiles: TableChange {
  package var draft: SnapshotDraft

  /// Removes the files at `paths`, all of which must be in the table.
  public init(paths: [String], branch: String = "main", summary: [String: String] = [:]) {
    self.init(branch: branch, summary: summary)
    draft.removal.keys = Set(paths.map { FileKey(path: $0) })
  }

  /// Removes the files all of whose rows match `predicate`; a file of which only some rows may match is refused.
  public init(matching predicate: Predicate, branch: String = "main", summary: [String: String] = [:]) {
    self.init(branch: branch, summary: summary)
    draft.removal.predicate = predicate
  }

  private init(branch: String, summary: [String: String]) {
    draft = SnapshotDraft(branch: branch, policy: .merge, extraSummary: summary)
    draft.dropsObsoleteDeletes = true
  }

  /// The files that planning wrote.
  public var writtenFiles: [String] { draft.writtenFiles }

  /// Plans the removal.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    try await draft.plan(on: table, context: context) { _, _ in "delete" }
  }
}

/// Removes data files, by condition, partition or name, and adds others in their place.
public struct OverwriteFiles: TableChange {
  package var draft: SnapshotDraft
  /// The snapshot that the caller read; files that others added since then, and that ``conflictPredicate`` may match,
  /// are a conflict.
  public var startingSnapshotID: Int64?
  /// Which rows the caller looked at; `nil`: conflicts are not looked for.
  public var conflictPredicate: Predicate?

  /// An overwrite.
  ///
  /// - Parameters:
  ///   - files: the data files to add.
  ///   - removing: locations of data files to remove; all must be in the table.
  ///   - matching: removes the files all of whose rows match; refused when only some do.
  ///   - partitions: removes all data files of these partitions.
  ///   - branch: the branch.
  ///   - summary: further entries of the snapshot's summary.
  public init(
    adding files: [DataFile], removing: [String] = [], matching: Predicate? = nil, partitions: [TablePartition] = [],
    branch: String = "main", summary: [String: String] = [:]
  ) {
    draft = SnapshotDraft(branch: branch, added: files.map { NewFile($0) }, policy: .merge, extraSummary: summary)
    draft.removal.keys = Set(removing.map { FileKey(path: $0) })
    draft.removal.predicate = matching
    draft.removal.partitions = Set(partitions)
    draft.dropsObsoleteDeletes = true
  }

  /// The files that planning wrote.
  public var writtenFiles: [String] { draft.writtenFiles }

  /// Plans the overwrite.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    for new in draft.added where new.file.content != .data {
      throw IcebergError(.invalid, "\(new.file.filePath) is a delete file; an overwrite takes data files: use RowDelta")
    }
    if let conflictPredicate {
      let validation = ConflictValidation(table, branch: draft.branch, context: context)
      try await validation.requireNoNewData(since: startingSnapshotID, matching: conflictPredicate)
      try await validation.requireNoNewDeletes(since: startingSnapshotID, matching: conflictPredicate)
    }
    return try await draft.plan(on: table, context: context) { added, removed in
      added && removed ? "overwrite" : added ? "append" : "delete"
    }
  }
}

/// Adds rows and deletes at once: data files, equality deletes, position deletes (v2) or deletion vectors (v3).
public struct RowDelta: TableChange {
  package var draft: SnapshotDraft
  /// The snapshot that the positions were found in; conflicts are looked for in what came after it.
  public var startingSnapshotID: Int64?
  /// Data files that the deletes refer to: all must still be in the table. Those of deletion vectors are known without.
  public var referencedDataFiles: Set<String> = []
  /// Refuses when others deleted rows of matching files since ``startingSnapshotID``.
  public var conflictPredicate: Predicate?

  /// A delta.
  ///
  /// - Parameters:
  ///   - data: data files to add.
  ///   - deletes: delete files to add.
  ///   - replacedDeletes: delete files that the new ones replace: a data file has one deletion vector at most.
  ///   - branch: the branch.
  ///   - summary: further entries of the snapshot's summary.
  public init(
    adding data: [DataFile], deletes: [DataFile], replacing replacedDeletes: [FileKey] = [], branch: String = "main",
    summary: [String: String] = [:]
  ) {
    draft = SnapshotDraft(
      branch: branch, added: (data + deletes).map { NewFile($0) }, policy: .merge, extraSummary: summary)
    draft.removal.keys = Set(replacedDeletes)
  }

  /// The files that planning wrote.
  public var writtenFiles: [String] { draft.writtenFiles }

  /// Plans the delta.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let deletes = draft.added.map(\.file).filter { $0.content != .data }
    let hasData = deletes.count < draft.added.count
    for file in deletes where file.content == .equalityDeletes && (file.equalityIDs ?? []).isEmpty {
      throw IcebergError(.invalid, "the equality delete file \(file.filePath) names no columns to compare")
    }
    let validation = ConflictValidation(table, branch: draft.branch, context: context)
    let vectors = deletes.filter { $0.contentOffset != nil }
    let referenced = referencedDataFiles.union(deletes.compactMap(\.referencedDataFile))
    try await validation.requireLive(referenced)
    try await validation.requireNoOtherVector(
      for: Set(vectors.compactMap(\.referencedDataFile)), except: draft.removal.keys)
    if let conflictPredicate {
      try await validation.requireNoNewDeletes(since: startingSnapshotID, matching: conflictPredicate)
    }
    return try await draft.plan(on: table, context: context) { added, _ in
      if hasData, deletes.isEmpty { return "append" }
      return !hasData && added ? "delete" : "overwrite"
    }
  }
}

/// Replaces files by others with the same rows: compaction.
///
/// A file that is gone by the time of the commit, and deletes of its rows that the new files do not have, end the
/// commit with kind `conflict`: the work must be planned anew.
public struct RewriteFiles: TableChange {
  package var draft: SnapshotDraft
  /// The snapshot that the rows were read from.
  public var startingSnapshotID: Int64
  /// The data files that are replaced, as they were in that snapshot.
  public let replacedData: [ManifestEntry]

  /// A rewrite.
  ///
  /// - Parameters:
  ///   - replacing: data files that were read, with all deletes of the snapshot applied.
  ///   - replacingDeletes: delete files that apply to nothing else.
  ///   - adding: data files with the rows.
  ///   - startingSnapshotID: the snapshot that they were read from.
  ///   - startingSequenceNumber: its sequence number; the new files get it, so that equality deletes that others
  ///     commit meanwhile still apply to the rows.
  ///   - branch: the branch.
  ///   - summary: further entries of the snapshot's summary.
  public init(
    replacing: [ManifestEntry], replacingDeletes: [FileKey] = [], adding: [DataFile], startingSnapshotID: Int64,
    startingSequenceNumber: Int64, branch: String = "main", summary: [String: String] = [:]
  ) {
    draft = SnapshotDraft(
      branch: branch, added: adding.map { NewFile($0, dataSequenceNumber: startingSequenceNumber) }, policy: .merge,
      extraSummary: summary)
    draft.removal.keys = Set(replacing.map { FileKey($0.file) }).union(replacingDeletes)
    draft.dropsObsoleteDeletes = true
    replacedData = replacing
    self.startingSnapshotID = startingSnapshotID
  }

  /// The files that planning wrote.
  public var writtenFiles: [String] { draft.writtenFiles }

  /// Plans the rewrite.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    guard !replacedData.isEmpty || !draft.removal.keys.isEmpty else { return nil }
    try await ConflictValidation(table, branch: draft.branch, context: context)
      .requireNoNewPositionDeletes(of: replacedData, since: startingSnapshotID)
    return try await draft.plan(on: table, context: context) { _, _ in "replace" }
  }
}
