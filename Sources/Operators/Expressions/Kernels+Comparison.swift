import Columnar
import Glibc
import SQL

/// A comparison operator, as a test of an ordering.
enum ComparisonOperator: String {
  case equal = "="
  case notEqual = "<>"
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case distinct = "is_distinct_from"

  /// Whether the operator holds for values that compare as `order` (negative, 0, positive).
  @inline(__always)
  func holds(_ order: Int) -> Bool {
    switch self {
    case .equal: order == 0
    case .notEqual, .distinct: order != 0
    case .less: order < 0
    case .lessOrEqual: order <= 0
    case .greater: order > 0
    case .greaterOrEqual: order >= 0
    }
  }
}

extension Kernels {
  static func comparison(_ signature: FunctionSignature) -> Kernel? {
    guard let test = ComparisonOperator(rawValue: signature.name), signature.arguments.count == 2 else { return nil }
    let isJSON = signature.arguments[0] == .jsonb
    return Kernel(canFail: false) { operands, count, _, _ in
      let values = isJSON ? compareJSON(operands, count, test) : compare(operands, count, test)
      guard test == .distinct else {
        return Column(.boolean, .boolean(values), validity: validity(operands, count))
      }
      return Column(.boolean, .boolean(distinct(operands, count, values)))
    }
  }

  /// `IS DISTINCT FROM`: NULLs are equal to each other and differ from everything else.
  private static func distinct(_ operands: [Operand], _ count: Int, _ different: [Bool]) -> [Bool] {
    let (left, right) = (operands[0], operands[1])
    if left.column.validity == nil && right.column.validity == nil { return different }
    return (0..<count).map { row in
      let isLeftNull = left.column.isNull(row & left.mask)
      let isRightNull = right.column.isNull(row & right.mask)
      return isLeftNull || isRightNull ? isLeftNull != isRightNull : different[row]
    }
  }

  private static func compare(_ operands: [Operand], _ count: Int, _ test: ComparisonOperator) -> [Bool] {
    let (left, right) = (operands[0], operands[1])
    switch (left.column.storage, right.column.storage) {
    case (.int64(let first), .int64(let second)):
      return compareFixed(first, left.isConstant, second, right.isConstant, count, test)
    case (.float64(let first), .float64(let second)):
      return compareDoubles(first, left.mask, second, right.mask, count, test)
    case (.bytes(let first), .bytes(let second)):
      return compareBytes(first, left.mask, second, right.mask, count, test)
    case (.boolean(let first), .boolean(let second)):
      return each(count) { test.holds((first[$0 & left.mask] ? 1 : 0) - (second[$0 & right.mask] ? 1 : 0)) }
    case (.numeric(let first), .numeric(let second)):
      return each(count) { test.holds(first[$0 & left.mask].compare(second[$0 & right.mask])) }
    case (.interval(let first), .interval(let second)):
      return each(count) { row in
        let (a, b) = (first[row & left.mask].comparable, second[row & right.mask].comparable)
        return test.holds(a == b ? 0 : a < b ? -1 : 1)
      }
    case (.uuid(let first), .uuid(let second)):
      return each(count) { row in
        let (a, b) = (first[row & left.mask], second[row & right.mask])
        return test.holds(a == b ? 0 : (a.high, a.low) < (b.high, b.low) ? -1 : 1)
      }
    default: return [Bool](repeating: false, count: count)
    }
  }

  /// `jsonb` has equality only; NULL rows have no text, and any result.
  private static func compareJSON(_ operands: [Operand], _ count: Int, _ test: ComparisonOperator) -> [Bool] {
    let left = Bytes.vector(operands[0].column.storage)
    let right = Bytes.vector(operands[1].column.storage)
    return each(count) { row in
      isSameJSON(left[row & operands[0].mask], right[row & operands[1].mask]) == (test == .equal)
    }
  }

  @inline(__always)
  private static func each(_ count: Int, _ body: (Int) -> Bool) -> [Bool] {
    [Bool](unsafeUninitializedCapacity: count) { output, initialized in
      for row in 0..<count { (output.baseAddress! + row).initialize(to: body(row)) }
      initialized = count
    }
  }

