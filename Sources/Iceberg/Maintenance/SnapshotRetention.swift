/// How long the snapshots of a table stay readable when the table's properties do not say so.
///
/// A stream commits every few seconds, and every commit adds a snapshot to the metadata file, which is written anew with
/// each commit: the five days that the Java library keeps by default would be hundreds of thousands.
public struct SnapshotRetention: Hashable, Sendable {
  /// The name of the property that says how old snapshots may be, in milliseconds.
  public static let ageProperty = "history.expire.max-snapshot-age-ms"
  /// The name of the property that says how many snapshots stay at least.
  public static let countProperty = "history.expire.min-snapshots-to-keep"

  /// How old snapshots may be, in milliseconds.
  public var ageMilliseconds: Int64
  /// How many snapshots stay at least, whatever their age.
  public var minimumSnapshots: Int

  /// A retention; one hour, and ten snapshots, unless told otherwise.
  public init(ageMilliseconds: Int64 = 3_600_000, minimumSnapshots: Int = 10) {
    self.ageMilliseconds = max(0, ageMilliseconds)
    self.minimumSnapshots = max(1, minimumSnapshots)
  }

  /// The expiry of a table at `now`: each of the table's own properties goes before what this says.
  public func expiry(of metadata: TableMetadata, now: Int64) -> ExpireSnapshots {
    let (limit, overflow) = now.subtractingReportingOverflow(ageMilliseconds)
    return ExpireSnapshots(
      olderThanMilliseconds: metadata.properties[Self.ageProperty] == nil ? (overflow ? .min : limit) : nil,
      minimumSnapshotsToKeep: metadata.properties[Self.countProperty] == nil ? minimumSnapshots : nil)
  }
}
