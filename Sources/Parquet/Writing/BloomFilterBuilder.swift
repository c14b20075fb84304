#if canImport(Glibc)
  import Glibc
#endif

/// Builds the split-block bloom filter of one column chunk (Parquet format, "Bloom Filter").
///
/// Hashes are collected until the number of distinct values is known, then the smallest filter that keeps the wanted
/// rate of false positives is made. When more are collected than the greatest filter is good for, that one is made at
/// once, so memory is bounded by a small multiple of it.
struct BloomFilterBuilder: ~Copyable {
  private let falsePositiveRate: Double
  private let maximumBytes: Int
  private let expectedValues: Int?
  private let collectedLimit: Int
  private var hashes = WriteBuffer<UInt64>()
  private var blocks = WriteBuffer<UInt32>()

  private static let salts: [UInt32] = [
    0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31
  ]

  /// A filter as `options` say.
  init(_ options: BloomFilterOptions) {
    falsePositiveRate = options.falsePositiveRate
    maximumBytes = Self.roundedDown(options.maximumBytes)
    expectedValues = options.distinctValues
    collectedLimit = max(1024, maximumBytes / 4)
    if let expectedValues { makeBlocks(distinctValues: expectedValues) }
  }

  private static func roundedDown(_ bytes: Int) -> Int {
    let bytes = min(max(bytes, 32), 1 << 27)
    return 1 << (bytes.bitWidth - 1 - bytes.leadingZeroBitCount)
  }

  /// The bytes of a filter for that many values: a power of two, as some readers expect.
  private func size(distinctValues: Int) -> Int {
    let rate = min(max(falsePositiveRate, 1e-9), 0.5)
    let bits = -8 * Double(max(distinctValues, 1)) / log(1 - pow(rate, 1.0 / 8))
    guard bits / 8 < Double(maximumBytes) else { return maximumBytes }
    var bytes = 32
    while Double(bytes * 8) < bits { bytes *= 2 }
    return min(bytes, maximumBytes)
  }

  private mutating func makeBlocks(distinctValues: Int) {
    blocks.removeAll()
    blocks.append(repeating: 0, count: size(distinctValues: distinctValues) / 4)
  }

  /// Adds the hash of a value.
  mutating func insert(_ hash: UInt64) {
    if blocks.count > 0 {
      set(hash)
      return
    }
    hashes.append(hash)
    if hashes.count >= collectedLimit { settle() }
  }

  /// Makes the filter when the collected hashes have too many distinct ones to go on collecting.
  private mutating func settle() {
    let distinct = sortDistinct()
    if distinct * 2 > collectedLimit { fill(distinctValues: max(distinct, maximumBytes)) }
  }

  private mutating func sortDistinct() -> Int {
    var sorted = UnsafeMutableBufferPointer(start: hashes.base, count: hashes.count)
    sorted.sort()
    var kept = 0
    for index in 0..<hashes.count where kept == 0 || hashes.base[index] != hashes.base[kept - 1] {
      hashes.base[kept] = hashes.base[index]
      kept += 1
    }
    hashes.count = kept
    return kept
  }

  private mutating func fill(distinctValues: Int) {
    makeBlocks(distinctValues: distinctValues)
    for index in 0..<hashes.count { set(hashes.base[index]) }
    hashes.removeAll()
  }

  @inline(__always)
  private mutating func set(_ hash: UInt64) {
    let count = UInt64(blocks.count / 8)
    let block = Int(((hash &>> 32) &* count) &>> 32) &* 8
    let key = UInt32(truncatingIfNeeded: hash)
    for lane in 0..<8 {
      blocks.base[block &+ lane] |= 1 &<< ((key &* Self.salts[lane]) &>> 27)
    }
  }

  /// Appends the header and the filter, and begins the next chunk's. Nothing for a chunk without values.
  mutating func finish(_ output: inout WriteBuffer<UInt8>) {
    if blocks.count == 0, hashes.count > 0 { fill(distinctValues: sortDistinct()) }
    guard blocks.count > 0 else { return }
    var header = ThriftEncoder()
    header.beginElement()
    header.int32(1, Int32(blocks.byteCount))
    for field: Int16 in 2...4 {  // The block algorithm, xxHash, no compression: unions of one marker each.
      header.beginStructure(field)
      header.emptyStructure(1)
      header.endStructure()
    }
    header.endStructure()
    output.append(header.bytes)
    for index in 0..<blocks.count { output.append(littleEndian: blocks.base[index]) }
    hashes.removeAll()
    blocks.removeAll()
    if let expectedValues { makeBlocks(distinctValues: expectedValues) }
  }

  /// How many bytes this holds.
  var bufferedBytes: Int { hashes.byteCount + blocks.byteCount }
}
