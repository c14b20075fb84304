/// Writes Thrift's compact protocol, in which Parquet's headers, indexes and footer are (Thrift, "Compact Protocol").
///
/// Fields must be written in ascending order of their ids. What was written is ``bytes``.
struct ThriftEncoder: ~Copyable {
  /// The wire's types that Parquet's structures need.
  enum WireType: UInt8 {
    case boolean = 1
    case byte = 3
    case int32 = 5
    case int64 = 6
    case binary = 8
    case list = 9
    case structure = 12
  }

  private(set) var buffer = WriteBuffer<UInt8>(capacity: 256)
  private var previousField: Int16 = 0
  private var enclosing: [Int16] = []

  /// What was written so far.
  var bytes: UnsafeRawBufferPointer { buffer.bytes }
  /// How many bytes were written so far.
  var count: Int { buffer.count }

  /// Forgets what was written.
  mutating func removeAll() {
    buffer.removeAll()
    previousField = 0
    enclosing.removeAll(keepingCapacity: true)
  }

  private mutating func header(_ field: Int16, _ type: UInt8) {
    let step = field &- previousField
    if step > 0, step <= 15 {
      buffer.append(UInt8(step) << 4 | type)
    } else {
      buffer.append(type)
      buffer.append(zigzag: Int64(field))
    }
    previousField = field
  }

  /// A `bool` field; its value is in the type.
  mutating func boolean(_ field: Int16, _ value: Bool) { header(field, value ? 1 : 2) }

  /// An `i8` field.
  mutating func int8(_ field: Int16, _ value: Int8) {
    header(field, WireType.byte.rawValue)
    buffer.append(UInt8(bitPattern: value))
  }

  /// An `i16` or `i32` field (both are zigzag numbers; an `i16` has type 4).
  mutating func int32(_ field: Int16, _ value: Int32) {
    header(field, WireType.int32.rawValue)
    buffer.append(zigzag: Int64(value))
  }

  /// An `i16` field.
  mutating func int16(_ field: Int16, _ value: Int16) {
    header(field, 4)
    buffer.append(zigzag: Int64(value))
  }

  /// An `i64` field.
  mutating func int64(_ field: Int16, _ value: Int64) {
    header(field, WireType.int64.rawValue)
    buffer.append(zigzag: value)
  }

  /// A `binary` field.
  mutating func binary(_ field: Int16, _ value: [UInt8]) {
    header(field, WireType.binary.rawValue)
    element(value)
  }

  /// A `string` field.
  mutating func string(_ field: Int16, _ value: String) {
    header(field, WireType.binary.rawValue)
    element(value)
  }

  /// Begins a struct field; ``endStructure()`` ends it.
  mutating func beginStructure(_ field: Int16) {
    header(field, WireType.structure.rawValue)
    beginElement()
  }

  /// Begins a struct that is an element of a list, or the outermost one.
  mutating func beginElement() {
    enclosing.append(previousField)
    previousField = 0
  }

  /// Ends a struct.
  mutating func endStructure() {
    buffer.append(0)
    previousField = enclosing.popLast() ?? 0
  }

  /// A struct field without fields, as unions of markers have.
  mutating func emptyStructure(_ field: Int16) {
    header(field, WireType.structure.rawValue)
    buffer.append(0)
  }

  /// Begins a list field of `count` elements, which follow by the element functions.
  mutating func beginList(_ field: Int16, _ type: WireType, count: Int) {
    header(field, WireType.list.rawValue)
    if count < 15 {
      buffer.append(UInt8(count) << 4 | type.rawValue)
    } else {
      buffer.append(0xF0 | type.rawValue)
      buffer.append(varint: UInt64(count))
    }
  }

  /// A boolean element.
  mutating func element(_ value: Bool) { buffer.append(value ? 1 : 2) }
  /// An `i32` element.
  mutating func element(_ value: Int32) { buffer.append(zigzag: Int64(value)) }
  /// An `i64` element.
  mutating func element(_ value: Int64) { buffer.append(zigzag: value) }

  /// A `binary` element.
  mutating func element(_ value: [UInt8]) {
    buffer.append(varint: UInt64(value.count))
    value.withUnsafeBytes { buffer.append($0) }
  }

  /// A `string` element.
  mutating func element(_ value: String) { element(Array(value.utf8)) }
}
