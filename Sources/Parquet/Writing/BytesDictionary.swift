#if canImport(Glibc)
  import Glibc
#endif

/// Byte strings by the code of their first appearance: a hash table with linear probing, at most half full.
///
/// A slot holds the whole value when that has at most 16 bytes, so that most look-ups touch one cache line. Both
/// allocations are owned by this value alone.
struct BytesDictionary: ~Copyable {
  /// What identifies a value: its length and two words, which are all its bytes up to 16 of them, and otherwise its
  /// first eight bytes and a hash.
  private struct Key {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var length: UInt32 = 0

    @inline(__always)
    static func == (left: Key, right: Key) -> Bool {
      left.first == right.first && left.second == right.second && left.length == right.length
    }
  }

  private struct Slot {
    var key = Key()
    var code: UInt32 = .max
  }

  /// The dictionary page's body: the entries, plainly encoded.
  private(set) var page = WriteBuffer<UInt8>()
  private var starts = WriteBuffer<Int>()
  private var lengths = WriteBuffer<UInt32>()
  /// The first eight bytes of each entry as a number that orders as the bytes do.
  private(set) var prefixes = WriteBuffer<UInt64>()
  private var slots: UnsafeMutablePointer<Slot>
  private var mask: Int
  private let seed: UInt64
  private let hasLengths: Bool

  private static let initialSlots = 256

  /// An empty dictionary; `hasLengths` tells whether values vary in length.
  init(hasLengths: Bool) {
    self.hasLengths = hasLengths
    seed = .random(in: .min ... .max)  // As in ``WordDictionary``.
    mask = Self.initialSlots - 1
    slots = .allocate(capacity: Self.initialSlots)
    slots.initialize(repeating: Slot(), count: Self.initialSlots)
  }

  deinit { slots.deallocate() }

  /// How many entries there are.
  var count: Int { starts.count }

  /// The bytes of an entry, valid until the next one is added.
  func entry(_ code: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: page.base + starts.base[code], count: Int(lengths.base[code]))
  }

  @inline(__always)
  private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (high, low) = left.multipliedFullWidth(by: right)
    return high ^ low
  }

  @inline(__always)
  private static func key(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ seed: UInt64) -> Key {
    let raw = UnsafeRawPointer(bytes)
    let length = UInt32(truncatingIfNeeded: count)
    if count >= 8 {
      let first = raw.loadUnaligned(as: UInt64.self)
      if count <= 16 {
        return Key(first: first, second: raw.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self), length: length)
      }
      return Key(first: first, second: longHash(raw, count, seed), length: length)
    }
    if count >= 4 {
      let low = raw.loadUnaligned(as: UInt32.self)
      let high = raw.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
      return Key(first: UInt64(low) | UInt64(high) &<< 32, length: length)
    }
    guard count > 0 else { return Key() }
    let three = UInt64(bytes[0]) | UInt64(bytes[count / 2]) &<< 8 | UInt64(bytes[count &- 1]) &<< 16
    return Key(first: three, length: length)
  }

  @inline(never)
  private static func longHash(_ raw: UnsafeRawPointer, _ count: Int, _ seed: UInt64) -> UInt64 {
    var hash = seed ^ UInt64(count)
    var offset = 0
    while offset &+ 16 < count {
      let left = raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let right = raw.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
      hash = fold(left ^ hash, right ^ 0x9E37_79B9_7F4A_7C15)
      offset &+= 16
    }
    let left = raw.loadUnaligned(fromByteOffset: count &- 16, as: UInt64.self)
    let right = raw.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
    return fold(left ^ hash, right ^ 0xE703_7ED1_A0B4_28DB)
  }

  @inline(__always)
  private static func position(_ key: Key, _ seed: UInt64, _ mask: Int) -> Int {
    let mixed = fold(key.first ^ seed ^ UInt64(key.length), key.second &+ 0x9E37_79B9_7F4A_7C15)
    return Int(truncatingIfNeeded: mixed ^ mixed &>> 32) & mask
  }

  /// Writes the codes of values; stops when an entry would make the page larger than `limit` bytes.
  ///
  /// - Parameters:
  ///   - bytes: All values' bytes.
  ///   - offsets: Value of row *i* is `offsets[i] ..< offsets[i + 1]`; checked by the caller.
  ///   - rows: Which values.
  ///   - codes: Room for as many codes.
  ///   - limit: How large the page may be.
  /// - Returns: How many codes were written.
  mutating func encode(
    _ bytes: UnsafePointer<UInt8>, _ offsets: UnsafePointer<Int32>, _ rows: ValueRows,
    into codes: UnsafeMutablePointer<UInt32>, limit: Int
  ) -> Int {
    var slots = self.slots
    var mask = self.mask
    let seed = self.seed
    var previous = (key: Key(), code: UInt32.max)
    for index in 0..<rows.count {
      let row = rows.row(index)
      let start = bytes + Int(offsets[row])
      let count = Int(offsets[row &+ 1]) &- Int(offsets[row])
      let key = Self.key(start, count, seed)
      // Sorted and constant columns repeat a value; then there is nothing to look up.
      if key == previous.key, count <= 16, previous.code != .max {
        codes[index] = previous.code
        continue
      }
      var position = Self.position(key, seed, mask)
      while true {
        let slot = slots[position]
        if slot.code == .max {
          guard page.count &+ count &+ 4 <= limit else { return index }
          codes[index] = insert(key, start, count, at: position)
          slots = self.slots
          mask = self.mask
          break
        }
        if slot.key == key,
          count <= 16 || memcmp(page.base + starts.base[Int(slot.code)], start, count) == 0
        {
          codes[index] = slot.code
          break
        }
        position = (position &+ 1) & mask
      }
      previous = (key, codes[index])
    }
    return rows.count
  }

  @inline(never)
  private mutating func insert(
    _ key: Key, _ start: UnsafePointer<UInt8>, _ count: Int, at position: Int
  ) -> UInt32 {
    let code = UInt32(truncatingIfNeeded: starts.count)
    if hasLengths { page.append(littleEndian: key.length) }
    starts.append(page.count)
    lengths.append(key.length)
    page.append(UnsafeRawBufferPointer(start: start, count: count))
    prefixes.append(BytesOrder.prefix(start, count))
    slots[position] = Slot(key: key, code: code)
    if starts.count * 2 > mask { rehash(slotCount: (mask + 1) * 4) }
    return code
  }

  private mutating func rehash(slotCount: Int) {
    let (old, oldCount) = (slots, mask + 1)
    mask = slotCount - 1
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: Slot(), count: slotCount)
    for index in 0..<oldCount where old[index].code != .max {
      var position = Self.position(old[index].key, seed, mask)
      while slots[position].code != .max { position = (position &+ 1) & mask }
      slots[position] = old[index]
    }
    old.deallocate()
  }

  /// Forgets the entries; the memory too when it is large.
  mutating func removeAll() {
    page.removeAll(keepingAtMost: 1 << 17)
    starts.removeAll(keepingAtMost: 1 << 13)
    lengths.removeAll(keepingAtMost: 1 << 13)
    prefixes.removeAll(keepingAtMost: 1 << 13)
    if mask >= 1 << 15 {
      slots.deallocate()
      mask = Self.initialSlots - 1
      slots = .allocate(capacity: Self.initialSlots)
    }
    slots.initialize(repeating: Slot(), count: mask + 1)
  }
}

