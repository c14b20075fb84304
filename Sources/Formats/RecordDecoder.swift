import Columnar

/// Turns the records of one partition into batches: rows for what can be decoded, ``RejectedRecord`` for the rest.
///
/// Belongs to one actor; calls come one at a time. The memory of the columns is kept from batch to batch.
public final class RecordDecoder {
  /// Event times greater than this (microseconds) are rejected as ``RejectionReason/future``.
  public var eventTimeLimit: Int64 {
    get { state.pointee.eventTimeLimit }
    set { state.pointee.eventTimeLimit = newValue }
  }
  /// The greatest event time so far, in microseconds; `Int64.min` at first. To be set when a checkpoint is restored.
  public var maxEventTime: Int64 {
    get { state.pointee.maxEventTime }
    set { state.pointee.maxEventTime = newValue }
  }
  /// Rows that wait for ``finish()``.
  public var rowCount: Int { state.pointee.rowCount }
  /// Records since the last ``finish()``: rows, rejected and skipped ones.
  public var recordCount: Int { state.pointee.recordCount }
  /// Bytes of the keys, values and headers of these records.
  public var byteCount: Int { state.pointee.byteCount }
  /// Whether the batch holds so many bytes that a reader must not append more before ``finish()``.
  public var isFull: Bool { byteCount >= Self.fullBytes }

  /// What makes a batch full.
  static let fullBytes = 64 << 20
  /// The arenas are addressed with 32 bits: beyond this records are rejected. Never reached by a reader that obeys ``isFull``.
  static let limitBytes = 1 << 30

  let configuration: DecoderConfiguration
  /// Owned: allocated and initialized by `init`, freed by `deinit`, touched only by calls on this object.
  let state: UnsafeMutablePointer<DecoderState>
  let required: [Int]
  let metadata: Metadata
  private let hasNoMetadata: Bool
  let csvFields: [Int]
  var rejected: [RejectedRecord] = []

  /// A decoder without rows.
  /// - Throws: ``FormatError`` when a metadata column has another type than it must have, or names do not fit the format.
  public init(_ configuration: DecoderConfiguration) throws(FormatError) {
    let schema = configuration.schema
    metadata = try Metadata(schema)
    hasNoMetadata = metadata.isEmpty
    var fields = schema.fields.indices.filter { !Metadata.names.contains(schema.fields[$0].name) }
    if case .raw(let name) = configuration.format {
      guard let index = schema.index(of: name), schema.fields[index].type.storageKind == .bytes else {
        throw FormatError("format 'raw' needs a column '\(name)' of type text, bytea or jsonb")
      }
      fields = [index]
    }
    if let column = configuration.eventTimeColumn {
      guard schema.fields.indices.contains(column),
        schema.fields[column].type == .timestamptz || schema.fields[column].type == .timestamp
      else { throw FormatError("the event time must be a column of type timestamptz or timestamp") }
    }
    csvFields = try Self.csvFields(configuration, fields)
    required = schema.fields.indices.filter { !schema.fields[$0].isNullable }
    self.configuration = configuration
    state = .allocate(capacity: 1)
    state.initialize(to: DecoderState(configuration, fields: fields, rows: 1_024))
  }

  deinit {
    state.pointee.deallocate()
    state.deinitialize(count: 1).deallocate()
  }

  /// The watermark behind the rows so far: `maxEventTime` minus the delay; `Int64.min` before the first row.
  public var watermark: Int64 { state.pointee.watermark }

