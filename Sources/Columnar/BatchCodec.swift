/// Why bytes are not a batch.
public struct BatchCodecError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what came, with the position in the bytes.
  public let message: String

  /// An error with a message for a person.
  public init(message: String) { self.message = message }

  /// The message.
  public var description: String { message }
}

/// A batch as bytes, for state that outlives the process: little-endian, arrays as they are in memory, but for numbers of
/// 64 bits and lengths, which are differences to the least in as few bytes as the greatest needs: less to compress later.
///
/// ```
/// "WBAT" version:u8 flags:u8(1 = row kinds) fields:u16 rows:u32
/// per field:  type:u8 precision:i16 scale:i16 nullable:u8 name length:u32 name
/// row kinds:  u8 a row, when flagged
/// per column: validity:u8(0|1) [words:u64 …] values
///   boolean u8, int64 packed, float64 packed bits, numeric (i128 …)(scale i16 …), interval i32 i32 i64, uuid u64 u64,
///   bytes packed lengths, arena
/// packed:     width:u8(1|2|4|8) least:i64 (difference, width bytes …)
/// ```
/// The origin of rows is not kept. Reading checks every length against what is left before it allocates, and every value
/// that would trap later (offsets, booleans, scales).
public enum BatchCodec {
  static let magic: UInt32 = 0x5441_4257
  static let version: UInt8 = 2

  /// The bytes of `batch`.
  public static func encode(_ batch: Batch) -> [UInt8] {
    var bytes: [UInt8] = []
    encode(batch, into: &bytes)
    return bytes
  }

  /// About as many bytes as `batch` takes, usually a little more.
  public static func capacity(for batch: Batch) -> Int { batch.memoryBytes + 64 + batch.schema.fields.count * 64 }

  /// Appends the bytes of `batch`.
  public static func encode(_ batch: Batch, into bytes: inout [UInt8]) {
    if bytes.isEmpty { bytes.reserveCapacity(capacity(for: batch)) }
    append(magic, to: &bytes)
    bytes.append(version)
    bytes.append(batch.rowKinds == nil ? 0 : 1)
    append(UInt16(batch.schema.fields.count), to: &bytes)
    append(UInt32(batch.count), to: &bytes)
    for field in batch.schema.fields {
      let type = field.type.code
      bytes.append(type.tag)
      append(type.precision, to: &bytes)
      append(type.scale, to: &bytes)
      bytes.append(field.isNullable ? 1 : 0)
      append(UInt32(field.name.utf8.count), to: &bytes)
      bytes.append(contentsOf: field.name.utf8)
    }
    if let rowKinds = batch.rowKinds { bytes.append(contentsOf: rowKinds.lazy.map(\.rawValue)) }
    for column in batch.columns { encode(column, into: &bytes) }
  }

  private static func encode(_ column: Column, into bytes: inout [UInt8]) {
    bytes.append(column.validity == nil ? 0 : 1)
    if let validity = column.validity { append(raw: validity.words, to: &bytes) }
    switch column.storage {
    case .boolean(let values): bytes.append(contentsOf: values.lazy.map { $0 ? 1 : 0 })
    case .int64(let values):
      values.withUnsafeBufferPointer { values in pack(values.count, into: &bytes) { values[$0] } }
    case .float64(let values):
      values.withUnsafeBufferPointer { values in
        pack(values.count, into: &bytes) { Int64(bitPattern: values[$0].bitPattern) }
      }
    case .numeric(let values):
      append(raw: values.map(\.unscaled), to: &bytes)
      append(raw: values.map(\.scale), to: &bytes)
    case .interval(let values): append(raw: values, to: &bytes)
    case .uuid(let values): append(raw: values, to: &bytes)
    case .bytes(let values):
      let end = Int(values.offsets[values.count])
      values.offsets.withUnsafeBufferPointer { offsets in
        pack(values.count, into: &bytes) { Int64(offsets[$0 + 1] &- offsets[$0]) }
      }
      bytes.append(contentsOf: values.bytes[..<end])
    }
  }

