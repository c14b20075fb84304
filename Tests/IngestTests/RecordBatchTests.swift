import CPosix
import Columnar
import Formats
import Ingest
import TestTraits
import Testing

/// Record batches to rows, from bytes that others wrote.
@Suite(.fewAtOnce)
struct RecordBatchTests {
  private struct Result {
    var values: [Int64] = []
    var offsets: [Int64] = []
    var rejected: [Int64] = []
    var nextOffset: Int64 = 0
    var isAtEnd = false
    var batch = Batch(schema: Schema([]), columns: [], count: 0)
  }

  /// Decodes batches in polls of `limit`.
  private func decode(
    _ bytes: [UInt8], from start: Int64 = 0, end: Int64? = nil, aborted: [AbortedTransaction] = [], limit: Int = 1000,
    metadata: [Field] = []
  ) throws -> Result {
    let source = try SourceFixture(
      ["connector": "kafka", "brokers": "127.0.0.1:1", "topic": "t"], metadata: metadata)
    let decoder = try source.decoder(source.partition("t/0"))
    var records = RecordSetDecoder(
      start: start, end: end, readsHeaders: !metadata.isEmpty, memory: FetchMemory())
    let buffer = FetchBuffer(capacity: max(1, bytes.count))
    buffer.start.copyMemory(from: bytes, byteCount: bytes.count)
    records.add(FetchedRecords(buffer: buffer, count: bytes.count, aborted: aborted))
    while !records.needsRecords, !records.isAtEnd {
      try records.decode(into: decoder, limit: limit)
      #expect(records.records <= limit)
    }
    let decoded = decoder.finish()
    var result = Result(nextOffset: records.nextOffset, isAtEnd: records.isAtEnd, batch: decoded.batch)
    if case .int64(let values) = decoded.batch.columns[0].storage { result.values = values }
    result.offsets = decoded.batch.origin?.offsets ?? []
    result.rejected = decoded.rejected.map(\.offset)
    return result
  }

  @Test("what another program wrote is read, with every compression", arguments: 0..<5)
  func golden(codec: Int) throws {
    let metadata = [Field("_key", .text), Field("_timestamp", .timestamptz), Field("_headers", .jsonb)]
    let result = try decode(GoldenBatches.all[codec], metadata: metadata)
    #expect(result.values == [1, 22, 333])
    #expect(result.offsets == [0, 1, 3])
    #expect(result.rejected == [2])
    #expect(result.nextOffset == 4)
    let outcome = Outcome(batch: result.batch)
    #expect(outcome.strings(1) == ["k0", "", "k3"] && result.batch.columns[1].isNull(1))
    #expect(outcome.integers(2) == [0, 1, 3].map { 1_700_000_000_123_000 + $0 * 1_000_000 })
    #expect(outcome.strings(3)[1] == #"{"trace":"x","none":null}"#)
    #expect(result.batch.columns[3].isNull(0) && result.batch.columns[3].isNull(2))
  }

  @Test("batches of every compression follow each other, and a poll may end anywhere", arguments: [1, 7, 1000])
  func codecs(limit: Int) throws {
    var bytes: [UInt8] = []
    for (index, codec) in TestBatch.Codec.allCases.enumerated() {
      let first = Int64(index * 300)
      bytes += TestBatch(first..<first + 300, codec: codec).bytes
    }
    let result = try decode(bytes, limit: limit)
    #expect(result.values == Array(0..<1500))
    #expect(result.offsets == Array(0..<1500))
    #expect(result.nextOffset == 1500)
  }

  @Test("a batch may be many times as large as the buffer that its first bytes are decompressed into")
  func largeBatches() throws {
    for codec in TestBatch.Codec.allCases {
      let result = try decode(TestBatch(0..<20_000, codec: codec).bytes)
      #expect(result.values == Array(0..<20_000), "\(codec)")
      #expect(result.nextOffset == 20_000)
    }
    // Zeros are packed to a thousandth: the buffer has to grow more than once.
    var batch = TestBatch(base: 0, records: [.init(delta: 0, value: [UInt8](repeating: 0x20, count: 4 << 20))])
    for codec in TestBatch.Codec.allCases {
      batch.codec = codec
      #expect(try decode(batch.bytes).rejected == [0], "\(codec)")
    }
  }

