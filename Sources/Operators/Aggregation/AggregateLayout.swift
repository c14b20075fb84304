import Columnar
import SQL

/// Why an aggregation cannot be built.
public struct AggregationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected, what came, and what to do.
  public let message: String
  /// Where the cause stands in the SQL text.
  public let location: SourceLocation?

  /// An error at `location`.
  public init(message: String, location: SourceLocation?) {
    self.message = message
    self.location = location
  }

  /// `line:column: message`, or the message.
  public var description: String { location.map { "\($0): \(message)" } ?? message }
}

/// What both halves of an aggregation derive from the plan: the columns of partial rows, and empty states.
struct AggregateLayout: Sendable {
  /// Where the result of an aggregate comes from.
  enum Result: Sendable {
    /// `count(*)` without a filter: the number of rows that every group has anyway.
    case rowCount
    /// The accumulator at this index, whose state starts at this column of partial rows.
    case accumulator(Int, firstColumn: Int)
  }

  let assignment: WindowAssignment
  let keyCount: Int
  let keyTypes: [DataType]
  /// One for each aggregate of the plan.
  let results: [Result]
  let emptyAccumulators: [any Accumulator]
  let stateColumns: [Range<Int>]
  /// Keys, `window_start`, states, `rows`.
  let partialSchema: Schema
  /// The schema of the plan.
  let resultSchema: Schema
  /// Keys, `window_start`, `window_end`, `rows`: groups that have no result.
  let groupSchema: Schema
  /// Whether tables keep the hashes of their groups, by which they are dealt.
  let keepsHashes: Bool

  init(_ aggregate: WindowedAggregate, keepsHashes: Bool) throws(AggregationError) {
    self.keepsHashes = keepsHashes
    let keys = aggregate.keys.count
    guard aggregate.schema.fields.count == keys + 2 + aggregate.aggregates.count else {
      throw AggregationError(
        message: "expected a column for each key, the window's start and end, and each aggregate; the plan has "
          + "\(aggregate.schema.fields.count) columns",
        location: nil)
    }
    assignment = WindowAssignment(aggregate.window)
    keyCount = keys
    keyTypes = aggregate.keys.map { $0.type }
    let keyFields = (0..<keys).map { Field(aggregate.schema.fields[$0].name, aggregate.keys[$0].type) }
    var fields = keyFields + [Field("window_start", .bigint, isNullable: false)]
    var results: [Result] = []
    var accumulators: [any Accumulator] = []
    var ranges: [Range<Int>] = []
    for (index, call) in aggregate.aggregates.enumerated() {
      guard let accumulator = try AggregateCatalog.accumulator(for: call) else {
        results.append(.rowCount)
        continue
      }
      results.append(.accumulator(accumulators.count, firstColumn: fields.count))
      accumulators.append(accumulator)
      ranges.append(fields.count..<(fields.count + accumulator.stateTypes.count))
      for (part, type) in accumulator.stateTypes.enumerated() { fields.append(Field("state_\(index)_\(part)", type)) }
    }
    fields.append(Field("rows", .bigint, isNullable: false))
    self.results = results
    emptyAccumulators = accumulators
    stateColumns = ranges
    partialSchema = Schema(fields)
    resultSchema = aggregate.schema
    groupSchema = Schema(
      keyFields + aggregate.schema.fields[keys..<(keys + 2)] + [Field("rows", .bigint, isNullable: false)])
  }

  var windowStartColumn: Int { keyCount }
  var rowCountColumn: Int { partialSchema.fields.count - 1 }

  /// An empty table with room for `expected` groups.
  func makeTable(start: Int64, expecting expected: Int) -> WindowTable {
    WindowTable(
      start: start, keys: GroupKeys(types: keyTypes, keepsHashes: keepsHashes, expected: expected),
      accumulators: emptyAccumulators)
  }
}

