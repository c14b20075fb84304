import Columnar
import SQL

/// The expressions of an aggregation, evaluated once a batch: keys, arguments and filters.
struct AggregateInput: Sendable {
  /// Where one accumulator finds its rows.
  private struct Feed: Sendable {
    /// Absent for `count(*)`.
    let argument: Int?
    let filter: Int?
  }

  private let keys: [CompiledExpression]
  private let arguments: [CompiledExpression]
  private let filters: [CompiledExpression]
  /// For each argument the filters under which it is used; empty when one use has none.
  private let filtersOfArgument: [[Int]]
  private let feeds: [Feed]
  /// Whether an aggregate needs the order of rows within the batch.
  let needsOffsets: Bool
  private var keptRows: [Int32] = []
  private var keptGroups: [Int32] = []

  init(_ aggregate: WindowedAggregate) throws {
    keys = try aggregate.keys.map { try CompiledExpression($0) }
    var argumentExpressions: [Expression] = []
    var filterExpressions: [Expression] = []
    var uses: [[Int?]] = []
    var feeds: [Feed] = []
    for call in aggregate.aggregates where call.argument != nil || call.filter != nil {
      let filter = call.filter.map { Self.index(of: $0, in: &filterExpressions) }
      let argument = call.argument.map { Self.index(of: $0, in: &argumentExpressions) }
      if let argument {
        while uses.count <= argument { uses.append([]) }
        uses[argument].append(filter)
      }
      feeds.append(Feed(argument: argument, filter: filter))
    }
    self.feeds = feeds
    filtersOfArgument = uses.map { $0.contains(nil) ? [] : $0.compactMap { $0 } }
    arguments = try argumentExpressions.map { try CompiledExpression($0) }
    filters = try filterExpressions.map { try CompiledExpression($0) }
    needsOffsets = aggregate.aggregates.contains { $0.function == .firstValue || $0.function == .lastValue }
  }

  private static func index(of expression: Expression, in list: inout [Expression]) -> Int {
    let plain = expression.withoutLocations
    if let index = list.firstIndex(where: { $0.withoutLocations == plain }) { return index }
    list.append(expression)
    return list.count - 1
  }

  /// Whether a row can fail.
  var canFail: Bool { (keys + arguments + filters).contains { $0.canFail } }

  func evaluate(_ batch: Batch, _ context: EvaluationContext) -> EvaluatedInput {
    var result = EvaluatedInput(rowCount: batch.count)
    for key in keys {
      let evaluated = key.evaluate(batch, context)
      result.keys.append(evaluated.column.canonicalForGrouping)
      for failure in evaluated.failures { result.fail(failure) }
    }
    for filter in filters {
      let evaluated = filter.evaluate(batch, context)
      var passes = evaluated.column.booleanValues
      if let validity = evaluated.column.validity {
        for row in passes.indices where !validity[row] { passes[row] = false }
      }
      result.filters.append(passes)
      for failure in evaluated.failures { result.fail(failure) }
    }
    for (index, argument) in arguments.enumerated() {
      let evaluated = argument.evaluate(batch, context)
      result.arguments.append(evaluated.column)
      let guards = filtersOfArgument[index]
      for failure in evaluated.failures {
        // An argument counts only where a filter lets the row through: sum(a / b) FILTER (WHERE b <> 0).
        if guards.isEmpty || guards.contains(where: { result.filters[$0][Int(failure.row)] }) { result.fail(failure) }
      }
    }
    return result
  }

  /// Feeds rows to the accumulators, without those that a filter or a NULL argument leaves out.
  mutating func update(
    _ accumulators: inout [any Accumulator], _ input: EvaluatedInput, _ rows: GroupedRows, _ order: RowOrder
  ) {
    for (index, feed) in feeds.enumerated() {
      let argument = feed.argument.map { input.arguments[$0] } ?? Column(.boolean, .boolean([]))
      let passes = feed.filter.map { input.filters[$0] }
      guard passes != nil || argument.validity != nil else {
        accumulators[index].update(argument, rows, order)
        continue
      }
      keep(rows, passes, argument.validity)
      keptRows.withUnsafeBufferPointer { keptRows in
        keptGroups.withUnsafeBufferPointer { keptGroups in
          guard let rowsBase = keptRows.baseAddress, let groupsBase = keptGroups.baseAddress else { return }
          accumulators[index].update(
            argument, GroupedRows(rows: rowsBase, groups: groupsBase, count: keptRows.count), order)
        }
      }
    }
  }

  private mutating func keep(_ rows: GroupedRows, _ passes: [Bool]?, _ validity: Bitmap?) {
    keptRows.removeAll(keepingCapacity: true)
    keptGroups.removeAll(keepingCapacity: true)
    let words = validity?.words
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      if let passes, !passes[row] { continue }
      if let words, words[row >> 6] & (1 << UInt64(row & 63)) == 0 { continue }
      keptRows.append(rows.rows[index])
      keptGroups.append(rows.groups[index])
    }
  }
}

/// A batch's keys, arguments and filters as columns, and the rows that failed.
struct EvaluatedInput {
  let rowCount: Int
  var keys: [Column] = []
  var arguments: [Column] = []
  /// True where the filter is true.
  var filters: [[Bool]] = []
  private var messages: [Int: String] = [:]

  init(rowCount: Int) { self.rowCount = rowCount }

  /// Notes a failure; the first of a row counts.
  mutating func fail(_ failure: RowFailure) {
    let row = Int(failure.row)
    if messages[row] == nil { messages[row] = failure.message }
  }

  /// True for rows that must not be aggregated; nil when there are none.
  func excludingNullTimes(_ time: Column) -> [Bool]? {
    guard !messages.isEmpty || time.validity != nil else { return nil }
    var result = [Bool](repeating: false, count: rowCount)
    for row in messages.keys { result[row] = true }
    if let validity = time.validity {
      for row in 0..<rowCount where !validity[row] { result[row] = true }
    }
    return result
  }

  /// Every failure, one a row, in the order of rows.
  func failures(withNullTimes time: Column) -> [RowFailure] {
    guard !messages.isEmpty || time.validity != nil else { return [] }
    var all = messages
    if let validity = time.validity {
      for row in 0..<rowCount where !validity[row] && all[row] == nil {
        all[row] = "the event time is NULL; expected a time, so that the row belongs to a window"
      }
    }
    return all.keys.sorted().map { RowFailure(row: $0, message: all[$0] ?? "") }
  }
}
