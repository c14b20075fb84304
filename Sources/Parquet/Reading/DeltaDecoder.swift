/// Decodes integers stored as differences (Parquet format, "Delta Encoding").
struct DeltaDecoder: Sendable {
  private let bytes: PageBytes
  private let end: Int
  /// Where the next block or miniblock begins.
  private var position: Int
  private let valuesPerMiniblock: Int
  private let miniblockCount: Int
  /// How many values the header announced.
  let count: Int
  /// How many of them are not decoded yet.
  private var left: Int
  private var isFirst = true
  private var last: Int64
  private var minimum: Int64 = 0
  /// Where the present block's bit widths are, and which of them is next.
  private var widths = 0
  private var nextMiniblock: Int
  private var leftInMiniblock = 0
  private var width = 0
  private var bit = 0

  /// A decoder of the bytes from `position` on, up to `end`.
  init(_ bytes: PageBytes, from position: Int, to end: Int) throws(ParquetError) {
    var reader = VariableIntegers(bytes: bytes, position: position, end: end)
    let blockSize = try reader.unsigned()
    let miniblocks = try reader.unsigned()
    let count = try reader.unsigned()
    let first = try reader.zigzag()
    guard blockSize <= 1 << 28, miniblocks > 0, miniblocks <= blockSize, blockSize % miniblocks == 0,
      blockSize / miniblocks % 8 == 0, count <= UInt64(Int32.max)
    else {
      throw ParquetError(
        .corrupt, "differences in blocks of \(blockSize) values, \(miniblocks) miniblocks, \(count) values")
    }
    self.bytes = bytes
    self.end = end
    self.position = reader.position
    valuesPerMiniblock = Int(blockSize / miniblocks)
    miniblockCount = Int(miniblocks)
    nextMiniblock = miniblockCount
    self.count = Int(count)
    left = Int(count)
    last = first
  }

  /// Writes the next `count` values to `output`.
  mutating func read(_ count: Int, into output: UnsafeMutablePointer<Int64>) throws(ParquetError) {
    guard count <= left else { throw ParquetError(.corrupt, "\(left) differences are left, \(count) are wanted") }
    var done = 0
    if isFirst, count > 0 {
      isFirst = false
      output[0] = last
      (done, left) = (1, left - 1)
    }
    while done < count {
      if leftInMiniblock == 0 { try startMiniblock() }
      let part = min(count - done, leftInMiniblock)
      guard (bit + part * width + 7) >> 3 <= end else { throw ParquetError(.corrupt, "differences end early") }
      unpack(part, into: output.advanced(by: done))
      done += part
      left -= part
      leftInMiniblock -= part
    }
  }

  /// Appends the next `count` values to `values`.
  mutating func append(_ count: Int, to values: inout [Int64]) throws(ParquetError) {
    guard count <= left else { throw ParquetError(.corrupt, "\(left) differences are left, \(count) are wanted") }
    let start = values.count
    values.append(contentsOf: repeatElement(0, count: count))
    try values.withUnsafeMutableBufferPointer { buffer throws(ParquetError) in
      guard let base = buffer.baseAddress else { return }
      try read(count, into: base.advanced(by: start))
    }
  }

  /// Where the bytes after the differences begin. Only the block's headers are looked at.
  func endPosition() throws(ParquetError) -> Int {
    var copy = self
    if copy.isFirst, copy.left > 0 {
      copy.isFirst = false
      copy.left -= 1
    }
    while copy.left > 0 {
      if copy.leftInMiniblock == 0 { try copy.startMiniblock() }
      let part = min(copy.left, copy.leftInMiniblock)
      copy.left -= part
      copy.leftInMiniblock -= part
    }
    // The last miniblock is padded, and `position` is after it; some writers leave the padding out at the page's end.
    return min(copy.position, end)
  }

  private mutating func startMiniblock() throws(ParquetError) {
    if nextMiniblock == miniblockCount {
      var reader = VariableIntegers(bytes: bytes, position: position, end: end)
      minimum = try reader.zigzag()
      widths = reader.position
      guard end - widths >= miniblockCount else { throw ParquetError(.corrupt, "differences end early") }
      position = widths + miniblockCount
      nextMiniblock = 0
    }
    width = Int(bytes.storage[widths + nextMiniblock])
    guard width <= 64 else { throw ParquetError(.corrupt, "differences of \(width) bits") }
    nextMiniblock += 1
    leftInMiniblock = valuesPerMiniblock
    bit = position << 3
    position += (valuesPerMiniblock * width) >> 3
  }

  private mutating func unpack(_ part: Int, into output: UnsafeMutablePointer<Int64>) {
    var value = last
    if width == 0 {
      for index in 0..<part {
        value &+= minimum
        output[index] = value
      }
    } else {
      let (width, minimum) = (width, minimum)
      let mask: UInt64 = width == 64 ? .max : (1 << UInt64(width)) - 1
      var bit = bit
      bytes.storage.withUnsafeBytes { raw in
        for index in 0..<part {
          let shift = UInt64(bit & 7)
          var word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self)) >> shift
          if width > 56, shift > 0 { word |= UInt64(raw[(bit >> 3) + 8]) << (64 - shift) }
          value = value &+ minimum &+ Int64(bitPattern: word & mask)
          output[index] = value
          bit += width
        }
      }
      self.bit = bit
    }
    last = value
  }
}

/// Reads integers of variable length (ULEB128).
private struct VariableIntegers {
  let bytes: PageBytes
  var position: Int
  let end: Int

  mutating func unsigned() throws(ParquetError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < end else { throw ParquetError(.corrupt, "an integer is cut off") }
      let byte = bytes.storage[position]
      position += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    throw ParquetError(.corrupt, "an integer of more than 10 bytes")
  }

  mutating func zigzag() throws(ParquetError) -> Int64 {
    let value = try unsigned()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }
}
