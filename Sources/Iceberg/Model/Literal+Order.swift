import Columnar

extension Literal {
  /// Whether both are the same value of the same type: floats by their bits (NaN equals NaN, -0.0 does not equal 0.0),
  /// strings by their code points, not by what Unicode calls equivalent.
  public static func == (left: Literal, right: Literal) -> Bool {
    left.rank == right.rank && left.scaleOfDecimal == right.scaleOfDecimal && compare(left, right) == 0
  }

  /// Agrees with equality.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(rank)
    switch self {
    case .boolean(let value): hasher.combine(value)
    case .int(let value), .date(let value): hasher.combine(value)
    case .long(let value), .time(let value), .timestamp(let value), .timestamptz(let value),
      .timestampNanos(let value), .timestamptzNanos(let value):
      hasher.combine(value)
    case .float(let value): hasher.combine(value.isNaN ? Float.nan.bitPattern : value.bitPattern)
    case .double(let value): hasher.combine(value.isNaN ? Double.nan.bitPattern : value.bitPattern)
    case .string(let value): for byte in value.utf8 { hasher.combine(byte) }
    case .uuid(let value): hasher.combine(value)
    case .fixed(let value), .binary(let value): hasher.combine(value)
    case .decimal(let unscaled, let scale):
      hasher.combine(unscaled)
      hasher.combine(scale)
    }
  }

  /// Orders values of a column as bounds and sort orders do: negative when `left` comes first, 0 when they are equal.
  ///
  /// NaN is greater than all other numbers, -0.0 less than 0.0; strings, binary and uuid are ordered by unsigned bytes
  /// (the bytes of UTF-8); decimals of different scales by their value. A value of a promoted type is comparable with one
  /// of the former type. Other types are ordered by type.
  public static func compare(_ left: Literal, _ right: Literal) -> Int {
    switch (left, right) {
    case (.boolean(let a), .boolean(let b)): order(a ? 1 : 0, b ? 1 : 0)
    case (.string(let a), .string(let b)): bytes(a.utf8, b.utf8)
    case (.fixed(let a), .fixed(let b)), (.binary(let a), .binary(let b)), (.fixed(let a), .binary(let b)),
      (.binary(let a), .fixed(let b)):
      bytes(a, b)
    case (.uuid(let a), .uuid(let b)): a.high == b.high ? order(a.low, b.low) : order(a.high, b.high)
    case (.float(let a), .float(let b)): floats(Double(a), Double(b))
    case (.double(let a), .double(let b)): floats(a, b)
    case (.float(let a), .double(let b)): floats(Double(a), b)
    case (.double(let a), .float(let b)): floats(a, Double(b))
    case (.decimal(let a, let scaleA), .decimal(let b, let scaleB)): decimals(a, scaleA, b, scaleB)
    default:
      if let a = left.integer, let b = right.integer, left.integerFamily == right.integerFamily {
        order(a, b)
      } else {
        order(left.rank, right.rank)
      }
    }
  }

  private static func order<Value: Comparable>(_ a: Value, _ b: Value) -> Int { a < b ? -1 : a > b ? 1 : 0 }

  private static func bytes(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Int {
    if a.elementsEqual(b) { return 0 }
    return a.lexicographicallyPrecedes(b) ? -1 : 1
  }

  private static func floats(_ a: Double, _ b: Double) -> Int {
    if a.isNaN || b.isNaN { return order(a.isNaN ? 1 : 0, b.isNaN ? 1 : 0) }
    if a == 0, b == 0 { return order(a.sign == .minus ? 0 : 1, b.sign == .minus ? 0 : 1) }
    return order(a, b)
  }

  private static func decimals(_ a: Int128, _ scaleA: Int, _ b: Int128, _ scaleB: Int) -> Int {
    if scaleA == scaleB { return order(a, b) }
    let difference = scaleB - scaleA
    guard abs(difference) <= 38 else { return order(scaleA, scaleB) }
    let power = Numeric.powerOfTen(abs(difference))
    let (product, overflow) = (difference > 0 ? a : b).multipliedReportingOverflow(by: power)
    if difference > 0 { return overflow ? (a < 0 ? -1 : 1) : order(product, b) }
    return overflow ? (b < 0 ? 1 : -1) : order(a, product)
  }

  private var scaleOfDecimal: Int { if case .decimal(_, let scale) = self { scale } else { 0 } }

  /// The value of a type that is held as an integer.
  package var integer: Int64? {
    switch self {
    case .int(let value), .date(let value): Int64(value)
    case .long(let value), .time(let value), .timestamp(let value), .timestamptz(let value),
      .timestampNanos(let value), .timestamptzNanos(let value):
      value
    default: nil
    }
  }

  private var integerFamily: Int { if case .int = self { 2 } else { rank } }

  private var rank: Int {
    switch self {
    case .boolean: 0
    case .int: 1
    case .long: 2
    case .float: 3
    case .double: 4
    case .date: 5
    case .time: 6
    case .timestamp: 7
    case .timestamptz: 8
    case .timestampNanos: 9
    case .timestamptzNanos: 10
    case .string: 11
    case .uuid: 12
    case .fixed: 13
    case .binary: 14
    case .decimal: 15
    }
  }
}
