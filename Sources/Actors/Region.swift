import Checkpointing
import Columnar
import Formats
import Logging
import Operators
import Runtime
import SQL

/// What a region starts from: the newest checkpoint, or nothing.
struct RestoredState: Sendable {
  var manifest: Manifest?
  /// State by stage id, in parts, one for each shard that wrote it.
  var state: [String: [ShardState]] = [:]

  /// The checkpoints in the store, oldest first.
  var stored: [CheckpointID] = []
  /// Partitions of the checkpoint that are not there now; later checkpoints carry them on.
  var missing: [PartitionState] = []

  /// The checkpoint restored from; 0 for none.
  var checkpoint: CheckpointID { manifest?.checkpoint ?? CheckpointID(0) }

  /// The partitions of the checkpoint that are not among `present`, as they were left.
  func missing(from present: [PartitionID]) -> [PartitionState] {
    let present = Set(present)
    return manifest?.partitions.filter { !present.contains($0.partition) } ?? []
  }

  /// The watermark that the stage called `id` had fired at; `.min` before the first.
  func firedWatermark(ofStage id: String) -> Int64 { manifest?.operators[id]?.watermark?.microseconds ?? .min }
}

/// What one shard of a stage left in a checkpoint.
struct ShardState: Sendable {
  /// The key groups that it owned.
  let keyGroups: Range<Int>
  /// Partial aggregates, at most one for each key and window.
  let batches: [Batch]
}

/// The part of a job that fails and restarts together: partition actors, window actors, sink writers, coordinator.
struct Region: Sendable {
  let partitions: [PartitionActor]
  let windows: [WindowActor]
  let sinks: [SinkActor]
  let gates: [InputGate]
  let coordinator: Coordinator

  /// Runs all actors until the coordinator has finished, or one of them fails.
  ///
  /// - Throws: the error of the actor that failed first, after all others have stopped.
  /// - Parameter known: the partitions that are read; when others appear the region ends, to be built anew with
  ///   them. `nil` does not look for any.
  func run(watching known: [PartitionID]?, _ job: JobContext) async throws -> CoordinatorOutcome {
    try await withThrowingTaskGroup(of: CoordinatorOutcome?.self) { group in
      // Their waits end on their own lane, without a detour: see `Lane`.
      for actor in partitions {
        group.addTask(executorPreference: actor.lane) {
          try await actor.run(); return nil
        }
      }
      for actor in windows {
        group.addTask(executorPreference: actor.lane) {
          try await actor.run(); return nil
        }
      }
      for actor in sinks {
        group.addTask {
          try await actor.run(); return nil
        }
      }
      group.addTask { try await coordinator.run() }
      if let known {
        for connector in job.growingSources {
          group.addTask {
            try await Self.watch(connector, known, job)
            return nil
          }
        }
      }
      defer {
        group.cancelAll()
        for gate in gates { gate.close() }
      }
      while let outcome = try await group.next() {
        if let outcome { return outcome }
      }
      throw CancellationError()
    }
  }

  /// Looks for partitions of one source that appear. A source that cannot be asked now is asked again later: its own actors tell
  /// when it has failed.
  private static func watch(
    _ connector: any SourceConnector, _ known: [PartitionID], _ job: JobContext
  ) async throws {
    let known = Set(known)
    while true {
      try await job.clock.sleep(for: connector.discoveryInterval ?? job.settings.discoveryInterval)
      let now = (try? await connector.partitions()) ?? []
      if !known.isSuperset(of: now) { throw TopologyChanged() }
    }
  }
}

/// Builds a region: opens partitions, restores state, connects actors by channels.
struct RegionBuilder: Sendable {
  let job: JobContext
  let wiring: Wiring
  let restored: RestoredState
  let endOffsets: [PartitionID: Int64]?

  /// Opens and connects everything; nothing runs yet.
  ///
  /// - Throws: ``SourceError``, ``SinkError``, and compile errors of expressions.
  func build() async throws -> Region {
    var gates: [Wiring.Receiver: InputGate] = [:]
    for receiver in receivers {
      gates[receiver] = InputGate(
        name: receiver.displayName, inputCount: wiring.senders(to: receiver).count,
        capacity: job.settings.channelBatches, rowCapacity: 2 * job.settings.batchRows)
    }
    let links = Links(wiring: wiring, gates: gates)
    let watermarks = StageWatermarks(wiring.graph.stages.map { restored.firedWatermark(ofStage: $0.id) })
    let sinks = try makeSinks(links)
    let windows = try makeWindows(links, watermarks)
    var partitions: [PartitionActor] = []
    for (index, partition) in wiring.partitions.enumerated() {
      partitions.append(try await open(partition, index: index, links, watermarks))
    }
    let coordinator = Coordinator(
      job: job, wiring: wiring, restored: restored, endsWithSources: endOffsets != nil || job.growingSources.isEmpty,
      partitions: partitions.map { ($0.partition, $0.inbox) })
    job.boards.show(wiring: wiring, gates: gates)
    return Region(
      partitions: partitions, windows: windows, sinks: sinks, gates: Array(gates.values), coordinator: coordinator)
  }

