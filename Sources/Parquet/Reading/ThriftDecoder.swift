/// Decodes Thrift's compact protocol (Thrift specification, "Thrift compact protocol encoding").
///
/// Every length is checked against the bytes that are left, so that no forged count makes it allocate or loop.
struct ThriftDecoder {
  /// The types of fields and elements.
  enum Kind {
    static let yes: UInt8 = 1
    static let no: UInt8 = 2
    static let byte: UInt8 = 3
    static let int16: UInt8 = 4
    static let int32: UInt8 = 5
    static let int64: UInt8 = 6
    static let double: UInt8 = 7
    static let binary: UInt8 = 8
    static let list: UInt8 = 9
    static let set: UInt8 = 10
    static let map: UInt8 = 11
    static let structure: UInt8 = 12
    static let uuid: UInt8 = 13
  }

  /// A field's header.
  struct Field {
    let id: Int
    let kind: UInt8
  }

  private let bytes: [UInt8]
  private let end: Int
  /// Where the next byte is.
  private(set) var position: Int
  /// Whether decoding failed because bytes were missing at the end: more of them may help.
  private(set) var ranOut = false

  init(_ bytes: [UInt8], from position: Int = 0) {
    self.bytes = bytes
    self.position = position
    end = bytes.count
  }

  /// The header of a structure's next field; nil after the last. `last` is the id of the field before, 0 at first.
  mutating func nextField(_ last: inout Int) throws(ParquetError) -> Field? {
    let header = try byte()
    let kind = header & 0x0f
    if kind == 0 { return nil }
    let difference = Int(header >> 4)
    if difference == 0 {
      last = Int(try zigzag())
    } else {
      last &+= difference
    }
    return Field(id: last, kind: kind)
  }

  /// An integer of any size.
  mutating func int(_ field: Field) throws(ParquetError) -> Int64 { try int(kind: field.kind) }

  /// A 32-bit integer.
  mutating func int32(_ field: Field) throws(ParquetError) -> Int32 {
    let value = try int(kind: field.kind)
    guard let result = Int32(exactly: value) else { throw corrupt("\(value) where a 32-bit integer is expected") }
    return result
  }

  /// A boolean, which is part of the header.
  func bool(_ field: Field) throws(ParquetError) -> Bool {
    guard field.kind == Kind.yes || field.kind == Kind.no else { throw unexpected(field.kind, "a boolean") }
    return field.kind == Kind.yes
  }

  /// Bytes.
  mutating func binary(_ field: Field) throws(ParquetError) -> [UInt8] { try binary(kind: field.kind) }

  /// A text.
  mutating func string(_ field: Field) throws(ParquetError) -> String {
    String(decoding: try binary(kind: field.kind), as: UTF8.self)
  }

  /// The beginning of a list: how many elements follow, and of which type.
  mutating func list(_ field: Field) throws(ParquetError) -> (count: Int, kind: UInt8) {
    guard field.kind == Kind.list || field.kind == Kind.set else { throw unexpected(field.kind, "a list") }
    return try listHeader()
  }

  /// Checks that `field` is a structure.
  func structure(_ field: Field) throws(ParquetError) { try structure(kind: field.kind) }

  /// Checks that `kind` is a structure.
  func structure(kind: UInt8) throws(ParquetError) {
    guard kind == Kind.structure else { throw unexpected(kind, "a structure") }
  }

  /// An integer, as a list's element or a field.
  mutating func int(kind: UInt8) throws(ParquetError) -> Int64 {
    switch kind {
    case Kind.byte: Int64(Int8(bitPattern: try byte()))
    case Kind.int16, Kind.int32, Kind.int64: try zigzag()
    default: throw unexpected(kind, "an integer")
    }
  }

  /// A boolean that is an element of a list.
  mutating func boolElement(kind: UInt8) throws(ParquetError) -> Bool {
    guard kind == Kind.yes || kind == Kind.no else { throw unexpected(kind, "a boolean") }
    return try byte() == 1
  }

  /// Bytes, as a list's element or a field.
  mutating func binary(kind: UInt8) throws(ParquetError) -> [UInt8] {
    guard kind == Kind.binary else { throw unexpected(kind, "bytes") }
    let count = try unsigned()
    guard count <= UInt64(end - position) else {
      ranOut = true
      throw corrupt("\(count) bytes are announced where \(end - position) are left")
    }
    let value = Array(bytes[position..<position + Int(count)])
    position += Int(count)
    return value
  }

  /// Passes over a value of any type.
  mutating func skip(_ field: Field) throws(ParquetError) { try skip(kind: field.kind, depth: 0, isElement: false) }

  private mutating func skip(kind: UInt8, depth: Int, isElement: Bool) throws(ParquetError) {
    guard depth < 64 else { throw corrupt("structures nested deeper than 64") }
    switch kind {
    case Kind.yes, Kind.no: if isElement { _ = try byte() }
    case Kind.byte: _ = try byte()
    case Kind.int16, Kind.int32, Kind.int64: _ = try unsigned()
    case Kind.double: try advance(8)
    case Kind.uuid: try advance(16)
    case Kind.binary: _ = try binary(kind: kind)
    case Kind.list, Kind.set:
      let (count, element) = try listHeader()
      for _ in 0..<count { try skip(kind: element, depth: depth + 1, isElement: true) }
    case Kind.map:
      let count = try unsigned()
      if count == 0 { return }
      let kinds = try byte()
      guard count <= UInt64(end - position) else {
        ranOut = true
        throw corrupt("a map of \(count) pairs")
      }
      for _ in 0..<count {
        try skip(kind: kinds >> 4, depth: depth + 1, isElement: true)
        try skip(kind: kinds & 0x0f, depth: depth + 1, isElement: true)
      }
    case Kind.structure:
      var last = 0
      while let field = try nextField(&last) { try skip(kind: field.kind, depth: depth + 1, isElement: false) }
    default: throw corrupt("unknown type \(kind)")
    }
  }

  private mutating func listHeader() throws(ParquetError) -> (count: Int, kind: UInt8) {
    let header = try byte()
    let count = header >> 4 == 15 ? try unsigned() : UInt64(header >> 4)
    // Each element takes a byte at least.
    guard count <= UInt64(end - position) else {
      ranOut = true
      throw corrupt("a list of \(count) elements in \(end - position) bytes")
    }
    return (Int(count), header & 0x0f)
  }

  private mutating func advance(_ count: Int) throws(ParquetError) {
    guard count <= end - position else {
      ranOut = true
      throw corrupt("it ends early")
    }
    position += count
  }

  private mutating func byte() throws(ParquetError) -> UInt8 {
    guard position < end else {
      ranOut = true
      throw corrupt("it ends early")
    }
    position += 1
    return bytes[position - 1]
  }

  private mutating func unsigned() throws(ParquetError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      let next = try byte()
      value |= UInt64(next & 0x7f) << shift
      if next < 0x80 { return value }
    }
    throw corrupt("an integer of more than 10 bytes")
  }

  private mutating func zigzag() throws(ParquetError) -> Int64 {
    let value = try unsigned()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  /// A failure at the present position.
  func corrupt(_ message: String) -> ParquetError {
    ParquetError(.corrupt, "metadata (Thrift), byte \(position): \(message)")
  }

  private func unexpected(_ kind: UInt8, _ wanted: String) -> ParquetError {
    corrupt("\(wanted) is expected, type \(kind) found")
  }
}
