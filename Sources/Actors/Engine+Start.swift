import Checkpointing
import Columnar
import Logging
import Operators
import Runtime
import SQL

extension Engine {
  func makeContext() throws -> JobContext {
    var sources: [String: any SourceConnector] = [:]
    for source in graph.sources { sources[source.table.name] = try factory.source(source.table, source.scan) }
    var sinks: [String: SinkBinding] = [:]
    for table in graph.sinks { sinks[table.name] = try bind(table) }
    var kept: [String: Wiring.KeptOutputs] = [:]
    for source in graph.sources { kept[source.table.name] = try bindKept(source.table, &sinks) }
    let metrics = JobMetrics(job: name)
    return JobContext(
      name: name, settings: settings, plan: plan, graph: graph, kept: kept, sources: sources, sinks: sinks,
      factory: factory, store: store, boards: JobBoards(), history: history, events: events,
      committerSignals: Self.signals(sinks),
      lanes: LaneSet(count: settings.parallelism, observer: metrics.laneObserver), metrics: metrics,
      clock: clock, random: random, logger: logger)
  }

  /// One for each sink, or group of sinks that are committed together.
  private static func signals(_ sinks: [String: SinkBinding]) -> [String: Signal] {
    var ofGroups: [String: Signal] = [:]
    return sinks.mapValues { sink in
      guard let group = sink.connector.commitGroup else { return Signal() }
      let signal = ofGroups[group] ?? Signal()
      ofGroups[group] = signal
      return signal
    }
  }

  private func bind(_ table: TableDefinition) throws -> SinkBinding {
    SinkBinding(
      connector: try factory.sink(table), schema: table.schema, lane: Lane(name: "sink-\(table.name)"),
      isDefaultOutput: false)
  }

  /// The outputs for dead letters and late rows: the tables that the source names, or files beside the checkpoints.
  private func bindKept(
    _ source: TableDefinition, _ sinks: inout [String: SinkBinding]
  ) throws -> Wiring.KeptOutputs {
    var names: [String] = []
    let makers = [("dead_letter", factory.deadLetters), ("late", factory.late)]
    for (option, make) in makers {
      if let name = source.options[option], let table = plan.tables[name] {
        if sinks[name] == nil { sinks[name] = try bind(table) }
        names.append(name)
      } else {
        let name = "\(source.name).\(option)"
        sinks[name] = SinkBinding(
          connector: try make(source.name), schema: KeptRecord.schema, lane: Lane(name: "sink-\(option)"),
          isDefaultOutput: true)
        names.append(name)
      }
    }
    return Wiring.KeptOutputs(deadLetters: names[0], late: names[1])
  }

  func claim(_ context: JobContext, _ restored: RestoredState) async throws {
    if let orphan = restored.manifest?.pendingCommits.first(where: { context.sinks[$0.sink] == nil }) {
      throw IncompatibleCheckpoint(changes: ["sink '\(orphan.sink)' is gone and has a commit that is not applied"])
    }
    // One that cannot be taken over yet does not hold up the others: it may wait for just what their former owners left.
    var waiting = context.sinks.sorted { $0.key < $1.key }
    let start = clock.monotonicNanoseconds()
    while true {
      var failed: [(sink: (key: String, value: SinkBinding), error: SinkError)] = []
      for sink in waiting {
        if mayStopWithoutRegion { throw StoppedWhileStarting() }
        do {
          try await claim(sink.key, sink.value, context, restored)
        } catch let error as SinkError where error.severity == .transient {
          failed.append((sink, error))
        }
      }
      guard let first = failed.first else { return }
      try await rest(after: first.error, since: start)
      waiting = failed.map(\.sink)
    }
  }

  private func claim(
    _ name: String, _ sink: SinkBinding, _ context: JobContext, _ restored: RestoredState
  ) async throws {
    let reached = try await sink.connector.claim(
      owner: context.store.store.owner, newest: restored.checkpoint,
      committed: restored.manifest?.committed[name] ?? CheckpointID(0))
    try checkNotBehind(name, sink, reached, restored)
    context.ledger.didClaim(name, at: reached)
    context.boards.sink(name).update { $0.committedCheckpoint = reached.number }
  }

  /// How long a sink may be out of reach at the start, in nanoseconds: services of one deployment start in any order.
  private static let patience: Int64 = 30_000_000_000

  /// Waits before sinks are asked again. One that answers, and is held by somebody else, is waited for until they let go.
  private func rest(after error: SinkError, since start: Int64) async throws {
    let patience = Self.patience + error.heldNanoseconds
    let isHeld = error.heldNanoseconds > 0
    guard clock.monotonicNanoseconds() - start < patience else {
      let what = isHeld ? "another process still commits to it" : "not reachable"
      throw SinkError(
        sink: error.sink, severity: .fatal, message: "\(what) after \(patience / 1_000_000_000) s: \(error.message)")
    }
    logger.warning(
      isHeld ? "another process still commits to a sink" : "a sink is not reachable yet",
      metadata: ["error": "\(error)"])
    try await clock.sleep(for: 1_000_000_000)
  }

