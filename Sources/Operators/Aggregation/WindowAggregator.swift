import Columnar
import SQL

/// Groups that have no result, kept instead of vanishing: keys, `window_start`, `window_end`, `rows`.
public struct FailedGroups: Hashable, Sendable {
  /// One row a group.
  public let groups: Batch
  /// Why each group has no result.
  public let messages: [String]
}

/// The second half of an aggregation, for one shard: merges partial rows and fires windows on the watermark.
public struct WindowAggregator: Sendable {
  private let layout: AggregateLayout
  private var windows = WindowTables()
  private var encoded = EncodedKeys()
  private var groups: [Int32] = []
  private var failed = GroupCollector()
  /// Every window that ends at or before it has fired.
  public private(set) var watermark = Timestamp.minimum
  /// How many groups are held, over all windows.
  public private(set) var groupCount = 0

  /// The end of the latest window that is open; nil when none is.
  public var latestWindowEnd: Timestamp? {
    windows.tables.last.map { Timestamp(microseconds: layout.assignment.end($0.start)) }
  }

  /// The most rows of a batch of results.
  public static let resultBatchLimit = 8_192

  /// An aggregator without groups.
  ///
  /// Throws ``AggregationError`` for an aggregate that is not supported.
  public init(_ aggregate: WindowedAggregate) throws {
    layout = try AggregateLayout(aggregate, keepsHashes: false)
  }

  /// The columns of partial rows: keys, `window_start` (microseconds), the aggregates' states, `rows`.
  public var partialSchema: Schema { layout.partialSchema }

  /// The memory held for groups, in bytes.
  public var memoryBytes: Int { windows.memoryBytes }

  /// Merges partial rows; those whose window has already fired come back, they have no effect.
  ///
  /// The result has the columns keys, `window_start`, `window_end`, `rows`.
  public mutating func merge(_ partial: Batch) -> Batch? {
    guard partial.count > 0 else { return nil }
    let starts = partial.columns[layout.windowStartColumn].int64Values
    var late: [Int32] = []
    var rowsOfStart: [Int64: [Int32]] = [:]
    // Partial rows come window by window: the rows of a run are noted together.
    var runStart = 0
    while runStart < partial.count {
      let start = starts[runStart]
      var runEnd = runStart + 1
      while runEnd < partial.count, starts[runEnd] == start { runEnd += 1 }
      let run = Int32(runStart)..<Int32(runEnd)
      if layout.assignment.end(start) <= watermark.microseconds {
        late.append(contentsOf: run)
      } else {
        rowsOfStart[start, default: []].append(contentsOf: run)
      }
      runStart = runEnd
    }
    merge(partial, rowsOfStart)
    return late.isEmpty ? nil : lateGroups(partial, late)
  }

  private mutating func merge(_ partial: Batch, _ rowsOfStart: [Int64: [Int32]]) {
    let keyColumns = Array(partial.columns[0..<layout.keyCount])
    encoded.encode(keyColumns, count: partial.count)
    groups.grow(to: partial.count, with: 0)
    for (start, rows) in rowsOfStart {
      // Partial rows of one batch are mostly groups of their own; a restored window comes as one batch.
      let index = windows.index(start: start, rows: rows.count, layout)
      let added = rows.withUnsafeBufferPointer { rows in
        groups.withUnsafeMutableBufferPointer { groups -> Int in
          guard let rowsBase = rows.baseAddress, let groupsBase = groups.baseAddress else { return 0 }
          return windows.update(index) { table in
            let before = table.count
            table.intern(encoded, keyColumns, rows: rows, groups: groupsBase)
            table.merge(
              partial, GroupedRows(rows: rowsBase, groups: UnsafePointer(groupsBase), count: rows.count), layout)
            return table.count - before
          }
        }
      }
      groupCount += added
    }
  }

  private func lateGroups(_ partial: Batch, _ rows: [Int32]) -> Batch {
    let kept = partial.gather(rows)
    let starts = kept.columns[layout.windowStartColumn].int64Values
    return layout.groupBatch(
      keys: Array(kept.columns[0..<layout.keyCount]), starts: starts,
      rows: kept.columns[layout.rowCountColumn].int64Values)
  }

  /// Fires every window that ends at or before `watermark`, in the order of their ends; a watermark that is not
  /// later than the last one does nothing.
  ///
  /// Batches have the schema of the plan and at most ``resultBatchLimit`` rows. Groups without a result, because
  /// one of their aggregates overflows, are kept for ``takeFailedGroups()``.
  public mutating func advance(to watermark: Timestamp) -> [Batch] {
    guard watermark > self.watermark else { return [] }
    self.watermark = watermark
    let closed = windows.takeClosed(layout.assignment, upTo: watermark.microseconds)
    guard !closed.isEmpty else { return [] }
    var results = ResultCollector(layout.resultSchema, limit: Self.resultBatchLimit)
    for table in closed {
      groupCount -= table.count
      fire(table, &results)
    }
    return results.finish()
  }

