/// Reads manifests of format versions 1, 2 and 3 (Iceberg specification, "Manifests").
public enum ManifestReader {
  /// The entries of a manifest, with everything inherited that they leave out.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - manifest: what the manifest list says of it: content, spec, snapshot, sequence number, first row id.
  ///   - specs: the table's partition specs, by id.
  ///   - schemas: the table's schemas, the current one first: source columns of partition fields are looked up in
  ///     this order.
  ///   - liveOnly: leaves out deleted entries.
  /// - Throws: kind `corrupt`, naming the manifest's path.
  public static func read(
    _ bytes: [UInt8], manifest: ManifestFile, specs: [Int: PartitionSpec], schemas: [TableSchema],
    liveOnly: Bool = false
  ) throws(IcebergError) -> [ManifestEntry] {
    throw IcebergError(.unsupported, "not filled yet")
  }
}
