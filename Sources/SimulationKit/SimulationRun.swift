import Actors
import Checkpointing
import Columnar
import Logging
import Runtime
import SQL
import Sinks

/// Runs the real job in a simulated world, from one seed.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, like its ``SimulatedWorld``.
final class SimulationRun: @unchecked Sendable {
  private let options: SimulationOptions
  private let world: SimulatedWorld
  private var workload: Workload
  private let peers: SimulatedPeers
  private let plan: JobPlan
  /// For each parallelism; whoever restarts a job may give it another one. The first is that of the first process.
  private let settings: [Settings]
  private var scale: SeededGenerator
  private var chosenSettings = 0
  private let calmAt: Int64
  private var driver: SeededGenerator
  private var current: RunningProcess?
  private var retired: [RunningProcess] = []
  private var refusal: String?
  private var isDone = false
  private var checkpoints: UInt64 = 0
  private var exitsInCalm = 0
  /// Whether the run is to find out what sinks must hold.
  private var isReference = false

  /// A process with the job that it runs.
  ///
  /// `@unchecked Sendable`: like the run that owns it, touched on the simulation's one thread only.
  private final class RunningProcess: @unchecked Sendable {
    let process: SimulatedProcess
    var engine: Engine?
    var outcome: Result<JobSummary, any Error>?
    var isRelieved = false
    var stopRequested = false
    init(_ process: SimulatedProcess) { self.process = process }
  }

  /// A run; nothing happens yet.
  /// - Throws: when the workload's SQL or the settings are refused, which is a mistake of the simulator.
  init(_ options: SimulationOptions) throws {
    self.options = options
    var root = SeededGenerator(seed: options.seed)
    driver = root.branch("driver")
    let faults = FaultPlan(drawing: options.faults, from: &root)
    var shape = root.branch("workload")
    let kinds = SinkKind.allCases
    let drawn = kinds[Int.random(in: 0..<kinds.count, using: &driver)]
    let sinks = options.pipeline == nil ? options.sinks ?? drawn : .table
    if let pipeline = options.pipeline {
      plan = try SQLFile.plan(pipeline, fileName: "pipeline") { options.environment[$0] }
      workload = try Workload(pipeline: plan, sql: pipeline, drawing: &shape)
    } else {
      workload = Workload(sinks: sinks, addsPartition: faults.has(.rebalance), drawing: &shape)
      plan = try SQLFile.plan(workload.sql, fileName: "workload.sql") { _ in nil }
    }
    world = SimulatedWorld(
      seed: options.seed, faults: faults, withheld: options.withheld, faultBudget: options.faultBudget,
      trace: SimulationTrace(keeping: options.traceLines))
    let world = world
    peers = try SimulatedPeers(
      world, kind: sinks,
      topics: workload.topics.map { SimulatedTopic(source: $0.source, partitions: $0.partitions, in: world) })
    settings = try Self.settings(&driver)
    scale = root.branch("scale")
    calmAt = workload.lastArrival + Int64.random(in: 100_000_000...3_000_000_000, using: &driver)
  }

  private static func settings(_ random: inout SeededGenerator) throws -> [Settings] {
    func pick(_ values: [String]) -> String { values[Int.random(in: 0..<values.count, using: &random)] }
    let parallelism = pick(["1", "2", "3"])
    let flags = [
      "WEIR_KEY_GROUPS": pick(["4", "16"]),
      "WEIR_BATCH_ROWS": pick(["1", "7", "64", "1024"]), "WEIR_BATCH_LINGER": pick(["0s", "5ms", "200ms"]),
      "WEIR_CHANNEL_BATCHES": pick(["1", "2", "8"]), "WEIR_IDLE_TIMEOUT": "1d",
      "WEIR_CHECKPOINT_INTERVAL": pick(["50ms", "200ms", "1s"]), "WEIR_CHECKPOINT_TIMEOUT": pick(["500ms", "10s"]),
      "WEIR_CHECKPOINT_RETAIN": pick(["1", "3"]), "WEIR_CHECKPOINT_BACKLOG": pick(["1", "4"]),
      "WEIR_RESTART_BACKOFF": "10ms", "WEIR_RESTART_BACKOFF_MAX": "500ms", "WEIR_MAX_RESTARTS": pick(["3", "1000"]),
      "WEIR_DISCOVERY_INTERVAL": pick(["200ms", "2s"])
    ]
    return try ([parallelism] + ["1", "2", "3"].filter { $0 != parallelism }).map {
      try Settings(flags: flags.merging(["WEIR_PARALLELISM": $0]) { $1 }, environment: [:], cores: 1)
    }
  }

