import Columnar

/// Turns keys into dense group numbers: an open-addressing table with short keys held in the slot, and the typed key
/// columns of the groups.
struct GroupKeys: Sendable {
  struct Slot: Sendable {
    var hash: UInt64
    var low: UInt64
    var high: UInt64
    /// -1: the slot is free.
    var group: Int32
    var tag: UInt32

    static let free = Slot(hash: 0, low: 0, high: 0, group: -1, tag: 0)
  }

  private(set) var count = 0
  /// The hash of each group's key.
  private(set) var hashes: [UInt64] = []
  private var slots: [Slot]
  private var columns: [GatheringBuilder]
  /// The encoded bytes of long keys, in the order in which groups were added, and which of them each group has.
  private var longKeys = ByteValues()
  private var longKeyOfGroup: [Int32] = []
  /// The rows that brought a new group in the last call.
  private var newRows: [Int32] = []

  init(types: [DataType]) {
    slots = [Slot](repeating: .free, count: 32)
    columns = types.map { GatheringBuilder($0) }
  }

  /// One column a key, one row a group.
  var keyColumns: [Column] { columns.map { $0.column } }

  /// The memory held, in bytes.
  var memoryBytes: Int {
    let table = slots.capacity * MemoryLayout<Slot>.stride + hashes.capacity * 8
    let long = longKeys.bytes.capacity + (longKeys.offsets.capacity + longKeyOfGroup.capacity + newRows.capacity) * 4
    return columns.indices.reduce(table + long) { $0 + columns[$1].memoryBytes }
  }

  /// Finds or adds the group of each of `rows`, into `groups`, which has as many entries.
  ///
  /// `keyColumns` are the columns that `keys` was encoded from; new groups take their values from there.
  mutating func intern(
    _ keys: EncodedKeys, _ keyColumns: [Column], rows: UnsafeBufferPointer<Int32>,
    groups: UnsafeMutablePointer<Int32>
  ) {
    guard let rowsBase = rows.baseAddress else { return }
    let before = count
    if newRows.count < rows.count { newRows = [Int32](repeating: 0, count: rows.count) }
    if keys.hasLongKeys {
      internOneByOne(keys, rows: rows, groups: groups)
    } else {
      var done = 0
      while true {
        let result = Self.probe(
          &slots, slots.count, keys.low, keys.high, keys.tags, keys.hashes, rowsBase, done, rows.count, groups,
          count, &newRows, count - before)
        done = result.done
        count = result.count
        if done == rows.count { break }
        grow()
      }
    }
    guard count > before else { return }
    newRows.withUnsafeBufferPointer { newRows in
      let added = UnsafeBufferPointer(rebasing: newRows[0..<(count - before)])
      for row in added { hashes.append(keys.hashes[Int(row)]) }
      for index in columns.indices { columns[index].append(keyColumns[index], rows: added) }
    }
  }

  /// Probes rows from `start`; stops before a row that needs a slot when the table is half full.
  private static func probe(
    _ slots: UnsafeMutablePointer<Slot>, _ slotCount: Int, _ low: UnsafePointer<UInt64>, _ high: UnsafePointer<UInt64>,
    _ tags: UnsafePointer<UInt32>, _ hashes: UnsafePointer<UInt64>, _ rows: UnsafePointer<Int32>, _ start: Int,
    _ end: Int, _ groups: UnsafeMutablePointer<Int32>, _ groupCount: Int, _ newRows: UnsafeMutablePointer<Int32>,
    _ newCount: Int
  ) -> (done: Int, count: Int) {
    let mask = slotCount &- 1
    var count = groupCount
    var added = newCount
    for index in start..<end {
      let row = Int(rows[index])
      let hash = hashes[row]
      var position = Int(truncatingIfNeeded: hash) & mask
      while true {
        let slot = slots + position
        let group = slot.pointee.group
        if group < 0 {
          if count &* 2 >= slotCount { return (index, count) }
          slot.pointee = Slot(hash: hash, low: low[row], high: high[row], group: Int32(count), tag: tags[row])
          groups[index] = Int32(truncatingIfNeeded: count)
          newRows[added] = Int32(truncatingIfNeeded: row)
          count &+= 1
          added &+= 1
          break
        }
        if slot.pointee.low == low[row] && slot.pointee.high == high[row] && slot.pointee.tag == tags[row] {
          groups[index] = group
          break
        }
        position = (position &+ 1) & mask
      }
    }
    return (end, count)
  }

  /// The same for batches in which a key is longer than a slot.
  private mutating func internOneByOne(
    _ keys: EncodedKeys, rows: UnsafeBufferPointer<Int32>, groups: UnsafeMutablePointer<Int32>
  ) {
    let before = count
    for (index, row) in rows.enumerated() {
      let row = Int(row)
      if count * 2 >= slots.count { grow() }
      let tag = keys.tags[row]
      let isLong = tag & 0xFF == EncodedKeys.longTag
      var position = Int(truncatingIfNeeded: keys.hashes[row]) & (slots.count - 1)
      while slots[position].group >= 0 {
        let slot = slots[position]
        if slot.low == keys.low[row], slot.high == keys.high[row], slot.tag == tag,
          !isLong || isLongKey(keys, row, of: Int(slot.group))
        {
          break
        }
        position = (position + 1) & (slots.count - 1)
      }
      if slots[position].group < 0 {
        slots[position] = Slot(
          hash: keys.hashes[row], low: keys.low[row], high: keys.high[row], group: Int32(count), tag: tag)
        if isLong {
          while longKeyOfGroup.count < count { longKeyOfGroup.append(-1) }
          longKeyOfGroup.append(Int32(longKeys.count))
          longKeys.append(contentsOf: keys.arena[Int(keys.starts[row])..<Int(keys.starts[row + 1])])
        }
        newRows[count - before] = Int32(row)
        count += 1
      }
      groups[index] = slots[position].group
    }
  }

  private func isLongKey(_ keys: EncodedKeys, _ row: Int, of group: Int) -> Bool {
    let known = longKeys[Int(longKeyOfGroup[group])]
    return known.elementsEqual(keys.arena[Int(keys.starts[row])..<Int(keys.starts[row + 1])])
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: .free, count: old.count * 2)
    let mask = slots.count - 1
    slots.withUnsafeMutableBufferPointer { slots in
      for slot in old where slot.group >= 0 {
        var position = Int(truncatingIfNeeded: slot.hash) & mask
        while slots[position].group >= 0 { position = (position &+ 1) & mask }
        slots[position] = slot
      }
    }
  }
}
