/// A deletion vector: the blob `deletion-vector-v1` (Puffin specification).
public enum DeletionVector {
  /// The positions of a blob.
  ///
  /// - Parameters:
  ///   - blob: the blob, from the manifest entry's `content_offset` on, `content_size_in_bytes` long.
  ///   - source: the Puffin file's location, for messages.
  ///   - cardinality: the number of positions that must be in it, when known.
  /// - Throws: kind `corrupt` when length, magic, checksum or bitmap are wrong.
  public static func decode(_ blob: [UInt8], source: String, cardinality: Int64? = nil) throws(IcebergError)
    -> PositionSet
  {
    throw IcebergError(.unsupported, "not filled yet")
  }

  /// The blob of a set of positions.
  public static func encode(_ positions: PositionSet) -> [UInt8] { [] }
}
