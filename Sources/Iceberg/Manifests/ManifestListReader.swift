/// Reads manifest lists of format versions 1, 2 and 3 (Iceberg specification, "Manifest Lists").
public enum ManifestListReader {
  /// The manifests of a list.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - path: its location, for messages.
  /// - Throws: kind `corrupt`, naming `path`.
  public static func read(_ bytes: [UInt8], path: String) throws(IcebergError) -> [ManifestFile] {
    throw IcebergError(.unsupported, "not filled yet")
  }
}