  private mutating func fire(_ table: WindowTable, _ results: inout ResultCollector) {
    let keys = table.keys.keyColumns
    let accumulators = table.accumulators.map { $0.prepared() }
    var lower = 0
    while lower < table.count {
      let range = lower..<min(table.count, lower + results.room)
      lower = range.upperBound
      let rows = range.map { Int32($0) }
      let keyPart = rows.withUnsafeBufferPointer { rows in keys.map { $0.gathering(rows) } }
      var failures: [Int: String] = [:]
      var columns = keyPart + layout.windowColumns([Int64](repeating: table.start, count: range.count))
      for result in layout.results {
        switch result {
        case .rowCount: columns.append(Column(.bigint, .int64(Array(table.rowCounts[range]))))
        case .accumulator(let index, _):
          let finished = accumulators[index].finish(range)
          columns.append(finished.column)
          for failure in finished.failures where failures[Int(failure.row)] == nil {
            failures[Int(failure.row)] = failure.message
          }
        }
      }
      let batch = Batch(schema: layout.resultSchema, columns: columns, count: range.count)
      guard !failures.isEmpty else {
        results.add(batch)
        continue
      }
      results.add(batch.gather((0..<Int32(range.count)).filter { failures[Int($0)] == nil }))
      keep(failures, keyPart, table, range)
    }
  }

  private mutating func keep(_ failures: [Int: String], _ keys: [Column], _ table: WindowTable, _ range: Range<Int>) {
    let rows = failures.keys.sorted()
    let batch = layout.groupBatch(
      keys: keys, starts: [Int64](repeating: table.start, count: range.count), rows: Array(table.rowCounts[range]))
    failed.add(batch.gather(rows.map { Int32($0) }), rows.map { failures[$0] ?? "" })
  }

  /// The groups that fired without a result since the last call; nil when there are none.
  public mutating func takeFailedGroups() -> FailedGroups? { failed.take() }

  /// The state as of now: taken without copying, shared until either side changes.
  public func snapshot() -> AggregatorSnapshot {
    AggregatorSnapshot(layout: layout, windows: windows.tables.map { FrozenWindow($0) }, watermark: watermark)
  }

  /// Adds partial rows of a snapshot, of any key groups, whatever the watermark.
  public mutating func restore(_ rows: Batch) {
    guard rows.count > 0 else { return }
    let starts = rows.columns[layout.windowStartColumn].int64Values
    var rowsOfStart: [Int64: [Int32]] = [:]
    for (row, start) in starts.enumerated() { rowsOfStart[start, default: []].append(Int32(row)) }
    merge(rows, rowsOfStart)
  }

  /// Continues from the watermark of a snapshot: windows up to it have fired and never fire again.
  public mutating func restore(watermark: Timestamp) { self.watermark = max(self.watermark, watermark) }
}

extension AggregateLayout {
  /// `window_start` and `window_end` in the types of the plan.
  func windowColumns(_ starts: [Int64]) -> [Column] {
    [
      Column(resultSchema.fields[keyCount].type, .int64(starts)),
      Column(resultSchema.fields[keyCount + 1].type, .int64(starts.map { assignment.end($0) }))
    ]
  }

  /// Groups without results: keys, window and the number of rows.
  func groupBatch(keys: [Column], starts: [Int64], rows: [Int64]) -> Batch {
    Batch(
      schema: groupSchema, columns: keys + windowColumns(starts) + [Column(.bigint, .int64(rows))],
      count: starts.count)
  }
}

/// Collects results into batches of a bounded number of rows.
private struct ResultCollector {
  private let schema: Schema
  private let limit: Int
  private var builders: [GatheringBuilder]
  private var count = 0
  private var batches: [Batch] = []

  init(_ schema: Schema, limit: Int) {
    self.schema = schema
    self.limit = limit
    builders = schema.fields.map { GatheringBuilder($0.type) }
  }

  /// How many rows the current batch can still take; at least 1.
  var room: Int { limit - count }

  mutating func add(_ batch: Batch) {
    for index in builders.indices { builders[index].append(batch.columns[index]) }
    count += batch.count
    if count >= limit { flush() }
  }

  private mutating func flush() {
    guard count > 0 else { return }
    batches.append(Batch(schema: schema, columns: builders.map { $0.column }, count: count))
    builders = schema.fields.map { GatheringBuilder($0.type) }
    count = 0
  }

  mutating func finish() -> [Batch] {
    flush()
    return batches
  }
}

/// Collects groups without a result.
private struct GroupCollector: Sendable {
  private var schema: Schema?
  private var builders: [GatheringBuilder] = []
  private var messages: [String] = []

  mutating func add(_ batch: Batch, _ newMessages: [String]) {
    if schema == nil { builders = batch.schema.fields.map { GatheringBuilder($0.type) } }
    schema = batch.schema
    for index in builders.indices { builders[index].append(batch.columns[index]) }
    messages += newMessages
  }

  mutating func take() -> FailedGroups? {
    guard let schema else { return nil }
    let batch = Batch(schema: schema, columns: builders.map { $0.column }, count: messages.count)
    let result = FailedGroups(groups: batch, messages: messages)
    self = GroupCollector()
    return result
  }
}
