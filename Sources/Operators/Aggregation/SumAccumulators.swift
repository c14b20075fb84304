import Columnar
import SQL

/// What a sum is finished to.
enum SumResult: Hashable, Sendable {
  /// `sum`, of this type.
  case sum(DataType)
  /// `avg`, of this type.
  case average(DataType)

  var type: DataType {
    switch self {
    case .sum(let type), .average(let type): type
    }
  }
}

/// `sum` and `avg` of `real` and `double precision`.
struct DoubleSumAccumulator: Accumulator {
  let result: SumResult
  private var sums: [DoubleSum] = []

  init(result: SumResult) { self.result = result }

  var stateTypes: [DataType] { [.double, .double, .bigint] }
  var memoryBytes: Int { sums.capacity * MemoryLayout<DoubleSum>.stride }

  mutating func resize(to count: Int) { sums.grow(to: count, with: DoubleSum()) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    Self.add(&sums, argument.float64Values, rows)
  }

  private static func add(
    _ sums: UnsafeMutablePointer<DoubleSum>, _ values: UnsafePointer<Double>, _ rows: GroupedRows
  ) {
    for index in 0..<rows.count { sums[Int(rows.groups[index])].add(values[Int(rows.rows[index])]) }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    Self.merge(&sums, state[0].float64Values, state[1].float64Values, state[2].int64Values, rows)
  }

  private static func merge(
    _ sums: UnsafeMutablePointer<DoubleSum>, _ high: UnsafePointer<Double>, _ low: UnsafePointer<Double>,
    _ counts: UnsafePointer<Int64>, _ rows: GroupedRows
  ) {
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      sums[Int(rows.groups[index])].merge(DoubleSum(high: high[row], low: low[row], count: counts[row]))
    }
  }

  func state() -> [Column] { sums.stateColumns }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    var failures: [RowFailure] = []
    let values = groups.map { group -> Double in
      let sum = sums[group]
      var value = sum.value
      if case .average = result, sum.count > 0 { value /= Double(sum.count) }
      if result.type == .real { value = Double(Float(value)) }
      if sum.hasOverflowed || result.type == .real && value.isInfinite && sum.high.isFinite {
        failures.append(.overflow(result.type, row: group - groups.lowerBound))
      }
      return value
    }
    let validity = Bitmap(groups.map { sums[$0].count > 0 }).unlessAllSet
    return FinishedColumn(column: Column(result.type, .float64(values), validity: validity), failures: failures)
  }
}

extension Array where Element == DoubleSum {
  /// `high`, `low` and `count` as columns.
  var stateColumns: [Column] {
    [
      Column(.double, .float64(map(\.high))), Column(.double, .float64(map(\.low))),
      Column(.bigint, .int64(map(\.count)))
    ]
  }
}

/// `sum` and `avg` of `integer` and `bigint`: exact.
struct IntegerSumAccumulator: Accumulator {
  struct Sum: Sendable {
    var total: Int128 = 0
    var count: Int64 = 0
  }

  let result: SumResult
  private var sums: [Sum] = []

  init(result: SumResult) { self.result = result }

  var stateTypes: [DataType] { [.numeric, .bigint] }
  var memoryBytes: Int { sums.capacity * MemoryLayout<Sum>.stride }

  mutating func resize(to count: Int) { sums.grow(to: count, with: Sum()) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    Self.add(&sums, argument.int64Values, rows)
  }

  private static func add(_ sums: UnsafeMutablePointer<Sum>, _ values: UnsafePointer<Int64>, _ rows: GroupedRows) {
    // 2^64 terms of 64 bits fit 128 bits: no check is needed.
    for index in 0..<rows.count {
      let sum = sums + Int(rows.groups[index])
      sum.pointee.total &+= Int128(values[Int(rows.rows[index])])
      sum.pointee.count &+= 1
    }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let totals = state[0].numericValues
    let counts = state[1].int64Values
    for index in 0..<rows.count {
      let group = Int(rows.groups[index])
      let row = Int(rows.rows[index])
      sums[group].total &+= totals[row].unscaled
      sums[group].count &+= counts[row]
    }
  }

