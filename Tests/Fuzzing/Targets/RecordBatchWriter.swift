import CLz4
import CPosix
import CSnappy
import CZlib
import CZstd
import Ingest

/// Writes the fields of Kafka's protocol.
struct FieldWriter {
  var bytes: [UInt8] = []

  /// The most significant byte first.
  mutating func append<Number: FixedWidthInteger>(_ number: Number) {
    withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
  }

  /// Seven bits a byte; signs alternate.
  mutating func appendVariable(_ number: Int64) {
    bytes += Mutator.variableLength(UInt64(bitPattern: (number << 1) ^ (number >> 63)))
  }

  /// Bytes behind their length, which is -1 when there are none.
  mutating func appendVariable(_ field: [UInt8]?) {
    appendVariable(Int64(field?.count ?? -1))
    bytes += field ?? []
  }
}

/// A record batch, written independently of the code that reads it.
struct RecordBatchWriter {
  static let codecs: [RecordCodec] = [.none, .gzip, .snappy, .lz4, .zstd]
  static let brokerTime: Int16 = 8
  static let transactional: Int16 = 16
  static let control: Int16 = 32

  var base: Int64 = 0
  var codec = RecordCodec.none
  /// The attributes other than the compression.
  var flags: Int16 = 0
  var producer: Int64 = -1
  /// Whether snappy's block is in a stream of blocks, as Java's clients write it.
  var isSnappyStream = false
  var lastDelta: Int32 = 0
  var recordCount: Int32 = 0
  /// The records, one after another, not compressed.
  var body: [UInt8] = []

  /// The broker's marker at the end of a transaction.
  static func marker(base: Int64, producer: Int64, isCommit: Bool) -> RecordBatchWriter {
    var batch = RecordBatchWriter(base: base, flags: transactional | control, producer: producer)
    batch.append(key: [0, 0, 0, isCommit ? 1 : 0], value: [0, 0])
    return batch
  }

  /// Adds a record, at the offset behind the last one unless `delta` says otherwise.
  mutating func append(
    delta: Int64? = nil, key: [UInt8]?, value: [UInt8]?, headers: [(name: String, value: [UInt8]?)] = [],
    time: Int64 = 0
  ) {
    var record = FieldWriter(bytes: [0])
    record.appendVariable(time)
    record.appendVariable(delta ?? Int64(recordCount))
    record.appendVariable(key)
    record.appendVariable(value)
    record.appendVariable(Int64(headers.count))
    for header in headers {
      record.appendVariable(Array(header.name.utf8))
      record.appendVariable(header.value)
    }
    var framed = FieldWriter()
    framed.appendVariable(record.bytes)
    body += framed.bytes
    lastDelta = recordCount
    recordCount += 1
  }

  /// The batch, with a length and a checksum that are right.
  var bytes: [UInt8] {
    var batch = FieldWriter()
    batch.append(base)
    batch.append(Int32(0))  // the length
    batch.append(Int32(7))  // the leader's epoch
    batch.append(UInt8(2))
    batch.append(UInt32(0))  // the checksum
    batch.append(Int16(codec.rawValue) | flags)
    batch.append(lastDelta)
    batch.append(Int64(1_700_000_000_000))
    batch.append(Int64(1_700_000_003_000))
    batch.append(producer)
    batch.append(Int16(0))
    batch.append(Int32(0))
    batch.append(recordCount)
    var bytes = batch.bytes + compressed
    Self.seal(&bytes, from: 0, size: bytes.count)
    return bytes
  }

  /// Makes length and checksum of the batch at `start` right.
  static func seal(_ bytes: inout [UInt8], from start: Int, size: Int) {
    var length = FieldWriter()
    length.append(Int32(size - 12))
    bytes.replaceSubrange(start + 8..<start + 12, with: length.bytes)
    var checksum = FieldWriter()
    checksum.append(weir_crc32c(Array(bytes[start + 21..<start + size]), size - 21))
    bytes.replaceSubrange(start + 17..<start + 21, with: checksum.bytes)
  }
}

extension RecordBatchWriter {
  private var compressed: [UInt8] {
    var output = [UInt8](repeating: 0, count: body.count * 2 + 65_536)
    var size = output.count
    switch codec {
    case .none: return body
    case .gzip: size = Self.gzip(body, &output)
    case .snappy:
      body.withUnsafeBytes { input in
        output.withUnsafeMutableBytes { target in
          _ = snappy_compress(
            input.assumingMemoryBound(to: CChar.self).baseAddress, input.count,
            target.assumingMemoryBound(to: CChar.self).baseAddress, &size)
        }
      }
    case .lz4: size = LZ4F_compressFrame(&output, size, body, body.count, nil)
    case .zstd: size = ZSTD_compress(&output, size, body, body.count, 1)
    }
    let block = Array(output.prefix(size))
    guard codec == .snappy, isSnappyStream else { return block }
    var stream = FieldWriter(bytes: [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0])
    stream.append(Int32(1))  // its version
    stream.append(Int32(1))  // the least that reads it
    stream.append(Int32(block.count))
    return stream.bytes + block
  }

  private static func gzip(_ bytes: [UInt8], _ output: inout [UInt8]) -> Int {
    var stream = z_stream()
    deflateInit2_(
      &stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    defer { deflateEnd(&stream) }
    var input = bytes
    return input.withUnsafeMutableBufferPointer { source in
      output.withUnsafeMutableBufferPointer { target in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(target.count)
        deflate(&stream, Z_FINISH)
        return target.count - Int(stream.avail_out)
      }
    }
  }
}
