import Checkpointing
import Columnar
import Runtime
import TestSupport
import TestTraits
import Testing

@Suite("Input gate", .fewAtOnce)
struct InputGateTests {
  private struct Broken: Error {}

  /// An operator that reads everything, on a lane of its own.
  private actor Reader {
    let lane: Lane
    let gate: InputGate
    nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

    init(gate: InputGate, lane: Lane) {
      self.gate = gate
      self.lane = lane
    }

    func readAll() async throws -> [Int: [Int64]] {
      var received: [Int: [Int64]] = [:]
      while let (input, element) = try await gate.receive() {
        preconditionIsolated()
        received[input, default: []] += numbers(element)
      }
      return received
    }
  }

  private actor Producer {
    let lane: Lane
    nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

    init(lane: Lane) { self.lane = lane }

    /// Sends `count` numbers in batches of random sizes; gives up at random moments when told, and tries again.
    func send(_ count: Int64, to sender: GateSender, seed: UInt64) async throws {
      var generator = SeededNumbers(seed: seed)
      var next: Int64 = 0
      while next < count {
        let end = min(count, next + Int64(generator.next() % 5) + 1)
        try await sender.send(.rows(batch(Array(next..<end))))
        preconditionIsolated()
        next = end
        if generator.next() % 16 == 0 { await Task.yield() }
      }
      try await sender.send(.end)
    }
  }

  @Test("every element arrives once and in order, over two lanes", arguments: [1, 2, 3, 4] as [UInt64])
  func inOrder(seed: UInt64) async throws {
    let lanes = LaneSet(count: 2, prefix: "gate-test")
    defer { lanes.stop() }
    let gate = InputGate(name: "reader", inputCount: 5, capacity: 2, rowCapacity: 6)
    let reader = Reader(gate: gate, lane: lanes.assign(0))
    let count: Int64 = 3000
    let received = try await withThrowingTaskGroup(of: Void.self) { group in
      for input in 0..<5 {
        let producer = Producer(lane: lanes.assign(input))
        group.addTask { try await producer.send(count, to: gate.sender(input), seed: seed &* 100 &+ UInt64(input)) }
      }
      let received = try await reader.readAll()
      try await group.waitForAll()
      return received
    }
    for input in 0..<5 { #expect(received[input] == Array(0..<count), "seed \(seed), input \(input)") }
    #expect(gate.status().allSatisfy { $0.isFinished && $0.elements == 0 && $0.rows == 0 && !$0.isBlocked })
  }

  /// Producers and the consumer are cancelled at random; what a producer had sent without an error, and nothing else,
  /// arrives, once and in order.
  @Test("cancelled sends and receives lose and repeat nothing", arguments: Array(1...20) as [UInt64])
  func randomCancels(seed: UInt64) async throws {
    let gate = InputGate(name: "reader", inputCount: 3, capacity: 2)
    let received = try await withThrowingTaskGroup(of: (Int, [Int64]).self) { group in
      for input in 0..<3 { group.addTask { (input, try await Self.sendWithCancels(gate, input, seed)) } }
      group.addTask { (-1, []) }
      var received: [Int: [Int64]] = [:]
      var generator = SeededNumbers(seed: seed)
      var isDone = false
      while !isDone {
        let attempt = await Self.attempt(cancelling: generator.next() % 3 == 0) { try await gate.receive() }
        switch attempt {
        case .success(let (input, element)?): received[input, default: []] += numbers(element)
        case .success(nil): isDone = true
        case .failure(let error): #expect(error is CancellationError)
        }
      }
      while let (input, sent) = try await group.next() {
        if input >= 0 { #expect(received[input] == sent, "seed \(seed), input \(input)") }
      }
      return received
    }
    #expect(received.count == 3)
  }

  private static func sendWithCancels(_ gate: InputGate, _ input: Int, _ seed: UInt64) async throws -> [Int64] {
    var generator = SeededNumbers(seed: seed &* 31 &+ UInt64(input))
    let sender = gate.sender(input)
    var sent: [Int64] = []
    for number in Int64(0)..<300 {
      let attempt = await Self.attempt(cancelling: generator.next() % 3 == 0) {
        try await sender.send(.rows(batch([number])))
      }
      switch attempt {
      case .success: sent.append(number)
      case .failure(let error): #expect(error is CancellationError)
      }
    }
    try await sender.send(.end)
    return sent
  }

  /// Runs the body in a task that is cancelled while it runs, or before, or after.
  private static func attempt<Value: Sendable>(
    cancelling: Bool, _ body: @escaping @Sendable () async throws -> Value
  ) async -> Result<Value, any Error> {
    await withTaskGroup(of: Result<Value, any Error>.self) { group in
      group.addTask {
        do { return .success(try await body()) } catch { return .failure(error) }
      }
      if cancelling {
        await Task.yield()
        group.cancelAll()
      }
      return await group.next() ?? .failure(CancellationError())
    }
  }

  @Test("closing wakes both sides and hands them the reason")
  func close() async throws {
    let gate = InputGate(name: "operator", inputCount: 2, capacity: 1)
    try await gate.sender(0).send(.idle)
    gate.hold(0)
    try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask {
        do {
          try await gate.sender(0).send(.idle)
          return "sent"
        } catch { return "\(error)" }
      }
      group.addTask {
        do {
          _ = try await gate.receive()
          return "received"
        } catch { return "\(type(of: error))" }
      }
      while !gate.status()[0].isBlocked { await Task.yield() }
      #expect(gate.status()[0].isHeld)
      gate.close(Broken())
      var results: Set<String> = []
      while let result = try await group.next() { results.insert(result) }
      #expect(results == ["the input of 'operator' was closed: Broken()", "Broken"])
    }
    let isSent = try? gate.sender(1).trySend(.idle)
    #expect(isSent == nil)
  }

  @Test("a gate without an error ends its reader")
  func closeWithoutError() async throws {
    let gate = InputGate(name: "operator", inputCount: 1, capacity: 1)
    gate.close()
    let received = try await gate.receive()
    #expect(received == nil)
  }

  @Test("how long a producer was blocked is counted")
  func blockedTime() async throws {
    let gate = InputGate(name: "operator", inputCount: 1, capacity: 1)
    let sender = gate.sender(0)
    #expect(try sender.trySend(.barrier(CheckpointID(1))))
    #expect(try !sender.trySend(.idle))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await sender.send(.end) }
      while !gate.status()[0].isBlocked { await Task.yield() }
      while let _ = try await gate.receive() {}
      try await group.waitForAll()
    }
    #expect(gate.status()[0].blockedNanoseconds > 0)
  }
}
