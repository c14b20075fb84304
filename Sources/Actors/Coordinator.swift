import Checkpointing
import Columnar
import Logging
import Runtime
import Synchronization

/// How a region ended without a failure.
enum CoordinatorOutcome: Hashable, Sendable {
  /// Every source was read to its end, and everything is committed.
  case sourcesEnded
  /// The job was asked to stop, and everything is committed.
  case stopped
}

/// Runs the checkpoint protocol of one region: feeds what happens to the machine that decides, and carries its
/// decisions out. One loop, one mailbox; storing runs beside it.
actor Coordinator {
  private let job: JobContext
  private let wiring: Wiring
  private let partitions: [(PartitionID, Inbox<PartitionCommand>)]
  private let writer: CheckpointWriter
  /// Whether the job ends when all partitions have; otherwise others may appear.
  private let endsWithSources: Bool
  private let storing = Inbox<StoreRequest>(capacity: 4)
  private let reports = Newest<SourcePositions>()

  private var machine: CheckpointCoordinatorMachine
  private var collected: [CheckpointID: CollectedCheckpoint] = [:]
  private var sealed: [SealedCommit: SealedEpoch] = [:]
  /// By checkpoint, also an abandoned one: where the partitions stood at its barrier. A sink seals only after all partitions
  /// that feed it have answered, so these are the positions that its epoch covers.
  private var barriers: [CheckpointID: SourcePositions] = [:]
  private var ended: Set<PartitionID> = []
  private var endedWindows = 0
  private var isEnding: CoordinatorOutcome?
  private var positions: [CheckpointID: SourcePositions] = [:]
  private var finished = false

  private struct StoreRequest: Sendable {
    let collected: CollectedCheckpoint
    let sealed: [(SealedCommit, SealedEpoch, SourcePositions)]
  }

  init(
    job: JobContext, wiring: Wiring, restored: RestoredState, endsWithSources: Bool,
    partitions: [(PartitionID, Inbox<PartitionCommand>)]
  ) {
    self.job = job
    self.wiring = wiring
    self.partitions = partitions
    self.endsWithSources = endsWithSources
    writer = CheckpointWriter(job: job, wiring: wiring, missing: restored.missing)
    let now = job.clock.monotonicNanoseconds()
    let settings = job.settings
    machine = CheckpointCoordinatorMachine(
      policy: CheckpointPolicy(
        interval: settings.checkpointInterval, minimumPause: settings.checkpointPause,
        timeout: settings.checkpointTimeout,
        maxBacklog: settings.checkpointBacklog, retain: settings.checkpointRetain),
      sinks: Dictionary(uniqueKeysWithValues: wiring.sinks.map { ($0, job.ledger.committed($0)) }),
      pending: job.ledger.uncommitted.map { SealedCommit(sink: $0.sink, checkpoint: $0.checkpoint) },
      stored: restored.stored, highest: job.store.store.highestCheckpoint,
      allowances: Dictionary(uniqueKeysWithValues: wiring.sinks.map { ($0, job.backlogAllowance($0)) }), now: now)
    if let manifest = restored.manifest { positions[manifest.checkpoint] = manifest.sourcePositions }
  }

  /// Runs until everything is committed after the sources ended or the job was asked to stop, or the task is cancelled.
  func run() async throws -> CoordinatorOutcome {
    try await withThrowingTaskGroup(of: CoordinatorOutcome?.self) { group in
      group.addTask { try await self.decide() }
      group.addTask { [storing, writer, job] in
        try await Self.store(storing, writer, job)
        return nil
      }
      group.addTask { [reports, job] in
        while true {
          if let reached = reports.take() { await Self.report(reached, job) }
          try await reports.signal.wait()
        }
      }
      defer { group.cancelAll() }
      while let outcome = try await group.next() {
        if let outcome { return outcome }
      }
      throw CancellationError()
    }
  }

  // MARK: Deciding

  private func decide() async throws -> CoordinatorOutcome {
    var participants = Set(wiring.partitions.map(\.description)).union(wiring.sinks)
    for stage in wiring.graph.stages.indices {
      for shard in 0..<wiring.parallelism { participants.insert(windowName(stage, shard)) }
    }
    try await perform(machine.regionStarted(participants: participants, now: now))
    // Without a partition nobody would pass a barrier on, and there is nothing to commit.
    if partitions.isEmpty { return .sourcesEnded }
    while true {
      for event in job.events.drain() { try await handle(event) }
      try await perform(machine.timeAdvanced(to: now))
      if finished, let isEnding {
        if let reached = reports.take() { await Self.report(reached, job) }
        return isEnding
      }
      try await sleep()
    }
  }

  private func sleep() async throws {
    if let deadline = machine.nextDeadline {
      try await job.events.signal.wait(until: max(deadline, now + 1_000_000), clock: job.clock)
    } else {
      try await job.events.signal.wait()
    }
  }

  private var now: Int64 { job.clock.monotonicNanoseconds() }

  private func windowName(_ stage: Int, _ shard: Int) -> String { "\(wiring.graph.stages[stage].id) shard \(shard)" }

  private func handle(_ event: CoordinatorEvent) async throws {
    switch event {
    case .partitionAcknowledged(let partition, let checkpoint, let snapshot):
      collected[checkpoint]?.partitions[partition] = snapshot
      barriers[checkpoint, default: SourcePositions()][partition] = snapshot.nextOffset
      checkAccount(partition, snapshot)
      try await perform(machine.acknowledged(partition.description, checkpoint, now: now))
    case .windowAcknowledged(let stage, let shard, let checkpoint, let snapshot):
      collected[checkpoint]?.windows[.window(stage: stage, shard: shard)] = snapshot
      try await perform(machine.acknowledged(windowName(stage, shard), checkpoint, now: now))
    case .sinkAcknowledged(let sink, let checkpoint, let epoch):
      sealed[SealedCommit(sink: sink, checkpoint: checkpoint)] = epoch
      try await perform(machine.acknowledged(sink, checkpoint, now: now))
    case .sinkEpochGrew: try await perform(machine.sinkEpochGrew(now: now))
    case .checkpointStored(let checkpoint, let commits, let bytes): try await stored(checkpoint, commits, bytes)
    case .checkpointFailed(let checkpoint, let reason):
      try await perform(machine.manifestFailed(checkpoint, reason: reason, now: now))
    case .committed(let sink, let checkpoint):
      try await perform(machine.committed(SealedCommit(sink: sink, checkpoint: checkpoint), now: now))
    case .triggered: try await perform(machine.triggered(now: now))
    case .partitionEnded(let partition):
      ended.insert(partition)
      try await endIfComplete()
    case .windowEnded:
      endedWindows += 1
      try await endIfComplete()
    case .stopRequested: try await end(.stopped)
    }
  }

  /// Bounded sources have ended when every partition has, and every window actor has fired what was left.
  private func endIfComplete() async throws {
    let windows = wiring.graph.stages.count * wiring.parallelism
    guard endsWithSources, ended.count == wiring.partitions.count, endedWindows == windows else { return }
    try await end(.sourcesEnded)
  }

  private func end(_ outcome: CoordinatorOutcome) async throws {
    guard isEnding == nil else { return }
    isEnding = outcome
    job.ledger.hurry()
    for signal in job.committerSignals.values { signal.notify() }
    for (_, inbox) in partitions { tell(inbox, .drain) }
    try await perform(machine.finalRequested(now: now))
  }

  /// A partition's inbox holds far more commands than one checkpoint in flight can cause; a lost one would only be a
  /// checkpoint that times out, and says so.
  private func tell(_ inbox: Inbox<PartitionCommand>, _ command: PartitionCommand) { _ = inbox.post(command) }

  private func checkAccount(_ partition: PartitionID, _ snapshot: PartitionSnapshot) {
    for (branch, account) in snapshot.accounts where account.total != snapshot.records {
      job.logger.critical(
        "rows are not accounted for",
        metadata: [
          "partition": "\(partition)", "statement": "\(branch)", "read": "\(snapshot.records)",
          "accounted": "\(account.total)"
        ])
      job.metrics.accountingMismatch()
    }
  }

  // MARK: Performing

  private func perform(_ actions: [CheckpointAction]) async throws {
    for action in actions {
      switch action {
      case .injectBarrier(let checkpoint, let trigger): inject(checkpoint, trigger)
      case .storeManifest(let checkpoint, let commits): try requestStore(checkpoint, commits)
      case .commit(let commit): job.committerSignals[commit.sink]?.notify()
      case .abandon(let checkpoint, let reason): abandon(checkpoint, reason)
      case .pauseSources: setPaused(true)
      case .resumeSources: setPaused(false)
      case .reportPositions(let checkpoint): report(checkpoint)
      case .deleteCheckpoints(let last): await delete(through: last)
      case .finished: finished = true
      }
    }
  }

  private func inject(_ checkpoint: CheckpointID, _ trigger: CheckpointTrigger) {
    collected = [checkpoint: CollectedCheckpoint(checkpoint: checkpoint)]
    job.history.started(checkpoint, at: job.clock.wallMicroseconds(), monotonic: now)
    for (_, inbox) in partitions { tell(inbox, .barrier(checkpoint)) }
    job.logger.debug("checkpoint started", metadata: ["checkpoint": "\(checkpoint)", "trigger": "\(trigger.rawValue)"])
  }

  private func requestStore(_ checkpoint: CheckpointID, _ commits: [SealedCommit]) throws {
    guard var parts = collected.removeValue(forKey: checkpoint) else { return }
    parts.endedPartitions = ended
    let reached = parts.positions
    let epochs = commits.compactMap { commit in
      sealed[commit].map { (commit, $0, barriers[commit.checkpoint] ?? reached) }
    }
    positions[checkpoint] = reached
    job.history.isBeingStored(checkpoint)
    guard storing.post(StoreRequest(collected: parts, sealed: epochs)) else { throw MailboxOverflow() }
  }

  private func stored(_ checkpoint: CheckpointID, _ commits: [PendingCommit], _ bytes: Int) async throws {
    job.ledger.add(commits)
    for commit in commits {
      sealed[SealedCommit(sink: commit.sink, checkpoint: commit.checkpoint)] = nil
      let pending = job.ledger.pendingCount(commit.sink)
      job.boards.sink(commit.sink).update { $0.pendingCommits = pending }
      // A committer that waits for its interval stops waiting when it holds more than it may.
      if pending >= job.backlogAllowance(commit.sink) { job.committerSignals[commit.sink]?.notify() }
    }
    // Later manifests name later epochs only.
    barriers = barriers.filter { $0.key > checkpoint }
    if let seconds = job.history.completed(checkpoint, bytes: bytes, monotonic: now) {
      job.metrics.checkpointCompleted(seconds: seconds, bytes: bytes)
    }
    try await perform(machine.manifestStored(checkpoint, now: now))
  }

  private func abandon(_ checkpoint: CheckpointID, _ reason: String) {
    collected[checkpoint] = nil
    job.history.failed(checkpoint, reason: reason, monotonic: now)
    job.metrics.checkpointFailed()
    job.logger.warning(
      "checkpoint abandoned; it is tried again", metadata: ["checkpoint": "\(checkpoint)", "reason": "\(reason)"])
  }

  private func setPaused(_ isPaused: Bool) {
    for (_, inbox) in partitions { tell(inbox, isPaused ? .pause : .resume) }
    guard isPaused else {
      job.logger.notice("sources go on: the sinks have caught up")
      return
    }
    if machine.consecutiveFailures > 0 {
      job.logger.warning(
        "sources pause: checkpoints do not complete", metadata: ["failures": "\(machine.consecutiveFailures)"])
      return
    }
    let slowest = wiring.sinks.max { job.ledger.pendingCount($0) < job.ledger.pendingCount($1) } ?? ""
    job.logger.warning(
      "sources pause: a sink is behind",
      metadata: ["sink": "\(slowest)", "checkpoints": "\(job.ledger.pendingCount(slowest))"])
  }

  /// Leaves it to a task beside the loop: a source whose broker is away answers after tens of seconds.
  private func report(_ checkpoint: CheckpointID) {
    guard let reached = positions[checkpoint] else { return }
    positions = positions.filter { $0.key > checkpoint }
    reports.put(reached)
  }

  private static func report(_ reached: SourcePositions, _ job: JobContext) async {
    for (_, connector) in job.sources.sorted(by: { $0.key < $1.key }) { await connector.report(committed: reached) }
  }

  private func delete(through checkpoint: CheckpointID) async {
    do {
      try await job.store.delete(through: checkpoint)
    } catch {
      job.logger.warning("an old checkpoint could not be deleted", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Storing

  private static func store(_ requests: Inbox<StoreRequest>, _ writer: CheckpointWriter, _ job: JobContext) async throws
  {
    while true {
      for request in requests.drain() {
        let checkpoint = request.collected.checkpoint
        do {
          let written = try await writer.write(request.collected, sealed: request.sealed)
          try job.events.send(.checkpointStored(checkpoint, written.commits, bytes: written.bytes))
        } catch let error as SnapshotStoreError {
          try job.events.send(.checkpointFailed(checkpoint, reason: error.description))
        }
      }
      try await requests.signal.wait()
    }
  }
}
