/// Positions from `first` to `last`, both included.
struct PositionRun: Hashable, Sendable {
  var first: UInt16
  var last: UInt16

  var count: Int { Int(last) - Int(first) + 1 }
}

/// The lower 16 bits of positions that share the upper ones.
enum PositionContainer: Hashable, Sendable {
  /// At most this many values are kept as an array.
  static let arrayLimit = 4096

  /// Ascending values.
  case array([UInt16])
  /// 65 536 bits, and how many are set.
  case bitmap([UInt64], count: Int)
  /// Ascending runs that do not overlap.
  case runs([PositionRun])

  var count: Int {
    switch self {
    case .array(let values): values.count
    case .bitmap(_, let count): count
    case .runs(let runs): runs.reduce(0) { $0 + $1.count }
    }
  }

  /// About how much memory the values take.
  var memoryBytes: Int {
    switch self {
    case .array(let values): 2 * values.count
    case .bitmap(let words, _): 8 * words.count
    case .runs(let runs): 4 * runs.count
    }
  }

  func contains(_ value: UInt16) -> Bool {
    switch self {
    case .array(let values):
      let index = Self.lowerBound(values, value)
      return index < values.count && values[index] == value
    case .bitmap(let words, _): return words[Int(value >> 6)] >> UInt64(value & 63) & 1 == 1
    case .runs(let runs):
      var (low, high) = (0, runs.count)
      while low < high {
        let middle = (low + high) / 2
        if runs[middle].last < value { low = middle + 1 } else { high = middle }
      }
      return low < runs.count && runs[low].first <= value
    }
  }

  private static func lowerBound(_ values: [UInt16], _ value: UInt16) -> Int {
    if let last = values.last, last < value { return values.count }
    var (low, high) = (0, values.count)
    while low < high {
      let middle = (low + high) / 2
      if values[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Adds a value; `false` when it was there.
  mutating func insert(_ value: UInt16) -> Bool {
    switch self {
    case .array(var values):
      let index = Self.lowerBound(values, value)
      if index < values.count, values[index] == value { return false }
      if values.count == Self.arrayLimit {
        var words = Self.words(values)
        words[Int(value >> 6)] |= 1 << UInt64(value & 63)
        self = .bitmap(words, count: values.count + 1)
        return true
      }
      // The payload leaves the enum before it changes, or it would be copied each time.
      self = .runs([])
      values.insert(value, at: index)
      self = .array(values)
      return true
    case .bitmap(var words, let count):
      let bit: UInt64 = 1 << UInt64(value & 63)
      if words[Int(value >> 6)] & bit != 0 { return false }
      self = .runs([])
      words[Int(value >> 6)] |= bit
      self = .bitmap(words, count: count + 1)
      return true
    case .runs:
      if contains(value) { return false }
      self = unrolled
      return insert(value)
    }
  }

  private static func words(_ values: [UInt16]) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: 1024)
    for value in values { words[Int(value >> 6)] |= 1 << UInt64(value & 63) }
    return words
  }

  private var words: [UInt64] {
    switch self {
    case .array(let values): return Self.words(values)
    case .bitmap(let words, _): return words
    case .runs(let runs):
      var words = [UInt64](repeating: 0, count: 1024)
      for run in runs { for value in run.first...run.last { words[Int(value >> 6)] |= 1 << UInt64(value & 63) } }
      return words
    }
  }

  /// The same values as an array or a bitmap.
  var unrolled: PositionContainer {
    let count = count
    if count <= Self.arrayLimit { return .array(values) }
    return .bitmap(words, count: count)
  }

  func union(_ other: PositionContainer) -> PositionContainer {
    if case .array(let values) = other, values.count <= 16 {
      var result = self
      for value in values { _ = result.insert(value) }
      return result
    }
    let merged = zip(words, other.words).map { $0 | $1 }
    let count = merged.reduce(0) { $0 + $1.nonzeroBitCount }
    let bitmap = PositionContainer.bitmap(merged, count: count)
    return count <= Self.arrayLimit ? .array(bitmap.values) : bitmap
  }

  func forEach(_ body: (UInt16) -> Void) {
    switch self {
    case .array(let values): values.forEach(body)
    case .bitmap(let words, _):
      for (index, word) in words.enumerated() {
        var rest = word
        while rest != 0 {
          body(UInt16(index << 6 | rest.trailingZeroBitCount))
          rest &= rest - 1
        }
      }
    case .runs(let runs): for run in runs { (run.first...run.last).forEach(body) }
    }
  }

  var values: [UInt16] {
    if case .array(let values) = self { return values }
    var result: [UInt16] = []
    forEach { result.append($0) }
    return result
  }

  /// The values as runs.
  var asRuns: [PositionRun] {
    if case .runs(let runs) = self { return runs }
    var runs: [PositionRun] = []
    forEach { value in
      if let last = runs.indices.last, runs[last].last != .max, runs[last].last + 1 == value {
        runs[last].last = value
      } else {
        runs.append(PositionRun(first: value, last: value))
      }
    }
    return runs
  }
}
