import Columnar
import Glibc
import SQL

extension Kernels {
  static func arithmetic(_ signature: FunctionSignature) -> Kernel? {
    let type = signature.result
    switch (signature.arguments.count, signature.arguments.first) {
    case (2, .integer) where signature.arguments[1] == .integer && type == .integer:
      return integerBinary(signature.name, .integer)
    case (2, .bigint) where type == .bigint: return integerBinary(signature.name, .bigint)
    case (2, .double) where type == .double: return doubleBinary(signature.name)
    case (2, .real) where type == .real: return realBinary(signature.name)
    case (2, .numeric) where signature.arguments[1] == .numeric: return numericBinary(signature.name)
    case (2, .numeric) where signature.arguments[1] == .integer:
      return roundNumeric(signature.name)
    case (1, .integer) where type == .integer: return integerUnary(signature.name, .integer)
    case (1, .bigint) where type == .bigint: return integerUnary(signature.name, .bigint)
    case (1, .double) where type == .double: return doubleUnary(signature.name)
    case (1, .real) where type == .real:
      switch signature.name {
      case "-": return strict1(.real) { (value: Double) in -value }
      case "+": return strict1(.real) { (value: Double) in value }
      case "abs": return strict1(.real) { (value: Double) in value.magnitude }
      default: return nil
      }
    case (1, .numeric) where type == .numeric: return numericUnary(signature.name)
    default: return nil
    }
  }

  // MARK: Integers

  private static func integerBinary(_ name: String, _ type: DataType) -> Kernel? {
    switch name {
    case "+": return checkedIntegers(type) { $0.addingReportingOverflow($1) }
    case "-": return checkedIntegers(type) { $0.subtractingReportingOverflow($1) }
    case "*": return checkedIntegers(type) { $0.multipliedReportingOverflow(by: $1) }
    case "/":
      return strict2(type, canFail: true) { (left: Int64, right: Int64) throws(RowError) -> Int64? in
        if right == 0 { throw RowError("division by zero") }
        return try inRange(left.dividedReportingOverflow(by: right), type)
      }
    case "%", "mod":
      return strict2(type, canFail: true) { (left: Int64, right: Int64) throws(RowError) -> Int64? in
        if right == 0 { throw RowError("division by zero") }
        return right == -1 ? 0 : left % right
      }
    default: return nil
    }
  }

  private static func inRange(
    _ result: (partialValue: Int64, overflow: Bool), _ type: DataType
  ) throws(RowError) -> Int64 {
    if result.overflow || (type == .integer && Int32(exactly: result.partialValue) == nil) {
      throw RowError("\(type.sqlName) out of range")
    }
    return result.partialValue
  }

  /// The whole column without a branch; only when something overflowed are the rows looked at one by one.
  @inline(__always)
  private static func checkedIntegers(
    _ type: DataType, _ operation: @escaping @Sendable (Int64, Int64) -> (partialValue: Int64, overflow: Bool)
  ) -> Kernel {
    let isNarrow = type == .integer
    return Kernel(canFail: true) { operands, count, _, failures in
      let (left, right) = (operands[0], operands[1])
      guard case .int64(let first) = left.column.storage, case .int64(let second) = right.column.storage else {
        return Column(type, .int64([]))
      }
      var overflowed = false
      let values: [Int64] = loop(first, left.isConstant, second, right.isConstant, count) { a, b in
        let result = operation(a, b)
        overflowed = overflowed || result.overflow
        if isNarrow {
          overflowed = overflowed || Int64(Int32(truncatingIfNeeded: result.partialValue)) != result.partialValue
        }
        return result.partialValue
      }
      let column = Column(type, .int64(values), validity: validity(operands, count))
      guard overflowed else { return column }
      return fill(type, operands, count, &failures) { row throws(RowError) -> Int64? in
        try inRange(operation(first[row & left.mask], second[row & right.mask]), type)
      }
    }
  }

  private static func integerUnary(_ name: String, _ type: DataType) -> Kernel? {
    switch name {
    case "+": return strict1(type) { (value: Int64) in value }
    case "-":
      return strict1(type, canFail: true) { (value: Int64) throws(RowError) -> Int64? in
        try inRange(Int64(0).subtractingReportingOverflow(value), type)
      }
    case "abs":
      return strict1(type, canFail: true) { (value: Int64) throws(RowError) -> Int64? in
        value < 0 ? try inRange(Int64(0).subtractingReportingOverflow(value), type) : value
      }
    default: return nil
    }
  }

  // MARK: Floating point

  private static func doubleBinary(_ name: String) -> Kernel? {
    switch name {
    case "+": return checkedDoubles { $0 + $1 }
    case "-": return checkedDoubles { $0 - $1 }
    case "*":
      return checkedDoubles(underflow: true) { $0 * $1 }
    case "/":
      return strict2(.double, canFail: true) { (left: Double, right: Double) throws(RowError) -> Double? in
        if right == 0 && !left.isNaN { throw RowError("division by zero") }
        let result = left / right
        if result.isInfinite && left.isFinite { throw RowError("value out of range: overflow") }
        if result == 0 && left != 0 && right.isFinite { throw RowError("value out of range: underflow") }
        return result
      }
    case "^", "power", "pow":
      return strict2(.double, canFail: true) { (left: Double, right: Double) throws(RowError) -> Double? in
        try power(left, right)
      }
    default: return nil
    }
  }

