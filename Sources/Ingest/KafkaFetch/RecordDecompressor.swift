import CLz4
import CSnappy
import CZlib
import CZstd

/// Decompresses the records of a batch into a buffer, with contexts that are kept from batch to batch. For one thread at a
/// time.
final class RecordDecompressor {
  /// More than this is not decompressed: a few bytes can claim to be any number.
  static let bytesMax = 256 << 20

  private let memory: FetchMemory
  private var zstd: OpaquePointer?
  private var lz4: OpaquePointer?

  init(_ memory: FetchMemory) { self.memory = memory }

  deinit {
    ZSTD_freeDCtx(zstd)
    LZ4F_freeDecompressionContext(lz4)
  }

  /// The records that `bytes` holds.
  /// - Throws: ``RecordError`` that says what is wrong; where, the caller knows.
  func decompress(
    _ bytes: UnsafeRawBufferPointer, _ codec: RecordCodec
  ) throws(RecordError) -> (buffer: FetchBuffer, count: Int) {
    switch codec {
    case .none: throw RecordError("nothing to decompress")
    case .gzip: try gzip(bytes)
    case .snappy: try snappy(bytes)
    case .lz4: try lz4(bytes)
    case .zstd: try zstd(bytes)
    }
  }

  /// A larger buffer with the `count` bytes of this one.
  private func grown(_ buffer: FetchBuffer, _ count: Int) throws(RecordError) -> FetchBuffer {
    guard buffer.capacity < Self.bytesMax else {
      throw RecordError("its records are more than \(Self.bytesMax) bytes, decompressed")
    }
    let larger = memory.take(min(buffer.capacity * 2, Self.bytesMax))
    larger.start.copyMemory(from: buffer.start, byteCount: count)
    memory.giveBack(buffer)
    return larger
  }

  /// Records are compressed to a fourth at best, or else the buffer grows.
  private func firstBuffer(_ count: Int) -> FetchBuffer { memory.take(min(count * 4, Self.bytesMax)) }

  private func damaged(_ codec: String) -> RecordError { RecordError("its \(codec) data is damaged or cut") }
}

extension RecordDecompressor {
  private func gzip(_ bytes: UnsafeRawBufferPointer) throws(RecordError) -> (buffer: FetchBuffer, count: Int) {
    var stream = z_stream()
    guard inflateInit2_(&stream, MAX_WBITS + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw RecordError("zlib has no memory")
    }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(clamping: bytes.count)
    var (buffer, count) = (firstBuffer(bytes.count), 0)
    while true {
      if count == buffer.capacity { buffer = try grown(buffer, count) }
      stream.next_out = (buffer.start + count).assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(clamping: buffer.capacity - count)
      let before = (stream.avail_in, stream.avail_out)
      let status = inflate(&stream, Z_NO_FLUSH)
      count += Int(before.1 - stream.avail_out)
      if status == Z_STREAM_END {
        if stream.avail_in == 0 { return (buffer, count) }
        // Another member may follow (RFC 1952, section 2.2).
        guard inflateReset(&stream) == Z_OK else { throw damaged("gzip") }
        continue
      }
      let isStuck = before == (stream.avail_in, stream.avail_out)
      guard status == Z_OK, !isStuck else { throw damaged("gzip") }
    }
  }

  private func zstd(_ bytes: UnsafeRawBufferPointer) throws(RecordError) -> (buffer: FetchBuffer, count: Int) {
    if zstd == nil { zstd = ZSTD_createDCtx() }
    ZSTD_DCtx_reset(zstd, ZSTD_reset_session_only)
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    // Java's clients do not say how long the content is, and of a length that is made up no memory may be taken.
    let announced = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
    let isSaid = announced <= UInt64(Self.bytesMax)
    var buffer = isSaid ? memory.take(min(Int(announced), bytes.count * 64)) : firstBuffer(bytes.count)
    var output = ZSTD_outBuffer(dst: buffer.start, size: buffer.capacity, pos: 0)
    while true {
      let before = (input.pos, output.pos)
      let left = ZSTD_decompressStream(zstd, &output, &input)
      guard ZSTD_isError(left) == 0 else { throw damaged("zstd") }
      if left == 0, input.pos == input.size { return (buffer, output.pos) }
      if output.pos == output.size {
        buffer = try grown(buffer, output.pos)
        output = ZSTD_outBuffer(dst: buffer.start, size: buffer.capacity, pos: output.pos)
      } else if before == (input.pos, output.pos) || input.pos == input.size {
        throw damaged("zstd")
      }
    }
  }

