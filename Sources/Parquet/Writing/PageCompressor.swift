import CSnappy
import CZlib
import CZstd

/// How a writer compresses pages.
public enum ParquetCompression: Hashable, Sendable {
  /// Not at all.
  case none
  /// Snappy: fast, larger.
  case snappy
  /// GZIP at a level from 1 to 9.
  case gzip(level: Int)
  /// Zstandard at a level from 1 (fast) to 22; negative levels are faster still.
  case zstd(level: Int)

  /// How the file names it.
  var codec: CompressionCodec {
    switch self {
    case .none: .uncompressed
    case .snappy: .snappy
    case .gzip: .gzip
    case .zstd: .zstd
    }
  }
}

/// Compresses pages, and keeps what its libraries need between them. Used by one task at a time.
final class PageCompressor {
  private var zstd: OpaquePointer?
  private var zstdLevel: Int?

  deinit { ZSTD_freeCCtx(zstd) }

  /// Whether the level is one that the library has.
  static func check(_ compression: ParquetCompression) throws(ParquetError) {
    let range: ClosedRange<Int>
    let level: Int
    switch compression {
    case .none, .snappy: return
    case .gzip(let given): (range, level) = (1...9, given)
    case .zstd(let given): (range, level) = (Int(ZSTD_minCLevel())...Int(ZSTD_maxCLevel()), given)
    }
    guard range.contains(level) else {
      throw ParquetError(
        .invalid, "compression level \(level) is not between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  /// Appends `source`, compressed, to `output`.
  func compress(
    _ source: UnsafeRawBufferPointer, _ compression: ParquetCompression, into output: inout WriteBuffer<UInt8>
  ) throws(ParquetError) {
    switch compression {
    case .none: output.append(source)
    case .snappy: try compressSnappy(source, into: &output)
    case .gzip(let level): try compressGzip(source, level: Int32(level), into: &output)
    case .zstd(let level): try compressZstandard(source, level: level, into: &output)
    }
  }

  private func compressZstandard(
    _ source: UnsafeRawBufferPointer, level: Int, into output: inout WriteBuffer<UInt8>
  ) throws(ParquetError) {
    if zstd == nil { zstd = ZSTD_createCCtx() }
    if zstdLevel != level {
      ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, Int32(level))
      zstdLevel = level
    }
    let bound = ZSTD_compressBound(source.count)
    output.reserve(bound)
    let size = ZSTD_compress2(zstd, output.base + output.count, bound, source.baseAddress, source.count)
    if ZSTD_isError(size) != 0 {
      throw ParquetError(
        .io, "zstd failed on a page of \(source.count) bytes: \(String(cString: ZSTD_getErrorName(size)))")
    }
    output.count += size
  }

  private func compressSnappy(
    _ source: UnsafeRawBufferPointer, into output: inout WriteBuffer<UInt8>
  ) throws(ParquetError) {
    var size = snappy_max_compressed_length(source.count)
    output.reserve(size)
    let status = (output.base + output.count).withMemoryRebound(to: CChar.self, capacity: size) { target in
      snappy_compress(source.baseAddress?.assumingMemoryBound(to: CChar.self), source.count, target, &size)
    }
    guard status == SNAPPY_OK else {
      throw ParquetError(.io, "snappy failed on a page of \(source.count) bytes")
    }
    output.count += size
  }

  private func compressGzip(
    _ source: UnsafeRawBufferPointer, level: Int32, into output: inout WriteBuffer<UInt8>
  ) throws(ParquetError) {
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    // 15 bits of window, and 16 for GZIP's header in place of zlib's.
    var status = deflateInit2_(&stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size)
    guard status == Z_OK else { throw ParquetError(.io, "zlib cannot start: status \(status)") }
    let bound = Int(deflateBound(&stream, UInt(source.count)))
    output.reserve(bound)
    stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(source.count)
    stream.next_out = output.base + output.count
    stream.avail_out = UInt32(bound)
    status = deflate(&stream, Z_FINISH)
    let written = Int(stream.total_out)
    deflateEnd(&stream)
    guard status == Z_STREAM_END else {
      throw ParquetError(.io, "zlib failed on a page of \(source.count) bytes: status \(status)")
    }
    output.count += written
  }
}

/// What writers of the same task can share, so that many open files need little memory: the compressor's state and the
/// buffers in which pages are put together.
///
/// A context is used by one task at a time.
public final class ParquetWriterContext {
  let compressor = PageCompressor()
  var body = WriteBuffer<UInt8>()
  var compressed = WriteBuffer<UInt8>()
  var sample = WriteBuffer<UInt8>()
  var sampleCompressed = WriteBuffer<UInt8>()
  var header = ThriftEncoder()
  let slots = SlotBuffers()
  var rows = WriteBuffer<Int32>()

  /// An unused context.
  public init() {}
}
