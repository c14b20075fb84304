import Columnar

/// `DISTINCT`: a set of values per group, finished by the aggregate without it.
///
/// The state of a group is one `bytea` with its values; it grows with the number of distinct values.
struct DistinctAccumulator: Accumulator {
  let argumentType: DataType
  private let plain: any Accumulator
  private var groupCount = 0
  /// Every pair of a group and a value, once.
  private var pairs: GroupKeys
  private var encoded = EncodedKeys()

  init(_ plain: any Accumulator, argumentType: DataType) {
    self.plain = plain
    self.argumentType = argumentType
    pairs = GroupKeys(types: [.bigint, argumentType])
  }

  var stateTypes: [DataType] { [.bytea] }
  var memoryBytes: Int { pairs.memoryBytes }

  mutating func resize(to count: Int) { groupCount = max(groupCount, count) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    let values = argument.gathering(UnsafeBufferPointer(start: rows.rows, count: rows.count)).canonicalForGrouping
    add((0..<rows.count).map { Int64(rows.groups[$0]) }, values)
  }

  private mutating func add(_ groups: [Int64], _ values: Column) {
    let columns = [Column(.bigint, .int64(groups)), values]
    encoded.encode(columns, count: groups.count)
    let all = (0..<Int32(groups.count)).map { $0 }
    var ignored = [Int32](repeating: 0, count: groups.count)
    all.withUnsafeBufferPointer { pairs.intern(encoded, columns, rows: $0, groups: &ignored) }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let sets = state[0].byteValues
    var groups: [Int64] = []
    var values = ValueSetDecoder(type: argumentType)
    for index in 0..<rows.count {
      let added = values.decode(sets[Int(rows.rows[index])])
      groups.append(contentsOf: repeatElement(Int64(rows.groups[index]), count: added))
    }
    add(groups, values.finish())
  }

  func state() -> [Column] { Self.state(pairs.keyColumns, groupCount) }

  func frozen() -> @Sendable () -> [Column] {
    let (columns, groupCount) = (pairs.keyColumns, groupCount)
    return { Self.state(columns, groupCount) }
  }

  private static func state(_ columns: [Column], _ groupCount: Int) -> [Column] {
    let groups = columns[0].int64Values
    // Pairs in the order of their groups, by counting.
    var starts = [Int](repeating: 0, count: groupCount + 1)
    for group in groups { starts[Int(group) + 1] += 1 }
    for group in 0..<groupCount { starts[group + 1] += starts[group] }
    var cursors = starts
    var ordered = [Int](repeating: 0, count: groups.count)
    for (pair, group) in groups.enumerated() {
      ordered[cursors[Int(group)]] = pair
      cursors[Int(group)] += 1
    }
    var sets = ByteValues()
    var bytes: [UInt8] = []
    for group in 0..<groupCount {
      bytes.removeAll(keepingCapacity: true)
      for pair in ordered[starts[group]..<starts[group + 1]] { columns[1].appendValue(pair, to: &bytes) }
      sets.append(contentsOf: bytes)
    }
    return [Column(.bytea, .bytes(sets))]
  }

  func prepared() -> any Accumulator {
    var result = plain
    result.resize(to: groupCount)
    let columns = pairs.keyColumns
    let groups = columns[0].int64Values.map { Int32(truncatingIfNeeded: $0) }
    let rows = (0..<Int32(groups.count)).map { $0 }
    rows.withUnsafeBufferPointer { rows in
      groups.withUnsafeBufferPointer { groups in
        guard let rowsBase = rows.baseAddress, let groupsBase = groups.baseAddress else { return }
        result.update(
          columns[1], GroupedRows(rows: rowsBase, groups: groupsBase, count: rows.count),
          RowOrder(times: [], partition: "", offsets: []))
      }
    }
    return result
  }

  func finish(_ groups: Range<Int>) -> FinishedColumn { prepared().finish(groups) }
}

extension Column {
  /// The same values with one representation for equal ones, so that which is kept does not depend on arrival.
  var canonicalForGrouping: Column {
    switch (storage, type) {
    case (.float64(let values), _):
      Column(
        type, .float64(values.map { Double(bitPattern: EncodedKeys.canonicalBits($0)) }), validity: validity)
    case (.numeric(let values), .numeric(_, nil)):
      Column(type, .numeric(values.map { $0.strippingTrailingZeros }), validity: validity)
    default: self
    }
  }

