import Columnar
import Operators
import SQL

/// One row of the test stream.
struct TestRow: Sendable {
  var partition = 0
  var offset: Int64 = 0
  var watermark = Int64.min
  var time: Int64 = 0
  var name: [UInt8]?
  var number: Int64?
  var small: Int64?
  var big: Int64?
  var float: Double?
  var exact: Numeric?
  var text: [UInt8]?
  var flag: Bool?
}

/// The columns of a ``TestRow``.
enum TestColumn: Int {
  case time, name, number, small, big, float, exact, text, flag

  static let schema = Schema([
    Field("time", .timestamp), Field("name", .text), Field("number", .bigint), Field("small", .integer),
    Field("big", .bigint), Field("float", .double), Field("exact", .numeric), Field("text", .text),
    Field("flag", .boolean)
  ])

  var type: DataType { Self.schema.fields[rawValue].type }
  var expression: Expression { Expression(.column(rawValue), type: type) }
}

extension Batch {
  /// Rows of one partition.
  init(_ rows: [TestRow], partition: Int = 0) {
    func column<Value>(
      _ field: TestColumn, _ path: KeyPath<TestRow, Value?>, _ storage: ([Value?]) -> Column.Storage
    ) -> Column {
      let values = rows.map { $0[keyPath: path] }
      let hasNull = values.contains { $0 == nil }
      return Column(field.type, storage(values), validity: hasNull ? Bitmap(values.map { $0 != nil }) : nil)
    }
    func bytes(_ values: [[UInt8]?]) -> Column.Storage {
      var result = ByteValues()
      for value in values { result.append(contentsOf: value ?? []) }
      return .bytes(result)
    }
    self.init(
      schema: TestColumn.schema,
      columns: [
        Column(.timestamp, .int64(rows.map(\.time))),
        column(.name, \.name, bytes),
        column(.number, \.number) { .int64($0.map { $0 ?? -1 }) },
        column(.small, \.small) { .int64($0.map { $0 ?? -1 }) },
        column(.big, \.big) { .int64($0.map { $0 ?? -1 }) },
        column(.float, \.float) { .float64($0.map { $0 ?? -1 }) },
        column(.exact, \.exact) { .numeric($0.map { $0 ?? Numeric(unscaled: -1, scale: 0) }) },
        column(.text, \.text, bytes),
        column(.flag, \.flag) { .boolean($0.map { $0 ?? false }) }
      ],
      count: rows.count,
      origin: RowOrigin(
        partition: PartitionID(source: "test", name: "\(partition)"), offsets: rows.map(\.offset),
        watermarks: rows.map(\.watermark)))
  }

  /// Every row as values.
  var rows: [[Value]] { (0..<count).map { row in columns.map { $0.value(row) } } }
}

extension AggregateCall {
  /// An aggregate over a column of ``TestRow``, with the type that PostgreSQL gives it.
  static func of(
    _ function: AggregateFunction, _ column: TestColumn?, distinct: Bool = false, filter: TestColumn? = nil
  ) -> AggregateCall {
    let isFloat = column == .float
    let isInteger = column == .small || column == .big
    let type: DataType =
      switch function {
      case .count: .bigint
      case .sum: isFloat ? .double : column == .small ? .bigint : .numeric
      case .avg, .stddevSamp, .stddevPop, .varSamp, .varPop: isFloat ? .double : .numeric
      case .min, .max, .firstValue, .lastValue: column?.type ?? .bigint
      case .boolAnd, .boolOr: .boolean
      }
    _ = isInteger
    return AggregateCall(
      function: function, argument: column?.expression, isDistinct: distinct, filter: filter?.expression, type: type)
  }
}

extension WindowedAggregate {
  /// An aggregation of the test stream.
  static func test(
    size: Int64, slide: Int64? = nil, keys: [TestColumn], _ aggregates: [AggregateCall]
  ) -> WindowedAggregate {
    let fields =
      keys.map { TestColumn.schema.fields[$0.rawValue] }
      + [Field("window_start", .timestamp), Field("window_end", .timestamp)]
      + aggregates.enumerated().map { Field("a\($0.offset)", $0.element.type) }
    return WindowedAggregate(
      input: .scan(table: "test", schema: TestColumn.schema), timeColumn: TestColumn.time.rawValue,
      window: WindowSpecification(slide: slide ?? size, size: size), keys: keys.map(\.expression),
      aggregates: aggregates, schema: Schema(fields))
  }

  /// The result rows of one batch that nothing interrupts.
  func results(_ rows: [TestRow]) throws -> [[Value]] {
    var partial = try PartialAggregator(self)
    var window = try WindowAggregator(self)
    _ = partial.add(Batch(rows), evaluationContext)
    for batch in partial.takeAll(shards: 1) { if let batch { _ = window.merge(batch) } }
    return window.advance(to: .maximum).flatMap(\.rows)
  }
}

/// The context of every evaluation of these tests.
let evaluationContext = EvaluationContext(now: Timestamp(microseconds: 0))
