/// When checkpoints are taken. Durations are nanoseconds.
public struct CheckpointPolicy: Hashable, Sendable {
  /// From the start of one checkpoint to the start of the next.
  public var interval: Int64
  /// At least this long after the end of one checkpoint before the next is started by time or by size.
  public var minimumPause: Int64
  /// A checkpoint that has not completed after this time is abandoned.
  public var timeout: Int64
  /// So many checkpoints may wait for the slowest sink, or for a manifest that can be stored; then the sources pause.
  public var maxBacklog: Int
  /// So many of the newest checkpoints are kept.
  public var retain: Int

  /// A policy; `maxBacklog` and `retain` are at least 1.
  public init(interval: Int64, minimumPause: Int64 = 0, timeout: Int64, maxBacklog: Int = 4, retain: Int = 3) {
    precondition(interval > 0 && timeout > 0 && minimumPause >= 0 && maxBacklog > 0 && retain > 0)
    self.interval = interval
    self.minimumPause = minimumPause
    self.timeout = timeout
    self.maxBacklog = maxBacklog
    self.retain = retain
  }
}

/// Why a checkpoint was started.
public enum CheckpointTrigger: String, Hashable, Sendable, Codable {
  /// Its time had come.
  case interval
  /// Somebody asked.
  case manual
  /// A sink had collected so much that it asked for an early one.
  case size
  /// The last one before the job ends.
  case final
}

/// One epoch that a sink sealed: the sink and the checkpoint whose barrier ended it.
public struct SealedCommit: Hashable, Sendable {
  /// The sink.
  public let sink: String
  /// The checkpoint.
  public let checkpoint: CheckpointID

  /// The epoch of `sink` that ended with `checkpoint`.
  public init(sink: String, checkpoint: CheckpointID) {
    self.sink = sink
    self.checkpoint = checkpoint
  }
}

/// What the coordinator's shell must do.
public enum CheckpointAction: Hashable, Sendable {
  /// Ask every source for this barrier.
  case injectBarrier(CheckpointID, CheckpointTrigger)
  /// Everybody has answered: store state and manifest. `sealed` are the epochs, in the order of commits per sink, that
  /// the manifest adds as pending commits; beside those of the checkpoint itself, those of abandoned ones before it,
  /// whose rows are in nobody else's.
  case storeManifest(CheckpointID, sealed: [SealedCommit])
  /// Let the sink commit this epoch; it is part of a stored checkpoint.
  case commit(SealedCommit)
  /// The checkpoint will not complete. Its barrier may still be under way; what sinks seal for it is carried over.
  case abandon(CheckpointID, reason: String)
  /// A sink's backlog is full, or that of epochs which no manifest names.
  case pauseSources
  /// The backlog has room again.
  case resumeSources
  /// Every sink holds this checkpoint: tell the sources how far that is, for monitoring.
  case reportPositions(CheckpointID)
  /// Nothing needs the checkpoints up to this one.
  case deleteCheckpoints(through: CheckpointID)
  /// The final checkpoint is committed everywhere: the job can end.
  case finished(CheckpointID)
}

/// Decides when checkpoints start, complete, are committed, given up and deleted.
///
/// One checkpoint is in flight at a time. Every method is an event and returns what to do, in order. Times are
/// monotonic nanoseconds. Answers to checkpoints that are over are ignored, except that a sink's sealed epoch is kept
/// until a manifest names it.
public struct CheckpointCoordinatorMachine: Sendable {
  private enum Phase: Hashable, Sendable {
    /// Nothing is in flight. To `.collecting` on a trigger.
    case idle
    /// The barrier was injected. To `.storing` when all have answered, to `.idle` when given up.
    case collecting(CheckpointID, CheckpointTrigger, startedAt: Int64, missing: Set<String>)
    /// The manifest is being written. To `.idle` when it is stored, or could not be.
    case storing(CheckpointID, CheckpointTrigger, startedAt: Int64, sealed: [SealedCommit])
  }

  private struct SinkProgress: Sendable {
    var committed = CheckpointID(0)
    /// Sealed, and in no manifest yet.
    var sealed: [CheckpointID] = []
    /// In a stored manifest, not confirmed.
    var pending: [CheckpointID] = []
    var isCommitting = false
    /// So many pending epochs wait because the sink commits at intervals.
    var allowance = 0
  }

