/// Reads a batch's bytes, see ``BatchCodec``. The buffer must outlive the reader.
struct BatchReader {
  private let buffer: UnsafeRawBufferPointer
  private(set) var position: Int

  init(_ buffer: UnsafeRawBufferPointer, position: Int) {
    self.buffer = buffer
    self.position = max(0, min(position, buffer.count))
  }

  mutating func batch() throws(BatchCodecError) -> Batch {
    guard try integer(UInt32.self) == BatchCodec.magic else { throw failure("the mark of a batch", "other bytes") }
    let version = try integer(UInt8.self)
    guard version == BatchCodec.version else { throw failure("version \(BatchCodec.version)", "version \(version)") }
    let flags = try integer(UInt8.self)
    guard flags <= 1 else { throw failure("flags 0 or 1", "\(flags)") }
    let fieldCount = Int(try integer(UInt16.self))
    let count = Int(try integer(UInt32.self))
    guard count <= Int32.max else { throw failure("at most \(Int32.max) rows", "\(count)") }
    var fields: [Field] = []
    for _ in 0..<fieldCount { fields.append(try field()) }
    var rowKinds: [RowKind]?
    if flags & 1 != 0 {
      let raw = try array(UInt8.self, count)
      let kinds = raw.compactMap { RowKind(rawValue: $0) }
      guard kinds.count == count else { throw failure("row kinds from 0 to 3", "another value") }
      rowKinds = kinds
    }
    var columns: [Column] = []
    for field in fields { columns.append(try column(field.type, count)) }
    return Batch(schema: Schema(fields), columns: columns, count: count, rowKinds: rowKinds)
  }

  private mutating func field() throws(BatchCodecError) -> Field {
    let tag = try integer(UInt8.self)
    let precision = try integer(Int16.self)
    let scale = try integer(Int16.self)
    let isNullable = try integer(UInt8.self) != 0
    let name = String(decoding: try take(Int(try integer(UInt32.self))), as: UTF8.self)
    guard let type = DataType(tag: tag, precision: precision, scale: scale) else {
      throw failure("a known type", "type \(tag) of column \(name)")
    }
    return Field(name, type, isNullable: isNullable)
  }

  private mutating func column(_ type: DataType, _ count: Int) throws(BatchCodecError) -> Column {
    let flag = try integer(UInt8.self)
    guard flag <= 1 else { throw failure("validity 0 or 1", "\(flag)") }
    let validity = flag == 0 ? nil : Bitmap(words: try array(UInt64.self, (count + 63) >> 6), count: count)
    return Column(type, try storage(type, count), validity: validity)
  }

  private mutating func storage(_ type: DataType, _ count: Int) throws(BatchCodecError) -> Column.Storage {
    switch type.storageKind {
    case .boolean:
      let raw = try array(UInt8.self, count)
      guard raw.allSatisfy({ $0 <= 1 }) else { throw failure("booleans 0 or 1", "another value") }
      return .boolean(raw.map { $0 == 1 })
    case .int64:
      let values = try packed(count) { $0 }
      if type == .integer, !values.allSatisfy({ $0 == Int64(Int32(truncatingIfNeeded: $0)) }) {
        throw failure("integers of 32 bits", "a greater one")
      }
      return .int64(values)
    case .float64: return .float64(try packed(count) { Double(bitPattern: UInt64(bitPattern: $0)) })
    case .numeric:
      let unscaled = try array(Int128.self, count)
      let scales = try array(Int16.self, count)
      guard scales.allSatisfy({ $0 >= -1 && $0 <= Numeric.maximumPrecision }),
        unscaled.allSatisfy({ $0.magnitude < Numeric.powerOfTen(38).magnitude })
      else { throw failure("numerics of 38 digits", "a greater one") }
      return .numeric(zip(unscaled, scales).map { Numeric(unscaled: $0, scale: $1) })
    case .interval: return .interval(try array(Interval.self, count))
    case .uuid: return .uuid(try array(UUIDValue.self, count))
    case .bytes:
      let lengths = try packed(count) { $0 }
      let left = Int64(buffer.count - position)
      var offsets: [Int32] = [0]
      offsets.reserveCapacity(count + 1)
      var end: Int64 = 0
      for length in lengths {
        guard length >= 0, length <= left - end, end + length <= Int32.max else {
          throw failure("lengths of values within \(left) bytes", "a length of \(length)")
        }
        end += length
        offsets.append(Int32(end))
      }
      return .bytes(ByteValues(offsets: offsets, bytes: Array(try take(Int(end)))))
    }
  }

  /// Numbers as ``BatchCodec`` packs them.
  @inline(__always)
  private mutating func packed<Element>(
    _ count: Int, _ element: (Int64) -> Element
  ) throws(BatchCodecError) -> [Element] {
    let width = try integer(UInt8.self)
    let least = try integer(Int64.self)
    switch width {
    case 1: return try array(UInt8.self, count) { element(least &+ Int64($0)) }
    case 2: return try array(UInt16.self, count) { element(least &+ Int64($0)) }
    case 4: return try array(UInt32.self, count) { element(least &+ Int64($0)) }
    case 8: return try array(Int64.self, count) { element(least &+ $0) }
    default: throw failure("numbers of 1, 2, 4 or 8 bytes", "\(width)")
    }
  }

  @inline(__always)
  private mutating func array<Narrow: FixedWidthInteger & BitwiseCopyable, Element>(
    _: Narrow.Type, _ count: Int, _ element: (Narrow) -> Element
  ) throws(BatchCodecError) -> [Element] {
    let width = MemoryLayout<Narrow>.size
    let source = try take(count * width)
    return [Element](unsafeUninitializedCapacity: count) { target, initialized in
      for index in 0..<count {
        let raw = source.loadUnaligned(fromByteOffset: index * width, as: Narrow.self)
        target.initializeElement(at: index, to: element(Narrow(littleEndian: raw)))
      }
      initialized = count
    }
  }

  private mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    _: Integer.Type
  ) throws(BatchCodecError) -> Integer {
    Integer(littleEndian: try take(MemoryLayout<Integer>.size).loadUnaligned(as: Integer.self))
  }

  /// An array as it was in memory; allocates only what the bytes that are left can fill.
  private mutating func array<Element: BitwiseCopyable>(
    _: Element.Type, _ count: Int
  ) throws(BatchCodecError) -> [Element] {
    let source = try take(count * MemoryLayout<Element>.stride)
    return [Element](unsafeUninitializedCapacity: count) { target, initialized in
      UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
      initialized = count
    }
  }

  private mutating func take(_ length: Int) throws(BatchCodecError) -> UnsafeRawBufferPointer {
    guard length <= buffer.count - position else {
      throw failure("\(length) more bytes", "\(buffer.count - position)")
    }
    defer { position += length }
    return UnsafeRawBufferPointer(rebasing: buffer[position..<position + length])
  }

  private func failure(_ expected: String, _ found: String) -> BatchCodecError {
    BatchCodecError(message: "a batch cannot be read: expected \(expected) before byte \(position), found \(found)")
  }
}
