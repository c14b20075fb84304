import CPosix

/// A place of a ``SlotTable``: a key of at most 16 bytes, or the hash of a longer one, and the group that has it.
///
/// All zero bits are a free slot.
struct Slot: Sendable {
  var hash: UInt64
  var low: UInt64
  var high: UInt64
  var tag: UInt32
  /// The group's number plus 1; 0 in a free slot.
  private var number: Int32

  /// A slot that no group has.
  static let free = Slot(hash: 0, low: 0, high: 0, tag: 0, group: -1)

  init(hash: UInt64, low: UInt64, high: UInt64, tag: UInt32, group: Int32) {
    self.hash = hash
    self.low = low
    self.high = high
    self.tag = tag
    number = group &+ 1
  }

  /// Negative in a free slot.
  var group: Int32 { number &- 1 }
}

/// The slots of a hash table, a power of two of them, free at first; a value like an array.
///
/// The memory of a large table is in huge pages, so that a probe that misses the caches does not miss the translation of
/// its address too.
struct SlotTable: Sendable {
  private var storage: Storage

  /// Slots for at least `count` of them.
  init(count: Int) { storage = Storage(count: Self.powerOfTwo(atLeast: count)) }

  var count: Int { storage.count }
  var memoryBytes: Int { storage.byteCount }

  /// Whether probes are likely to miss the caches.
  var isLarge: Bool { storage.byteCount > Self.cachedBytes }

  /// About the second-level cache of a core.
  private static let cachedBytes = 1 << 20

  /// Calls `body` with the slots, for reading.
  @inline(__always)
  func withSlots<Result>(_ body: (UnsafePointer<Slot>) -> Result) -> Result {
    withExtendedLifetime(storage) { body(UnsafePointer(storage.slots)) }
  }

  /// Calls `body` with the slots, which are nobody else's.
  @inline(__always)
  mutating func withMutableSlots<Result>(_ body: (UnsafeMutablePointer<Slot>) -> Result) -> Result {
    if !isKnownUniquelyReferenced(&storage) { storage = Storage(copying: storage) }
    return withExtendedLifetime(storage) { body(storage.slots) }
  }

  private static func powerOfTwo(atLeast count: Int) -> Int {
    count <= 1 ? 1 : 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
  }

  /// One allocation.
  ///
  /// `@unchecked Sendable`: the pointer never changes, and what it points to is written only through a ``SlotTable``
  /// that has made sure to hold the only reference.
  private final class Storage: @unchecked Sendable {
    let slots: UnsafeMutablePointer<Slot>
    let count: Int
    private let isMapped: Bool

    /// From here on memory is mapped: two huge pages.
    private static let mappedBytes = 4 << 20

    var byteCount: Int { count * MemoryLayout<Slot>.stride }

    init(count: Int) {
      self.count = count
      let byteCount = count * MemoryLayout<Slot>.stride
      if byteCount >= Self.mappedBytes, let mapped = weir_map_zeroed(byteCount) {
        isMapped = true
        slots = mapped.bindMemory(to: Slot.self, capacity: count)
        return
      }
      isMapped = false
      slots = .allocate(capacity: count)
      slots.initialize(repeating: .free, count: count)
    }

    convenience init(copying other: Storage) {
      self.init(count: other.count)
      slots.update(from: other.slots, count: count)
    }

    deinit {
      if isMapped { weir_unmap(slots, byteCount) } else { slots.deallocate() }
    }
  }
}
