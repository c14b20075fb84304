import Columnar
import Formats
import TestSupport
import TestTraits
import Testing

@Suite("Rows written as JSON and read back", .fewAtOnce)
struct RoundTripTests {
  static let types: [DataType] = [
    .boolean, .integer, .bigint, .real, .double, .numeric, .numeric(precision: 12, scale: 3), .text, .bytea, .date,
    .timestamp, .timestamptz, .interval, .uuid, .jsonb
  ]
  static let fields = types.enumerated().map { Field("column \"\($0)\"", $1) } + [Field("plain", .text)]

  private func randomText(_ random: inout SeededNumbers) -> String {
    let pieces = ["a", "é", "€", "😀", "\"", "\\", "\n", "\t", "\u{1}", "word ", "/", "\u{7f}", "0123456789abcdef"]
    return (0..<Int.random(in: 0..<9, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
  }

  private func randomValue(_ type: DataType, _ random: inout SeededNumbers) -> Value {
    if Int.random(in: 0..<6, using: &random) == 0 { return .null }
    switch type {
    case .boolean: return .boolean(.random(using: &random))
    case .integer: return .int64(Int64(Int32.random(in: .min ... .max, using: &random)))
    case .date: return .int64(.random(in: -1_000_000...10_000_000, using: &random))
    case .timestamp, .timestamptz: return .int64(.random(in: -210_866_803_200_000_000...(.max), using: &random))
    case .bigint: return .int64(Int64(bitPattern: random.next()) >> Int64.random(in: 0..<64, using: &random))
    case .real:
      let value = Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random))
      return .float64(Double(value.isFinite && value != 0 ? value : .infinity))
    case .double:
      let value = Double(bitPattern: random.next())
      return .float64(value.isFinite && value != 0 ? value : -.infinity)
    case .numeric(let precision, _):
      let unscaled = Int128(Int64.random(in: -999_999_999_999...999_999_999_999, using: &random))
      if precision != nil { return .numeric(Numeric(unscaled: unscaled, scale: 3)) }
      return .numeric(Numeric(unscaled: unscaled, scale: .random(in: 0...20, using: &random)))
    case .text: return .text(randomText(&random))
    case .bytea:
      return .bytes((0..<Int.random(in: 0..<9, using: &random)).map { _ in .random(in: 0...255, using: &random) })
    case .interval:
      return .interval(
        Interval(
          months: .random(in: -99...99, using: &random), days: .random(in: -99...99, using: &random),
          microseconds: .random(in: -999_999_999_999...999_999_999_999, using: &random)))
    case .uuid: return .uuid(UUIDValue(high: random.next(), low: random.next()))
    case .jsonb:
      var text: [UInt8] = []
      JSONRowEncoder.appendString(Array(randomText(&random).utf8)[...], to: &text)
      return .bytes(Array("{\"k\": [1, ".utf8) + text + Array("]}".utf8))
    }
  }

  private func randomBatch(_ rows: Int, _ random: inout SeededNumbers) -> Batch {
    let columns = Self.fields.map { field in
      var builder = ColumnBuilder(field.type)
      for _ in 0..<rows { builder.append(randomValue(field.type, &random)) }
      return builder.finish()
    }
    return Batch(schema: Schema(Self.fields), columns: columns, count: rows)
  }

  private func lines(_ batch: Batch) -> [[UInt8]] {
    var bytes: [UInt8] = []
    JSONRowEncoder(batch.schema).append(batch, to: &bytes)
    return bytes.split(separator: 0x0a).map { Array($0) }
  }

  @Test("every type comes back with the same value")
  func roundTrips() throws {
    let seed: UInt64 = 2_026
    var random = SeededNumbers(seed: seed)
    let batch = randomBatch(2_000, &random)
    let decoder = try RecordDecoder(
      DecoderConfiguration(schema: batch.schema, format: .json, partition: testPartition))
    decoder.append(values: lines(batch))
    let decoded = decoder.finish()
    #expect(decoded.rejected.isEmpty, "\(decoded.rejected.first?.message ?? ""), seed \(seed)")
    for (index, column) in decoded.batch.columns.enumerated() {
      for row in 0..<min(batch.count, decoded.batch.count) {
        guard column.value(row) == batch.columns[index].value(row) else {
          Issue.record("\(Self.fields[index].type.sqlName), row \(row), seed \(seed)")
          break
        }
      }
    }
  }

