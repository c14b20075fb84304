/// Decodes the values of a page, in order, as many at a time as are wanted.
protocol ValueDecoder: Sendable {
  /// Appends the next `count` values to `builder`.
  /// - Throws: `.corrupt` when the page holds fewer, or they are not what the type has.
  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError)
}

private func tooFew(_ wanted: Int) -> ParquetError {
  ParquetError(.corrupt, "the page's values end early: \(wanted) more are wanted")
}

/// Values of a fixed width, one after another (`PLAIN`).
struct PlainFixedDecoder: ValueDecoder {
  let bytes: PageBytes
  var position: Int
  let end: Int
  let width: Int

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    if count == 0 { return }
    guard count <= (end - position) / width else { throw tooFew(count) }
    try bytes.storage.withRawBytes { raw throws(ParquetError) in
      if let base = raw.baseAddress { try builder.appendFixed(base.advanced(by: position), count: count) }
    }
    position += count * width
  }
}

/// Variable bytes, each after its length (`PLAIN`).
struct PlainBytesDecoder: ValueDecoder {
  let bytes: PageBytes
  var position: Int
  let end: Int

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    // Each value has a length at least: no loop over a forged count.
    guard count <= (end - position) / 4 else { throw tooFew(count) }
    let start = position
    position = try bytes.storage.withRawBytes { raw throws(ParquetError) in
      builder.conversion == .bytes
        ? try Self.appendFast(raw, from: start, to: end, count, &builder)
        : try Self.appendEach(raw, from: start, to: end, count, &builder)
    }
  }

  private static func appendEach(
    _ raw: UnsafeRawBufferPointer, from start: Int, to end: Int, _ count: Int, _ builder: inout LeafBuilder
  ) throws(ParquetError) -> Int {
    var position = start
    for _ in 0..<count {
      let length = try nextLength(raw, &position, end)
      try builder.appendBytes(UnsafeRawBufferPointer(rebasing: raw[position..<position + length]))
      position += length
    }
    return position
  }

  /// The offsets first, then all bytes, so that the arena grows once.
  private static func appendFast(
    _ raw: UnsafeRawBufferPointer, from start: Int, to end: Int, _ count: Int, _ builder: inout LeafBuilder
  ) throws(ParquetError) -> Int {
    var position = start
    for _ in 0..<count { position += try nextLength(raw, &position, end) }
    let total = position - start - 4 * count
    try builder.checkArena(adding: total)
    var arenaEnd = builder.bytes.count
    let offsetStart = builder.offsets.count
    builder.offsets.append(contentsOf: repeatElement(0, count: count))
    let byteStart = builder.bytes.count
    builder.bytes.append(contentsOf: repeatElement(0, count: total))
    builder.bytes.withUnsafeMutableBytes { output in
      builder.offsets.withUnsafeMutableBufferPointer { offsets in
        var (from, to) = (start, byteStart)
        for index in 0..<count {
          let length = Int(Int32(littleEndian: raw.loadUnaligned(fromByteOffset: from, as: Int32.self)))
          from += 4
          if let target = output.baseAddress, let source = raw.baseAddress {
            target.advanced(by: to).copyMemory(from: source.advanced(by: from), byteCount: length)
          }
          from += length
          to += length
          arenaEnd += length
          offsets[offsetStart + index] = Int32(truncatingIfNeeded: arenaEnd)
        }
      }
    }
    return position
  }

  @inline(__always)
  private static func nextLength(
    _ raw: UnsafeRawBufferPointer, _ position: inout Int, _ end: Int
  ) throws(ParquetError) -> Int {
    guard end - position >= 4 else { throw tooFew(1) }
    let length = Int(Int32(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: Int32.self)))
    position += 4
    guard length >= 0, length <= end - position else {
      throw ParquetError(.corrupt, "a value of \(length) bytes where \(end - position) are left")
    }
    return length
  }
}

/// Booleans, a bit each, the lowest first (`PLAIN`).
struct PlainBooleanDecoder: ValueDecoder {
  let bytes: PageBytes
  /// The next bit.
  var bit: Int
  let end: Int

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    guard count <= end << 3 - bit else { throw tooFew(count) }
    guard builder.storage == .boolean else { throw ParquetError(.corrupt, "bits where the type is not boolean") }
    let start = bit
    extend(&builder.booleans, by: count, false) { output in
      bytes.storage.withUnsafeBufferPointer { raw in
        for index in 0..<count { output[index] = raw[(start + index) >> 3] >> UInt8((start + index) & 7) & 1 == 1 }
      }
    }
    bit += count
  }
}

/// Booleans as runs (`RLE`).
struct RunLengthBooleanDecoder: ValueDecoder {
  var runs: RunLengthDecoder

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    guard builder.storage == .boolean else { throw ParquetError(.corrupt, "runs where the type is not boolean") }
    var bits = [UInt8](repeating: 0, count: count)
    try bits.withUnsafeMutableBufferPointer { buffer throws(ParquetError) in
      if let base = buffer.baseAddress { try runs.read(count, into: base) }
    }
    for bit in bits { builder.booleans.append(bit == 1) }
  }
}

