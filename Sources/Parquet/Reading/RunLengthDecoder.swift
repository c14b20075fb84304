/// Decoded bytes of a page, followed by a few zero bytes, so that a word can be loaded at any place of them.
struct PageBytes: Sendable {
  /// How many zero bytes follow.
  static let padding = 16

  /// The bytes with the zeros.
  let storage: [UInt8]
  /// How many bytes there are without the zeros.
  let count: Int

  /// `count` bytes that `fill` writes; it returns whether it could.
  init?(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Bool) {
    var isFilled = false
    storage = [UInt8](unsafeUninitializedCapacity: count + Self.padding) { buffer, initialized in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      isFilled = fill(UnsafeMutableRawBufferPointer(rebasing: raw[0..<count]))
      for index in count..<count + Self.padding { raw[index] = 0 }
      // A failed fill leaves bytes undefined, and nobody sees them.
      initialized = isFilled ? count + Self.padding : 0
    }
    self.count = count
    if !isFilled { return nil }
  }

  /// A copy of `bytes`.
  init(copying bytes: UnsafeRawBufferPointer) {
    storage = [UInt8](unsafeUninitializedCapacity: bytes.count + Self.padding) { buffer, initialized in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      raw.copyMemory(from: bytes)
      for index in bytes.count..<bytes.count + Self.padding { raw[index] = 0 }
      initialized = bytes.count + Self.padding
    }
    count = bytes.count
  }

  /// No bytes.
  static let empty = PageBytes(copying: UnsafeRawBufferPointer(start: nil, count: 0))

  /// The little-endian 32-bit integer at `position`, which must be checked before.
  func int32(at position: Int) -> Int32 {
    storage.withUnsafeBytes { Int32(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Int32.self)) }
  }
}

extension [UInt8] {
  /// What `body` makes of the bytes, with its typed error.
  @inline(__always)
  func withRawBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withUnsafeBufferPointer { buffer throws(Failure) in try body(UnsafeRawBufferPointer(buffer)) }
  }
}

/// Reads `count` values of `width` bits (at most 32) from bit `start` on, the lowest bits first.
///
/// Eight bytes are loaded at the place of each value, so seven more than the last value's must be readable.
@inline(__always)
func unpackBits<T: FixedWidthInteger & UnsignedInteger>(
  _ bytes: UnsafeRawPointer, start: Int, width: Int, count: Int, into output: UnsafeMutablePointer<T>
) {
  let mask: UInt64 = (1 << UInt64(width)) - 1
  var bit = start
  for index in 0..<count {
    let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self))
    output[index] = T(truncatingIfNeeded: (word >> UInt64(bit & 7)) & mask)
    bit += width
  }
}

/// Decodes runs and bit-packed groups (Parquet format, "Run Length Encoding / Bit-Packing Hybrid").
struct RunLengthDecoder: Sendable {
  private let bytes: PageBytes
  private let end: Int
  private let width: Int
  private var position: Int
  /// Values left of the present run or group.
  private var left = 0
  private var isRun = false
  private var value: UInt32 = 0
  /// Where the present group's next value begins.
  private var bit = 0

  /// A decoder of the bytes from `position` to `end`, which are within `bytes`.
  init(_ bytes: PageBytes, from position: Int, to end: Int, width: Int) throws(ParquetError) {
    guard width <= 32 else { throw ParquetError(.corrupt, "values of \(width) bits, at most 32 are allowed") }
    self.bytes = bytes
    self.position = position
    self.end = end
    self.width = width
  }

  /// Up to `limit` times the same value, if a run comes next.
  mutating func nextRun(limit: Int) throws(ParquetError) -> (value: UInt32, count: Int)? {
    if left == 0 { try readHeader() }
    guard isRun else { return nil }
    let count = min(limit, left)
    left -= count
    return (value, count)
  }

  /// Writes the next `count` values to `output`.
  mutating func read<T: FixedWidthInteger & UnsignedInteger>(
    _ count: Int, into output: UnsafeMutablePointer<T>
  ) throws(ParquetError) {
    var done = 0
    while done < count {
      if left == 0 { try readHeader() }
      let part = min(count - done, left)
      if isRun {
        output.advanced(by: done).update(repeating: T(truncatingIfNeeded: value), count: part)
      } else {
        let (start, width) = (bit, width)
        bytes.storage.withUnsafeBytes { raw in
          guard let base = raw.baseAddress else { return }
          unpackBits(base, start: start, width: width, count: part, into: output.advanced(by: done))
        }
        bit += part * width
      }
      left -= part
      done += part
    }
  }

