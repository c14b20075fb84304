import Columnar
import Operators
import SQL
import TestSupport
import TestTraits
import Testing

/// The two halves of an aggregation, driven as a job drives them, against the obvious implementation.
@Suite(.fewAtOnce) struct RandomStreamTests {
  static let everyAggregate: [AggregateCall] = [
    .of(.count, nil), .of(.count, nil, filter: .flag), .of(.count, .text), .of(.count, .text, distinct: true),
    .of(.sum, .small), .of(.sum, .big), .of(.sum, .float), .of(.sum, .exact), .of(.sum, .small, distinct: true),
    .of(.avg, .small), .of(.avg, .big), .of(.avg, .float), .of(.avg, .exact, filter: .flag),
    .of(.min, .big), .of(.max, .small), .of(.min, .float), .of(.max, .float, distinct: true), .of(.min, .exact),
    .of(.max, .exact), .of(.min, .text), .of(.max, .text), .of(.boolAnd, .flag), .of(.boolOr, .flag),
    .of(.varPop, .float), .of(.varSamp, .float), .of(.stddevPop, .small), .of(.stddevSamp, .big),
    .of(.varSamp, .exact), .of(.stddevSamp, .float), .of(.firstValue, .big), .of(.lastValue, .text),
    .of(.firstValue, .text, filter: .flag), .of(.lastValue, .exact), .of(.avg, .float, distinct: true),
    .of(.count, .exact, distinct: true), .of(.count, .flag, distinct: true)
  ]

  @Test("any cuts, flushes, shards and restarts give the result of the whole stream", arguments: 0..<60)
  func matchesReference(seed: Int) throws {
    var random = SeededNumbers(seed: UInt64(seed) &+ 1_000)
    let size = Int64([10, 100, 70][random.below(3)])
    let slide = [size, size, 30, 25][random.below(4)]
    let keys: [TestColumn] = [[.name], [.number], [.name, .number], [], [.float], [.exact], [.text, .flag, .small]][
      random.below(7)]
    let aggregate = WindowedAggregate.test(size: size, slide: min(slide, size), keys: keys, Self.everyAggregate)
    var job = try TestJob(aggregate, keys: keys, random: &random)
    try job.run(&random)
    job.check("seed \(seed)")
  }
}

/// Partitions and shards of one aggregation, and what is expected of them.
struct TestJob {
  let aggregate: WindowedAggregate
  var reference: ReferenceAggregation
  var partials: [PartialAggregator] = []
  var windows: [WindowAggregator] = []
  var offsets: [Int64]
  var watermarks: [Int64]
  var handedOver: [Int64]
  var operatorWatermark = Int64.min
  var results: [[Value]] = []
  var lateRows: Set<[Int64]> = []
  var accounted = 0
  var sent = 0

  init(_ aggregate: WindowedAggregate, keys: [TestColumn], random: inout SeededNumbers) throws {
    self.aggregate = aggregate
    reference = ReferenceAggregation(aggregate: aggregate, keys: keys)
    let partitions = 1 + random.below(4)
    offsets = [Int64](repeating: 0, count: partitions)
    watermarks = [Int64](repeating: .min, count: partitions)
    handedOver = watermarks
    for _ in 0..<partitions { partials.append(try PartialAggregator(aggregate, keyGroupCount: 16, groupLimit: 40)) }
    for _ in 0...random.below(5) { windows.append(try WindowAggregator(aggregate)) }
  }

  mutating func run(_ random: inout SeededNumbers) throws {
    for step in 0..<60 {
      let partition = random.below(partials.count)
      addBatch(partition, step, &random)
      if random.below(3) == 0 || partials[partition].isFull { handOver(partition, random.below(3) > 0) }
      if random.below(12) == 0 { try restart(&random) }
    }
    for partition in partials.indices {
      watermarks[partition] = .max
      handOver(partition, true)
    }
  }

  private mutating func addBatch(_ partition: Int, _ step: Int, _ random: inout SeededNumbers) {
    var rows: [TestRow] = []
    for _ in 0..<(1 + random.below(50)) {
      var row = TestRow.random(&random)
      row.partition = partition
      row.offset = offsets[partition]
      offsets[partition] += 1
      row.time = Int64(step * 8 + random.below(120) - 200)
      row.watermark = watermarks[partition]
      if row.time - 60 > watermarks[partition] { watermarks[partition] = row.time - 60 }
      reference.add(row)
      rows.append(row)
    }
    let result = partials[partition].add(Batch(rows, partition: partition), evaluationContext)
    #expect(result.failures.isEmpty)
    for row in result.lateRows { lateRows.insert([Int64(partition), rows[Int(row)].offset]) }
    accounted += result.aggregatedCount + result.lateRows.count + result.outsideCount
    sent += rows.count
  }

