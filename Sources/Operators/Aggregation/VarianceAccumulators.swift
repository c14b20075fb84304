import Columnar
import SQL

/// Which of the four functions a variance is finished to.
struct VarianceKind: Hashable, Sendable {
  /// Divide by n − 1 instead of n; NULL for a single row.
  let isSample: Bool
  /// The square root of the variance.
  let isDeviation: Bool

  /// Nil when `function` is another aggregate.
  init?(_ function: AggregateFunction) {
    switch function {
    case .varSamp: (isSample, isDeviation) = (true, false)
    case .varPop: (isSample, isDeviation) = (false, false)
    case .stddevSamp: (isSample, isDeviation) = (true, true)
    case .stddevPop: (isSample, isDeviation) = (false, true)
    default: return nil
    }
  }

  /// Fewer rows have no result.
  var minimumCount: Int64 { isSample ? 2 : 1 }
}

/// Variance and deviation of `real` and `double precision`, from Σx and Σx² at twice the precision of a double.
struct DoubleVarianceAccumulator: Accumulator {
  struct Moments: Sendable {
    var sum = DoubleSum()
    var squares = DoubleSum()
  }

  let kind: VarianceKind
  private var moments: [Moments] = []

  init(kind: VarianceKind) { self.kind = kind }

  var stateTypes: [DataType] { [.double, .double, .bigint, .double, .double] }
  var memoryBytes: Int { moments.capacity * MemoryLayout<Moments>.stride }

  mutating func resize(to count: Int) { moments.grow(to: count, with: Moments()) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    Self.add(&moments, argument.float64Values, rows)
  }

  private static func add(
    _ moments: UnsafeMutablePointer<Moments>, _ values: UnsafePointer<Double>, _ rows: GroupedRows
  ) {
    for index in 0..<rows.count {
      let value = values[Int(rows.rows[index])]
      let group = moments + Int(rows.groups[index])
      group.pointee.sum.add(value)
      group.pointee.squares.addSquare(value)
    }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let (high, low, counts) = (state[0].float64Values, state[1].float64Values, state[2].int64Values)
    let (squaresHigh, squaresLow) = (state[3].float64Values, state[4].float64Values)
    for index in 0..<rows.count {
      let group = Int(rows.groups[index])
      let row = Int(rows.rows[index])
      moments[group].sum.merge(DoubleSum(high: high[row], low: low[row], count: counts[row]))
      moments[group].squares.merge(DoubleSum(high: squaresHigh[row], low: squaresLow[row]))
    }
  }

  func state() -> [Column] {
    moments.map { $0.sum }.stateColumns + moments.map { $0.squares }.stateColumns.prefix(2)
  }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    var failures: [RowFailure] = []
    let values = groups.map { group -> Double in
      let value = variance(moments[group])
      if moments[group].sum.hasOverflowed || moments[group].squares.hasOverflowed {
        failures.append(.overflow(.double, row: group - groups.lowerBound))
      }
      return kind.isDeviation ? value.squareRoot() : value
    }
    let validity = Bitmap(groups.map { moments[$0].sum.count >= kind.minimumCount }).unlessAllSet
    failures.removeAll { failure in validity.map { !$0[Int(failure.row)] } ?? false }
    return FinishedColumn(column: Column(.double, .float64(values), validity: validity), failures: failures)
  }

  /// (n Σx² − (Σx)²) / (n (n − 1)), the difference taken at twice a double's precision.
  private func variance(_ moments: Moments) -> Double {
    let count = Double(moments.sum.count)
    guard moments.sum.high.isFinite, moments.squares.high.isFinite else { return .nan }
    let sum = moments.sum.normalized
    let squares = moments.squares.normalized
    // Divided by n first, so that neither product leaves the range before the result would.
    let mean = sum.high / count
    let meanError = (sum.high.addingProduct(-mean, count) + sum.low) / count
    let product = mean * sum.high
    let productError = (-product).addingProduct(mean, sum.high) + mean * sum.low + meanError * sum.high
    let difference = (squares.high - product) + (squares.low - productError)
    // What cancels to less than the precision of the sums is rounding, not spread.
    guard difference > abs(squares.high) * 0x1p-96 else { return 0 }
    return difference / (kind.isSample ? count - 1 : count)
  }
}

/// Variance and deviation of `integer`, `bigint` and `numeric`: exact Σx and Σx², and PostgreSQL's numeric result.
///
/// Σx has 128 bits and Σx² 256 bits; what exceeds them is an overflow, as is a result of more than 38 digits.
struct NumericVarianceAccumulator: Accumulator {
  struct Moments: Sendable {
    var sum: Int128 = 0
    var squares = WideInteger.zero
    var count: Int64 = 0
    var scale: Int16 = 0
    var isNotANumber = false
    var hasOverflowed = false
  }

  let kind: VarianceKind
  private var moments: [Moments] = []

  init(kind: VarianceKind) { self.kind = kind }

  /// Σx (NaN for NaN, NULL after an overflow), the 32 bytes of Σx², and the count.
  var stateTypes: [DataType] { [.numeric, .bytea, .bigint] }
  var memoryBytes: Int { moments.capacity * MemoryLayout<Moments>.stride }