  private let policy: CheckpointPolicy
  private var participants: Set<String> = []
  private var sinks: [String: SinkProgress]
  private var phase = Phase.idle
  private var nextNumber: UInt64
  /// Barriers below were injected into an earlier incarnation of the region; their answers mean nothing.
  private var firstOfRegion: CheckpointID
  private var stored: [CheckpointID]
  private var lastStart: Int64
  private var lastEnd: Int64
  private var wanted: CheckpointTrigger?
  private var isFinalWanted = false
  private var finalCheckpoint: CheckpointID?
  private var hasFinished = false
  private var reported = CheckpointID(0)
  /// After a failure: when the next checkpoint may start, unless somebody asks for one anew.
  private var retryAt = Int64.min

  /// Whether the sources are paused.
  public private(set) var isPaused = false
  /// Checkpoints that were given up since the last one that was stored.
  public private(set) var consecutiveFailures = 0

  /// A coordinator for a job that starts at `now`.
  ///
  /// - Parameters:
  ///   - policy: when checkpoints are taken.
  ///   - sinks: each sink and the checkpoint that it holds.
  ///   - pending: epochs of the restored checkpoint that are not committed yet, oldest first.
  ///   - stored: checkpoints in the store, oldest first.
  ///   - highest: the greatest number ever used; new checkpoints start above it.
  ///   - allowances: by sink, how many epochs wait for its commit interval; they do not count as a backlog.
  public init(
    policy: CheckpointPolicy, sinks: [String: CheckpointID], pending: [SealedCommit] = [], stored: [CheckpointID] = [],
    highest: CheckpointID = CheckpointID(0), allowances: [String: Int] = [:], now: Int64
  ) {
    self.policy = policy
    self.sinks = sinks.mapValues { SinkProgress(committed: $0) }
    for (sink, allowance) in allowances { self.sinks[sink]?.allowance = allowance }
    for commit in pending where commit.checkpoint > (sinks[commit.sink] ?? CheckpointID(0)) {
      self.sinks[commit.sink]?.pending.append(commit.checkpoint)
    }
    self.stored = stored
    nextNumber = max(highest.number, stored.last?.number ?? 0) + 1
    firstOfRegion = CheckpointID(nextNumber)
    lastStart = now
    lastEnd = now
  }

  // MARK: What others ask

  /// The checkpoint in flight.
  public var inFlight: CheckpointID? {
    switch phase {
    case .idle: nil
    case .collecting(let checkpoint, _, _, _), .storing(let checkpoint, _, _, _): checkpoint
    }
  }

  /// Up to where every sink has committed; without sinks, the newest stored checkpoint.
  public var committedByAll: CheckpointID {
    sinks.values.map(\.committed).min() ?? stored.last ?? CheckpointID(0)
  }

  /// How many epochs the slowest sink has sealed and not committed, those that wait for its interval left out.
  public var backlog: Int { sinks.values.map { uncommitted($0) + unstored($0) }.max() ?? 0 }

  private func uncommitted(_ sink: SinkProgress) -> Int { max(0, sink.pending.count - sink.allowance) }

  /// Epochs of abandoned checkpoints; they are committed once a later manifest names them.
  private func unstored(_ sink: SinkProgress) -> Int {
    let current = inFlight
    return sink.sealed.count { $0 != current }
  }

  /// Whether another checkpoint would only add to what the sinks have to commit. Epochs that no manifest names need one.
  private var mustWaitForSinks: Bool { sinks.values.contains { uncommitted($0) >= policy.maxBacklog } }

  /// When ``timeAdvanced(to:)`` has something to do; `nil`: not before another event.
  public var nextDeadline: Int64? {
    switch phase {
    case .idle:
      let isStopped = participants.isEmpty || finalCheckpoint != nil || hasFinished
      if isStopped || (mustWaitForSinks && !isFinalWanted) { return nil }
      if isFinalWanted { return max(lastEnd, retryAt) }
      let afterPause = max(lastEnd + policy.minimumPause, retryAt)
      return wanted != nil ? afterPause : max(lastStart + policy.interval, afterPause)
    case .collecting(_, _, let startedAt, _): return startedAt + policy.timeout
    case .storing: return nil
    }
  }

