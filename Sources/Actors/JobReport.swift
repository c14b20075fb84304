import Checkpointing
import Columnar
import Runtime
import SQL

/// What a job did, printed as JSON when it ends.
public struct JobSummary: Hashable, Sendable, Codable {
  /// The job's name.
  public var job: String
  /// How it ended.
  public var state: JobStatus.State
  /// How long it ran, in seconds.
  public var seconds: Double
  /// Records read from all sources by this process.
  public var rowsIn: UInt64
  /// Bytes of their keys and values.
  public var bytesIn: UInt64
  /// Rows that each sink has committed in this process.
  public var rowsOut: [String: UInt64]
  /// Where the rows went, for each statement, since the job's first start.
  public var accounting: [String: RowAccount]
  /// Checkpoints that completed in this process.
  public var checkpoints: Int
  /// Restarts of the region in this process.
  public var restarts: Int

  init(job: String, state: JobStatus.State, context: JobContext?, history: JobHistory, seconds: Double) {
    self.job = job
    self.state = state
    self.seconds = seconds
    let partitions = context?.boards.partitions.map(\.1) ?? []
    rowsIn = partitions.reduce(0) { $0 + $1.recordsRead }
    bytesIn = partitions.reduce(0) { $0 + $1.bytesRead }
    rowsOut = [:]
    for name in (context?.sinks ?? [:]).keys { rowsOut[name] = context?.boards.sink(name).current.rows }
    accounting = [:]
    for partition in partitions {
      for (branch, account) in partition.accounts { accounting[branch, default: RowAccount()] += account }
    }
    checkpoints = history.completedCount
    restarts = history.restarts.count
  }
}

extension JobContext {
  /// Fills in what the boards show.
  func describe(into status: inout JobStatus) {
    status.residentBytes = ProcessMetrics.residentBytes
    let now = clock.monotonicNanoseconds()
    status.checkpoints = history.checkpoints(monotonic: now)
    let restarts = history.restarts
    status.restarts = restarts.newest
    status.restartCount = restarts.count
    for (id, view) in boards.partitions {
      status.partitions.append(PartitionStatus(id, view))
      for (branch, account) in view.accounts {
        status.accounting.append(
          AccountStatus(
            statement: branch, source: id.source, partition: id.name, rowsIn: view.records, account: account))
      }
    }
    guard let wiring = boards.wiring else { return }
    status.graph = graphStatus(wiring)
    status.operators = wiring.graph.stages.indices.map { operatorStatus($0, wiring, now: now) }
    status.sinks = wiring.sinks.map { sinkStatus($0) }
  }

  private func operatorStatus(_ index: Int, _ wiring: Wiring, now: Int64) -> OperatorStatus {
    var status = OperatorStatus(id: wiring.graph.stages[index].id)
    var least: (watermark: Int64, view: StageView, shard: Int)?
    for shard in 0..<wiring.parallelism {
      let view = boards.stage(index, shard).current
      status.groups += view.groups
      status.stateBytes += view.stateBytes
      status.rowsOut += view.firedRows
      let mark = view.watermark ?? .min
      if least.map({ mark < $0.watermark }) ?? true { least = (mark, view, shard) }
      let inputs = boards.gateStatus(.window(stage: index, shard: shard))
      status.channelFill = max(status.channelFill, inputs.fill)
      status.blockedSeconds += inputs.blockedSeconds
    }
    guard let least else { return status }
    status.watermark = least.view.watermark.map(WallTime.init(microseconds:))
    if let held = least.view.heldBy {
      let senders = wiring.senders(to: .window(stage: index, shard: least.shard))
      status.heldBy = senders.indices.contains(held) ? senders[held].displayName : nil
      status.heldForSeconds = least.view.heldSince.map { max(0, Double(now - $0) / 1e9) } ?? 0
    }
    return status
  }

  private func sinkStatus(_ name: String) -> SinkStatus {
    let view = boards.sink(name).current
    var status = SinkStatus(name: name)
    status.rowsOut = view.rows
    status.bytesOut = view.bytes
    status.lastCommitAt = view.lastCommitAt.map(WallTime.init(microseconds:))
    status.committedCheckpoint = view.committedCheckpoint
    status.pendingCommits = ledger.pendingCount(name)
    status.lastError = view.lastError
    status.commitSeconds = view.commitSeconds
    let inputs = boards.gateStatus(.sink(name))
    status.channelFill = inputs.fill
    status.blockedSeconds = inputs.blockedSeconds
    return status
  }

