/// A set of row positions of a file: 0 … 2^63 − 1, compact for dense and for sparse sets.
public struct PositionSet: Hashable, Sendable {
  /// The empty set.
  public init() {}
  /// How many positions are in the set.
  public private(set) var count: Int64 = 0
  /// Whether none is.
  public var isEmpty: Bool { count == 0 }
  /// Whether `position` is in the set.
  public func contains(_ position: Int64) -> Bool { false }
  /// Adds `position`, which must not be negative: negative ones are ignored. Returns whether it is new.
  @discardableResult
  public mutating func insert(_ position: Int64) -> Bool { false }
  /// Adds all positions of `other`.
  public mutating func formUnion(_ other: PositionSet) {}
  /// All positions, ascending.
  public var positions: [Int64] { [] }
}
