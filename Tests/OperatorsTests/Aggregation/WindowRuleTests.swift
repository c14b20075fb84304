import Columnar
import Operators
import SQL
import TestTraits
import Testing

/// Windows, lateness and watermarks.
@Suite(.fewAtOnce) struct WindowRuleTests {
  private func row(_ time: Int64, watermark: Int64 = .min, offset: Int64 = 0) -> TestRow {
    var row = TestRow()
    row.time = time
    row.watermark = watermark
    row.offset = offset
    return row
  }

  private let tumbling = WindowedAggregate.test(size: 10, keys: [], [.of(.count, nil)])

  @Test("a row is late exactly when its last window ends at or before the watermark before it")
  func lateness() throws {
    var partial = try PartialAggregator(tumbling)
    let result = partial.add(
      Batch([row(5, watermark: 9), row(5, watermark: 10), row(10, watermark: 10), row(-1, watermark: 0)]),
      evaluationContext)
    #expect(result.lateRows == [1, 3])
    #expect(result.aggregatedCount == 2)
  }

  @Test("a hopping row skips closed windows and is late only when none is open")
  func hopLateness() throws {
    let hopping = WindowedAggregate.test(size: 10, slide: 5, keys: [], [.of(.count, nil)])
    var partial = try PartialAggregator(hopping)
    let result = partial.add(Batch([row(7, watermark: 10), row(7, watermark: 15)]), evaluationContext)
    #expect(result.lateRows == [1])
    let batch = try #require(partial.takeAll(shards: 1)[0])
    #expect(batch.rows == [[.int64(5), .int64(1)]])
  }

  @Test("only windows that end by the watermark are handed over")
  func takeClosed() throws {
    var partial = try PartialAggregator(tumbling)
    _ = partial.add(Batch([row(5), row(15), row(25)]), evaluationContext)
    #expect(partial.groupCount == 3)
    #expect(partial.takeClosed(upTo: Timestamp(microseconds: 9), shards: 1)[0] == nil)
    let batch = try #require(partial.takeClosed(upTo: Timestamp(microseconds: 20), shards: 1)[0])
    #expect(batch.rows == [[.int64(0), .int64(1)], [.int64(10), .int64(1)]])
    #expect(partial.groupCount == 1)
  }

  @Test("a window fires once; partial rows after that come back as late groups")
  func lateGroups() throws {
    var partial = try PartialAggregator(tumbling)
    var window = try WindowAggregator(tumbling)
    _ = partial.add(Batch([row(5), row(6), row(15)]), evaluationContext)
    let batch = try #require(partial.takeAll(shards: 1)[0])
    #expect(window.merge(batch) == nil)
    #expect(window.advance(to: Timestamp(microseconds: 10)).flatMap(\.rows) == [[.int64(0), .int64(10), .int64(2)]])
    #expect(window.merge(batch)?.rows == [[.int64(0), .int64(10), .int64(2)]])
    #expect(window.advance(to: Timestamp(microseconds: 5)).isEmpty, "a watermark does not go back")
    #expect(window.watermark == Timestamp(microseconds: 10))
    #expect(window.advance(to: .maximum).flatMap(\.rows) == [[.int64(10), .int64(20), .int64(2)]])
    #expect(window.groupCount == 0)
  }

  @Test("times at the ends of the range neither trap nor disappear", arguments: [(10, 10), (10, 3), (1_000_000, 999)])
  func extremeTimes(size: Int64, slide: Int64) throws {
    let aggregate = WindowedAggregate.test(size: size, slide: slide, keys: [], [.of(.count, nil)])
    for time in [Int64.min, .min + 1, .max - 1, .max] {
      var partial = try PartialAggregator(aggregate)
      var window = try WindowAggregator(aggregate)
      let result = partial.add(Batch([row(time)]), evaluationContext)
      #expect(result.aggregatedCount == 1, "\(time)")
      for batch in partial.takeAll(shards: 1) { if let batch { _ = window.merge(batch) } }
      #expect(window.advance(to: .maximum).reduce(0) { $0 + $1.count } >= 1, "\(time)")
    }
  }

  @Test("rows between the windows of a hop with a slide above its size are counted apart")
  func gaps() throws {
    let sparse = WindowedAggregate.test(size: 2, slide: 10, keys: [], [.of(.count, nil)])
    var partial = try PartialAggregator(sparse)
    let result = partial.add(Batch([row(1), row(5), row(11)]), evaluationContext)
    #expect(result.outsideCount == 1)
    #expect(result.aggregatedCount == 2)
  }

