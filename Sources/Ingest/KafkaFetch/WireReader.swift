/// Why a piece of an answer could not be read.
package enum WireError: Error, Hashable {
  /// The bytes end within it: more of them may make it whole.
  case short
  /// No further bytes can make it right.
  case malformed(String)
}

/// Reads the big-endian fields of Kafka's protocol; nothing is ever read beyond the end of the bytes.
package struct WireReader {
  private let bytes: UnsafeRawBufferPointer
  /// How many bytes were read.
  package private(set) var position = 0

  /// Reads `bytes`, which the caller keeps valid.
  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// How many bytes are left.
  package var remaining: Int { bytes.count - position }

  /// The next number.
  package mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws(WireError) -> Number {
    guard remaining >= MemoryLayout<Number>.size else { throw .short }
    let value = Number(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
    position += MemoryLayout<Number>.size
    return value
  }

  /// The next string of at most 32,767 bytes; bytes that are not UTF-8 are replaced.
  package mutating func string() throws(WireError) -> String {
    let count = Int(try integer(Int16.self))
    guard count >= 0 else { throw .malformed("a name has the length \(count)") }
    guard remaining >= count else { throw .short }
    defer { position += count }
    return String(decoding: bytes[position..<position + count], as: UTF8.self)
  }
}

/// Writes the big-endian fields of Kafka's protocol.
struct WireWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append<Number: FixedWidthInteger>(_ number: Number) {
    withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ text: String) {
    append(Int16(clamping: text.utf8.count))
    bytes.append(contentsOf: text.utf8.prefix(Int(Int16.max)))
  }

  /// The bytes so far as one frame: behind their length.
  func framed() -> [UInt8] {
    var frame = WireWriter()
    frame.append(Int32(bytes.count))
    return frame.bytes + bytes
  }
}
