/// Puts a branch back to an earlier snapshot (rollback), or, without ``requiresAncestor``, to any other.
public struct SetSnapshot: TableChange {
  /// Which snapshot.
  public enum Target: Hashable, Sendable {
    /// This one.
    case snapshot(Int64)
    /// The newest ancestor that is older than this time, in milliseconds since the epoch.
    case before(milliseconds: Int64)
  }

  /// Which snapshot.
  public var target: Target
  /// The branch.
  public var branch: String
  /// Whether the snapshot must be an ancestor of the branch's present one.
  public var requiresAncestor: Bool

  /// A rollback.
  public init(to target: Target, branch: String = "main", requiresAncestor: Bool = true) {
    self.target = target
    self.branch = branch
    self.requiresAncestor = requiresAncestor
  }

  /// Plans the move.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let metadata = table.metadata
    try metadata.requireBranch(branch)
    let head = metadata.head(of: branch)
    let ancestors = metadata.ancestors(of: head?.snapshotID)
    let snapshot: Snapshot?
    switch target {
    case .snapshot(let id):
      snapshot = requiresAncestor ? ancestors.first { $0.snapshotID == id } : metadata.snapshot(withID: id)
    case .before(let time): snapshot = ancestors.first { $0.timestampMilliseconds < time }
    }
    guard let snapshot else {
      throw IcebergError(
        .notFound,
        "the branch '\(branch)' has no such earlier snapshot (\(target)); it has: "
          + ancestors.prefix(20).map { String($0.snapshotID) }.joined(separator: ", "))
    }
    return metadata.moving(branch, to: snapshot.snapshotID)
  }
}

/// Moves a branch forward to where another branch or tag is, which must have all of its commits: fast-forward.
public struct FastForward: TableChange {
  /// The branch that moves; it is made when it is not there.
  public var branch: String
  /// The branch or tag that it moves to.
  public var target: String

  /// A move of `branch` to where `target` is.
  public init(_ branch: String = "main", to target: String) {
    self.branch = branch
    self.target = target
  }

  /// Plans the move; nothing is to be done when both are at the same snapshot.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let metadata = table.metadata
    try metadata.requireBranch(branch)
    guard let goal = metadata.head(of: target) else {
      throw IcebergError(
        .notFound,
        "the table has no branch or tag '\(target)'; it has: "
          + metadata.references.keys.sorted().joined(separator: ", "))
    }
    let isAncestor = metadata.head(of: branch).map { head in
      metadata.ancestors(of: goal.snapshotID).contains { $0.snapshotID == head.snapshotID }
    }
    guard isAncestor ?? true else {
      throw IcebergError(
        .invalid,
        "'\(branch)' has commits that '\(target)' has not: it cannot be moved forward to it without losing them")
    }
    return metadata.moving(branch, to: goal.snapshotID)
  }
}

/// Applies the rows that a snapshot added once more, to another branch: cherry-pick.
///
/// A snapshot that follows the branch's present one is taken as it is. Of others only appends can be applied; the new
/// snapshot names the one that it was made of as `source-snapshot-id`, and is not made twice.
public struct CherryPick: TableChange {
  /// The snapshot whose rows are added.
  public let snapshotID: Int64
  /// The branch.
  public let branch: String
  private var draft: SnapshotDraft?

  /// A cherry-pick of a snapshot, onto `branch`.
  public init(_ snapshotID: Int64, branch: String = "main") {
    self.snapshotID = snapshotID
    self.branch = branch
  }

  /// The files that planning wrote.
  public var writtenFiles: [String] { draft?.writtenFiles ?? [] }

  /// Plans the snapshot.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let metadata = table.metadata
    try metadata.requireBranch(branch)
    guard let picked = metadata.snapshot(withID: snapshotID) else {
      throw IcebergError(.notFound, "the table has no snapshot \(snapshotID): it was expired or never there")
    }
    let base = metadata.base(of: branch)
    let line = metadata.ancestors(of: base?.snapshotID)
    if line.contains(where: { $0.snapshotID == snapshotID || $0.summary[Self.source] == String(snapshotID) }) {
      throw IcebergError(
        .invalid, "the branch '\(branch)' has what snapshot \(snapshotID) added already; its rows would be doubled")
    }
    if picked.parentID == base?.snapshotID { return metadata.moving(branch, to: snapshotID) }
    guard picked.operation == "append" else {
      throw IcebergError(
        .unsupported,
        "snapshot \(snapshotID) is of the operation '\(picked.operation ?? "unknown")': only appends can be applied to "
          + "another state of the table")
    }
    if draft == nil { draft = try await draft(of: picked, ManifestLoader(table, concurrency: context.concurrency)) }
    guard var draft else { return nil }
    let outcome = await Self.plan(&draft, on: table, context: context)
    self.draft = draft
    return try outcome.get()
  }

  private static let source = "source-snapshot-id"

  /// Keeps what the draft learnt even when planning fails.
  private static func plan(
    _ draft: inout SnapshotDraft, on table: LoadedTable, context: ChangeContext
  ) async -> Result<PlannedChange?, IcebergError> {
    do throws(IcebergError) {
      return .success(try await draft.plan(on: table, context: context) { _, _ in "append" })
    } catch {
      return .failure(error)
    }
  }

  private func draft(of picked: Snapshot, _ loader: ManifestLoader) async throws(IcebergError) -> SnapshotDraft {
    let manifests = try await loader.manifests(of: picked).filter { $0.content == .data && $0.mayHaveLiveFiles }
    var files: [NewFile] = []
    for entries in try await loader.entries(ofAll: manifests, liveOnly: true) {
      for entry in entries where entry.status == .added && entry.snapshotID == picked.snapshotID {
        var file = entry.file
        // The rows are new ones to this branch: they get ids of their own.
        file.firstRowID = nil
        files.append(NewFile(file))
      }
    }
    return SnapshotDraft(
      branch: branch, added: files, policy: .merge, extraSummary: [Self.source: String(picked.snapshotID)])
  }
}

extension TableMetadata {
  /// The move of a branch, which keeps its retention; `nil` when it is there already.
  fileprivate func moving(_ branch: String, to snapshotID: Int64) -> PlannedChange? {
    let head = self.head(of: branch)?.snapshotID
    guard head != snapshotID || references[branch] == nil else { return nil }
    var reference = references[branch] ?? SnapshotReference(snapshotID: snapshotID, kind: .branch)
    reference.snapshotID = snapshotID
    return PlannedChange(
      requirements: [.tableUUID(tableUUID), .reference(name: branch, snapshotID: head)],
      updates: [.setReference(name: branch, reference)])
  }
}
