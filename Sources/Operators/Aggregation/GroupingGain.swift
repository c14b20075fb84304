/// Whether looking up the groups of rows makes notably fewer partial rows of them.
///
/// Where a table is taken before a key comes twice, because there are more keys than it may hold or because barriers
/// are near, nearly every row is a group of its own. The look-up is then work for nothing, and each row becomes a
/// partial row as it is. After a while it is tried again: streams change.
struct GroupingGain: Hashable, Sendable {
  /// Fewer groups say nothing: the stream may have just begun, or be slow.
  private let leastGroups: Int
  /// Rows that go without a look-up before it is tried again: sixteen full tables, so that trying costs a
  /// seventeenth where it is in vain.
  private let pause: Int
  private var rowsToPass = 0

  /// For tables that are taken when they hold `groupLimit` groups.
  init(groupLimit: Int) {
    leastGroups = max(1, groupLimit / 16)
    pause = max(1, min(groupLimit, 1 << 40)) * 16
  }

  /// Whether rows are to be looked up.
  var isWorthwhile: Bool { rowsToPass <= 0 }

  /// Notes that tables with `groups` groups of `rows` rows were taken.
  mutating func didTake(rows: Int, groups: Int) {
    if !isWorthwhile {
      rowsToPass -= rows
    } else if groups >= leastGroups, rows * 3 < groups * 4 {
      rowsToPass = pause
    }
  }
}
