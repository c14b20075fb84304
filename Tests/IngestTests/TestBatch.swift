import CLz4
import CSnappy
import CZlib
import CZstd

/// A record batch, encoded here independently of the code that reads it.
struct TestBatch {
  struct Record {
    var delta: Int
    var key: [UInt8]? = nil
    var value: [UInt8]? = nil
    var headers: [(String, [UInt8]?)] = []
    var time: Int64 = 0
  }

  enum Codec: Int, CaseIterable {
    case none, gzip, snappy, lz4, zstd
  }

  var base: Int64
  var records: [Record]
  /// How far the last offset is behind the base, when compaction has removed records at the end.
  var lastDelta: Int?
  var codec = Codec.none
  var baseTime: Int64 = 1_700_000_000_000
  var maxTime: Int64 = 1_700_000_000_000
  var isLogAppendTime = false
  var isTransactional = false
  var isControl = false
  var producer: Int64 = -1
  var magic: UInt8 = 2

  /// `{"n":i}` for each number, at its offset.
  init(_ numbers: Range<Int64>, codec: Codec = .none, producer: Int64 = -1) {
    base = numbers.lowerBound
    records = numbers.enumerated().map { Record(delta: $0, value: Array(#"{"n":\#($1)}"#.utf8)) }
    self.codec = codec
    self.producer = producer
    isTransactional = producer >= 0
  }

  init(base: Int64, records: [Record]) {
    self.base = base
    self.records = records
  }

  /// The broker's marker at the end of a transaction.
  static func marker(_ offset: Int64, producer: Int64, isCommit: Bool) -> TestBatch {
    var batch = TestBatch(base: offset, records: [Record(delta: 0, key: [0, 0, 0, isCommit ? 1 : 0], value: [0, 0])])
    (batch.isControl, batch.isTransactional, batch.producer) = (true, true, producer)
    return batch
  }

  var last: Int64 { base + Int64(lastDelta ?? records.last?.delta ?? 0) }

  var bytes: [UInt8] {
    var body: [UInt8] = []
    for record in records {
      let text = encoded(record)
      body += varint(Int64(text.count)) + text
    }
    if codec != .none { body = Self.compressed(body, codec) }
    var attributes = Int16(codec.rawValue)
    if isLogAppendTime { attributes |= 8 }
    if isTransactional { attributes |= 16 }
    if isControl { attributes |= 32 }
    let signed =
      big(attributes) + big(Int32(last - base)) + big(baseTime) + big(maxTime) + big(producer)
      + big(Int16(0)) + big(Int32(0)) + big(Int32(records.count)) + body
    return big(base) + big(Int32(9 + signed.count)) + big(Int32(7)) + [magic] + big(Self.crc32c(signed)) + signed
  }

  private func encoded(_ record: Record) -> [UInt8] {
    var text: [UInt8] = [0]
    text += varint(record.time) + varint(Int64(record.delta))
    text += field(record.key) + field(record.value) + varint(Int64(record.headers.count))
    for header in record.headers { text += field(Array(header.0.utf8)) + field(header.1) }
    return text
  }

  private func field(_ bytes: [UInt8]?) -> [UInt8] { bytes.map { varint(Int64($0.count)) + $0 } ?? varint(-1) }

  private func varint(_ value: Int64) -> [UInt8] {
    var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
    var result: [UInt8] = []
    while rest >= 0x80 {
      result.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return result + [UInt8(rest)]
  }

  /// A bit at a time, from the definition.
  static func crc32c(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
  }
}

/// The number's bytes, the most significant first.
func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

extension TestBatch {
  private static func compressed(_ bytes: [UInt8], _ codec: Codec) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: bytes.count * 2 + 65_536)
    var size = output.count
    switch codec {
    case .none: return bytes
    case .gzip: size = gzip(bytes, &output)
    case .snappy:
      // Without a frame, as librdkafka and others write it.
      bytes.withUnsafeBytes { input in
        output.withUnsafeMutableBytes { target in
          _ = snappy_compress(
            input.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count,
            target.assumingMemoryBound(to: CChar.self).baseAddress, &size)
        }
      }
    case .lz4: size = LZ4F_compressFrame(&output, output.count, bytes, bytes.count, nil)
    case .zstd: size = ZSTD_compress(&output, output.count, bytes, bytes.count, 1)
    }
    return Array(output.prefix(size))
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
