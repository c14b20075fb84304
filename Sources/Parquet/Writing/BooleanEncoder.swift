import Columnar

/// Booleans: a bit each, or runs.
final class BooleanEncoder: ValueEncoder {
  private let leaf: ParquetLeaf
  private let settings: ColumnSettings
  private var values = WriteBuffer<UInt8>()

  init(_ leaf: ParquetLeaf, _ settings: ColumnSettings) {
    self.leaf = leaf
    self.settings = settings
  }

  func append(_ column: Column, _ rows: ValueRows) throws(ParquetError) {
    guard case .boolean(let bits) = column.storage else { throw leaf.mismatch(column) }
    values.reserve(rows.count)
    bits.withUnsafeBufferPointer { bits in
      let target = values.base + values.count
      for index in 0..<rows.count { target[index] = bits[rows.row(index)] ? 1 : 0 }
    }
    values.count += rows.count
  }

  func byteCount(_ column: Column, _ rows: ValueRows) -> Int { 0 }
  var openBytes: Int { values.count / 8 }
  var rawBytes: Int { openBytes }
  var dictionaryBytes: Int { 0 }

  func takeBounds() -> ValueBounds {
    var bounds = ValueBounds()
    guard values.count > 0 else { return bounds }
    var (all, any): (UInt8, UInt8) = (1, 0)
    for value in values.elements {
      all &= value
      any |= value
    }
    (bounds.minimum, bounds.maximum) = ([all], [any])
    return bounds
  }

  func encodePage(_ request: PageRequest, into output: inout WriteBuffer<UInt8>) throws(ParquetError) -> Encoding {
    defer { values.removeAll() }
    let size = (values.count + 7) / 8
    if settings.encodings.contains(.runLength), values.count > 0 {
      let start = output.count
      output.append(littleEndian: UInt32(0))
      HybridEncoding.append(values.base, count: values.count, width: 1, into: &output)
      let length = output.count - start - 4
      if length + 4 < size {
        UnsafeMutableRawPointer(output.base + start).storeBytes(of: UInt32(length).littleEndian, as: UInt32.self)
        return .rle
      }
      output.count = start
    }
    HybridEncoding.pack(values.base, count: values.count, width: 1, size: size, into: &output)
    return .plain
  }

  func encodeDictionary(into output: inout WriteBuffer<UInt8>) -> Int { 0 }
  func encodeBloomFilter(into output: inout WriteBuffer<UInt8>) {}
  func endChunk() {}
}
