import Columnar

/// Where a value that `first_value` or `last_value` keeps was read.
struct EdgePosition: Sendable {
  var time: Int64 = 0
  var offset: Int64 = 0
  /// An index into the accumulator's partition names; -1 when the group has no value.
  var partition: Int32 = -1
}

/// What `first_value` and `last_value` share: for each group the position of the value that is kept.
struct EdgePositions: Sendable {
  let isLast: Bool
  private(set) var positions: [EdgePosition] = []
  private var names: [String] = []
  private var indexOfName: [String: Int32] = [:]

  init(isLast: Bool) { self.isLast = isLast }

  var memoryBytes: Int { positions.capacity * MemoryLayout<EdgePosition>.stride }

  mutating func resize(to count: Int) { positions.grow(to: count, with: EdgePosition()) }

  mutating func index(of name: String) -> Int32 {
    if let index = indexOfName[name] { return index }
    let index = Int32(names.count)
    names.append(name)
    indexOfName[name] = index
    return index
  }

  /// Whether a value at `candidate` replaces what `group` has; if so, notes its position.
  @inline(__always)
  mutating func replace(_ group: Int, with candidate: EdgePosition) -> Bool {
    let known = positions[group]
    if known.partition >= 0 {
      if isLast ? !precedes(known, candidate) : !precedes(candidate, known) { return false }
    }
    positions[group] = candidate
    return true
  }

  private func precedes(_ left: EdgePosition, _ right: EdgePosition) -> Bool {
    if left.time != right.time { return left.time < right.time }
    if left.partition != right.partition { return names[Int(left.partition)] < names[Int(right.partition)] }
    return left.offset < right.offset
  }

  func isPresent(_ group: Int) -> Bool { positions[group].partition >= 0 }

  /// Time, partition and offset.
  static let stateTypes: [DataType] = [.bigint, .text, .bigint]

  func state() -> [Column] {
    var partitions = ByteValues()
    for position in positions {
      partitions.append(contentsOf: position.partition < 0 ? [] : Array(names[Int(position.partition)].utf8))
    }
    return [
      Column(
        .bigint, .int64(positions.map { $0.time }), validity: Bitmap(positions.map { $0.partition >= 0 }).unlessAllSet),
      Column(.text, .bytes(partitions)), Column(.bigint, .int64(positions.map { $0.offset }))
    ]
  }

  /// The position in a row of a state; nil when the group had no value.
  mutating func position(_ state: [Column], _ row: Int) -> EdgePosition? {
    if state[0].isNull(row) { return nil }
    return EdgePosition(
      time: state[0].int64Values[row], offset: state[2].int64Values[row],
      partition: index(of: state[1].byteValues.string(row)))
  }
}

/// `first_value` and `last_value` by event time, then partition, then offset; values of fixed width.
struct EdgeAccumulator<Element: GroupElement>: Accumulator {
  let type: DataType
  private var positions: EdgePositions
  private var values: [Element] = []

  init(isLast: Bool, type: DataType) {
    self.type = type
    positions = EdgePositions(isLast: isLast)
  }

  var stateTypes: [DataType] { EdgePositions.stateTypes + [type] }
  var memoryBytes: Int { positions.memoryBytes + values.capacity * MemoryLayout<Element>.stride }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  mutating func resize(to count: Int) {
    positions.resize(to: count)
    values.grow(to: count, with: .nullPlaceholder)
  }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    let source = Element.values(of: argument)
    let partition = positions.index(of: order.partition)
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      let group = Int(rows.groups[index])
      let position = EdgePosition(time: order.times[row], offset: order.offsets[row], partition: partition)
      if positions.replace(group, with: position) { values[group] = source[row] }
    }
  }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let source = Element.values(of: state[3])
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      let group = Int(rows.groups[index])
      guard let position = positions.position(state, row) else { continue }
      if positions.replace(group, with: position) { values[group] = source[row] }
    }
  }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  func state() -> [Column] { positions.state() + [Column(type, Element.columnStorage(values))] }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  func finish(_ groups: Range<Int>) -> FinishedColumn {
    let validity = Bitmap(groups.map { positions.isPresent($0) }).unlessAllSet
    return FinishedColumn(column: Column(type, Element.columnStorage(Array(values[groups])), validity: validity))
  }
}

/// `first_value` and `last_value` of `text`, `bytea` and `jsonb`.
struct BytesEdgeAccumulator: Accumulator {
  let type: DataType
  private var positions: EdgePositions
  private var values: [[UInt8]?] = []
  private var heldBytes = 0

  init(isLast: Bool, type: DataType) {
    self.type = type
    positions = EdgePositions(isLast: isLast)
  }

  var stateTypes: [DataType] { EdgePositions.stateTypes + [type] }
  var memoryBytes: Int { positions.memoryBytes + values.capacity * 8 + heldBytes }

  mutating func resize(to count: Int) {
    positions.resize(to: count)
    values.grow(to: count, with: nil)
  }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    let source = argument.byteValues
    let partition = positions.index(of: order.partition)
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      let position = EdgePosition(time: order.times[row], offset: order.offsets[row], partition: partition)
      replace(Int(rows.groups[index]), position, source, row)
    }
  }

  private mutating func replace(_ group: Int, _ position: EdgePosition, _ source: ByteValues, _ row: Int) {
    guard positions.replace(group, with: position) else { return }
    heldBytes += Int(source.offsets[row + 1] - source.offsets[row]) - (values[group]?.count ?? -32)
    values[group] = Array(source[row])
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let source = state[3].byteValues
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      guard let position = positions.position(state, row) else { continue }
      replace(Int(rows.groups[index]), position, source, row)
    }
  }

  func state() -> [Column] { positions.state() + [Column(type, bytes: values[...])] }

  func finish(_ groups: Range<Int>) -> FinishedColumn { FinishedColumn(column: Column(type, bytes: values[groups])) }
}