  /// A position says which records a table's rows come from: those, and no others.
  private func checkPosition(_ table: SimulatedTable) {
    guard table.name == "passed", let position = table.position else { return }
    var expected = 0
    for (partition, offsets) in workload.passedOffsets.enumerated() {
      let next = position.sources[PartitionID(source: Workload.source, name: String(partition))] ?? 0
      expected += offsets.prefix { $0 < next }.count
    }
    if table.rows.count != expected {
      world.violate(
        "passed holds \(table.rows.count) rows at checkpoint \(position.checkpoint), and its position covers \(expected)"
      )
    }
  }

  /// Runs to the end. For a user's file another run, to which nothing happens, first finds out what its sinks must hold.
  func run() throws -> SimulationResult {
    if options.pipeline != nil, !isReference {
      var calm = options
      calm.withheld = Set(Fault.allCases)
      calm.traceLines = 0
      let reference = try SimulationRun(calm)
      reference.isReference = true
      let result = try reference.run()
      guard result.violation == nil else { return result }
      workload = reference.workload
    }
    world.trace(
      "seed \(options.seed) sinks \(peers.kind.rawValue) faults \(world.faults.strengths.keys.map(\.rawValue).sorted())"
    )
    if !workload.passedOffsets.isEmpty { peers.committed = { [unowned self] in checkPosition($0) } }
    start()
    plotEvents()
    let limit = calmAt + 900_000_000_000
    while world.violation == nil, !isDone {
      let deadline = world.isCalm ? limit : calmAt
      let needsAttention = world.run(until: deadline) { self.needsAttention }
      if needsAttention {
        attend()
      } else if !world.isCalm {
        // Also when nothing was left to do before: what waits for the calm goes on.
        becomeCalm()
      } else {
        world.violate(world.now > limit ? "no progress: the job does not end in calm weather" : "deadlock: \(standing)")
      }
    }
    if world.violation == nil { check() }
    for running in retired + [current].compactMap({ $0 }) where !running.process.hasFinished {
      running.process.die()
      running.process.buryIfDead()
    }
    return result
  }

  private var standing: String {
    "calm \(world.isCalm), delivered \(peers.topics.map(\.delivered)), processes \(world.processes.count)"
  }

  private var result: SimulationResult {
    SimulationResult(
      seed: options.seed, sinks: peers.kind, violation: world.violation, refusal: refusal, injected: world.injected,
      processes: world.processes.count, checkpoints: checkpoints, records: workload.records, virtualTime: world.now,
      steps: world.steps, digest: world.record.digest,
      trace: world.record.lines)
  }

  // MARK: Processes

  private func start() {
    let skew =
      world.strikes(.clockSkew, "start") ? Int64.random(in: -3_600_000_000...3_600_000_000, using: &driver) : 0
    let process = SimulatedProcess(in: world, skew: skew)
    let running = RunningProcess(process)
    current = running
    if process.number > 1, scale.chance(0.3) { chosenSettings = Int.random(in: settings.indices, using: &scale) }
    world.trace("process \(process.number) starts with \(settings[chosenSettings].parallelism) shards")
    for topic in peers.topics { topic.forgetDelivery(to: process) }
    let logger = Logger(label: "sim") { _ in SimulatedLog(self.world, process) }
    let random = SeededRandom(seed: driver.next())
    process.start {
      try await self.work(running, random, logger)
    } ended: { outcome in
      running.outcome = outcome
    }
  }

