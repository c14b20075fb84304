import Actors
import Checkpointing
import SQL
import SimulationKit
import TestTraits
import Testing

@Suite("The simulated Kafka cluster of the sink", .fewAtOnce)
struct KafkaSinkPeerTests {
  private static func table() -> TableDefinition {
    SinkLife.table(connector: "kafka", options: ["topic": "out"])
  }

  private static func texts(_ peer: KafkaSinkPeer) -> [String] {
    peer.records(topic: "out").map { String(decoding: $0.value ?? [], as: UTF8.self) }
  }

  private static func expected(_ rows: Int64) -> [String] {
    (0..<rows).map { #"{"id":\#($0),"name":"n\#($0)"}"# }
  }

  @Test("the real sink commits one transaction a checkpoint, with keys")
  func sink() throws {
    let world = SimulatedWorld(seed: 1, faults: .none)
    let peer = KafkaSinkPeer(world)
    let life = SinkLife(Self.table())
    try Simulated.run(world) { process in
      try await life.live(try peer.connector(life.table, job: "job", process: process), checkpoints: 6)
    }
    #expect(Self.texts(peer) == Self.expected(30))
    #expect(peer.records(topic: "out")[7].key == Array("7".utf8))
    #expect(peer.records(topic: "other").isEmpty)
  }

  @Test("exactly once in order, whatever fails: crashes, fencing, lost answers, late commits", arguments: 0..<4)
  func exactlyOnce(block: UInt64) throws {
    var injected: [Fault: Int] = [:]
    for seed in block * 50..<(block + 1) * 50 {
      let world = SimulatedWorld(
        seed: seed,
        faults: FaultPlan(strengths: [.crash: 10, .kafkaFenced: 1, .kafkaFailure: 1, .kafkaLostAnswer: 2, .slow: 1]))
      let peer = KafkaSinkPeer(world)
      let life = SinkLife(Self.table())
      for _ in 0..<12 where life.newest < 10 {
        let process = SimulatedProcess(in: world)
        do {
          try Simulated.run(world, process) {
            try await life.live(try peer.connector(life.table, job: "job", process: process), checkpoints: 10)
          }
        } catch { #expect(process.isDead, "seed \(seed): \(error)") }
      }
      world.isCalm = true
      peer.settle()
      try Simulated.run(world) { process in
        try await life.live(try peer.connector(life.table, job: "job", process: process), checkpoints: 10)
      }
      #expect(Self.texts(peer) == Self.expected(life.rows), "seed \(seed)")
      injected.merge(world.injected) { $0 + $1 }
    }
    for fault in [Fault.crash, .kafkaFenced, .kafkaFailure, .kafkaLostAnswer] {
      #expect(injected[fault] ?? 0 > 0, "\(fault)")
    }
  }

  @Test("the same seed gives the same trace")
  func replay() throws {
    func digest() throws -> UInt64 {
      let world = SimulatedWorld(
        seed: 8, faults: FaultPlan(strengths: [.kafkaFailure: 3, .kafkaLostAnswer: 3]),
        trace: SimulationTrace(keeping: .max))
      let peer = KafkaSinkPeer(world)
      let life = SinkLife(Self.table())
      try Simulated.run(world) { process in
        try await life.live(try peer.connector(life.table, job: "job", process: process), checkpoints: 10)
      }
      return world.record.digest
    }
    let first = try digest()
    #expect(try first == digest())
  }
}
