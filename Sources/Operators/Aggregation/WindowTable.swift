import Columnar

/// The groups of one window, and their states.
struct WindowTable: Sendable {
  let start: Int64
  private(set) var keys: GroupKeys
  private(set) var rowCounts: [Int64] = []
  var accumulators: [any Accumulator]

  init(start: Int64, keys: GroupKeys, accumulators: [any Accumulator]) {
    self.start = start
    self.keys = keys
    self.accumulators = accumulators
  }

  var count: Int { keys.count }

  /// How many rows all groups have.
  var rowTotal: Int { rowCounts.reduce(0) { $0 &+ Int($1) } }

  /// Asked for at every batch: elements are reached by index, which copies none of them.
  var memoryBytes: Int {
    accumulators.indices.reduce(keys.memoryBytes + rowCounts.capacity * 8) { $0 + accumulators[$1].memoryBytes }
  }

  /// Finds or adds the groups of `rows` into `groups`, and makes room for their states.
  mutating func intern(
    _ encoded: EncodedKeys, _ keyColumns: [Column], rows: UnsafeBufferPointer<Int32>,
    groups: UnsafeMutablePointer<Int32>
  ) {
    let before = keys.count
    keys.intern(encoded, keyColumns, rows: rows, groups: groups)
    if keys.count > before { makeRoom() }
  }

  /// Makes a group of each of `rows`, and room for their states.
  mutating func appendEach(
    _ encoded: EncodedKeys, _ keyColumns: [Column], rows: UnsafeBufferPointer<Int32>,
    groups: UnsafeMutablePointer<Int32>
  ) {
    keys.appendEach(encoded, keyColumns, rows: rows, groups: groups)
    makeRoom()
  }

  private mutating func makeRoom() {
    rowCounts.grow(to: keys.count, with: 0)
    for index in accumulators.indices { accumulators[index].resize(to: keys.count) }
  }

  /// Counts one row for each entry of `groups`.
  mutating func countRows(_ groups: UnsafePointer<Int32>, _ count: Int) {
    Self.increment(&rowCounts, groups, count)
  }

  private static func increment(_ counts: UnsafeMutablePointer<Int64>, _ groups: UnsafePointer<Int32>, _ count: Int) {
    for index in 0..<count { counts[Int(groups[index])] &+= 1 }
  }

  /// Adds partial rows' counts and states to their groups.
  mutating func merge(_ partial: Batch, _ rows: GroupedRows, _ layout: AggregateLayout) {
    let counts = partial.columns[layout.rowCountColumn].int64Values
    for index in 0..<rows.count { rowCounts[Int(rows.groups[index])] &+= counts[Int(rows.rows[index])] }
    for (index, range) in layout.stateColumns.enumerated() {
      accumulators[index].merge(Array(partial.columns[range]), rows)
    }
  }

  /// One partial row a group.
  func partialColumns() -> [Column] { FrozenWindow(self).partialColumns() }
}

/// The groups of one window as of one moment: what ``WindowTable/partialColumns()`` needs, and no hash table, which
/// would be copied at the window's next new group.
struct FrozenWindow: Sendable {
  let count: Int
  private let start: Int64
  private let keys: [Column]
  private let states: [@Sendable () -> [Column]]
  private let rowCounts: [Int64]

  init(_ table: WindowTable) {
    count = table.count
    start = table.start
    keys = table.keys.keyColumns
    states = table.accumulators.map { $0.frozen() }
    rowCounts = table.rowCounts
  }

  /// One partial row a group.
  func partialColumns() -> [Column] {
    keys + [Column(.bigint, .int64([Int64](repeating: start, count: count)))]
      + states.flatMap { $0() } + [Column(.bigint, .int64(rowCounts))]
  }
}

/// Tables in the order of their windows.
struct WindowTables: Sendable {
  private(set) var tables: [WindowTable] = []
  /// How many groups the window had that was taken last: the next will have about as many.
  private var expectedGroups = 0

  /// Beside more open tables the expectation does not count: where partitions are read far apart, many windows are open
  /// that have few of their groups yet.
  private static let presizedTables = 4

