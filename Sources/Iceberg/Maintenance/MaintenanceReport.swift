/// What maintenance did.
public struct MaintenanceReport: Hashable, Sendable {
  /// Snapshots that were expired.
  public var expiredSnapshots = 0
  /// Data and delete files that were removed from the store.
  public var deletedFiles = 0
  /// Manifests that were removed from the store.
  public var deletedManifests = 0
  /// Manifest lists that were removed from the store.
  public var deletedManifestLists = 0
  /// Files that no state of the table refers to and that were removed, or would be.
  public var orphans: [String] = []
  /// Groups of files that were compacted.
  public var compactedGroups = 0
  /// Groups whose commit lost against other writers: they are tried again another time.
  public var conflictedGroups = 0
  /// Data files before compaction.
  public var compactedFiles = 0
  /// Data files after compaction.
  public var writtenFiles = 0
  /// Rows that were rewritten.
  public var rewrittenRows: Int64 = 0
  /// Bytes of data files that were read for compaction.
  public var rewrittenBytes: Int64 = 0
  /// Delete files that compaction made superfluous.
  public var removedDeleteFiles = 0
  /// Manifests that were rewritten.
  public var rewrittenManifests = 0
  /// What went wrong without ending the work.
  public var problems: [String] = []

  /// Nothing was done.
  public init() {}

  /// Adds what another report says.
  public mutating func add(_ other: MaintenanceReport) {
    expiredSnapshots += other.expiredSnapshots
    deletedFiles += other.deletedFiles
    deletedManifests += other.deletedManifests
    deletedManifestLists += other.deletedManifestLists
    orphans += other.orphans
    compactedGroups += other.compactedGroups
    conflictedGroups += other.conflictedGroups
    compactedFiles += other.compactedFiles
    writtenFiles += other.writtenFiles
    rewrittenRows += other.rewrittenRows
    rewrittenBytes += other.rewrittenBytes
    removedDeleteFiles += other.removedDeleteFiles
    rewrittenManifests += other.rewrittenManifests
    problems += other.problems
  }
}