  private mutating func handOver(_ partition: Int, _ onlyClosed: Bool) {
    let watermark = Timestamp(microseconds: watermarks[partition])
    let batches =
      onlyClosed
      ? partials[partition].takeClosed(upTo: watermark, shards: windows.count)
      : partials[partition].takeAll(shards: windows.count)
    for (shard, batch) in batches.enumerated() {
      if let batch { #expect(windows[shard].merge(batch) == nil) }
    }
    handedOver[partition] = watermarks[partition]
    operatorWatermark = max(operatorWatermark, handedOver.min() ?? .min)
    for shard in windows.indices {
      for batch in windows[shard].advance(to: Timestamp(microseconds: operatorWatermark)) { results += batch.rows }
      #expect(windows[shard].takeFailedGroups() == nil)
    }
  }

  /// A checkpoint, and a restart from it with another number of shards.
  private mutating func restart(_ random: inout SeededNumbers) throws {
    for partition in partials.indices {
      // Windows that the partition has passed must be there before its watermark counts.
      handOver(partition, false)
      #expect(partials[partition].groupCount == 0)
    }
    let snapshots = windows.map { $0.snapshot() }
    let before = snapshots.map { $0.batches() }
    // What happens to the running job afterwards must not show in the snapshot.
    for shard in windows.indices {
      var running = windows[shard]
      for batch in before[shard] { _ = running.merge(batch) }
      _ = running.advance(to: .maximum)
      #expect(running.groupCount == 0)
      #expect(snapshots[shard].batches() == before[shard])
    }
    let groups = KeyGroups(count: 16)
    let parallelism = 1 + random.below(6)
    windows = []
    for shard in 0..<parallelism {
      windows.append(try WindowAggregator(aggregate))
      let owned = groups.groups(ofShard: shard, parallelism: parallelism)
      for batch in before.joined() {
        windows[shard].restore(groups.rows(of: batch, keyCount: aggregate.keys.count, in: owned))
      }
    }
    for shard in windows.indices { windows[shard].restore(watermark: Timestamp(microseconds: operatorWatermark)) }
  }

  func check(_ label: String) {
    #expect(accounted == sent, "\(label)")
    #expect(lateRows == reference.lateRows, "\(label)")
    let expected = reference.results()
    #expect(results.count == expected.count, "\(label): a window must fire once for each group")
    let keyCount = aggregate.keys.count
    for row in results {
      guard case .int64(let start) = row[keyCount] else { continue }
      let keys = row[0..<keyCount].map { key in
        if case .numeric(let numeric) = key {
          Value.numeric(Numeric(unscaled: numeric.hundredths, scale: 2))
        } else {
          key
        }
      }
      guard let values = expected[.init(start: start, keys: keys)] else {
        Issue.record("\(label): unexpected group \(row)")
        continue
      }
      for index in row.indices where index >= keyCount {
        let name = index < keyCount + 2 ? "window" : "\(aggregate.aggregates[index - keyCount - 2].function)"
        #expect(
          ReferenceAggregation.matches(row[index], values[index]),
          "\(label): column \(index) \(name): \(row[index]) instead of \(values[index])")
      }
    }
  }
}

extension TestRow {
  static func random(_ random: inout SeededNumbers) -> TestRow {
    let names = ["", "a", "sensor-1", "exactly sixteen!", "seventeen bytes..", "a name that does not fit a slot", "ä"]
    var row = TestRow()
    row.name = random.below(8) == 0 ? nil : Array(names[random.below(names.count)].utf8)
    row.number = random.below(8) == 0 ? nil : Int64(random.below(9) - 4)
    row.small = random.below(6) == 0 ? nil : Int64(random.below(2001) - 1000)
    row.big = random.below(6) == 0 ? nil : Int64(random.below(4_000_000_000)) * 3
    row.float = random.below(6) == 0 ? nil : Double(random.below(40) - 20) / 4
    row.exact = random.below(6) == 0 ? nil : Numeric(unscaled: Int128(random.below(60) - 30), scale: 2)
    row.text = random.below(6) == 0 ? nil : Array(names[random.below(names.count)].utf8)
    row.flag = random.below(6) == 0 ? nil : random.below(3) > 0
    return row
  }
}
