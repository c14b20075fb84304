import Checkpointing
import Columnar
import Formats
import Logging
import Operators
import Runtime
import SQL
import Synchronization

/// What the engine needs from the modules that do input and output; it knows only these functions of them.
public struct ConnectorFactory: Sendable {
  /// Connects a source table of which the schema's columns are read.
  public var source: @Sendable (TableDefinition, Schema) throws -> any SourceConnector
  /// How records of a source table are decoded.
  public var decoder: @Sendable (TableDefinition, Schema, PartitionID) throws -> DecoderConfiguration
  /// Connects a sink table.
  public var sink: @Sendable (TableDefinition) throws -> any SinkConnector
  /// Connects the default output for dead letters of a source.
  public var deadLetters: @Sendable (_ source: String) throws -> any SinkConnector
  /// Connects the default output for late rows of a source.
  public var late: @Sendable (_ source: String) throws -> any SinkConnector

  /// A factory of these functions.
  public init(
    source: @escaping @Sendable (TableDefinition, Schema) throws -> any SourceConnector,
    decoder: @escaping @Sendable (TableDefinition, Schema, PartitionID) throws -> DecoderConfiguration,
    sink: @escaping @Sendable (TableDefinition) throws -> any SinkConnector,
    deadLetters: @escaping @Sendable (_ source: String) throws -> any SinkConnector,
    late: @escaping @Sendable (_ source: String) throws -> any SinkConnector
  ) {
    self.source = source
    self.decoder = decoder
    self.sink = sink
    self.deadLetters = deadLetters
    self.late = late
  }
}

/// A sink of a job: its connection and the columns that it takes.
struct SinkBinding: Sendable {
  let connector: any SinkConnector
  let schema: Schema
  let lane: Lane
  /// Whether nobody declared it: the local output of kept records.
  let isDefaultOutput: Bool
}

/// What lives as long as the job, over restarts of its region.
struct JobContext: Sendable {
  let name: String
  let settings: Settings
  let plan: JobPlan
  let graph: JobGraph
  let kept: [String: Wiring.KeptOutputs]
  let sources: [String: any SourceConnector]
  let sinks: [String: SinkBinding]
  let factory: ConnectorFactory
  let store: SnapshotStoreActor
  let ledger = CommitLedger()
  let boards: JobBoards
  let history: JobHistory
  let events: Inbox<CoordinatorEvent>
  /// Wakes a sink's committer when a commit became durable.
  let committerSignals: [String: Signal]
  let lanes: LaneSet
  let metrics: JobMetrics
  let clock: any EngineClock
  let random: any RandomSource
  let logger: Logger

  /// The columns of a kept-record output.
  func keptSchema(_ sink: String) -> Schema { sinks[sink]?.schema ?? KeptRecord.schema }

  /// The lane that a sink's writer blocks.
  func sinkLane(_ name: String) -> Lane { sinks[name]?.lane ?? lanes.assign(0) }

  /// The sources in which partitions can appear, in the order of their names.
  var growingSources: [any SourceConnector] {
    sources.sorted { $0.key < $1.key }.map(\.value).filter(\.discoversPartitions)
  }

  /// All partitions that the sources have now.
  func allPartitions() async throws -> [PartitionID] {
    var partitions: [PartitionID] = []
    for (_, connector) in sources { partitions += try await connector.partitions() }
    return partitions.sorted()
  }

  func decoderConfiguration(
    _ table: TableDefinition, scan: Schema, partition: PartitionID, keepsPayloads: Bool
  ) throws -> DecoderConfiguration {
    var configuration = try factory.decoder(table, scan, partition)
    configuration.keepsPayloads = keepsPayloads
    return configuration
  }
}

/// What all actors of a job show of themselves. Boards outlive restarts, so that counts go on.
final class JobBoards: Sendable {
  private struct State {
    var partitions: [PartitionID: PartitionBoard] = [:]
    var stages: [Wiring.Receiver: StageBoard] = [:]
    var sinks: [String: SinkBoard] = [:]
    var gates: [Wiring.Receiver: InputGate] = [:]
    var wiring: Wiring?
  }

  private let state = Mutex(State())

  func partition(_ partition: PartitionID) -> PartitionBoard {
    state.withLock { state in
      if let board = state.partitions[partition] { return board }
      let board = PartitionBoard(PartitionView())
      state.partitions[partition] = board
      return board
    }
  }

  func stage(_ stage: Int, _ shard: Int) -> StageBoard {
    state.withLock { state in
      let key = Wiring.Receiver.window(stage: stage, shard: shard)
      if let board = state.stages[key] { return board }
      let board = StageBoard(StageView())
      state.stages[key] = board
      return board
    }
  }

  func sink(_ name: String) -> SinkBoard {
    state.withLock { state in
      if let board = state.sinks[name] { return board }
      let board = SinkBoard(SinkView())
      state.sinks[name] = board
      return board
    }
  }

  /// Notes how the region that starts now is connected.
  func show(wiring: Wiring, gates: [Wiring.Receiver: InputGate]) {
    state.withLock {
      $0.wiring = wiring
      $0.gates = gates
    }
  }

  var wiring: Wiring? { state.withLock { $0.wiring } }
  var partitions: [(PartitionID, PartitionView)] {
    state.withLock { $0.partitions.map { ($0.key, $0.value) } }.map { ($0.0, $0.1.current) }
      .sorted { $0.0 < $1.0 }
  }
  func gateStatus(_ receiver: Wiring.Receiver) -> [GateInputStatus] {
    state.withLock { $0.gates[receiver] }?.status() ?? []
  }
}

extension RestoredState {
  /// The partial aggregates of `stage` in the key groups `wanted`. Rows are looked at only where a shard that wrote them
  /// owned others as well: the parallelism has changed.
  func batches(ofStage stage: String, keyCount: Int, _ keyGroups: KeyGroups, _ wanted: Range<Int>) -> [Batch] {
    (state[stage] ?? []).filter { $0.keyGroups.overlaps(wanted) }.flatMap { shard in
      let isWhole = wanted.contains(shard.keyGroups)
      return isWhole ? shard.batches : shard.batches.map { keyGroups.rows(of: $0, keyCount: keyCount, in: wanted) }
    }
  }
}

extension PartitionSnapshot {
  /// The state of a partition as a manifest has it.
  init?(_ state: PartitionState?) {
    guard let state else { return nil }
    self.init(
      nextOffset: state.nextOffset, maxEventTime: state.maxEventTime?.microseconds ?? .min,
      records: state.records, accounts: state.accounts)
  }
}

extension BranchConfiguration {
  /// Whether a row can fail after it was decoded, so that its bytes must be at hand.
  var canFail: Bool {
    get throws {
      if try RowPipeline(chain, input: scan).canFail { return true }
      return try aggregate.map { try PartialAggregator($0, keyGroupCount: 1, groupLimit: 1).canFail } ?? false
    }
  }
}
