import Columnar

/// The 32-bit hash of `bucket` (Iceberg specification, Appendix B): Murmur3 x86 with seed 0.
enum Murmur3 {
  static func hash(_ bytes: some RandomAccessCollection<UInt8>) -> Int32 {
    bytes.withContiguousStorageIfAvailable { hash($0) } ?? hash(Array(bytes))
  }

  static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
    var state: UInt32 = 0
    let whole = bytes.count & ~3
    var index = 0
    while index < whole {
      let block =
        UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
        | UInt32(bytes[index + 3]) << 24
      state = add(state, block)
      index += 4
    }
    var rest: UInt32 = 0
    for position in stride(from: bytes.count - 1, through: whole, by: -1) { rest = rest << 8 | UInt32(bytes[position]) }
    if whole < bytes.count { state ^= scramble(rest) }
    return finish(state, UInt32(truncatingIfNeeded: bytes.count))
  }

  /// The hash of an integer, date or time: of its 8 bytes, little-endian.
  static func hash(_ value: Int64) -> Int32 {
    let bits = UInt64(bitPattern: value)
    return finish(add(add(0, UInt32(truncatingIfNeeded: bits)), UInt32(truncatingIfNeeded: bits >> 32)), 8)
  }

  @inline(__always)
  private static func scramble(_ block: UInt32) -> UInt32 {
    let product = block &* 0xCC9E_2D51
    return (product << 15 | product >> 17) &* 0x1B87_3593
  }

  @inline(__always)
  private static func add(_ state: UInt32, _ block: UInt32) -> UInt32 {
    let mixed = state ^ scramble(block)
    return (mixed << 13 | mixed >> 19) &* 5 &+ 0xE654_6B64
  }

  @inline(__always)
  private static func finish(_ state: UInt32, _ length: UInt32) -> Int32 {
    var hash = state ^ length
    hash ^= hash >> 16
    hash = hash &* 0x85EB_CA6B
    hash ^= hash >> 13
    hash = hash &* 0xC2B2_AE35
    hash ^= hash >> 16
    return Int32(bitPattern: hash)
  }
}

extension Literal {
  /// The 32-bit hash that `bucket` takes (Iceberg specification, Appendix B); `nil` for types that have none: boolean,
  /// float and double.
  public var bucketHash: Int32? {
    switch self {
    case .int(let value), .date(let value): Murmur3.hash(Int64(value))
    case .long(let value), .time(let value), .timestamp(let value), .timestamptz(let value): Murmur3.hash(value)
    case .timestampNanos(let value), .timestamptzNanos(let value): Murmur3.hash(floorDivide(value, 1000))
    case .string(let text): Murmur3.hash(Array(text.utf8))
    case .uuid(let value): Murmur3.hash(value.bigEndianBytes)
    case .fixed(let bytes), .binary(let bytes): Murmur3.hash(bytes)
    case .decimal(let unscaled, _): Murmur3.hash(Self.minimalBytes(unscaled))
    case .boolean, .float, .double: nil
    }
  }
}
