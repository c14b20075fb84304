/// A set of a column chunk's values that may hold more than it should, but misses none (Parquet format, "Bloom Filter").
public struct BloomFilter: Hashable, Sendable {
  private static let salt: [UInt32] = [
    0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31
  ]

  /// Blocks of 32 bytes.
  private let bits: [UInt8]

  fileprivate init(bits: [UInt8]) { self.bits = bits }

  /// Whether the chunk may have the value whose plain encoding (bytes without their length) this is; false is certain.
  public func mayContain(_ plain: [UInt8]) -> Bool {
    let hash = plain.withUnsafeBytes { XXHash64.hash($0) }
    let block = Int(((hash >> 32) &* UInt64(bits.count / 32)) >> 32)
    for (word, salt) in Self.salt.enumerated() {
      let bit = (UInt32(truncatingIfNeeded: hash) &* salt) >> 27
      if bits[block * 32 + word * 4 + Int(bit >> 3)] & 1 << UInt8(bit & 7) == 0 { return false }
    }
    return true
  }
}

extension ParquetFile {
  /// The bloom filter of a column chunk, if it has one.
  /// - Throws: `.corrupt`, `.unsupported` for another kind of filter, `.io`.
  public func bloomFilter(
    rowGroup: Int, leaf: Int, from source: (any ByteSource)? = nil
  ) throws(ParquetError) -> BloomFilter? {
    let chunk = try chunk(rowGroup, leaf)
    guard let offset = chunk.bloomFilterOffset else { return nil }
    // The length is not in every file; a header is never as long as this.
    let known = chunk.bloomFilterLength.map { Int64($0) } ?? min(256, fileSize - min(offset, fileSize))
    let start = try metadataBytes(offset, known, rowGroup, leaf, source)
    var thrift = ThriftDecoder(start)
    let count = try thrift.bloomFilterHeader()
    guard count > 0, count % 32 == 0 else {
      throw ParquetError(.corrupt, "\(place(rowGroup, leaf)): a bloom filter of \(count) bytes")
    }
    if start.count - thrift.position >= count {
      return BloomFilter(bits: Array(start[thrift.position..<thrift.position + count]))
    }
    let bitsOffset = offset + Int64(thrift.position)
    return BloomFilter(bits: try metadataBytes(bitsOffset, Int64(count), rowGroup, leaf, source))
  }
}

extension ThriftDecoder {
  /// The size in bytes that a `BloomFilterHeader` announces.
  fileprivate mutating func bloomFilterHeader() throws(ParquetError) -> Int {
    var count = 0
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1: count = Int(try int32(field))
      case 2, 3, 4:
        // Unions that have one member each so far: blocks, xxHash, no compression.
        try structure(field)
        var member = 0
        while let choice = try nextField(&member) {
          guard choice.id == 1 else {
            throw ParquetError(.unsupported, "a bloom filter of another kind (\(field.id), \(choice.id))")
          }
          try skip(choice)
        }
      default: try skip(field)
      }
    }
    return count
  }
}
