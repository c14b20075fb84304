import Columnar

extension LeafBuilder {
  /// Appends `count` values of a fixed width that lie one after another at `source`.
  mutating func appendFixed(_ source: UnsafeRawPointer, count: Int) throws(ParquetError) {
    switch conversion {
    case .int32:
      extend(&int64s, by: count, 0) { output in
        for index in 0..<count { output[index] = Int64(load(source, index, Int32.self)) }
      }
    case .unsigned32:
      extend(&int64s, by: count, 0) { output in
        for index in 0..<count { output[index] = Int64(load(source, index, UInt32.self)) }
      }
    case .int64:
      extend(&int64s, by: count, 0) { output in
        for index in 0..<count { output[index] = load(source, index, Int64.self) }
      }
    case .float:
      extend(&float64s, by: count, 0) { output in
        for index in 0..<count { output[index] = Double(Float(bitPattern: load(source, index, UInt32.self))) }
      }
    case .double:
      extend(&float64s, by: count, 0) { output in
        for index in 0..<count { output[index] = Double(bitPattern: load(source, index, UInt64.self)) }
      }
    case .int96:
      extend(&int64s, by: count, 0) { output in
        for index in 0..<count { output[index] = int96Microseconds(source.advanced(by: 12 * index)) }
      }
    case .decimal32(let scale):
      for index in 0..<count {
        numerics.append(Numeric(unscaled: Int128(load(source, index, Int32.self)), scale: scale))
      }
    case .decimal64(let scale):
      for index in 0..<count {
        numerics.append(Numeric(unscaled: Int128(load(source, index, Int64.self)), scale: scale))
      }
    case .fixed(let length), .decimalFixed(let length, _):
      for index in 0..<count {
        try appendBytes(UnsafeRawBufferPointer(start: source.advanced(by: index * length), count: length))
      }
    case .uuid:
      for index in 0..<count {
        try appendBytes(UnsafeRawBufferPointer(start: source.advanced(by: index * 16), count: 16))
      }
    case .boolean, .bytes, .decimalBytes:
      throw ParquetError(.corrupt, "values of a fixed width where the type has none")
    }
  }

  /// Appends integers that were stored as differences.
  mutating func appendIntegers(_ values: [Int64]) throws(ParquetError) {
    switch conversion {
    case .int64: int64s.append(contentsOf: values)
    case .int32: for value in values { int64s.append(Int64(Int32(truncatingIfNeeded: value))) }
    case .unsigned32: for value in values { int64s.append(Int64(UInt32(truncatingIfNeeded: value))) }
    case .decimal32(let scale):
      for value in values {
        numerics.append(Numeric(unscaled: Int128(Int32(truncatingIfNeeded: value)), scale: scale))
      }
    case .decimal64(let scale):
      for value in values { numerics.append(Numeric(unscaled: Int128(value), scale: scale)) }
    default: throw ParquetError(.corrupt, "differences of integers where the type is none")
    }
  }

  /// Appends a value that is stored as bytes.
  mutating func appendBytes(_ value: UnsafeRawBufferPointer) throws(ParquetError) {
    switch conversion {
    case .bytes: break
    case .fixed(let length):
      guard value.count == length else { throw wrongLength(value.count, length) }
    case .uuid:
      guard value.count == 16 else { throw wrongLength(value.count, 16) }
      uuids.append(
        UUIDValue(
          high: UInt64(bigEndian: value.loadUnaligned(as: UInt64.self)),
          low: UInt64(bigEndian: value.loadUnaligned(fromByteOffset: 8, as: UInt64.self))))
      return
    case .decimalBytes(let scale):
      numerics.append(Numeric(unscaled: try bigEndianInteger(value), scale: scale))
      return
    case .decimalFixed(let length, let scale):
      guard value.count == length else { throw wrongLength(value.count, length) }
      numerics.append(Numeric(unscaled: try bigEndianInteger(value), scale: scale))
      return
    default: throw ParquetError(.corrupt, "bytes where the type has none")
    }
    try checkArena(adding: value.count)
    bytes.append(contentsOf: value)
    offsets.append(Int32(truncatingIfNeeded: bytes.count))
  }

  /// Appends the values of `dictionary` at `indices`.
  mutating func appendGathered(_ dictionary: LeafBuilder, _ indices: [UInt32]) throws(ParquetError) {
    var greatest: UInt32 = 0
    for index in indices { greatest = max(greatest, index) }
    guard indices.isEmpty || Int(greatest) < dictionary.count else {
      throw ParquetError(.corrupt, "entry \(greatest) of a dictionary of \(dictionary.count) is wanted")
    }
    switch storage {
    case .boolean: gather(dictionary.booleans, indices, into: &booleans, false)
    case .int64: gather(dictionary.int64s, indices, into: &int64s, 0)
    case .float64: gather(dictionary.float64s, indices, into: &float64s, 0)
    case .numeric: gather(dictionary.numerics, indices, into: &numerics, .zero)
    case .uuid: gather(dictionary.uuids, indices, into: &uuids, UUIDValue(high: 0, low: 0))
    case .bytes: try gatherBytes(dictionary, indices)
    }
  }