  // MARK: Events

  /// A region runs, for the first time or again, with these participants: sources, operators and sinks by their
  /// names. What the former region sealed and no manifest names is void: the new one reads those rows again.
  public mutating func regionStarted(participants: Set<String>, now: Int64) -> [CheckpointAction] {
    var actions = giveUp("the region restarts", now: now)
    self.participants = participants
    firstOfRegion = CheckpointID(nextNumber)
    lastStart = now
    for sink in sinks.keys { sinks[sink]?.sealed = [] }
    actions += dispatchCommits()
    // A new region's sources run until they are told otherwise.
    isPaused = false
    actions += updatePause()
    return actions
  }

  /// Time went on.
  public mutating func timeAdvanced(to now: Int64) -> [CheckpointAction] {
    switch phase {
    case .idle:
      guard !participants.isEmpty else { return [] }
      if isFinalWanted { return startIfPossible(.final, now: now) }
      if let wanted { return startIfPossible(wanted, now: now) }
      return now - lastStart >= policy.interval ? startIfPossible(.interval, now: now) : []
    case .collecting(_, _, let startedAt, let missing):
      guard now - startedAt >= policy.timeout else { return [] }
      let names = missing.sorted().prefix(5).joined(separator: ", ")
      let more = missing.count > 5 ? " and \(missing.count - 5) more" : ""
      return giveUp("no answer in time from \(names)\(more)", now: now) + updatePause()
    case .storing:
      return []
    }
  }

  /// Somebody asks for a checkpoint. While one is in flight, another follows it.
  public mutating func triggered(now: Int64) -> [CheckpointAction] {
    wanted = .manual
    retryAt = now
    return timeAdvanced(to: now)
  }

  /// A sink has collected a lot.
  public mutating func sinkEpochGrew(now: Int64) -> [CheckpointAction] {
    // One in flight will empty the sink already.
    guard case .idle = phase else { return [] }
    if wanted == nil { wanted = .size }
    return timeAdvanced(to: now)
  }

  /// The job is to end: the sources have stopped, one more checkpoint follows.
  public mutating func finalRequested(now: Int64) -> [CheckpointAction] {
    isFinalWanted = true
    retryAt = now
    return timeAdvanced(to: now)
  }

  /// A participant has passed the barrier and handed over its part.
  public mutating func acknowledged(_ participant: String, _ checkpoint: CheckpointID, now: Int64) -> [CheckpointAction]
  {
    guard checkpoint >= firstOfRegion, checkpoint.number < nextNumber else { return [] }
    noteSealed(participant, checkpoint)
    guard case .collecting(let current, let trigger, let startedAt, var missing) = phase, current == checkpoint else {
      return []
    }
    missing.remove(participant)
    phase = .collecting(current, trigger, startedAt: startedAt, missing: missing)
    return storeIfComplete()
  }

  /// The manifest is durable: the checkpoint exists.
  public mutating func manifestStored(_ checkpoint: CheckpointID, now: Int64) -> [CheckpointAction] {
    guard case .storing(checkpoint, let trigger, _, let sealed) = phase else { return [] }
    phase = .idle
    lastEnd = now
    consecutiveFailures = 0
    retryAt = now
    stored.append(checkpoint)
    for commit in sealed {
      sinks[commit.sink]?.sealed.removeAll { $0 == commit.checkpoint }
      sinks[commit.sink]?.pending.append(commit.checkpoint)
    }
    if trigger == .final {
      isFinalWanted = false
      finalCheckpoint = checkpoint
    }
    return dispatchCommits() + updatePause() + noteProgress() + (trigger == .final ? [] : timeAdvanced(to: now))
  }

  /// The manifest, or state that it names, could not be stored.
  public mutating func manifestFailed(_ checkpoint: CheckpointID, reason: String, now: Int64) -> [CheckpointAction] {
    guard case .storing(checkpoint, _, _, _) = phase else { return [] }
    return giveUp(reason, now: now) + updatePause()
  }

