import Columnar

extension RecordDecoder {
  /// Fills the columns that come from the record itself.
  func setMetadata(_ record: RawRecord, _ row: Int) -> Bool {
    let columns = state.pointee.columns
    if let index = metadata.key {
      guard setBytes(record.key, index, row, checksText: configuration.schema.fields[index].type == .text) else {
        return false
      }
    }
    if let index = metadata.headers {
      guard setBytes(record.headers, index, row, checksText: true) else { return false }
    }
    if let index = metadata.partition {
      columns[index].values.storeBytes(of: Int64(configuration.partitionNumber), toByteOffset: row * 8, as: Int64.self)
    }
    if let index = metadata.offset {
      columns[index].values.storeBytes(of: record.offset, toByteOffset: row * 8, as: Int64.self)
    }
    if let index = metadata.timestamp {
      if let timestamp = record.timestamp {
        columns[index].values.storeBytes(of: timestamp, toByteOffset: row * 8, as: Int64.self)
      } else {
        setNull(index, row)
      }
    }
    return true
  }

  private func setNull(_ column: Int, _ row: Int) {
    state.pointee.columns[column].setNull(row)
    state.pointee.rowHasNull = true
  }

  private func setBytes(_ bytes: UnsafeRawBufferPointer?, _ column: Int, _ row: Int, checksText: Bool) -> Bool {
    guard let bytes else {
      setNull(column, row)
      return true
    }
    let start = bytes.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) } ?? state.pointee.recordStart
    guard !checksText || isStorableText(start, bytes.count) else {
      let shown = shortened(UnsafeBufferPointer(start: start, count: bytes.count))
      return state.fail(
        .encoding, "column '\(configuration.schema.fields[column].name)': expected UTF-8 without U+0000, found \(shown)"
      )
    }
    state.pointee.columns[column].store(start, bytes.count, row: row)
    return true
  }

  func checkRequired(_ row: Int) -> Bool {
    for index in required where state.pointee.columns[index].isNull(row) {
      let field = configuration.schema.fields[index]
      return state.fail(
        .missing, "column '\(field.name)': expected \(field.type.sqlName) NOT NULL, found null or no such field")
    }
    return true
  }

  @inline(never)
  func failEventTime(_ column: Int) -> Bool {
    let name = configuration.schema.fields[column].name
    return state.fail(.missing, "column '\(name)': expected the event time, found null or no such field")
  }

  @inline(never)
  func failFuture(_ column: Int, _ time: Int64) -> Bool {
    let name = configuration.schema.fields[column].name
    let limit = Timestamp(microseconds: eventTimeLimit)
    return state.fail(
      .future, "column '\(name)': expected an event time up to \(limit), found \(Timestamp(microseconds: time))")
  }

  @inline(never)
  func appendTombstone(_ record: RawRecord) {
    if configuration.tombstones == .skip { return }
    state.fail(.tombstone, "expected a value, found \(record.value == nil ? "none (a tombstone)" : "an empty one")")
    keep(record)
  }

  @inline(never)
  func appendTooLarge(_ record: RawRecord, _ count: Int) {
    let limit = configuration.maxRecordBytes
    let expected = count > limit ? "a value of at most \(limit) bytes" : "a batch of at most \(Self.limitBytes) bytes"
    state.fail(.tooLarge, "expected \(expected), found \(count > limit ? count : byteCount)")
    keep(record)
  }

  /// Forgets what was stored for the row, and keeps the record with the reason.
  @inline(never)
  func reject(_ record: RawRecord, _ row: Int) {
    for index in 0..<state.pointee.columnCount { state.pointee.columns[index].clear(row) }
    keep(record)
  }

  private func keep(_ record: RawRecord) {
    rejected.append(
      RejectedRecord(
        offset: record.offset, timestamp: record.timestamp, key: record.key.map { Array($0) },
        value: record.value.map { Array($0) }, reason: state.pointee.failure.reason,
        message: state.pointee.failure.message))
  }
}
