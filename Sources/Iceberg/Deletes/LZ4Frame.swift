/// Decompresses LZ4 frames, as Puffin footers and blobs may be; checksums are skipped, lengths are checked.
enum LZ4Frame {
  /// The content of one frame.
  static func decompress(_ bytes: [UInt8], limit: Int, context: String) throws(IcebergError) -> [UInt8] {
    var cursor = AvroCursor(bytes, context: context)
    guard try cursor.littleEndian(UInt32.self) == 0x184D_2204 else { throw cursor.corrupt("expected an LZ4 frame") }
    let flags = try cursor.byte()
    guard flags >> 6 == 1, flags & 0b10 == 0 else { throw cursor.corrupt("expected an LZ4 frame of version 1") }
    guard flags & 1 == 0 else {
      throw IcebergError(.unsupported, "\(context) needs an LZ4 dictionary, which the specification does not have")
    }
    _ = try cursor.byte()
    let size: UInt64? = flags & 0b1000 == 0 ? nil : try cursor.littleEndian(UInt64.self)
    if let size, size > UInt64(limit) { throw cursor.corrupt("\(size) bytes, \(limit) are allowed,") }
    try cursor.skip(1)
    var output: [UInt8] = []
    while true {
      let header = try cursor.littleEndian(UInt32.self)
      if header == 0 { break }
      let length = Int(header & 0x7FFF_FFFF)
      if header >> 31 == 1 {
        output += try cursor.take(length)
      } else {
        try block(try cursor.take(length), &output, limit: limit, context: context)
      }
      guard output.count <= limit else { throw cursor.corrupt("more than \(limit) bytes") }
      if flags & 0b1_0000 != 0 { try cursor.skip(4) }
    }
    if flags & 0b100 != 0 { try cursor.skip(4) }
    if let size, size != UInt64(output.count) { throw cursor.corrupt("expected \(size) bytes, found \(output.count),") }
    return output
  }

  private static func block(
    _ source: ArraySlice<UInt8>, _ output: inout [UInt8], limit: Int, context: String
  ) throws(IcebergError) {
    var cursor = AvroCursor(Array(source), context: "an LZ4 block of \(context)")
    while true {
      let token = try cursor.byte()
      output += try cursor.take(try length(token >> 4, &cursor))
      if cursor.remaining == 0 { return }
      let distance = Int(try cursor.littleEndian(UInt16.self))
      guard distance > 0, distance <= output.count else {
        throw cursor.corrupt("expected a distance of at most \(output.count), found \(distance),")
      }
      let count = try length(token & 15, &cursor) + 4
      guard count <= limit - output.count else { throw cursor.corrupt("more than \(limit) bytes") }
      for _ in 0..<count { output.append(output[output.count - distance]) }
    }
  }

  private static func length(_ nibble: UInt8, _ cursor: inout AvroCursor) throws(IcebergError) -> Int {
    var total = Int(nibble)
    guard nibble == 15 else { return total }
    while true {
      let next = try cursor.byte()
      total += Int(next)
      if next != 255 { return total }
    }
  }
}
