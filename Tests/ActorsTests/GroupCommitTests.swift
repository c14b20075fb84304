import Actors
import Checkpointing
import Columnar
import Formats
import Foundation
import Logging
import Runtime
import SQL
import Synchronization
import TestTraits
import Testing

/// Jobs whose sinks share a target that can commit to all of them in one act.
@Suite("Commits of several sinks in one act", .fewAtOnce)
struct GroupCommitTests {
  private func run(
    _ target: SharedTarget, records: [[String]], faults: FaultPlan, directory: String
  ) async throws -> EngineTests.Result {
    let plan = try SQLFile.plan(EngineTests.pipeline, fileName: "test.sql") { _ in nil }
    let settings = try Settings(
      flags: [
        "WEIR_PARALLELISM": "2", "WEIR_CHECKPOINT_INTERVAL": "10ms", "WEIR_BATCH_ROWS": "50",
        "WEIR_BATCH_LINGER": "1ms", "WEIR_CHECKPOINT_DIR": directory, "WEIR_RESTART_BACKOFF": "1ms",
        "WEIR_MAX_RESTARTS": "1000"
      ], environment: [:])
    let store = try LocalSnapshotStore(directory: directory, job: "test", random: SystemRandom())
    let (others, none) = (EngineTests.Targets(), FaultPlan(seed: 0, faults: 0))
    @Sendable func kept(_ name: String) throws -> any SinkConnector {
      FakeSink(name: name, target: try #require(others.byName[name]), faults: none)
    }
    let factory = ConnectorFactory(
      source: { table, _ in FakeSource(name: table.name, records: records, faults: faults) },
      decoder: { _, scan, partition in
        DecoderConfiguration(
          schema: scan, format: .json, partition: partition, eventTimeColumn: scan.index(of: "ts"),
          watermarkDelay: 1_000_000)
      },
      sink: { SharedSink(name: $0.name, target: target) },
      deadLetters: { _ in try kept("dead") }, late: { _ in try kept("late") })
    let engine = Engine(
      plan: plan, job: "test", settings: settings, factory: factory,
      store: SnapshotStoreActor(store: store, lane: Lane(name: "store")), clock: SystemClock(),
      random: SystemRandom(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    defer { store.close() }
    _ = try await engine.run()
    return EngineTests.Result(
      totals: target.rows("totals").sorted(), big: target.rows("big").sorted(), dead: others.rows("dead").count,
      late: others.rows("late").count)
  }

  private func trial(_ target: SharedTarget, regionFaults: Int = 0, seed: UInt64 = 1) async throws {
    let records = EngineTests.records(seed: 19)
    let (expected, _) = try await EngineTests.reference(records)
    let directory = EngineTests.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let result = try await run(
      target, records: records, faults: FaultPlan(seed: seed, faults: regionFaults), directory: directory)
    #expect(result == expected, "seed \(seed)")
  }

  @Test(
    "whatever answers are lost and whatever restarts, no state of the target has a checkpoint of one sink only",
    arguments: 1...6)
  func atomic(seed: UInt64) async throws {
    let target = SharedTarget(seed: seed, losses: 20)
    try await trial(target, regionFaults: 8, seed: seed)
    #expect(target.isEverTorn == false, "seed \(seed)")
    #expect(target.jointCommits >= 1)
  }

  @Test("a sink whose own target fails is left alone and catches up; the others go on meanwhile")
  func oneIsSick() async throws {
    let target = SharedTarget(seed: 1, sick: "big", sickUntilCommitsOfOthers: 1)
    try await trial(target)
    #expect(target.commitsOfOthersWhileSick >= 1)
  }

  @Test("a target that knows no such act gets its commits one by one")
  func separate() async throws {
    let target = SharedTarget(seed: 1, refusesJointCommits: true)
    try await trial(target)
    #expect(target.jointCommits == 0)
  }

  @Test("a failure of one sink that no wait can heal stops the job, with that sink's name")
  func fatal() async throws {
    let target = SharedTarget(seed: 1, sick: "big", severity: .fatal, sickUntilCommitsOfOthers: .max)
    let directory = EngineTests.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let error = await #expect(throws: SinkError.self) {
      _ = try await run(
        target, records: EngineTests.records(seed: 19), faults: FaultPlan(seed: 0, faults: 0), directory: directory)
    }
    #expect(error?.sink == "big" && error?.severity == .fatal)
  }

  @Test("who is named again and again is left out, and taken back when the others fail without it")
  func blames() {
    var round = CommitRound(["a", "b", "c"])
    round.failed(becauseOf: nil)
    round.failed(becauseOf: "b")
    round.failed(becauseOf: "b")
    #expect(round.going == ["a", "b", "c"] && round.left.isEmpty)
    round.failed(becauseOf: "b")
    #expect(round.going == ["a", "c"] && round.left == ["b"])
    for _ in 0..<CommitRound.blameMax { round.failed(becauseOf: "c") }
    #expect(round.going == ["a"] && round.left == ["b", "c"], "two may be sick at once")
    round.failed(becauseOf: "the catalog")
    #expect(round.going == ["a", "b", "c"] && round.left.isEmpty)
    for sink in ["a", "b", "c"] { for _ in 0..<CommitRound.blameMax { round.failed(becauseOf: sink) } }
    #expect(round.going == ["a", "b", "c"], "when everybody is named, it was none of them")
    round.remove("a")
    #expect(round.going == ["b", "c"] && round.failures == 17)
  }

  @Test("sinks of one interval stay due together, whenever each of them was committed last")
  func schedule() {
    var schedule = CommitSchedule()
    func isDue(_ interval: Int64, at now: Int64) -> Bool { schedule.isDue(interval, at: now, isFull: false) }
    #expect(isDue(10, at: 0) && isDue(0, at: 0))
    schedule.committed(10, at: 5)
    schedule.committed(0, at: 5)
    #expect(!isDue(10, at: 14) && isDue(10, at: 15) && isDue(0, at: 5))
    #expect(isDue(20, at: 5) && schedule.next([10, 20]) == 15)
  }

  @Test("transient failures are tried again without end, unexplained ones five times in succession, fatal ones never")
  func patience() {
    typealias Severities = [SinkError.Severity]
    let most = CommitPatience.failedMax
    let course =
      Severities(repeating: .transient, count: 100) + Severities(repeating: .failed, count: most - 1) + [.transient]
      + Severities(repeating: .failed, count: most)
    var patience = CommitPatience()
    let answers = course.map { patience.mayTryAgain(after: $0) }
    #expect(answers == Array(repeating: true, count: course.count - 1) + [false])
    #expect(patience.failures == course.count)
    var other = CommitPatience()
    #expect(other.mayTryAgain(after: .fatal) == false)
  }

  @Test("an interval without end overflows nothing, and ends when as many commits wait as may")
  func endlessInterval() {
    var schedule = CommitSchedule()
    schedule.committed(.max, at: 5)
    #expect(schedule.next([.max]) == .max)
    #expect(!schedule.isDue(.max, at: .max - 1, isFull: false) && schedule.isDue(.max, at: 6, isFull: true))
  }
}

/// Rows and positions of several sinks, changed together, or one by one.
private final class SharedTarget: Sendable {
  struct State {
    var rows: [String: [String]] = [:]
    var positions: [String: SinkPosition] = [:]
    var isEverTorn = false
    var jointCommits = 0
    var commitsOfOthers = 0
    var losses: Int
  }

  let state: Mutex<State>
  let random: SeededRandom
  let refusesJointCommits: Bool
  let sick: String?
  let severity: SinkError.Severity
  let sickUntil: Int

  init(
    seed: UInt64, losses: Int = 0, refusesJointCommits: Bool = false, sick: String? = nil,
    severity: SinkError.Severity = .transient, sickUntilCommitsOfOthers: Int = 0
  ) {
    state = Mutex(State(losses: losses))
    random = SeededRandom(seed: seed)
    self.refusesJointCommits = refusesJointCommits
    self.sick = sick
    self.severity = severity
    sickUntil = sickUntilCommitsOfOthers
  }

  func rows(_ sink: String) -> [String] { state.withLock { $0.rows[sink] ?? [] } }
  var isEverTorn: Bool { state.withLock { $0.isEverTorn } }
  var jointCommits: Int { state.withLock { $0.jointCommits } }
  var commitsOfOthersWhileSick: Int { state.withLock { $0.commitsOfOthers } }

  func commit(_ parts: [(sink: String, pending: [PendingCommit])], owner: JobOwner) throws -> [CommitOutcome] {
    try loseSometimes("before")
    let outcomes = try state.withLock { state in
      if let sick, parts.contains(where: { $0.sink == sick }), state.commitsOfOthers < sickUntil {
        throw SinkError(sink: sick, severity: severity, message: "its own target fails")
      }
      var next = state
      let outcomes = try parts.map { try Self.apply($0.sink, $0.pending, owner, &next) }
      next.commitsOfOthers += parts.contains { $0.sink == sick } ? 0 : 1
      if parts.count > 1 { next.jointCommits += 1 }
      let checkpoints = Set(next.positions.values.map(\.checkpoint))
      next.isEverTorn = next.isEverTorn || checkpoints.count > 1
      state = next
      return outcomes
    }
    try loseSometimes("after")
    return outcomes
  }

  private static func apply(
    _ sink: String, _ pending: [PendingCommit], _ owner: JobOwner, _ state: inout State
  ) throws -> CommitOutcome {
    switch PendingCommit.decide(pending, stored: state.positions[sink], owner: owner) {
    case .conflict(let conflict): throw conflict
    case .skip: return CommitOutcome(rowsApplied: 0, wasSkipped: true)
    case .apply(let rest):
      for commit in rest {
        let text = String(decoding: commit.payload, as: UTF8.self)
        state.rows[sink, default: []] += text.split(separator: "\n").map(String.init)
        state.positions[sink] = SinkPosition(owner: owner, checkpoint: commit.checkpoint, sources: commit.sources)
      }
      return CommitOutcome(rowsApplied: rest.reduce(0) { $0 + $1.rows })
    }
  }

  private func loseSometimes(_ moment: String) throws {
    guard random.next() % 3 == 0 else { return }
    let loses = state.withLock { state in
      state.losses -= 1
      return state.losses >= 0
    }
    if loses { throw SinkError(sink: "the catalog", severity: .transient, message: "lost \(moment) the commit") }
  }
}

private struct SharedSink: SinkConnector {
  let name: String
  let target: SharedTarget

  var commitGroup: String? { "shared" }
  var commitsGroups: Bool { true }

  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID {
    try target.state.withLock { state in
      switch owner.claim(sink: name, stored: state.positions[name], newest: newest) {
      case .claim(let position):
        state.positions[name] = position
        return position.checkpoint
      case .conflict(let conflict): throw conflict
      }
    }
  }

  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter { FakeWriter() }

  func commit(
    _ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore
  ) async throws -> CommitOutcome {
    try await commit([pending], owner: owner, files: files)
  }

  func commit(
    _ pending: [PendingCommit], owner: JobOwner, files: any PendingFileStore
  ) async throws -> CommitOutcome {
    try target.commit([(name, pending)], owner: owner)[0]
  }

  func commit(
    together parts: [SinkCommits], owner: JobOwner, files: any PendingFileStore
  ) async throws -> [CommitOutcome] {
    if target.refusesJointCommits { throw SeparateCommits(reason: "it was told to refuse") }
    let named = parts.compactMap { part in
      (part.connector as? SharedSink).map { (sink: $0.name, pending: part.pending) }
    }
    return try target.commit(named, owner: owner)
  }

  func close() async {}
}