  var groupCount: Int { tables.indices.reduce(0) { $0 + tables[$1].count } }
  var memoryBytes: Int { tables.indices.reduce(0) { $0 + tables[$1].memoryBytes } }

  /// The index of the table of the window that begins at `start`; it is made if there is none, with room for `rows`.
  mutating func index(start: Int64, rows: Int = 0, _ layout: AggregateLayout) -> Int {
    // The latest window is the usual one.
    if let last = tables.last, last.start == start { return tables.count - 1 }
    var low = 0
    var high = tables.count
    while low < high {
      let middle = (low + high) / 2
      if tables[middle].start < start { low = middle + 1 } else { high = middle }
    }
    if low == tables.count || tables[low].start != start {
      let expected = tables.count < Self.presizedTables ? expectedGroups : 0
      tables.insert(layout.makeTable(start: start, expecting: max(expected, rows)), at: low)
    }
    return low
  }

  /// Changes the table at `index` in place.
  mutating func update<Result>(_ index: Int, _ body: (inout WindowTable) -> Result) -> Result {
    body(&tables[index])
  }

  /// Removes the tables of windows that end at or before `watermark`.
  mutating func takeClosed(_ assignment: WindowAssignment, upTo watermark: Int64) -> [WindowTable] {
    let closed = tables.prefix { assignment.end($0.start) <= watermark }
    guard !closed.isEmpty else { return [] }
    let result = Array(closed)
    tables.removeFirst(result.count)
    expectedGroups = result.last?.count ?? 0
    return result
  }

  mutating func takeAll() -> [WindowTable] {
    let result = tables
    tables = []
    expectedGroups = result.last?.count ?? 0
    return result
  }
}

/// Rows of partial results, dealt to outputs by the hash of their keys.
struct PartialRowDealer {
  private let schema: Schema
  private var builders: [[GatheringBuilder]?]

  init(_ layout: AggregateLayout, outputs: Int) {
    schema = layout.partialSchema
    builders = [[GatheringBuilder]?](repeating: nil, count: outputs)
  }

  /// Adds every group of `table` to the output that `choose` names for its hash.
  mutating func add(_ table: WindowTable, _ choose: (UInt64) -> Int) {
    let columns = table.partialColumns()
    if builders.count == 1 {
      append(columns, rows: nil, to: 0)
      return
    }
    var starts = [Int](repeating: 0, count: builders.count + 1)
    let outputs = table.keys.hashes.map { Int32(choose($0)) }
    for output in outputs { starts[Int(output) + 1] += 1 }
    for output in builders.indices { starts[output + 1] += starts[output] }
    var cursors = starts
    var ordered = [Int32](repeating: 0, count: outputs.count)
    for (group, output) in outputs.enumerated() {
      ordered[cursors[Int(output)]] = Int32(group)
      cursors[Int(output)] += 1
    }
    ordered.withUnsafeBufferPointer { ordered in
      for output in builders.indices where starts[output] < starts[output + 1] {
        append(columns, rows: UnsafeBufferPointer(rebasing: ordered[starts[output]..<starts[output + 1]]), to: output)
      }
    }
  }

  private mutating func append(_ columns: [Column], rows: UnsafeBufferPointer<Int32>?, to output: Int) {
    var target = builders[output] ?? schema.fields.map { GatheringBuilder($0.type) }
    builders[output] = nil
    for index in columns.indices {
      if let rows { target[index].append(columns[index], rows: rows) } else { target[index].append(columns[index]) }
    }
    builders[output] = target
  }

  /// How many rows `output` has.
  func count(_ output: Int) -> Int { builders[output]?[0].count ?? 0 }

  /// The rows of `output` since it was last taken; nil when there are none.
  mutating func take(_ output: Int) -> Batch? {
    guard let columns = builders[output], columns[0].count > 0 else { return nil }
    builders[output] = nil
    return Batch(schema: schema, columns: columns.map { $0.column }, count: columns[0].count)
  }
}
