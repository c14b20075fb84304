import Checkpointing
import Columnar
import Formats
import Logging
import Operators
import Runtime
import SQL

/// One shard of a windowed aggregation: merges partial aggregates, fires windows, takes part in checkpoints.
actor WindowActor {
  /// What a new window actor is made of.
  struct Configuration: Sendable {
    let stage: JobGraph.Stage
    let stageIndex: Int
    let shard: Int
    let inputs: Int
    let keyGroupCount: Int
    let groupLimit: Int
    /// The next stage, when the results are aggregated again.
    let next: StageFeed?
    /// The sink's channel, when the results go there.
    let sink: GateSender?
    let deadLetters: GateSender
    let late: GateSender
    let keptSchemas: (dead: Schema, late: Schema)
    /// The source that dead and late groups are kept under.
    let source: String
    let restored: [Batch]
    let restoredWatermark: Timestamp
  }

  nonisolated let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  nonisolated let gate: InputGate
  private let configuration: Configuration
  private let coordinator: Inbox<CoordinatorEvent>
  private let board: StageBoard
  private let stageWatermarks: StageWatermarks
  private let clock: any EngineClock

  private var aggregator: WindowAggregator
  private var pipeline: RowPipeline
  private var partial: PartialAggregator?
  private var aligner: BarrierAligner
  private var watermarks: WatermarkTracker
  private var forwarded = Timestamp.minimum
  private var endedInputs = 0
  private var next: StageFeed?

  init(
    _ configuration: Configuration, gate: InputGate, lane: Lane, coordinator: Inbox<CoordinatorEvent>,
    board: StageBoard, stageWatermarks: StageWatermarks, nextAggregate: WindowedAggregate?, clock: any EngineClock
  ) throws {
    self.configuration = configuration
    self.gate = gate
    self.lane = lane
    self.coordinator = coordinator
    self.board = board
    self.stageWatermarks = stageWatermarks
    self.clock = clock
    var aggregator = try WindowAggregator(configuration.stage.aggregate)
    for batch in configuration.restored { aggregator.restore(batch) }
    aggregator.restore(watermark: configuration.restoredWatermark)
    self.aggregator = aggregator
    pipeline = try RowPipeline(configuration.stage.chain, input: configuration.stage.aggregate.schema)
    partial = try nextAggregate.map {
      try PartialAggregator($0, keyGroupCount: configuration.keyGroupCount, groupLimit: configuration.groupLimit)
    }
    next = configuration.next
    aligner = BarrierAligner(inputCount: configuration.inputs)
    watermarks = WatermarkTracker(
      inputCount: configuration.inputs, watermark: configuration.restoredWatermark, now: clock.monotonicNanoseconds())
  }

  /// Works until the task is cancelled or a channel is closed.
  func run() async throws {
    publish()
    while let (input, element) = try await gate.receive() {
      switch element {
      case .rows(let batch): try await merge(batch)
      case .watermark(let watermark):
        try await advance(watermarks.advance(input: input, to: watermark, now: clock.monotonicNanoseconds()))
      case .idle: try await idle(watermarks.idle(input: input, now: clock.monotonicNanoseconds()))
      case .drained, .end: try await end(input)
      case .barrier(let checkpoint): try await align(input, checkpoint)
      }
    }
  }

  private func merge(_ batch: Batch) async throws {
    if let late = aggregator.merge(batch) { try await keepLate(late) }
    publish()
  }

  private func advance(_ watermark: Timestamp?) async throws {
    guard let watermark else { return }
    try await fire(upTo: watermark)
    publish()
  }

  private func fire(upTo watermark: Timestamp) async throws {
    for batch in aggregator.advance(to: watermark) { try await emit(batch) }
    if let failed = aggregator.takeFailedGroups() { try await keepFailed(failed) }
    stageWatermarks.didFire(configuration.stageIndex, at: aggregator.watermark.microseconds)
    try await forward(watermark)
  }

  private func emit(_ batch: Batch) async throws {
    let context = EvaluationContext(now: Timestamp(microseconds: clock.wallMicroseconds()))
    let result = pipeline.process(batch, context)
    board.update { $0.firedRows += UInt64(batch.count) }
    try await keepFailures(result.failures, of: batch)
    guard result.batch.count > 0 else { return }
    if let sink = configuration.sink { try await sink.send(.rows(result.batch)) }
    guard let added = partial?.add(result.batch, context) else { return }
    try await keepFailures(added.failures, of: result.batch)
    if partial?.isFull == true { try await flushPartials(upTo: nil) }
  }

  private func flushPartials(upTo watermark: Timestamp?) async throws {
    guard let shards = next?.shards else { return }
    let batches =
      watermark.map { partial?.takeClosed(upTo: $0, shards: shards.count) ?? [] }
      ?? partial?.takeAll(shards: shards.count) ?? []
    for (shard, batch) in zip(shards, batches) {
      if let batch, batch.count > 0 { try await shard.send(.rows(batch)) }
    }
  }

  private func forward(_ watermark: Timestamp) async throws {
    guard let next else { return }
    let own = Timestamp(microseconds: watermark.microseconds.subtractingSaturated(configuration.stage.watermarkLag))
    guard own > forwarded else { return }
    forwarded = own
    try await flushPartials(upTo: own)
    for shard in next.shards { try await shard.send(.watermark(own)) }
  }

  private func idle(_ change: WatermarkTracker.Change) async throws {
    try await advance(change.watermark)
    guard change.isIdle, let next else { return }
    try await flushPartials(upTo: nil)
    for shard in next.shards { try await shard.send(.idle) }
  }

  /// When the last input has ended, what is left fires; the watermark stays where the last window ended, so that a
  /// later run of the same job, which reads on from here, does not take every new row for a late one.
  private func end(_ input: Int) async throws {
    try await advance(watermarks.end(input: input, now: clock.monotonicNanoseconds()))
    endedInputs += 1
    guard endedInputs == configuration.inputs else { return }
    if let last = aggregator.latestWindowEnd, last > aggregator.watermark { try await fire(upTo: last) }
    try await flushPartials(upTo: nil)
    for shard in next?.shards ?? [] { try await shard.send(.drained) }
    publish()
    try coordinator.send(.windowEnded(stage: configuration.stageIndex, shard: configuration.shard))
  }

  private func align(_ input: Int, _ checkpoint: CheckpointID) async throws {
    switch aligner.barrierArrived(input: input, checkpoint: checkpoint) {
    case .hold: holdBack()
    case .ignore: break
    case .aligned(let checkpoint):
      try await flushPartials(upTo: nil)
      try coordinator.send(
        .windowAcknowledged(
          stage: configuration.stageIndex, shard: configuration.shard, checkpoint, aggregator.snapshot()))
      try await forwardBarrier(checkpoint)
      gate.releaseAll()
    }
  }

  /// A newer barrier may have taken the place of an older one: exactly the inputs that wait now are held.
  private func holdBack() {
    gate.releaseAll()
    for input in 0..<configuration.inputs where aligner.isHeld(input) { gate.hold(input) }
  }

  private func forwardBarrier(_ checkpoint: CheckpointID) async throws {
    for shard in next?.shards ?? [] { try await shard.send(.barrier(checkpoint)) }
    try await configuration.sink?.send(.barrier(checkpoint))
    try await configuration.deadLetters.send(.barrier(checkpoint))
    try await configuration.late.send(.barrier(checkpoint))
  }

  private func keepFailures(_ failures: [RowFailure], of batch: Batch) async throws {
    guard !failures.isEmpty else { return }
    let kept = failures.map {
      KeptRecord(
        computedRow: $0.row, of: batch, source: configuration.source, reason: RejectionReason.expression.rawValue,
        message: $0.message, statement: configuration.stage.name)
    }
    try await configuration.deadLetters.send(.rows(KeptRecord.batch(kept, schema: configuration.keptSchemas.dead)))
  }

  private func keepFailed(_ failed: FailedGroups) async throws {
    let failures = failed.messages.enumerated().map { RowFailure(row: $0.offset, message: $0.element) }
    try await keepFailures(failures, of: failed.groups)
  }

  private func keepLate(_ groups: Batch) async throws {
    board.update { $0.lateGroups += UInt64(groups.count) }
    let kept = (0..<groups.count).map {
      KeptRecord(
        computedRow: $0, of: groups, source: configuration.source, reason: "late",
        message: "a partial aggregate of an idle partition came after its window had fired",
        statement: configuration.stage.name)
    }
    try await configuration.late.send(.rows(KeptRecord.batch(kept, schema: configuration.keptSchemas.late)))
  }

  private func publish() {
    let (watermark, groups, bytes) = (aggregator.watermark, aggregator.groupCount, aggregator.memoryBytes)
    let holder = watermarks.holder
    let since = watermarks.holderSince
    board.update {
      $0.watermark = watermark == .minimum ? nil : watermark.microseconds
      $0.heldSince = since
      $0.heldBy = holder
      $0.groups = groups
      $0.stateBytes = bytes
    }
  }
}