  /// A sink has committed an epoch durably, or had done so before.
  public mutating func committed(_ commit: SealedCommit, now: Int64) -> [CheckpointAction] {
    guard var sink = sinks[commit.sink], sink.pending.first == commit.checkpoint else { return [] }
    sink.pending.removeFirst()
    sink.committed = commit.checkpoint
    sink.isCommitting = false
    sinks[commit.sink] = sink
    return dispatchCommits() + updatePause() + noteProgress() + timeAdvanced(to: now)
  }
}

// MARK: Transitions

extension CheckpointCoordinatorMachine {
  private mutating func startIfPossible(_ trigger: CheckpointTrigger, now: Int64) -> [CheckpointAction] {
    guard !hasFinished, finalCheckpoint == nil, now >= retryAt else { return [] }
    if trigger != .final {
      guard !mustWaitForSinks else { return [] }
      // Who asks by hand does not wait for the pause.
      guard trigger == .manual || now - lastEnd >= policy.minimumPause else { return [] }
    }
    let checkpoint = CheckpointID(nextNumber)
    nextNumber += 1
    lastStart = now
    wanted = nil
    phase = .collecting(checkpoint, trigger, startedAt: now, missing: participants)
    return [.injectBarrier(checkpoint, trigger)]
  }

  private mutating func noteSealed(_ participant: String, _ checkpoint: CheckpointID) {
    guard let sink = sinks[participant] else { return }
    // A sink seals in order: what is not newer than its newest epoch is an answer that came twice.
    let newest = sink.sealed.last ?? sink.pending.last ?? sink.committed
    guard checkpoint > newest else { return }
    sinks[participant]?.sealed.append(checkpoint)
  }

  private mutating func storeIfComplete() -> [CheckpointAction] {
    guard case .collecting(let checkpoint, let trigger, let startedAt, let missing) = phase, missing.isEmpty else {
      return []
    }
    let sealed = sinks.keys.sorted().flatMap { name in
      (sinks[name]?.sealed ?? []).map { SealedCommit(sink: name, checkpoint: $0) }
    }
    phase = .storing(checkpoint, trigger, startedAt: startedAt, sealed: sealed)
    return [.storeManifest(checkpoint, sealed: sealed)]
  }

  private mutating func giveUp(_ reason: String, now: Int64) -> [CheckpointAction] {
    switch phase {
    case .idle: return []
    case .collecting(let checkpoint, let trigger, _, _), .storing(let checkpoint, let trigger, _, _):
      phase = .idle
      lastEnd = now
      consecutiveFailures += 1
      retryAt = now + backOff
      // What was asked for is still owed.
      if trigger == .manual { wanted = .manual }
      return [.abandon(checkpoint, reason: reason)]
    }
  }

  /// The interval, but not more than a second, doubled with every failure in succession up to 30 s.
  private var backOff: Int64 {
    min(30_000_000_000, min(policy.interval, 1_000_000_000) << Int64(min(consecutiveFailures - 1, 20)))
  }

  private mutating func dispatchCommits() -> [CheckpointAction] {
    var actions: [CheckpointAction] = []
    for name in sinks.keys.sorted() {
      guard let sink = sinks[name], !sink.isCommitting, let first = sink.pending.first else { continue }
      sinks[name]?.isCommitting = true
      actions.append(.commit(SealedCommit(sink: name, checkpoint: first)))
    }
    return actions
  }

  private mutating func updatePause() -> [CheckpointAction] {
    let isFull = backlog >= policy.maxBacklog
    guard isFull != isPaused else { return [] }
    isPaused = isFull
    return [isFull ? .pauseSources : .resumeSources]
  }

  /// What follows when all sinks have got further.
  private mutating func noteProgress() -> [CheckpointAction] {
    let done = committedByAll
    var actions: [CheckpointAction] = []
    if let newest = stored.last(where: { $0 <= done }), newest > reported {
      reported = newest
      actions.append(.reportPositions(newest))
    }
    let spare = stored.dropLast(policy.retain).filter { $0 <= done }
    if let last = spare.last {
      stored.removeAll { $0 <= last }
      actions.append(.deleteCheckpoints(through: last))
    }
    if let finalCheckpoint, sinks.values.allSatisfy({ $0.pending.isEmpty }) {
      self.finalCheckpoint = nil
      hasFinished = true
      actions.append(.finished(finalCheckpoint))
    }
    return actions
  }
}
