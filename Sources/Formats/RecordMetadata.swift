import Columnar

/// Which columns are filled from the record itself.
struct Metadata {
  static let names: Set<String> = ["_key", "_partition", "_offset", "_timestamp", "_headers"]

  let key: Int?
  let partition: Int?
  let offset: Int?
  let timestamp: Int?
  let headers: Int?

  var isEmpty: Bool { key == nil && partition == nil && offset == nil && timestamp == nil && headers == nil }

  init(_ schema: Schema) throws(FormatError) {
    key = try Self.index(schema, "_key", [.bytea, .text])
    partition = try Self.index(schema, "_partition", [.integer])
    offset = try Self.index(schema, "_offset", [.bigint])
    timestamp = try Self.index(schema, "_timestamp", [.timestamptz])
    headers = try Self.index(schema, "_headers", [.jsonb])
  }

  private static func index(_ schema: Schema, _ name: String, _ types: [DataType]) throws(FormatError) -> Int? {
    guard let index = schema.index(of: name) else { return nil }
    guard types.contains(schema.fields[index].type) else {
      let expected = types.map(\.sqlName).joined(separator: " or ")
      throw FormatError("metadata column '\(name)' must be \(expected), not \(schema.fields[index].type.sqlName)")
    }
    return index
  }
}

/// Collects the ``RowOrigin`` of the rows of a batch, in memory that is kept from batch to batch.
///
/// Invariant: owned by one ``DecoderState``, which grows it with its columns and frees it; `offsets` and `watermarks` have room for the
/// state's row capacity.
struct OriginBuilder {
  var offsets: UnsafeMutablePointer<Int64>
  /// Used with event time only.
  var watermarks: UnsafeMutablePointer<Int64>
  private let hasWatermarks: Bool
  /// Rows that keep their bytes, and where these end: late rows are few.
  private var keptRows: [Int32] = []
  private var keptEnds: [Int32] = []
  private var keptBytes: [UInt8] = []

  init(hasWatermarks: Bool, rows: Int) {
    self.hasWatermarks = hasWatermarks
    offsets = .allocate(capacity: rows)
    watermarks = .allocate(capacity: rows)
  }

  func deallocate() {
    offsets.deallocate()
    watermarks.deallocate()
  }

  /// Makes room for `newRows` rows; the first `rows` are kept.
  mutating func grow(from rows: Int, to newRows: Int) {
    let newOffsets = UnsafeMutablePointer<Int64>.allocate(capacity: newRows)
    newOffsets.update(from: offsets, count: rows)
    offsets.deallocate()
    offsets = newOffsets
    let newWatermarks = UnsafeMutablePointer<Int64>.allocate(capacity: newRows)
    if hasWatermarks { newWatermarks.update(from: watermarks, count: rows) }
    watermarks.deallocate()
    watermarks = newWatermarks
  }

  /// Keeps the bytes of `row`.
  @inline(never)
  mutating func keep(_ bytes: Bytes, _ count: Int, row: Int) {
    keptRows.append(Int32(truncatingIfNeeded: row))
    keptBytes.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
    keptEnds.append(Int32(truncatingIfNeeded: keptBytes.count))
  }

  /// The origin of `count` rows; empty afterwards.
  mutating func finish(_ partition: PartitionID, count: Int) -> RowOrigin {
    RowOrigin(
      partition: partition, offsets: Array(UnsafeBufferPointer(start: offsets, count: count)),
      payloads: finishPayloads(count),
      watermarks: hasWatermarks ? Array(UnsafeBufferPointer(start: watermarks, count: count)) : nil)
  }

  private mutating func finishPayloads(_ count: Int) -> ByteValues? {
    guard !keptRows.isEmpty else { return nil }
    var ends = [Int32](repeating: 0, count: count + 1)
    var (kept, end): (Int, Int32) = (0, 0)
    for row in 0..<count {
      if kept < keptRows.count, Int(keptRows[kept]) == row {
        end = keptEnds[kept]
        kept += 1
      }
      ends[row + 1] = end
    }
    let payloads = ByteValues(offsets: ends, bytes: keptBytes)
    keptRows.removeAll(keepingCapacity: true)
    keptEnds.removeAll(keepingCapacity: true)
    keptBytes = []
    return payloads
  }
}
