import Checkpointing
import Columnar
import Formats
import Logging
import Operators
import Runtime
import SQL
import Synchronization

/// Runs one job: claims its sinks, restores its state, supervises its region, and tells how it stands.
///
/// ```
/// job ─┬─ committers   one per sink, or group of sinks; each tries again by itself
///      ├─ publisher    boards → metrics
///      └─ region       all for one: restarts from the last checkpoint
/// ```
public final class Engine: JobHandle {
  private struct State {
    var jobState = JobStatus.State.starting
    var reason: String?
    var context: JobContext?
    var stopRequested = false
    /// Whether the newest region got as far as running.
    var regionDidRun = false
    /// With `--until-end`: where reading ends, once the sources could be asked. It stays the same over restarts.
    var endOffsets: [PartitionID: Int64]?
  }

  let name: String
  let settings: Settings
  let plan: JobPlan
  let graph: JobGraph
  let factory: ConnectorFactory
  let store: SnapshotStoreActor
  let clock: any EngineClock
  let random: any RandomSource
  let logger: Logger
  private let startedAt: WallTime
  let events = Inbox<CoordinatorEvent>(capacity: 1 << 16)
  let history = JobHistory()
  private let state = Mutex(State())

  /// An engine for `plan`.
  ///
  /// - Parameters:
  ///   - plan: the bound SQL file.
  ///   - name: the job's name: it names the checkpoints, the positions in the sinks and the metrics.
  ///   - settings: how to run it.
  ///   - factory: connects sources and sinks.
  ///   - store: the job's checkpoint store, opened; this instance is its `owner`.
  ///   - clock: the time.
  ///   - random: randomness for back-off.
  ///   - logger: where to log.
  public init(
    plan: JobPlan, job name: String, settings: Settings, factory: ConnectorFactory, store: SnapshotStoreActor,
    clock: any EngineClock, random: any RandomSource, logger: Logger
  ) {
    self.plan = plan
    self.name = name
    self.settings = settings
    self.factory = factory
    self.store = store
    self.clock = clock
    self.random = random
    var logger = logger
    logger[metadataKey: "job"] = "\(name)"
    self.logger = logger
    graph = JobGraph(plan)
    startedAt = WallTime(microseconds: clock.wallMicroseconds())
  }

  // MARK: Running

  /// Runs the job until its sources end, it is asked to stop, or it cannot go on.
  ///
  /// - Parameter untilEnd: whether to read only up to the offsets that are the ends now.
  /// - Returns: what was done.
  /// - Throws: ``SourceError``, ``SinkError``, ``Checkpointing/PositionConflict``, ``Runtime/SnapshotStoreError``,
  ///   ``IncompatibleCheckpoint``, ``Runtime/RestartLimitError``: the job is stopped, and nothing that it delivered is lost.
  public func run(untilEnd: Bool = false) async throws -> JobSummary {
    do {
      let outcome = try await runJob(untilEnd: untilEnd)
      transition(.finished, reason: outcome == .stopped ? "stopped as asked" : "the sources ended")
      return summary()
    } catch {
      transition(.failed, reason: "\(error)")
      throw error
    }
  }

  /// Asks the job to end: sources stop, a last checkpoint is taken and committed. Returns at once.
  public func stop() {
    state.withLock { $0.stopRequested = true }
    transition(.stopping, reason: nil)
    _ = events.post(.stopRequested)
  }

  private func runJob(untilEnd: Bool) async throws -> CoordinatorOutcome {
    let restored = try await restore()
    let context = try makeContext()
    state.withLock { $0.context = context }
    defer { context.lanes.stop() }
    do {
      try await claim(context, restored)
      let outcome = try await supervise(context, untilEnd: untilEnd)
      await close(context)
      return outcome
    } catch is StoppedWhileStarting {
      await close(context)
      return .stopped
    } catch {
      await close(context)
      throw error
    }
  }

  private func supervise(_ context: JobContext, untilEnd: Bool) async throws -> CoordinatorOutcome {
    try await withThrowingTaskGroup(of: CoordinatorOutcome?.self) { group in
      for committer in makeCommitters(context) {
        group.addTask {
          try await committer()
          return nil
        }
      }
      group.addTask {
        try await self.publish(context)
        return nil
      }
      group.addTask { try await self.superviseRegion(context, untilEnd: untilEnd) }
      defer { group.cancelAll() }
      while let outcome = try await group.next() {
        if let outcome { return outcome }
      }
      throw CancellationError()
    }
  }