  private var receivers: [Wiring.Receiver] {
    wiring.sinks.map { .sink($0) }
      + wiring.graph.stages.indices.flatMap { stage in
        (0..<wiring.parallelism).map { .window(stage: stage, shard: $0) }
      }
  }

  // MARK: Sinks

  private func makeSinks(_ links: Links) throws -> [SinkActor] {
    try wiring.sinks.map { name in
      let receiver = Wiring.Receiver.sink(name)
      guard let gate = links.gates[receiver], let sink = job.sinks[name] else { throw WiringError(name) }
      var deadLetters: (sender: GateSender, schema: Schema, source: String)?
      if let source = wiring.source(ofSink: name), let outputs = wiring.kept[source],
        let sender = links.sender(from: .sink(name), to: .sink(outputs.deadLetters))
      {
        deadLetters = (sender, job.keptSchema(outputs.deadLetters), source)
      }
      return SinkActor(
        SinkActor.Configuration(
          sink: name, inputs: wiring.senders(to: receiver).count, deadLetters: deadLetters,
          epochBytes: job.settings.epochBytes),
        writer: try sink.connector.makeWriter(files: job.store.store.pendingFiles), gate: gate,
        lane: job.sinkLane(name), coordinator: job.events, board: job.boards.sink(name), logger: job.logger)
    }
  }

  // MARK: Windows

  private func makeWindows(_ links: Links, _ watermarks: StageWatermarks) throws -> [WindowActor] {
    var actors: [WindowActor] = []
    for (index, stage) in wiring.graph.stages.enumerated() {
      for shard in 0..<wiring.parallelism {
        let receiver = Wiring.Receiver.window(stage: index, shard: shard)
        guard let gate = links.gates[receiver] else { throw WiringError(stage.id) }
        actors.append(
          try WindowActor(
            try windowConfiguration(stage, index, shard, links), gate: gate, lane: job.lanes.assign(actors.count),
            coordinator: job.events, board: job.boards.stage(index, shard), stageWatermarks: watermarks,
            nextAggregate: nextAggregate(of: stage), clock: job.clock))
      }
    }
    return actors
  }

  private func nextAggregate(of stage: JobGraph.Stage) -> WindowedAggregate? {
    guard case .stage(let next) = stage.destination else { return nil }
    return wiring.graph.stages[next].aggregate
  }

  private func windowConfiguration(
    _ stage: JobGraph.Stage, _ index: Int, _ shard: Int, _ links: Links
  ) throws -> WindowActor.Configuration {
    let sender = Wiring.Sender.window(stage: index, shard: shard)
    let source = wiring.source(ofStage: index)
    let kept = try keptChannels(sender, source: source, links)
    let groups = KeyGroups(count: job.settings.keyGroups).groups(ofShard: shard, parallelism: wiring.parallelism)
    var sink: GateSender?
    if case .sink(let name) = stage.destination { sink = links.sender(from: sender, to: .sink(name)) }
    return WindowActor.Configuration(
      stage: stage, stageIndex: index, shard: shard,
      inputs: wiring.senders(to: .window(stage: index, shard: shard)).count, keyGroupCount: job.settings.keyGroups,
      groupLimit: PartialAggregator.defaultGroupLimit, next: feed(from: sender, to: stage.destination, links),
      sink: sink,
      deadLetters: kept.dead, late: kept.late, keptSchemas: keptSchemas(source), source: source,
      restored: restored.batches(
        ofStage: stage.id, keyCount: stage.aggregate.keys.count, KeyGroups(count: job.settings.keyGroups), groups),
      restoredWatermark: restored.manifest?.operators[stage.id]?.watermark ?? .minimum)
  }

  private func feed(from sender: Wiring.Sender, to destination: JobGraph.Destination, _ links: Links) -> StageFeed? {
    guard case .stage(let stage) = destination else { return nil }
    let shards = (0..<wiring.parallelism).compactMap {
      links.sender(from: sender, to: .window(stage: stage, shard: $0))
    }
    let window = wiring.graph.stages[stage].aggregate.window
    return StageFeed(stage: stage, shards: shards, grain: greatestCommonDivisor(window.slide, window.size))
  }

  private func keptChannels(
    _ sender: Wiring.Sender, source: String, _ links: Links
  ) throws -> (dead: GateSender, late: GateSender) {
    guard let outputs = wiring.kept[source],
      let dead = links.sender(from: sender, to: .sink(outputs.deadLetters)),
      let late = links.sender(from: sender, to: .sink(outputs.late))
    else { throw WiringError(source) }
    return (dead, late)
  }

