import Columnar
import SQL

/// Rows and, for each, the group that it belongs to. The pointers are valid during the call they are passed to.
struct GroupedRows {
  let rows: UnsafePointer<Int32>
  let groups: UnsafePointer<Int32>
  let count: Int
}

/// Where the rows of a batch stand in time and in their partition, for `first_value` and `last_value`.
struct RowOrder {
  let times: [Int64]
  let partition: String
  let offsets: [Int64]
}

/// The state of one aggregate for many groups, as flat arrays indexed by group.
///
/// Rows whose argument is NULL, or for which `FILTER` is not true, never get here.
protocol Accumulator: Sendable {
  /// The types of the state's columns in a partial row.
  var stateTypes: [DataType] { get }
  /// The memory held, in bytes.
  var memoryBytes: Int { get }
  /// Makes room for `count` groups; new ones have seen no row.
  mutating func resize(to count: Int)
  /// Adds rows of `argument` to their groups.
  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder)
  /// Adds states, as ``state()`` gave them, to their groups.
  mutating func merge(_ state: [Column], _ rows: GroupedRows)
  /// The state of every group.
  func state() -> [Column]
  /// ``state()`` as of now, for later and for any thread: it holds on to nothing that it does not need.
  func frozen() -> @Sendable () -> [Column]
  /// The results of a range of groups.
  func finish(_ groups: Range<Int>) -> FinishedColumn
  /// An accumulator with the same results whose ``finish(_:)`` costs no more than its range: asked for once before
  /// the results of a whole table are read in parts.
  func prepared() -> any Accumulator
}

extension Accumulator {
  func frozen() -> @Sendable () -> [Column] { { self.state() } }
  func prepared() -> any Accumulator { self }
}

/// Results of one aggregate; a group that has none because of an error is listed, and its value is unspecified.
struct FinishedColumn {
  var column: Column
  /// Rows count from the start of the range that was asked for.
  var failures: [RowFailure] = []
}

/// Counts: `count(*)` with a filter, and `count(x)`.
struct CountAccumulator: Accumulator {
  private var counts: [Int64] = []

  var stateTypes: [DataType] { [.bigint] }
  var memoryBytes: Int { counts.capacity * 8 }

  mutating func resize(to count: Int) { counts.grow(to: count, with: 0) }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    Self.add(&counts, rows)
  }

  private static func add(_ counts: UnsafeMutablePointer<Int64>, _ rows: GroupedRows) {
    for index in 0..<rows.count { counts[Int(rows.groups[index])] &+= 1 }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let other = state[0].int64Values
    for index in 0..<rows.count { counts[Int(rows.groups[index])] &+= other[Int(rows.rows[index])] }
  }

  func state() -> [Column] { [Column(.bigint, .int64(counts))] }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    FinishedColumn(column: Column(.bigint, .int64(Array(counts[groups]))))
  }
}

/// `bool_and` and `bool_or`.
struct BooleanAccumulator: Accumulator {
  /// The value that decides: false for "and", true for "or".
  let decisive: Bool
  private var values: [Bool] = []
  private var seen: [Bool] = []

  init(decisive: Bool) { self.decisive = decisive }

  var stateTypes: [DataType] { [.boolean] }
  var memoryBytes: Int { values.capacity + seen.capacity }

  mutating func resize(to count: Int) {
    values.grow(to: count, with: !decisive)
    seen.grow(to: count, with: false)
  }

  mutating func update(_ argument: Column, _ rows: GroupedRows, _ order: RowOrder) {
    let source = argument.booleanValues
    for index in 0..<rows.count {
      let group = Int(rows.groups[index])
      seen[group] = true
      if source[Int(rows.rows[index])] == decisive { values[group] = decisive }
    }
  }

  mutating func merge(_ state: [Column], _ rows: GroupedRows) {
    let source = state[0].booleanValues
    for index in 0..<rows.count where !state[0].isNull(Int(rows.rows[index])) {
      let group = Int(rows.groups[index])
      seen[group] = true
      if source[Int(rows.rows[index])] == decisive { values[group] = decisive }
    }
  }

  func state() -> [Column] { [Column(.boolean, .boolean(values), validity: Bitmap(seen).unlessAllSet)] }

  func finish(_ groups: Range<Int>) -> FinishedColumn {
    FinishedColumn(
      column: Column(.boolean, .boolean(Array(values[groups])), validity: Bitmap(Array(seen[groups])).unlessAllSet))
  }
}

extension Array {
  /// Appends `value` until there are `count` elements.
  @inline(__always)
  mutating func grow(to count: Int, with value: Element) {
    if self.count < count { append(contentsOf: repeatElement(value, count: count - self.count)) }
  }
}

extension Bitmap {
  /// Nil when every bit is set: the form in which a column has no NULL.
  var unlessAllSet: Bitmap? { isAllSet ? nil : self }
}

extension Column {
  /// The values of a column of integers or times.
  var int64Values: [Int64] {
    guard case .int64(let values) = storage else { preconditionFailure("\(type.sqlName) is not held as Int64") }
    return values
  }

  /// The values of a column of floats.
  var float64Values: [Double] {
    guard case .float64(let values) = storage else { preconditionFailure("\(type.sqlName) is not held as Double") }
    return values
  }

  /// The values of a numeric column.
  var numericValues: [Numeric] {
    guard case .numeric(let values) = storage else { preconditionFailure("\(type.sqlName) is not numeric") }
    return values
  }

  /// The values of a boolean column.
  var booleanValues: [Bool] {
    guard case .boolean(let values) = storage else { preconditionFailure("\(type.sqlName) is not boolean") }
    return values
  }

  /// The values of a column of bytes.
  var byteValues: ByteValues {
    guard case .bytes(let values) = storage else { preconditionFailure("\(type.sqlName) is not held as bytes") }
    return values
  }
}
