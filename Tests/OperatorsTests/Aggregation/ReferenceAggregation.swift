import Columnar
import SQL

/// The obvious implementation: keep every row, compute at the end.
struct ReferenceAggregation {
  /// A window and the values of the keys.
  struct Group: Hashable {
    let start: Int64
    let keys: [Value]
  }

  let aggregate: WindowedAggregate
  let keys: [TestColumn]
  var groups: [Group: [TestRow]] = [:]
  var lateRows: Set<[Int64]> = []

  mutating func add(_ row: TestRow) {
    let (slide, size) = (aggregate.window.slide, aggregate.window.size)
    var starts: [Int64] = []
    // Every multiple of the slide around the time, without any cleverness.
    let near = row.time / slide
    for multiple in (near - size / slide - 2)...(near + 2) {
      let start = multiple * slide
      if start <= row.time, row.time < start + size { starts.append(start) }
    }
    let open = starts.filter { $0 + size > row.watermark }
    if open.isEmpty { lateRows.insert([Int64(row.partition), row.offset]) }
    for start in open { groups[Group(start: start, keys: keys.map { row.value($0) }), default: []].append(row) }
  }

  /// Keys, window and aggregates of every group.
  func results() -> [Group: [Value]] {
    var results: [Group: [Value]] = [:]
    for (group, rows) in groups {
      results[group] =
        group.keys + [.int64(group.start), .int64(group.start + aggregate.window.size)]
        + aggregate.aggregates.map { Self.compute($0, rows) }
    }
    return results
  }

  static func compute(_ call: AggregateCall, _ allRows: [TestRow]) -> Value {
    var rows = allRows
    if let filter = call.filter { rows = rows.filter { $0.value(column(filter)) == .boolean(true) } }
    guard let argument = call.argument.map(column) else { return .int64(Int64(rows.count)) }
    rows = rows.filter { $0.value(argument) != .null }
    var values = rows.map { $0.value(argument) }
    if call.isDistinct { values = Array(Set(values)) }
    if call.function == .count { return .int64(Int64(values.count)) }
    guard !values.isEmpty else { return .null }
    switch call.function {
    case .count: return .null
    case .boolAnd: return .boolean(values.allSatisfy { $0 == .boolean(true) })
    case .boolOr: return .boolean(values.contains(.boolean(true)))
    case .min: return values.dropFirst().reduce(values[0]) { less($1, $0) ? $1 : $0 }
    case .max: return values.dropFirst().reduce(values[0]) { less($0, $1) ? $1 : $0 }
    case .firstValue: return rows.min { $0.position.lexicographicallyPrecedes($1.position) }?.value(argument) ?? .null
    case .lastValue: return rows.max { $0.position.lexicographicallyPrecedes($1.position) }?.value(argument) ?? .null
    case .sum, .avg, .stddevSamp, .stddevPop, .varSamp, .varPop: return moments(call, values)
    }
  }

  /// Sums of quarters and hundredths are exact in the integers used here.
  private static func moments(_ call: AggregateCall, _ values: [Value]) -> Value {
    let scaled = values.map { value -> Int128 in
      switch value {
      case .int64(let integer): Int128(integer)
      case .float64(let float): Int128(float * 4)
      case .numeric(let numeric): numeric.unscaled * (numeric.scale == 0 ? 100 : numeric.scale == 1 ? 10 : 1)
      default: 0
      }
    }
    let sum = scaled.reduce(0, +)
    let count = Int128(values.count)
    if case .float64 = values[0] {
      let squares = scaled.reduce(0) { $0 + $1 * $1 }
      let spread = Double(count * squares - sum * sum) / 16
      switch call.function {
      case .sum: return .float64(Double(sum) / 4)
      case .avg: return .float64(Double(sum) / 4 / Double(count))
      case .varPop: return .float64(spread / Double(count * count))
      case .varSamp: return count < 2 ? .null : .float64(spread / Double(count * (count - 1)))
      case .stddevPop: return .float64((spread / Double(count * count)).squareRoot())
      default: return count < 2 ? .null : .float64((spread / Double(count * (count - 1))).squareRoot())
      }
    }
    let scale: Int16 = if case .numeric = values[0] { 2 } else { 0 }
    if call.function == .sum {
      if call.type == .bigint { return .int64(Int64(sum)) }
      return .numeric(Numeric(unscaled: sum, scale: scale))
    }
    // Compared as a double with a tolerance: the exact digits have tests of their own.
    let factor: Double = scale == 2 ? 100 : 1
    let total = scaled.map { Double($0) / factor }
    let mean = Double(sum) / factor / Double(count)
    let spread = total.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    switch call.function {
    case .avg: return .float64(mean)
    case .varPop: return .float64(spread / Double(count))
    case .varSamp: return count < 2 ? .null : .float64(spread / Double(count - 1))
    case .stddevPop: return .float64((spread / Double(count)).squareRoot())
    default: return count < 2 ? .null : .float64((spread / Double(count - 1)).squareRoot())
    }
  }

  private static func column(_ expression: Expression) -> TestColumn {
    guard case .column(let index) = expression.kind, let column = TestColumn(rawValue: index) else { return .time }
    return column
  }

  private static func less(_ left: Value, _ right: Value) -> Bool {
    switch (left, right) {
    case (.int64(let left), .int64(let right)): left < right
    case (.float64(let left), .float64(let right)): left < right
    case (.numeric(let left), .numeric(let right)): left.hundredths < right.hundredths
    case (.bytes(let left), .bytes(let right)): left.lexicographicallyPrecedes(right)
    default: false
    }
  }

  /// Whether results are equal; averages and deviations up to rounding.
  static func matches(_ actual: Value, _ expected: Value) -> Bool {
    switch (actual, expected) {
    case (.numeric(let actual), .numeric(let expected)): actual.hundredths == expected.hundredths
    case (.numeric(let actual), .float64(let expected)):
      // Large deviations have few digits after the point, as in PostgreSQL.
      close(actual.double, expected) || actual.scale == 0 && abs(actual.double - expected) <= 0.5
    case (.float64(let actual), .float64(let expected)): close(actual, expected)
    default: actual == expected
    }
  }

  private static func close(_ left: Double, _ right: Double) -> Bool {
    abs(left - right) <= 1e-9 * max(1, abs(right))
  }
}

extension Numeric {
  /// As hundredths; the test stream has at most two digits after the point.
  var hundredths: Int128 { scale == 0 ? unscaled * 100 : scale == 1 ? unscaled * 10 : unscaled }

  /// Approximately.
  var double: Double { (0..<max(0, Int(scale))).reduce(Double(unscaled)) { value, _ in value / 10 } }
}

extension TestRow {
  /// What decides between first and last.
  var position: [Int64] { [time, Int64(partition), offset] }

  func value(_ column: TestColumn) -> Value {
    switch column {
    case .time: .int64(time)
    case .name: name.map { .bytes($0) } ?? .null
    case .number: number.map { .int64($0) } ?? .null
    case .small: small.map { .int64($0) } ?? .null
    case .big: big.map { .int64($0) } ?? .null
    case .float: float.map { .float64($0) } ?? .null
    case .exact: exact.map { .numeric($0) } ?? .null
    case .text: text.map { .bytes($0) } ?? .null
    case .flag: flag.map { .boolean($0) } ?? .null
    }
  }
}
