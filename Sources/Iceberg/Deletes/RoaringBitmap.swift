/// Reads and writes 64-bit Roaring bitmaps in the portable format (RoaringFormatSpec, "Extension for 64-bit
/// implementations").
enum RoaringBitmap {
  private static let cookieWithRuns: UInt32 = 12347
  private static let cookieWithoutRuns: UInt32 = 12346
  /// Below this number of containers a bitmap with runs has no offsets.
  private static let offsetThreshold = 4

  /// The positions of all 32-bit bitmaps.
  static func decode(_ cursor: inout AvroCursor) throws(IcebergError) -> PositionSet {
    let count = try cursor.littleEndian(UInt64.self)
    // A bitmap has at least its key and eight bytes.
    guard count <= UInt64(cursor.remaining / 12) else {
      throw cursor.corrupt("expected a number of bitmaps, found \(count)")
    }
    var chunks: [PositionSet.Chunk] = []
    var previous: Int64 = -1
    for _ in 0..<count {
      let key = Int64(try cursor.littleEndian(UInt32.self))
      guard key > previous, key <= Int64(Int32.max) else {
        throw cursor.corrupt("expected a key above \(previous) and below 2^31, found \(key)")
      }
      previous = key
      try decode32(&cursor, key: key, into: &chunks)
    }
    return PositionSet(chunks: chunks)
  }

  /// What the header of a 32-bit bitmap says of a container.
  private struct Description {
    var key: UInt16
    var cardinality: Int
    var hasRuns: Bool
  }

  private static func decode32(
    _ cursor: inout AvroCursor, key: Int64, into chunks: inout [PositionSet.Chunk]
  ) throws(IcebergError) {
    let start = cursor.offset
    let (descriptions, hasRuns) = try header(&cursor)
    if !hasRuns || descriptions.count >= offsetThreshold {
      let place = cursor.offset
      let first = try cursor.littleEndian(UInt32.self, ifAny: descriptions.count)
      try cursor.skip(4 * max(0, descriptions.count - 1))
      // Containers follow each other; the offsets only repeat that.
      guard first == nil || Int(first ?? 0) == cursor.offset - start else {
        cursor.offset = place
        throw cursor.corrupt("expected the offset of the first container, found \(first ?? 0)")
      }
    }
    for description in descriptions {
      let container = try container(&cursor, description)
      chunks.append(PositionSet.Chunk(key: key << 16 | Int64(description.key), container: container))
    }
  }

  private static func header(_ cursor: inout AvroCursor) throws(IcebergError) -> ([Description], Bool) {
    let cookie = try cursor.littleEndian(UInt32.self)
    var runFlags: ArraySlice<UInt8>?
    let count: Int
    if cookie & 0xFFFF == cookieWithRuns {
      count = Int(cookie >> 16) + 1
      runFlags = try cursor.take((count + 7) / 8)
    } else if cookie == cookieWithoutRuns {
      let size = try cursor.littleEndian(UInt32.self)
      guard size <= 65536 else { throw cursor.corrupt("expected at most 65536 containers, found \(size)") }
      count = Int(size)
    } else {
      throw cursor.corrupt("expected the cookie of a Roaring bitmap, found \(cookie)")
    }
    var descriptions: [Description] = []
    descriptions.reserveCapacity(count)
    for index in 0..<count {
      let key = try cursor.littleEndian(UInt16.self)
      if let last = descriptions.last, last.key >= key { throw cursor.corrupt("expected ascending container keys") }
      let cardinality = Int(try cursor.littleEndian(UInt16.self)) + 1
      let flags = runFlags.map { $0[$0.startIndex + index / 8] } ?? 0
      descriptions.append(
        Description(key: key, cardinality: cardinality, hasRuns: flags >> UInt8(index % 8) & 1 == 1))
    }
    return (descriptions, runFlags != nil)
  }

  private static func container(
    _ cursor: inout AvroCursor, _ description: Description
  ) throws(IcebergError) -> PositionContainer {
    if description.hasRuns { return .runs(try runs(&cursor, cardinality: description.cardinality)) }
    if description.cardinality > PositionContainer.arrayLimit {
      var words: [UInt64] = []
      words.reserveCapacity(1024)
      for _ in 0..<1024 { words.append(try cursor.littleEndian(UInt64.self)) }
      let count = words.reduce(0) { $0 + $1.nonzeroBitCount }
      guard count == description.cardinality else {
        throw cursor.corrupt("expected \(description.cardinality) set bits in a bitmap, found \(count)")
      }
      return .bitmap(words, count: count)
    }
    var values: [UInt16] = []
    values.reserveCapacity(description.cardinality)
    for _ in 0..<description.cardinality {
      let value = try cursor.littleEndian(UInt16.self)
      if let last = values.last, last >= value { throw cursor.corrupt("expected ascending values in an array") }
      values.append(value)
    }
    return .array(values)
  }