  mutating func resize(to count: Int) { moments.grow(to: count, with: Moments()) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    switch argument.storage {
    case .int64(let values):
      for index in 0..<rows.count {
        let value = Numeric(unscaled: Int128(values[Int(rows.rows[index])]), scale: 0)
        moments[Int(rows.groups[index])].add(value)
      }
    default:
      let values = argument.numericValues
      for index in 0..<rows.count { moments[Int(rows.groups[index])].add(values[Int(rows.rows[index])]) }
    }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let (sums, squares, counts) = (state[0].numericValues, state[1].byteValues, state[2].int64Values)
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      var other = Moments()
      other.count = counts[row]
      other.hasOverflowed = state[0].isNull(row)
      other.isNotANumber = sums[row].isNotANumber
      if !other.hasOverflowed, !other.isNotANumber {
        other.sum = sums[row].unscaled
        other.scale = sums[row].scale
        other.squares = WideInteger(littleEndianBytes: squares[row])
      }
      moments[Int(rows.groups[index])].merge(other)
    }
  }

  func state() -> [Column] {
    let sums = moments.map {
      $0.isNotANumber
        ? Numeric(unscaled: 0, scale: Numeric.nanScale) : Numeric(unscaled: $0.sum, scale: $0.scale)
    }
    var squares = ByteValues()
    for group in moments { squares.append(contentsOf: group.squares.littleEndianBytes) }
    return [
      Column(.numeric, .numeric(sums), validity: Bitmap(moments.map { !$0.hasOverflowed }).unlessAllSet),
      Column(.bytea, .bytes(squares)), Column(.bigint, .int64(moments.map { $0.count }))
    ]
  }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    var failures: [RowFailure] = []
    let values = groups.map { group -> Numeric in
      guard moments[group].count >= kind.minimumCount else { return Numeric(unscaled: 0, scale: 0) }
      if let value = moments[group].result(kind) { return value }
      failures.append(.overflow(.numeric, row: group - groups.lowerBound))
      return Numeric(unscaled: 0, scale: 0)
    }
    let validity = Bitmap(groups.map { moments[$0].count >= kind.minimumCount }).unlessAllSet
    return FinishedColumn(column: Column(.numeric, .numeric(values), validity: validity), failures: failures)
  }
}

extension NumericVarianceAccumulator.Moments {
  mutating func add(_ value: Numeric) {
    var other = Self()
    other.count = 1
    other.isNotANumber = value.isNotANumber
    if !value.isNotANumber {
      other.sum = value.unscaled
      other.scale = value.scale
      other.squares = WideInteger(value.unscaled.magnitude, times: value.unscaled.magnitude)
    }
    merge(other)
  }

  mutating func merge(_ other: Self) {
    count &+= other.count
    isNotANumber = isNotANumber || other.isNotANumber
    hasOverflowed = hasOverflowed || other.hasOverflowed
    if isNotANumber || hasOverflowed { return }
    var other = other
    let target = max(scale, other.scale)
    guard rescale(to: target), other.rescale(to: target) else {
      hasOverflowed = true
      return
    }
    let (total, overflow) = sum.addingReportingOverflow(other.sum)
    // The state keeps sums as numerics, of 38 digits.
    guard !overflow, total.magnitude < Numeric.powerOfTen(38).magnitude, let allSquares = squares.adding(other.squares)
    else {
      hasOverflowed = true
      return
    }
    sum = total
    squares = allSquares
  }

  private mutating func rescale(to target: Int16) -> Bool {
    if scale == target { return true }
    guard let factor = NumericDivision.powerOfTen(Int(target - scale)) else { return false }
    let (scaledSum, overflow) = sum.multipliedReportingOverflow(by: Int128(factor))
    guard !overflow, let once = squares.multiplied(by: factor), let twice = once.multiplied(by: factor) else {
      return false
    }
    sum = scaledSum
    squares = twice
    scale = target
    return true
  }

  /// PostgreSQL's `(N Σx² − (Σx)²) / (N (N − 1))`, with its scale; nil on overflow.
  func result(_ kind: VarianceKind) -> Numeric? {
    if isNotANumber { return Numeric(unscaled: 0, scale: Numeric.nanScale) }
    guard !hasOverflowed, let scaledSquares = squares.multiplied(by: UInt128(count)) else { return nil }
    let squaredSum = WideInteger(sum.magnitude, times: sum.magnitude)
    guard squaredSum < scaledSquares else { return Numeric(unscaled: 0, scale: 0) }
    let numerator = scaledSquares.subtracting(squaredSum)
    let denominator = UInt128(count) * UInt128(kind.isSample ? count - 1 : count)
    let display = Int(scale) * 2
    let resultScale = NumericDivision.scale(numerator, display, denominator, displayScale: display)
    // A root of digits that were dropped would have too few that are right.
    if kind.isDeviation, resultScale > Numeric.maximumPrecision { return nil }
    let variance = NumericDivision.quotient(numerator, display, denominator, scale: resultScale)
    return kind.isDeviation ? variance.flatMap { NumericDivision.squareRoot($0) } : variance
  }
}

extension WideInteger {
  /// The 32 bytes, least significant first.
  var littleEndianBytes: [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: low >> UInt128($0 * 8)) }
      + (0..<16).map { UInt8(truncatingIfNeeded: high >> UInt128($0 * 8)) }
  }

  /// From at most 32 bytes, least significant first.
  init(littleEndianBytes bytes: ArraySlice<UInt8>) {
    self = .zero
    for (index, byte) in bytes.prefix(32).enumerated() {
      if index < 16 {
        low |= UInt128(byte) << UInt128(index * 8)
      } else {
        high |= UInt128(byte) << UInt128(index * 8 - 128)
      }
    }
  }
}
