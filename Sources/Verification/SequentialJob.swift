import Actors
import Checkpointing
import Columnar
import Formats
import Operators
import SQL

/// A whole job as one patient reader would run it: one thread, no checkpoint, no batch boundary that matters.
///
/// It takes decoded batches of partitions, in the order of each partition's offsets, and hands over what the job's
/// operators make of them. It does no input or output and knows no clock, so it is the reference that a concurrent run
/// is compared with. Rows that go to a sink carry, as the offsets of their origin, where they are in their *stream*:
/// the record's offset when they come straight from a partition, the window's end in microseconds when they come from
/// an aggregation.
public struct SequentialJob: Sendable {
  /// What came out.
  public enum Output: Sendable {
    /// Rows for a sink table; the number is an index into ``SequentialJob/streams``.
    case rows(sink: String, stream: Int, Batch)
    /// Records that leave at the side: dead letters of a source, or its late rows.
    case kept(source: String, isLate: Bool, [KeptRecord])
  }

  /// Where rows of a sink come from; the rows of one stream come in one order in every run.
  public enum Stream: Hashable, Sendable {
    /// A partition, for one statement.
    case branch(PartitionID, statement: String)
    /// The aggregation at this index of the graph's stages.
    case stage(Int)
  }

  /// Whose rows are late: those of a partition for one statement.
  public struct LateKey: Hashable, Sendable {
    /// The partition.
    public let partition: PartitionID
    /// The statement's name.
    public let statement: String

    /// The rows of `partition` for `statement`.
    public init(partition: PartitionID, statement: String) {
      self.partition = partition
      self.statement = statement
    }
  }

  /// Which operators there are.
  public let graph: JobGraph
  /// Every place that rows of sinks come from.
  public private(set) var streams: [Stream] = []
  /// What became of the records of each partition, by statement.
  public private(set) var accounts: [PartitionID: [String: RowAccount]] = [:]
  /// How many records of each partition were processed.
  public private(set) var records: [PartitionID: UInt64] = [:]
  /// Offsets of rows that are late although the order of their own partition does not make them so: the job called them
  /// late because it had fired their windows without waiting for an idle partition.
  public var knownLate: [LateKey: Set<Int64>] = [:]
  /// How many rows were late for no other reason than ``knownLate``.
  public private(set) var forcedLate: [LateKey: Int] = [:]
  /// By stage: the ends of the last windows of these rows. Each of them had fired before its row came.
  public private(set) var forcedEnds: [Int: Set<Int64>] = [:]

  /// Windows, by stage, of which is noted which offsets contribute to them.
  public var watched: [Int: [Range<Int64>]] = [:]
  /// The first and last offset of each partition whose rows fall into a watched window, in one or more of its keys.
  public private(set) var contributions: [Int: [Range<Int64>: [PartitionID: ClosedRange<Int64>]]] = [:]

  private var branches: [PartitionID: [SequentialBranch]] = [:]
  private var stages: [SequentialStage] = []

  /// A job without rows.
  ///
  /// - Parameters:
  ///   - graph: the job's operators.
  ///   - partitions: every partition that will be read.
  /// - Throws: compile errors of expressions and aggregates.
  public init(_ graph: JobGraph, partitions: [PartitionID]) throws {
    self.graph = graph
    for index in graph.stages.indices {
      stages.append(try SequentialStage(graph, index, partitions: partitions, stream: streams.count))
      streams.append(.stage(index))
    }
    for partition in partitions.sorted() {
      guard let source = graph.sources.first(where: { $0.table.name == partition.source }) else { continue }
      for branch in source.branches {
        let made = try SequentialBranch(branch, source: source, graph: graph, stream: streams.count)
        streams.append(.branch(partition, statement: branch.name))
        branches[partition, default: []].append(made)
        accounts[partition, default: [:]][branch.name] = RowAccount()
      }
      records[partition] = 0
    }
  }

  /// Whether the records of `source` must be decoded with their bytes at hand, because a row can still fail.
  public func keepsPayloads(ofSource source: String) -> Bool {
    branches.contains { $0.key.source == source && $0.value.contains { $0.canFail } }
  }

