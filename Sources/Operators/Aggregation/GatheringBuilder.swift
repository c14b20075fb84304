import Columnar

/// A growing column, filled with chosen rows of other columns of its type.
struct GatheringBuilder: Sendable {
  let type: DataType
  private(set) var count = 0
  private let kind: StorageKind
  // One array is in use. They are separate properties, not an enum, because taking an array out of an enum leaves a
  // second reference for a moment, and every append would copy.
  private var booleans: [Bool] = []
  private var integers: [Int64] = []
  private var floats: [Double] = []
  private var numerics: [Numeric] = []
  private var bytes = ByteValues()
  private var intervals: [Interval] = []
  private var uuids: [UUIDValue] = []
  /// Absent until the first NULL.
  private var validity: [UInt64]?

  init(_ type: DataType) {
    self.type = type
    kind = type.storageKind
  }

  private var storage: Column.Storage {
    switch kind {
    case .boolean: .boolean(booleans)
    case .int64: .int64(integers)
    case .float64: .float64(floats)
    case .numeric: .numeric(numerics)
    case .bytes: .bytes(bytes)
    case .interval: .interval(intervals)
    case .uuid: .uuid(uuids)
    }
  }

  /// The rows so far; shares memory with the builder until it grows again.
  var column: Column {
    Column(type, storage, validity: validity.map { Bitmap(words: $0, count: count) })
  }

  /// The memory held, in bytes.
  var memoryBytes: Int {
    let fixed = booleans.capacity + (integers.capacity + floats.capacity + (validity?.capacity ?? 0)) * 8
    let wide = numerics.capacity * MemoryLayout<Numeric>.stride + (intervals.capacity + uuids.capacity) * 16
    return fixed + wide + bytes.bytes.capacity + bytes.offsets.capacity * 4
  }

  /// Adds every row of `column`.
  mutating func append(_ column: Column) {
    guard count == 0 else {
      let rows = (0..<Int32(column.count)).map { $0 }
      rows.withUnsafeBufferPointer { append(column, rows: $0) }
      return
    }
    switch column.storage {
    case .boolean(let source): booleans = source
    case .int64(let source): integers = source
    case .float64(let source): floats = source
    case .numeric(let source): numerics = source
    case .bytes(let source): bytes = source
    case .interval(let source): intervals = source
    case .uuid(let source): uuids = source
    }
    validity = column.validity?.words
    count = column.count
  }

  /// Adds `rows` of `column`, in that order.
  mutating func append(_ column: Column, rows: UnsafeBufferPointer<Int32>) {
    precondition(column.type.storageKind == kind, "\(column.type.sqlName) cannot extend \(type.sqlName)")
    appendValidity(column, rows: rows)
    switch column.storage {
    case .boolean(let source): Self.append(&booleans, source, rows)
    case .int64(let source): Self.append(&integers, source, rows)
    case .float64(let source): Self.append(&floats, source, rows)
    case .numeric(let source): Self.append(&numerics, source, rows)
    case .bytes(let source): Self.append(&bytes, source, rows)
    case .interval(let source): Self.append(&intervals, source, rows)
    case .uuid(let source): Self.append(&uuids, source, rows)
    }
    count += rows.count
  }

  private mutating func appendValidity(_ column: Column, rows: UnsafeBufferPointer<Int32>) {
    guard validity != nil || column.validity != nil else { return }
    var words = validity ?? Bitmap(repeating: true, count: count).words
    validity = nil
    let total = count + rows.count
    while words.count < (total + 63) >> 6 { words.append(0) }
    for (index, row) in rows.enumerated() where !column.isNull(Int(row)) {
      words[(count + index) >> 6] |= 1 << UInt64((count + index) & 63)
    }
    validity = words
  }

  private static func append<Element>(
    _ values: inout [Element], _ source: [Element], _ rows: UnsafeBufferPointer<Int32>
  ) {
    source.withUnsafeBufferPointer { source in
      for row in rows { values.append(source[Int(row)]) }
    }
  }

  private static func append(_ values: inout ByteValues, _ source: ByteValues, _ rows: UnsafeBufferPointer<Int32>) {
    source.bytes.withUnsafeBytes { bytes in
      for row in rows {
        let start = Int(source.offsets[Int(row)])
        let end = Int(source.offsets[Int(row) + 1])
        values.append(bytes.baseAddress.map { $0 + start }, count: end - start)
      }
    }
  }
}

extension Column {
  /// The rows at these indices, in that order.
  func gathering(_ rows: UnsafeBufferPointer<Int32>) -> Column {
    var builder = GatheringBuilder(type)
    builder.append(self, rows: rows)
    return builder.column
  }
}
