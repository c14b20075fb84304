import Columnar

/// The state of a ``WindowAggregator`` at one moment; later changes of the aggregator do not show in it.
public struct AggregatorSnapshot: Sendable {
  private let layout: AggregateLayout
  private let windows: [FrozenWindow]
  /// The watermark at that moment.
  public let watermark: Timestamp

  init(layout: AggregateLayout, windows: [FrozenWindow], watermark: Timestamp) {
    self.layout = layout
    self.windows = windows
    self.watermark = watermark
  }

  /// How many groups there are.
  public var groupCount: Int { windows.reduce(0) { $0 + $1.count } }

  /// The groups as partial rows, a batch for each window. Nothing is copied that the state holds in the same form.
  public func batches() -> [Batch] {
    windows.filter { $0.count > 0 }
      .map { Batch(schema: layout.partialSchema, columns: $0.partialColumns(), count: $0.count) }
  }
}