  /// An overflow shows as an infinity that no operand has, an underflow as a zero.
  @inline(__always)
  private static func checkedDoubles(
    underflow: Bool = false, _ operation: @escaping @Sendable (Double, Double) -> Double
  ) -> Kernel {
    Kernel(canFail: true) { operands, count, _, failures in
      let (left, right) = (operands[0], operands[1])
      guard case .float64(let first) = left.column.storage, case .float64(let second) = right.column.storage else {
        return Column(.double, .float64([]))
      }
      var isSuspicious = false
      let values: [Double] = loop(first, left.isConstant, second, right.isConstant, count) { a, b in
        let result = operation(a, b)
        isSuspicious = isSuspicious || result.isInfinite || (underflow && result == 0)
        return result
      }
      let column = Column(.double, .float64(values), validity: validity(operands, count))
      guard isSuspicious else { return column }
      return fill(.double, operands, count, &failures) { row throws(RowError) -> Double? in
        let (a, b) = (first[row & left.mask], second[row & right.mask])
        let result = operation(a, b)
        if result.isInfinite && a.isFinite && b.isFinite { throw RowError("value out of range: overflow") }
        if underflow && result == 0 && a != 0 && b != 0 { throw RowError("value out of range: underflow") }
        return result
      }
    }
  }

  private static func realBinary(_ name: String) -> Kernel? {
    switch name {
    case "+": return checkedReals { $0 + $1 }
    case "-": return checkedReals { $0 - $1 }
    case "*": return checkedReals(underflow: true) { $0 * $1 }
    case "/":
      return strict2(.real, canFail: true) { (left: Double, right: Double) throws(RowError) -> Double? in
        if right == 0 && !left.isNaN { throw RowError("division by zero") }
        let result = Float(left) / Float(right)
        if result.isInfinite && left.isFinite { throw RowError("value out of range: overflow") }
        if result == 0 && left != 0 && right.isFinite { throw RowError("value out of range: underflow") }
        return Double(result)
      }
    default: return nil
    }
  }

  private static func checkedReals(
    underflow: Bool = false, _ operation: @escaping @Sendable (Float, Float) -> Float
  ) -> Kernel {
    strict2(.real, canFail: true) { (left: Double, right: Double) throws(RowError) -> Double? in
      let result = operation(Float(left), Float(right))
      if result.isInfinite && left.isFinite && right.isFinite { throw RowError("value out of range: overflow") }
      if underflow && result == 0 && left != 0 && right != 0 { throw RowError("value out of range: underflow") }
      return Double(result)
    }
  }

  private static func power(_ base: Double, _ exponent: Double) throws(RowError) -> Double {
    if base.isNaN { return exponent == 0 ? 1 : .nan }
    if exponent.isNaN { return base == 1 ? 1 : .nan }
    if base == 0 && exponent < 0 { throw RowError("zero raised to a negative power is undefined") }
    if base < 0 && exponent.isFinite && exponent.rounded(.down) != exponent {
      throw RowError("a negative number raised to a non-integer power yields a complex result")
    }
    let result = Glibc.pow(base, exponent)
    if base.isFinite && exponent.isFinite {
      if result.isInfinite { throw RowError("value out of range: overflow") }
      if result == 0 && base != 0 { throw RowError("value out of range: underflow") }
    }
    return result
  }

  private static func doubleUnary(_ name: String) -> Kernel? {
    switch name {
    case "+": return strict1(.double) { (value: Double) in value }
    case "-": return strict1(.double) { (value: Double) in -value }
    case "abs": return strict1(.double) { (value: Double) in value.magnitude }
    case "round": return strict1(.double) { (value: Double) in value.rounded(.toNearestOrEven) }
    case "floor": return strict1(.double) { (value: Double) in value.rounded(.down) }
    case "ceil", "ceiling": return strict1(.double) { (value: Double) in value.rounded(.up) }
    case "trunc": return strict1(.double) { (value: Double) in value.rounded(.towardZero) }
    case "sign": return strict1(.double) { (value: Double) in value > 0 ? 1 : value < 0 ? -1 : value.isNaN ? value : 0 }
    default: return nil
    }
  }

  /// Functions with a bounded domain or range.
  static func logarithms(_ signature: FunctionSignature) -> Kernel? {
    guard signature.arguments == [.double] else { return nil }
    switch signature.name {
    case "sqrt":
      return strict1(.double, canFail: true) { (value: Double) throws(RowError) -> Double? in
        if value < 0 { throw RowError("cannot take square root of a negative number") }
        return value.squareRoot()
      }
    case "exp":
      return strict1(.double, canFail: true) { (value: Double) throws(RowError) -> Double? in
        let result = Glibc.exp(value)
        if result.isInfinite && value.isFinite { throw RowError("value out of range: overflow") }
        if result == 0 && value.isFinite { throw RowError("value out of range: underflow") }
        return result
      }
    case "ln": return logarithm { Glibc.log($0) }
    case "log", "log10": return logarithm { Glibc.log10($0) }
    default: return nil
    }
  }

  private static func logarithm(_ function: @escaping @Sendable (Double) -> Double) -> Kernel {
    strict1(.double, canFail: true) { (value: Double) throws(RowError) -> Double? in
      if value == 0 { throw RowError("cannot take logarithm of zero") }
      if value < 0 { throw RowError("cannot take logarithm of a negative number") }
      return function(value)
    }
  }
}