/// Which accumulator computes which aggregate over which type.
enum AggregateCatalog {
  /// An empty accumulator; nil for `count(*)` without a filter, which needs none.
  static func accumulator(for call: AggregateCall) throws(AggregationError) -> (any Accumulator)? {
    guard let argument = call.argument else {
      guard call.function == .count else { throw unsupported(call, "without an argument") }
      return call.filter == nil ? nil : CountAccumulator()
    }
    guard let plain = plainAccumulator(call, argument.type) else {
      throw unsupported(call, "over \(argument.type.sqlName)")
    }
    switch call.function {
    case .min, .max, .boolAnd, .boolOr, .firstValue, .lastValue: return plain
    case .count, .sum, .avg, .stddevSamp, .stddevPop, .varSamp, .varPop:
      return call.isDistinct ? DistinctAccumulator(plain, argumentType: argument.type) : plain
    }
  }

  private static func unsupported(_ call: AggregateCall, _ what: String) -> AggregationError {
    AggregationError(
      message: "\(call.function.rawValue) \(what) is not supported; cast the argument or use another aggregate",
      location: call.argument?.location)
  }

  private static func plainAccumulator(_ call: AggregateCall, _ type: DataType) -> (any Accumulator)? {
    switch call.function {
    case .count: return CountAccumulator()
    case .sum: return sum(.sum(call.type), type)
    case .avg: return sum(.average(call.type), type)
    case .min, .max: return extremum(isMaximum: call.function == .max, type)
    case .boolAnd, .boolOr: return type == .boolean ? BooleanAccumulator(decisive: call.function == .boolOr) : nil
    case .firstValue, .lastValue: return edge(isLast: call.function == .lastValue, type)
    case .stddevSamp, .stddevPop, .varSamp, .varPop:
      guard let kind = VarianceKind(call.function) else { return nil }
      switch type {
      case .real, .double: return DoubleVarianceAccumulator(kind: kind)
      case .integer, .bigint, .numeric: return NumericVarianceAccumulator(kind: kind)
      default: return nil
      }
    }
  }

  private static func sum(_ result: SumResult, _ type: DataType) -> (any Accumulator)? {
    switch type {
    case .integer, .bigint: IntegerSumAccumulator(result: result)
    case .real, .double: DoubleSumAccumulator(result: result)
    case .numeric: NumericSumAccumulator(result: result)
    default: nil
    }
  }

  private static func extremum(isMaximum: Bool, _ type: DataType) -> any Accumulator {
    switch type {
    case .boolean: ExtremumAccumulator<Bool>(isMaximum: isMaximum, type: type)
    case .integer, .bigint, .date, .timestamp, .timestamptz:
      ExtremumAccumulator<Int64>(isMaximum: isMaximum, type: type)
    case .real, .double: ExtremumAccumulator<Double>(isMaximum: isMaximum, type: type)
    case .numeric: ExtremumAccumulator<Numeric>(isMaximum: isMaximum, type: type)
    case .text, .bytea, .jsonb: BytesExtremumAccumulator(isMaximum: isMaximum, type: type)
    case .interval: ExtremumAccumulator<Interval>(isMaximum: isMaximum, type: type)
    case .uuid: ExtremumAccumulator<UUIDValue>(isMaximum: isMaximum, type: type)
    }
  }

  private static func edge(isLast: Bool, _ type: DataType) -> any Accumulator {
    switch type {
    case .boolean: EdgeAccumulator<Bool>(isLast: isLast, type: type)
    case .integer, .bigint, .date, .timestamp, .timestamptz: EdgeAccumulator<Int64>(isLast: isLast, type: type)
    case .real, .double: EdgeAccumulator<Double>(isLast: isLast, type: type)
    case .numeric: EdgeAccumulator<Numeric>(isLast: isLast, type: type)
    case .text, .bytea, .jsonb: BytesEdgeAccumulator(isLast: isLast, type: type)
    case .interval: EdgeAccumulator<Interval>(isLast: isLast, type: type)
    case .uuid: EdgeAccumulator<UUIDValue>(isLast: isLast, type: type)
    }
  }
}