/// Comparing byte strings by their first eight bytes, and by the others only when these are equal.
enum BytesOrder {
  /// The first eight bytes as a big-endian number, zeros after a shorter value's end.
  @inline(__always)
  static func prefix(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    if count >= 8 { return UInt64(bigEndian: UnsafeRawPointer(bytes).loadUnaligned(as: UInt64.self)) }
    var prefix: UInt64 = 0
    for index in 0..<count { prefix |= UInt64(bytes[index]) &<< UInt64(56 &- 8 &* index) }
    return prefix
  }

  /// Whether `left` is before `right` byte by byte; `flip` inverts the first bit for two's complement numbers.
  static func isLess(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    let shared = min(left.count, right.count)
    guard shared > 0, let leftStart = left.baseAddress, let rightStart = right.baseAddress else {
      return left.count < right.count
    }
    let order = memcmp(leftStart, rightStart, shared)
    return order < 0 || (order == 0 && left.count < right.count)
  }
}

/// The positions of the smallest and the greatest of some byte strings.
struct BytesBounds {
  private let flip: UInt64
  private var minimumPrefix: UInt64 = 0
  private var maximumPrefix: UInt64 = 0
  private(set) var minimum = UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var maximum = UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var isEmpty = true

  /// Of none; `isSigned` for two's complement numbers of one length.
  init(isSigned: Bool) { flip = isSigned ? 1 << 63 : 0 }

  /// Takes in a value with its ``BytesOrder/prefix(_:_:)``; the bytes must live as long as this value.
  @inline(__always)
  mutating func add(_ prefix: UInt64, _ bytes: UnsafeRawBufferPointer) {
    let ordered = prefix ^ flip
    if isEmpty {
      (minimumPrefix, maximumPrefix) = (ordered, ordered)
      (minimum, maximum) = (bytes, bytes)
      isEmpty = false
      return
    }
    // Where the prefixes are equal so are the signs, and the rest is compared as plain bytes.
    if ordered < minimumPrefix || (ordered == minimumPrefix && BytesOrder.isLess(bytes, minimum)) {
      minimumPrefix = ordered
      minimum = bytes
    }
    if ordered > maximumPrefix || (ordered == maximumPrefix && BytesOrder.isLess(maximum, bytes)) {
      maximumPrefix = ordered
      maximum = bytes
    }
  }

  /// The bounds; none when one of them should be text and is not.
  func encoded(isText: Bool) -> ValueBounds {
    var bounds = ValueBounds()
    guard !isEmpty else { return bounds }
    let (low, high) = (Array(minimum), Array(maximum))
    if isText, !BoundTruncation.isText(low) || !BoundTruncation.isText(high) {
      bounds.isUnusable = true
    } else {
      (bounds.minimum, bounds.maximum) = (low, high)
    }
    return bounds
  }
}
