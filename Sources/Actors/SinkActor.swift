import Checkpointing
import Columnar
import Formats
import Logging
import Runtime

/// Collects one sink's rows and seals them at each barrier. Runs on an IO lane: its writer may block on files.
actor SinkActor {
  /// What a new sink actor is made of.
  struct Configuration: Sendable {
    let sink: String
    let inputs: Int
    /// Where rows go that the writer refuses; `nil` for the outputs of kept records themselves.
    let deadLetters: (sender: GateSender, schema: Schema, source: String)?
    /// Bytes of one epoch that make the sink ask for an early checkpoint.
    let epochBytes: Int
  }

  private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  nonisolated let gate: InputGate
  private let configuration: Configuration
  private let writer: any SinkWriter
  private let coordinator: Inbox<CoordinatorEvent>
  private let board: SinkBoard
  private let logger: Logger
  private var aligner: BarrierAligner
  private var askedForCheckpoint = false

  init(
    _ configuration: Configuration, writer: sending any SinkWriter, gate: InputGate, lane: Lane,
    coordinator: Inbox<CoordinatorEvent>, board: SinkBoard, logger: Logger
  ) {
    self.configuration = configuration
    self.writer = writer
    self.gate = gate
    self.lane = lane
    self.coordinator = coordinator
    self.board = board
    self.logger = logger
    aligner = BarrierAligner(inputCount: configuration.inputs)
  }

  /// Works until the task is cancelled or a channel is closed.
  ///
  /// - Throws: ``SinkError`` when the writer cannot go on.
  func run() async throws {
    defer { writer.close() }
    while let (input, element) = try await gate.receive() {
      switch element {
      case .rows(let batch): try await write(batch)
      case .watermark, .idle, .drained, .end: break
      case .barrier(let checkpoint): try await align(input, checkpoint)
      }
    }
  }

  private func write(_ batch: Batch) async throws {
    let rejected = try writer.write(batch)
    let bytes = writer.epochBytes
    board.update {
      $0.rejectedRows += UInt64(rejected.count)
      $0.epochBytes = bytes
    }
    if !rejected.isEmpty { try await keep(rejected, of: batch) }
    if bytes >= configuration.epochBytes, !askedForCheckpoint {
      askedForCheckpoint = true
      try coordinator.send(.sinkEpochGrew(configuration.sink))
    }
  }

  private func keep(_ rejected: [RowRejection], of batch: Batch) async throws {
    guard let deadLetters = configuration.deadLetters else {
      logger.error(
        "a kept record was refused by its own output and is lost from it; it is counted",
        metadata: ["sink": "\(configuration.sink)", "rows": "\(rejected.count)", "first": "\(rejected[0].message)"])
      return
    }
    let kept = rejected.map { rejection -> KeptRecord in
      guard let origin = batch.origin else {
        return KeptRecord(
          computedRow: rejection.row, of: batch, source: deadLetters.source, reason: RejectionReason.sink.rawValue,
          message: rejection.message, statement: configuration.sink)
      }
      return KeptRecord(
        row: rejection.row, of: batch, origin: origin, reason: RejectionReason.sink.rawValue,
        message: rejection.message, statement: configuration.sink)
    }
    try await deadLetters.sender.send(.rows(KeptRecord.batch(kept, schema: deadLetters.schema)))
  }

  private func align(_ input: Int, _ checkpoint: CheckpointID) async throws {
    switch aligner.barrierArrived(input: input, checkpoint: checkpoint) {
    case .hold:
      // A newer barrier may have taken the place of an older one: exactly the inputs that wait now are held.
      gate.releaseAll()
      for input in 0..<configuration.inputs where aligner.isHeld(input) { gate.hold(input) }
    case .ignore: break
    case .aligned(let checkpoint):
      let before = writer.epochBytes
      let sealed = try await writer.seal(checkpoint)
      askedForCheckpoint = false
      board.update {
        $0.bytes += UInt64(before)
        $0.epochBytes = 0
      }
      try coordinator.send(.sinkAcknowledged(configuration.sink, checkpoint, sealed))
      try await deadLetters?.send(.barrier(checkpoint))
      gate.releaseAll()
    }
  }

  private var deadLetters: GateSender? { configuration.deadLetters?.sender }
}