  private static func runs(_ cursor: inout AvroCursor, cardinality: Int) throws(IcebergError) -> [PositionRun] {
    let count = Int(try cursor.littleEndian(UInt16.self))
    var runs: [PositionRun] = []
    runs.reserveCapacity(count)
    for _ in 0..<count {
      let first = try cursor.littleEndian(UInt16.self)
      let (last, overflow) = first.addingReportingOverflow(try cursor.littleEndian(UInt16.self))
      if overflow { throw cursor.corrupt("expected a run within 65536 values") }
      if let previous = runs.last, previous.last >= first { throw cursor.corrupt("expected ascending runs") }
      runs.append(PositionRun(first: first, last: last))
    }
    let total = runs.reduce(0) { $0 + $1.count }
    guard total == cardinality else { throw cursor.corrupt("expected runs of \(cardinality) values, found \(total)") }
    return runs
  }

  /// The portable form; each container in the smallest of its three forms.
  static func encode(_ positions: PositionSet) -> [UInt8] {
    var groups: [(key: Int64, chunks: ArraySlice<PositionSet.Chunk>)] = []
    var start = 0
    for index in positions.chunks.indices {
      let next = index + 1
      let key = positions.chunks[index].key >> 16
      if next == positions.chunks.count || positions.chunks[next].key >> 16 != key {
        groups.append((key, positions.chunks[start..<next]))
        start = next
      }
    }
    var output = RoaringOutput()
    output.append(UInt64(groups.count))
    for group in groups {
      output.append(UInt32(truncatingIfNeeded: group.key))
      encode32(group.chunks, into: &output)
    }
    return output.bytes
  }

  /// A container as it is going to be written.
  private struct Encoded {
    var key: UInt16
    var container: PositionContainer
    var count: Int
    var size: Int

    init(_ chunk: PositionSet.Chunk) {
      key = UInt16(truncatingIfNeeded: chunk.key)
      count = chunk.container.count
      let runs = chunk.container.asRuns
      let plain = count <= PositionContainer.arrayLimit ? 2 * count : 8192
      if 2 + 4 * runs.count < plain {
        container = .runs(runs)
        size = 2 + 4 * runs.count
      } else {
        container = chunk.container.unrolled
        size = plain
      }
    }

    var hasRuns: Bool { if case .runs = container { true } else { false } }
  }

  private static func encode32(_ chunks: ArraySlice<PositionSet.Chunk>, into output: inout RoaringOutput) {
    let containers = chunks.map { Encoded($0) }
    let hasRuns = containers.contains { $0.hasRuns }
    let hasOffsets = !hasRuns || containers.count >= offsetThreshold
    var offset = 4 * containers.count + (hasOffsets ? 4 * containers.count : 0)
    if hasRuns {
      output.append(cookieWithRuns | UInt32(containers.count - 1) << 16)
      var flags = [UInt8](repeating: 0, count: (containers.count + 7) / 8)
      for (index, container) in containers.enumerated() where container.hasRuns { flags[index / 8] |= 1 << (index % 8) }
      output.bytes += flags
      offset += 4 + flags.count
    } else {
      output.append(cookieWithoutRuns)
      output.append(UInt32(containers.count))
      offset += 8
    }
    for container in containers {
      output.append(container.key)
      output.append(UInt16(container.count - 1))
    }
    if hasOffsets {
      for container in containers {
        output.append(UInt32(offset))
        offset += container.size
      }
    }
    for container in containers {
      switch container.container {
      case .array(let values): for value in values { output.append(value) }
      case .bitmap(let words, _): for word in words { output.append(word) }
      case .runs(let runs):
        output.append(UInt16(runs.count))
        for run in runs {
          output.append(run.first)
          output.append(run.last - run.first)
        }
      }
    }
  }
}

/// Collects little-endian numbers.
private struct RoaringOutput {
  var bytes: [UInt8] = []

  mutating func append<T: FixedWidthInteger>(_ value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> T(shift))) }
  }
}

extension AvroCursor {
  /// A number when `count` is not 0.
  fileprivate mutating func littleEndian<T: FixedWidthInteger>(
    _ type: T.Type, ifAny count: Int
  ) throws(IcebergError) -> T? {
    guard count > 0 else { return nil }
    return try littleEndian(type)
  }
}