  func state() -> [Column] {
    [
      Column(.numeric, .numeric(sums.map { Numeric(unscaled: $0.total, scale: 0) })),
      Column(.bigint, .int64(sums.map { $0.count }))
    ]
  }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    var failures: [RowFailure] = []
    let validity = Bitmap(groups.map { sums[$0].count > 0 }).unlessAllSet
    if result == .sum(.bigint) {
      let values = groups.map { group -> Int64 in
        if let value = Int64(exactly: sums[group].total) { return value }
        failures.append(.overflow(result.type, row: group - groups.lowerBound))
        return 0
      }
      return FinishedColumn(column: Column(.bigint, .int64(values), validity: validity), failures: failures)
    }
    let values = groups.map { group -> Numeric in
      let sum = sums[group]
      let total = Numeric(unscaled: sum.total, scale: 0)
      guard case .average = result, sum.count > 0 else { return total }
      if let average = NumericDivision.average(total, count: sum.count) { return average }
      failures.append(.overflow(result.type, row: group - groups.lowerBound))
      return total
    }
    return FinishedColumn(column: Column(result.type, .numeric(values), validity: validity), failures: failures)
  }
}

/// `sum` and `avg` of `numeric`: exact, at the greatest scale of the arguments.
struct NumericSumAccumulator: Accumulator {
  struct Sum: Sendable {
    var total = Numeric(unscaled: 0, scale: 0)
    var hasOverflowed = false
    var count: Int64 = 0

    mutating func add(_ value: Numeric) {
      if hasOverflowed { return }
      if total.isNotANumber || value.isNotANumber {
        total = Numeric(unscaled: 0, scale: Numeric.nanScale)
      } else if let sum = total.addingExactly(value) {
        total = sum
      } else {
        hasOverflowed = true
      }
    }
  }

  let result: SumResult
  private var sums: [Sum] = []

  init(result: SumResult) { self.result = result }

  var stateTypes: [DataType] { [.numeric, .bigint] }
  var memoryBytes: Int { sums.capacity * MemoryLayout<Sum>.stride }

  mutating func resize(to count: Int) { sums.grow(to: count, with: Sum()) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    let values = argument.numericValues
    for index in 0..<rows.count {
      let group = Int(rows.groups[index])
      sums[group].add(values[Int(rows.rows[index])])
      sums[group].count &+= 1
    }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let totals = state[0].numericValues
    let counts = state[1].int64Values
    for index in 0..<rows.count {
      let group = Int(rows.groups[index])
      let row = Int(rows.rows[index])
      if state[0].isNull(row) { sums[group].hasOverflowed = true } else { sums[group].add(totals[row]) }
      sums[group].count &+= counts[row]
    }
  }

  /// The total is NULL after an overflow.
  func state() -> [Column] {
    [
      Column(.numeric, .numeric(sums.map { $0.total }), validity: Bitmap(sums.map { !$0.hasOverflowed }).unlessAllSet),
      Column(.bigint, .int64(sums.map { $0.count }))
    ]
  }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    var failures: [RowFailure] = []
    let values = groups.map { group -> Numeric in
      let sum = sums[group]
      var value: Numeric? = sum.hasOverflowed ? nil : sum.total
      if case .average = result, sum.count > 0, let total = value {
        value = NumericDivision.average(total, count: sum.count)
      }
      if let value { return value }
      failures.append(.overflow(result.type, row: group - groups.lowerBound))
      return Numeric(unscaled: 0, scale: 0)
    }
    let validity = Bitmap(groups.map { sums[$0].count > 0 }).unlessAllSet
    return FinishedColumn(column: Column(result.type, .numeric(values), validity: validity), failures: failures)
  }
}

extension Numeric {
  /// The sum at the greater scale, or nil beyond 38 digits, which is what checkpoints keep. Neither may be NaN.
  func addingExactly(_ other: Numeric) -> Numeric? {
    if scale == other.scale {
      let (sum, overflow) = unscaled.addingReportingOverflow(other.unscaled)
      return overflow || sum.magnitude >= Numeric.powerOfTen(38).magnitude ? nil : Numeric(unscaled: sum, scale: scale)
    }
    let target = max(scale, other.scale)
    guard let left = rescaledExactly(to: target), let right = other.rescaledExactly(to: target) else { return nil }
    return left.addingExactly(right)
  }

  /// The same value with more digits after the point, or nil beyond 128 bits.
  func rescaledExactly(to target: Int16) -> Numeric? {
    guard unscaled != 0 else { return Numeric(unscaled: 0, scale: target) }
    guard let factor = NumericDivision.powerOfTen(Int(target) - Int(scale)) else { return nil }
    let (digits, overflow) = unscaled.multipliedReportingOverflow(by: Int128(factor))
    return overflow ? nil : Numeric(unscaled: digits, scale: target)
  }
}

extension RowFailure {
  /// The result does not fit `type`.
  static func overflow(_ type: DataType, row: Int) -> RowFailure {
    RowFailure(
      row: row,
      message: "the aggregate's result is out of the range of \(type.sqlName); cast the argument to a wider type")
  }
}
