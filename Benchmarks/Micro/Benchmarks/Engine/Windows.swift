import Columnar
import Operators
import SQL

private let rowCount = 1 << 20

/// Windowed aggregation from rows to fired results, as partition and window actors do it; compared with the same sums
/// in arrays that are indexed by key.
func registerWindows() {
  for keys in [10, 10_000, 1_000_000] {
    aggregate("tumble/\(keys)-keys", keys, "tumble(readings, ts, INTERVAL '10 seconds')", windowsPerRow: 1)
    aggregate(
      "hop/\(keys)-keys", keys, "hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10 seconds')", windowsPerRow: 2)
    measure("sums/\(keys)-keys", units: rowCount) {
      readings(keys).rows
    } work: { rows in
      sums(rows, keys)
    } check: { rows, groups in
      try expect(groups.reduce(0) { $0 + $1.count }, Int64(rowCount), "counted rows")
    }
  }
}

/// Rows that fill one window of ten seconds.
private func readings(_ keys: Int) -> Telemetry { Telemetry(count: rowCount, keys: keys, milliseconds: 10_000) }

private func aggregate(_ name: String, _ keys: Int, _ source: String, windowsPerRow: Int) {
  measure("window/\(name)", units: rowCount) {
    let aggregate = try PlannedQuery.windows(of: source)
    let telemetry = readings(keys)
    return (aggregate, telemetry.batches(aggregate.input.schema), sums(telemetry.rows, keys))
  } work: { aggregate, batches, _ in
    try fire(aggregate, batches)
  } check: { input, results in
    let counts = results.flatMap { $0.columns[WindowColumn.count].integers }
    try expect(counts.reduce(0, +), Int64(windowsPerRow * rowCount), "counted rows")
    // Every row is in as many windows as the others: the least of the least is the least row of all.
    let least = results.compactMap { $0.columns[WindowColumn.least].doubles.min() }.min()
    let greatest = results.compactMap { $0.columns[WindowColumn.greatest].doubles.max() }.max()
    let groups = input.2.filter { $0.count > 0 }
    try expect(least, groups.map(\.least).min(), "least temperature")
    try expect(greatest, groups.map(\.greatest).max(), "greatest temperature")
    guard windowsPerRow == 1 else { return }
    try expect(counts.count, groups.count, "groups")
    try expect(
      results.flatMap { $0.columns[WindowColumn.least].doubles }.sorted(), groups.map(\.least).sorted(),
      "least temperatures")
  }
}

private func fire(_ aggregate: WindowedAggregate, _ batches: [Batch]) throws -> [Batch] {
  let context = EvaluationContext(now: Timestamp(microseconds: 0))
  var partial = try PartialAggregator(aggregate)
  var window = try WindowAggregator(aggregate)
  for batch in batches {
    let added = partial.add(batch, context)
    try expect(added.aggregatedCount, batch.count, "aggregated rows")
    if partial.isFull { for case let rows? in partial.takeAll(shards: 1) { _ = window.merge(rows) } }
  }
  for case let rows? in partial.takeAll(shards: 1) { _ = window.merge(rows) }
  return fireAll(&window)
}

/// Fires what is open, as a window actor does when its inputs have ended.
func fireAll(_ window: inout WindowAggregator) -> [Batch] {
  window.latestWindowEnd.map { window.advance(to: $0) } ?? []
}

/// What a window keeps of a key.
private struct Group {
  var count: Int64 = 0
  var sum = 0.0
  var least = Double.infinity
  var greatest = -Double.infinity
}

private func sums(_ rows: [Telemetry.Row], _ keys: Int) -> [Group] {
  var groups = [Group](repeating: Group(), count: keys)
  for row in rows {
    groups[row.sensor].count += 1
    groups[row.sensor].sum += row.temperature
    groups[row.sensor].least = min(groups[row.sensor].least, row.temperature)
    groups[row.sensor].greatest = max(groups[row.sensor].greatest, row.temperature)
  }
  return groups
}
