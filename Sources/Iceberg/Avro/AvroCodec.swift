import CSnappy
import CZlib
import CZstd

/// How blocks of an Avro file are compressed (Avro specification, "Object Container Files").
public enum AvroCodec: String, Hashable, Sendable, CaseIterable {
  /// Not at all.
  case null
  /// Raw deflate, the default of Iceberg's writers.
  case deflate
  /// Zstandard.
  case zstandard
  /// Snappy, with a checksum.
  case snappy

  /// The compressed form of a block.
  func compress(_ input: [UInt8]) throws(IcebergError) -> [UInt8] {
    switch self {
    case .null: return input
    case .deflate: return try deflated(input)
    case .zstandard: return try zstandardCompressed(input)
    case .snappy: return try snappyCompressed(input)
    }
  }

  /// A block of at most `limit` bytes from its compressed form.
  func decompress(_ input: [UInt8], limit: Int, context: String) throws(IcebergError) -> [UInt8] {
    switch self {
    case .null: return input
    case .deflate: return try inflated(input, limit: limit, context: context)
    case .zstandard: return try zstandardDecompressed(input, limit: limit, context: context)
    case .snappy: return try snappyDecompressed(input, limit: limit, context: context)
    }
  }
}

/// The CRC-32 of ISO 3309, as in gzip.
func checksum32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  bytes.withUnsafeBufferPointer { buffer in UInt32(truncatingIfNeeded: crc32_z(0, buffer.baseAddress, buffer.count)) }
}

private func deflated(_ input: [UInt8]) throws(IcebergError) -> [UInt8] {
  guard input.count <= Int(Int32.max) else { throw IcebergError(.invalid, "an Avro block of more than 2 GiB") }
  var stream = z_stream()
  let size = Int32(MemoryLayout<z_stream>.size)
  guard deflateInit2_(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK else {
    throw IcebergError(.io, "zlib has no memory for a compressor")
  }
  defer { deflateEnd(&stream) }
  let bound = Int(deflateBound(&stream, UInt(input.count)))
  var input = input
  var status = Z_OK
  let output = [UInt8](unsafeUninitializedCapacity: bound) { target, count in
    input.withUnsafeMutableBufferPointer { source in
      stream.next_in = source.baseAddress
      stream.avail_in = UInt32(source.count)
      stream.next_out = target.baseAddress
      stream.avail_out = UInt32(clamping: target.count)
      status = deflate(&stream, Z_FINISH)
    }
    count = bound - Int(stream.avail_out)
  }
  guard status == Z_STREAM_END else { throw IcebergError(.io, "zlib could not compress a block: \(status)") }
  return output
}

private func inflated(_ input: [UInt8], limit: Int, context: String) throws(IcebergError) -> [UInt8] {
  guard input.count <= Int(Int32.max) else { throw IcebergError(.corrupt, "\(context) has more than 2 GiB") }
  var stream = z_stream()
  guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
    throw IcebergError(.io, "zlib has no memory for a decompressor")
  }
  defer { inflateEnd(&stream) }
  var input = input
  var output: [UInt8] = []
  var consumed = 0
  var status = Z_OK
  while status == Z_OK {
    let room = min(max(input.count * 4, 4096, output.count), 1 << 24, limit - output.count + 1)
    guard room > 0 else { break }
    let piece = [UInt8](unsafeUninitializedCapacity: room) { target, count in
      input.withUnsafeMutableBufferPointer { source in
        stream.next_in = source.baseAddress.map { $0 + consumed }
        stream.avail_in = UInt32(source.count - consumed)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(room)
        status = inflate(&stream, Z_NO_FLUSH)
        consumed = source.count - Int(stream.avail_in)
      }
      count = room - Int(stream.avail_out)
    }
    output += piece
    guard output.count <= limit else {
      throw IcebergError(.corrupt, "\(context) has more than the \(limit) bytes that are allowed, decompressed")
    }
  }
  guard status == Z_STREAM_END else {
    throw IcebergError(.corrupt, "\(context) is not valid deflate (zlib's status \(status))")
  }
  return output
}

