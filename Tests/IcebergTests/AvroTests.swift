import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite(.fewAtOnce) struct AvroTests {
  private static let schema = AvroSchema.record(
    AvroRecordSchema(
      name: "row",
      fields: [
        AvroField(name: "number", fieldID: 1, type: .long()),
        AvroField(name: "text", fieldID: 2, type: .optional(.string())),
        AvroField(name: "list", fieldID: 3, type: .array(items: .int(), elementID: 4)),
        AvroField(name: "map", fieldID: 5, type: .map(values: .double, keyID: 6, valueID: 7)),
        AvroField(name: "flag", fieldID: 8, type: .boolean),
        AvroField(name: "real", fieldID: 9, type: .float),
        AvroField(name: "fixed", fieldID: 10, type: .fixed(name: "f3", size: 3)),
        AvroField(name: "again", fieldID: 11, type: .fixed(name: "f3", size: 3)),
        AvroField(name: "symbol", fieldID: 12, type: .enumeration(name: "e", symbols: ["a", "b"])),
        AvroField(name: "data", fieldID: 13, type: .bytes())
      ]))

  private static func row(_ generator: inout SeededNumbers) -> AvroValue {
    let count = Int.random(in: 0...5, using: &generator)
    let shift = UInt64.random(in: 0...63, using: &generator)
    return .record([
      .integer(Int64(bitPattern: generator.next() >> shift)),
      Bool.random(using: &generator) ? .null : .string(String(repeating: "é\u{0}x", count: count)),
      .array((0..<count).map { _ in .integer(Int64(Int32.random(in: .min ... .max, using: &generator))) }),
      .map((0..<count).map { AvroPair(.string("k\($0)"), .double(Double(bitPattern: generator.next() & ~(1 << 62)))) }),
      .boolean(Bool.random(using: &generator)), .float(Float.random(in: -1...1, using: &generator)),
      .bytes([1, 2, UInt8.random(in: .min ... .max, using: &generator)]), .bytes([0, 255, 7]),
      .string(Bool.random(using: &generator) ? "a" : "b"), .bytes((0..<count).map { UInt8($0) })
    ])
  }

  private static func read(_ bytes: [UInt8], wanted: AvroProjection? = nil) throws -> [AvroValue] {
    var reader = try AvroFileReader(bytes, path: "test.avro")
    var values: [AvroValue] = []
    while let block = try reader.nextBlock(wanted: wanted) { values += block }
    return values
  }

  @Test("What is written is read again, in all codecs and with blocks of all sizes", arguments: AvroCodec.allCases)
  func roundTrip(_ codec: AvroCodec) throws {
    for seed in UInt64(1)...6 {
      var generator = SeededNumbers(seed: seed)
      let rows = (0..<Int.random(in: 0...400, using: &generator)).map { _ in Self.row(&generator) }
      let size = Int.random(in: 1...5000, using: &generator)
      var writer = AvroFileWriter(
        schema: Self.schema, metadata: [(key: "k", value: "v")], codec: codec, blockSize: size)
      for row in rows { try writer.append(row) }
      let bytes = try writer.finish()
      #expect(try Self.read(bytes) == rows, "seed \(seed)")
      #expect(try AvroFileReader(bytes, path: "").header.metadata["k"] == "v")
    }
  }

  @Test("Fields that are not wanted are skipped, and those after them are right")
  func projection() throws {
    var generator = SeededNumbers(seed: 9)
    var writer = AvroFileWriter(schema: Self.schema)
    let rows = (0..<50).map { _ in Self.row(&generator) }
    for row in rows { try writer.append(row) }
    let wanted = AvroProjection(fieldIDs: [1, 13], names: [])
    let read = try Self.read(try writer.finish(), wanted: wanted)
    for (row, part) in zip(rows, read) {
      guard case .record(let all) = row, case .record(let some) = part else {
        throw IcebergError(.invalid, "no record")
      }
      #expect(some == [all[0]] + Array(repeating: .null, count: 8) + [all[9]])
    }
  }

  @Test("Lists in several blocks, with and without the size that a negative count announces, are read and skipped")
  func negativeCounts() throws {
    let schema = AvroSchema.record(
      AvroRecordSchema(
        name: "r",
        fields: [
          AvroField(name: "l", fieldID: 1, type: .array(items: .long())),
          AvroField(name: "n", fieldID: 2, type: .long())
        ]))
    let marker = [UInt8](repeating: 7, count: 16)
    let header = try AvroFileWriter(schema: schema, codec: .null, marker: marker).finished()
    // -2 items in 2 bytes: 1, 2; 1 item: 3; end; then the number 4.
    let body: [UInt8] = [3, 4, 2, 4, 2, 6, 0, 8]
    let bytes = header + [2, UInt8(body.count * 2)] + body + marker
    #expect(try Self.read(bytes) == [.record([.array([.integer(1), .integer(2), .integer(3)]), .integer(4)])])
    let wanted = AvroProjection(fieldIDs: [2], names: [])
    #expect(try Self.read(bytes, wanted: wanted) == [.record([.null, .integer(4)])])
  }

  @Test("Damaged, cut and invented bytes give errors, or other values, but never end the process")
  func fuzz() throws {
    for (index, codec) in AvroCodec.allCases.enumerated() {
      var generator = SeededNumbers(seed: UInt64(40 + index))
      var writer = AvroFileWriter(schema: Self.schema, codec: codec, blockSize: 500)
      for _ in 0..<40 { try writer.append(Self.row(&generator)) }
      let bytes = try writer.finish()
      var failures = 0
      for _ in 0..<300 {
        var damaged = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          damaged[Int.random(in: 0..<damaged.count, using: &generator)] = UInt8.random(
            in: .min ... .max, using: &generator)
        }
        if Bool.random(using: &generator) { damaged.removeLast(Int.random(in: 0..<damaged.count, using: &generator)) }
        do { _ = try Self.read(damaged) } catch let error as IcebergError {
          failures += 1
          #expect([.corrupt, .unsupported].contains(error.kind), "\(error)")
        }
      }
      #expect(failures > 100)
    }
  }

  @Test("A changed sync marker, a recursive schema and one that grows exponentially are refused")
  func refusals() throws {
    var writer = AvroFileWriter(schema: Self.schema, codec: .null)
    var generator = SeededNumbers(seed: 3)
    try writer.append(Self.row(&generator))
    var bytes = try writer.finish()
    bytes[bytes.count - 1] ^= 1
    let damaged = bytes
    #expect(throws: IcebergError.self) { try Self.read(damaged) }
    #expect(throws: IcebergError.self) {
      try AvroSchema(parsing: #"{"type":"record","name":"a","fields":[{"name":"x","type":["null","a"]}]}"#)
    }
    var nested = #"{"type":"record","name":"t0","fields":[{"name":"x","type":"null"}]}"#
    for level in 1...30 {
      let inner = "t\(level - 1)"
      nested =
        #"{"type":"record","name":"t\#(level)","fields":[{"name":"a","type":\#(nested)},"#
        + #"{"name":"b","type":"\#(inner)"}]}"#
    }
    let text = nested
    #expect(throws: IcebergError.self) { try AvroSchema(parsing: text) }
  }

  @Test("fastavro reads what is written, and what fastavro writes is read")
  func fastavro() throws {
    try ManifestJudge.withDirectory { directory in
      var generator = SeededNumbers(seed: 5)
      for codec in [AvroCodec.null, .deflate] {
        var writer = AvroFileWriter(schema: Self.schema, codec: codec, blockSize: 1000)
        for _ in 0..<100 { try writer.append(Self.row(&generator)) }
        try ManifestJudge.write(try writer.finish(), "\(directory)/\(codec).avro")
      }
      let answer = try ManifestJudge.run(["avro", "\(directory)/null.avro", "\(directory)/deflate.avro"])
      for file in answer.arrayValue ?? [] { #expect(try file.array("rows").count == 100) }
      #expect(answer.arrayValue?.count == 2)
      for path in try ManifestJudge.run(["avro-write", directory]).arrayValue ?? [] {
        let rows = try Self.read(
          try ManifestJudge.read(path.stringValue ?? ""), wanted: AvroProjection(fieldIDs: [1, 3, 4, 6], names: []))
        #expect(rows.count == 2000)
        #expect(
          rows[4]
            == .record([
              .integer(-972), .null, .string("red"), .string("t4"), .null, .bytes([0x61, 0x62, 0x63, 0x64])
            ]))
      }
    }
  }
}

extension AvroFileWriter {
  fileprivate consuming func finished() throws(IcebergError) -> [UInt8] {
    var writer = self
    return try writer.finish()
  }
}
