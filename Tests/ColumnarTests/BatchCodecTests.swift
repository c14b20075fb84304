import Columnar
import TestSupport
import TestTraits
import Testing

@Suite("Batches as bytes", .fewAtOnce)
struct BatchCodecTests {
  @Test("a batch of every type reads back as it was")
  func roundTrips() throws {
    let seed: UInt64 = 99
    var random = SeededNumbers(seed: seed)
    for rows in [0, 1, 64, 65, 1_000] {
      let batch = randomBatch(rows: rows, &random)
      let bytes = BatchCodec.encode(batch)
      #expect(try BatchCodec.decode(bytes) == batch, "seed \(seed), \(rows) rows")
    }
  }

  @Test("several batches are read one after another")
  func reads() throws {
    var random = SeededNumbers(seed: 1)
    let batches = (0..<3).map { randomBatch(rows: $0 * 10, &random) }
    var bytes: [UInt8] = []
    for batch in batches { BatchCodec.encode(batch, into: &bytes) }
    var position = 0
    for batch in batches { #expect(try BatchCodec.decode(bytes, from: &position) == batch) }
    #expect(position == bytes.count)
  }

  @Test("special values of every width survive")
  func specials() throws {
    let schema = Schema([Field("d", .double), Field("n", .numeric, isNullable: false), Field("é", .text)])
    let batch = Batch(
      schema: schema,
      columns: [
        Column(.double, .float64([.infinity, -0.0])),
        Column(.numeric, .numeric([.nan, Numeric(unscaled: -Numeric.powerOfTen(37), scale: 38)])),
        Column(.text, .bytes(ByteValues(offsets: [0, 0, 3], bytes: Array("abcunused".utf8))))
      ], count: 2)
    let decoded = try BatchCodec.decode(BatchCodec.encode(batch))
    #expect(decoded.schema == schema)
    #expect((0..<3).map { decoded.columns[$0].value(1) } == (0..<3).map { batch.columns[$0].value(1) })
  }

  @Test("cut bytes are refused at every length")
  func refusesCuts() {
    var random = SeededNumbers(seed: 3)
    let bytes = BatchCodec.encode(randomBatch(rows: 9, &random))
    for length in 0..<bytes.count {
      #expect(throws: BatchCodecError.self) { try BatchCodec.decode(Array(bytes[..<length])) }
    }
    #expect(throws: BatchCodecError.self) { try BatchCodec.decode(bytes + [0]) }
  }

  @Test("changed bytes give an error or a batch whose rows can all be read, never a trap")
  func survivesCorruption() {
    let seed: UInt64 = 4
    var random = SeededNumbers(seed: seed)
    let original = BatchCodec.encode(randomBatch(rows: 70, &random))
    for _ in 0..<20_000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      guard let batch = try? BatchCodec.decode(bytes) else { continue }
      for column in batch.columns where batch.count > 0 { _ = column.value(batch.count - 1) }
    }
  }

  @Test("a row count that the bytes cannot hold is refused before memory is taken")
  func refusesHugeCounts() {
    var random = SeededNumbers(seed: 5)
    var bytes = BatchCodec.encode(randomBatch(rows: 2, &random))
    for index in 8..<11 { bytes[index] = 0xff }
    #expect(throws: BatchCodecError.self) { try BatchCodec.decode(bytes) }
  }
}
