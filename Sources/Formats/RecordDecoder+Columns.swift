import Columnar

extension RecordDecoder {
  /// The columns of the rows, metadata columns among them.
  public var schema: Schema { configuration.schema }

  /// Adds rows whose values the source has as columns already: nothing is parsed, and the module boundary is crossed once
  /// for all of them.
  ///
  /// The rules of the table hold as for records. Rows among which one breaks a rule (a NULL in a column that takes none, an
  /// event time ahead of the limit) are added one by one as JSON records, so that it is rejected alone and with its values;
  /// the decoder's format must therefore be `json`. Other rows keep no payload: there is no record that they came from.
  ///
  /// - Parameters:
  ///   - columns: a column of `count` values for each column of ``schema``; `nil` for a metadata column, which is filled as
  ///     for a record without key and headers.
  ///   - count: how many rows there are.
  ///   - firstOffset: the first row's offset; each further one is one greater.
  ///   - timestamps: the records' own times, microseconds since the epoch; asked for by `_timestamp` only.
  /// - Returns: the bytes that these columns take.
  @discardableResult
  public func append(columns: [Column?], count: Int, firstOffset: Int64, timestamps: [Int64]) -> Int {
    precondition(columns.count == state.pointee.columnCount && timestamps.count == count)
    guard count > 0 else { return 0 }
    let bytes = columns.reduce(0) { $0 + ($1?.memoryBytes ?? 0) }
    guard state.pointee.byteCount + bytes < Self.limitBytes, rowsObeyRules(columns, count, timestamps) else {
      appendAsRecords(columns, count, firstOffset, timestamps)
      return bytes
    }
    state.pointee.recordCount &+= count
    state.pointee.byteCount &+= bytes
    let first = state.pointee.rowCount
    while state.pointee.rowCapacity < first + count { state.pointee.growRows() }
    for (index, column) in columns.enumerated() {
      if let column { state.pointee.columns[index].append(column, count: count, at: first) }
    }
    if !metadata.isEmpty {
      for row in 0..<count {
        let record = RawRecord(
          key: nil, value: nil, offset: firstOffset + Int64(row), timestamp: timestamps[row])
        _ = setMetadata(record, first + row)
      }
    }
    noteOrigins(count, first: first, firstOffset: firstOffset)
    state.pointee.rowCount = first + count
    return bytes
  }

  private func rowsObeyRules(_ columns: [Column?], _ count: Int, _ timestamps: [Int64]) -> Bool {
    for index in required {
      guard let column = columns[index], column.validity?.isAllSet ?? true else { return false }
    }
    guard let index = configuration.eventTimeColumn else { return true }
    let limit = eventTimeLimit
    guard let column = columns[index] else { return timestamps.allSatisfy { $0 <= limit } }
    guard column.validity?.isAllSet ?? true, case .int64(let times) = column.storage else { return false }
    return times.allSatisfy { $0 <= limit }
  }

  /// Notes the offsets and the watermark before each row.
  private func noteOrigins(_ count: Int, first: Int, firstOffset: Int64) {
    for row in 0..<count { state.pointee.origin.offsets[first + row] = firstOffset + Int64(row) }
    guard let index = configuration.eventTimeColumn else { return }
    // The decoder's own copy: it also holds times that come from the record itself.
    let times = state.pointee.columns[index].values
    for row in first..<first + count {
      let time = times.load(fromByteOffset: row * 8, as: Int64.self)
      state.pointee.origin.watermarks[row] = state.pointee.watermark
      if time > state.pointee.maxEventTime { state.pointee.maxEventTime = time }
    }
  }

  @inline(never)
  private func appendAsRecords(_ columns: [Column?], _ count: Int, _ firstOffset: Int64, _ timestamps: [Int64]) {
    let present = columns.indices.filter { columns[$0] != nil }
    let schema = Schema(present.map { configuration.schema.fields[$0] })
    let rows = Batch(schema: schema, columns: columns.compactMap(\.self), count: count)
    let encoder = JSONRowEncoder(schema)
    var text: [UInt8] = []
    for row in 0..<count {
      text.removeAll(keepingCapacity: true)
      encoder.append(row: row, of: rows, to: &text)
      text.withUnsafeBytes { value in
        append(RawRecord(key: nil, value: value, offset: firstOffset + Int64(row), timestamp: timestamps[row]))
      }
    }
  }
}

extension RawColumn {
  /// Stores `count` values of `column` from `row` on; the caller has made room for the rows.
  mutating func append(_ column: Column, count: Int, at row: Int) {
    precondition(column.type.storageKind == kind && column.count == count, "a column must be as the schema says")
    switch column.storage {
    case .boolean(let values): copy(values, to: row)
    case .int64(let values): copy(values, to: row)
    case .float64(let values): copy(values, to: row)
    case .numeric(let values): copy(values, to: row)
    case .interval(let values): copy(values, to: row)
    case .uuid(let values): copy(values, to: row)
    case .bytes(let values): append(values, count: count, at: row)
    }
    guard let validity = column.validity else { return }
    for (index, word) in validity.words.enumerated() where word != .max {
      for bit in index * 64..<min(count, index * 64 + 64) where word & (1 << UInt64(bit & 63)) == 0 {
        nulls[(row + bit) >> 6] |= 1 << UInt64((row + bit) & 63)
        nullCount += 1
      }
    }
  }

  private func copy<Element>(_ source: [Element], to row: Int) {
    source.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      (values + row * MemoryLayout<Element>.stride).copyMemory(from: start, byteCount: bytes.count)
    }
  }

  private mutating func append(_ source: ByteValues, count: Int, at row: Int) {
    let start = Int(source.offsets[0])
    let added = Int(source.offsets[count]) - start
    if byteCount + added + 16 > byteCapacity { growBytes(added) }
    source.bytes.withUnsafeBufferPointer { arena in
      if added > 0, let base = arena.baseAddress { (bytes + byteCount).update(from: base + start, count: added) }
    }
    let shift = Int32(truncatingIfNeeded: byteCount - start)
    source.offsets.withUnsafeBufferPointer { offsets in
      for index in 0..<count { ends[row + index + 1] = offsets[index + 1] &+ shift }
    }
    byteCount += added
  }
}
