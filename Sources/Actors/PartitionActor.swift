import Checkpointing
import Columnar
import Formats
import Logging
import Operators
import Runtime
import SQL

/// What a partition actor is told from outside; it acts on it between two batches.
enum PartitionCommand: Sendable {
  /// Take part in this checkpoint.
  case barrier(CheckpointID)
  /// Stop reading until told otherwise: the sinks' backlog is full.
  case pause
  /// Go on reading.
  case resume
  /// Hand over what was read, and read no more; barriers still pass.
  case drain
}

/// What a partition contributes to a checkpoint.
struct PartitionSnapshot: Hashable, Sendable {
  var nextOffset: Int64
  var maxEventTime: Int64
  var records: UInt64
  var accounts: [String: RowAccount]
}

/// Reads one source partition: decodes, filters, projects and pre-aggregates, and hands rows on.
///
/// It owns the reader, the decoder and the branches' state, and is the only one to touch them: its loop in
/// ``run()`` is its only method that awaits. It keeps no keyed state across a barrier, because it hands over all
/// partial aggregates before it.
actor PartitionActor {
  /// What a new partition actor is made of.
  struct Configuration: Sendable {
    let partition: PartitionID
    let decoder: DecoderConfiguration
    let batchRows: Int
    let linger: Int64
    let idleTimeout: Int64
    let maxFuture: Int64
    let restored: PartitionSnapshot?
    /// Whether other partitions of the source may appear once this one has ended: windows stay open for their rows.
    let mayBeFollowed: Bool
    let branches: [BranchConfiguration]
    let stages: [StageFeed]
    let sinks: [String: GateSender]
    let deadLetters: GateSender
    let late: GateSender
    let keptSchemas: (dead: Schema, late: Schema)
    let keyGroupCount: Int
    let groupLimit: Int
  }

  nonisolated let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  nonisolated let partition: PartitionID
  nonisolated let inbox: Inbox<PartitionCommand>

  private let configuration: Configuration
  private let reader: any PartitionReader
  private let decoder: RecordDecoder
  private let clock: any EngineClock
  private let coordinator: Inbox<CoordinatorEvent>
  private let board: PartitionBoard
  private let stageWatermarks: StageWatermarks
  private let logger: Logger

  private var branches: [BranchState]
  private var feeds: [StageFeed]
  /// Unknown until the first poll when the partition was not restored.
  private var nextOffset: Int64?
  private var records: UInt64
  private var isPaused = false
  private var isDraining = false
  private var isAtEnd = false
  private var hasEnded = false
  private var isIdle = false
  private var lastRecordAt: Int64
  private var firstWaitingAt: Int64?
  private var timerAt: Int64 = .min

  init(
    _ configuration: Configuration, reader: sending any PartitionReader, lane: Lane,
    inbox: Inbox<PartitionCommand>, coordinator: Inbox<CoordinatorEvent>, board: PartitionBoard,
    stageWatermarks: StageWatermarks, clock: any EngineClock, logger: Logger
  ) throws {
    self.lane = lane
    self.partition = configuration.partition
    self.inbox = inbox
    self.configuration = configuration
    self.reader = reader
    self.clock = clock
    self.coordinator = coordinator
    self.board = board
    self.stageWatermarks = stageWatermarks
    self.logger = logger
    let decoder = try RecordDecoder(configuration.decoder)
    let restored = configuration.restored
    if let restored {
      decoder.maxEventTime = restored.maxEventTime
    }
    self.decoder = decoder
    branches = try configuration.branches.map {
      try BranchState($0, restored: restored?.accounts[$0.name], configuration: configuration)
    }
    feeds = configuration.stages
    nextOffset = restored?.nextOffset
    records = restored?.records ?? 0
    lastRecordAt = clock.monotonicNanoseconds()
    let signal = inbox.signal
    reader.setWakeup { signal.notify() }
  }

  /// Reads until the task is cancelled.
  ///
  /// - Throws: ``SourceError`` when the source fails, and whatever closed a channel.
  func run() async throws {
    defer { reader.close() }
    // What was read before a restart counts at once: the next record may be long in coming.
    try await forwardWatermark(Timestamp(microseconds: decoder.watermark))
    while !Task.isCancelled {
      for command in inbox.drain() { try await obey(command) }
      let progressed = try await step()
      if progressed {
        // Control comes through the inbox, and the lane's other partitions must have their turn.
        await Task.yield()
      } else {
        try await sleep()
      }
    }
    throw CancellationError()
  }

  /// Waits for data, for a command, or for the next moment at which something is due without either.
  private func sleep() async throws {
    let now = clock.monotonicNanoseconds()
    // While it is paused, rows that have lingered stay where they are: they would be due at once, again and again.
    let lingering = isPaused ? nil : firstWaitingAt
    let due = min(
      lingering.map { $0 + configuration.linger } ?? .max,
      now + (isIdle || isPaused ? Self.restNanoseconds : min(Self.restNanoseconds, configuration.idleTimeout)))
    // A timer stays set when something else wakes the actor first: another one is set only when it must be earlier.
    if timerAt <= now || timerAt > due {
      timerAt = due
      clock.notify(inbox.signal, at: due)
    }
    try await inbox.signal.wait()
  }

  /// How often an actor without data looks at its idleness and its lag.
  private static let restNanoseconds: Int64 = 250_000_000

  // MARK: Commands

  private func obey(_ command: PartitionCommand) async throws {
    switch command {
    case .barrier(let checkpoint): try await passBarrier(checkpoint)
    case .pause: setPaused(true)
    case .resume: setPaused(false)
    case .drain:
      isDraining = true
      try await processWaiting()
    }
  }

  private func setPaused(_ paused: Bool) {
    guard paused != isPaused else { return }
    isPaused = paused
    reader.setPaused(paused)
    lastRecordAt = clock.monotonicNanoseconds()
    board.update { $0.isPaused = paused }
  }

  private func passBarrier(_ checkpoint: CheckpointID) async throws {
    if nextOffset == nil { _ = try await step() }
    try await processWaiting()
    for index in branches.indices { try await flushPartials(index, upTo: nil) }
    try coordinator.send(.partitionAcknowledged(partition, checkpoint, snapshot()))
    for feed in feeds {
      for shard in feed.shards { try await shard.send(.barrier(checkpoint)) }
    }
    for sink in configuration.sinks.values { try await sink.send(.barrier(checkpoint)) }
    try await configuration.deadLetters.send(.barrier(checkpoint))
    try await configuration.late.send(.barrier(checkpoint))
  }

  private func snapshot() -> PartitionSnapshot {
    var accounts: [String: RowAccount] = [:]
    for branch in branches { accounts[branch.name] = branch.account }
    return PartitionSnapshot(
      nextOffset: nextOffset ?? 0, maxEventTime: decoder.maxEventTime, records: records, accounts: accounts)
  }

  // MARK: Reading

  /// Reads and processes what is there; false when there was nothing to do.
  private func step() async throws -> Bool {
    guard nextOffset == nil || !(isPaused || isDraining || isAtEnd) else {
      if isAtEnd, !hasEnded { try await end() }
      return false
    }
    decoder.eventTimeLimit = clock.wallMicroseconds().addingSaturated(configuration.maxFuture)
    // A partition that wakes up joins where the stages are: windows that they have fired are closed for it too.
    if isIdle {
      for index in feeds.indices { feeds[index].floor = stageWatermarks.fired(by: feeds[index].stage) }
    }
    let result = try reader.poll(limit: configuration.batchRows - decoder.recordCount, into: decoder)
    nextOffset = result.nextOffset
    isAtEnd = result.isAtEnd
    if result.records > 0 {
      lastRecordAt = clock.monotonicNanoseconds()
      records += UInt64(result.records)
      if isIdle { wakeFromIdle() }
      board.update { $0.didRead(records: result.records, bytes: result.bytes) }
      if firstWaitingAt == nil { firstWaitingAt = lastRecordAt }
    }
    if decoder.recordCount >= configuration.batchRows || isAtEnd || hasLingered {
      try await processWaiting()
      return true
    }
    if result.records == 0 { try await checkIdle() }
    return result.records > 0
  }

  private var hasLingered: Bool {
    guard let firstWaitingAt else { return false }
    return clock.monotonicNanoseconds() - firstWaitingAt >= configuration.linger
  }

  private func wakeFromIdle() {
    isIdle = false
    for index in feeds.indices { feeds[index].lastGrain = nil }
    board.update { $0.isIdle = false }
  }

  private func checkIdle() async throws {
    publish()
    guard !isIdle, clock.monotonicNanoseconds() - lastRecordAt >= configuration.idleTimeout, reader.lag() ?? 0 <= 0
    else { return }
    try await becomeIdle()
  }

  private func becomeIdle() async throws {
    isIdle = true
    board.update { $0.isIdle = true }
    try await fallSilent(.idle)
  }

  /// Hands over all partial aggregates and tells the stages that the partition no longer holds watermarks back.
  private func fallSilent(_ element: StreamElement) async throws {
    for index in branches.indices { try await flushPartials(index, upTo: nil) }
    for feed in feeds {
      for shard in feed.shards { try await shard.send(element) }
    }
  }

  private func end() async throws {
    hasEnded = true
    if configuration.mayBeFollowed { try await becomeIdle() } else { try await fallSilent(.drained) }
    publish()
    try coordinator.send(.partitionEnded(partition))
  }

  // MARK: Rows

  private func processWaiting() async throws {
    firstWaitingAt = nil
    guard decoder.recordCount > 0 else { return }
    let decoded = decoder.finish()
    let context = EvaluationContext(now: Timestamp(microseconds: clock.wallMicroseconds()))
    try await keepRejected(decoded.rejected)
    // Tombstones that the table skips are neither rows nor rejected.
    let skipped = UInt64(decoded.records - decoded.batch.count - decoded.rejected.count)
    for index in branches.indices {
      branches[index].account.dead += UInt64(decoded.rejected.count)
      branches[index].account.filtered += skipped
      try await process(decoded.batch, branch: index, context)
    }
    let watermark = Timestamp(microseconds: decoder.watermark)
    for index in branches.indices { try await flushPartials(index, upTo: watermark) }
    try await forwardWatermark(watermark)
    publish()
  }

  private func process(_ batch: Batch, branch index: Int, _ context: EvaluationContext) async throws {
    let result = branches[index].pipeline.process(batch, context)
    branches[index].account.filtered += UInt64(result.filteredCount)
    try await keepFailures(result.failures, of: batch, branch: index)
    guard result.batch.count > 0 else { return }
    if branches[index].partial == nil {
      branches[index].account.out += UInt64(result.batch.count)
      if let sink = branches[index].sink { try await sink.send(.rows(result.batch)) }
      return
    }
    let floor = branches[index].stageFeed.map { feeds[$0].floor } ?? .min
    guard let added = branches[index].partial?.add(result.batch.raisingWatermarks(to: floor), context) else { return }
    branches[index].account.aggregated += UInt64(added.aggregatedCount)
    branches[index].account.filtered += UInt64(added.outsideCount)
    try await keepFailures(added.failures, of: result.batch, branch: index)
    try await keepLate(added.lateRows, of: result.batch, branch: index)
    if branches[index].partial?.isFull == true { try await flushPartials(index, upTo: nil) }
  }

  /// Hands over the partial aggregates of windows that `watermark` has closed, or all of them.
  private func flushPartials(_ index: Int, upTo watermark: Timestamp?) async throws {
    guard let stage = branches[index].stageFeed else { return }
    let shards = feeds[stage].shards
    let batches =
      watermark.map { branches[index].partial?.takeClosed(upTo: $0, shards: shards.count) ?? [] }
      ?? branches[index].partial?.takeAll(shards: shards.count) ?? []
    for (shard, batch) in zip(shards, batches) {
      if let batch, batch.count > 0 { try await shard.send(.rows(batch)) }
    }
  }

  /// Sends the watermark on when it passed a border at which a window of the stage can end.
  private func forwardWatermark(_ watermark: Timestamp) async throws {
    guard watermark > .minimum else { return }
    for index in feeds.indices {
      let grain = Int64(floorDivide(Int(watermark.microseconds), Int(feeds[index].grain)))
      guard feeds[index].lastGrain != grain else { continue }
      feeds[index].lastGrain = grain
      for shard in feeds[index].shards { try await shard.send(.watermark(watermark)) }
    }
  }

  // MARK: Rows that leave at the side

  private func keepRejected(_ rejected: [RejectedRecord]) async throws {
    guard !rejected.isEmpty else { return }
    board.update { $0.deadRows += UInt64(rejected.count) }
    try await keep(rejected.map { KeptRecord($0, partition: partition) }, isLate: false)
  }

  private func keepFailures(_ failures: [RowFailure], of batch: Batch, branch index: Int) async throws {
    guard !failures.isEmpty, let origin = batch.origin else { return }
    branches[index].account.dead += UInt64(failures.count)
    board.update { $0.deadRows += UInt64(failures.count) }
    let name = branches[index].name
    let kept = failures.map {
      KeptRecord(
        row: $0.row, of: batch, origin: origin, reason: RejectionReason.expression.rawValue, message: $0.message,
        statement: name)
    }
    try await keep(kept, isLate: false)
  }

  private func keepLate(_ rows: [Int32], of batch: Batch, branch index: Int) async throws {
    guard !rows.isEmpty, let origin = batch.origin, let aggregate = branches[index].aggregate else { return }
    branches[index].account.late += UInt64(rows.count)
    board.update { $0.lateRows += UInt64(rows.count) }
    let name = branches[index].name
    let kept = rows.map { row in
      var record = KeptRecord(
        row: Int(row), of: batch, origin: origin, reason: "late",
        message: "the watermark had passed the end of the row's last window", statement: name)
      if case .int64(let times) = batch.columns[aggregate.timeColumn].storage { record.eventTime = times[Int(row)] }
      return record
    }
    try await keep(kept, isLate: true)
  }

  private func keep(_ records: [KeptRecord], isLate: Bool) async throws {
    let schema = isLate ? configuration.keptSchemas.late : configuration.keptSchemas.dead
    let target = isLate ? configuration.late : configuration.deadLetters
    try await target.send(.rows(KeptRecord.batch(records, schema: schema)))
  }

  private func publish() {
    let watermark = decoder.watermark
    let lag = reader.lag()
    let accounts = branches.map { ($0.name, $0.account) }
    let (next, count) = (nextOffset ?? 0, records - UInt64(decoder.recordCount))
    board.update {
      $0.nextOffset = next
      $0.records = count
      $0.watermark = watermark == .min ? nil : watermark
      $0.lag = lag
      $0.accounts = accounts
    }
  }
}