  private func graphStatus(_ wiring: Wiring) -> JobGraphStatus {
    var status = JobGraphStatus()
    func target(_ destination: JobGraph.Destination) -> (id: String, exchange: String) {
      switch destination {
      case .stage(let index): (wiring.graph.stages[index].id, "by key")
      case .sink(let name): (name, "forward")
      }
    }
    for source in wiring.graph.sources {
      let name = source.table.name
      let options = source.table.options
      status.nodes.append(
        .init(
          id: name, kind: .source, label: name, parallelism: wiring.partitions.count { $0.source == name },
          detail: [options["connector"], options["topic"] ?? options["path"]].compactMap(\.self).joined(separator: " ")
        ))
      for branch in source.branches {
        let (id, exchange) = target(branch.destination)
        let edge = JobGraphStatus.Edge(from: name, to: id, exchange: exchange)
        if !status.edges.contains(edge) { status.edges.append(edge) }
      }
    }
    for stage in wiring.graph.stages.reversed() {
      status.nodes.append(
        .init(
          id: stage.id, kind: .window, label: stage.id, parallelism: wiring.parallelism,
          detail: stage.aggregate.window.detail))
      let (id, exchange) = target(stage.destination)
      status.edges.append(.init(from: stage.id, to: id, exchange: exchange))
    }
    for name in wiring.sinks {
      let table = plan.tables[name]
      let detail = table.map {
        [$0.options["connector"], $0.options["table"] ?? $0.options["path"] ?? $0.options["topic"]]
      }
      status.nodes.append(
        .init(
          id: name, kind: .sink, label: name, parallelism: 1,
          detail: detail?.compactMap(\.self).joined(separator: " ") ?? "file, kept records"))
    }
    for (source, outputs) in wiring.kept.sorted(by: { $0.key < $1.key }) {
      for output in [outputs.deadLetters, outputs.late] {
        status.edges.append(.init(from: source, to: output, exchange: "forward"))
      }
    }
    return status
  }

  /// Whether input reaches the sinks. Input that advances while no checkpoint completes, or no commit does, is a stall.
  func progress(_ history: JobHistory) -> Readiness {
    let now = clock.monotonicNanoseconds()
    let patience = max(settings.stallTimeout, 3 * settings.checkpointInterval)
    for name in sinks.keys.sorted() {
      let view = boards.sink(name).current
      if let error = view.lastError, ledger.pendingCount(name) > 0 {
        return Readiness(isReady: false, reason: "sink '\(name)' cannot commit: \(error)")
      }
    }
    if let last = history.lastProgress, now - last > patience {
      let failed = history.checkpoints(monotonic: now).first { $0.state != .completed }
      let cause = failed?.reason ?? slowest() ?? "its barriers are still under way"
      return Readiness(isReady: false, reason: "no checkpoint for \((now - last) / 1_000_000_000) s: \(cause)")
    }
    return Readiness(isReady: true, reason: "running; checkpoints complete and sinks commit")
  }

  private func slowest() -> String? {
    func backlog(_ sink: String) -> Int { ledger.pendingCount(sink) - backlogAllowance(sink) }
    return sinks.keys.max { backlog($0) < backlog($1) }
      .flatMap { backlog($0) >= settings.checkpointBacklog ? "sink '\($0)' has a full backlog" : nil }
  }

  /// However long its interval is, a sink commits when so many checkpoints wait.
  private static let allowanceMax: Int64 = 1000

  /// How many checkpoints of `sink` may wait for its commit interval; when they are more it commits before.
  func backlogAllowance(_ sink: String) -> Int {
    guard let interval = sinks[sink]?.connector.commitInterval, interval > 0 else { return 0 }
    return Int(min(Self.allowanceMax, interval / settings.checkpointInterval + 1))
  }
}

extension PartitionStatus {
  init(_ id: PartitionID, _ view: PartitionView) {
    self.init(source: id.source, partition: id.name, nextOffset: view.nextOffset)
    lag = view.lag
    endOffset = view.lag.map { view.nextOffset + $0 }
    rowsIn = view.recordsRead
    bytesIn = view.bytesRead
    watermark = view.watermark.map(WallTime.init(microseconds:))
    isIdle = view.isIdle
    isPaused = view.isPaused
    lateRows = view.accounts.reduce(0) { $0 + $1.1.late }
    deadRows = view.deadRows
  }
}

