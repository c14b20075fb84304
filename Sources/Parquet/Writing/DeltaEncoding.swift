/// The encodings by differences (Parquet format, "Delta Encoding", "Delta-length byte array", "Delta Strings").
enum DeltaEncoding {
  private static let blockSize = 128
  private static let miniblockSize = 32

  /// Appends numbers in blocks of 128, four miniblocks each. Differences wrap around in `Physical`, so 32-bit columns
  /// never need more than 32 bits.
  static func append<Source: FixedWidthInteger & BitwiseCopyable, Physical: FixedWidthInteger & SignedInteger>(
    _ numbers: UnsafePointer<Source>, count: Int, as: Physical.Type, into output: inout WriteBuffer<UInt8>
  ) {
    output.append(varint: UInt64(blockSize))
    output.append(varint: UInt64(blockSize / miniblockSize))
    output.append(varint: UInt64(count))
    output.append(zigzag: count > 0 ? Int64(Physical(truncatingIfNeeded: numbers[0])) : 0)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: blockSize) { differences in
      guard let differences = differences.baseAddress else { return }
      var index = 1
      while index < count {
        let length = min(blockSize, count &- index)
        appendBlock(numbers + index, count: length, as: Physical.self, differences, into: &output)
        index &+= length
      }
    }
  }

  private static func appendBlock<
    Source: FixedWidthInteger & BitwiseCopyable, Physical: FixedWidthInteger & SignedInteger
  >(
    _ numbers: UnsafePointer<Source>, count: Int, as: Physical.Type, _ differences: UnsafeMutablePointer<UInt64>,
    into output: inout WriteBuffer<UInt8>
  ) {
    var smallest = Physical.max
    for index in 0..<count {
      let difference =
        Physical(truncatingIfNeeded: numbers[index]) &- Physical(truncatingIfNeeded: numbers[index &- 1])
      differences[index] = UInt64(truncatingIfNeeded: difference)
      smallest = min(smallest, difference)
    }
    for index in 0..<count {
      let difference = Physical(truncatingIfNeeded: differences[index]) &- smallest
      differences[index] = UInt64(truncatingIfNeeded: Physical.Magnitude(truncatingIfNeeded: difference))
    }
    output.append(zigzag: Int64(smallest))
    let widths = output.count
    output.append(repeating: 0, count: blockSize / miniblockSize)
    var start = 0
    while start < count {
      let length = min(miniblockSize, count &- start)
      var union: UInt64 = 0
      for index in start..<start &+ length { union |= differences[index] }
      let width = 64 &- union.leadingZeroBitCount
      output.base[widths &+ start / miniblockSize] = UInt8(width)
      let size = width &* miniblockSize / 8
      if width <= 32 {
        HybridEncoding.pack(differences + start, count: length, width: width, size: size, into: &output)
      } else {
        packWide(differences + start, count: length, width: width, size: size, into: &output)
      }
      start &+= miniblockSize
    }
  }

  /// Packs numbers of 33 to 64 bits.
  private static func packWide(
    _ numbers: UnsafePointer<UInt64>, count: Int, width: Int, size: Int, into output: inout WriteBuffer<UInt8>
  ) {
    output.reserve(size &+ 16)
    let start = output.base + output.count
    start.update(repeating: 0, count: size)
    var position = 0
    for index in 0..<count {
      let byte = position &>> 3
      let shift = UInt64(position & 7)
      let target = UnsafeMutableRawPointer(start + byte)
      let low = UInt64(littleEndian: target.loadUnaligned(as: UInt64.self)) | numbers[index] &<< shift
      // The bytes after `size` that the last number touches are within the reserve and are written again later.
      target.storeBytes(of: low.littleEndian, as: UInt64.self)
      if Int(shift) &+ width > 64 { start[byte &+ 8] |= UInt8(truncatingIfNeeded: numbers[index] &>> (64 &- shift)) }
      position &+= width
    }
    output.count &+= size
  }

  /// Appends lengths, then bytes: value *i* ends at `ends[i]` and begins where the one before ended.
  static func appendLengths(
    _ bytes: UnsafePointer<UInt8>, ends: UnsafePointer<Int>, count: Int, into output: inout WriteBuffer<UInt8>
  ) {
    var lengths = WriteBuffer<Int32>(capacity: count)
    var start = 0
    for index in 0..<count {
      lengths.append(Int32(truncatingIfNeeded: ends[index] &- start))
      start = ends[index]
    }
    append(lengths.base, count: count, as: Int32.self, into: &output)
    output.append(UnsafeRawBufferPointer(start: bytes, count: start))
  }

  /// Appends the lengths of the prefixes that values share with the ones before, then the rests as
  /// ``appendLengths(_:ends:count:into:)`` does.
  static func appendPrefixed(
    _ bytes: UnsafePointer<UInt8>, ends: UnsafePointer<Int>, count: Int, into output: inout WriteBuffer<UInt8>
  ) {
    var prefixes = WriteBuffer<Int32>(capacity: count)
    var rests = WriteBuffer<UInt8>(capacity: 1024)
    var restEnds = WriteBuffer<Int>(capacity: count)
    var previousStart = 0
    var start = 0
    for index in 0..<count {
      let end = ends[index]
      let limit = min(end &- start, index == 0 ? 0 : start &- previousStart)
      var shared = 0
      while shared < limit, bytes[previousStart &+ shared] == bytes[start &+ shared] { shared &+= 1 }
      prefixes.append(Int32(truncatingIfNeeded: shared))
      rests.append(bytes + (start &+ shared), count: end &- start &- shared)
      restEnds.append(rests.count)
      previousStart = start
      start = end
    }
    append(prefixes.base, count: count, as: Int32.self, into: &output)
    appendLengths(rests.base, ends: restEnds.base, count: count, into: &output)
  }
}
