extension Literal {
  /// Whether the literal is a NaN.
  var isNaN: Bool {
    switch self {
    case .float(let value): value.isNaN
    case .double(let value): value.isNaN
    default: false
    }
  }

  /// Whether two literals are of types whose values compare.
  func isComparable(to other: Literal) -> Bool {
    switch (self, other) {
    case (.boolean, .boolean), (.string, .string), (.uuid, .uuid), (.date, .date), (.time, .time),
      (.timestamp, .timestamp), (.timestamptz, .timestamptz), (.timestampNanos, .timestampNanos),
      (.timestamptzNanos, .timestamptzNanos), (.int, .int), (.int, .long), (.long, .int), (.long, .long),
      (.float, .float), (.float, .double), (.double, .float), (.double, .double), (.decimal, .decimal),
      (.fixed, .fixed), (.fixed, .binary), (.binary, .fixed), (.binary, .binary):
      true
    default: false
    }
  }

  /// The literal with 0.0 for -0.0: as values of rows they are equal.
  var withoutNegativeZero: Literal {
    switch self {
    case .float(let value) where value == 0: .float(0)
    case .double(let value) where value == 0: .double(0)
    default: self
    }
  }
}

/// A partition for looking up: equal when spec and values are.
struct PartitionKey: Hashable, Sendable {
  private let specID: Int
  private let partition: PartitionTuple

  init(_ file: DataFile) {
    specID = file.specID
    partition = file.partition
  }
}
