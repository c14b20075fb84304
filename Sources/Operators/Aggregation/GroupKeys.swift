import CPosix
import Columnar

/// Turns keys into dense group numbers: an open-addressing table with short keys held in the slot, and the typed key
/// columns of the groups.
struct GroupKeys: Sendable {
  private(set) var count = 0
  /// The hash of each group's key, where they are kept.
  private(set) var hashes: [UInt64] = []
  private let keepsHashes: Bool
  private var slots: SlotTable
  private var columns: [GatheringBuilder]
  /// The encoded bytes of long keys, in the order in which groups were added, and which of them each group has.
  private var longKeys = ByteValues()
  private var longKeyOfGroup: [Int32] = []
  /// The rows that brought a new group in the last call.
  private var newRows: [Int32] = []

  /// Without groups, with room for `expected` of them.
  init(types: [DataType], keepsHashes: Bool = false, expected: Int = 0) {
    slots = SlotTable(count: max(Self.leastSlots, expected * 2))
    columns = types.map { GatheringBuilder($0) }
    self.keepsHashes = keepsHashes
  }

  private static let leastSlots = 32

  /// One column a key, one row a group.
  var keyColumns: [Column] { columns.map { $0.column } }

  /// The memory held, in bytes.
  var memoryBytes: Int {
    let table = slots.memoryBytes + hashes.capacity * 8
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
        let (isLarge, slotCount, known) = (slots.isLarge, slots.count, count)
        let result = slots.withMutableSlots { slots in
          Self.probe(
            slots, slotCount, isLarge, keys.low, keys.high, keys.tags, keys.hashes, rowsBase, done, rows.count,
            groups, known, &newRows, known - before)
        }
        done = result.done
        count = result.count
        if done == rows.count { break }
        grow()
      }
    }
    guard count > before else { return }
    newRows.withUnsafeBufferPointer { newRows in
      append(UnsafeBufferPointer(rebasing: newRows[0..<(count - before)]), keys, keyColumns)
    }
  }

  /// Adds a group for each of `rows`, whether or not its key is known; nothing is looked up later.
  mutating func appendEach(
    _ keys: EncodedKeys, _ keyColumns: [Column], rows: UnsafeBufferPointer<Int32>,
    groups: UnsafeMutablePointer<Int32>
  ) {
    for index in 0..<rows.count { groups[index] = Int32(truncatingIfNeeded: count &+ index) }
    count += rows.count
    append(rows, keys, keyColumns)
  }

  private mutating func append(_ added: UnsafeBufferPointer<Int32>, _ keys: EncodedKeys, _ keyColumns: [Column]) {
    if keepsHashes {
      for row in added { hashes.append(keys.hashes[Int(row)]) }
    }
    for index in columns.indices { columns[index].append(keyColumns[index], rows: added) }
  }

  /// Probes rows from `start`; stops before a row that needs a slot when the table is half full.
  private static func probe(
    _ slots: UnsafeMutablePointer<Slot>, _ slotCount: Int, _ isLarge: Bool, _ low: UnsafePointer<UInt64>,
    _ high: UnsafePointer<UInt64>, _ tags: UnsafePointer<UInt32>, _ hashes: UnsafePointer<UInt64>,
    _ rows: UnsafePointer<Int32>, _ start: Int, _ end: Int, _ groups: UnsafeMutablePointer<Int32>, _ groupCount: Int,
    _ newRows: UnsafeMutablePointer<Int32>, _ newCount: Int
  ) -> (done: Int, count: Int) {
    let mask = slotCount &- 1
    var count = groupCount
    var added = newCount
    for index in start..<end {
      let row = Int(rows[index])
      let hash = hashes[row]
      if isLarge, index &+ Self.prefetchDistance < end {
        // A wrong guess of the branches below throws away what the processor has begun to load: ask ahead.
        weir_prefetch(slots + (Int(truncatingIfNeeded: hashes[Int(rows[index &+ Self.prefetchDistance])]) & mask))
      }
      var position = Int(truncatingIfNeeded: hash) & mask
      while true {
        let slot = slots + position
        let group = slot.pointee.group
        if group < 0 {
          if count &* 2 >= slotCount { return (index, count) }
          slot.pointee = Slot(
            hash: hash, low: low[row], high: high[row], tag: tags[row], group: Int32(truncatingIfNeeded: count))
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

  /// How many rows a probe asks ahead for.
  private static let prefetchDistance = 16

  /// The same for batches in which a key is longer than a slot.
  private mutating func internOneByOne(
    _ keys: EncodedKeys, rows: UnsafeBufferPointer<Int32>, groups: UnsafeMutablePointer<Int32>
  ) {
    let before = count
    for (index, row) in rows.enumerated() {
      let row = Int(row)
      if count * 2 >= slots.count { grow() }
      let isLong = keys.tags[row] & 0xFF == EncodedKeys.longTag
      let (position, known) = find(keys, row, isLong)
      groups[index] = known
      guard known < 0 else { continue }
      let slot = Slot(
        hash: keys.hashes[row], low: keys.low[row], high: keys.high[row], tag: keys.tags[row], group: Int32(count))
      slots.withMutableSlots { $0[position] = slot }
      if isLong {
        while longKeyOfGroup.count < count { longKeyOfGroup.append(-1) }
        longKeyOfGroup.append(Int32(longKeys.count))
        longKeys.append(contentsOf: keys.arena[Int(keys.starts[row])..<Int(keys.starts[row + 1])])
      }
      newRows[count - before] = Int32(row)
      groups[index] = Int32(count)
      count += 1
    }
  }

  /// The slot of a row's key, or the free one where it belongs, and its group, negative if there is none.
  private func find(_ keys: EncodedKeys, _ row: Int, _ isLong: Bool) -> (position: Int, group: Int32) {
    let mask = slots.count - 1
    return slots.withSlots { slots in
      var position = Int(truncatingIfNeeded: keys.hashes[row]) & mask
      while slots[position].group >= 0 {
        let slot = slots[position]
        if slot.low == keys.low[row], slot.high == keys.high[row], slot.tag == keys.tags[row],
          !isLong || isLongKey(keys, row, of: Int(slot.group))
        {
          break
        }
        position = (position + 1) & mask
      }
      return (position, slots[position].group)
    }
  }

  private func isLongKey(_ keys: EncodedKeys, _ row: Int, of group: Int) -> Bool {
    let known = longKeys[Int(longKeyOfGroup[group])]
    return known.elementsEqual(keys.arena[Int(keys.starts[row])..<Int(keys.starts[row + 1])])
  }

  private mutating func grow() {
    var larger = SlotTable(count: slots.count * 2)
    let (count, mask) = (slots.count, larger.count - 1)
    slots.withSlots { slots in
      larger.withMutableSlots { larger in
        for index in 0..<count where slots[index].group >= 0 {
          var position = Int(truncatingIfNeeded: slots[index].hash) & mask
          while larger[position].group >= 0 { position = (position &+ 1) & mask }
          larger[position] = slots[index]
        }
      }
    }
    slots = larger
  }
}
