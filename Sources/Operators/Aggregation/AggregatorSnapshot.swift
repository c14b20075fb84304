import Columnar

/// The state of a ``WindowAggregator`` at one moment; later changes of the aggregator do not show in it.
public struct AggregatorSnapshot: Sendable {
  private let layout: AggregateLayout
  private let keyGroups: KeyGroups
  private let tables: [WindowTable]
  /// The watermark at that moment.
  public let watermark: Timestamp

  /// The most rows of one batch of a snapshot.
  public static let batchLimit = 65_536

  init(layout: AggregateLayout, keyGroups: KeyGroups, tables: [WindowTable], watermark: Timestamp) {
    self.layout = layout
    self.keyGroups = keyGroups
    self.tables = tables
    self.watermark = watermark
  }

  /// How many groups there are.
  public var groupCount: Int { tables.reduce(0) { $0 + $1.count } }

  /// The groups as partial rows, by key group in ascending order.
  ///
  /// Key groups without rows are left out; one of more than ``batchLimit`` rows has several batches.
  public func batchesByKeyGroup() -> [(keyGroup: Int, batch: Batch)] {
    var batches: [(keyGroup: Int, batch: Batch)] = []
    var dealer = PartialRowDealer(layout, outputs: keyGroups.count)
    for table in tables {
      dealer.add(table) { keyGroups.group(of: $0) }
      for group in 0..<keyGroups.count where dealer.count(group) >= Self.batchLimit {
        if let batch = dealer.take(group) { Self.append(batch, group, to: &batches) }
      }
    }
    for group in 0..<keyGroups.count {
      if let batch = dealer.take(group) { Self.append(batch, group, to: &batches) }
    }
    batches.sort { $0.keyGroup < $1.keyGroup }
    return batches
  }

  private static func append(_ batch: Batch, _ group: Int, to batches: inout [(keyGroup: Int, batch: Batch)]) {
    var lower = 0
    while lower < batch.count {
      let upper = min(batch.count, lower + batchLimit)
      let isWhole = lower == 0 && upper == batch.count
      batches.append((group, isWhole ? batch : batch.gather((Int32(lower)..<Int32(upper)).map { $0 })))
      lower = upper
    }
  }
}
