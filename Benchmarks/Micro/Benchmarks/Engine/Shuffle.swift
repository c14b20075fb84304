import Columnar
import Operators
import Runtime
import SQL

private let rowCount = 1 << 18
private let shardCount = 4

/// Partial rows from a partition to the shards of their keys, on another lane; compared with gathering the same rows.
func registerShuffle() {
  for rows in [64, 1_024, 8_192] {
    measure("shuffle/\(rows)-rows", units: rowCount) {
      (try partials(rows), LaneSet(count: 2))
    } work: { partials, lanes in
      try await shuffle(partials, times: rowCount / rows, lanes)
    } check: { input, received in
      try expect(received, rowCount, "received rows")
    }
  }
  measure("shuffle/gather", units: rowCount) {
    var partials = try partials(8_192)
    let shards = partials.takeAll(shards: 1).compactMap { $0 }
    // Every fourth row each.
    let picked = (0..<shardCount).map { shard in
      stride(from: Int32(shard), to: 8_192, by: shardCount).map { $0 }
    }
    return (shards, picked)
  } work: { batches, picked in
    var rows = 0
    for _ in 0..<rowCount / 8_192 {
      for batch in batches { for indices in picked { rows += batch.gather(indices).count } }
    }
    return rows
  } check: { _, rows in
    try expect(rows, rowCount, "gathered rows")
  }
}

/// A partition's aggregates of `keys` sensors.
private func partials(_ keys: Int) throws -> PartialAggregator {
  let aggregate = try PlannedQuery.windows(of: "tumble(readings, ts, INTERVAL '10 seconds')")
  var partial = try PartialAggregator(aggregate)
  let context = EvaluationContext(now: Timestamp(microseconds: 0))
  for batch in Telemetry(everySensorOnce: keys).batches(aggregate.input.schema) { _ = partial.add(batch, context) }
  try expect(partial.groupCount, keys, "groups")
  return partial
}

private func shuffle(_ partials: PartialAggregator, times: Int, _ lanes: LaneSet) async throws -> Int {
  let gates = (0..<shardCount).map { InputGate(name: "shard \($0)", inputCount: 1, capacity: 8) }
  let receivers = gates.map { _ in BatchReceiver(lane: lanes.assign(1)) }
  let dealer = PartialDealer(lane: lanes.assign(0))
  return try await withThrowingTaskGroup(of: Int.self) { group in
    for (receiver, gate) in zip(receivers, gates) { group.addTask { try await receiver.receive(gate) } }
    try await dealer.deal(partials, times: times, to: gates.map { $0.sender(0) })
    var rows = 0
    for try await received in group { rows += received }
    return rows
  }
}

/// Deals partial rows to shards, again and again the same.
private actor PartialDealer {
  private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  init(lane: Lane) { self.lane = lane }

  func deal(_ partials: PartialAggregator, times: Int, to shards: [GateSender]) async throws {
    for _ in 0..<times {
      // Shares its groups with the original: only dealing is measured.
      var copy = partials
      for (shard, batch) in zip(shards, copy.takeAll(shards: shards.count)) {
        if let batch { try await shard.send(.rows(batch)) }
      }
    }
    for shard in shards { try await shard.send(.end) }
  }
}
