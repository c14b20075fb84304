/// What is known of the values of a column in a file, or of a partition field in a manifest.
struct ValueRange {
  var mayHaveNull = true
  var mayHaveNaN = true
  /// Whether there may be values that are neither null nor NaN.
  var mayHaveValues = true
  /// No value is less; `nil` is unknown.
  var lower: Literal?
  /// No value is greater.
  var upper: Literal?

  /// The values of a column, by the metrics of a file.
  init(_ metrics: ColumnMetrics, _ type: IcebergType) {
    mayHaveNull = metrics.mayHaveNull
    mayHaveNaN = (type == .float || type == .double) && metrics.mayHaveNaN && !metrics.isAllNull
    mayHaveValues = !metrics.isAllNull && !metrics.isAllNaNOrNull
    lower = metrics.lower(type)
    upper = metrics.upper(type)
  }

  /// One value.
  init(single value: Literal?) {
    mayHaveNull = value == nil
    mayHaveNaN = value?.isNaN ?? false
    mayHaveValues = value != nil && !mayHaveNaN
    lower = mayHaveValues ? value : nil
    upper = lower
  }

  /// Whether a value may match a leaf of a predicate.
  func mayMatch(_ leaf: Predicate) -> Bool {
    switch leaf {
    case .isNull: mayHaveNull
    case .isNotNull: mayHaveValues || mayHaveNaN
    case .isNaN: mayHaveNaN
    case .compare(_, let comparison, let literal): mayMatch(comparison, literal)
    case .isIn(_, let literals): literals.contains { mayMatch(.equal, $0) }
    case .startsWith(_, let literal): mayStart(literal)
    case .alwaysFalse: false
    case .alwaysTrue, .and, .or, .not: true
    }
  }

  private func mayMatch(_ comparison: Predicate.Comparison, _ literal: Literal) -> Bool {
    if literal.isNaN { return mayMatchNaN(comparison) }
    // NaN is the greatest value.
    if mayHaveNaN, comparison == .greater || comparison == .greaterOrEqual || comparison == .notEqual { return true }
    guard mayHaveValues else { return false }
    let toLower = compare(lower, literal)
    let toUpper = compare(upper, literal)
    switch comparison {
    case .equal: return (toLower ?? 0) <= 0 && (toUpper ?? 0) >= 0
    // Bounds may be cut: only when both are the literal nothing else can be between, and cut bounds are not equal.
    case .notEqual: return !(toLower == 0 && toUpper == 0)
    case .less: return (toLower ?? -1) < 0
    case .lessOrEqual: return (toLower ?? 0) <= 0
    case .greater: return (toUpper ?? 1) > 0
    case .greaterOrEqual: return (toUpper ?? 0) >= 0
    }
  }

  private func mayMatchNaN(_ comparison: Predicate.Comparison) -> Bool {
    switch comparison {
    case .equal, .greaterOrEqual: mayHaveNaN
    case .notEqual, .less: mayHaveValues
    case .lessOrEqual: mayHaveValues || mayHaveNaN
    case .greater: false
    }
  }

  private func compare(_ bound: Literal?, _ literal: Literal) -> Int? {
    guard let bound, bound.isComparable(to: literal) else { return nil }
    return Literal.compare(bound.withoutNegativeZero, literal.withoutNegativeZero)
  }

  private func mayStart(_ literal: Literal) -> Bool {
    guard mayHaveValues else { return false }
    guard let prefix = Self.bytes(literal) else { return true }
    // Cut to the prefix's length, bounds still hold for the beginnings of values.
    if let lower = lower.flatMap(Self.bytes), prefix.lexicographicallyPrecedes(lower.prefix(prefix.count)) {
      return false
    }
    if let upper = upper.flatMap(Self.bytes), upper.prefix(prefix.count).lexicographicallyPrecedes(prefix) {
      return false
    }
    return true
  }

  private static func bytes(_ literal: Literal) -> [UInt8]? {
    switch literal {
    case .string(let text): Array(text.utf8)
    case .binary(let bytes), .fixed(let bytes): bytes
    default: nil
    }
  }
}

/// What a manifest list says of a partition field.
struct SummaryRange {
  private var range: ValueRange

  init(_ summary: PartitionFieldSummary, _ type: IcebergType) {
    range = ValueRange(single: nil)
    let isFloating = type == .float || type == .double
    range.mayHaveNull = summary.containsNull
    range.mayHaveNaN = isFloating && (summary.containsNaN ?? true)
    // Without bounds all values are null or NaN, or some writer left the bounds out: only the former can be relied on
    // when the summary says that there is one of them.
    let hasBounds = summary.lowerBound != nil || summary.upperBound != nil
    range.mayHaveValues = hasBounds || !(summary.containsNull || summary.containsNaN == true)
    range.lower = ColumnMetrics.bound(summary.lowerBound, type)
    range.upper = ColumnMetrics.bound(summary.upperBound, type)
  }

  func mayMatch(_ leaf: Predicate) -> Bool { range.mayMatch(leaf) }
}
