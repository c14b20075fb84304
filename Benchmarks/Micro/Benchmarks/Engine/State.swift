import Columnar
import Operators
import SQL

private let keyCount = 1_000_000

/// The state of a window with many keys, to the bytes of a state file and back; compared with zstd on the same bytes,
/// which the checkpoint store does besides.
func registerState() {
  measure("state/snapshot", units: keyCount) {
    try filled()
  } work: { window in
    encode(window)
  } check: { window, parts in
    let rows = try parts.reduce(0) { $0 + (try BatchCodec.decode($1)).count }
    try expect(rows, window.groupCount, "rows of the snapshot")
  }
  measure("state/restore", units: keyCount) {
    let window = try filled()
    return (encode(window), try aggregate(), window.snapshot())
  } work: { parts, aggregate, _ in
    var window = try WindowAggregator(aggregate)
    for part in parts { window.restore(try BatchCodec.decode(part)) }
    return window
  } check: { input, window in
    try expect(window.groupCount, keyCount, "restored keys")
    var restored = window
    var original = try WindowAggregator(input.1)
    for batch in input.2.batches() { original.restore(batch) }
    let found = fireAll(&restored).reduce(0) { $0 + $1.columns[WindowColumn.average].doubles.reduce(0, +) }
    let expected = fireAll(&original).reduce(0) { $0 + $1.columns[WindowColumn.average].doubles.reduce(0, +) }
    try expect(found, expected, "sum of the averages")
  }
  registerCompression("state", units: keyCount, level: 1) { Array(encode(try filled()).joined()) }
}

private func aggregate() throws -> WindowedAggregate {
  try PlannedQuery.windows(of: "tumble(readings, ts, INTERVAL '10 seconds')")
}

/// A window actor's state with every key once.
private func filled() throws -> WindowAggregator {
  let aggregate = try aggregate()
  let context = EvaluationContext(now: Timestamp(microseconds: 0))
  var partial = try PartialAggregator(aggregate, groupLimit: keyCount)
  for batch in Telemetry(everySensorOnce: keyCount).batches(aggregate.input.schema) { _ = partial.add(batch, context) }
  var window = try WindowAggregator(aggregate)
  for case let rows? in partial.takeAll(shards: 1) { _ = window.merge(rows) }
  try expect(window.groupCount, keyCount, "keys")
  return window
}

private func encode(_ window: WindowAggregator) -> [[UInt8]] {
  window.snapshot().batches().map { BatchCodec.encode($0) }
}
