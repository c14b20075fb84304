/// The delete files that apply to a data file.
public struct ApplicableDeletes: Hashable, Sendable {
  /// The deletion vector; then there are no ``positionDeletes``.
  public var deletionVector: ManifestEntry?
  /// Position delete files.
  public var positionDeletes: [ManifestEntry]
  /// Equality delete files.
  public var equalityDeletes: [ManifestEntry]

  /// Whether no row is deleted.
  public var isEmpty: Bool { deletionVector == nil && positionDeletes.isEmpty && equalityDeletes.isEmpty }
}

/// Finds the delete files of data files (Iceberg specification, "Scan Planning").
public struct DeleteFileIndex: Sendable {
  /// An index of live delete files.
  ///
  /// - Parameters:
  ///   - entries: entries of delete manifests, as ``ManifestReader`` gives them; deleted ones are left out.
  ///   - specs: the table's partition specs, by id.
  ///   - schemas: the table's schemas, the current one first; bounds of equality deletes are compared by its types.
  /// - Throws: kind `corrupt` when a data file has two deletion vectors or an entry is not a delete file.
  public init(entries: [ManifestEntry], specs: [Int: PartitionSpec], schemas: [TableSchema]) throws(IcebergError) {
  }

  /// Whether there are no delete files.
  public var isEmpty: Bool { true }

  /// The delete files that apply to the data file of `entry`.
  /// - Throws: kind `corrupt` when a deletion vector contradicts the data file.
  public func deletes(for entry: ManifestEntry) throws(IcebergError) -> ApplicableDeletes {
    ApplicableDeletes(deletionVector: nil, positionDeletes: [], equalityDeletes: [])
  }
}
