import Formats

/// Registers `GROUP/zstd` and `GROUP/unzstd`: what compressing the same bytes takes, and the way back.
func registerCompression(_ group: String, units: Int, level: Int, _ bytes: @escaping () throws -> [UInt8]) {
  measure("\(group)/zstd", units: units) {
    try bytes()
  } work: { bytes in
    try Zstandard.compress(bytes, level: level)
  } check: { bytes, frame in
    try expect(try Zstandard.decompress(frame, maximumSize: bytes.count), bytes, "decompressed bytes")
  }
  measure("\(group)/unzstd", units: units) {
    let bytes = try bytes()
    return (bytes, try Zstandard.compress(bytes, level: level))
  } work: { bytes, frame in
    try Zstandard.decompress(frame, maximumSize: bytes.count)
  } check: { input, bytes in
    try expect(bytes, input.0, "decompressed bytes")
  }
}
