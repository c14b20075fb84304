/// Sets and removes properties; those of others stay.
public struct UpdateProperties: TableChange {
  /// What to set.
  public var setting: [String: String]
  /// What to remove.
  public var removing: [String]

  /// A change of properties.
  public init(setting: [String: String], removing: [String] = []) {
    self.setting = setting
    self.removing = removing
  }

  /// Plans what differs from the table's properties.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    if let both = removing.first(where: { setting[$0] != nil }) {
      throw IcebergError(.invalid, "the property '\(both)' is set and removed in one change; do one of both")
    }
    let properties = table.metadata.properties
    let set = setting.filter { properties[$0.key] != $0.value }
    let remove = removing.filter { properties[$0] != nil }
    var updates: [TableUpdate] = []
    if !set.isEmpty { updates.append(.setProperties(set)) }
    if !remove.isEmpty { updates.append(.removeProperties(remove)) }
    guard !updates.isEmpty else { return nil }
    return PlannedChange(requirements: [.tableUUID(table.metadata.tableUUID)], updates: updates)
  }
}

/// Makes, moves and removes branches and tags.
public struct UpdateReferences: TableChange {
  /// One change.
  public enum Change: Hashable, Sendable {
    /// Makes a branch or tag; refused when the name is taken. `nil` as the snapshot: the current one.
    case create(name: String, kind: SnapshotReference.Kind, snapshotID: Int64?)
    /// Makes or replaces a branch or tag; one that stays what it is keeps its retention. `nil` as the snapshot: the
    /// current one.
    case set(name: String, kind: SnapshotReference.Kind, snapshotID: Int64?)
    /// Sets how long a branch or tag, and its snapshots, are kept.
    case setRetention(
      name: String, minimumSnapshotsToKeep: Int?, maximumSnapshotAgeMilliseconds: Int64?,
      maximumReferenceAgeMilliseconds: Int64?)
    /// Removes a branch or tag.
    case remove(name: String)
  }

  /// The changes, in order.
  public var changes: [Change]

  /// Changes of references.
  public init(_ changes: [Change]) { self.changes = changes }

  /// Plans the changes.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let before = table.metadata.references
    var references = before
    for change in changes { try Self.apply(change, to: &references, metadata: table.metadata) }
    var plan = PlannedChange(requirements: [.tableUUID(table.metadata.tableUUID)], updates: [])
    for name in Set(before.keys).union(references.keys).sorted() where before[name] != references[name] {
      plan.requirements.append(.reference(name: name, snapshotID: before[name]?.snapshotID))
      if let reference = references[name] {
        plan.updates.append(.setReference(name: name, reference))
      } else {
        plan.updates.append(.removeReference(name: name))
      }
    }
    return plan.updates.isEmpty ? nil : plan
  }

  private static func apply(
    _ change: Change, to references: inout [String: SnapshotReference], metadata: TableMetadata
  ) throws(IcebergError) {
    switch change {
    case .create(let name, let kind, let wanted):
      if let old = references[name] {
        throw IcebergError(
          .alreadyExists, "the table has a \(old.kind.rawValue) '\(name)' already, at snapshot \(old.snapshotID)")
      }
      try apply(.set(name: name, kind: kind, snapshotID: wanted), to: &references, metadata: metadata)
    case .set(let name, let kind, let wanted):
      guard let id = wanted ?? metadata.head(of: "main")?.snapshotID else {
        throw IcebergError(.invalid, "the table has no snapshot yet; '\(name)' needs one")
      }
      guard metadata.snapshot(withID: id) != nil else {
        throw IcebergError(.notFound, "the table has no snapshot \(id); '\(name)' needs one that is there")
      }
      if name == "main", kind == .tag {
        throw IcebergError(.invalid, "'main' is a branch and cannot become a tag; choose another name")
      }
      if let old = references[name], old.kind == kind {
        references[name]?.snapshotID = id
      } else {
        references[name] = SnapshotReference(snapshotID: id, kind: kind)
      }
    case .setRetention(let name, let keep, let age, let referenceAge):
      guard var reference = references[name] else {
        throw IcebergError(.notFound, "the table has no branch or tag '\(name)'")
      }
      if reference.kind == .tag, keep != nil || age != nil {
        throw IcebergError(.invalid, "'\(name)' is a tag: only its own age can be limited")
      }
      reference.minimumSnapshotsToKeep = keep
      reference.maximumSnapshotAgeMilliseconds = age
      reference.maximumReferenceAgeMilliseconds = referenceAge
      references[name] = reference
    case .remove(let name):
      if name == "main" { throw IcebergError(.invalid, "the branch 'main' cannot be removed") }
      references[name] = nil
    }
  }
}

/// Raises the format version: 1 → 2 → 3. A table that has it, or a greater one, stays as it is.
public struct UpgradeFormat: TableChange {
  /// The version.
  public var version: Int

  /// Raises the version to `version`.
  public init(to version: Int) { self.version = version }

  /// Plans the upgrade.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    guard (1...3).contains(version) else {
      throw IcebergError(.unsupported, "format version \(version): this library knows 1, 2 and 3")
    }
    guard table.metadata.formatVersion < version else { return nil }
    return PlannedChange(
      requirements: [.tableUUID(table.metadata.tableUUID)], updates: [.upgradeFormatVersion(version)])
  }
}
