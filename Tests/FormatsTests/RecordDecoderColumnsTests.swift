import Columnar
import Formats
import TestTraits
import Testing

/// Rows that a source has as columns already, against the same rows as JSON records.
@Suite(.fewAtOnce) struct RecordDecoderColumnsTests {
  private let schema = Schema([
    Field("n", .bigint), Field("text", .text), Field("time", .timestamptz, isNullable: false), Field("ok", .boolean),
    Field("_offset", .bigint)
  ])

  private func decoder(delay: Int64 = 5) throws -> RecordDecoder {
    try RecordDecoder(
      DecoderConfiguration(
        schema: schema, format: .json, partition: PartitionID(source: "s", name: "0"), eventTimeColumn: 2,
        watermarkDelay: delay))
  }

  /// Rows with NULLs; `spoiled` rows have no time, which their column does not allow.
  private func columns(_ count: Int, seed: UInt64, spoiled: Bool) -> [Column?] {
    var state = seed
    func draw(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    var builders = schema.fields.dropLast().map { ColumnBuilder($0.type) }
    for row in 0..<count {
      if draw(4) == 0 { builders[0].appendNull() } else { builders[0].append(Int64(draw(1000)) - 500) }
      if draw(4) == 0 {
        builders[1].appendNull()
      } else {
        builders[1].append(String(repeating: "ä\"", count: Int(draw(5))))
      }
      if spoiled, draw(50) == 0 { builders[2].appendNull() } else { builders[2].append(Int64(row) + Int64(draw(20))) }
      if draw(4) == 0 { builders[3].appendNull() } else { builders[3].append(draw(2) == 0) }
    }
    return builders.indices.map { builders[$0].finish() } + [nil]
  }

  private func appendAsRecords(_ columns: [Column?], _ count: Int, _ first: Int64, _ decoder: RecordDecoder) {
    let values = Schema(Array(schema.fields.dropLast()))
    let batch = Batch(schema: values, columns: columns.compactMap(\.self), count: count)
    for row in 0..<count {
      var text: [UInt8] = []
      JSONRowEncoder(values).append(row: row, of: batch, to: &text)
      text.withUnsafeBytes {
        decoder.append(RawRecord(key: nil, value: $0, offset: first + Int64(row), timestamp: nil))
      }
    }
  }

  @Test("columns give the rows, rejections, offsets and watermarks that their records give", arguments: [false, true])
  func agrees(spoiled: Bool) throws {
    for seed in 1...20 as ClosedRange<UInt64> {
      let (whole, single) = (try decoder(), try decoder())
      for _ in 0..<2 {
        var first: Int64 = 100
        for (part, count) in [0, 1, 63, 64, 700, 1500].enumerated() {
          let columns = columns(count, seed: seed * 100 + UInt64(part), spoiled: spoiled)
          let timestamps = [Int64](repeating: 0, count: count)
          whole.append(columns: columns, count: count, firstOffset: first, timestamps: timestamps)
          appendAsRecords(columns, count, first, single)
          first += Int64(count)
        }
        let (found, expected) = (whole.finish(), single.finish())
        #expect(found.batch.columns == expected.batch.columns, "seed \(seed)")
        #expect(found.batch.origin?.offsets == expected.batch.origin?.offsets, "seed \(seed)")
        #expect(found.batch.origin?.watermarks == expected.batch.origin?.watermarks, "seed \(seed)")
        #expect(found.rejected.map(\.offset) == expected.rejected.map(\.offset), "seed \(seed)")
        #expect(found.records == expected.records && found.rejected.isEmpty != spoiled)
      }
      #expect(whole.maxEventTime == single.maxEventTime)
    }
  }

  @Test("an event time ahead of the limit is rejected alone, with its values")
  func future() throws {
    let decoder = try decoder()
    decoder.eventTimeLimit = 40
    let times: [Int64] = [10, 41, 40]
    let columns: [Column?] = [
      Column(.bigint, .int64([1, 2, 3])), Column(.text, .bytes(ByteValues(offsets: [0, 1, 1, 2], bytes: [97, 98]))),
      Column(.timestamptz, .int64(times)), Column(.boolean, .boolean([true, false, true])), nil
    ]
    decoder.append(columns: columns, count: 3, firstOffset: 7, timestamps: times)
    let decoded = decoder.finish()
    #expect(decoded.batch.columns[0].storage == .int64([1, 3]))
    #expect(decoded.batch.columns[4].storage == .int64([7, 9]))
    #expect(decoded.rejected.map(\.offset) == [8] && decoded.rejected[0].reason == .future)
    #expect(decoded.rejected[0].value.map { String(decoding: $0, as: UTF8.self) }?.contains("\"n\":2") == true)
  }
}
