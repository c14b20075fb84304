import Benchmark
import Checkpointing
import Columnar
import Runtime

private let inputCount = 16
private let checkpointCount = 1_000
/// So many more for the aligner and the counter alone, which take little time.
private let repetitions = 20

/// Barriers of an operator with several inputs: the aligner alone, compared with a count of arrivals, and behind a gate
/// that holds inputs back, compared with the same gate and messages without barriers.
func registerBarriers() {
  let barrierCount = inputCount * checkpointCount
  measure("barrier/aligner", units: repetitions * barrierCount) {
  } work: {
    align()
  } check: { _, aligned in
    try expect(aligned, repetitions * checkpointCount, "aligned checkpoints")
  }
  measure("barrier/counter", units: repetitions * barrierCount) {
  } work: {
    count()
  } check: { _, complete in
    try expect(complete, repetitions * checkpointCount, "complete rounds")
  }
  measure("barrier/gate", units: barrierCount) {
    InputGate(name: "window", inputCount: inputCount, capacity: 8)
  } work: { gate in
    try await alignBehind(gate) { .barrier(CheckpointID($0)) }
  } check: { _, aligned in
    try expect(aligned, checkpointCount, "aligned checkpoints")
  }
  measure("barrier/gate-without-barriers", units: barrierCount) {
    InputGate(name: "window", inputCount: inputCount, capacity: 8)
  } work: { gate in
    try await alignBehind(gate) { .watermark(Timestamp(microseconds: Int64($0))) }
  } check: { _, aligned in
    try expect(aligned, 0, "aligned checkpoints")
  }
}

private func align() -> Int {
  var aligner = BarrierAligner(inputCount: inputCount)
  var aligned = 0
  for checkpoint in 1...UInt64(repetitions * checkpointCount) {
    for input in 0..<inputCount {
      if case .aligned = aligner.barrierArrived(input: input, checkpoint: CheckpointID(checkpoint)) { aligned += 1 }
    }
  }
  return aligned
}

private func count() -> Int {
  var hasArrived = [Bool](repeating: false, count: inputCount)
  var complete = 0
  for _ in 0..<repetitions * checkpointCount {
    for input in 0..<inputCount {
      hasArrived[identity(input)] = true
      guard hasArrived.allSatisfy({ $0 }) else { continue }
      complete += 1
      for index in hasArrived.indices { hasArrived[index] = false }
    }
  }
  return complete
}

/// Per checkpoint and input a control message between two watermarks; receives as an operator does.
private func alignBehind(_ gate: InputGate, _ control: (UInt64) -> StreamElement) async throws -> Int {
  var aligner = BarrierAligner(inputCount: inputCount)
  let senders = (0..<inputCount).map { gate.sender($0) }
  var aligned = 0
  for checkpoint in 1...UInt64(checkpointCount) {
    let watermark = StreamElement.watermark(Timestamp(microseconds: Int64(checkpoint)))
    for sender in senders {
      for element in [watermark, control(checkpoint), watermark] {
        guard try sender.trySend(element) else { throw WrongResult(description: "the ring is full") }
      }
    }
    for _ in 0..<3 * inputCount {
      guard let (input, element) = try await gate.receive() else { throw WrongResult(description: "the gate ended") }
      guard case .barrier(let checkpoint) = element else { continue }
      switch aligner.barrierArrived(input: input, checkpoint: checkpoint) {
      case .hold:
        gate.releaseAll()
        for input in 0..<inputCount where aligner.isHeld(input) { gate.hold(input) }
      case .aligned:
        aligned += 1
        gate.releaseAll()
      case .ignore: break
      }
    }
  }
  return aligned
}
