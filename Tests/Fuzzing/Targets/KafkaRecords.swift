import Columnar
import Formats
import Ingest

/// A record as it was handed over; equal when all of it is.
private struct ReadRecord: Hashable {
  let offset: Int64
  /// A hash of its key, value, headers and time, or of why it was rejected.
  let content: Int
}

/// What came of the bytes of a fetched partition.
private struct ReadSet: Equatable {
  var records: [ReadRecord] = []
  var nextOffset: Int64 = 0
  var failure: RecordError?
  /// Whether everything was read: there was no error, and there were not too many records.
  var isComplete = false
}

/// What came of an answer to a fetch.
private struct ReadAnswer: Equatable {
  var partitions: [FetchAnswer] = []
  var errorCode: Int16 = 0
  var failure: WireError?
}

/// What brokers send to `fetch = 'native'`.
extension FuzzTarget {
  static let kafka: [FuzzTarget] = [
    // A batch may hold 256 MiB, decompressed. They are there one and a half times while the buffer grows, and more than
    // twice while one large record is handed over; zstd keeps a window of up to 128 MiB.
    FuzzTarget(
      "record-batches", weight: 8, memory: (1 << 30, 4096), seeds: { recordSets }, generate: inventRecordSet,
      repair: repairBatches, check: checkRecordSet),
    FuzzTarget("fetch-response", weight: 8, seeds: { fetchAnswers }, check: checkFetchAnswer)
  ]

  // MARK: Record batches to start from

  private static var recordSets: [[UInt8]] {
    var sets = RecordBatchWriter.codecs.map { sample($0).bytes }
    var stream = sample(.snappy)
    stream.isSnappyStream = true
    sets.append(stream.bytes)
    var gaps = sample(.none, base: 1 << 40, flags: RecordBatchWriter.brokerTime)
    gaps.lastDelta = 9
    sets.append([gaps, sample(.lz4, base: 1 << 41)].flatMap { $0.bytes })
    // Few bytes that become many.
    var dense = RecordBatchWriter(codec: .zstd)
    dense.append(key: nil, value: [UInt8](repeating: 0x61, count: 1 << 20))
    sets.append(dense.bytes)
    let kind = RecordBatchWriter.transactional
    // An aborted and a committed transaction, and one that is open.
    let transactions = [
      sample(.lz4, base: 0, flags: kind, producer: 1), sample(.none, base: 4, flags: kind, producer: 2),
      RecordBatchWriter.marker(base: 8, producer: 1, isCommit: false),
      RecordBatchWriter.marker(base: 9, producer: 2, isCommit: true),
      sample(.gzip, base: 10, flags: kind, producer: 1)
    ]
    sets.append(transactions.flatMap { $0.bytes })
    // One of each compression, and a last one that is cut.
    var row: [UInt8] = []
    for (index, codec) in RecordBatchWriter.codecs.enumerated() { row += sample(codec, base: Int64(index) * 10).bytes }
    sets.append(row)
    row += sample(.none, base: 100).bytes.prefix(70)
    sets.append(row)
    return sets
  }