func zstandardCompressed(_ input: [UInt8]) throws(IcebergError) -> [UInt8] {
  var status = 0
  let bound = ZSTD_compressBound(input.count)
  let output = [UInt8](unsafeUninitializedCapacity: bound) { target, count in
    status = input.withUnsafeBytes { ZSTD_compress(target.baseAddress, bound, $0.baseAddress, $0.count, 3) }
    count = ZSTD_isError(status) == 0 ? status : 0
  }
  guard ZSTD_isError(status) == 0 else { throw IcebergError(.io, "Zstandard could not compress a block") }
  return output
}

/// Decompresses one or more frames, with or without their content's size.
func zstandardDecompressed(_ input: [UInt8], limit: Int, context: String) throws(IcebergError) -> [UInt8] {
  guard let decoder = ZSTD_createDStream() else { throw IcebergError(.io, "Zstandard has no memory") }
  defer { ZSTD_freeDStream(decoder) }
  var output: [UInt8] = []
  var consumed = 0
  var status = 1
  while consumed < input.count || status != 0 {
    let room = min(max(input.count * 4, 4096, output.count), 1 << 24, limit - output.count + 1)
    guard room > 0 else { break }
    let before = consumed
    let piece = [UInt8](unsafeUninitializedCapacity: room) { target, count in
      input.withUnsafeBytes { source in
        var from = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: consumed)
        var to = ZSTD_outBuffer(dst: target.baseAddress, size: room, pos: 0)
        status = ZSTD_decompressStream(decoder, &to, &from)
        consumed = from.pos
        count = to.pos
      }
    }
    output += piece
    guard ZSTD_isError(status) == 0, consumed > before || !piece.isEmpty else {
      throw IcebergError(.corrupt, "\(context) is not valid Zstandard")
    }
    guard output.count <= limit else {
      throw IcebergError(.corrupt, "\(context) has more than the \(limit) bytes that are allowed, decompressed")
    }
  }
  return output
}

private func snappyCompressed(_ input: [UInt8]) throws(IcebergError) -> [UInt8] {
  let bound = snappy_max_compressed_length(input.count)
  var status = SNAPPY_OK
  var output = [UInt8](unsafeUninitializedCapacity: bound) { target, count in
    var length = bound
    status = input.withUnsafeBytes { source in
      target.withMemoryRebound(to: CChar.self) { target in
        snappy_compress(
          source.assumingMemoryBound(to: CChar.self).baseAddress, source.count, target.baseAddress, &length)
      }
    }
    count = status == SNAPPY_OK ? length : 0
  }
  guard status == SNAPPY_OK else { throw IcebergError(.io, "Snappy could not compress a block") }
  let checksum = checksum32(input[...])
  for shift: UInt32 in [24, 16, 8, 0] { output.append(UInt8(truncatingIfNeeded: checksum >> shift)) }
  return output
}

private func snappyDecompressed(_ input: [UInt8], limit: Int, context: String) throws(IcebergError) -> [UInt8] {
  guard input.count >= 4 else { throw IcebergError(.corrupt, "\(context) has no Snappy checksum") }
  let size = input.count - 4
  var length = 0
  var status = input.withUnsafeBytes { source in
    snappy_uncompressed_length(source.assumingMemoryBound(to: CChar.self).baseAddress, size, &length)
  }
  guard status == SNAPPY_OK else { throw IcebergError(.corrupt, "\(context) is not valid Snappy") }
  guard length <= limit else {
    throw IcebergError(.corrupt, "\(context) has \(length) bytes, \(limit) are allowed, decompressed")
  }
  let output = [UInt8](unsafeUninitializedCapacity: length) { target, count in
    status = input.withUnsafeBytes { source in
      target.withMemoryRebound(to: CChar.self) { target in
        snappy_uncompress(source.assumingMemoryBound(to: CChar.self).baseAddress, size, target.baseAddress, &length)
      }
    }
    count = status == SNAPPY_OK ? length : 0
  }
  guard status == SNAPPY_OK else { throw IcebergError(.corrupt, "\(context) is not valid Snappy") }
  let expected = input[size...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
  let found = checksum32(output[...])
  guard found == expected else {
    throw IcebergError(.corrupt, "\(context): expected the checksum \(expected), found \(found)")
  }
  return output
}