  @Test("rows are written as the documentation says")
  func writes() {
    let fields = [
      Field("t", .timestamptz), Field("l", .timestamp), Field("d", .date), Field("n", .numeric), Field("f", .double),
      Field("b", .bytea), Field("j", .jsonb), Field("i", .interval), Field("s", .text), Field("x", .bigint)
    ]
    let values: [Value] = [
      .int64(1_500_000), .int64(0), .int64(1), .numeric(Numeric(unscaled: 1_250, scale: 2)), .float64(.nan),
      .bytes([0, 255]), .text("[1,\n2]"), .interval(Interval(days: 1)), .text("a\"\\\n\u{1}é"), .null
    ]
    let columns = zip(fields, values).map { Column(repeating: $1, $0.type, count: 1) }
    var bytes: [UInt8] = []
    JSONRowEncoder(Schema(fields)).append(Batch(schema: Schema(fields), columns: columns, count: 1), to: &bytes)
    let expected =
      #"{"t":"1970-01-01T00:00:01.500000Z","l":"1970-01-01T00:00:00.000000","d":"1970-01-02","n":12.50,"f":"NaN","#
      + #""b":"\\x00ff","j":[1, 2],"i":"1 day","s":"a\"\\\n\u0001é","x":null}"# + "\n"
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
  }

  @Test("bytes changed or cut at random give rows or rejected records, and all of them are accounted for")
  func survivesMutation() throws {
    let seed: UInt64 = 31_337
    var random = SeededNumbers(seed: seed)
    let originals = lines(randomBatch(50, &random))
    let decoder = try RecordDecoder(
      DecoderConfiguration(schema: Schema(Self.fields), format: .json, partition: testPartition))
    let csv = try RecordDecoder(
      DecoderConfiguration(
        schema: Schema(Self.fields), format: .csv(CSVOptions(names: Self.fields.map(\.name))), partition: testPartition)
    )
    let interesting = Array("\"\\{}[],:0-+.eEu\u{0}\n tfnx".utf8) + [0x80, 0xc3, 0xff]
    for round in 0..<200_000 {
      var value = originals[Int.random(in: 0..<originals.count, using: &random)]
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let position = Int.random(in: 0..<value.count, using: &random)
        value[position] = interesting.randomElement(using: &random) ?? 0
      }
      if round % 3 == 0 { value.removeLast(Int.random(in: 0..<value.count, using: &random)) }
      decoder.append(values: [value], from: Int64(round))
      if round % 4 == 0 { csv.append(values: [value], from: Int64(round)) }
      guard round % 1_000 == 999 else { continue }
      for decoded in [decoder.finish(), csv.finish()] {
        #expect(decoded.batch.count + decoded.rejected.count == decoded.records, "seed \(seed)")
        #expect(decoded.rejected.allSatisfy { !$0.message.isEmpty })
      }
    }
  }

  @Test("keys in any order, white space and escapes do not change the values")
  func shuffles() throws {
    let seed: UInt64 = 555
    var random = SeededNumbers(seed: seed)
    let fields = [
      Field("alpha", .text), Field("b", .bigint), Field("a_name_of_more_than_16_bytes", .double), Field("t", .boolean)
    ]
    for _ in 0..<3_000 {
      let text = randomText(&random)
      let number = Int64.random(in: -99_999...99_999, using: &random)
      func blank() -> String { [" ", "", "\n", "\t\r ", ""].randomElement(using: &random) ?? "" }
      let escaped = text.unicodeScalars.map { scalar -> String in
        let units = String(scalar).utf16.map { unit in
          let digits = String(unit, radix: 16)
          return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        let isPlain = scalar.value >= 0x20 && scalar != "\"" && scalar != "\\"
        return isPlain && Bool.random(using: &random) ? String(scalar) : units.joined()
      }.joined()
      let members = [
        "\"alpha\"\(blank()):\(blank())\"\(escaped)\"", "\"b\":\(blank())\(number)", "\"unknown\":[{},\"\\\\\"]",
        "\"a_name_of_more_than_16_bytes\":\(number).25", "\"\\u0074\":\(blank())true"
      ].shuffled(using: &random)
      let record =
        "\(blank()){\(blank())" + members.joined(separator: "\(blank()),\(blank())") + "\(blank())}\(blank())"
      let decoded = try decode([record], fields)
      let expected: [Value] = [.text(text), .int64(number), .float64(Double("\(number).25") ?? 0), .boolean(true)]
      #expect(rows(decoded.batch) == [expected], "seed \(seed): \(record)")
    }
  }
}