  private mutating func gatherBytes(_ dictionary: LeafBuilder, _ indices: [UInt32]) throws(ParquetError) {
    let start = bytes.count
    var end = start
    let first = offsets.count
    extend(&offsets, by: indices.count, 0) { output in
      dictionary.offsets.withUnsafeBufferPointer { source in
        for (place, index) in indices.enumerated() {
          end += Int(source[Int(index) + 1] &- source[Int(index)])
          output[place] = Int32(truncatingIfNeeded: end)
        }
      }
    }
    do throws(ParquetError) {
      try checkArena(adding: end - start)
    } catch {
      offsets.removeSubrange(first...)
      throw error
    }
    extend(&bytes, by: end - start, 0) { output in
      dictionary.bytes.withUnsafeBufferPointer { source in
        guard var from = source.baseAddress else { return }
        let base = from
        var to = output
        for index in indices {
          let begin = Int(dictionary.offsets[Int(index)])
          let count = Int(dictionary.offsets[Int(index) + 1]) - begin
          from = base.advanced(by: begin)
          to.update(from: from, count: count)
          to = to.advanced(by: count)
        }
      }
    }
  }

  /// Checks that `count` more bytes can be addressed by offsets of 32 bits.
  func checkArena(adding count: Int) throws(ParquetError) {
    guard count <= Int(Int32.max) - bytes.count else {
      throw ParquetError(.unsupported, "more than 2 GiB of values at once; read fewer rows at a time")
    }
  }

  private func wrongLength(_ length: Int, _ wanted: Int) -> ParquetError {
    ParquetError(.corrupt, "a value of \(length) bytes where each has \(wanted)")
  }
}

/// Extends `array` by `count` elements, which `fill` writes.
@inline(__always)
func extend<T>(_ array: inout [T], by count: Int, _ filler: T, _ fill: (UnsafeMutablePointer<T>) -> Void) {
  let start = array.count
  array.append(contentsOf: repeatElement(filler, count: count))
  array.withUnsafeMutableBufferPointer { buffer in
    if let base = buffer.baseAddress { fill(base.advanced(by: start)) }
  }
}

/// The little-endian value at `index` of those at `source`.
@inline(__always)
private func load<T: FixedWidthInteger>(_ source: UnsafeRawPointer, _ index: Int, _ type: T.Type) -> T {
  T(littleEndian: source.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: type))
}

@inline(__always)
private func gather<T>(_ values: [T], _ indices: [UInt32], into output: inout [T], _ filler: T) {
  extend(&output, by: indices.count, filler) { output in
    values.withUnsafeBufferPointer { values in
      // The caller has compared the greatest index with the dictionary's size.
      for (place, index) in indices.enumerated() { output[place] = values[Int(index)] }
    }
  }
}

/// A big-endian two's complement integer of any length whose value fits 128 bits.
func bigEndianInteger(_ bytes: UnsafeRawBufferPointer) throws(ParquetError) -> Int128 {
  var value: Int128 = (bytes.first ?? 0) & 0x80 != 0 ? -1 : 0
  for (index, byte) in bytes.enumerated() {
    if bytes.count - index > 16 {
      guard byte == UInt8(truncatingIfNeeded: value) else {
        throw ParquetError(.corrupt, "a decimal of \(bytes.count) bytes, which has more than 38 digits")
      }
    } else {
      if bytes.count - index == 16, index > 0, (byte & 0x80 != 0) != (value < 0) {
        throw ParquetError(.corrupt, "a decimal of \(bytes.count) bytes, which has more than 38 digits")
      }
      value = value << 8 | Int128(byte)
    }
  }
  return value
}

/// Microseconds since the epoch of an `INT96`: nanoseconds of the day, then the Julian day. The arithmetic wraps around, as
/// Spark's does, which writes days that have wrapped for years beyond 290,000.
func int96Microseconds(_ source: UnsafeRawPointer) -> Int64 {
  let nanoseconds = Int64(littleEndian: source.loadUnaligned(as: Int64.self))
  let day = Int64(Int32(littleEndian: source.loadUnaligned(fromByteOffset: 8, as: Int32.self)))
  let microseconds = nanoseconds / 1000 - (nanoseconds % 1000 < 0 ? 1 : 0)
  return (day - 2_440_588) &* 86_400_000_000 &+ microseconds
}
