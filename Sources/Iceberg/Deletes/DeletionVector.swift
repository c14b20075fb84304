/// A deletion vector: the blob `deletion-vector-v1` (Puffin specification).
public enum DeletionVector {
  /// The type of its blobs.
  public static let blobType = "deletion-vector-v1"

  private static let magic: [UInt8] = [0xD1, 0xD3, 0x39, 0x64]

  /// The positions of a blob.
  ///
  /// - Parameters:
  ///   - blob: the blob, from the manifest entry's `content_offset` on, `content_size_in_bytes` long.
  ///   - source: the Puffin file's location, for messages.
  ///   - cardinality: the number of positions that must be in it, when known.
  /// - Throws: kind `corrupt` when length, magic, checksum or bitmap are wrong.
  public static func decode(
    _ blob: [UInt8], source: String, cardinality: Int64? = nil
  ) throws(IcebergError) -> PositionSet {
    var cursor = AvroCursor(blob, context: "the deletion vector in \(source)")
    let length = UInt32(bigEndian: try cursor.littleEndian(UInt32.self))
    guard Int(length) == blob.count - 8 else {
      throw cursor.corrupt("expected the length \(blob.count - 8) of a blob of \(blob.count) bytes, found \(length)")
    }
    guard try cursor.take(4).elementsEqual(magic) else {
      throw cursor.corrupt("expected the magic bytes of a deletion vector, found others")
    }
    let expected = blob[(blob.count - 4)...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let found = checksum32(blob[4..<blob.count - 4])
    guard found == expected else { throw cursor.corrupt("expected the checksum \(expected), found \(found)") }
    let positions = try RoaringBitmap.decode(&cursor)
    guard cursor.remaining == 4 else {
      throw cursor.corrupt("expected the end of the bitmap, \(cursor.remaining - 4) bytes are left")
    }
    if let cardinality, cardinality != positions.count {
      throw cursor.corrupt("expected \(cardinality) positions, found \(positions.count)")
    }
    return positions
  }

  /// The blob of a set of positions.
  public static func encode(_ positions: PositionSet) -> [UInt8] {
    let body = magic + RoaringBitmap.encode(positions)
    return bigEndian(UInt32(truncatingIfNeeded: body.count)) + body + bigEndian(checksum32(body[...]))
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }
}
