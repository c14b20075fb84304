import CPosix

/// Records cannot be read: they are damaged, or older than this client.
package struct RecordError: Error, Hashable, CustomStringConvertible {
  /// Whether trying again cannot help.
  package let isFatal: Bool
  /// What was expected, what came, where.
  package let description: String

  init(isFatal: Bool = false, _ description: String) {
    self.isFatal = isFatal
    self.description = description
  }
}

/// How a batch's records are compressed.
package enum RecordCodec: UInt8, Hashable, Sendable {
  case none, gzip, snappy, lz4, zstd
}

/// What stands before the records of a batch, version 2 of the format:
///
/// ```
///  0 base offset   8 length   12 leader epoch   16 magic   17 crc   21 attributes   23 last offset delta
/// 27 base time    35 max time   43 producer   51 epoch   53 sequence   57 records' count   61 records
/// ```
///
/// The checksum is of everything from the attributes on. <https://kafka.apache.org/documentation/#recordbatch>
package struct RecordBatchHeader: Hashable {
  /// The bytes before the records.
  package static let size = 61
  /// The bytes that the length does not count.
  static let lengthEnd = 12
  private static let checksumStart = 21

  package let baseOffset: Int64
  package let lastOffset: Int64
  /// All bytes of the batch, this header among them.
  package let byteCount: Int
  package let baseTime: Int64
  package let maxTime: Int64
  package let producer: Int64
  package let recordCount: Int
  private let attributes: Int16

  /// How the records are compressed; `nil` when that is unknown.
  package var codec: RecordCodec? { RecordCodec(rawValue: UInt8(attributes & 7)) }
  /// Whether the broker's time of arrival counts for all records.
  package var isLogAppendTime: Bool { attributes & 8 != 0 }
  package var isTransactional: Bool { attributes & 16 != 0 }
  /// Whether its records are markers of the broker's.
  package var isControl: Bool { attributes & 32 != 0 }

  /// Reads the header of the batch that `bytes` begins with; `nil` when the batch is cut.
  ///
  /// What it says can be trusted once ``hasRightChecksum(_:)`` says so; lengths are within `bytes` in any case.
  /// - Throws: ``RecordError``.
  package init?(_ bytes: UnsafeRawBufferPointer) throws(RecordError) {
    guard bytes.count > 16 else { return nil }
    func field<Number: FixedWidthInteger>(_ offset: Int, _ type: Number.Type) -> Number {
      Number(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }
    baseOffset = field(0, Int64.self)
    let length = Int(field(8, Int32.self))
    // Where older formats have it as well.
    let magic = bytes[16]
    guard magic == 2 else {
      guard magic < 2 else {
        throw RecordError("offset \(baseOffset): the record batch has the unknown format \(magic)")
      }
      throw RecordError(
        isFatal: true,
        """
        offset \(baseOffset): the record batch has the format \(magic), from before Kafka 0.11, and fetch = 'native' reads \
        format 2; use fetch = 'librdkafka' for this table
        """)
    }
    guard length >= Self.size - Self.lengthEnd else {
      throw RecordError("offset \(baseOffset): the record batch says that it has \(length) bytes")
    }
    byteCount = length + Self.lengthEnd
    guard bytes.count >= byteCount else { return nil }
    attributes = field(21, Int16.self)
    let (last, isOverflow) = baseOffset.addingReportingOverflow(Int64(field(23, Int32.self)))
    // The greatest offset is left free, so that the one after the last always exists.
    guard baseOffset >= 0, last >= baseOffset, !isOverflow, last < .max else {
      throw RecordError("offset \(baseOffset): the record batch ends \(field(23, Int32.self)) after it begins")
    }
    lastOffset = last
    baseTime = field(27, Int64.self)
    maxTime = field(35, Int64.self)
    producer = field(43, Int64.self)
    recordCount = Int(field(57, Int32.self))
  }

  /// Whether the checksum of the batch, which `bytes` begins with, is right.
  package func hasRightChecksum(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let stored = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 17, as: UInt32.self))
    return bytes.baseAddress.map {
      weir_crc32c($0 + Self.checksumStart, byteCount - Self.checksumStart) == stored
    } ?? false
  }

  /// The offset after the last complete batch of `bytes`; `nil` without one.
  ///
  /// The fetch thread asks for what follows before a lane has looked at these bytes. Should they turn out to be damaged,
  /// the reader fails, and nothing that followed is used.
  /// - Throws: ``RecordError``.
  package static func nextOffset(_ bytes: UnsafeRawBufferPointer) throws(RecordError) -> Int64? {
    var (position, next) = (0, Int64?.none)
    while let batch = try RecordBatchHeader(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
      next = max(next ?? 0, batch.lastOffset + 1)
      position += batch.byteCount
    }
    return next
  }
}