/// Places in a dictionary, as runs (`RLE_DICTIONARY`, `PLAIN_DICTIONARY`).
struct DictionaryDecoder: ValueDecoder {
  var runs: RunLengthDecoder
  let dictionary: LeafBuilder
  private var indices: [UInt32] = []

  init(runs: RunLengthDecoder, dictionary: LeafBuilder) {
    self.runs = runs
    self.dictionary = dictionary
  }

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    var left = count
    // In pieces, so that the indices stay in the processor's cache.
    while left > 0 {
      let part = min(left, 4096)
      indices.removeAll(keepingCapacity: true)
      indices.append(contentsOf: repeatElement(0, count: part))
      try indices.withUnsafeMutableBufferPointer { buffer throws(ParquetError) in
        if let base = buffer.baseAddress { try runs.read(part, into: base) }
      }
      try builder.appendGathered(dictionary, indices)
      left -= part
    }
  }
}

/// Integers as differences (`DELTA_BINARY_PACKED`).
struct DeltaIntegerDecoder: ValueDecoder {
  var deltas: DeltaDecoder
  private var values: [Int64] = []

  init(_ deltas: DeltaDecoder) { self.deltas = deltas }

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    values.removeAll(keepingCapacity: true)
    try deltas.append(count, to: &values)
    try builder.appendIntegers(values)
  }
}

/// Variable bytes after the differences of their lengths (`DELTA_LENGTH_BYTE_ARRAY`).
struct DeltaLengthDecoder: ValueDecoder {
  private let bytes: PageBytes
  private var lengths: DeltaDecoder
  private var position: Int
  private let end: Int

  init(_ bytes: PageBytes, from position: Int, to end: Int) throws(ParquetError) {
    self.bytes = bytes
    self.end = end
    lengths = try DeltaDecoder(bytes, from: position, to: end)
    self.position = try lengths.endPosition()
  }

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    var values: [Int64] = []
    try lengths.append(count, to: &values)
    for length in values {
      guard length >= 0, length <= end - position else {
        throw ParquetError(.corrupt, "a value of \(length) bytes where \(end - position) are left")
      }
      let range = position..<position + Int(length)
      try bytes.storage.withRawBytes { raw throws(ParquetError) in
        try builder.appendBytes(UnsafeRawBufferPointer(rebasing: raw[range]))
      }
      position = range.upperBound
    }
  }
}

/// Bytes that share a prefix with the value before (`DELTA_BYTE_ARRAY`).
struct DeltaBytesDecoder: ValueDecoder {
  private let bytes: PageBytes
  private var prefixes: DeltaDecoder
  private var suffixes: DeltaDecoder
  private var position: Int
  private let end: Int
  private var value: [UInt8] = []

  init(_ bytes: PageBytes, from position: Int, to end: Int) throws(ParquetError) {
    self.bytes = bytes
    self.end = end
    prefixes = try DeltaDecoder(bytes, from: position, to: end)
    suffixes = try DeltaDecoder(bytes, from: try prefixes.endPosition(), to: end)
    self.position = try suffixes.endPosition()
  }

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    var kept: [Int64] = []
    var added: [Int64] = []
    try prefixes.append(count, to: &kept)
    try suffixes.append(count, to: &added)
    for index in 0..<count {
      let (prefix, suffix) = (kept[index], added[index])
      guard prefix >= 0, prefix <= value.count, suffix >= 0, suffix <= end - position else {
        throw ParquetError(.corrupt, "a value of \(prefix) bytes of the one before and \(suffix) more")
      }
      value.removeSubrange(Int(prefix)...)
      value.append(contentsOf: bytes.storage[position..<position + Int(suffix)])
      position += Int(suffix)
      try value.withRawBytes { raw throws(ParquetError) in try builder.appendBytes(raw) }
    }
  }
}

/// The first bytes of all values, then the second ones, and so on (`BYTE_STREAM_SPLIT`).
struct ByteStreamSplitDecoder: ValueDecoder {
  private let bytes: PageBytes
  private let start: Int
  private let width: Int
  /// How many values the page has.
  private let total: Int
  private var next = 0

  init(_ bytes: PageBytes, from position: Int, to end: Int, width: Int) throws(ParquetError) {
    guard (end - position) % width == 0 else {
      throw ParquetError(.corrupt, "\(end - position) bytes of split streams of \(width) bytes a value")
    }
    self.bytes = bytes
    self.width = width
    start = position
    total = (end - position) / width
  }

  mutating func append(_ count: Int, to builder: inout LeafBuilder) throws(ParquetError) {
    guard count <= total - next else { throw tooFew(count) }
    var joined = [UInt8](repeating: 0, count: count * width)
    joined.withUnsafeMutableBufferPointer { output in
      bytes.storage.withUnsafeBufferPointer { input in
        for stream in 0..<width {
          let first = start + stream * total + next
          for index in 0..<count { output[index * width + stream] = input[first + index] }
        }
      }
    }
    try joined.withRawBytes { raw throws(ParquetError) in
      if let base = raw.baseAddress { try builder.appendFixed(base, count: count) }
    }
    next += count
  }
}
