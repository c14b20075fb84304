import Columnar

/// The group keys of a batch's rows in a form that compares quickly: two words and a tag, or a longer byte string.
///
/// Keys of at most 16 bytes are held in `low` and `high`; of longer ones only the hash is held there, and the bytes
/// stand in `arena`. Keys are equal exactly when tags and words (or bytes) are. The tag has the NULL mask in its upper
/// 24 bits and the length, or ``longTag``, in the lowest 8.
///
/// The encoding of equal values is equal: -0.0 is 0.0, there is one NaN, a numeric has no trailing zeros, and an
/// interval counts as its total length with months of 30 days. Text compares by its bytes.
struct EncodedKeys: Sendable {
  static let longTag: UInt32 = 0xFF
  static let inlineBytes = 16

  var low: [UInt64] = []
  var high: [UInt64] = []
  var tags: [UInt32] = []
  var hashes: [UInt64] = []
  /// Row *i*'s encoding is `arena[starts[i] ..< starts[i + 1]]`; empty for keys of fixed width.
  var arena: [UInt8] = []
  var starts: [Int32] = []
  var hasLongKeys = false

  /// Encodes the keys of `count` rows; buffers of an earlier call are reused.
  mutating func encode(_ columns: [Column], count: Int) {
    resize(to: count)
    hasLongKeys = false
    arena = []
    if columns.isEmpty {
      for row in 0..<count {
        low[row] = 0
        high[row] = 0
        tags[row] = 0
      }
    } else if columns.count == 1 {
      encodeSingle(columns[0], count: count)
    } else {
      encodeComposite(columns, count: count)
    }
    Self.hash(low, high, tags, &hashes, count)
  }

  private mutating func resize(to count: Int) {
    guard low.count < count else { return }
    low = [UInt64](repeating: 0, count: count)
    high = low
    hashes = low
    tags = [UInt32](repeating: 0, count: count)
  }

  private mutating func encodeSingle(_ column: Column, count: Int) {
    switch column.storage {
    case .int64(let values):
      for row in 0..<count { low[row] = UInt64(bitPattern: values[row]) }
      setFixedTags(8, count: count)
    case .float64(let values):
      for row in 0..<count { low[row] = Self.canonicalBits(values[row]) }
      setFixedTags(8, count: count)
    case .boolean(let values):
      for row in 0..<count { low[row] = values[row] ? 1 : 0 }
      setFixedTags(1, count: count)
    case .uuid(let values):
      for row in 0..<count { low[row] = values[row].high }
      setFixedTags(16, count: count)
      for row in 0..<count { high[row] = values[row].low }
    case .bytes(let values):
      arena = values.bytes
      starts = values.offsets
      loadInline(count: count)
    case .numeric, .interval:
      encodeComposite([column], count: count)
      return
    }
    guard let validity = column.validity else { return }
    for row in 0..<count where !validity[row] {
      low[row] = 0
      high[row] = 0
      tags[row] = 1 << 8
    }
  }

  private mutating func setFixedTags(_ length: UInt32, count: Int) {
    for row in 0..<count {
      high[row] = 0
      tags[row] = length
    }
  }

  /// Fills words and tags from `arena` and `starts`.
  private mutating func loadInline(count: Int) {
    hasLongKeys = Self.loadInline(arena, starts, count, &low, &high, &tags)
  }

  /// -0.0 as 0.0, and one bit pattern for every NaN.
  @inline(__always)
  static func canonicalBits(_ value: Double) -> UInt64 {
    value == 0 ? 0 : value.isNaN ? 0x7FF8_0000_0000_0000 : value.bitPattern
  }
}

// MARK: - Kernels