extension WindowSpecification {
  /// One line for the drawn graph.
  fileprivate var detail: String {
    func text(_ microseconds: Int64) -> String {
      microseconds % 1_000_000 == 0 ? "\(microseconds / 1_000_000) s" : "\(microseconds / 1000) ms"
    }
    return slide == size ? "tumble \(text(size))" : "hop \(text(slide)) of \(text(size))"
  }
}

extension [GateInputStatus] {
  /// How full the fullest ring is, 0 to 1.
  fileprivate var fill: Double { map { Double($0.elements) / Double(Swift.max(1, $0.capacity)) }.max() ?? 0 }
  /// How long all producers have waited.
  fileprivate var blockedSeconds: Double { reduce(0) { $0 + Double($1.blockedNanoseconds) / 1e9 } }
}

extension JobContext {
  /// Turns boards into metrics.
  func publishMetrics(_ history: JobHistory) {
    let wallNow = clock.wallMicroseconds()
    for (id, view) in boards.partitions { publish(id, view, wallNow: wallNow) }
    if let wiring = boards.wiring {
      for index in wiring.graph.stages.indices { publish(stage: index, wiring, wallNow: wallNow) }
      for name in wiring.sinks { publish(sink: name) }
    }
    if let last = history.lastProgress {
      metrics.set("weir_checkpoint_age_seconds", Double(clock.monotonicNanoseconds() - last) / 1e9, [])
    }
  }

  private func publish(_ id: PartitionID, _ view: PartitionView, wallNow: Int64) {
    let labels = [("source", id.source), ("partition", id.name)]
    metrics.raise("weir_source_rows_total", to: view.recordsRead, labels)
    metrics.raise("weir_source_read_bytes_total", to: view.bytesRead, labels)
    metrics.raise("weir_source_dead_rows_total", to: view.deadRows, labels)
    metrics.raise("weir_source_late_rows_total", to: view.lateRows, labels)
    metrics.set("weir_source_next_offset", Double(view.nextOffset), labels)
    metrics.set("weir_source_idle", view.isIdle ? 1 : 0, labels)
    metrics.set("weir_source_paused", view.isPaused ? 1 : 0, labels)
    if let lag = view.lag { metrics.set("weir_source_lag_messages", Double(lag), labels) }
    if let watermark = view.watermark {
      metrics.set("weir_source_watermark_delay_seconds", Double(wallNow - watermark) / 1e6, labels)
    }
    for (branch, account) in view.accounts {
      let labels = labels + [("statement", branch)]
      for (fate, rows) in [
        ("out", account.out), ("filtered", account.filtered), ("aggregated", account.aggregated),
        ("late", account.late), ("dead", account.dead)
      ] {
        metrics.set("weir_statement_rows", Double(rows), labels + [("fate", fate)])
      }
    }
  }

  private func publish(stage index: Int, _ wiring: Wiring, wallNow: Int64) {
    let labels = [("operator", wiring.graph.stages[index].id)]
    let status = operatorStatus(index, wiring, now: clock.monotonicNanoseconds())
    metrics.set("weir_operator_groups", Double(status.groups), labels)
    metrics.set("weir_operator_state_bytes", Double(status.stateBytes), labels)
    metrics.set("weir_channel_fill_ratio", status.channelFill, labels)
    metrics.set("weir_channel_blocked_seconds", status.blockedSeconds, labels)
    metrics.raise("weir_operator_rows_out_total", to: status.rowsOut, labels)
    if let watermark = status.watermark {
      metrics.set("weir_operator_watermark_delay_seconds", Double(wallNow - watermark.microseconds) / 1e6, labels)
    }
  }

  private func publish(sink name: String) {
    let labels = [("sink", name)]
    let status = sinkStatus(name)
    metrics.raise("weir_sink_rows_total", to: status.rowsOut, labels)
    metrics.raise("weir_sink_written_bytes_total", to: status.bytesOut, labels)
    metrics.raise("weir_sink_rejected_rows_total", to: boards.sink(name).current.rejectedRows, labels)
    metrics.set("weir_sink_committed_checkpoint", Double(status.committedCheckpoint), labels)
    metrics.set("weir_sink_pending_commits", Double(status.pendingCommits), labels)
    metrics.set("weir_sink_channel_fill_ratio", status.channelFill, labels)
    metrics.set("weir_sink_channel_blocked_seconds", status.blockedSeconds, labels)
  }
}