  /// Adds a record: as a row, or as a rejected record.
  public func append(_ record: RawRecord) {
    let state = self.state
    let size = record.value?.count ?? 0
    state.pointee.recordCount &+= 1
    state.pointee.byteCount &+= size &+ (record.key?.count ?? 0) &+ (record.headers?.count ?? 0)
    guard size > 0, let start = record.value?.baseAddress else {
      appendTombstone(record)
      return
    }
    guard size <= state.pointee.maxRecordBytes, state.pointee.byteCount < Self.limitBytes else {
      appendTooLarge(record, size)
      return
    }
    if state.pointee.rowCount == state.pointee.rowCapacity { state.pointee.growRows() }
    let row = state.pointee.rowCount
    let bytes = start.assumingMemoryBound(to: UInt8.self)
    state.pointee.generation &+= 1
    state.pointee.rowHasNull = false
    state.pointee.recordStart = bytes
    state.pointee.recordEnd = bytes + size
    guard state.pointee.isJSON ? parseJSON(bytes, size, row) : parseOther(bytes, size, row),
      hasNoMetadata || setMetadata(record, row),
      !state.pointee.rowHasNull || checkRequired(row), takeOrigin(record, bytes, size, row)
    else {
      reject(record, row)
      return
    }
    state.pointee.rowCount = row &+ 1
  }

  @inline(never)
  private func parseOther(_ start: Bytes, _ count: Int, _ row: Int) -> Bool {
    switch configuration.format {
    case .json: parseJSON(start, count, row)
    case .csv(let options): parseCSV(start, count, row, options)
    case .raw: parseRaw(start, count, row)
    }
  }

  /// On its own so that the parser is compiled once, with its cursor in registers.
  @inline(never)
  private func parseJSON(_ start: Bytes, _ count: Int, _ row: Int) -> Bool {
    state.parseObject(start, start + count, row: row)
  }

  private func parseRaw(_ start: Bytes, _ count: Int, _ row: Int) -> Bool {
    let isText = state.pointee.fields[0].kind != .bytea
    guard !isText || isStorableText(start, count) else {
      return state.fail(.encoding, "\(state.name(0)): expected UTF-8 without U+0000, \(state.found(at: start))")
    }
    let column = state.pointee.columns + state.pointee.fieldColumns[0]
    if state.pointee.fields[0].kind == .jsonb {
      guard state.isWholeJSON(start, count) else { return false }
    }
    column.pointee.store(start, count, row: row)
    for index in 0..<state.pointee.columnCount
    where index != state.pointee.fieldColumns[0] && !Metadata.names.contains(configuration.schema.fields[index].name) {
      state.pointee.columns[index].setNull(row)
      state.pointee.rowHasNull = true
    }
    return true
  }

  /// Notes where the row is from, after its event time was checked.
  @inline(__always)
  private func takeOrigin(_ record: RawRecord, _ bytes: Bytes, _ count: Int, _ row: Int) -> Bool {
    let column = state.pointee.eventTimeColumn
    var isKept = state.pointee.keepsPayloads
    if column >= 0 {
      let times = state.pointee.columns + column
      guard !times.pointee.isNull(row) else { return failEventTime(column) }
      let time = times.pointee.values.load(fromByteOffset: row &* 8, as: Int64.self)
      guard time <= state.pointee.eventTimeLimit else { return failFuture(column, time) }
      let before = state.pointee.watermark
      isKept = isKept || time < before
      state.pointee.origin.watermarks[row] = before
      if time > state.pointee.maxEventTime { state.pointee.maxEventTime = time }
    }
    state.pointee.origin.offsets[row] = record.offset
    if _slowPath(isKept) { state.pointee.origin.keep(bytes, count, row: row) }
    return true
  }

  /// The rows and the rejected records so far, in a batch of their own; the decoder is empty afterwards.
  public func finish() -> DecodedBatch {
    let count = state.pointee.rowCount
    let schema = configuration.schema
    let columns = schema.fields.indices.map { index in
      state.pointee.columns[index].finish(schema.fields[index].type, count: count)
    }
    let batch = Batch(
      schema: schema, columns: columns, count: count,
      origin: state.pointee.origin.finish(configuration.partition, count: count))
    let decoded = DecodedBatch(batch: batch, rejected: rejected, records: recordCount, bytes: byteCount)
    state.pointee.rowCount = 0
    rejected = []
    state.pointee.recordCount = 0
    state.pointee.byteCount = 0
    return decoded
  }
}
