/// Where the rows of one partition went, for one branch: every record that was read has exactly one fate.
public struct RowAccount: Hashable, Sendable, Codable {
  /// Rows that went on to a sink as they are.
  public var out: UInt64 = 0
  /// Rows for which `WHERE` was not true.
  public var filtered: UInt64 = 0
  /// Rows that became part of an aggregate.
  public var aggregated: UInt64 = 0
  /// Rows that came after their last window had closed.
  public var late: UInt64 = 0
  /// Records that could not be processed, by the decoder or by an expression.
  public var dead: UInt64 = 0

  /// An account without rows.
  public init() {}

  /// The sum of all fates; equals the records read when nothing is lost.
  public var total: UInt64 { out + filtered + aggregated + late + dead }

  /// Adds another account's rows.
  public static func += (left: inout RowAccount, right: RowAccount) {
    left.out += right.out
    left.filtered += right.filtered
    left.aggregated += right.aggregated
    left.late += right.late
    left.dead += right.dead
  }
}
