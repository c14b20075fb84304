import Actors
import Columnar
import Formats
import Glibc

/// One file, read record by record from blocks that a thread reads ahead. An offset is the byte where a record starts.
final class FileReader: PartitionReader {
  private let partition: PartitionID
  private let blocks: ReadAhead
  private var splitter: RecordSplitter
  /// Names that the header must have; checked where they could not be taken from it.
  private let expectedHeader: [String]?
  private let delimiter: UInt8
  private var mustSkipHeader: Bool
  private let end: Int64
  private let size: Int64?
  private var block: [UInt8] = []
  private var cursor = 0
  private var nextOffset: Int64
  private var isAtEnd = false

  init(
    _ partition: PartitionID, blocks: ReadAhead, start: Int64, end: Int64?, size: Int64?, settings: FileSettings,
    expectedHeader: [String]?
  ) {
    self.partition = partition
    self.blocks = blocks
    self.expectedHeader = expectedHeader
    self.size = size
    self.end = end ?? .max
    delimiter = settings.delimiter
    splitter = RecordSplitter(recordBytesMax: settings.recordBytesMax, isQuoted: settings.format == .csv)
    nextOffset = start
    mustSkipHeader = settings.skipsHeader && start == 0
    isAtEnd = start >= self.end
  }

  deinit { blocks.close() }

  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult {
    var records = 0
    var bytes = 0
    while records < limit && !isAtEnd && !decoder.isFull {
      if cursor >= block.count {
        guard try nextBlock() else {
          if isAtEnd { try appendLast(decoder, &records, &bytes) }
          break
        }
      }
      try appendRecords(decoder, limit: limit, &records, &bytes)
    }
    return PollResult(records: records, bytes: bytes, nextOffset: nextOffset, isAtEnd: isAtEnd)
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) { blocks.setWakeup(wakeup) }

  /// Nothing to do: reading ahead stops by itself after two blocks.
  func setPaused(_ isPaused: Bool) {}

  /// In bytes, because only they are known; absent for the standard input.
  func lag() -> Int64? { size.map { max(0, min($0, end) - nextOffset) } }

  func close() { blocks.close() }

  /// Takes the next block; `false` when there is none now, or, with ``isAtEnd``, for ever.
  private func nextBlock() throws -> Bool {
    switch blocks.take() {
    case .block(let bytes):
      block = bytes
      cursor = 0
      return true
    case .pending: return false
    case .end:
      isAtEnd = true
      return false
    case .failed(let code):
      let isShorter = code == ESPIPE
      throw SourceError(
        source: partition.source, partition: partition, severity: isShorter ? .fatal : .failed,
        message: isShorter
          ? "the input ended before offset \(nextOffset), where the checkpoint goes on; give the same input again"
          : "cannot be read: \(String(cString: strerror(code)))")
    }
  }

  private func appendRecords(_ decoder: RecordDecoder, limit: Int, _ records: inout Int, _ bytes: inout Int) throws {
    try block.withUnsafeBytes { block in
      while records < limit && cursor < block.count && !isAtEnd && !decoder.isFull {
        let start = cursor
        let isCarried = splitter.carriedLength > 0
        guard let lineFeed = splitter.end(in: block, from: start) else {
          cursor = block.count
          return
        }
        let length = isCarried ? splitter.carriedLength : lineFeed - start
        cursor = lineFeed + 1
        if isCarried {
          try splitter.carried.withUnsafeBytes { try append($0, length: length, decoder, &records, &bytes) }
          splitter.clear()
        } else {
          try append(
            UnsafeRawBufferPointer(rebasing: block[start..<lineFeed]), length: length, decoder, &records, &bytes)
        }
        nextOffset += Int64(length) + 1
        if nextOffset >= end { isAtEnd = true }
      }
    }
  }

  /// The last record, when no line feed ends it.
  private func appendLast(_ decoder: RecordDecoder, _ records: inout Int, _ bytes: inout Int) throws {
    let length = splitter.carriedLength
    guard length > 0 else { return }
    try splitter.carried.withUnsafeBytes { try append($0, length: length, decoder, &records, &bytes) }
    splitter.clear()
    nextOffset += Int64(length)
  }

  private func append(
    _ record: UnsafeRawBufferPointer, length: Int, _ decoder: RecordDecoder, _ records: inout Int, _ bytes: inout Int
  ) throws {
    var record = record
    if record.last == 0x0d { record = UnsafeRawBufferPointer(rebasing: record.dropLast()) }
    if mustSkipHeader {
      mustSkipHeader = false
      try checkHeader(record)
      return
    }
    // An empty line is no record.
    if record.isEmpty { return }
    decoder.append(RawRecord(key: nil, value: record, offset: nextOffset, timestamp: nil))
    records += 1
    bytes += length
  }

  private func checkHeader(_ line: UnsafeRawBufferPointer) throws {
    guard let expectedHeader else { return }
    let names = CSVHeader.names(line, delimiter: delimiter)
    if names == expectedHeader { return }
    throw SourceError(
      source: partition.source, partition: partition, severity: .fatal,
      message: """
        the header must be '\(expectedHeader.joined(separator: ","))', the table's columns in order, but is \
        '\(names.joined(separator: ","))'; for another order, read from a file instead of the standard input
        """)
  }
}