  @Test("results come in bounded batches, ordered by the end of their windows")
  func boundedBatches() throws {
    let keyed = WindowedAggregate.test(size: 10, keys: [.number], [.of(.count, nil)])
    var partial = try PartialAggregator(keyed, groupLimit: 100)
    var window = try WindowAggregator(keyed)
    let rows = (0..<20_000).map { index -> TestRow in
      var row = row(Int64(index % 30))
      row.number = Int64(index)
      return row
    }
    _ = partial.add(Batch(rows), evaluationContext)
    #expect(partial.isFull)
    #expect(partial.memoryBytes > 20_000 * 8)
    let parts = partial.takeAll(shards: 3).compactMap { $0 }
    #expect(parts.count == 3)
    for part in parts { _ = window.merge(part) }
    let batches = window.advance(to: .maximum)
    #expect(batches.allSatisfy { $0.count <= WindowAggregator.resultBatchLimit })
    #expect(batches.reduce(0) { $0 + $1.count } == 20_000)
    let ends = batches.flatMap(\.rows).compactMap { row in if case .int64(let end) = row[2] { end } else { nil } }
    #expect(ends == ends.sorted())
  }

  @Test("where nearly every row is a group of its own, they are not looked up for a while")
  func passing() throws {
    let keyed = WindowedAggregate.test(size: 10, keys: [.number], [.of(.count, nil)])
    var partial = try PartialAggregator(keyed, groupLimit: 64)
    var window = try WindowAggregator(keyed)
    func add(_ numbers: [Int64]) {
      let rows = numbers.map { number -> TestRow in
        var row = row(5)
        row.number = number
        return row
      }
      _ = partial.add(Batch(rows), evaluationContext)
    }
    func take() {
      for batch in partial.takeAll(shards: 1) { if let batch { _ = window.merge(batch) } }
    }
    add([1, 1, 2, 2])
    #expect(partial.groupCount == 2)
    #expect(!partial.isFull)
    add(Array(0..<64))
    #expect(partial.isFull)
    take()
    // Sixteen times the limit goes as it is, and is taken at once.
    let rounds = 16 * 64 / 8
    for _ in 0..<rounds {
      add([1, 1, 1, 1, 2, 2, 2, 2])
      #expect(partial.groupCount == 8)
      #expect(partial.isFull)
      take()
    }
    add([1, 1, 1, 1, 2, 2, 2, 2])
    #expect(partial.groupCount == 2)
    #expect(!partial.isFull)
    take()
    #expect(window.groupCount == 64)
    let often = Int64(2 + 1 + rounds * 4 + 4)
    #expect(Self.totals(window.advance(to: .maximum)) == [0..<1: 1, 1..<3: often, 3..<64: 1])
  }