  private func superviseRegion(_ context: JobContext, untilEnd: Bool) async throws -> CoordinatorOutcome {
    let supervisor = Supervisor(
      name: "region", policy: RestartPolicy(settings), clock: clock, random: random, logger: logger,
      classify: FailureClass.region)
    return try await supervisor.run(
      onRestart: { error, _ in
        self.history.restarted("region", reason: "\(error)", at: self.clock.wallMicroseconds())
        context.metrics.restarted()
        self.transition(.restarting, reason: "\(error)")
      },
      { _ in
        while true {
          if self.mayStopWithoutRegion { return .stopped }
          do {
            return try await self.runRegion(context, untilEnd: untilEnd)
          } catch is StoppedWhileStarting {
            return .stopped
          } catch is TopologyChanged {
            self.logger.notice("partitions appeared; the region is built anew to read them")
          }
        }
      })
  }

  /// Whether an end was asked for while no region runs or can run: then there is nothing to take a checkpoint of.
  var mayStopWithoutRegion: Bool { state.withLock { $0.stopRequested && !$0.regionDidRun } }

  private func runRegion(_ context: JobContext, untilEnd: Bool) async throws -> CoordinatorOutcome {
    state.withLock { $0.regionDidRun = false }
    let endOffsets = untilEnd ? try await fixedEndOffsets(context) : nil
    var restored = try await restore()
    try checkNotAhead(context, restored)
    await removeStrayFiles()
    context.ledger.add(restored.manifest?.pendingCommits ?? [])
    for signal in context.committerSignals.values { signal.notify() }
    let partitions = try await discover(context, endOffsets: endOffsets)
    restored.missing = restored.missing(from: partitions)
    try await checkMissing(context, restored)
    let wiring = Wiring(
      graph: graph, partitions: partitions, parallelism: settings.parallelism, kept: context.kept)
    _ = events.drain()
    let region = try await RegionBuilder(job: context, wiring: wiring, restored: restored, endOffsets: endOffsets)
      .build()
    history.regionStarted(monotonic: clock.monotonicNanoseconds())
    let isStopping = state.withLock { state in
      state.regionDidRun = true
      return state.stopRequested
    }
    if isStopping {
      _ = events.post(.stopRequested)
    } else {
      transition(.running, reason: nil)
    }
    return try await region.run(watching: endOffsets == nil ? partitions : nil, context)
  }

  private func fixedEndOffsets(_ context: JobContext) async throws -> [PartitionID: Int64] {
    if let known = state.withLock({ $0.endOffsets }) { return known }
    let ends = try await endOffsets(context)
    state.withLock { $0.endOffsets = ends }
    return ends
  }

  private func transition(_ next: JobStatus.State, reason: String?) {
    state.withLock {
      if $0.jobState == .stopping, next == .running || next == .restarting { return }
      $0.jobState = next
      if let reason { $0.reason = reason }
    }
  }

  // MARK: Telling

  /// What the job tells about itself now.
  public func status() async -> JobStatus {
    let (current, reason, context) = state.withLock { ($0.jobState, $0.reason, $0.context) }
    var status = JobStatus(job: name, state: current, startedAt: startedAt)
    status.reason = reason
    status.reportedAt = WallTime(microseconds: clock.wallMicroseconds())
    status.lineage = store.store.owner.lineage
    status.attempt = store.store.owner.attempt
    context?.describe(into: &status)
    return status
  }

  /// Starts a checkpoint now.
  ///
  /// - Returns: the number of the checkpoint that was newest when it was asked for, plus one.
  /// - Throws: ``JobNotRunning``.
  public func triggerCheckpoint() async throws -> CheckpointID {
    guard state.withLock({ $0.jobState == .running }), events.post(.triggered) else { throw JobNotRunning() }
    let newest = history.checkpoints(monotonic: clock.monotonicNanoseconds()).first
    return CheckpointID(newest.map { $0.state == .inProgress ? $0.id : $0.id + 1 } ?? 1)
  }

  /// Whether the job makes progress, and who is the cause when it does not.
  public func readiness() async -> Readiness {
    let (current, reason, context) = state.withLock { ($0.jobState, $0.reason, $0.context) }
    switch current {
    case .starting: return Readiness(isReady: false, reason: "the job is starting")
    case .restarting: return Readiness(isReady: false, reason: "the region restarts: \(reason ?? "")")
    case .failed: return Readiness(isReady: false, reason: reason ?? "the job failed")
    case .stopping: return Readiness(isReady: false, reason: "the job is stopping")
    case .finished: return Readiness(isReady: true, reason: "the job has finished")
    case .running: return context?.progress(history) ?? Readiness(isReady: true, reason: "running")
    }
  }

  private func publish(_ context: JobContext) async throws {
    while true {
      context.publishMetrics(history)
      try await clock.sleep(for: 1_000_000_000)
    }
  }

  private func summary() -> JobSummary {
    let context = state.withLock { $0.context }
    return JobSummary(
      job: name, state: state.withLock { $0.jobState }, context: context, history: history,
      seconds: Double(clock.wallMicroseconds() - startedAt.microseconds) / 1e6)
  }
}
