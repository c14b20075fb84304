/// A set of row positions of a file: 0 … 2^63 − 1, compact for dense and for sparse sets.
///
/// It is a Roaring bitmap: positions are grouped by their upper 48 bits, each group is an array, a bitmap or runs,
/// whichever is small. Looking up takes logarithmic time in the number of groups.
public struct PositionSet: Hashable, Sendable {
  /// A group of positions with the same upper bits.
  struct Chunk: Hashable, Sendable {
    /// The positions' upper 48 bits.
    var key: Int64
    var container: PositionContainer
  }

  /// The groups, ascending, none empty.
  private(set) var chunks: [Chunk] = []
  /// How many positions are in the set.
  public private(set) var count: Int64 = 0

  /// The empty set.
  public init() {}

  /// The set of some positions; negative ones are ignored.
  public init(_ positions: some Sequence<Int64>) {
    for position in positions { insert(position) }
  }

  /// A set of groups that ascend and are not empty.
  init(chunks: [Chunk]) {
    self.chunks = chunks
    self.count = chunks.reduce(0) { $0 + Int64($1.container.count) }
  }

  /// About how much memory it takes.
  package var memoryBytes: Int { chunks.reduce(0) { $0 + 64 + $1.container.memoryBytes } }

  /// Whether none is.
  public var isEmpty: Bool { count == 0 }

  /// Whether `position` is in the set.
  public func contains(_ position: Int64) -> Bool {
    guard position >= 0 else { return false }
    let index = firstChunk(from: position >> 16)
    guard index < chunks.count, chunks[index].key == position >> 16 else { return false }
    return chunks[index].container.contains(UInt16(truncatingIfNeeded: position))
  }

  /// Adds `position`, which must not be negative: negative ones are ignored. Returns whether it is new.
  @discardableResult
  public mutating func insert(_ position: Int64) -> Bool {
    guard position >= 0 else { return false }
    let key = position >> 16
    let low = UInt16(truncatingIfNeeded: position)
    // Positions mostly come in ascending order.
    let index = chunks.last.map { $0.key < key } ?? true ? chunks.count : firstChunk(from: key)
    if index == chunks.count || chunks[index].key != key {
      chunks.insert(Chunk(key: key, container: .array([low])), at: index)
      count += 1
      return true
    }
    guard chunks[index].container.insert(low) else { return false }
    count += 1
    return true
  }

  /// Adds all positions of a range; negative ones are ignored.
  public mutating func insert(contentsOf range: Range<Int64>) {
    var start = max(range.lowerBound, 0)
    while start < range.upperBound {
      let key = start >> 16
      let last = min(range.upperBound - 1, key << 16 | 0xFFFF)
      let run = PositionRun(
        first: UInt16(truncatingIfNeeded: start), last: UInt16(truncatingIfNeeded: last))
      formUnion(PositionSet(chunks: [Chunk(key: key, container: .runs([run]))]))
      if last == Int64.max { return }
      start = last + 1
    }
  }

  /// Adds all positions of `other`.
  public mutating func formUnion(_ other: PositionSet) {
    guard !other.isEmpty else { return }
    guard !isEmpty else {
      self = other
      return
    }
    var merged: [Chunk] = []
    merged.reserveCapacity(max(chunks.count, other.chunks.count))
    var (left, right) = (0, 0)
    while left < chunks.count || right < other.chunks.count {
      if right == other.chunks.count || (left < chunks.count && chunks[left].key < other.chunks[right].key) {
        merged.append(chunks[left])
        left += 1
      } else if left == chunks.count || other.chunks[right].key < chunks[left].key {
        merged.append(other.chunks[right])
        right += 1
      } else {
        let container = chunks[left].container.union(other.chunks[right].container)
        merged.append(Chunk(key: chunks[left].key, container: container))
        left += 1
        right += 1
      }
    }
    self = PositionSet(chunks: merged)
  }

  /// All positions, ascending.
  public var positions: [Int64] {
    var result: [Int64] = []
    result.reserveCapacity(Int(count))
    forEach { result.append($0) }
    return result
  }

  /// The smallest position.
  public var first: Int64? { chunks.first.map { $0.key << 16 | Int64($0.container.values.first ?? 0) } }
  /// The greatest position.
  public var last: Int64? { chunks.last.map { $0.key << 16 | Int64($0.container.values.last ?? 0) } }

  /// Calls `body` with all positions, ascending.
  public func forEach(_ body: (Int64) -> Void) {
    for chunk in chunks { chunk.container.forEach { body(chunk.key << 16 | Int64($0)) } }
  }

  /// Calls `body` with the positions of a range, ascending: those that are deleted in a batch of rows.
  public func forEach(in range: Range<Int64>, _ body: (Int64) -> Void) {
    guard range.lowerBound < range.upperBound else { return }
    var index = firstChunk(from: max(range.lowerBound, 0) >> 16)
    while index < chunks.count, chunks[index].key << 16 < range.upperBound {
      let base = chunks[index].key << 16
      chunks[index].container.forEach { low in
        let position = base | Int64(low)
        if range.contains(position) { body(position) }
      }
      index += 1
    }
  }

  /// The index of the first group whose key is at least `key`.
  private func firstChunk(from key: Int64) -> Int {
    var (low, high) = (0, chunks.count)
    while low < high {
      let middle = (low + high) / 2
      if chunks[middle].key < key { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Whether both have the same positions, however they are stored.
  public static func == (left: PositionSet, right: PositionSet) -> Bool {
    guard left.count == right.count, left.chunks.count == right.chunks.count else { return false }
    return zip(left.chunks, right.chunks).allSatisfy {
      $0.key == $1.key && ($0.container == $1.container || $0.container.values == $1.container.values)
    }
  }

  /// Hashes the positions.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(count)
    for chunk in chunks {
      hasher.combine(chunk.key)
      hasher.combine(chunk.container.values)
    }
  }
}
