/// Ascending ranges that neither overlap nor touch: of rows of a row group, of bytes of a file.
package enum RangeList {
  /// What is in both of two lists.
  package static func intersection(_ left: [Range<Int64>], _ right: [Range<Int64>]) -> [Range<Int64>] {
    var result: [Range<Int64>] = []
    var (i, j) = (0, 0)
    while i < left.count, j < right.count {
      append(left[i].clamped(to: right[j]), to: &result)
      if left[i].upperBound < right[j].upperBound { i += 1 } else { j += 1 }
    }
    return result
  }

  /// What is in one of two lists, or in both.
  package static func union(_ left: [Range<Int64>], _ right: [Range<Int64>]) -> [Range<Int64>] {
    merged(left + right)
  }

  /// Ranges of any order as a list; those that are at most `maximumGap` apart become one.
  package static func merged(_ ranges: [Range<Int64>], maximumGap: Int64 = 0) -> [Range<Int64>] {
    var result: [Range<Int64>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      append(range, to: &result, maximumGap: maximumGap)
    }
    return result
  }

  private static func append(_ range: Range<Int64>, to list: inout [Range<Int64>], maximumGap: Int64 = 0) {
    guard !range.isEmpty else { return }
    if let last = list.last, range.lowerBound - last.upperBound <= maximumGap {
      list[list.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
    } else {
      list.append(range)
    }
  }
}