  /// One loop per operator and shape, so that each can be vectorised.
  private static func compareFixed(
    _ first: [Int64], _ isFirstConstant: Bool, _ second: [Int64], _ isSecondConstant: Bool, _ count: Int,
    _ test: ComparisonOperator
  ) -> [Bool] {
    switch test {
    case .equal: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 == $1 }
    case .notEqual, .distinct: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 != $1 }
    case .less: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 < $1 }
    case .lessOrEqual: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 <= $1 }
    case .greater: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 > $1 }
    case .greaterOrEqual: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 >= $1 }
    }
  }

  /// PostgreSQL's order of doubles: NaN equals NaN and is greater than every number.
  private static func compareDoubles(
    _ first: [Double], _ mask1: Int, _ second: [Double], _ mask2: Int, _ count: Int, _ test: ComparisonOperator
  ) -> [Bool] {
    let (isFirstConstant, isSecondConstant) = (mask1 == 0, mask2 == 0)
    return switch test {
    case .equal: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 == $1 || ($0 != $0 && $1 != $1) }
    case .notEqual, .distinct:
      loop(first, isFirstConstant, second, isSecondConstant, count) { !($0 == $1 || ($0 != $0 && $1 != $1)) }
    case .less: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 < $1 || ($0 == $0 && $1 != $1) }
    case .lessOrEqual: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 <= $1 || $1 != $1 }
    case .greater: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 > $1 || ($0 != $0 && $1 == $1) }
    case .greaterOrEqual: loop(first, isFirstConstant, second, isSecondConstant, count) { $0 >= $1 || $0 != $0 }
    }
  }

  @inline(__always)
  static func loop<A, B, R>(
    _ first: [A], _ isFirstConstant: Bool, _ second: [B], _ isSecondConstant: Bool, _ count: Int,
    _ body: (A, B) -> R
  ) -> [R] {
    guard count > 0 else { return [] }
    return first.withUnsafeBufferPointer { first in
      second.withUnsafeBufferPointer { second in
        [R](unsafeUninitializedCapacity: count) { output, initialized in
          let output = output.baseAddress!
          if isSecondConstant && !isFirstConstant {
            let constant = second[0]
            for row in 0..<count { (output + row).initialize(to: body(first[row], constant)) }
          } else if isFirstConstant {
            let constant = first[0]
            let mask = isSecondConstant ? 0 : -1
            for row in 0..<count { (output + row).initialize(to: body(constant, second[row & mask])) }
          } else {
            for row in 0..<count { (output + row).initialize(to: body(first[row], second[row])) }
          }
          initialized = count
        }
      }
    }
  }

  /// Text is ordered by its UTF-8 bytes, as under PostgreSQL's `C` collation.
  private static func compareBytes(
    _ first: ByteValues, _ mask1: Int, _ second: ByteValues, _ mask2: Int, _ count: Int, _ test: ComparisonOperator
  ) -> [Bool] {
    let isEquality = test == .equal || test == .notEqual || test == .distinct
    return first.bytes.withUnsafeBufferPointer { left in
      second.bytes.withUnsafeBufferPointer { right in
        each(count) { row in
          let (i, j) = (row & mask1, row & mask2)
          let (leftStart, leftEnd) = (Int(first.offsets[i]), Int(first.offsets[i + 1]))
          let (rightStart, rightEnd) = (Int(second.offsets[j]), Int(second.offsets[j + 1]))
          let (leftCount, rightCount) = (leftEnd - leftStart, rightEnd - rightStart)
          if isEquality && leftCount != rightCount { return test != .equal }
          let common = min(leftCount, rightCount)
          var order = 0
          if common > 0, let leftBase = left.baseAddress, let rightBase = right.baseAddress {
            order = Int(memcmp(leftBase + leftStart, rightBase + rightStart, common))
          }
          return test.holds(order == 0 ? leftCount - rightCount : order)
        }
      }
    }
  }
}

extension Interval {
  /// The length by which PostgreSQL orders intervals: a month is 30 days, a day 24 hours.
  var comparable: Int128 {
    (Int128(months) * 30 + Int128(days)) * 86_400_000_000 + Int128(microseconds)
  }
}
