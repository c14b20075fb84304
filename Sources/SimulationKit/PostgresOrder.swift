import Columnar

extension PostgresType {
  /// Whether one value, which is not NULL, comes before another in the order of the type; text by its bytes, as with the
  /// collation `C`, and `jsonb` by its text, which is not the server's order.
  func precedes(_ left: Value, _ right: Value) -> Bool {
    switch (left, right) {
    case (.boolean(let left), .boolean(let right)): !left && right
    case (.int64(let left), .int64(let right)): left < right
    case (.float64(let left), .float64(let right)): !left.isNaN && (right.isNaN || left < right)
    case (.numeric(let left), .numeric(let right)): left.compare(right) < 0
    case (.interval(let left), .interval(let right)): Self.length(left) < Self.length(right)
    case (.uuid(let left), .uuid(let right)): (left.high, left.low) < (right.high, right.low)
    case (.bytes(let left), .bytes(let right)): comparable(left).lexicographicallyPrecedes(comparable(right))
    default: false
    }
  }

  /// The text that counts: blanks at the end of a `char(n)` do not.
  func comparable(_ text: [UInt8]) -> ArraySlice<UInt8> {
    guard kind == .bpchar else { return text[...] }
    return text[..<(text.lastIndex { $0 != 0x20 }.map { $0 + 1 } ?? 0)]
  }

  /// An interval in microseconds, with months of 30 days.
  static func length(_ interval: Interval) -> Int128 {
    let days = Int128(interval.months) * 30 + Int128(interval.days)
    return days * 86_400_000_000 + Int128(interval.microseconds)
  }
}

extension PostgresTableDefinition {
  /// Whether one row comes before another, ordered by `columns`.
  func precedes(_ left: [Value], _ right: [Value], _ columns: [Int]) -> Bool {
    for column in columns {
      let type = self.columns[column].type
      if type.precedes(left[column], right[column]) { return true }
      if type.precedes(right[column], left[column]) { return false }
    }
    return false
  }
}
