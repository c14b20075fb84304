/// A packed bit per row; bit *i* of word *i / 64*. In a validity bitmap a set bit means "not NULL".
public struct Bitmap: Hashable, Sendable {
  /// The words; bits at and after ``count`` are zero.
  public private(set) var words: [UInt64]
  /// How many bits there are.
  public private(set) var count: Int

  /// `count` bits, all of them `value`.
  @inlinable
  public init(repeating value: Bool, count: Int) {
    self.init(words: [UInt64](repeating: value ? .max : 0, count: (count + 63) >> 6), count: count)
  }

  /// Bits from packed words; bits beyond `count` are cleared.
  public init(words: [UInt64], count: Int) {
    precondition(words.count == (count + 63) >> 6, "a bitmap of \(count) bits has \((count + 63) >> 6) words")
    self.words = words
    self.count = count
    if count & 63 != 0 { self.words[words.count - 1] &= (1 << UInt64(count & 63)) - 1 }
  }

  /// Bits from booleans.
  public init(_ bits: [Bool]) {
    var words = [UInt64](repeating: 0, count: (bits.count + 63) >> 6)
    for index in bits.indices where bits[index] { words[index >> 6] |= 1 << UInt64(index & 63) }
    self.init(words: words, count: bits.count)
  }

  /// The bit of `row`.
  public subscript(row: Int) -> Bool {
    get { words[row >> 6] & (1 << UInt64(row & 63)) != 0 }
    set {
      precondition(row < count)
      if newValue { words[row >> 6] |= 1 << UInt64(row & 63) } else { words[row >> 6] &= ~(1 << UInt64(row & 63)) }
    }
  }

  /// How many bits are set.
  public var setCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether every bit is set.
  public var isAllSet: Bool { setCount == count }

  /// The bits that are set in both.
  public func intersection(_ other: Bitmap) -> Bitmap {
    precondition(count == other.count)
    var result = self
    for index in words.indices { result.words[index] &= other.words[index] }
    return result
  }
}
