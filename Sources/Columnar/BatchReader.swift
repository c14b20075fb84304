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
      let values = try array(Int64.self, count)
      if type == .integer, !values.allSatisfy({ $0 == Int64(Int32(truncatingIfNeeded: $0)) }) {
        throw failure("integers of 32 bits", "a greater one")
      }
      return .int64(values)
    case .float64: return .float64(try array(Double.self, count))
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
      let length = Int(clamping: try integer(UInt64.self))
      let offsets = try array(Int32.self, count + 1)
      var last: Int32 = 0
      var isAscending = offsets[0] == 0
      for offset in offsets {
        isAscending = isAscending && offset >= last
        last = offset
      }
      guard isAscending, Int(last) == length else {
        throw failure("ascending ends of values up to \(length)", "other offsets")
      }
      return .bytes(ByteValues(offsets: offsets, bytes: Array(try take(length))))
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
