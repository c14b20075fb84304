import CZstd

/// Zstandard frames with a checksum of their content.
public enum Zstandard {
  /// A frame that holds `bytes`.
  ///
  /// - Parameter level: 1 (fast) to 19 (small).
  /// - Throws: ``FormatError`` when the library cannot compress: out of memory, or no such level.
  public static func compress(_ bytes: [UInt8], level: Int = 1) throws(FormatError) -> [UInt8] {
    guard let context = ZSTD_createCCtx() else { throw FormatError("zstd: out of memory") }
    defer { ZSTD_freeCCtx(context) }
    try check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(clamping: level)))
    try check(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))
    var status = 0
    let frame = [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { target, count in
      status = bytes.withUnsafeBytes {
        ZSTD_compress2(context, target.baseAddress, target.count, $0.baseAddress, $0.count)
      }
      count = ZSTD_isError(status) == 0 ? status : 0
    }
    try check(status)
    return frame
  }

  /// The content of exactly one frame.
  ///
  /// - Parameter maximumSize: the most bytes that the content may have; a frame that announces more is refused before memory is taken.
  /// - Throws: ``FormatError`` when the bytes are no frame, are damaged, or hold more than `maximumSize`.
  public static func decompress(_ frame: [UInt8], maximumSize: Int) throws(FormatError) -> [UInt8] {
    let announced = frame.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
    // The library's two error values are the greatest numbers.
    guard announced < UInt64.max - 1 else {
      throw FormatError("expected a zstd frame that says its size, found \(frame.count) other bytes")
    }
    guard announced <= UInt64(max(maximumSize, 0)) else {
      throw FormatError("expected a zstd frame of at most \(maximumSize) bytes of content, found \(announced)")
    }
    let frameSize = frame.withUnsafeBytes { ZSTD_findFrameCompressedSize($0.baseAddress, $0.count) }
    try check(frameSize)
    guard frameSize == frame.count else {
      throw FormatError("expected one zstd frame of \(frameSize) bytes, found \(frame.count) bytes")
    }
    var status = 0
    let content = [UInt8](unsafeUninitializedCapacity: Int(announced)) { target, count in
      status = frame.withUnsafeBytes {
        ZSTD_decompress(target.baseAddress, target.count, $0.baseAddress, $0.count)
      }
      count = ZSTD_isError(status) == 0 ? status : 0
    }
    try check(status)
    guard content.count == Int(announced) else {
      throw FormatError("expected \(announced) bytes in a zstd frame, found \(content.count)")
    }
    return content
  }

  private static func check(_ status: Int) throws(FormatError) {
    guard ZSTD_isError(status) != 0 else { return }
    let reason = ZSTD_getErrorName(status).map { String(cString: $0) } ?? "unknown error"
    throw FormatError("zstd: \(reason)")
  }
}
