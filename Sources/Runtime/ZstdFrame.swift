import CZstd

/// Bytes could not be compressed, or are not what was compressed.
struct ZstdError: Error, CustomStringConvertible {
  let message: String
  var description: String { message }
}

/// One zstd frame with a content checksum.
enum ZstdFrame {
  /// Compresses `content` at `level`.
  static func compress(_ content: [UInt8], level: Int32 = 1) throws -> [UInt8] {
    guard let context = ZSTD_createCCtx() else { throw ZstdError(message: "no memory to compress with") }
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    var status = 0
    let capacity = ZSTD_compressBound(content.count)
    let frame = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      status = ZSTD_compress2(context, buffer.baseAddress, capacity, content, content.count)
      count = ZSTD_isError(status) == 0 ? status : 0
    }
    guard ZSTD_isError(status) == 0 else { throw ZstdError(message: "cannot compress: \(name(status))") }
    return frame
  }

  /// Decompresses a frame that must hold exactly `contentBytes` bytes: a damaged size never asks for much memory.
  static func decompress(_ frame: [UInt8], contentBytes: Int) throws -> [UInt8] {
    let stated = ZSTD_getFrameContentSize(frame, frame.count)
    guard contentBytes >= 0, stated == UInt64(contentBytes) else {
      throw ZstdError(message: "expected a zstd frame of \(contentBytes) bytes of content")
    }
    var status = 0
    let content = [UInt8](unsafeUninitializedCapacity: contentBytes) { buffer, count in
      status = ZSTD_decompress(buffer.baseAddress, contentBytes, frame, frame.count)
      count = ZSTD_isError(status) == 0 ? status : 0
    }
    guard ZSTD_isError(status) == 0, content.count == contentBytes else {
      throw ZstdError(message: "cannot decompress: \(name(status))")
    }
    return content
  }

  private static func name(_ status: Int) -> String { String(cString: ZSTD_getErrorName(status)) }
}