  private func lz4(_ bytes: UnsafeRawBufferPointer) throws(RecordError) -> (buffer: FetchBuffer, count: Int) {
    if lz4 == nil {
      var made: OpaquePointer?
      guard LZ4F_isError(LZ4F_createDecompressionContext(&made, UInt32(LZ4F_VERSION))) == 0 else {
        throw RecordError("lz4 has no memory")
      }
      lz4 = made
    }
    LZ4F_resetDecompressionContext(lz4)
    // The output stays where it is between calls, unless it has to grow: then the context must keep a copy.
    var options = LZ4F_decompressOptions_t()
    var (buffer, count, position) = (firstBuffer(bytes.count), 0, 0)
    while true {
      var (written, read) = (buffer.capacity - count, bytes.count - position)
      let source = bytes.baseAddress.map { $0 + position }
      let hint = LZ4F_decompress(lz4, buffer.start + count, &written, source, &read, &options)
      guard LZ4F_isError(hint) == 0 else { throw damaged("lz4") }
      count += written
      position += read
      if hint == 0, position == bytes.count { return (buffer, count) }
      if count == buffer.capacity {
        buffer = try grown(buffer, count)
      } else if written == 0, read == 0 {
        throw damaged("lz4")
      }
    }
  }
}

extension RecordDecompressor {
  /// What Java's clients put before a stream of snappy blocks, each behind its length; it is followed by two versions.
  private static let streamMark: [UInt8] = [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0]
  private static let streamHeader = 16

  private func snappy(_ bytes: UnsafeRawBufferPointer) throws(RecordError) -> (buffer: FetchBuffer, count: Int) {
    guard bytes.count >= Self.streamHeader, bytes.prefix(Self.streamMark.count).elementsEqual(Self.streamMark) else {
      var buffer = memory.take(0)
      // First the block, which may take another buffer.
      let count = try appendBlock(bytes, to: &buffer, 0)
      return (buffer, count)
    }
    var (buffer, count, position) = (firstBuffer(bytes.count), 0, Self.streamHeader)
    while position < bytes.count {
      guard bytes.count - position >= 4 else { throw damaged("snappy") }
      let size = Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Int32.self)))
      position += 4
      guard size >= 0, size <= bytes.count - position else { throw damaged("snappy") }
      count = try appendBlock(
        UnsafeRawBufferPointer(rebasing: bytes[position..<position + size]), to: &buffer, count)
      position += size
    }
    return (buffer, count)
  }

  /// Appends a block behind `count` bytes; returns how many there are then.
  private func appendBlock(
    _ block: UnsafeRawBufferPointer, to buffer: inout FetchBuffer, _ count: Int
  ) throws(RecordError) -> Int {
    let source = block.assumingMemoryBound(to: CChar.self).baseAddress
    var size = 0
    guard snappy_uncompressed_length(source, block.count, &size) == SNAPPY_OK else { throw damaged("snappy") }
    // No block is compressed to less than a 25th: a greater length is made up.
    guard size <= Self.bytesMax, size / 32 <= block.count else { throw damaged("snappy") }
    while buffer.capacity - count < size { buffer = try grown(buffer, count) }
    let target = (buffer.start + count).assumingMemoryBound(to: CChar.self)
    guard snappy_uncompress(source, block.count, target, &size) == SNAPPY_OK else { throw damaged("snappy") }
    return count + size
  }
}
