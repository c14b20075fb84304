import Actors
import Checkpointing
import SimulationKit
import Sinks
import TestSupport
import TestTraits
import Testing

/// The commit protocol of the Kafka sink against a simulated broker that is as strict as Kafka says it is.
@Suite("The Kafka commit protocol", .fewAtOnce)
struct KafkaProtocolTests {
  /// Claims, and commits all epochs; tries again as the engine does.
  private static func run(_ instance: SimulatedInstance, tries: Int = 6) throws {
    for attempt in 1...tries {
      do {
        if !instance.isClaimed { try instance.claim() }
        while instance.done < instance.epochs.count { try instance.commitNext() }
        return
      } catch let error as SinkError where error.severity == .transient && attempt < tries {}
    }
  }

  private static func visible(_ broker: SimulatedBroker) -> [[UInt8]] {
    SimulatedBroker.visible(broker.rows).entries.map { $0.value ?? [] }
  }

  private static func epochs(_ count: Int) -> [StoredEpoch] {
    let owner = JobOwner(lineage: "L", attempt: 1)
    return (1...count).map { StoredEpoch(UInt64($0), by: owner, rows: $0 == 2 ? 0 : 2) }
  }

  @Test(
    "makes every epoch visible once, whatever fails at whichever call",
    arguments: SimulatedTransactionClient.Fault.allCases)
  func everyStep(fault: SimulatedTransactionClient.Fault) throws {
    let epochs = Self.epochs(4)
    var call = 0
    var wasHit = true
    var hits = 0
    while wasHit {
      wasHit = false
      let broker = SimulatedBroker()
      let first = SimulatedInstance(broker, attempt: 1, epochs: [])
      first.epochs = epochs
      var underWay: [SimulatedBroker.Transaction] = []
      var calls = 0
      first.client.underWay = { underWay.append($0) }
      first.client.before = { [unowned first] _ in
        if first.isDead { throw SimulatedCrash() }
        defer { calls += 1 }
        guard calls == call else { return nil }
        wasHit = true
        hits += 1
        if fault == .crashBefore || fault == .crashAfter { first.isDead = true }
        return fault
      }
      // The only owner never meets a conflict: it ends by itself, or it crashed.
      do { try Self.run(first) } catch is SimulatedCrash { #expect(first.isDead) }
      let second = SimulatedInstance(broker, attempt: 2, epochs: epochs)
      if let request = underWay.first { _ = broker.requestCommit(request, completes: true) }
      try Self.run(second, tries: 1)
      #expect(Self.visible(broker) == epochs.flatMap(\.rows), "\(fault) at call \(call)")
      #expect(second.done == 4)
      call += 1
    }
    #expect(hits > 20)
  }

  @Test("a commit that was applied is skipped after its answer was lost")
  func replay() throws {
    let broker = SimulatedBroker()
    let instance = SimulatedInstance(broker, attempt: 1, epochs: [])
    instance.epochs = Self.epochs(1)
    try instance.claim()
    instance.client.before = { $0 == .commit ? .lostAnswer : nil }
    let error = #expect(throws: SinkError.self) { try instance.commitNext() }
    #expect(error?.severity == .transient)
    instance.client.before = { _ in nil }
    #expect(try instance.commitNext().wasSkipped)
    #expect(Self.visible(broker).count == 2)
  }

  @Test("an instance that lost the sink meets a conflict and does not disturb the one that won")
  func zombie() throws {
    let broker = SimulatedBroker()
    let epochs = Self.epochs(4)
    let zombie = SimulatedInstance(broker, attempt: 1, epochs: [])
    zombie.epochs = epochs
    try zombie.claim()
    try zombie.commitNext()
    let owner = SimulatedInstance(broker, attempt: 2, epochs: epochs)
    try owner.claim()
    #expect(owner.done == 1)
    for _ in 0..<3 {
      let conflict = #expect(throws: PositionConflict.self) { try zombie.commitNext() }
      #expect(conflict?.found?.owner.attempt == 2)
      #expect(throws: PositionConflict.self) { try zombie.claim() }
    }
    #expect(zombie.client.registrations == 1)
    try Self.run(owner, tries: 1)
    #expect(owner.client.registrations == 1)
    #expect(Self.visible(broker) == epochs.flatMap(\.rows))
  }

  @Test("a producer whose transaction the broker timed out registers anew and goes on")
  func timeout() throws {
    let broker = SimulatedBroker()
    let instance = SimulatedInstance(broker, attempt: 1, epochs: [])
    instance.epochs = Self.epochs(3)
    try instance.claim()
    instance.client.before = { $0 == .produceMarker ? .timeout : nil }
    let error = #expect(throws: SinkError.self) { try instance.commitNext() }
    #expect(error?.severity == .transient)
    instance.client.before = { _ in nil }
    try Self.run(instance, tries: 1)
    #expect(Self.visible(broker) == instance.epochs.flatMap(\.rows))
  }

  @Test("an open transaction of another job hides the markers behind it: the sink waits instead of reading an old one")
  func hiddenMarkers() throws {
    let broker = SimulatedBroker()
    let epochs = Self.epochs(3)
    let first = SimulatedInstance(broker, attempt: 1, epochs: [])
    first.epochs = epochs
    try first.claim()
    let other = broker.begin("other", broker.register("other"))
    broker.append(marker: [1], other)
    try Self.run(first, tries: 1)
    let second = SimulatedInstance(broker, attempt: 2, epochs: epochs)
    let error = #expect(throws: SinkError.self) { try second.claim() }
    #expect(error?.severity == .transient)
    broker.end(other, commit: false)
    try second.claim()
    #expect(second.done == 3)
    #expect(Self.visible(broker) == epochs.flatMap(\.rows))
  }

  @Test("a missing topic of markers stops the sink before it fences anybody")
  func missingTopic() {
    let broker = SimulatedBroker()
    broker.mayCreateTopic = false
    let instance = SimulatedInstance(broker, attempt: 1, epochs: [])
    let error = #expect(throws: SinkError.self) { try instance.claim() }
    #expect(error?.severity == .fatal)
    #expect(instance.client.registrations == 0)
  }

  @Test("a checkpoint directory that is older than the sink, or of another history, is a conflict")
  func otherHistories() throws {
    let broker = SimulatedBroker()
    let first = SimulatedInstance(broker, attempt: 1, epochs: [])
    first.epochs = Self.epochs(3)
    try Self.run(first)
    let older = SimulatedInstance(broker, attempt: 2, epochs: Self.epochs(2))
    #expect(throws: PositionConflict.self) { try older.claim() }
    var machine = KafkaCommitProtocol(sink: "sink")
    #expect(throws: PositionConflict.self) {
      try machine.claim(
        owner: JobOwner(lineage: "M", attempt: 9), newest: CheckpointID(9), client: SimulatedTransactionClient(broker),
        codec: KafkaMarkerCodec())
    }
    #expect(first.client.registrations == 1)
  }