  /// Appends one value that is not NULL, least significant byte first, in the form that ``ValueSetDecoder`` reads.
  fileprivate func appendValue(_ row: Int, to bytes: inout [UInt8]) {
    switch storage {
    case .boolean(let values): bytes.append(values[row] ? 1 : 0)
    case .int64(let values): bytes.append(integer: UInt64(bitPattern: values[row]))
    case .float64(let values): bytes.append(integer: values[row].bitPattern)
    case .numeric(let values):
      bytes.append(integer: UInt128(truncatingIfNeeded: values[row].unscaled))
      bytes.append(integer: UInt16(bitPattern: values[row].scale))
    case .bytes(let values):
      bytes.append(integer: UInt32(values[row].count))
      bytes.append(contentsOf: values[row])
    case .interval(let values):
      bytes.append(integer: UInt32(bitPattern: values[row].months))
      bytes.append(integer: UInt32(bitPattern: values[row].days))
      bytes.append(integer: UInt64(bitPattern: values[row].microseconds))
    case .uuid(let values):
      bytes.append(integer: values[row].high)
      bytes.append(integer: values[row].low)
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(integer: some FixedWidthInteger & UnsignedInteger) {
    for shift in stride(from: 0, to: integer.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: integer >> shift)) }
  }
}

/// Reads the values of sets back into a column.
struct ValueSetDecoder {
  private var builder: ColumnBuilder
  private let kind: StorageKind

  init(type: DataType) {
    builder = ColumnBuilder(type)
    kind = type.storageKind
  }

  /// Adds the values of one set and returns how many there were; bytes that are cut off are ignored.
  mutating func decode(_ bytes: ArraySlice<UInt8>) -> Int {
    var reader = bytes
    var count = 0
    while !reader.isEmpty, decodeValue(&reader) { count += 1 }
    return count
  }

  /// The values of all sets.
  mutating func finish() -> Column { builder.finish() }

  private mutating func decodeValue(_ reader: inout ArraySlice<UInt8>) -> Bool {
    switch kind {
    case .boolean:
      guard let value = reader.take(UInt8.self) else { return false }
      builder.append(value != 0)
    case .int64:
      guard let value = reader.take(UInt64.self) else { return false }
      builder.append(Int64(bitPattern: value))
    case .float64:
      guard let value = reader.take(UInt64.self) else { return false }
      builder.append(Double(bitPattern: value))
    case .numeric:
      guard let value = Self.numeric(&reader) else { return false }
      builder.append(value)
    case .bytes:
      guard let length = reader.take(UInt32.self).map({ Int($0) }), length <= reader.count else { return false }
      builder.append(bytes: reader.prefix(length))
      reader = reader.dropFirst(length)
    case .interval:
      guard let value = Self.interval(&reader) else { return false }
      builder.append(value)
    case .uuid:
      guard let high = reader.take(UInt64.self), let low = reader.take(UInt64.self) else { return false }
      builder.append(UUIDValue(high: high, low: low))
    }
    return true
  }

  private static func numeric(_ reader: inout ArraySlice<UInt8>) -> Numeric? {
    guard let unscaled = reader.take(UInt128.self), let scale = reader.take(UInt16.self) else { return nil }
    return Numeric(unscaled: Int128(truncatingIfNeeded: unscaled), scale: Int16(bitPattern: scale))
  }

  private static func interval(_ reader: inout ArraySlice<UInt8>) -> Interval? {
    guard let months = reader.take(UInt32.self), let days = reader.take(UInt32.self),
      let microseconds = reader.take(UInt64.self)
    else { return nil }
    return Interval(
      months: Int32(bitPattern: months), days: Int32(bitPattern: days), microseconds: Int64(bitPattern: microseconds))
  }
}

extension ArraySlice<UInt8> {
  /// Takes an integer off the front; nil, and nothing is left, when there are too few bytes.
  fileprivate mutating func take<Integer: FixedWidthInteger & UnsignedInteger>(_ type: Integer.Type) -> Integer? {
    let size = Integer.bitWidth / 8
    guard count >= size else {
      self = []
      return nil
    }
    var result: Integer = 0
    for (index, byte) in prefix(size).enumerated() { result |= Integer(byte) << (index * 8) }
    self = dropFirst(size)
    return result
  }
}
