/// Numbers by the code of their first appearance: a hash table with linear probing, at most half full.
///
/// Both allocations are owned by this value alone.
struct WordDictionary: ~Copyable {
  private struct Slot {
    var key: UInt64 = 0
    var code: UInt32 = .max
  }

  /// The entries, by code.
  private(set) var values = WriteBuffer<UInt64>()
  private var slots: UnsafeMutablePointer<Slot>
  private var mask: Int
  private let seed: UInt64

  private static let initialSlots = 256

  /// An empty dictionary.
  init() {
    // A random seed keeps senders of chosen values from making one long chain of them; it does not change codes.
    seed = .random(in: .min ... .max)
    mask = Self.initialSlots - 1
    slots = .allocate(capacity: Self.initialSlots)
    slots.initialize(repeating: Slot(), count: Self.initialSlots)
  }

  deinit { slots.deallocate() }

  /// How many entries there are.
  var count: Int { values.count }

  @inline(__always)
  private static func position(_ key: UInt64, _ seed: UInt64, _ mask: Int) -> Int {
    let (high, low) = (key ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return Int(truncatingIfNeeded: high ^ low) & mask
  }

  /// Writes the codes of `words`; stops when an entry would make more than `limit` of them.
  ///
  /// - Returns: How many codes were written.
  mutating func encode(
    _ words: UnsafePointer<UInt64>, count: Int, into codes: UnsafeMutablePointer<UInt32>, limit: Int
  ) -> Int {
    var slots = self.slots
    var mask = self.mask
    let seed = self.seed
    for index in 0..<count {
      let key = words[index]
      var position = Self.position(key, seed, mask)
      while true {
        let slot = slots[position]
        if slot.code == .max {
          guard values.count < limit else { return index }
          codes[index] = insert(key, at: position)
          slots = self.slots
          mask = self.mask
          break
        }
        if slot.key == key {
          codes[index] = slot.code
          break
        }
        position = (position &+ 1) & mask
      }
    }
    return count
  }

  @inline(never)
  private mutating func insert(_ key: UInt64, at position: Int) -> UInt32 {
    let code = UInt32(truncatingIfNeeded: values.count)
    values.append(key)
    slots[position] = Slot(key: key, code: code)
    if values.count * 2 > mask { rehash(slotCount: (mask + 1) * 4) }
    return code
  }

  private mutating func rehash(slotCount: Int) {
    slots.deallocate()
    mask = slotCount - 1
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: Slot(), count: slotCount)
    for code in 0..<values.count {
      let key = values.base[code]
      var position = Self.position(key, seed, mask)
      while slots[position].code != .max { position = (position &+ 1) & mask }
      slots[position] = Slot(key: key, code: UInt32(truncatingIfNeeded: code))
    }
  }

  /// Forgets the entries; the memory too when it is large.
  mutating func removeAll() {
    let isLarge = mask >= 1 << 16
    values.removeAll(keepingAtMost: 1 << 14)
    if isLarge {
      rehash(slotCount: Self.initialSlots)
    } else {
      slots.update(repeating: Slot(), count: mask + 1)
    }
  }
}
