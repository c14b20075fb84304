/// A condition on rows, over field ids: for leaving out files that cannot have matching rows.
///
/// Comparisons with null are never true, as in SQL; comparisons with NaN follow PostgreSQL: NaN is the greatest value.
public indirect enum Predicate: Hashable, Sendable {
  /// How a column and a literal compare.
  public enum Comparison: Hashable, Sendable {
    /// `=`.
    case equal
    /// `<>`.
    case notEqual
    /// `<`.
    case less
    /// `<=`.
    case lessOrEqual
    /// `>`.
    case greater
    /// `>=`.
    case greaterOrEqual
  }

  /// Every row.
  case alwaysTrue
  /// No row.
  case alwaysFalse
  /// Both.
  case and(Predicate, Predicate)
  /// One of both.
  case or(Predicate, Predicate)
  /// Not.
  case not(Predicate)
  /// The column is null.
  case isNull(Int)
  /// The column is not null.
  case isNotNull(Int)
  /// The column is NaN.
  case isNaN(Int)
  /// The column compares so with the literal.
  case compare(Int, Comparison, Literal)
  /// The column is one of the literals.
  case isIn(Int, [Literal])
  /// The column, a string or binary, begins with the literal.
  case startsWith(Int, Literal)
}