  /// Appends `count` numbers as differences to the least of them.
  @inline(__always)
  private static func pack(_ count: Int, into bytes: inout [UInt8], _ value: (Int) -> Int64) {
    var least = Int64.max
    var greatest = Int64.min
    for index in 0..<count {
      let number = value(index)
      least = number < least ? number : least
      greatest = number > greatest ? number : greatest
    }
    let range = count == 0 ? 0 : UInt64(bitPattern: greatest &- least)
    // Not even one that is the same everywhere takes no bytes at all: a damaged count must not ask for much memory.
    let width: UInt8 = range <= 0xff ? 1 : range <= 0xffff ? 2 : range <= 0xffff_ffff ? 4 : 8
    bytes.append(width)
    append(width == 8 || count == 0 ? 0 : least, to: &bytes)
    switch width {
    case 1: append(UInt8.self, count, to: &bytes) { value($0) &- least }
    case 2: append(UInt16.self, count, to: &bytes) { value($0) &- least }
    case 4: append(UInt32.self, count, to: &bytes) { value($0) &- least }
    default: append(UInt64.self, count, to: &bytes, value)
    }
  }

  @inline(__always)
  private static func append<Narrow: FixedWidthInteger & BitwiseCopyable>(
    _: Narrow.Type, _ count: Int, to bytes: inout [UInt8], _ value: (Int) -> Int64
  ) {
    let narrow = [Narrow](unsafeUninitializedCapacity: count) { target, initialized in
      for index in 0..<count { target.initializeElement(at: index, to: Narrow(truncatingIfNeeded: value(index))) }
      initialized = count
    }
    append(raw: narrow, to: &bytes)
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends an array as it is in memory. Only for elements without padding, on a little-endian machine.
  private static func append<Element: BitwiseCopyable>(raw values: [Element], to bytes: inout [UInt8]) {
    values.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  /// The batch of `bytes`, all of them.
  /// - Throws: ``BatchCodecError`` when they are not exactly one batch of a version that this code reads.
  public static func decode(_ bytes: [UInt8]) throws(BatchCodecError) -> Batch {
    var consumed = 0
    let batch = try decode(bytes, from: &consumed)
    guard consumed == bytes.count else {
      throw BatchCodecError(message: "expected the end of a batch at byte \(consumed), found \(bytes.count) bytes")
    }
    return batch
  }

  /// The batch that starts at `position`, which is moved behind it.
  /// - Throws: ``BatchCodecError``.
  public static func decode(_ bytes: [UInt8], from position: inout Int) throws(BatchCodecError) -> Batch {
    var outcome: Result<Batch, BatchCodecError> = .failure(BatchCodecError(message: "nothing was read"))
    var end = position
    bytes.withUnsafeBytes { buffer in
      var reader = BatchReader(buffer, position: end)
      do throws(BatchCodecError) { outcome = .success(try reader.batch()) } catch { outcome = .failure(error) }
      end = reader.position
    }
    position = end
    return try outcome.get()
  }
}

extension DataType {
  /// The type in a batch's bytes; -1 stands for "none".
  var code: (tag: UInt8, precision: Int16, scale: Int16) {
    switch self {
    case .boolean: (0, -1, -1)
    case .integer: (1, -1, -1)
    case .bigint: (2, -1, -1)
    case .real: (3, -1, -1)
    case .double: (4, -1, -1)
    case .numeric(let precision, let scale): (5, Int16(precision ?? -1), Int16(scale ?? -1))
    case .text: (6, -1, -1)
    case .bytea: (7, -1, -1)
    case .date: (8, -1, -1)
    case .timestamp: (9, -1, -1)
    case .timestamptz: (10, -1, -1)
    case .interval: (11, -1, -1)
    case .uuid: (12, -1, -1)
    case .jsonb: (13, -1, -1)
    }
  }

  init?(tag: UInt8, precision: Int16, scale: Int16) {
    switch tag {
    case 0: self = .boolean
    case 1: self = .integer
    case 2: self = .bigint
    case 3: self = .real
    case 4: self = .double
    case 5: self = .numeric(precision: precision < 0 ? nil : Int(precision), scale: scale < 0 ? nil : Int(scale))
    case 6: self = .text
    case 7: self = .bytea
    case 8: self = .date
    case 9: self = .timestamp
    case 10: self = .timestamptz
    case 11: self = .interval
    case 12: self = .uuid
    case 13: self = .jsonb
    default: return nil
    }
  }
}

// Both are integers without padding, and are written as they are in memory.
extension Interval: BitwiseCopyable {}
extension UUIDValue: BitwiseCopyable {}