  /// Processes the next records of a partition.
  ///
  /// - Parameters:
  ///   - decoded: the records, which follow those of the last call for this partition.
  ///   - watermark: the decoder's watermark behind them; `Int64.min` for none.
  ///   - context: the moment of the evaluation, which no result may depend on.
  ///   - emit: takes what comes out; rows of windows come when every partition has passed their end, or has ended.
  /// - Throws: what `emit` throws.
  public mutating func process(
    _ partition: PartitionID, _ decoded: DecodedBatch, watermark: Int64, _ context: EvaluationContext,
    emit: (Output) throws -> Void
  ) throws {
    records[partition, default: 0] += UInt64(decoded.records)
    if !decoded.rejected.isEmpty {
      let kept = decoded.rejected.map { KeptRecord($0, partition: partition) }
      try emit(.kept(source: partition.source, isLate: false, kept))
    }
    let skipped = decoded.records - decoded.batch.count - decoded.rejected.count
    for index in branches[partition, default: []].indices {
      try process(partition, index, decoded, skipped: skipped, context, emit)
    }
    guard watermark > .min else { return }
    for stage in stages.indices {
      guard let input = stages[stage].inputs.firstIndex(of: .partition(partition)) else { continue }
      try advance(stage, input, Timestamp(microseconds: watermark), context, emit)
    }
  }

  private mutating func process(
    _ partition: PartitionID, _ index: Int, _ decoded: DecodedBatch, skipped: Int, _ context: EvaluationContext,
    _ emit: (Output) throws -> Void
  ) throws {
    guard var branch = branches[partition]?[index] else { return }
    defer { branches[partition]?[index] = branch }
    var account = accounts[partition]?[branch.name] ?? RowAccount()
    let result = branch.pipeline.process(decoded.batch, context)
    account.dead += UInt64(decoded.rejected.count + result.failures.count)
    account.filtered += UInt64(skipped + result.filteredCount)
    try keep(result.failures, of: decoded.batch, statement: branch.name, emit)
    if branch.partial == nil {
      account.out += UInt64(result.batch.count)
      if result.batch.count > 0, case .sink(let sink) = branch.destination {
        try emit(.rows(sink: sink, stream: branch.stream, result.batch))
      }
    } else if result.batch.count > 0, case .stage(let stage) = branch.destination {
      let key = LateKey(partition: partition, statement: branch.name)
      let batch = branch.closing(knownLate[key], of: result.batch) { end in
        forcedLate[key, default: 0] += 1
        forcedEnds[stage, default: []].insert(end)
      }
      guard let added = branch.partial?.add(batch, context) else { return }
      if watched[stage] != nil { watch(batch, stage, branch) }
      account.dead += UInt64(added.failures.count)
      account.filtered += UInt64(added.outsideCount)
      account.aggregated += UInt64(added.aggregatedCount)
      account.late += UInt64(added.lateRows.count)
      try keep(added.failures, of: result.batch, statement: branch.name, emit)
      try keepLate(added.lateRows, of: result.batch, branch, emit)
      if let rows = branch.partial?.takeAll(shards: 1).first ?? nil { _ = stages[stage].aggregator.merge(rows) }
    }
    accounts[partition]?[branch.name] = account
  }

  /// Tells that no more records of a partition come; windows no longer wait for it.
  /// - Throws: what `emit` throws.
  public mutating func end(
    _ partition: PartitionID, _ context: EvaluationContext, emit: (Output) throws -> Void
  ) throws {
    for stage in stages.indices {
      guard let input = stages[stage].inputs.firstIndex(of: .partition(partition)) else { continue }
      try end(stage, input, context, emit)
    }
  }

  /// The watermark of a stage when its partitions have these; `Int64.min` while one of them has none.
  public func watermark(ofStage stage: Int, partitions: [PartitionID: Int64]) -> Int64 {
    stages[stage].inputs.map { input in
      switch input {
      case .partition(let partition): return partitions[partition] ?? .min
      case .stage(let below):
        let own = watermark(ofStage: below, partitions: partitions)
        let (lagging, overflow) = own.subtractingReportingOverflow(graph.stages[below].watermarkLag)
        return overflow ? .min : lagging
      }
    }.min() ?? .min
  }

  /// The partitions whose rows reach `stage`, directly or through other stages.
  public func partitions(ofStage stage: Int) -> [PartitionID] {
    stages[stage].inputs.flatMap { input -> [PartitionID] in
      switch input {
      case .partition(let partition): [partition]
      case .stage(let below): partitions(ofStage: below)
      }
    }
  }
}

// MARK: Windows

extension SequentialJob {
  private mutating func watch(_ batch: Batch, _ stage: Int, _ branch: SequentialBranch) {
    guard let time = branch.timeColumn, let origin = batch.origin,
      case .int64(let times) = batch.columns[time].storage
    else { return }
    for window in watched[stage] ?? [] {
      for row in times.indices where window.contains(times[row]) && !batch.columns[time].isNull(row) {
        let offset = origin.offsets[row]
        let known = contributions[stage]?[window]?[origin.partition] ?? offset...offset
        contributions[stage, default: [:]][window, default: [:]][origin.partition] =
          min(known.lowerBound, offset)...max(known.upperBound, offset)
      }
    }
  }
}

