import Formats

/// Hands the records of fetched batches to the decoder: checks, decompresses and walks them, from the wanted offset on.
///
/// One for each partition, used by its reader alone. A batch that a poll did not finish stays open, with what it holds
/// decompressed; everything else it needs is only held during a call.
package struct RecordSetDecoder {
  /// A poll ends behind the record that brings it here: large records must not fill memory by their number.
  private static let pollBytesMax = 8 << 20

  /// A batch whose records are being read.
  private struct OpenBatch {
    let header: RecordBatchHeader
    /// Within `records`; the next record begins here.
    var cursor: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>
    var recordsLeft: Int
    /// Owns what the pointers point to when the batch was compressed; otherwise the fetched records do.
    let decompressed: FetchBuffer?
  }

  /// The first offset that was not handed over or found to be empty yet.
  package private(set) var nextOffset: Int64
  /// Records of the last call of ``decode(into:limit:)``.
  package private(set) var records = 0
  /// Bytes of their keys and values.
  package private(set) var bytes = 0

  private let end: Int64
  private let readsHeaders: Bool
  private let tools: RecordTools
  private var fetched: FetchedRecords?
  private var position = 0
  private var open: OpenBatch?
  private var transactions = AbortedTransactions()
  private var headers: [UInt8] = []

  /// Reads from `start` on; records at and after `end` are not handed over.
  package init(start: Int64, end: Int64?, readsHeaders: Bool, memory: FetchMemory) {
    self.init(start: start, end: end, readsHeaders: readsHeaders, tools: RecordTools(memory))
  }

  init(start: Int64, end: Int64?, readsHeaders: Bool, tools: RecordTools) {
    nextOffset = start
    self.end = end ?? .max
    self.readsHeaders = readsHeaders
    self.tools = tools
  }

  /// Whether nothing comes any more.
  package var isAtEnd: Bool { nextOffset >= end }

  /// Whether all fetched records were read.
  package var needsRecords: Bool { fetched == nil }

  /// Takes what was fetched, from ``nextOffset`` on or from a batch that holds it. Only when ``needsRecords``.
  package mutating func add(_ records: FetchedRecords) {
    precondition(fetched == nil, "the records before are not read yet")
    fetched = records
    position = 0
    transactions = AbortedTransactions(records.aborted)
  }

  /// Hands over at most `limit` records. Those before an error are handed over, and `nextOffset` is behind them.
  /// - Throws: ``RecordError``.
  package mutating func decode(into decoder: RecordDecoder, limit: Int) throws(RecordError) {
    records = 0
    bytes = 0
    while records < limit, bytes < Self.pollBytesMax, !isAtEnd {
      if open == nil { try openNext() }
      guard let batch = open else { return }
      try drain(batch, into: decoder, limit: limit)
    }
    if isAtEnd { release() }
  }

  /// Gives back all memory.
  package mutating func release() {
    closeBatch()
    if let fetched { tools.memory.giveBack(fetched.buffer) }
    fetched = nil
  }
}

extension RecordSetDecoder {
  /// Opens the next batch that has records to read; none is open when there is no complete one.
  private mutating func openNext() throws(RecordError) {
    while let fetched {
      let rest = UnsafeRawBufferPointer(start: fetched.buffer.start + position, count: fetched.count - position)
      guard let batch = try RecordBatchHeader(rest) else {
        // The rest was cut: it comes again with the next fetch.
        release()
        return
      }
      guard batch.hasRightChecksum(rest) else {
        throw RecordError(
          """
          offset \(batch.baseOffset): the checksum of the record batch (\(batch.byteCount) bytes) is wrong: it was \
          damaged on its way, or is damaged in the broker's log
          """)
      }
      position += batch.byteCount
      // A broker answers with the whole batch that holds the wanted offset, not with one before it.
      if batch.lastOffset < nextOffset { continue }
      if batch.baseOffset >= end {
        nextOffset = end
        return
      }
      if try isSkipped(batch, rest) {
        nextOffset = min(end, batch.lastOffset + 1)
        if isAtEnd { return }
        continue
      }
      open = try opened(batch, rest)
      return
    }
  }

  /// Whether the batch has markers instead of records, or records of an aborted transaction.
  private mutating func isSkipped(
    _ batch: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer
  ) throws(RecordError) -> Bool {
    let isAborted = transactions.leavesOut(batch)
    guard batch.isControl else { return isAborted }
    if isAborted, try isAbortMarker(batch, bytes) { transactions.markerRead(producer: batch.producer) }
    return true
  }

