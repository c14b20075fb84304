import Actors
import Checkpointing
import Columnar
import Operators
import SQL

/// One statement's part of the work on a partition's rows.
struct SequentialBranch: Sendable {
  let name: String
  let destination: JobGraph.Destination
  let stream: Int
  let pipeline: RowPipeline
  /// The index of the event time in the pipeline's result, when the rows are aggregated.
  let timeColumn: Int?
  private let window: WindowSpecification?
  /// Empty between batches: partial rows merge in any order, so holding them back would change nothing.
  var partial: PartialAggregator?

  init(_ branch: JobGraph.Branch, source: JobGraph.Source, graph: JobGraph, stream: Int) throws {
    name = branch.name
    destination = branch.destination
    self.stream = stream
    pipeline = try RowPipeline(branch.chain, input: source.scan)
    guard case .stage(let stage) = branch.destination else {
      timeColumn = nil
      window = nil
      return
    }
    let aggregate = graph.stages[stage].aggregate
    timeColumn = aggregate.timeColumn
    window = aggregate.window
    partial = try PartialAggregator(aggregate)
  }

  /// Whether a row can fail after it was decoded.
  var canFail: Bool { pipeline.canFail || partial?.canFail ?? false }

  /// The batch with the windows of `late` rows closed to them.
  ///
  /// - Parameter forced: takes the end of the last window of each row that was not late by itself.
  func closing(_ late: Set<Int64>?, of batch: Batch, forced: (Int64) -> Void) -> Batch {
    guard let late, !late.isEmpty, let window, let timeColumn, var origin = batch.origin,
      var watermarks = origin.watermarks, case .int64(let times) = batch.columns[timeColumn].storage
    else { return batch }
    for row in 0..<batch.count where late.contains(origin.offsets[row]) {
      let (end, overflow) = window.lastStart(of: times[row]).addingReportingOverflow(window.size)
      if overflow || end > watermarks[row] { forced(overflow ? .max : end) }
      watermarks[row] = .max
    }
    origin.watermarks = watermarks
    return Batch(
      schema: batch.schema, columns: batch.columns, count: batch.count, rowKinds: batch.rowKinds, origin: origin)
  }
}

extension WindowSpecification {
  /// The start of the last window that begins at or before `time`.
  func lastStart(of time: Int64) -> Int64 {
    let remainder = time % slide
    let (start, overflow) = time.subtractingReportingOverflow(remainder < 0 ? remainder + slide : remainder)
    return overflow ? .min : start
  }
}

/// One windowed aggregation, with all keys in one place.
struct SequentialStage: Sendable {
  enum Input: Hashable, Sendable {
    case partition(PartitionID)
    case stage(Int)
  }

  let inputs: [Input]
  let stream: Int
  let pipeline: RowPipeline
  var aggregator: WindowAggregator
  var tracker: WatermarkTracker
  var endedInputs: Set<Int> = []
  /// The first half of the next stage's aggregation.
  var next: PartialAggregator?

  init(_ graph: JobGraph, _ index: Int, partitions: [PartitionID], stream: Int) throws {
    let stage = graph.stages[index]
    let sources = graph.sources.filter { $0.branches.contains { $0.destination == .stage(index) } }.map(\.table.name)
    inputs =
      partitions.filter { sources.contains($0.source) }.sorted().map { .partition($0) }
      + graph.stages.indices.filter { graph.stages[$0].destination == .stage(index) }.map { .stage($0) }
    self.stream = stream
    pipeline = try RowPipeline(stage.chain, input: stage.aggregate.schema)
    aggregator = try WindowAggregator(stage.aggregate)
    tracker = WatermarkTracker(inputCount: max(1, inputs.count))
    if case .stage(let next) = stage.destination {
      self.next = try PartialAggregator(graph.stages[next].aggregate)
    }
  }
}

extension JobGraph {
  /// The first source whose rows reach `stage`; what the stage rejects is kept under its name.
  func source(ofStage stage: Int) -> String {
    if let source = sources.first(where: { $0.branches.contains { $0.destination == .stage(stage) } }) {
      return source.table.name
    }
    let below = stages.indices.first { stages[$0].destination == .stage(stage) }
    return below.map { source(ofStage: $0) } ?? ""
  }
}