  private mutating func readHeader() throws(ParquetError) {
    repeat {
      var header: UInt64 = 0
      var shift: UInt64 = 0
      while true {
        guard position < end, shift < 35 else { throw ParquetError(.corrupt, "runs of values end early") }
        let byte = bytes.storage[position]
        position += 1
        header |= UInt64(byte & 0x7f) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      isRun = header & 1 == 0
      if isRun { try readRun(Int(header >> 1)) } else { startGroups(Int(header >> 1)) }
    } while left == 0
  }

  private mutating func readRun(_ count: Int) throws(ParquetError) {
    left = count
    let size = (width + 7) >> 3
    guard end - position >= size else { throw ParquetError(.corrupt, "a run without its value") }
    value = 0
    for index in 0..<size { value |= UInt32(bytes.storage[position + index]) << UInt32(8 * index) }
    guard width == 32 || value >> UInt32(width) == 0 else {
      throw ParquetError(.corrupt, "a run of \(value), which has more than \(width) bits")
    }
    position += size
  }

  /// The last group may be cut off by writers that do not pad it: then only the values that are there count.
  private mutating func startGroups(_ groups: Int) {
    bit = position << 3
    let size = min(groups * width, end - position)
    left = width == 0 ? groups * 8 : min(groups * 8, (size << 3) / width)
    position += size
  }
}

/// Decodes definition or repetition levels.
struct LevelDecoder: Sendable {
  private enum Source: Sendable {
    case runs(RunLengthDecoder)
    /// The deprecated encoding: the highest bits first. The values are from bit `next` on.
    case packed(PageBytes, next: Int)
  }

  private var source: Source
  private let maximum: Int

  private static func width(_ maximum: Int) -> Int { Int.bitWidth - maximum.leadingZeroBitCount }

  /// Levels encoded as runs between `position` and `end`.
  init(runs bytes: PageBytes, from position: Int, to end: Int, maximum: Int) throws(ParquetError) {
    source = .runs(try RunLengthDecoder(bytes, from: position, to: end, width: Self.width(maximum)))
    self.maximum = maximum
  }

  /// Levels in the deprecated bit-packed form.
  init(packed bytes: PageBytes, from position: Int, maximum: Int) {
    source = .packed(bytes, next: position << 3)
    self.maximum = maximum
  }

  /// How many bytes `count` bit-packed levels take.
  static func packedSize(count: Int, maximum: Int) -> Int { (count * width(maximum) + 7) >> 3 }

  /// Up to `limit` times the same level, if the writer stored them so.
  mutating func nextRun(limit: Int) throws(ParquetError) -> (level: Int, count: Int)? {
    guard case .runs(var decoder) = source else { return nil }
    let run = try decoder.nextRun(limit: limit)
    source = .runs(decoder)
    guard let run else { return nil }
    try check(Int(run.value))
    return (Int(run.value), run.count)
  }

  /// Appends `count` levels to `levels`.
  mutating func append(_ count: Int, to levels: inout [UInt8]) throws(ParquetError) {
    let start = levels.count
    levels.append(contentsOf: repeatElement(0, count: count))
    switch source {
    case .runs(var decoder):
      try levels.withUnsafeMutableBufferPointer { buffer throws(ParquetError) in
        guard let base = buffer.baseAddress else { return }
        try decoder.read(count, into: base.advanced(by: start))
      }
      source = .runs(decoder)
    case .packed(let bytes, var next):
      let width = Self.width(maximum)
      for index in 0..<count {
        var level: UInt8 = 0
        for _ in 0..<width {
          level = level << 1 | (bytes.storage[next >> 3] >> UInt8(7 - next & 7)) & 1
          next += 1
        }
        levels[start + index] = level
      }
      source = .packed(bytes, next: next)
    }
    var greatest: UInt8 = 0
    for index in start..<start + count { greatest = max(greatest, levels[index]) }
    try check(Int(greatest))
  }

  private func check(_ level: Int) throws(ParquetError) {
    guard level <= maximum else { throw ParquetError(.corrupt, "a level of \(level), at most \(maximum) is possible") }
  }
}
