import Columnar
import Runtime
import Synchronization

private let messageCount = 20_000
/// As `WEIR_CHANNEL_BATCHES`.
private let capacity = 8

/// Batches from one actor to another, through a gate; compared with an array behind a lock, in one thread.
func registerChannels() {
  for rows in [1, 1_024, 8_192] {
    for lanes in [1, 2] {
      measure("channel/\(lanes)-\(lanes == 1 ? "lane" : "lanes")-\(rows)-rows", units: messageCount) {
        (try batch(of: rows), LaneSet(count: lanes))
      } work: { batch, lanes in
        try await pass(batch, lanes)
      } check: { input, found in
        try expect(found, messageCount * input.0.count, "received rows")
      }
    }
  }
  measure("channel/locked-array", units: messageCount) {
    try batch(of: 1_024)
  } work: { batch in
    passLocked(batch)
  } check: { batch, found in
    try expect(found, messageCount * batch.count, "received rows")
  }
}

private func batch(of rows: Int) throws -> Batch {
  guard let batch = Telemetry(count: rows, keys: 10_000, milliseconds: 10_000).batches().first else {
    throw WrongResult(description: "there are no rows")
  }
  return batch
}

private func pass(_ batch: Batch, _ lanes: LaneSet) async throws -> Int {
  let gate = InputGate(name: "receiver", inputCount: 1, capacity: capacity)
  let sender = BatchSender(lane: lanes.assign(0))
  let receiver = BatchReceiver(lane: lanes.assign(1))
  async let received = receiver.receive(gate)
  try await sender.send(batch, times: messageCount, to: gate.sender(0))
  return try await received
}

private func passLocked(_ batch: Batch) -> Int {
  let ring = Mutex<[StreamElement]>([])
  var rows = 0
  for _ in 0..<messageCount / capacity {
    for _ in 0..<capacity { ring.withLock { $0.append(.rows(batch)) } }
    for _ in 0..<capacity { rows += ring.withLock { $0.removeFirst() }.rowCount }
  }
  return rows
}

/// Sends batches from a lane.
actor BatchSender {
  private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  init(lane: Lane) { self.lane = lane }

  func send(_ batch: Batch, times: Int, to sender: GateSender) async throws {
    for _ in 0..<times { try await sender.send(.rows(batch)) }
    try await sender.send(.end)
  }
}

/// Counts the rows of a gate on a lane.
actor BatchReceiver {
  private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  init(lane: Lane) { self.lane = lane }

  func receive(_ gate: InputGate) async throws -> Int {
    var rows = 0
    while let (_, element) = try await gate.receive() { rows += element.rowCount }
    return rows
  }
}
