import Checkpointing
import Columnar
import Operators
import Runtime
import SQL

/// A stage as one partition feeds it: a channel to each shard, and how fine its watermark must be.
struct StageFeed: Sendable {
  /// The index of the stage in the graph.
  let stage: Int
  /// A channel to each of the stage's window actors.
  let shards: [GateSender]
  /// Windows of the stage end only at multiples of this, in microseconds.
  let grain: Int64
  /// The multiple that was last sent on; `nil` to send the next watermark in any case.
  var lastGrain: Int64?
  /// The watermark up to which the stage has fired without waiting for this partition, because it was idle or had ended:
  /// those windows are closed for it too. `.min` when there is none.
  var floor = Int64.min
}

extension Batch {
  /// The batch with no row's watermark below `floor`.
  func raisingWatermarks(to floor: Int64) -> Batch {
    // Watermarks ascend: once the partition has passed the floor, nothing is below it.
    guard var origin, let watermarks = origin.watermarks, let first = watermarks.first, first < floor else {
      return self
    }
    origin.watermarks = watermarks.map { max($0, floor) }
    return Batch(schema: schema, columns: columns, count: count, rowKinds: rowKinds, origin: origin)
  }
}

/// What a branch needs at start.
struct BranchConfiguration: Sendable {
  let name: String
  let chain: Relation
  let scan: Schema
  let aggregate: WindowedAggregate?
  /// The index in the partition's feeds, when the branch ends in a stage.
  let stageFeed: Int?
  /// The sink's channel, when the branch ends in a sink.
  let sink: GateSender?
}

/// One statement's part of a partition actor.
struct BranchState {
  let name: String
  let pipeline: RowPipeline
  let aggregate: WindowedAggregate?
  let stageFeed: Int?
  let sink: GateSender?
  var partial: PartialAggregator?
  var account: RowAccount

  init(_ branch: BranchConfiguration, restored: RowAccount?, configuration: PartitionActor.Configuration) throws {
    name = branch.name
    pipeline = try RowPipeline(branch.chain, input: branch.scan)
    aggregate = branch.aggregate
    stageFeed = branch.stageFeed
    sink = branch.sink
    account = restored ?? RowAccount()
    partial = try branch.aggregate.map {
      try PartialAggregator($0, keyGroupCount: configuration.keyGroupCount, groupLimit: configuration.groupLimit)
    }
  }
}
