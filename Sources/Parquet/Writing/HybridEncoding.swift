#if canImport(Glibc)
  import Glibc
#endif

/// Run lengths and bit packing (Parquet format, "Run Length Encoding / Bit-Packing Hybrid").
enum HybridEncoding {
  /// How many bits the numbers `0 ..< count` need.
  static func width(count: Int) -> Int { count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount }

  /// Appends `count` numbers of at most `width` bits, without a length.
  ///
  /// Equal numbers become a run when that is smaller than to pack them; a run begins at a multiple of eight numbers,
  /// because packed ones come in eights.
  static func append<Number: FixedWidthInteger & BitwiseCopyable>(
    _ numbers: UnsafePointer<Number>, count: Int, width: Int, into output: inout WriteBuffer<UInt8>
  ) {
    guard count > 0 else { return }
    if width == 0 {
      appendRun(numbers[0], count: count, width: 0, into: &output)
      return
    }
    let shortestRun = max(8, 64 / width)
    var packedStart = 0
    var index = 0
    while index &+ 8 <= count {
      let value = numbers[index]
      if numbers[index &+ 7] == value, numbers[index &+ 3] == value {
        var end = index &+ 1
        while end < count, numbers[end] == value { end &+= 1 }
        if end &- index >= shortestRun {
          appendPacked(numbers + packedStart, count: index &- packedStart, width: width, into: &output)
          appendRun(value, count: end &- index, width: width, into: &output)
          index = end
          packedStart = end
          continue
        }
      }
      index &+= 8
    }
    appendPacked(numbers + packedStart, count: count &- packedStart, width: width, into: &output)
  }

  /// Appends one run.
  static func appendRun<Number: FixedWidthInteger & BitwiseCopyable>(
    _ value: Number, count: Int, width: Int, into output: inout WriteBuffer<UInt8>
  ) {
    output.append(varint: UInt64(count) &<< 1)
    var rest = UInt32(truncatingIfNeeded: value)
    for _ in 0..<(width &+ 7) / 8 {
      output.append(UInt8(truncatingIfNeeded: rest))
      rest &>>= 8
    }
  }

  private static func appendPacked<Number: FixedWidthInteger & BitwiseCopyable>(
    _ numbers: UnsafePointer<Number>, count: Int, width: Int, into output: inout WriteBuffer<UInt8>
  ) {
    guard count > 0 else { return }
    let groups = (count &+ 7) / 8
    output.append(varint: UInt64(groups) &<< 1 | 1)
    pack(numbers, count: count, width: width, size: groups &* width, into: &output)
  }

  /// Appends numbers bit by bit, and zeros up to `size` bytes.
  static func pack<Number: FixedWidthInteger & BitwiseCopyable>(
    _ numbers: UnsafePointer<Number>, count: Int, width: Int, size: Int, into output: inout WriteBuffer<UInt8>
  ) {
    output.reserve(size &+ 16)
    let start = UnsafeMutableRawPointer(output.base + output.count)
    var target = start
    var pending: UInt64 = 0
    var bits: UInt64 = 0
    let step = UInt64(width)
    for index in 0..<count {
      pending |= UInt64(truncatingIfNeeded: numbers[index]) &<< bits
      bits &+= step
      if bits >= 32 {
        target.storeBytes(of: UInt32(truncatingIfNeeded: pending).littleEndian, as: UInt32.self)
        target += 4
        pending &>>= 32
        bits &-= 32
      }
    }
    target.storeBytes(of: pending.littleEndian, as: UInt64.self)
    let used = (target - start) &+ Int((bits &+ 7) / 8)
    if used < size { memset(start + used, 0, size &- used) }
    output.count &+= size
  }
}
