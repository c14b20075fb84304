import CSnappy
import CZlib
import CZstd

/// Undoes a page's compression.
enum Decompressor {
  /// The `count` bytes that `input` was made of with the codec of this number.
  ///
  /// - Throws: `.unsupported` for codecs that are not built in, `.corrupt` when the bytes do not fit.
  static func decompress(
    _ input: UnsafeRawBufferPointer, codec: Int32, count: Int
  ) throws(ParquetError) -> PageBytes {
    guard let known = CompressionCodec(rawValue: codec) else {
      throw ParquetError(.unsupported, "codec \(codec) is unknown")
    }
    let bytes: PageBytes?
    switch known {
    case .uncompressed:
      guard input.count == count else {
        throw ParquetError(.corrupt, "\(input.count) bytes without compression where \(count) are announced")
      }
      return PageBytes(copying: input)
    case .snappy: bytes = snappy(input, count)
    case .gzip: bytes = plausible(input, count, ratio: 1100) { gzip(input, $0) }
    case .zstd: bytes = zstandard(input, count)
    case .lz4Raw: bytes = plausible(input, count, ratio: 256) { LZ4.decodeBlock(input, into: $0) }
    case .lz4:
      bytes = plausible(input, count, ratio: 256) {
        LZ4.decodeHadoop(input, into: $0) || LZ4.decodeBlock(input, into: $0)
      }
    case .lzo, .brotli: throw ParquetError(.unsupported, "codec \(known) is not supported; rewrite the file with zstd")
    }
    guard let bytes else {
      throw ParquetError(.corrupt, "\(input.count) bytes of codec \(known) do not decompress to \(count) bytes")
    }
    return bytes
  }

  /// Runs `fill` on `count` bytes if a codec that makes at most `ratio` bytes of one could have made them.
  private static func plausible(
    _ input: UnsafeRawBufferPointer, _ count: Int, ratio: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Bool
  ) -> PageBytes? {
    guard count / ratio <= input.count else { return nil }
    return PageBytes(count: count, fill)
  }

  private static func snappy(_ input: UnsafeRawBufferPointer, _ count: Int) -> PageBytes? {
    let source = input.baseAddress?.assumingMemoryBound(to: CChar.self)
    var announced = 0
    guard snappy_uncompressed_length(source, input.count, &announced) == SNAPPY_OK, announced == count,
      count / 64 <= input.count
    else { return nil }
    return PageBytes(count: count) { output in
      var length = count
      let target = output.baseAddress?.assumingMemoryBound(to: CChar.self)
      return snappy_uncompress(source, input.count, target, &length) == SNAPPY_OK && length == count
    }
  }

  private static func zstandard(_ input: UnsafeRawBufferPointer, _ count: Int) -> PageBytes? {
    let announced = ZSTD_getFrameContentSize(input.baseAddress, input.count)
    // The two greatest values mean an unknown size and an error; a first frame may be smaller than all of them.
    guard announced >= UInt64.max - 1 || announced <= UInt64(count) else { return nil }
    return PageBytes(count: count) { output in
      ZSTD_decompress(output.baseAddress, count, input.baseAddress, input.count) == count
    }
  }

  /// Gzip or zlib; a gzip file may consist of several members.
  private static func gzip(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) -> Bool {
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    // 32 lets zlib tell gzip and zlib headers apart.
    guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, size) == Z_OK else { return false }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(clamping: input.count)
    stream.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = UInt32(clamping: output.count)
    while true {
      let status = inflate(&stream, Z_FINISH)
      if status == Z_STREAM_END, stream.avail_out == 0 { return true }
      guard status == Z_STREAM_END, stream.avail_in > 0, inflateReset(&stream) == Z_OK else { return false }
    }
  }
}

/// LZ4 blocks.
enum LZ4 {
  /// Decodes one block (LZ4 block format), which must give exactly as many bytes as `output` has.
  static func decodeBlock(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
    var (from, to) = (0, 0)
    while from < input.count {
      let token = Int(input[from])
      from += 1
      guard let literals = length(token >> 4, input, &from), literals <= input.count - from,
        literals <= output.count - to
      else { return false }
      if literals > 0 {
        UnsafeMutableRawBufferPointer(rebasing: output[to..<to + literals])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: input[from..<from + literals]))
      }
      from += literals
      to += literals
      // The last sequence has literals only.
      if from == input.count { return to == output.count }
      guard input.count - from >= 2 else { return false }
      let distance = Int(input[from]) | Int(input[from + 1]) << 8
      from += 2
      guard distance > 0, distance <= to, let match = length(token & 15, input, &from), match + 4 <= output.count - to
      else { return false }
      // The match may overlap what it makes: byte by byte.
      for _ in 0..<match + 4 {
        output[to] = output[to - distance]
        to += 1
      }
    }
    return to == output.count && output.isEmpty
  }

  /// Decodes Hadoop's framing: blocks with two big-endian lengths, decompressed and compressed, before each.
  static func decodeHadoop(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
    var (from, to) = (0, 0)
    while from < input.count {
      guard input.count - from >= 8 else { return false }
      let raw = Int(UInt32(bigEndian: input.loadUnaligned(fromByteOffset: from, as: UInt32.self)))
      let compressed = Int(UInt32(bigEndian: input.loadUnaligned(fromByteOffset: from + 4, as: UInt32.self)))
      from += 8
      guard raw <= output.count - to, compressed <= input.count - from else { return false }
      let block = UnsafeRawBufferPointer(rebasing: input[from..<from + compressed])
      guard decodeBlock(block, into: UnsafeMutableRawBufferPointer(rebasing: output[to..<to + raw])) else {
        return false
      }
      from += compressed
      to += raw
    }
    return to == output.count
  }

  private static func length(_ start: Int, _ input: UnsafeRawBufferPointer, _ from: inout Int) -> Int? {
    guard start == 15 else { return start }
    var length = 15
    while from < input.count {
      let byte = Int(input[from])
      from += 1
      length += byte
      if byte != 255 { return length }
    }
    return nil
  }
}
