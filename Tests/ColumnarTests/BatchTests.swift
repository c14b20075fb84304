import Columnar
import TestSupport
import TestTraits
import Testing

@Suite("Columns and batches", .fewAtOnce)
struct BatchTests {
  private func values(_ batch: Batch) -> [[Value]] {
    (0..<batch.count).map { row in batch.columns.map { $0.value(row) } }
  }

  @Test("what is appended to a builder is in the column, with and without NULL")
  func builds() {
    let seed: UInt64 = 42
    var random = SeededNumbers(seed: seed)
    for type in everyType {
      for rows in [0, 1, 63, 64, 65, 200] {
        let expected = (0..<rows).map { _ in randomValue(type, &random) }
        var builder = ColumnBuilder(type, capacity: rows)
        for value in expected { builder.append(value) }
        let column = builder.finish()
        #expect((0..<rows).map { column.value($0) } == expected, "\(type), seed \(seed)")
        #expect((column.validity == nil) == !expected.contains(.null))
        #expect(builder.finish().count == 0)
      }
    }
  }

  @Test("gathering, slicing and joining rows gives the same values as doing it row by row")
  func rearranges() {
    let seed: UInt64 = 7
    var random = SeededNumbers(seed: seed)
    for _ in 0..<30 {
      let rows = Int.random(in: 1...200, using: &random)
      let batch = randomBatch(rows: rows, &random)
      let all = values(batch)
      let indices = (0..<Int.random(in: 0...300, using: &random)).map { _ in
        Int32.random(in: 0..<Int32(rows), using: &random)
      }
      let gathered = batch.gather(indices)
      #expect(values(gathered) == indices.map { all[Int($0)] }, "seed \(seed)")
      #expect(gathered.rowKinds == batch.rowKinds.map { kinds in indices.map { kinds[Int($0)] } })
      let lower = Int.random(in: 0...rows, using: &random)
      let range = lower..<Int.random(in: lower...rows, using: &random)
      #expect(values(batch.slice(range)) == Array(all[range]), "seed \(seed)")
      let bits = (0..<rows).map { _ in Bool.random(using: &random) }
      #expect(values(batch.select(Bitmap(bits))) == zip(all, bits).filter(\.1).map(\.0), "seed \(seed)")
      let joined = Batch.concatenate([batch, gathered, batch.slice(range)], schema: batch.schema)
      #expect(values(joined) == all + values(gathered) + Array(all[range]), "seed \(seed)")
    }
  }

  @Test("origins follow their rows, and stay when batches of one partition are joined")
  func keepsOrigins() {
    let column = Column(.bigint, .int64([1, 2, 3]))
    let partition = PartitionID(source: "readings", name: "topic/3")
    var payloads = ByteValues()
    for text in ["a", "", "ccc"] { payloads.append(contentsOf: Array(text.utf8)) }
    let origin = RowOrigin(partition: partition, offsets: [10, 11, 12], payloads: payloads, watermarks: [5, 6, 7])
    let batch = Batch(schema: Schema([Field("x", .bigint)]), columns: [column], count: 3, origin: origin)
    let picked = batch.gather([2, 0])
    #expect(picked.origin?.offsets == [12, 10])
    #expect(picked.origin?.watermarks == [7, 5])
    #expect(picked.origin?.payloads?.string(0) == "ccc")
    let joined = Batch.concatenate([batch, picked], schema: batch.schema)
    #expect(joined.origin?.offsets == [10, 11, 12, 12, 10])
    #expect(joined.origin?.payloads?.string(3) == "ccc")
    let other = RowOrigin(partition: PartitionID(source: "readings", name: "topic/4"), offsets: [1, 2, 3])
    let foreign = Batch(schema: batch.schema, columns: [column], count: 3, origin: other)
    #expect(Batch.concatenate([batch, foreign], schema: batch.schema).origin == nil)
  }

  @Test("an empty batch has a column for every type, and memory is estimated")
  func empty() {
    let schema = Schema(everyType.enumerated().map { Field("c\($0)", $1) })
    #expect(Batch(empty: schema).columns.map(\.count) == everyType.map { _ in 0 })
    #expect(Column(repeating: .int64(1), .bigint, count: 1_000).memoryBytes == 8_000)
    #expect(Column(repeating: .null, .text, count: 2).value(1) == .null)
  }
}