  private func keptSchemas(_ source: String) -> (dead: Schema, late: Schema) {
    guard let outputs = wiring.kept[source] else { return (KeptRecord.schema, KeptRecord.schema) }
    return (job.keptSchema(outputs.deadLetters), job.keptSchema(outputs.late))
  }

  // MARK: Partitions

  private static let dayMicroseconds: Int64 = 86_400_000_000

  private func open(
    _ partition: PartitionID, index: Int, _ links: Links, _ watermarks: StageWatermarks
  ) async throws -> PartitionActor {
    guard let source = wiring.graph.sources.first(where: { $0.table.name == partition.source }),
      let connector = job.sources[partition.source]
    else { throw WiringError(partition.source) }
    let state = restored.manifest?.partitions.first { $0.partition == partition }
    let isKnownSource = restored.manifest?.partitions.contains { $0.partition.source == partition.source } ?? false
    let position = state.map { ReadPosition.offset($0.nextOffset) } ?? (isKnownSource ? .beginning : .initial)
    let reader = try await connector.open(partition, at: position, end: endOffsets?[partition])
    let board = job.boards.partition(partition)
    return try PartitionActor(
      try configuration(
        partition, source, state, links, mayBeFollowed: endOffsets == nil && connector.discoversPartitions),
      reader: reader, lane: job.lanes.assign(index),
      inbox: Inbox(capacity: 256), coordinator: job.events, board: board, stageWatermarks: watermarks,
      clock: job.clock, logger: job.logger)
  }

  private func configuration(
    _ partition: PartitionID, _ source: JobGraph.Source, _ state: PartitionState?, _ links: Links, mayBeFollowed: Bool
  ) throws -> PartitionActor.Configuration {
    let sender = Wiring.Sender.partition(partition)
    var feeds: [StageFeed] = []
    var sinks: [String: GateSender] = [:]
    var branches: [BranchConfiguration] = []
    for branch in source.branches {
      var feedIndex: Int?
      var sink: GateSender?
      var aggregate: WindowedAggregate?
      switch branch.destination {
      case .stage(let stage):
        aggregate = wiring.graph.stages[stage].aggregate
        feedIndex = feeds.firstIndex { $0.stage == stage } ?? feeds.count
        if feedIndex == feeds.count, var feed = feed(from: sender, to: branch.destination, links) {
          feed.floor = restored.firedWatermark(ofStage: wiring.graph.stages[stage].id)
          feeds.append(feed)
        }
      case .sink(let name):
        sink = links.sender(from: sender, to: .sink(name))
        sinks[name] = sink
      }
      branches.append(
        BranchConfiguration(
          name: branch.name, chain: branch.chain, scan: source.scan, aggregate: aggregate, stageFeed: feedIndex,
          sink: sink))
    }
    let kept = try keptChannels(sender, source: partition.source, links)
    let table = source.table
    let keepsPayloads = try branches.contains { try $0.canFail }
    return PartitionActor.Configuration(
      partition: partition,
      decoder: try job.decoderConfiguration(
        table, scan: source.scan, partition: partition, keepsPayloads: keepsPayloads),
      batchRows: job.settings.batchRows, linger: job.settings.batchLinger,
      idleTimeout: try table.options.duration("idle_timeout", default: job.settings.idleTimeout / 1000) * 1000,
      maxFuture: try table.options.duration("max_future", default: Self.dayMicroseconds),
      restored: PartitionSnapshot(state), mayBeFollowed: mayBeFollowed,
      branches: branches, stages: feeds, sinks: sinks, deadLetters: kept.dead, late: kept.late,
      keptSchemas: keptSchemas(partition.source), keyGroupCount: job.settings.keyGroups,
      groupLimit: PartialAggregator.defaultGroupLimit)
  }
}

/// The sending sides of all channels of a region.
struct Links {
  let wiring: Wiring
  let gates: [Wiring.Receiver: InputGate]

  /// The channel from `sender` to `receiver`; `nil` when the graph has none.
  func sender(from sender: Wiring.Sender, to receiver: Wiring.Receiver) -> GateSender? {
    guard let input = wiring.input(from: sender, to: receiver) else { return nil }
    return gates[receiver]?.sender(input)
  }
}

/// The wiring lacks something that the graph promises: a defect.
struct WiringError: Error, CustomStringConvertible {
  let name: String
  init(_ name: String) { self.name = name }
  var description: String { "the job's graph has no connection for '\(name)'; this is a defect of Weir" }
}

extension Wiring.Receiver {
  /// How messages name a receiver.
  var displayName: String {
    switch self {
    case .window(let stage, let shard): "stage \(stage), shard \(shard)"
    case .sink(let name): name
    }
  }
}

/// The greatest number that divides both, which are positive.
func greatestCommonDivisor(_ left: Int64, _ right: Int64) -> Int64 {
  right == 0 ? left : greatestCommonDivisor(right, left % right)
}