extension EncodedKeys {
  /// Loads up to 16 bytes a row; returns whether a key is longer.
  private static func loadInline(
    _ arena: [UInt8], _ starts: UnsafePointer<Int32>, _ count: Int, _ low: UnsafeMutablePointer<UInt64>,
    _ high: UnsafeMutablePointer<UInt64>, _ tags: UnsafeMutablePointer<UInt32>
  ) -> Bool {
    arena.withUnsafeBytes { bytes in
      var anyLong = false
      // Up to this start, 16 bytes can be read whatever the key's length.
      let lastWideStart = bytes.count - inlineBytes
      for row in 0..<count {
        let start = Int(starts[row])
        let length = Int(starts[row + 1]) - start
        if length > inlineBytes {
          anyLong = true
          tags[row] = longTag
          (low[row], high[row]) = hashBytes(bytes, start, length)
          continue
        }
        tags[row] = UInt32(truncatingIfNeeded: length)
        if start <= lastWideStart {
          let bits = UInt64(truncatingIfNeeded: length) &* 8
          let first = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
          let second = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))
          low[row] = bits >= 64 ? first : first & ((1 &<< bits) &- 1)
          high[row] = bits >= 128 ? second : bits <= 64 ? 0 : second & ((1 &<< (bits &- 64)) &- 1)
        } else {
          (low[row], high[row]) = loadNearEnd(bytes, start, length)
        }
      }
      return anyLong
    }
  }

  private static func loadNearEnd(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ length: Int) -> (UInt64, UInt64) {
    var low: UInt64 = 0
    var high: UInt64 = 0
    for index in 0..<length {
      let byte = UInt64(bytes[start + index])
      if index < 8 { low |= byte << UInt64(index * 8) } else { high |= byte << UInt64((index - 8) * 8) }
    }
    return (low, high)
  }

  /// Two words that stand for a long key in its slot; the bytes decide.
  private static func hashBytes(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ length: Int) -> (UInt64, UInt64) {
    var first: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(length)
    var second: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    var index = 0
    while index < length {
      let remaining = min(8, length - index)
      var word: UInt64 = 0
      if remaining == 8 {
        word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start + index, as: UInt64.self))
      } else {
        for offset in 0..<remaining { word |= UInt64(bytes[start + index + offset]) << UInt64(offset * 8) }
      }
      first = mix(first ^ word, 0xA076_1D64_78BD_642F)
      second = mix(second ^ word, 0xE703_7ED1_A0B4_28DB &+ first)
      index += 8
    }
    return (first, second)
  }

  @inline(__always)
  private static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right)
    return product.high ^ product.low
  }

  private static func hash(
    _ low: UnsafePointer<UInt64>, _ high: UnsafePointer<UInt64>, _ tags: UnsafePointer<UInt32>,
    _ hashes: UnsafeMutablePointer<UInt64>, _ count: Int
  ) {
    for row in 0..<count {
      let inner = mix(low[row] ^ 0xA076_1D64_78BD_642F, high[row] ^ 0xE703_7ED1_A0B4_28DB)
      hashes[row] = mix(inner ^ UInt64(tags[row]) ^ low[row], 0x8EBC_6AF0_9C88_C6E3)
    }
  }
}

// MARK: - Several columns, and types wider than a word

extension EncodedKeys {
  /// Writes each row's columns one after another; NULL is a bit of the tag and has no bytes.
  private mutating func encodeComposite(_ columns: [Column], count: Int) {
    // Beyond 24 columns the NULL bits no longer fit the tag: then every column is preceded by a byte.
    let hasNullBytes = columns.count > 24
    starts = Self.starts(columns, count: count, hasNullBytes: hasNullBytes)
    var cursors = Array(starts.prefix(count))
    var masks = [UInt32](repeating: 0, count: count)
    arena = [UInt8](unsafeUninitializedCapacity: Int(starts[count])) { buffer, initialized in
      buffer.initialize(repeating: 0)
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      for (index, column) in columns.enumerated() {
        for row in 0..<count {
          let isNull = column.isNull(row)
          if hasNullBytes {
            bytes[Int(cursors[row])] = isNull ? 1 : 0
            cursors[row] += 1
          } else if isNull {
            masks[row] |= 1 << UInt32(index)
          }
          if isNull { continue }
          let isLast = index == columns.count - 1
          cursors[row] += Int32(Self.write(column, row, to: bytes, at: Int(cursors[row]), withLength: !isLast))
        }
      }
      initialized = buffer.count
    }
    loadInline(count: count)
    for row in 0..<count { tags[row] |= masks[row] << 8 }
  }

