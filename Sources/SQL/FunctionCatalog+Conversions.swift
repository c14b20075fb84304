import Columnar

/// PostgreSQL's type categories, as far as they matter to the choice of an overload.
enum TypeCategory: Hashable, Sendable {
  case boolean, number, string, dateTime, timeSpan, other
}

extension DataType {
  /// The type without precision and scale: what functions are resolved with.
  public var unconstrained: DataType {
    if case .numeric = self { return .numeric }
    return self
  }

  var category: TypeCategory {
    switch self {
    case .boolean: .boolean
    case .integer, .bigint, .real, .double, .numeric: .number
    case .text: .string
    case .date, .timestamp, .timestamptz: .dateTime
    case .interval: .timeSpan
    case .bytea, .uuid, .jsonb: .other
    }
  }

  /// Whether the type is the preferred one of its category.
  var isPreferred: Bool {
    switch self {
    case .boolean, .double, .text, .timestamptz, .interval: true
    default: false
    }
  }
}

extension FunctionCatalog {
  /// Whether a value of type `from` can become one of type `to`; `explicit` is `CAST`, otherwise conversions that
  /// PostgreSQL inserts silently within an expression.
  public static func canCast(from: DataType, to: DataType, explicit: Bool) -> Bool {
    let source = from.unconstrained
    let target = to.unconstrained
    if isImplicit(from: source, to: target) { return true }
    guard explicit else { return false }
    if canAssign(from: source, to: target) || source == .text { return true }
    switch (source, target) {
    case (.integer, .boolean), (.boolean, .integer): return true
    case (.jsonb, _): return target.category == .number || target == .boolean
    default: return false
    }
  }

  /// Whether a value of type `from` may be stored in a column of type `to` without an explicit cast.
  public static func canAssign(from: DataType, to: DataType) -> Bool {
    let source = from.unconstrained
    let target = to.unconstrained
    if isImplicit(from: source, to: target) || target == .text { return true }
    if source.category == .number && target.category == .number { return true }
    return source.category == .dateTime && target.category == .dateTime
  }

  /// The type that `CASE`, `COALESCE`, `IN`, `UNION`, `greatest` and `least` give to values of these types; `nil`
  /// without one. Unknown literals take the type of the others, and `text` among themselves.
  public static func commonType(_ types: [DataType?]) -> DataType? {
    let known = types.compactMap { $0 }
    guard let first = known.first else { return types.isEmpty ? nil : .text }
    if known.allSatisfy({ $0 == first }) { return first }
    var chosen = first.unconstrained
    for type in known.dropFirst().map(\.unconstrained) where type != chosen {
      guard type.category == chosen.category, type.category != .other else { return nil }
      if !chosen.isPreferred && isImplicit(from: chosen, to: type) && !isImplicit(from: type, to: chosen) {
        chosen = type
      }
    }
    return known.allSatisfy { isImplicit(from: $0.unconstrained, to: chosen) } ? chosen : nil
  }

  static func isImplicit(from: DataType, to: DataType) -> Bool {
    if from == to { return true }
    switch (from, to) {
    case (.integer, .bigint), (.integer, .numeric), (.integer, .real), (.integer, .double),
      (.bigint, .numeric), (.bigint, .real), (.bigint, .double), (.numeric, .real), (.numeric, .double),
      (.real, .double), (.date, .timestamp), (.date, .timestamptz), (.timestamp, .timestamptz):
      return true
    default:
      return false
    }
  }
}
