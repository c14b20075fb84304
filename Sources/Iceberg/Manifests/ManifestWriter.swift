/// Writes one manifest: data or delete files of one partition spec (Iceberg specification, "Manifests").
///
/// The files are kept encoded in memory; begin a new writer when ``estimatedBytes`` reaches the wanted size.
public struct ManifestWriter: Sendable {
  /// A writer without entries.
  ///
  /// - Parameters:
  ///   - formatVersion: 2 or 3.
  ///   - schema: the table's schema: the source columns of `spec` must be in it.
  ///   - spec: the partition spec of all files.
  ///   - content: whether the files are data or delete files.
  ///   - snapshotID: the snapshot that will add the manifest; added and deleted entries without an id get it.
  ///   - codec: how blocks are compressed.
  /// - Throws: kind `invalid` when a partition field has no source column or an unknown transform, `unsupported` for
  ///   other format versions.
  public init(
    formatVersion: Int, schema: TableSchema, spec: PartitionSpec, content: ManifestFile.Content, snapshotID: Int64,
    codec: AvroCodec = .deflate
  ) throws(IcebergError) {
    throw IcebergError(.unsupported, "not filled yet")
  }

  /// Whether nothing was appended.
  public var isEmpty: Bool { true }
  /// About how many bytes the finished manifest has.
  public var estimatedBytes: Int { 0 }

  /// Adds a file.
  ///
  /// Added entries leave the sequence numbers `nil` to inherit those of the commit; existing and deleted ones must
  /// name them.
  /// - Throws: kind `invalid` when the entry does not fit the manifest: content, spec, partition values, sequence
  ///   numbers.
  public mutating func append(_ entry: ManifestEntry) throws(IcebergError) {
  }

  /// The manifest and its bytes, which are to be written to `path`.
  ///
  /// The manifest's sequence number is -1 until ``ManifestListWriter`` assigns it, and so is the smallest one when
  /// all live entries inherit theirs.
  public mutating func finish(path: String) throws(IcebergError) -> (manifest: ManifestFile, bytes: [UInt8]) {
    throw IcebergError(.unsupported, "not filled yet")
  }
}