  private static func starts(_ columns: [Column], count: Int, hasNullBytes: Bool) -> [Int32] {
    var starts = [Int32](repeating: 0, count: count + 1)
    for (index, column) in columns.enumerated() {
      let isLast = index == columns.count - 1
      for row in 0..<count {
        let length = column.isNull(row) ? 0 : length(column, row, withLength: !isLast)
        starts[row + 1] += Int32(length + (hasNullBytes ? 1 : 0))
      }
    }
    for row in 0..<count { starts[row + 1] += starts[row] }
    return starts
  }

  private static func length(_ column: Column, _ row: Int, withLength: Bool) -> Int {
    switch column.storage {
    case .boolean: 1
    case .int64, .float64: 8
    case .numeric: 17
    case .interval, .uuid: 16
    case .bytes(let values): Int(values.offsets[row + 1] - values.offsets[row]) + (withLength ? 4 : 0)
    }
  }

  /// Writes one value and returns how many bytes it took.
  private static func write(
    _ column: Column, _ row: Int, to bytes: UnsafeMutableRawBufferPointer, at position: Int, withLength: Bool
  ) -> Int {
    switch column.storage {
    case .boolean(let values):
      bytes[position] = values[row] ? 1 : 0
      return 1
    case .int64(let values):
      bytes.storeBytes(of: values[row].littleEndian, toByteOffset: position, as: Int64.self)
      return 8
    case .float64(let values):
      bytes.storeBytes(of: canonicalBits(values[row]).littleEndian, toByteOffset: position, as: UInt64.self)
      return 8
    case .numeric(let values):
      let value = values[row].strippingTrailingZeros
      storeWide(UInt128(truncatingIfNeeded: value.unscaled), to: bytes, at: position)
      bytes[position + 16] = UInt8(truncatingIfNeeded: value.scale)
      return 17
    case .interval(let values):
      storeWide(UInt128(truncatingIfNeeded: values[row].comparisonMicroseconds), to: bytes, at: position)
      return 16
    case .uuid(let values):
      bytes.storeBytes(of: values[row].high.littleEndian, toByteOffset: position, as: UInt64.self)
      bytes.storeBytes(of: values[row].low.littleEndian, toByteOffset: position + 8, as: UInt64.self)
      return 16
    case .bytes(let values):
      let source = values[row]
      var cursor = position
      if withLength {
        bytes.storeBytes(of: UInt32(source.count).littleEndian, toByteOffset: cursor, as: UInt32.self)
        cursor += 4
      }
      source.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: bytes[cursor...]).copyMemory(from: $0) }
      return cursor + source.count - position
    }
  }

  private static func storeWide(_ value: UInt128, to bytes: UnsafeMutableRawBufferPointer, at position: Int) {
    let low = UInt64(truncatingIfNeeded: value)
    let high = UInt64(truncatingIfNeeded: value >> 64)
    bytes.storeBytes(of: low.littleEndian, toByteOffset: position, as: UInt64.self)
    bytes.storeBytes(of: high.littleEndian, toByteOffset: position + 8, as: UInt64.self)
  }
}

extension Numeric {
  /// Whether this is NaN.
  var isNotANumber: Bool { scale == Numeric.nanScale }

  /// The same value with the least scale; equal values become identical.
  var strippingTrailingZeros: Numeric {
    if isNotANumber { return Numeric(unscaled: 0, scale: Numeric.nanScale) }
    if unscaled == 0 { return Numeric(unscaled: 0, scale: 0) }
    var result = self
    while result.scale > 0, result.unscaled % 10 == 0 {
      result.unscaled /= 10
      result.scale -= 1
    }
    return result
  }
}

extension Interval {
  /// The length by which PostgreSQL compares intervals: a month has 30 days, a day 24 hours.
  var comparisonMicroseconds: Int128 {
    (Int128(months) * 30 + Int128(days)) * 86_400_000_000 + Int128(microseconds)
  }
}