  /// Whether the control batch ends a transaction in an abort: its record's key is a version and a type, which is 0 then.
  private func isAbortMarker(_ batch: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer) throws(RecordError) -> Bool {
    if batch.recordCount == 0 { return false }
    let marker = try opened(batch, bytes)
    defer { if let buffer = marker.decompressed { tools.memory.giveBack(buffer) } }
    guard let record = RecordFields(marker.cursor, marker.end), let key = record.key, key.count >= 4 else {
      throw damaged(batch, "its marker cannot be read")
    }
    return Int16(bigEndian: key.loadUnaligned(fromByteOffset: 2, as: Int16.self)) == 0
  }

  private func opened(_ batch: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer) throws(RecordError) -> OpenBatch {
    guard batch.recordCount >= 0 else { throw damaged(batch, "it has \(batch.recordCount) records") }
    let compressed = UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.size..<batch.byteCount])
    guard let codec = batch.codec else { throw damaged(batch, "its compression is unknown") }
    var (records, owner) = (compressed, FetchBuffer?.none)
    if codec != .none {
      do {
        let (buffer, count) = try tools.decompress(compressed, codec)
        (records, owner) = (UnsafeRawBufferPointer(start: buffer.start, count: count), buffer)
      } catch {
        throw damaged(batch, error.description)
      }
    }
    guard let start = records.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      throw damaged(batch, "it has no records")
    }
    return OpenBatch(
      header: batch, cursor: start, end: start + records.count, recordsLeft: batch.recordCount, decompressed: owner)
  }

  private func damaged(_ batch: RecordBatchHeader, _ what: String) -> RecordError {
    RecordError("offset \(batch.baseOffset): the record batch (\(batch.byteCount) bytes) cannot be read: \(what)")
  }

  private mutating func closeBatch() {
    if let buffer = open?.decompressed { tools.memory.giveBack(buffer) }
    open = nil
  }
}

extension RecordSetDecoder {
  /// Hands records over until the batch or the poll ends. Everything is in local variables: this is the inner loop.
  private mutating func drain(_ batch: OpenBatch, into decoder: RecordDecoder, limit: Int) throws(RecordError) {
    let header = batch.header
    let (last, base) = (header.lastOffset &- header.baseOffset, header.baseOffset)
    let fixedTime: Int64? = header.isLogAppendTime ? header.maxTime : nil
    let (end, bytesMax, limitOfBatch) = (self.end, Self.pollBytesMax, batch.end)
    var (cursor, left, next, records, bytes) = (batch.cursor, batch.recordsLeft, nextOffset, self.records, self.bytes)
    var isDamaged = false
    while left > 0, records < limit, bytes < bytesMax {
      guard let record = RecordFields(cursor, limitOfBatch), record.offsetDelta >= 0, record.offsetDelta <= last else {
        isDamaged = true
        break
      }
      let offset = base &+ record.offsetDelta
      if offset >= end { break }
      left &-= 1
      cursor = record.end
      // The first batch may begin before the wanted offset.
      if offset < next { continue }
      let time = fixedTime ?? (header.baseTime &+ record.timeDelta)
      var raw = RawRecord(
        key: record.key, value: record.value, offset: offset, timestamp: time < 0 ? nil : time &* 1000)
      if _slowPath(readsHeaders) {
        guard appendWithHeaders(&raw, record, to: decoder) else {
          isDamaged = true
          break
        }
      } else {
        decoder.append(raw)
      }
      next = offset &+ 1
      records &+= 1
      bytes &+= (record.key?.count ?? 0) &+ (record.value?.count ?? 0)
    }
    (nextOffset, self.records, self.bytes) = (next, records, bytes)
    if isDamaged { throw damaged(header, "the record at or after offset \(next) is damaged") }
    if left > 0, records >= limit || bytes >= bytesMax {
      open?.cursor = cursor
      open?.recordsLeft = left
      return
    }
    guard left > 0 || cursor == limitOfBatch else { throw damaged(header, "bytes are left behind its records") }
    // Also past offsets whose records were compacted away, and, at the bound, past the records that come after it.
    nextOffset = min(end, header.lastOffset + 1)
    closeBatch()
  }

  @inline(never)
  private mutating func appendWithHeaders(
    _ record: inout RawRecord, _ fields: RecordFields, to decoder: RecordDecoder
  ) -> Bool {
    headers.removeAll(keepingCapacity: true)
    guard fields.appendHeaders(to: &headers) else { return false }
    headers.withUnsafeBytes { text in
      record.headers = text.isEmpty ? nil : text
      decoder.append(record)
    }
    return true
  }
}
