/// Writes the manifest list of a snapshot (Iceberg specification, "Manifest Lists").
public struct ManifestListWriter: Sendable {
  /// A finished manifest list.
  public struct Output: Hashable, Sendable {
    /// The file.
    public var bytes: [UInt8]
    /// The manifests with what was assigned to them.
    public var manifests: [ManifestFile]
    /// How many row ids were assigned (v3): the snapshot's `added-rows`; 0 before v3.
    public var addedRows: Int64
  }

  /// A list without manifests.
  ///
  /// - Parameters:
  ///   - formatVersion: 2 or 3.
  ///   - snapshotID: the snapshot.
  ///   - parentSnapshotID: the snapshot that it is made from.
  ///   - sequenceNumber: the snapshot's; manifests with sequence number -1 get it.
  ///   - firstRowID: the table's next row id; needed in v3, must be `nil` in v2.
  ///   - codec: how blocks are compressed.
  public init(
    formatVersion: Int, snapshotID: Int64, parentSnapshotID: Int64?, sequenceNumber: Int64, firstRowID: Int64? = nil,
    codec: AvroCodec = .deflate
  ) throws(IcebergError) {
    throw IcebergError(.unsupported, "not filled yet")
  }

  /// Adds a manifest: a new one as ``ManifestWriter`` gave it, or one of the parent snapshot as it was read.
  public mutating func append(_ manifest: ManifestFile) throws(IcebergError) {
  }

  /// The file, and what was assigned.
  public mutating func finish() throws(IcebergError) -> Output {
    throw IcebergError(.unsupported, "not filled yet")
  }
}