  @Test("two sinks with one transactional id are told so")
  func sharedID() throws {
    let broker = SimulatedBroker()
    try SimulatedInstance(broker, attempt: 1, epochs: []).claim()
    var machine = KafkaCommitProtocol(sink: "orders")
    let error = #expect(throws: SinkError.self) {
      try machine.claim(
        owner: JobOwner(lineage: "L", attempt: 1), newest: CheckpointID(0), client: SimulatedTransactionClient(broker),
        codec: KafkaMarkerCodec())
    }
    #expect(error?.severity == .fatal)
    #expect(error?.message.contains("belongs to sink 'sink'") == true)
  }

  @Test("random runs with zombies, crashes and lost answers: readers see every epoch once", arguments: 0..<10)
  func randomRuns(block: Int) throws {
    var conflicts = 0
    var skips = 0
    var crashes = 0
    var epochs = 0
    for seed in UInt64(block) * 60..<UInt64(block + 1) * 60 {
      let job = SimulatedJob(seed: seed)
      var starts = SeededNumbers(seed: seed &+ 1_000_000)
      job.start()
      for _ in 0..<60 {
        if starts.once(in: 12) { job.start() }
        if starts.once(in: 4) { job.world() }
        job.step()
      }
      try job.finish()
      #expect(job.problems.isEmpty, "seed \(seed): \(job.problems.prefix(3))")
      conflicts += job.conflicts
      skips += job.skips
      crashes += job.crashes
      epochs += job.store.count
    }
    // The runs must get to the interesting places.
    #expect(conflicts > 10 && skips > 10 && crashes > 50 && epochs > 200)
  }
}
