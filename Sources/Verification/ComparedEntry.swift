/// A row on one of the two sides of a comparison, without its values.
public struct ComparedEntry: Hashable, Sendable {
  /// The digest of the row's key; that of the row when it has none.
  public var key: RowDigest
  /// The digest of the row.
  public var row: RowDigest
  /// Which table it is in, by the caller's number.
  public var target: UInt32
  /// The stream that an expected row comes from; ``found`` for a row of a sink.
  public var stream: UInt32
  /// Where the row is in its stream.
  public var order: Int64

  /// The stream of rows that a sink holds.
  public static let found = UInt32.max
  /// The size of an encoded entry.
  public static let bytes = 48

  /// An entry.
  public init(key: RowDigest, row: RowDigest, target: UInt32, stream: UInt32, order: Int64) {
    self.key = key
    self.row = row
    self.target = target
    self.stream = stream
    self.order = order
  }

  func append(to bytes: inout [UInt8]) {
    for word in [key.high, key.low, row.high, row.low, UInt64(target) << 32 | UInt64(stream), UInt64(bitPattern: order)]
    { withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) } }
  }

  init(_ bytes: RawSpan, at start: Int) {
    func word(_ index: Int) -> UInt64 {
      UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: start + 8 * index, as: UInt64.self))
    }
    let places = word(4)
    self.init(
      key: RowDigest(high: word(0), low: word(1)), row: RowDigest(high: word(2), low: word(3)),
      target: UInt32(places >> 32), stream: UInt32(truncatingIfNeeded: places), order: Int64(bitPattern: word(5)))
  }
}

/// Where entries wait that do not fit into memory: byte strings in numbered buckets.
public protocol SpillArea {
  /// Adds bytes to a bucket.
  mutating func append(_ bytes: [UInt8], to bucket: Int) throws
  /// Hands over the bytes of a bucket in the order in which they came, in pieces that are multiples of
  /// ``ComparedEntry/bytes`` when everything that was added was.
  func read(_ bucket: Int, _ body: (RawSpan) throws -> Void) throws
  /// How many bytes a bucket has.
  func size(_ bucket: Int) throws -> Int
}

/// A spill area for tests and small comparisons.
public struct MemorySpill: SpillArea {
  private var buckets: [Int: [UInt8]] = [:]

  /// An empty area.
  public init() {}

  /// Adds bytes to a bucket.
  public mutating func append(_ bytes: [UInt8], to bucket: Int) { buckets[bucket, default: []] += bytes }

  /// Hands over all bytes of a bucket at once.
  public func read(_ bucket: Int, _ body: (RawSpan) throws -> Void) rethrows {
    if let bytes = buckets[bucket] { try body(bytes.span.bytes) }
  }

  /// How many bytes a bucket has.
  public func size(_ bucket: Int) -> Int { buckets[bucket]?.count ?? 0 }
}

/// Entries of both sides, dealt by their keys to buckets that are compared one at a time: memory is bounded by a budget
/// while rows come, and by the largest bucket afterwards.
public struct EntryBuckets {
  /// How many buckets there are.
  public static let count = 256

  private var waiting: [[UInt8]]
  private var waitingBytes = 0
  private var spill: any SpillArea
  private let budgetBytes: Int

  /// No entries.
  ///
  /// - Parameters:
  ///   - spill: takes what exceeds the budget.
  ///   - budgetBytes: how much is held in memory.
  public init(spill: any SpillArea, budgetBytes: Int = 96 << 20) {
    waiting = Array(repeating: [], count: Self.count)
    self.spill = spill
    self.budgetBytes = budgetBytes
  }

  /// Adds an entry.
  /// - Throws: what the spill area throws.
  public mutating func add(_ entry: ComparedEntry) throws {
    entry.append(to: &waiting[Int(entry.key.low >> 7) % Self.count])
    waitingBytes += ComparedEntry.bytes
    guard waitingBytes >= budgetBytes else { return }
    for bucket in waiting.indices where !waiting[bucket].isEmpty {
      try spill.append(waiting[bucket], to: bucket)
      waiting[bucket].removeAll(keepingCapacity: true)
    }
    waitingBytes = 0
  }

  /// The entries of a bucket, ordered by table and key; nothing may be added any more.
  ///
  /// What is in memory of the bucket is let go of, and only one decoded copy of it exists at any time.
  /// - Throws: what the spill area throws.
  public mutating func takeEntries(_ bucket: Int) throws -> [ComparedEntry] {
    var entries: [ComparedEntry] = []
    entries.reserveCapacity((try spill.size(bucket) + waiting[bucket].count) / ComparedEntry.bytes)
    func decode(_ bytes: RawSpan) {
      for start in stride(from: 0, to: bytes.byteCount, by: ComparedEntry.bytes) {
        entries.append(ComparedEntry(bytes, at: start))
      }
    }
    try spill.read(bucket, decode)
    do {
      let rest = waiting[bucket]
      decode(rest.span.bytes)
    }
    waiting[bucket] = []
    entries.sort {
      ($0.target, $0.key, $0.row, $0.stream, $0.order) < ($1.target, $1.key, $1.row, $1.stream, $1.order)
    }
    return entries
  }
}
