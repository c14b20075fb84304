import Columnar

/// A growing column in raw memory, reused from batch to batch.
///
/// Invariant: owned by exactly one ``DecoderState``, which allocates, grows and frees it; `values` has room for `rows × stride`
/// bytes and `ends` for `rows + 1` entries, where `rows` is the state's row capacity. Bits of `nulls` at and after the row count are 0.
struct RawColumn {
  let kind: StorageKind
  /// Fixed-width values; a row of the kind `bytes` uses none.
  var values: UnsafeMutableRawPointer
  /// Where the bytes of each row end, behind a leading 0.
  var ends: UnsafeMutablePointer<Int32>
  /// The arena of the kind `bytes`.
  var bytes: UnsafeMutablePointer<UInt8>
  var byteCount = 0
  var byteCapacity: Int
  /// A set bit is a NULL row.
  var nulls: UnsafeMutablePointer<UInt64>
  var nullCount = 0

  init(_ kind: StorageKind, rows: Int) {
    self.kind = kind
    let isBytes = kind == .bytes
    values = .allocate(byteCount: isBytes ? 0 : rows * Self.stride(kind), alignment: 16)
    ends = .allocate(capacity: isBytes ? rows + 1 : 1)
    ends[0] = 0
    byteCapacity = isBytes ? rows * 16 + 64 : 0
    bytes = .allocate(capacity: byteCapacity)
    nulls = .allocate(capacity: (rows + 63) >> 6)
    nulls.initialize(repeating: 0, count: (rows + 63) >> 6)
  }

  func deallocate() {
    values.deallocate()
    ends.deallocate()
    bytes.deallocate()
    nulls.deallocate()
  }

  static func stride(_ kind: StorageKind) -> Int {
    switch kind {
    case .boolean: 1
    case .int64, .float64: 8
    case .numeric: MemoryLayout<Numeric>.stride
    case .bytes: 0
    case .interval: MemoryLayout<Interval>.stride
    case .uuid: MemoryLayout<UUIDValue>.stride
    }
  }

  /// Makes room for `newRows` rows; the first `rows` are kept.
  mutating func grow(from rows: Int, to newRows: Int) {
    if kind == .bytes {
      let newEnds = UnsafeMutablePointer<Int32>.allocate(capacity: newRows + 1)
      newEnds.update(from: ends, count: rows + 1)
      ends.deallocate()
      ends = newEnds
    } else {
      let newValues = UnsafeMutableRawPointer.allocate(byteCount: newRows * Self.stride(kind), alignment: 16)
      newValues.copyMemory(from: values, byteCount: rows * Self.stride(kind))
      values.deallocate()
      values = newValues
    }
    let (oldWords, newWords) = ((rows + 63) >> 6, (newRows + 63) >> 6)
    let newNulls = UnsafeMutablePointer<UInt64>.allocate(capacity: newWords)
    newNulls.update(from: nulls, count: oldWords)
    (newNulls + oldWords).initialize(repeating: 0, count: newWords - oldWords)
    nulls.deallocate()
    nulls = newNulls
  }

  /// Makes room for `count` more bytes, and for 16 behind them that a short copy may overwrite.
  @inline(never)
  mutating func growBytes(_ count: Int) {
    byteCapacity = max(byteCapacity * 2, byteCount + count + 64)
    let newBytes = UnsafeMutablePointer<UInt8>.allocate(capacity: byteCapacity)
    newBytes.update(from: bytes, count: byteCount)
    bytes.deallocate()
    bytes = newBytes
  }

  /// Ends `row` with a copy of `count` bytes.
  @inline(__always)
  mutating func store(_ start: UnsafePointer<UInt8>, _ count: Int, row: Int) {
    if byteCount + count + 16 > byteCapacity { growBytes(count) }
    (bytes + byteCount).update(from: start, count: count)
    byteCount += count
    ends[row + 1] = Int32(truncatingIfNeeded: byteCount)
  }

  @inline(__always)
  func isNull(_ row: Int) -> Bool { nullCount > 0 && nulls[row >> 6] & (1 << UInt64(row & 63)) != 0 }

  mutating func setNull(_ row: Int) {
    nulls[row >> 6] |= 1 << UInt64(row & 63)
    nullCount += 1
    if kind == .bytes {
      ends[row + 1] = Int32(truncatingIfNeeded: byteCount)
    } else {
      let stride = Self.stride(kind)
      (values + row * stride).initializeMemory(as: UInt8.self, repeating: 0, count: stride)
    }
  }

  /// Forgets what was stored for `row`, the row that is being read.
  mutating func clear(_ row: Int) {
    if kind == .bytes { byteCount = Int(ends[row]) }
    if isNull(row) {
      nulls[row >> 6] &= ~(1 << UInt64(row & 63))
      nullCount -= 1
    }
  }

  /// A column of the first `count` rows; starts again at row 0 and keeps the memory.
  mutating func finish(_ type: DataType, count: Int) -> Column {
    let storage: Column.Storage =
      switch kind {
      case .boolean: .boolean(copy(count))
      case .int64: .int64(copy(count))
      case .float64: .float64(copy(count))
      case .numeric: .numeric(copy(count))
      case .interval: .interval(copy(count))
      case .uuid: .uuid(copy(count))
      case .bytes: .bytes(byteValues(count))
      }
    var validity: Bitmap?
    if nullCount > 0 {
      let words = (count + 63) >> 6
      validity = Bitmap(words: (0..<words).map { ~nulls[$0] }, count: count)
      nulls.update(repeating: 0, count: words)
    }
    nullCount = 0
    byteCount = 0
    return Column(type, storage, validity: validity)
  }

  private func copy<Element>(_ count: Int) -> [Element] {
    [Element](unsafeUninitializedCapacity: count) { target, initialized in
      if count > 0, let start = target.baseAddress {
        UnsafeMutableRawPointer(start).copyMemory(from: values, byteCount: count * MemoryLayout<Element>.stride)
      }
      initialized = count
    }
  }

  func byteValues(_ count: Int) -> ByteValues {
    let offsets = [Int32](unsafeUninitializedCapacity: count + 1) { target, initialized in
      _ = target.update(fromContentsOf: UnsafeBufferPointer(start: ends, count: count + 1))
      initialized = count + 1
    }
    let arena = [UInt8](unsafeUninitializedCapacity: byteCount) { target, initialized in
      _ = target.update(fromContentsOf: UnsafeBufferPointer(start: bytes, count: byteCount))
      initialized = byteCount
    }
    return ByteValues(offsets: offsets, bytes: arena)
  }
}
