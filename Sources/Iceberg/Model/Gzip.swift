import CZlib

/// gzip (RFC 1952), for metadata files.
enum Gzip {
  /// What a metadata file may be large at most when it is decompressed: a forged one must not take all memory.
  static let maximumSize = 1 << 30

  private static let chunkSize = 1 << 16

  static func compress(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    // Window bits + 16 ask for a gzip header. It fails only without memory.
    let status = deflateInit2_(
      &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib has no memory")
    defer { deflateEnd(&stream) }
    // For one call this is always enough.
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
    var input = bytes
    let written = input.withUnsafeMutableBufferPointer { source in
      output.withUnsafeMutableBufferPointer { target in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(target.count)
        let status = deflate(&stream, Z_FINISH)
        precondition(status == Z_STREAM_END, "zlib did not finish")
        return target.count - Int(stream.avail_out)
      }
    }
    return Array(output[..<written])
  }

  static func decompress(_ bytes: [UInt8]) throws(IcebergError) -> [UInt8] {
    var stream = z_stream()
    guard inflateInit2_(&stream, MAX_WBITS + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw IcebergError(.io, "zlib has no memory")
    }
    defer { inflateEnd(&stream) }
    var input = bytes
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: chunkSize)
    var offset = 0
    while true {
      let (status, written) = step(&stream, &input, &offset, &chunk)
      output.append(contentsOf: chunk[..<written])
      guard output.count <= maximumSize else {
        throw IcebergError(.corrupt, "gzip: more than \(maximumSize) bytes when decompressed")
      }
      if status == Z_STREAM_END {
        guard offset < input.count else { return output }
        // Another member may follow (RFC 1952, section 2.2).
        guard inflateReset(&stream) == Z_OK else { throw IcebergError(.corrupt, "gzip: cannot go on") }
        continue
      }
      guard status == Z_OK, written > 0 || offset < input.count else {
        throw IcebergError(.corrupt, "gzip: damaged or cut at byte \(offset) of \(bytes.count)")
      }
    }
  }

  private static func step(
    _ stream: inout z_stream, _ input: inout [UInt8], _ offset: inout Int, _ chunk: inout [UInt8]
  ) -> (status: Int32, written: Int) {
    let start = offset
    return input.withUnsafeMutableBufferPointer { source in
      chunk.withUnsafeMutableBufferPointer { target in
        let available = min(source.count - start, 1 << 30)
        stream.next_in = source.baseAddress.map { $0 + start }
        stream.avail_in = UInt32(available)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(target.count)
        let status = inflate(&stream, Z_NO_FLUSH)
        offset = start + available - Int(stream.avail_in)
        return (status, target.count - Int(stream.avail_out))
      }
    }
  }
}
