import Columnar

/// Which group each row of a batch belongs to.
public struct PartitionRouting: Hashable, Sendable {
  /// The group of each row: an index into ``tuples``. Groups are numbered in the order of their first rows.
  public var groups: [Int32]
  /// The groups' partition values.
  public var tuples: [PartitionTuple]

  /// The rows of each group, ascending.
  public var rowsByGroup: [[Int32]] {
    var counts = [Int](repeating: 0, count: tuples.count)
    for group in groups { counts[Int(group)] += 1 }
    var result: [[Int32]] = counts.map { count in
      var rows: [Int32] = []
      rows.reserveCapacity(count)
      return rows
    }
    for (row, group) in groups.enumerated() { result[Int(group)].append(Int32(row)) }
    return result
  }
}

/// Deals the rows of batches to partitions: column by column, without a value object per row.
public struct PartitionRouter: Sendable {
  /// The partition spec.
  public let spec: PartitionSpec
  private let sourceTypes: [IcebergType]

  /// A router for a spec.
  ///
  /// - Parameter schema: a schema that has the source columns.
  /// - Throws: ``IcebergError`` of kind `invalid` when a source is missing or a transform cannot be applied to it.
  public init(spec: PartitionSpec, schema: TableSchema) throws(IcebergError) {
    _ = try spec.partitionType(schema)
    self.spec = spec
    var types: [IcebergType] = []
    for field in spec.fields { types.append(schema.field(id: field.sourceID)?.type ?? .unknown) }
    sourceTypes = types
  }

  /// The groups of a batch's rows.
  ///
  /// - Parameters:
  ///   - columns: the source columns by field id, times in the unit of the column's type; fields inside of structs have
  ///     columns of their own.
  ///   - count: how many rows there are.
  /// - Throws: ``IcebergError`` of kind `invalid` when a column is missing, or a value does not fit its type.
  public func route(_ columns: [Int: Column], count: Int) throws(IcebergError) -> PartitionRouting {
    var codes = [Int32](repeating: 0, count: count)
    var firstRows: [Int] = count > 0 ? [0] : []
    for (position, field) in spec.fields.enumerated() where field.transform != .void {
      let column = try column(field, columns, count)
      let keys = PartitionKeys(field.transform, sourceTypes[position], column)
      let own = keys.codes(count)
      if own.distinct <= 1 { continue }
      var table = IntegerTable()
      firstRows = []
      for row in 0..<count {
        let (code, isNew) = table.code(Int64(codes[row]) << 32 | Int64(own.codes[row]))
        if isNew { firstRows.append(row) }
        codes[row] = code
      }
    }
    var tuples: [PartitionTuple] = []
    tuples.reserveCapacity(firstRows.count)
    for row in firstRows { tuples.append(try tuple(row, columns)) }
    return PartitionRouting(groups: codes, tuples: tuples)
  }

  private func column(
    _ field: PartitionField, _ columns: [Int: Column], _ count: Int
  ) throws(IcebergError) -> Column {
    guard let column = columns[field.sourceID], column.count == count else {
      throw IcebergError(
        .invalid, "partition field \(field.name): expected a column of \(count) rows for the field \(field.sourceID)")
    }
    return column
  }

  private func tuple(_ row: Int, _ columns: [Int: Column]) throws(IcebergError) -> PartitionTuple {
    var values: [Literal?] = []
    for (position, field) in spec.fields.enumerated() {
      guard field.transform != .void, let column = columns[field.sourceID] else {
        values.append(nil)
        continue
      }
      let value: Literal?
      do { value = try Literal(row: row, of: column, type: sourceTypes[position]) } catch {
        throw error.within("partition field \(field.name)")
      }
      values.append(field.transform.apply(value))
    }
    return PartitionTuple(values)
  }
}

/// Numbers integer keys in the order in which they come; open addressing, since this is done for each row.
struct IntegerTable {
  private var keys = [Int64](repeating: 0, count: 64)
  private var slots = [Int32](repeating: -1, count: 64)
  private(set) var count: Int32 = 0
  private var lastKey: Int64 = 0
  private var lastCode: Int32 = -1

  @inline(__always)
  mutating func code(_ key: Int64) -> (code: Int32, isNew: Bool) {
    if lastCode >= 0, key == lastKey { return (lastCode, false) }
    let result = find(key)
    lastKey = key
    lastCode = result.code
    return result
  }

  private mutating func find(_ key: Int64) -> (code: Int32, isNew: Bool) {
    let mask = slots.count - 1
    var index = Self.hash(key) & mask
    while slots[index] >= 0 {
      if keys[index] == key { return (slots[index], false) }
      index = (index + 1) & mask
    }
    keys[index] = key
    slots[index] = count
    count += 1
    if Int(count) * 2 > slots.count { grow() }
    return (count - 1, true)
  }

  private static func hash(_ key: Int64) -> Int {
    let mixed = UInt64(bitPattern: key) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: (mixed ^ mixed >> 32) & UInt64(Int64.max))
  }

  private mutating func grow() {
    let oldKeys = keys
    let oldSlots = slots
    keys = [Int64](repeating: 0, count: oldSlots.count * 2)
    slots = [Int32](repeating: -1, count: oldSlots.count * 2)
    let mask = slots.count - 1
    for (position, slot) in oldSlots.enumerated() where slot >= 0 {
      var index = Self.hash(oldKeys[position]) & mask
      while slots[index] >= 0 { index = (index + 1) & mask }
      keys[index] = oldKeys[position]
      slots[index] = slot
    }
  }
}
