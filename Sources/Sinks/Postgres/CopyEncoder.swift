import Actors
import Columnar

/// Turns batches into rows of PostgreSQL's binary COPY format, column by column.
///
/// A first pass over the columns checks every value and adds up the size of every row; a second one writes each
/// column's fields to where its rows have got to. A row with a value that the target cannot take is left out.
///
/// Public, with what describes its columns, so that `Benchmarks/Micro` can measure it without a server.
public struct CopyEncoder {
  /// What one batch became.
  public struct Result {
    /// How many rows were written.
    public internal(set) var rows = 0
    /// Whether some of them delete.
    public internal(set) var hasDeletes = false
    /// The rows that were left out.
    public internal(set) var rejections: [RowRejection] = []
  }

  /// The columns, in the order of the batch's.
  let columns: [PostgresTargetColumn]
  /// Whether each row starts with its ordinal and with whether it deletes: what a merge needs.
  let isMerging: Bool
  /// The ordinal of the next row.
  var nextOrdinal: Int64 = 0

  /// Per row: its size in the first pass, where its next field goes in the second. Negative: left out.
  private var cursors: [Int] = []
  private var rejections: [Int: String] = [:]

  /// An encoder of rows with these columns, in the order of the batches'.
  ///
  /// - Parameter isMerging: whether each row starts with its ordinal and with whether it deletes: what a merge needs.
  public init(columns: [PostgresTargetColumn], isMerging: Bool) {
    self.columns = columns
    self.isMerging = isMerging
  }

  /// Appends the rows of `batch`, whose columns are ``columns``, to `bytes`.
  public mutating func encode(_ batch: Batch, into bytes: inout [UInt8]) -> Result {
    cursors.removeAll(keepingCapacity: true)
    cursors.append(contentsOf: repeatElement(2 + (isMerging ? 17 : 0), count: batch.count))
    rejections.removeAll(keepingCapacity: true)
    if !isMerging, let kinds = batch.rowKinds { rejectDeletes(kinds) }
    for (target, column) in zip(columns, batch.columns) {
      if target.isRequired, let validity = column.validity { rejectNulls(validity, of: target) }
      measure(column, as: target)
    }
    var result = Result()
    for row in rejections.keys.sorted() {
      cursors[row] = -1
      result.rejections.append(RowRejection(row: row, message: rejections[row] ?? ""))
    }
    result.rows = batch.count - result.rejections.count
    let start = bytes.count
    var end = start
    for row in cursors.indices where cursors[row] >= 0 {
      let size = cursors[row]
      cursors[row] = end
      end += size
    }
    bytes.append(contentsOf: repeatElement(0, count: end - start))
    bytes.withUnsafeMutableBytes { buffer in
      // Invariant: every store below is within start..<end, because the first pass counted exactly these fields.
      guard let base = buffer.baseAddress else { return }
      result.hasDeletes = writeHeaders(batch.rowKinds, to: base)
      for (target, column) in zip(columns, batch.columns) { write(column, as: target.wire, to: base) }
    }
    return result
  }

  /// The message of the rejection of `row`, if this is its first.
  mutating func reject(_ row: Int, _ message: @autoclosure () -> String) {
    if rejections[row] == nil { rejections[row] = message() }
  }

  mutating func add(_ size: Int, to row: Int) { cursors[row] += size }

  /// Adds `size` to every row that has a value.
  mutating func addToAll(_ size: Int, validity: Bitmap?) {
    guard let validity else {
      for row in cursors.indices { cursors[row] &+= 4 &+ size }
      return
    }
    for row in cursors.indices { cursors[row] &+= validity[row] ? 4 &+ size : 4 }
  }

  private mutating func rejectDeletes(_ kinds: [RowKind]) {
    for (row, kind) in kinds.enumerated() where kind == .delete || kind == .updateBefore {
      reject(row, "the row takes a former row back, and mode 'append' cannot; give the table a PRIMARY KEY")
    }
  }

  private mutating func rejectNulls(_ validity: Bitmap, of target: PostgresTargetColumn) {
    guard !validity.isAllSet else { return }
    for row in 0..<validity.count where !validity[row] {
      reject(row, "column '\(target.column.name)' is NULL, and the target does not allow that")
    }
  }

  /// Writes what stands before the fields of each row; whether some row deletes.
  private mutating func writeHeaders(_ kinds: [RowKind]?, to base: UnsafeMutableRawPointer) -> Bool {
    let fieldCount = Int16(columns.count + (isMerging ? 2 : 0)).bigEndian
    var hasDeletes = false
    for row in cursors.indices where cursors[row] >= 0 {
      var position = base + cursors[row]
      position.storeBytes(of: fieldCount, as: Int16.self)
      position += 2
      if isMerging {
        let deletes = kinds.map { $0[row] == .delete || $0[row] == .updateBefore } ?? false
        hasDeletes = hasDeletes || deletes
        position.storeBytes(of: Int32(8).bigEndian, as: Int32.self)
        (position + 4).storeBytes(of: nextOrdinal.bigEndian, as: Int64.self)
        (position + 12).storeBytes(of: Int32(1).bigEndian, as: Int32.self)
        (position + 16).storeBytes(of: deletes ? 1 : 0, as: UInt8.self)
        position += 17
        nextOrdinal += 1
      }
      cursors[row] = position - base
    }
    return hasDeletes
  }

  /// Calls `store` for every row that has a value, with where its bytes go; it returns how many it wrote.
  @inline(__always)
  mutating func forEachField(
    _ validity: Bitmap?, _ base: UnsafeMutableRawPointer, _ store: (Int, UnsafeMutableRawPointer) -> Int
  ) {
    for row in cursors.indices {
      let cursor = cursors[row]
      guard cursor >= 0 else { continue }
      let position = base + cursor
      if let validity, !validity[row] {
        position.storeBytes(of: Int32(-1).bigEndian, as: Int32.self)
        cursors[row] = cursor &+ 4
      } else {
        let size = store(row, position + 4)
        position.storeBytes(of: Int32(truncatingIfNeeded: size).bigEndian, as: Int32.self)
        cursors[row] = cursor &+ 4 &+ size
      }
    }
  }
}