  private func work(_ running: RunningProcess, _ random: SeededRandom, _ logger: Logger) async throws -> JobSummary {
    let process = running.process
    let store = try peers.store(process, random)
    defer { store.close() }
    let engine = Engine(
      plan: plan, job: SimulatedPeers.job, settings: settings[chosenSettings],
      factory: peers.factory(process, logger: logger),
      store: SnapshotStoreActor(store: store, lane: Lane(name: "checkpoints")), clock: process.clock, random: random,
      logger: logger)
    running.engine = engine
    defer { checkpoints = max(checkpoints, store.highestCheckpoint.number) }
    return try await withThrowingTaskGroup(of: JobSummary?.self) { group in
      group.addTask { try await engine.run(untilEnd: self.workload.isBounded) }
      group.addTask {
        try await self.peers.maintain(process)
        return nil
      }
      defer { group.cancelAll() }
      while let outcome = try await group.next() {
        if let outcome { return outcome }
      }
      throw CancellationError()
    }
  }

  private var needsAttention: Bool {
    guard let current else { return true }
    if current.process.hasFinished || current.process.isDead || current.isRelieved { return true }
    return world.isCalm && current.engine != nil && !current.stopRequested && !workload.isBounded && isDelivered
  }

  /// Whether the newest process has read everything.
  private var isDelivered: Bool {
    peers.topics.allSatisfy { topic in
      topic.partitions.indices.allSatisfy { topic.delivered[$0] >= topic.finalEnd(of: $0) }
    }
  }

  /// What befalls processes from outside, at moments that the seed decides.
  private func plotEvents() {
    for (fault, most, action) in [
      (Fault.takeover, 2, takeOver), (.clockJump, 3, jumpClock)
    ] as [(Fault, Int, () -> Void)] where world.faults.has(fault) {
      for _ in 0..<Int.random(in: 0...most, using: &driver) {
        world.after(Int64.random(in: 0...calmAt, using: &driver)) { action() }
      }
    }
  }

  private func jumpClock() {
    guard let current, world.inject(.clockJump, "process \(current.process.number)") else { return }
    current.process.clock.skew += Int64.random(in: -7_200_000_000...7_200_000_000, using: &driver)
  }

  /// The process is believed dead: its volume goes to a successor while it still runs.
  private func takeOver() {
    guard let running = current, !running.process.isDead, !running.process.hasFinished,
      world.inject(.takeover, "process \(running.process.number)")
    else { return }
    peers.disk.detach(running.process)
    if driver.chance(0.5) {
      running.process.stalledUntil = world.now + Int64.random(in: 0...2_000_000_000, using: &driver)
    }
    running.isRelieved = true
  }

  private func becomeCalm() {
    world.now = max(world.now, calmAt)
    world.isCalm = true
    world.trace("calm from here")
  }

  /// Something happened to the newest process: act as whoever runs containers would.
  private func attend() {
    guard let running = current else { return }
    if !running.process.isDead, !running.process.hasFinished, !running.isRelieved {
      running.stopRequested = true
      world.trace("stop process \(running.process.number)")
      running.engine?.stop()
      return
    }
    if !running.process.isDead, !running.isRelieved, let outcome = running.outcome, ended(running, outcome) { return }
    retired.append(running)
    current = nil
    let pause = Int64.random(in: 1_000_000...2_000_000_000, using: &driver)
    var isDue = false
    world.after(pause) { isDue = true }
    world.run(until: .max) { isDue }
    if world.violation == nil { start() }
  }

  /// Judges how a process ended by itself; whether the run is over.
  private func ended(_ running: RunningProcess, _ outcome: Result<JobSummary, any Error>) -> Bool {
    switch outcome {
    case .success:
      guard workload.isBounded || running.stopRequested else {
        world.violate("the job ended without being asked")
        return true
      }
      // A dataflow that failed while it was asked to end has not read everything again: the next process does.
      guard workload.isBounded || peers.topics.allSatisfy(\.isCommitted) else { return false }
      isDone = true
      return true
    case .failure(let error):
      world.trace("process \(running.process.number) ended: \(error)")
      return gaveUp(error)
    }
  }

