/// Reads Avro's primitive values; every length and offset is checked (Avro specification, "Binary Encoding").
struct AvroCursor {
  let bytes: [UInt8]
  var offset: Int
  let end: Int
  /// What the bytes are, for messages.
  let context: String

  init(_ bytes: [UInt8], from offset: Int = 0, context: String) {
    self.bytes = bytes
    self.offset = offset
    self.end = bytes.count
    self.context = context
  }

  var remaining: Int { end - offset }

  func corrupt(_ message: String) -> IcebergError {
    IcebergError(.corrupt, "\(message) at byte \(offset) of \(context)")
  }

  mutating func byte() throws(IcebergError) -> UInt8 {
    guard offset < end else { throw corrupt("expected a byte, came to the end") }
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func boolean() throws(IcebergError) -> Bool {
    let value = try byte()
    guard value <= 1 else {
      offset -= 1
      throw corrupt("expected a boolean, 0 or 1, found \(value)")
    }
    return value == 1
  }

  /// A zigzag variable-length integer of at most ten bytes.
  mutating func long() throws(IcebergError) -> Int64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      if shift == 63 && next > 1 { throw corrupt("expected a long, found a number of more than 64 bits") }
      result |= UInt64(next & 0x7F) << shift
      if next & 0x80 == 0 { break }
      shift += 7
    }
    return Int64(bitPattern: (result >> 1) ^ (0 &- (result & 1)))
  }

  mutating func int() throws(IcebergError) -> Int64 {
    let value = try long()
    guard Int32(exactly: value) != nil else { throw corrupt("expected an int, found \(value)") }
    return value
  }

  /// A number of bytes that are there.
  mutating func length() throws(IcebergError) -> Int {
    let value = try long()
    guard value >= 0, value <= Int64(remaining) else {
      throw corrupt("expected a length of at most \(remaining), found \(value)")
    }
    return Int(value)
  }

  mutating func take(_ count: Int) throws(IcebergError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw corrupt("expected \(count) bytes, \(remaining) are left") }
    defer { offset += count }
    return bytes[offset..<offset + count]
  }

  mutating func skip(_ count: Int) throws(IcebergError) {
    guard count >= 0, count <= remaining else { throw corrupt("expected \(count) bytes, \(remaining) are left") }
    offset += count
  }

  mutating func text() throws(IcebergError) -> String {
    let slice = try take(try length())
    guard let text = String(validating: slice, as: UTF8.self) else { throw corrupt("expected a string in UTF-8") }
    return text
  }

  mutating func littleEndian<T: FixedWidthInteger>(_ type: T.Type) throws(IcebergError) -> T {
    let size = T.bitWidth / 8
    guard size <= remaining else { throw corrupt("expected \(size) bytes, \(remaining) are left") }
    var value: T = 0
    for index in 0..<size { value |= T(truncatingIfNeeded: bytes[offset + index]) << T(truncatingIfNeeded: index * 8) }
    offset += size
    return value
  }
}