  @Test("a table of many groups grows, and a copy and a snapshot of it keep what they had")
  func manyGroups() throws {
    let keyed = WindowedAggregate.test(size: 10, keys: [.number], [.of(.count, nil), .of(.sum, .number)])
    func rows(_ numbers: Range<Int64>, time: Int64) -> Batch {
      Batch(
        numbers.map { number in
          var row = row(time)
          row.number = number
          return row
        })
    }
    var window = try WindowAggregator(keyed)
    func merge(_ batch: Batch, into window: inout WindowAggregator) throws {
      var partial = try PartialAggregator(keyed)
      _ = partial.add(batch, evaluationContext)
      for part in partial.takeAll(shards: 1) { if let part { #expect(window.merge(part) == nil) } }
    }
    // Two windows, one behind the other: the second table is made for as many groups as the first had.
    for (round, time) in [5, 15].enumerated() {
      try merge(rows(0..<150_000, time: Int64(time)), into: &window)
      let copy = window
      let snapshot = window.snapshot()
      try merge(rows(100_000..<200_000, time: Int64(time)), into: &window)
      #expect(copy.groupCount == 150_000)
      #expect(snapshot.groupCount == 150_000)
      #expect(window.groupCount == 200_000)
      #expect(Self.totals(snapshot.batches()) == [0..<150_000: 1])
      var other = copy
      try merge(rows(0..<10, time: Int64(time)), into: &other)
      #expect(other.groupCount == 150_000)
      let results = window.advance(to: Timestamp(microseconds: Int64(10 * (round + 1))))
      #expect(Self.totals(results) == [0..<100_000: 1, 100_000..<150_000: 2, 150_000..<200_000: 1])
    }
  }

  @Test("many windows that are open at once take the memory of their own groups, whatever the last one had")
  func skewedWindows() throws {
    let keyed = WindowedAggregate.test(size: 10, keys: [.number], [.of(.count, nil)])
    var window = try WindowAggregator(keyed)
    func merge(_ numbers: Range<Int64>, time: Int64) throws {
      var partial = try PartialAggregator(keyed)
      let rows = numbers.map { number in
        var row = row(time)
        row.number = number
        return row
      }
      _ = partial.add(Batch(rows), evaluationContext)
      for batch in partial.takeAll(shards: 1) { if let batch { _ = window.merge(batch) } }
    }
    try merge(0..<20_000, time: 5)
    #expect(window.advance(to: Timestamp(microseconds: 10)).reduce(0) { $0 + $1.count } == 20_000)
    // As when one partition is read far ahead of the others.
    for index in 1...100 { try merge(0..<10, time: Int64(index) * 10) }
    #expect(window.groupCount == 1_000)
    #expect(window.memoryBytes < 16 << 20)
  }

  /// How often each number comes, by ranges that have the same: the first column and the last.
  private static func totals(_ batches: [Batch]) -> [Range<Int64>: Int64] {
    var counts: [Int64: Int64] = [:]
    for batch in batches {
      guard case .int64(let numbers) = batch.columns[0].storage, let last = batch.columns.last else { continue }
      // Partial rows end with the number of rows; results end with the sum of the numbers.
      if case .int64(let rows) = last.storage, batch.schema.fields.last?.name == "rows" {
        for (number, count) in zip(numbers, rows) { counts[number, default: 0] += count }
      } else if case .int64(let rows) = batch.columns[3].storage {
        for (number, count) in zip(numbers, rows) { counts[number, default: 0] += count }
      }
    }
    var ranges: [Range<Int64>: Int64] = [:]
    var lower: Int64 = 0
    for number in counts.keys.sorted() where counts[number + 1] != counts[number] {
      ranges[lower..<(number + 1)] = counts[number]
      lower = number + 1
    }
    return ranges
  }

  @Test("a row without a time fails instead of vanishing")
  func nullTime() throws {
    var partial = try PartialAggregator(tumbling)
    let batch = Batch([row(1), row(2)])
    let time = Column(.timestamp, .int64([1, 2]), validity: Bitmap([true, false]))
    let result = partial.add(
      Batch(schema: batch.schema, columns: [time] + batch.columns.dropFirst(), count: 2, origin: batch.origin),
      evaluationContext)
    #expect(result.failures.map(\.row) == [1])
    #expect(result.aggregatedCount == 1)
  }

  @Test("every key group belongs to one shard, in contiguous ranges")
  func keyGroups() {
    for parallelism in 1...17 {
      let groups = KeyGroups(count: 128)
      var owned: [Int] = []
      for shard in 0..<parallelism {
        for group in groups.groups(ofShard: shard, parallelism: parallelism) {
          #expect(groups.shard(ofGroup: group, parallelism: parallelism) == shard)
          owned.append(group)
        }
      }
      #expect(owned == Array(0..<128))
    }
  }

  @Test("hashes of keys are part of the state's format: the dealing of known keys does not change")
  func stableDealing() throws {
    let keyed = WindowedAggregate.test(size: 10, keys: [.name], [.of(.count, nil)])
    var window = try WindowAggregator(keyed)
    var partial = try PartialAggregator(keyed)
    let names = ["", "a", "sensor-1", "exactly sixteen!", "a name that does not fit a slot"]
    let rows = names.map { name -> TestRow in
      var row = row(0)
      row.name = Array(name.utf8)
      return row
    }
    _ = partial.add(Batch(rows), evaluationContext)
    for batch in partial.takeAll(shards: 1) { if let batch { _ = window.merge(batch) } }
    let groups = KeyGroups()
    let dealt = (0..<groups.count).flatMap { group in
      window.snapshot().batches().flatMap { groups.rows(of: $0, keyCount: 1, in: group..<group + 1).rows }
        .map { row -> String in
          guard case .bytes(let name) = row[0] else { return "" }
          return "\(group) \(String(decoding: name, as: UTF8.self))"
        }
    }
    #expect(dealt == Self.dealing)
  }

  static let dealing = ["11 a name that does not fit a slot", "28 exactly sixteen!", "39 a", "42 sensor-1", "82 "]
}