  /// A sink that has less than an earlier run committed to it was emptied, or restored from a backup: going on would
  /// leave a hole that nobody sees.
  private func checkNotBehind(
    _ name: String, _ sink: SinkBinding, _ reached: CheckpointID, _ restored: RestoredState
  ) throws {
    guard let known = restored.manifest?.committed[name], reached < known else { return }
    if sink.isDefaultOutput {
      logger.warning("an output of kept records was removed; it starts anew", metadata: ["output": "\(name)"])
      return
    }
    let owner = store.store.owner
    throw PositionConflict(
      sink: name, expected: SinkPosition(owner: owner, checkpoint: known, sources: SourcePositions()),
      found: reached.number == 0 ? nil : SinkPosition(owner: owner, checkpoint: reached, sources: SourcePositions()))
  }

  /// A sink that holds, or is about to commit, more than the checkpoint that a region restarts from, an older one because
  /// newer ones are damaged: what lies between would be delivered again.
  func checkNotAhead(_ context: JobContext, _ restored: RestoredState) throws {
    let ahead = context.sinks.keys.sorted().map { ($0, context.ledger.newest($0)) }
    guard let (name, held) = ahead.first(where: { $0.1 > restored.checkpoint }) else { return }
    let owner = store.store.owner
    func position(_ checkpoint: CheckpointID) -> SinkPosition {
      SinkPosition(owner: owner, checkpoint: checkpoint, sources: SourcePositions())
    }
    throw PositionConflict(sink: name, expected: position(restored.checkpoint), found: position(held))
  }

  /// What commits the sinks: a committer for each, and one more for each group that shares an act.
  func makeCommitters(_ context: JobContext) -> [@Sendable () async throws -> Void] {
    let committers = context.sinks.sorted { $0.key < $1.key }.compactMap { name, sink in
      context.committerSignals[name].map { signal in
        Committer(
          sink: name, connector: sink.connector, owner: store.store.owner, files: store.store.pendingFiles,
          ledger: context.ledger, coordinator: events, board: context.boards.sink(name),
          allowance: context.backlogAllowance(name), metrics: context.metrics, signal: signal, clock: clock,
          random: random, logger: logger)
      }
    }
    // Sinks of one group have one signal, those without a group their own.
    var groups: [[Committer]] = []
    for committer in committers {
      if let index = groups.firstIndex(where: { $0[0].signal === committer.signal }) {
        groups[index].append(committer)
      } else {
        groups.append([committer])
      }
    }
    return groups.map { $0.count == 1 ? $0[0].run : GroupCommitter($0).run }
  }

  // MARK: Sources

  func discover(
    _ context: JobContext, endOffsets: [PartitionID: Int64]?
  ) async throws -> [PartitionID] {
    var mayWarn = true
    while true {
      let partitions = if let endOffsets { endOffsets.keys.sorted() } else { try await context.allPartitions() }
      let empty = Set(context.sources.keys).subtracting(partitions.map(\.source)).sorted()
      guard let source = empty.first else { return partitions }
      if endOffsets != nil {
        throw SourceError(
          source: source, severity: .fatal, message: "there is nothing yet that could be read to its end")
      }
      if mayStopWithoutRegion { throw StoppedWhileStarting() }
      if mayWarn {
        logger.warning("the job waits until there is something to read", metadata: ["sources": "\(empty)"])
        mayWarn = false
      }
      try await clock.sleep(for: min(settings.discoveryInterval, 1_000_000_000))
    }
  }

  /// Asks the sources about partitions that the checkpoint knows and that are not there now.
  func checkMissing(_ context: JobContext, _ restored: RestoredState) async throws {
    let missing = Dictionary(grouping: restored.missing.map(\.partition), by: \.source)
    let known = restored.manifest?.partitions.map(\.partition) ?? []
    for (source, partitions) in missing.sorted(by: { $0.key < $1.key }) {
      let found = known.filter { $0.source == source && !partitions.contains($0) }
      try await context.sources[source]?.checkMissing(partitions, found: found)
      logger.notice(
        "partitions are gone; their positions are kept",
        metadata: [
          "source": "\(source)", "partitions": "\(partitions.prefix(5).map(\.name))", "count": "\(partitions.count)"
        ])
    }
  }

  func endOffsets(_ context: JobContext) async throws -> [PartitionID: Int64] {
    var ends: [PartitionID: Int64] = [:]
    for (_, connector) in context.sources {
      ends.merge(try await connector.endOffsets(try await connector.partitions())) { _, new in new }
    }
    return ends
  }

  func close(_ context: JobContext) async {
    for (_, connector) in context.sources { await connector.close() }
    for (_, sink) in context.sinks {
      await sink.connector.close()
      sink.lane.stop()
    }
  }
}
