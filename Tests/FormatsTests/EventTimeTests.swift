import Columnar
import Formats
import TestTraits
import Testing

@Suite("Event time of records", .fewAtOnce)
struct EventTimeTests {
  private func decoder(keepsPayloads: Bool = false) throws -> RecordDecoder {
    try RecordDecoder(
      DecoderConfiguration(
        schema: Schema([Field("ts", .timestamptz)]), format: .json, partition: testPartition,
        timestampUnit: .microseconds, eventTimeColumn: 0, watermarkDelay: 10, keepsPayloads: keepsPayloads))
  }

  private func append(_ times: [String], to decoder: RecordDecoder) {
    decoder.append(values: times.map { Array("{\"ts\":\($0)}".utf8) })
  }

  @Test("each row sees the watermark before it, and only late rows keep their bytes")
  func watermarks() throws {
    let decoder = try decoder()
    #expect(decoder.watermark == .min)
    append(["100", "95", "89", "200", "190", "189"], to: decoder)
    #expect(decoder.watermark == 190)
    #expect(decoder.maxEventTime == 200)
    let origin = try #require(decoder.finish().batch.origin)
    #expect(origin.watermarks == [.min, 90, 90, 90, 190, 190])
    let payloads = try #require(origin.payloads)
    #expect((0..<6).map { payloads.string($0) } == ["", "", "{\"ts\":89}", "", "", "{\"ts\":189}"])
    append(["205"], to: decoder)
    let next = try #require(decoder.finish().batch.origin)
    #expect(next.watermarks == [190])
    #expect(next.payloads == nil)
  }

  @Test("a restored maximum holds from the first row on")
  func restores() throws {
    let decoder = try decoder()
    append(["55"], to: decoder)
    decoder.maxEventTime = 500
    append(["501"], to: decoder)
    #expect(decoder.finish().batch.origin?.watermarks == [.min, 490])
    decoder.maxEventTime = .min + 5
    #expect(decoder.watermark == .min)
  }

  @Test("a time beyond the limit is rejected and does not move the watermark")
  func future() throws {
    let decoder = try decoder()
    decoder.eventTimeLimit = 1_000
    append(["1000", "1001", "\"9999-01-01T00:00:00Z\"", "null"], to: decoder)
    let decoded = decoder.finish()
    #expect(decoded.batch.count == 1)
    #expect(decoded.rejected.map(\.reason) == [.future, .future, .missing])
    #expect(decoded.rejected[1].message.contains("9999-01-01T00:00:00"))
    #expect(decoder.maxEventTime == 1_000)
  }

  @Test("all rows keep their bytes when asked")
  func keepsPayloads() throws {
    let decoder = try decoder(keepsPayloads: true)
    append(["1", "x", "2"], to: decoder)
    let decoded = decoder.finish()
    let payloads = try #require(decoded.batch.origin?.payloads)
    #expect((0..<2).map { payloads.string($0) } == ["{\"ts\":1}", "{\"ts\":2}"])
    #expect(decoded.rejected.map(\.offset) == [1])
  }

  @Test("the record's own time can be the event time; another type cannot")
  func columns() throws {
    let own = Schema([Field("_timestamp", .timestamptz), Field("n", .bigint)])
    let decoder = try RecordDecoder(
      DecoderConfiguration(schema: own, format: .json, partition: testPartition, eventTimeColumn: 0))
    decoder.append(values: [Array("{}".utf8)], timestamp: 42)
    #expect(decoder.maxEventTime == 42)
    #expect(throws: FormatError.self) {
      try RecordDecoder(DecoderConfiguration(schema: own, format: .json, partition: testPartition, eventTimeColumn: 1))
    }
  }
}
