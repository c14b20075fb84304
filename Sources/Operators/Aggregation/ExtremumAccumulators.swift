import Columnar

/// `min` and `max` of values of fixed width.
struct ExtremumAccumulator<Element: GroupElement>: Accumulator {
  struct Entry: Sendable {
    var value = Element.nullPlaceholder
    var isPresent = false
  }

  let isMaximum: Bool
  let type: DataType
  private var entries: [Entry] = []

  init(isMaximum: Bool, type: DataType) {
    self.isMaximum = isMaximum
    self.type = type
  }

  var stateTypes: [DataType] { [type] }
  var memoryBytes: Int { entries.capacity * MemoryLayout<Entry>.stride }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  mutating func resize(to count: Int) { entries.grow(to: count, with: Entry()) }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    let values = Element.values(of: argument)
    if isMaximum { Self.addMaximum(&entries, values, rows) } else { Self.addMinimum(&entries, values, rows) }
  }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  private static func addMinimum(
    _ entries: UnsafeMutablePointer<Entry>, _ values: UnsafePointer<Element>, _ rows: GroupedRows
  ) {
    for index in 0..<rows.count {
      let value = values[Int(rows.rows[index])]
      let entry = entries + Int(rows.groups[index])
      if !entry.pointee.isPresent || value.precedes(entry.pointee.value) {
        entry.pointee = Entry(value: value, isPresent: true)
      }
    }
  }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  private static func addMaximum(
    _ entries: UnsafeMutablePointer<Entry>, _ values: UnsafePointer<Element>, _ rows: GroupedRows
  ) {
    for index in 0..<rows.count {
      let value = values[Int(rows.rows[index])]
      let entry = entries + Int(rows.groups[index])
      if !entry.pointee.isPresent || entry.pointee.value.precedes(value) {
        entry.pointee = Entry(value: value, isPresent: true)
      }
    }
  }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let values = Element.values(of: state[0])
    for index in 0..<rows.count {
      let row = Int(rows.rows[index])
      if state[0].isNull(row) { continue }
      let entry = entries[Int(rows.groups[index])]
      let wins = isMaximum ? entry.value.precedes(values[row]) : values[row].precedes(entry.value)
      if !entry.isPresent || wins {
        entries[Int(rows.groups[index])] = Entry(value: values[row], isPresent: true)
      }
    }
  }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  func state() -> [Column] { [finish(entries.indices).column] }

  @specialized(where Element == Int64)
  @specialized(where Element == Double)
  @specialized(where Element == Numeric)
  func finish(_ groups: Range<Int>) -> FinishedColumn {
    FinishedColumn(
      column: Column(
        type, Element.columnStorage(entries[groups].map { $0.value }),
        validity: Bitmap(entries[groups].map { $0.isPresent }).unlessAllSet))
  }
}

/// `min` and `max` of `text`, `bytea` and `jsonb`, by bytes.
struct BytesExtremumAccumulator: Accumulator {
  let isMaximum: Bool
  let type: DataType
  private var entries: [[UInt8]?] = []
  private var heldBytes = 0

  init(isMaximum: Bool, type: DataType) {
    self.isMaximum = isMaximum
    self.type = type
  }

  var stateTypes: [DataType] { [type] }
  var memoryBytes: Int { entries.capacity * 8 + heldBytes }

  mutating func resize(to count: Int) { entries.grow(to: count, with: nil) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    let values = argument.byteValues
    for index in 0..<rows.count { add(values[Int(rows.rows[index])], Int(rows.groups[index])) }
  }

  private mutating func add(_ value: ArraySlice<UInt8>, _ group: Int) {
    if let known = entries[group] {
      let wins = isMaximum ? known.precedes(value) : value.lexicographicallyPrecedes(known)
      if !wins { return }
      heldBytes += value.count - known.count
    } else {
      heldBytes += value.count + 32
    }
    entries[group] = Array(value)
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let values = state[0].byteValues
    for index in 0..<rows.count where !state[0].isNull(Int(rows.rows[index])) {
      add(values[Int(rows.rows[index])], Int(rows.groups[index]))
    }
  }

  func state() -> [Column] { [finish(entries.indices).column] }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    FinishedColumn(column: Column(type, bytes: entries[groups]))
  }
}

extension Column {
  /// A column of bytes from optional values.
  init(_ type: DataType, bytes values: ArraySlice<[UInt8]?>) {
    var result = ByteValues()
    for value in values { result.append(contentsOf: value ?? []) }
    self.init(type, .bytes(result), validity: Bitmap(values.map { $0 != nil }).unlessAllSet)
  }
}