  /// A process ended with an error; whether the run is over. Whoever runs containers starts them again.
  private func gaveUp(_ error: any Error) -> Bool {
    let isFatal =
      switch error {
      case is PositionConflict, is IncompatibleCheckpoint: true
      case let error as SnapshotStoreError: error.code == .corrupt
      case let error as SourceError: error.severity == .fatal
      default: false
      }
    exitsInCalm += world.isCalm ? 1 : 0
    guard isFatal || exitsInCalm > 5 else { return false }
    isDone = true
    if world.isExcused {
      refusal = "\(error)"
    } else {
      world.violate("the job gave up: \(error)")
    }
    return true
  }

  // MARK: The end

  /// What the sinks hold becomes what they must hold: of a run to which nothing happened.
  private func adopt() async throws {
    for (name, table) in plan.tables where plan.scans[name] == nil {
      workload.expected[name] = try await peers.rows(table)
    }
    workload.dead = kept(.deadLetter)
    workload.late = kept(.late)
  }

  /// Compares what is there with what must be, with the library's own readers on a world that is calm.
  private func check() {
    world.isCalm = true
    let checker = SimulatedProcess(in: world)
    checker.start {
      await self.peers.settle()
      if self.isReference { return try await self.adopt() }
      let isPartial = self.refusal != nil
      // A disk that lies about what it keeps may lose what was delivered to it; nobody could notice.
      let lies = self.world.isExcused
      for (name, rows) in self.workload.expected.sorted(by: { $0.key < $1.key }) {
        guard let table = self.plan.tables[name] else { continue }
        let found = try await self.peers.rows(table)
        self.compare(name, found, rows, isPartial, isDamaged: self.peers.kind == .file && lies)
      }
      self.peers.checkStrangers()
      self.compare("dead letters", self.kept(.deadLetter), self.workload.dead, isPartial, isDamaged: lies)
      self.compare("late rows", self.kept(.late), self.workload.late, isPartial, isDamaged: lies)
    } ended: { outcome in
      guard case .failure(let error) = outcome else { return }
      if self.world.isExcused {
        self.refusal = "\(error)"
      } else {
        self.world.violate("the content cannot be read: \(error)")
      }
    }
    world.run(until: .max) { checker.hasFinished }
  }

  private func kept(_ kind: SinkConnectors.KeptKind) -> [String] {
    peers.kept(kind).map { row in
      ["source", "partition", "offset"].map { Self.field($0, row) }.joined(separator: "/")
    }
  }

  private static func field(_ name: String, _ json: String) -> String {
    guard let range = json.firstRange(of: "\"\(name)\":") else { return "?" }
    return String(json[range.upperBound...].prefix { $0 != "," && $0 != "}" }.filter { $0 != "\"" })
  }

  /// Compares multisets. A job that refused to go on may hold less, never anything else.
  ///
  /// - Parameter isDamaged: the rows are on a disk that lied: some may be gone or unreadable, none may be there twice.
  private func compare(
    _ name: String, _ found: [String], _ expected: [String], _ isPartial: Bool, isDamaged: Bool
  ) {
    var counts: [String: Int] = [:]
    for row in expected { counts[row, default: 0] += 1 }
    for row in found where !isDamaged || counts[row] != nil { counts[row, default: 0] -= 1 }
    let missing = counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }
    let extra = counts.filter { $0.value < 0 }.sorted { $0.key < $1.key }
    guard !extra.isEmpty || (!missing.isEmpty && !isPartial && !isDamaged) else { return }
    world.violate(
      "\(name): expected \(expected.count) rows, found \(found.count)"
        + (missing.first.map { "; missing \($0.key) and \(missing.count - 1) more" } ?? "")
        + (extra.first.map { "; too many \($0.key) and \(extra.count - 1) more" } ?? ""))
  }
}