  /// With headers, without a key, without a value.
  private static func sample(
    _ codec: RecordCodec, base: Int64 = 0, flags: Int16 = 0, producer: Int64 = -1
  ) -> RecordBatchWriter {
    var batch = RecordBatchWriter(base: base, codec: codec, flags: flags, producer: producer)
    batch.append(key: Array("k0".utf8), value: Array(#"{"n":1}"#.utf8))
    batch.append(
      key: nil, value: Array(#"{"n":22}"#.utf8), headers: [("trace", Array("x".utf8)), ("none", nil)], time: 1000)
    batch.append(key: Array("k2".utf8), value: nil, time: -5)
    batch.append(key: [], value: [UInt8](repeating: 0x61, count: 100), time: 3000)
    return batch
  }

  /// Batches of records that make little sense, compressed by rights: damage to what is compressed hardly ever becomes
  /// damage to a record.
  @Sendable private static func inventRecordSet(_ random: inout FuzzRandom) -> [UInt8] {
    var bytes: [UInt8] = []
    var base = Int64(random.below(3))
    for _ in 0...random.below(3) {
      var batch = RecordBatchWriter(base: base, codec: random.pick(RecordBatchWriter.codecs))
      batch.isSnappyStream = random.once(in: 2)
      batch.flags = random.pick([0, 0, 0, 8, 16, 48])
      batch.producer = Int64(random.below(2))
      for _ in 0..<random.below(8) { appendRecord(to: &batch, &random) }
      for _ in 0..<random.below(3) where !batch.body.isEmpty {
        let place = random.below(batch.body.count)
        batch.body[place] = UInt8(random.below(256))
      }
      if random.once(in: 8) { batch.lastDelta = Int32(truncatingIfNeeded: random.pick(Mutator.boundaries)) }
      if random.once(in: 8) { batch.recordCount = Int32(truncatingIfNeeded: random.pick(Mutator.boundaries)) }
      if random.once(in: 16) { batch.base = random.pick(Mutator.boundaries) }
      bytes += batch.bytes
      base = batch.base &+ Int64(batch.lastDelta) &+ Int64(random.below(3))
    }
    return bytes
  }

  private static func appendRecord(to batch: inout RecordBatchWriter, _ random: inout FuzzRandom) {
    var headers: [(name: String, value: [UInt8]?)] = []
    for number in 0..<(random.once(in: 3) ? random.below(4) : 0) {
      headers.append((name: "h\(number)", value: inventField(&random)))
    }
    let (key, value) = (inventField(&random), inventField(&random))
    let delta: Int64? = random.once(in: 10) ? random.pick(Mutator.boundaries) : nil
    let time = random.once(in: 6) ? random.pick(Mutator.boundaries) : Int64(random.below(1000))
    batch.append(delta: delta, key: key, value: value, headers: headers, time: time)
  }

  private static func inventField(_ random: inout FuzzRandom) -> [UInt8]? {
    if random.once(in: 4) { return nil }
    let count = random.once(in: 20) ? random.below(100_000) : random.below(20)
    return [UInt8](repeating: UInt8(random.below(256)), count: count)
  }

  /// Formats, lengths and checksums of the batches, as they must be for their records to be looked at.
  @Sendable private static func repairBatches(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    var start = 0
    while bytes.count - start >= RecordBatchHeader.size {
      let rest = bytes.count - start
      bytes[start + 16] = 2
      var length = 0
      for byte in bytes[start + 8..<start + 12] { length = length << 8 | Int(byte) }
      let size = length + 12
      let isFollowed = size >= RecordBatchHeader.size && size + 17 <= rest && bytes[start + size + 16] == 2
      // Where damage has moved what follows, the rest belongs to this batch.
      let kept = isFollowed ? size : rest
      RecordBatchWriter.seal(&bytes, from: start, size: kept)
      start += kept
    }
  }

  // MARK: Record batches are read

  /// More are not read of one input: few bytes can hold millions.
  private static let recordsMax = 50_000

  /// The value as it is, with all that is around it.
  private static let recordFormat = DecoderConfiguration(
    schema: Schema([
      Field("value", .bytea), Field("_key", .bytea), Field("_timestamp", .timestamptz), Field("_headers", .jsonb)
    ]), format: .raw(column: "value"), partition: PartitionID(source: "s", name: "t/0"))

  private static func checkRecordSet(_ bytes: [UInt8]) throws {
    let batches = try recordBatches(bytes)
    let whole = try readSet(bytes)
    try requireWithin(batches, whole.records)
    // At the last offset of all nothing can follow, and what is behind it need not be looked at.
    if whole.nextOffset == .max { return }
    let again = try readSet(bytes, limit: 7)
    try require(again == whole, "expected the same records from shorter polls: \(whole), found \(again)")
    guard whole.isComplete else { return }
    // What is asked for while these bytes are not read yet.
    let next = try bytes.withUnsafeBytes { try RecordBatchHeader.nextOffset($0) }
    try require(
      whole.nextOffset == next ?? 0,
      "expected to go on at \(whole.nextOffset), found that \(String(describing: next)) is asked for")
    // Where batches overlap, or offsets within one go back, it matters which is met first.
    let isOrdered = zip(batches, batches.dropFirst()).allSatisfy { $0.lastOffset < $1.baseOffset }
    let told = batches.reduce(0) { $0 + ($1.isControl ? 0 : $1.recordCount) }
    if isOrdered, whole.records.count == told { try checkRange(bytes, whole) }
    try checkAborted(bytes, batches, whole)
  }

  /// The batches up to one that is cut or cannot be read.
  private static func recordBatches(_ bytes: [UInt8]) throws -> [RecordBatchHeader] {
    var (batches, position): ([RecordBatchHeader], Int) = ([], 0)
    var failure: RecordError?
    bytes.withUnsafeBytes { bytes in
      do throws(RecordError) {
        while let batch = try RecordBatchHeader(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
          batches.append(batch)
          position += batch.byteCount
        }
      } catch {
        failure = error
      }
    }
    if let failure { try requireMessage(failure) }
    return batches
  }

  private static func readSet(
    _ bytes: [UInt8], from start: Int64 = 0, to end: Int64? = nil, aborted: [AbortedTransaction] = [],
    limit: Int = 1000
  ) throws -> ReadSet {
    let rows = try RecordDecoder(recordFormat)
    var decoder = RecordSetDecoder(start: start, end: end, readsHeaders: true, memory: FetchMemory())
    let buffer = FetchBuffer(capacity: max(1, bytes.count))
    buffer.start.copyMemory(from: bytes, byteCount: bytes.count)
    decoder.add(FetchedRecords(buffer: buffer, count: bytes.count, aborted: aborted))
    var result = ReadSet()
    while !decoder.needsRecords, !decoder.isAtEnd, result.failure == nil, result.records.count < recordsMax {
      let most = min(limit, recordsMax - result.records.count)
      do throws(RecordError) {
        try decoder.decode(into: rows, limit: most)
      } catch {
        result.failure = error
      }
      let decoded = rows.finish()
      try require(
        decoded.records == decoder.records && decoded.records <= most,
        "expected at most \(most) records, found \(decoded.records), of which \(decoder.records) are told")
      result.records += try contents(decoded)
    }
    result.nextOffset = decoder.nextOffset
    result.isComplete = result.failure == nil && decoder.needsRecords
    try require(isAscending(result.records.map(\.offset)), "expected offsets that ascend from poll to poll")
    try require(
      result.nextOffset > result.records.last?.offset ?? -1, "an offset to go on at that was read already")
    if let failure = result.failure {
      try requireMessage(failure)
      try require(failure.description.contains("offset "), "expected an error that names an offset, found '\(failure)'")
    }
    return result
  }

  /// The records of one poll, by their offsets.
  private static func contents(_ decoded: DecodedBatch) throws -> [ReadRecord] {
    let offsets = decoded.batch.origin?.offsets ?? []
    try require(
      offsets.count == decoded.batch.count && offsets.count + decoded.rejected.count == decoded.records,
      "expected \(decoded.records) records, found \(offsets.count) rows and \(decoded.rejected.count) rejected")
    try require(
      isAscending(offsets) && isAscending(decoded.rejected.map(\.offset)), "expected offsets that ascend in a poll")
    var records = offsets.indices.map { ReadRecord(offset: offsets[$0], content: content(decoded.batch, $0)) }
    for rejected in decoded.rejected {
      records.append(ReadRecord(offset: rejected.offset, content: rejected.hashValue))
    }
    return records.sorted { $0.offset < $1.offset }
  }

  private static func isAscending(_ offsets: [Int64]) -> Bool {
    zip(offsets, offsets.dropFirst()).allSatisfy { $0.0 < $0.1 }
  }

  private static func content(_ batch: Batch, _ row: Int) -> Int {
    var hasher = Hasher()
    for column in batch.columns {
      let isNull = column.isNull(row)
      hasher.combine(isNull)
      if isNull { continue }
      switch column.storage {
      case .bytes(let values): hasher.combine(values[row])
      case .int64(let values): hasher.combine(values[row])
      default: break
      }
    }
    return hasher.finalize()
  }

  /// Every record is one of a batch, and batches are read in their order.
  private static func requireWithin(_ batches: [RecordBatchHeader], _ records: [ReadRecord]) throws {
    var position = 0
    for record in records {
      while position < batches.count,
        record.offset < batches[position].baseOffset || record.offset > batches[position].lastOffset
      {
        position += 1
      }
      try require(position < batches.count, "expected offsets within their batches, found \(record.offset)")
    }
  }

  /// From an offset up to another there is what is there when all is read.
  private static func checkRange(_ bytes: [UInt8], _ whole: ReadSet) throws {
    guard !whole.records.isEmpty else { return }
    let start = whole.records[whole.records.count / 2].offset
    let end = start > Int64.max - 20 ? Int64.max : start + 20
    let part = try readSet(bytes, from: start, to: end)
    var expected = ReadSet()
    expected.records = whole.records.filter { $0.offset >= start && $0.offset < end }
    expected.nextOffset = min(end, whole.nextOffset)
    // Batches behind the end are not looked at.
    expected.isComplete = part.isComplete
    try require(part == expected, "expected from \(start) to \(end): \(expected), found \(part)")
  }

  /// Without the records of transactions that are said to be aborted, the others are the same.
  private static func checkAborted(_ bytes: [UInt8], _ batches: [RecordBatchHeader], _ whole: ReadSet) throws {
    let aborted = batches.filter { $0.isTransactional }.map {
      AbortedTransaction(producer: $0.producer, firstOffset: $0.baseOffset)
    }
    let others = try readSet(bytes, aborted: aborted)
    // Markers are opened only when there is something to end.
    if others.failure != nil { return }
    try require(
      others.nextOffset == whole.nextOffset && Set(whole.records).isSuperset(of: others.records),
      "expected some of the records without aborted transactions: \(whole), found \(others)")
  }

  // MARK: Answers to a fetch

  /// One byte for the version and for how many bytes come at once, then the answer.
  private static var fetchAnswers: [[UInt8]] {
    let records = sample(.none).bytes
    let answers = (0..<8).map { index -> [UInt8] in
      let version = FetchRequest.versions.lowerBound + Int16(index)
      var answer = FieldWriter(bytes: [UInt8(index + index % 4 * 8)])
      answer.append(Int32(0))  // throttled
      if version >= 7 { answer.append(Int16(0)) }  // no error
      if version >= 7 { answer.append(Int32(0)) }  // no session
      answer.append(Int32(2))
      for topic in ["t", "events"] {
        answer.append(Int16(topic.utf8.count))
        answer.bytes += Array(topic.utf8)
        answer.append(Int32(2))
        appendPartition(0, version, aborted: [7, 100], records, to: &answer)
        appendPartition(1, version, aborted: nil, nil, to: &answer)
      }
      return answer.bytes
    }
    var versions = FieldWriter(bytes: [0])
    versions.append(Int16(0))
    versions.append(Int32(2))
    for (key, greatest) in [(Int16(0), Int16(9)), (Int16(1), Int16(13))] {
      versions.append(key)
      versions.append(Int16(0))
      versions.append(greatest)
    }
    return answers + [versions.bytes]
  }

  /// - Parameter aborted: a producer and an offset, in turns.
  private static func appendPartition(
    _ number: Int32, _ version: Int16, aborted: [Int64]?, _ records: [UInt8]?, to answer: inout FieldWriter
  ) {
    answer.append(number)
    answer.append(Int16(0))  // no error
    answer.append(Int64(200))  // the end
    answer.append(Int64(200))  // of what is decided
    if version >= 5 { answer.append(Int64(0)) }  // where the log begins
    answer.append(aborted.map { Int32($0.count / 2) } ?? -1)
    for field in aborted ?? [] { answer.append(field) }
    if version >= 11 { answer.append(Int32(-1)) }  // no other replica
    answer.append(records.map { Int32($0.count) } ?? -1)
    answer.bytes += records ?? []
  }

  private static func checkFetchAnswer(_ bytes: [UInt8]) throws {
    guard let selector = bytes.first else { return }
    let body = Array(bytes.dropFirst())
    let version = FetchRequest.versions.lowerBound + Int16(selector % 8)
    let whole = parse(body, version, step: body.count + 1)
    let pieces = parse(body, version, step: [1, 2, 7, 100][Int(selector / 8) % 4])
    try require(pieces == whole, "expected the same in pieces: \(whole), found \(pieces)")
    if case .malformed(let reason)? = whole.failure { try require(!reason.isEmpty, "an error without a reason") }
    for answer in whole.partitions {
      try require((0...body.count).contains(answer.recordBytes), "\(answer.recordBytes) bytes of records")
      try require(answer.aborted.count * 16 <= body.count, "\(answer.aborted.count) aborted transactions")
    }
    let known = body.withUnsafeBytes { try? ApiVersionsResponse.fetchVersion($0) }
    if let known {
      try require(FetchRequest.versions.contains(known), "the version \(known), which is not spoken")
    }
  }

  /// Reads an answer of which `step` bytes come at a time; records are passed over.
  private static func parse(_ bytes: [UInt8], _ version: Int16, step: Int) -> ReadAnswer {
    bytes.withUnsafeBytes { bytes -> ReadAnswer in
      var (result, parser) = (ReadAnswer(), FetchResponseParser(version: version))
      var (position, available) = (0, min(step, bytes.count))
      while true {
        var reader = WireReader(UnsafeRawBufferPointer(rebasing: bytes[position..<available]))
        var piece: FetchResponseParser.Piece?
        do throws(WireError) {
          piece = try parser.next(&reader)
        } catch {
          guard error == .short, available < bytes.count else {
            result.failure = error
            return result
          }
        }
        position += reader.position
        switch piece {
        case nil: available = min(bytes.count, available + step)
        case .partition(let answer):
          guard answer.recordBytes <= bytes.count - position else {
            result.failure = .short
            return result
          }
          result.partitions.append(answer)
          position += answer.recordBytes
          available = max(available, position)
        case .end:
          result.errorCode = parser.errorCode
          return result
        }
      }
    }
  }
}