extension SequentialJob {
  private mutating func advance(
    _ stage: Int, _ input: Int, _ watermark: Timestamp, _ context: EvaluationContext, _ emit: (Output) throws -> Void
  ) throws {
    guard let risen = stages[stage].tracker.advance(input: input, to: watermark) else { return }
    try fire(stage, risen, context, emit)
  }

  private mutating func end(
    _ stage: Int, _ input: Int, _ context: EvaluationContext, _ emit: (Output) throws -> Void
  ) throws {
    if let risen = stages[stage].tracker.end(input: input) { try fire(stage, risen, context, emit) }
    stages[stage].endedInputs.insert(input)
    guard stages[stage].endedInputs.count == stages[stage].inputs.count else { return }
    if let last = stages[stage].aggregator.latestWindowEnd, last > stages[stage].aggregator.watermark {
      try fire(stage, last, context, emit)
    }
    guard case .stage(let next) = graph.stages[stage].destination,
      let own = stages[next].inputs.firstIndex(of: .stage(stage))
    else { return }
    try end(next, own, context, emit)
  }

  private mutating func fire(
    _ stage: Int, _ watermark: Timestamp, _ context: EvaluationContext, _ emit: (Output) throws -> Void
  ) throws {
    for batch in stages[stage].aggregator.advance(to: watermark) { try pass(batch, stage, context, emit) }
    if let failed = stages[stage].aggregator.takeFailedGroups() {
      let failures = failed.messages.enumerated().map { RowFailure(row: $0.offset, message: $0.element) }
      try keepComputed(failures, of: failed.groups, stage, emit)
    }
    guard case .stage(let next) = graph.stages[stage].destination,
      let own = stages[next].inputs.firstIndex(of: .stage(stage))
    else { return }
    let (lagging, overflow) = watermark.microseconds.subtractingReportingOverflow(graph.stages[stage].watermarkLag)
    try advance(next, own, Timestamp(microseconds: overflow ? .min : lagging), context, emit)
  }

  private mutating func pass(
    _ batch: Batch, _ stage: Int, _ context: EvaluationContext, _ emit: (Output) throws -> Void
  ) throws {
    let ends = batch.columns[graph.stages[stage].aggregate.keys.count + 1]
    guard case .int64(let times) = ends.storage else { return }
    let placed = Batch(
      schema: batch.schema, columns: batch.columns, count: batch.count,
      origin: RowOrigin(partition: PartitionID(source: "", name: graph.stages[stage].id), offsets: times))
    let result = stages[stage].pipeline.process(placed, context)
    try keepComputed(result.failures, of: batch, stage, emit)
    guard result.batch.count > 0 else { return }
    switch graph.stages[stage].destination {
    case .sink(let sink): try emit(.rows(sink: sink, stream: stages[stage].stream, result.batch))
    case .stage(let next):
      let plain = Batch(schema: result.batch.schema, columns: result.batch.columns, count: result.batch.count)
      guard let added = stages[stage].next?.add(plain, context) else { return }
      try keepComputed(added.failures, of: plain, stage, emit)
      if let rows = stages[stage].next?.takeAll(shards: 1).first ?? nil { _ = stages[next].aggregator.merge(rows) }
    }
  }
}

// MARK: Rows that leave at the side

extension SequentialJob {
  private func keep(
    _ failures: [RowFailure], of batch: Batch, statement: String, _ emit: (Output) throws -> Void
  ) throws {
    guard !failures.isEmpty, let origin = batch.origin else { return }
    let kept = failures.map {
      KeptRecord(
        row: $0.row, of: batch, origin: origin, reason: RejectionReason.expression.rawValue, message: $0.message,
        statement: statement)
    }
    try emit(.kept(source: origin.partition.source, isLate: false, kept))
  }

  private func keepLate(
    _ rows: [Int32], of batch: Batch, _ branch: SequentialBranch, _ emit: (Output) throws -> Void
  ) throws {
    guard !rows.isEmpty, let origin = batch.origin, let time = branch.timeColumn else { return }
    let kept = rows.map { row in
      var record = KeptRecord(
        row: Int(row), of: batch, origin: origin, reason: "late", message: "the row's last window had closed",
        statement: branch.name)
      if case .int64(let times) = batch.columns[time].storage { record.eventTime = times[Int(row)] }
      return record
    }
    try emit(.kept(source: origin.partition.source, isLate: true, kept))
  }

  private func keepComputed(
    _ failures: [RowFailure], of batch: Batch, _ stage: Int, _ emit: (Output) throws -> Void
  ) throws {
    guard !failures.isEmpty else { return }
    let source = graph.source(ofStage: stage)
    let kept = failures.map {
      KeptRecord(
        computedRow: $0.row, of: batch, source: source, reason: RejectionReason.expression.rawValue,
        message: $0.message, statement: graph.stages[stage].name)
    }
    try emit(.kept(source: source, isLate: false, kept))
  }
}