  @Test("records before the wanted offset are left out, those from the end on too")
  func bounds() throws {
    let bytes = TestBatch(100..<200, codec: .lz4).bytes + TestBatch(200..<300).bytes
    let result = try decode(bytes, from: 150, end: 250, limit: 13)
    #expect(result.values == Array(150..<250))
    #expect(result.isAtEnd && result.nextOffset == 250)
    #expect(try decode(bytes, from: 250, end: 260).values == Array(250..<260))
    #expect(try decode(bytes, from: 0, end: 100).nextOffset == 100)
  }

  @Test("offsets that compaction has emptied are passed, also at the end of a batch and as whole batches")
  func gaps() throws {
    var first = TestBatch(base: 10, records: [.init(delta: 2, value: Array(#"{"n":12}"#.utf8))])
    first.lastDelta = 9
    var empty = TestBatch(base: 30, records: [])
    empty.lastDelta = 4
    let result = try decode(first.bytes + empty.bytes, from: 5)
    #expect(result.offsets == [12])
    #expect(result.nextOffset == 35)
    let atEnd = try decode(first.bytes, from: 5, end: 20)
    #expect(atEnd.isAtEnd && atEnd.nextOffset == 20)
  }

  @Test("a batch that is cut at the end is left for the next fetch")
  func cut() throws {
    let (first, second) = (TestBatch(0..<50).bytes, TestBatch(50..<100, codec: .zstd).bytes)
    for count in [0, 1, 16, 17, 60, 61, 62, second.count - 1] {
      let result = try decode(first + second.prefix(count))
      #expect(result.values == Array(0..<50) && result.nextOffset == 50)
    }
  }

  @Test("the time of a record is its own, the broker's where the broker says so, and absent when negative")
  func times() throws {
    let metadata = [Field("_timestamp", .timestamptz)]
    var batch = TestBatch(0..<2)
    batch.records[1].time = -5
    #expect(
      try Outcome(batch: decode(batch.bytes, metadata: metadata).batch).integers(1) == [
        1_700_000_000_000_000, 1_699_999_999_995_000
      ])
    batch.isLogAppendTime = true
    batch.maxTime = 42
    #expect(try Outcome(batch: decode(batch.bytes, metadata: metadata).batch).integers(1) == [42_000, 42_000])
    batch.maxTime = -1
    #expect(try decode(batch.bytes, metadata: metadata).batch.columns[1].isNull(0))
  }

  @Test("markers are no records, and records of aborted transactions are left out up to the marker")
  func transactions() throws {
    let bytes =
      TestBatch(0..<3, producer: 1).bytes + TestBatch(3..<5, producer: 2).bytes + TestBatch(5..<7).bytes
      + TestBatch(7..<9, codec: .gzip, producer: 1).bytes + TestBatch.marker(9, producer: 1, isCommit: false).bytes
      + TestBatch.marker(10, producer: 2, isCommit: true).bytes + TestBatch(11..<13, producer: 1).bytes
      + TestBatch(13..<14, producer: 2).bytes + TestBatch.marker(14, producer: 1, isCommit: true).bytes
      + TestBatch.marker(15, producer: 2, isCommit: false).bytes
    let aborted = [AbortedTransaction(producer: 2, firstOffset: 13), AbortedTransaction(producer: 1, firstOffset: 0)]
    let result = try decode(bytes, aborted: aborted)
    #expect(result.values == [3, 4, 5, 6, 11, 12])
    #expect(result.nextOffset == 16)
    // From within the aborted transaction, whose beginning is not among the bytes.
    let late = try decode(bytes, from: 8, end: 16, aborted: aborted)
    #expect(late.values == [11, 12] && late.isAtEnd)
    #expect(try decode(bytes).values == [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13])
  }

  @Test("old formats are refused with advice, unknown ones as damage")
  func formats() throws {
    for (magic, isFatal) in [(UInt8(0), true), (1, true), (3, false), (255, false)] {
      var batch = TestBatch(5..<7)
      batch.magic = magic
      let error = try #require(throws: RecordError.self) { try decode(batch.bytes) }
      #expect(error.isFatal == isFatal && error.description.contains("offset 5"))
      #expect(error.description.contains("fetch = 'librdkafka'") == isFatal)
    }
  }

  @Test("damage below a right checksum is an error that names the offset")
  func malformed() throws {
    var batch = TestBatch(20..<25)
    batch.lastDelta = 2
    #expect(try message(batch.bytes).contains("offset 20"))
    batch = TestBatch(20..<25)
    batch.lastDelta = -1
    #expect(try message(batch.bytes).contains("offset 20"))
    // The number of records is more, less and absurd: the checksum is made again.
    for count in [4, 6, Int32.max, -1] {
      var bytes = TestBatch(20..<25).bytes
      bytes.replaceSubrange(57..<61, with: big(count))
      #expect(try message(signed(bytes)).contains("offset 20"))
    }
    // Every byte of the records, with the checksum made again: never a trap, and no row that was not there.
    let whole = TestBatch(20..<25).bytes
    for index in 61..<whole.count {
      for change in [UInt8(1), 0x80, 0xFF] {
        var bytes = whole
        bytes[index] ^= change
        _ = try? decode(signed(bytes))
      }
    }
  }

  private func message(_ bytes: [UInt8]) throws -> String {
    try #require(throws: RecordError.self) { try decode(bytes) }.description
  }

  private func signed(_ bytes: [UInt8]) -> [UInt8] {
    Array(bytes[..<17]) + big(TestBatch.crc32c(Array(bytes[21...]))) + bytes[21...]
  }

  @Test("one changed byte below the checksum is always found; no byte makes the reader trap", arguments: 0..<5)
  func mutations(codec: Int) throws {
    let whole = GoldenBatches.all[codec]
    for index in whole.indices {
      for change in [UInt8(1), 0x10, 0x80, 0xFF] {
        var bytes = whole
        bytes[index] ^= change
        if index >= 17 {
          #expect(throws: RecordError.self) { try decode(bytes) }
        } else {
          // Base offset, length, leader epoch and format are outside of the checksum, by Kafka's design.
          _ = try? decode(bytes)
        }
      }
      let cut = try? decode(Array(whole[..<index]))
      #expect(cut?.values == [] && cut?.nextOffset == 0)
    }
  }

  @Test("compressed data that is damaged below a right checksum is an error or the same records", arguments: 1..<5)
  func compressedDamage(codec: Int) throws {
    var random = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &random)
    var generator = SplitMix(seed)
    let whole = GoldenBatches.all[codec]
    for _ in 0..<2000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: 61..<whole.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let result = try? decode(signed(bytes))
      #expect((result?.offsets ?? []).allSatisfy { (0..<4).contains($0) }, "seed \(seed)")
    }
  }

  @Test("few bytes that claim to be many are refused before memory is taken")
  func bomb() throws {
    var batch = TestBatch(0..<1, codec: .snappy).bytes
    // A snappy block whose length is 4 GiB.
    batch.replaceSubrange(61..., with: [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x00, 0x61])
    batch.replaceSubrange(8..<12, with: big(Int32(batch.count - 12)))
    #expect(try message(signed(batch)).contains("snappy"))
  }

  @Test("both ways to compute the checksum give what its definition says")
  func checksums() {
    let bytes = (0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 5) }
    for count in [0, 1, 7, 8, 9, 63, 1024, 3071, 3072, 3073, 6144, 8999] {
      let expected = TestBatch.crc32c(Array(bytes[..<count]))
      #expect(weir_crc32c(bytes, count) == expected)
      #expect(weir_crc32c_by_tables(bytes, count) == expected)
    }
    #expect(weir_crc32c(Array("123456789".utf8), 9) == 0xE306_9283)
  }
}

/// Numbers from a seed.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
