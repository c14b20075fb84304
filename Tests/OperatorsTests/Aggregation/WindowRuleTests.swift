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
