/// Forgets old snapshots, and branches and tags that are too old (Iceberg specification, "Snapshot Retention Policy").
///
/// Only the metadata changes: ``SnapshotExpiry`` also removes files that no snapshot refers to any more.
public struct ExpireSnapshots: TableChange {
  /// Snapshots older than this go, in milliseconds since the epoch; `nil`: as the table's properties say.
  public var olderThanMilliseconds: Int64?
  /// How many snapshots stay on each branch at least; `nil`: as the table's properties say.
  public var minimumSnapshotsToKeep: Int?
  /// Snapshots that go whatever their age.
  public var snapshotIDs: Set<Int64>

  /// An expiry.
  public init(
    olderThanMilliseconds: Int64? = nil, minimumSnapshotsToKeep: Int? = nil, snapshotIDs: Set<Int64> = []
  ) {
    self.olderThanMilliseconds = olderThanMilliseconds
    self.minimumSnapshotsToKeep = minimumSnapshotsToKeep
    self.snapshotIDs = snapshotIDs
  }

  /// What an expiry takes.
  public struct Expired: Hashable, Sendable {
    /// Snapshots, in the table's order.
    public var snapshotIDs: [Int64]
    /// Branches and tags.
    public var references: [String]
  }

  /// What an expiry at `now` takes from a table.
  ///
  /// - Throws: kind `invalid` when a snapshot that is named belongs to a branch or tag that stays, or when
  ///   `gc.enabled` is `false`.
  public func expired(in metadata: TableMetadata, now: Int64) throws(IcebergError) -> Expired {
    let settings = TableSettings(metadata)
    guard settings.allowsGarbageCollection else {
      throw IcebergError(.invalid, "the table's property gc.enabled is false: its snapshots must not be expired")
    }
    let age = try settings.maximumSnapshotAgeMilliseconds
    let limit = olderThanMilliseconds ?? now.subtractingReportingOverflow(age).partialValue
    let standardKeep = try settings.minimumSnapshotsToKeep
    let keep = minimumSnapshotsToKeep ?? standardKeep
    let referenceAge = try settings.maximumReferenceAgeMilliseconds
    var removedReferences: [String] = []
    var kept: Set<Int64> = []
    var reachable: Set<Int64> = []
    for (name, reference) in metadata.references.sorted(by: { $0.key < $1.key }) {
      guard let snapshot = metadata.snapshot(withID: reference.snapshotID) else {
        if name != "main" { removedReferences.append(name) }
        continue
      }
      let maximum = reference.maximumReferenceAgeMilliseconds ?? referenceAge
      if name != "main", now &- snapshot.timestampMilliseconds > maximum {
        removedReferences.append(name)
        continue
      }
      if reference.kind == .tag {
        kept.insert(snapshot.snapshotID)
        reachable.insert(snapshot.snapshotID)
        continue
      }
      let line = metadata.ancestors(of: snapshot.snapshotID)
      reachable.formUnion(line.map(\.snapshotID))
      let ownLimit = reference.maximumSnapshotAgeMilliseconds.map { now &- $0 } ?? limit
      let ownKeep = max(1, reference.minimumSnapshotsToKeep ?? keep)
      for (index, ancestor) in line.enumerated() {
        guard index < ownKeep || ancestor.timestampMilliseconds >= ownLimit else { break }
        // A snapshot that is named goes, unless it is what the branch is at.
        if index > 0, snapshotIDs.contains(ancestor.snapshotID) { continue }
        kept.insert(ancestor.snapshotID)
      }
    }
    if let current = metadata.currentSnapshotID { kept.insert(current) }
    if let id = snapshotIDs.first(where: kept.contains) {
      throw IcebergError(
        .invalid, "snapshot \(id) cannot be expired: a branch or tag is at it; move or remove that first")
    }
    // Snapshots that no branch leads to are staged or rolled back: their age alone decides.
    for snapshot in metadata.snapshots
    where !reachable.contains(snapshot.snapshotID) && !snapshotIDs.contains(snapshot.snapshotID) {
      if snapshot.timestampMilliseconds >= limit { kept.insert(snapshot.snapshotID) }
    }
    let gone = metadata.snapshots.map(\.snapshotID).filter { !kept.contains($0) }
    return Expired(snapshotIDs: gone, references: removedReferences)
  }

  /// Plans the expiry.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let metadata = table.metadata
    let expired = try expired(in: metadata, now: context.environment.nowMilliseconds())
    guard !expired.snapshotIDs.isEmpty || !expired.references.isEmpty else { return nil }
    // Nobody may have moved a branch or tag to a snapshot that goes.
    var plan = PlannedChange(requirements: [.tableUUID(metadata.tableUUID)], updates: [])
    for (name, reference) in metadata.references.sorted(by: { $0.key < $1.key }) {
      plan.requirements.append(.reference(name: name, snapshotID: reference.snapshotID))
    }
    for name in expired.references { plan.updates.append(.removeReference(name: name)) }
    if !expired.snapshotIDs.isEmpty { plan.updates.append(.removeSnapshots(expired.snapshotIDs)) }
    return plan
  }
}
