import Columnar
import SQL

/// What adding a batch did with its rows; every row is aggregated, late, outside of every window, or failed.
public struct AddResult: Sendable {
  /// Rows whose last window had closed by their partition's watermark before them, in ascending order.
  public var lateRows: [Int32] = []
  /// Rows that could not be evaluated; at most one entry a row, in ascending order.
  public var failures: [RowFailure] = []
  /// Rows that were added to at least one window.
  public var aggregatedCount = 0
  /// Rows whose time lies between windows, which only `hop` with a slide above its size has.
  public var outsideCount = 0
}

/// The first half of an aggregation: groups the rows of one partition by window and key, and hands over partial rows.
public struct PartialAggregator: Sendable {
  let layout: AggregateLayout
  var input: AggregateInput
  private let timeColumn: Int
  private let keyGroups: KeyGroups
  private let groupLimit: Int
  private var windows = WindowTables()
  private var encoded = EncodedKeys()
  private var splitter: WindowSplitter
  private var groups: [Int32] = []
  private var gain: GroupingGain
  /// How many groups are held, over all windows.
  public private(set) var groupCount = 0

  /// The number of groups at which ``isFull`` turns true unless told otherwise.
  public static let defaultGroupLimit = 65_536

  /// An aggregator without rows.
  ///
  /// Throws ``AggregationError`` or `CompileError` for an aggregate or expression that is not supported.
  public init(
    _ aggregate: WindowedAggregate, keyGroupCount: Int = KeyGroups.defaultCount,
    groupLimit: Int = PartialAggregator.defaultGroupLimit
  ) throws {
    layout = try AggregateLayout(aggregate, keepsHashes: true)
    input = try AggregateInput(aggregate)
    timeColumn = aggregate.timeColumn
    keyGroups = KeyGroups(count: keyGroupCount)
    self.groupLimit = max(1, groupLimit)
    gain = GroupingGain(groupLimit: self.groupLimit)
    splitter = WindowSplitter(layout.assignment)
  }

  /// The columns of partial rows: keys, `window_start` (microseconds), the aggregates' states, `rows`.
  public var partialSchema: Schema { layout.partialSchema }

  /// Whether a row can fail: then its payload has to be kept until it was added.
  public var canFail: Bool { input.canFail }

  /// Whether it holds as many groups as it may: time to take them.
  ///
  /// Where looking up groups does not pay, every batch is taken at once.
  public var isFull: Bool { groupCount >= groupLimit || !gain.isWorthwhile && groupCount > 0 }

  /// The memory held for groups, in bytes.
  public var memoryBytes: Int { windows.memoryBytes }

  /// Adds the rows of a batch of the aggregate's input; its origin's watermarks decide which rows are late.
  public mutating func add(_ batch: Batch, _ context: EvaluationContext) -> AddResult {
    var result = AddResult()
    guard batch.count > 0 else { return result }
    let evaluated = input.evaluate(batch, context)
    let time = batch.columns[timeColumn]
    let times = time.int64Values
    splitter.split(
      times, watermarks: batch.origin?.watermarks, excluded: evaluated.excludingNullTimes(time))
    result.failures = evaluated.failures(withNullTimes: time)
    result.lateRows = splitter.lateRows
    result.outsideCount = splitter.outsideCount
    result.aggregatedCount = batch.count - result.failures.count - result.lateRows.count - result.outsideCount
    encoded.encode(evaluated.keys, count: batch.count)
    let order = RowOrder(
      times: times, partition: batch.origin?.partition.description ?? "",
      offsets: batch.origin?.offsets ?? (input.needsOffsets ? (0..<Int64(batch.count)).map { $0 } : []))
    groups.grow(to: batch.count, with: 0)
    for segment in 0..<splitter.segmentCount { addSegment(segment, evaluated, order) }
    return result
  }

  private mutating func addSegment(_ segment: Int, _ evaluated: EvaluatedInput, _ order: RowOrder) {
    let index = windows.index(start: splitter.start(segment), layout)
    let added = splitter.withRows(segment) { rows in
      groups.withUnsafeMutableBufferPointer { groups -> Int in
        guard let rowsBase = rows.baseAddress, let groupsBase = groups.baseAddress else { return 0 }
        return windows.update(index) { table in
          let before = table.count
          if gain.isWorthwhile {
            table.intern(encoded, evaluated.keys, rows: rows, groups: groupsBase)
          } else {
            table.appendEach(encoded, evaluated.keys, rows: rows, groups: groupsBase)
          }
          table.countRows(groupsBase, rows.count)
          let grouped = GroupedRows(rows: rowsBase, groups: UnsafePointer(groupsBase), count: rows.count)
          input.update(&table.accumulators, evaluated, grouped, order)
          return table.count - before
        }
      }
    }
    groupCount += added
  }

  /// Hands over the windows that end at or before `watermark`: one batch a shard, nil where there is no row.
  public mutating func takeClosed(upTo watermark: Timestamp, shards: Int) -> [Batch?] {
    emit(windows.takeClosed(layout.assignment, upTo: watermark.microseconds), shards: shards)
  }

  /// Hands over every window: one batch a shard, nil where there is no row.
  public mutating func takeAll(shards: Int) -> [Batch?] { emit(windows.takeAll(), shards: shards) }

  private mutating func emit(_ tables: [WindowTable], shards: Int) -> [Batch?] {
    let shards = max(1, shards)
    gain.didTake(rows: tables.reduce(0) { $0 + $1.rowTotal }, groups: tables.reduce(0) { $0 + $1.count })
    var dealer = PartialRowDealer(layout, outputs: shards)
    for table in tables {
      groupCount -= table.count
      dealer.add(table) { keyGroups.shard(of: $0, parallelism: shards) }
    }
    return (0..<shards).map { dealer.take($0) }
  }
}
