import Columnar
import Formats
import TestSupport
import TestTraits
import Testing

@Suite("JSON records", .fewAtOnce)
struct JSONRecordTests {
  static let fields = [
    Field("sensor_id", .text, isNullable: false), Field("temperature", .double), Field("ts", .timestamptz),
    Field("n", .bigint)
  ]

  @Test("fields come in any order, with unknown fields between them, and the last of equal keys wins")
  func reads() throws {
    let decoded = try decode(
      [
        #"{"sensor_id":"a","temperature":1.5,"ts":1,"n":1}"#,
        #"{"n":2,"ts":2,"temperature":2.5,"sensor_id":"b"}"#,
        #"{"x":[{"a":[]},"}",null],"n":3,"y":{"n":9},"sensor_id":"c"}"#,
        #"{"sensor_id":"first","n":null,"sensor_id":"last","n":4,"temperature":3,"temperature":null}"#,
        #"{"sensor\u005fid":"escaped key"}"#
      ], Self.fields)
    #expect(decoded.rejected.isEmpty)
    #expect(
      rows(decoded.batch) == [
        [.text("a"), .float64(1.5), .int64(1_000), .int64(1)], [.text("b"), .float64(2.5), .int64(2_000), .int64(2)],
        [.text("c"), .null, .null, .int64(3)], [.text("last"), .null, .null, .int64(4)],
        [.text("escaped key"), .null, .null, .null]
      ])
    #expect(decoded.records == 5)
    #expect(decoded.batch.origin?.offsets == [0, 1, 2, 3, 4])
    #expect(decoded.batch.origin?.partition == testPartition)
  }

  @Test(
    "what is not one JSON object is malformed",
    arguments: [
      "[]", "1", "x", "{", "{\"n\"", "{\"n\":", "{\"n\":1", "{\"n\":1,", "{\"n\":1,}", "{\"n\" 1}", "{n:1}",
      "{\"n\":1}x",
      "{\"n\":1}{}", "{,}", "{\"n\":01}", "{\"n\":-}", "{\"n\":1.}", "{\"n\":.5}", "{\"n\":1e}", "{\"n\":+1}",
      "{\"n\":nul}", "{\"u\":tru}", "{\"u\":[1,]}", "{\"u\":[1 2]}", "{\"u\":{\"a\"}}", "{\"u\":\"\\x\"}",
      "{\"u\":\"\\u12g4\"}", "{\"sensor_id\":\"a\nb\"}", "{\"sensor_id\":\"abc", "{\"u\":\"abc", "   ", "{\"u\":[}",
      "{\"u\":{]}",
      "{\"n\":12abc}", "{\"temperature\":00.5}", "{\"temperature\":1.e5}", "{\"u\":01}"
    ])
  func malformed(text: String) throws {
    let decoded = try decode([text], Self.fields.map { Field($0.name, $0.type) })
    #expect(decoded.batch.count == 0)
    #expect(decoded.rejected.map(\.reason) == [.malformed])
    #expect(decoded.rejected.first?.message.contains("expected") == true)
    #expect(decoded.rejected.first?.value == Array(text.utf8))
  }

  @Test("a rejected record leaves nothing behind in the columns")
  func rollsBack() throws {
    let good = #"{"sensor_id":"good","temperature":1,"ts":1,"n":1}"#
    let bad = #"{"sensor_id":"bad","temperature":null,"ts":null,"n":"x"}"#
    let decoded = try decode([good, bad, good, bad, good], Self.fields)
    #expect(rows(decoded.batch) == Array(repeating: [.text("good"), .float64(1), .int64(1_000), .int64(1)], count: 3))
    #expect(decoded.batch.columns.allSatisfy { $0.validity == nil })
    #expect(decoded.batch.origin?.offsets == [0, 2, 4])
    #expect(decoded.rejected.map(\.offset) == [1, 3])
    guard case .bytes(let values) = decoded.batch.columns[0].storage else { return }
    #expect(values.bytes.count == 12)
  }

  @Test("a column that is NOT NULL must be there and must not be null")
  func required() throws {
    let decoded = try decode([#"{"n":1}"#, #"{"sensor_id":null}"#, #"{"sensor_id":null,"sensor_id":"x"}"#], Self.fields)
    #expect(decoded.rejected.map(\.reason) == [.missing, .missing])
    #expect(decoded.rejected.allSatisfy { $0.message.contains("'sensor_id'") })
    #expect(decoded.batch.count == 1)
  }

  @Test("bytes that are not UTF-8 are an encoding error in values, keys and skipped values")
  func encoding() throws {
    let invalid: [[UInt8]] = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]
    for bytes in invalid {
      for (before, after) in [
        ("{\"sensor_id\":\"ab", "\"}"), ("{\"k", "\":1}"), ("{\"u\":\"x\\n", "\"}"), ("{\"u\":[\"", "\"]}")
      ] {
        let decoder = try RecordDecoder(
          DecoderConfiguration(schema: Schema(Self.fields), format: .json, partition: testPartition))
        decoder.append(values: [Array(before.utf8) + bytes + Array(after.utf8)])
        #expect(decoder.finish().rejected.map(\.reason) == [.encoding], "\(before)\(bytes)")
      }
    }
  }

  @Test("records without a value are tombstones: rejected, or skipped and counted")
  func tombstones() throws {
    for policy in [TombstonePolicy.reject, .skip] {
      let decoder = try RecordDecoder(
        DecoderConfiguration(
          schema: Schema(Self.fields), format: .json, partition: testPartition, tombstones: policy))
      decoder.append(RawRecord(key: nil, value: nil, offset: 5, timestamp: nil))
      decoder.append(values: [[]], from: 6)
      #expect(decoder.recordCount == 2)
      let decoded = decoder.finish()
      #expect(decoded.records == 2)
      #expect(decoded.rejected.map(\.reason) == (policy == .reject ? [.tombstone, .tombstone] : []))
      #expect(decoder.recordCount == 0)
    }
  }

  @Test("too large and too deeply nested records are rejected without using the stack")
  func limits() throws {
    let deep = "{\"u\":" + String(repeating: "[", count: 100_000)
    let objects = "{\"u\":" + String(repeating: "{\"a\":", count: 100_000)
    let decoded = try decode([deep, objects, String(repeating: " ", count: 2_000_000)], [Field("n", .bigint)]) {
      $0.maxRecordBytes = 1_000_000
    }
    #expect(decoded.rejected.map(\.reason) == [.tooLarge, .tooLarge, .tooLarge])
    func nested(_ depth: Int) -> String {
      "{\"n\":1,\"u\":" + String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1) + "}"
    }
    #expect(try decode([nested(64)], [Field("n", .bigint)]).batch.count == 1)
    #expect(try decode([nested(65)], [Field("n", .bigint)]).rejected.map(\.reason) == [.tooLarge])
    #expect(try decode([nested(10)], [Field("u", .jsonb)]) { $0.maxDepth = 9 }.rejected.map(\.reason) == [.tooLarge])
  }

  @Test("metadata columns come from the record, not from its value")
  func metadata() throws {
    let fields = [
      Field("_key", .text), Field("n", .bigint), Field("_partition", .integer), Field("_offset", .bigint),
      Field("_timestamp", .timestamptz), Field("_headers", .jsonb)
    ]
    let decoder = try RecordDecoder(
      DecoderConfiguration(schema: Schema(fields), format: .json, partition: testPartition, partitionNumber: 3))
    decoder.append(values: [Array(#"{"n":1,"_offset":99}"#.utf8)], from: 7, key: Array("k".utf8), timestamp: 123)
    decoder.append(values: [Array(#"{"n":2}"#.utf8)], from: 8)
    decoder.append(values: [Array(#"{"n":3}"#.utf8)], from: 9, key: [0xff], timestamp: 1)
    let decoded = decoder.finish()
    #expect(
      rows(decoded.batch) == [
        [.text("k"), .int64(1), .int64(3), .int64(7), .int64(123), .null],
        [.null, .int64(2), .int64(3), .int64(8), .null, .null]
      ])
    #expect(decoded.rejected.map(\.reason) == [.encoding])
    #expect(decoded.rejected.first?.key == [0xff])
    #expect(throws: FormatError.self) {
      try RecordDecoder(
        DecoderConfiguration(schema: Schema([Field("_offset", .text)]), format: .json, partition: testPartition))
    }
  }

  @Test("more than 64 columns, names of every length, and more rows than the first memory holds")
  func wide() throws {
    let fields = (0..<130).map {
      Field(String(repeating: "c", count: $0 % 40) + "_\($0)", $0 % 2 == 0 ? .bigint : .text)
    }
    let seed: UInt64 = 12
    var random = SeededNumbers(seed: seed)
    let texts = (0..<3_000).map { row in
      "{"
        + fields.indices.shuffled(using: &random).prefix(40).map { "\"\(fields[$0].name)\":\(row + $0)" }.joined(
          separator: ",") + "}"
    }
    let decoded = try decode(texts, fields)
    #expect(decoded.batch.count == 3_000)
    for row in stride(from: 0, to: 3_000, by: 97) {
      let values = rows(decoded.batch.slice(row..<row + 1))[0]
      #expect(values.filter { $0 != .null }.count == 40, "seed \(seed)")
      for (index, value) in values.enumerated() where value != .null {
        #expect(value == (index % 2 == 0 ? .int64(Int64(row + index)) : .text("\(row + index)")))
      }
    }
  }

  @Test("a decoder goes on after finish with empty columns")
  func reuses() throws {
    let decoder = try RecordDecoder(
      DecoderConfiguration(
        schema: Schema([Field("t", .text), Field("n", .bigint)]), format: .json, partition: testPartition))
    for round in 0..<3 {
      decoder.append(values: [Array("{\"t\":\"r\(round)\"}".utf8), Array("{\"n\":\(round)}".utf8)])
      #expect(decoder.rowCount == 2)
      let batch = decoder.finish().batch
      #expect(rows(batch) == [[.text("r\(round)"), .null], [.null, .int64(Int64(round))]])
    }
    #expect(decoder.finish().batch.count == 0)
  }
}
