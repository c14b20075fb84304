import Columnar

/// What was written: the footer, and what a table's metadata needs to know of the file.
public struct ParquetWriteResult: Hashable, Sendable {
  /// One leaf over the whole file.
  public struct LeafSummary: Hashable, Sendable {
    /// The path in the file, repeated groups of lists and maps included.
    public var path: [String]
    /// The field id of the leaf.
    public var fieldID: Int?
    /// Values as Iceberg counts them: nulls and NaNs included, and for leaves in lists and maps one for each element
    /// and each list that is null or empty.
    public var valueCount: Int64
    /// Those of ``valueCount`` that are no values.
    public var nullCount: Int64
    /// NaNs; 0 when values are no floating-point numbers.
    public var nanCount: Int64
    /// Bytes in the file, page headers and dictionaries included.
    public var compressedBytes: Int64
    /// The smallest value, plainly encoded without a length, NaN left out, -0.0 for any zero; long ones are cut to a
    /// lower bound. Absent without values, and where text is not UTF-8.
    public var minimum: [UInt8]?
    /// The greatest value likewise, +0.0 for any zero; long ones are rounded up to an upper bound, and absent when
    /// there is none.
    public var maximum: [UInt8]?
    /// Whether ``minimum`` was not cut.
    public var isMinimumExact: Bool
    /// Whether ``maximum`` was not cut.
    public var isMaximumExact: Bool
  }

  /// The footer.
  public var metadata: FileMetadata
  /// The file's size in bytes.
  public var fileSize: Int64
  /// The leaves, in the order of the file.
  public var leaves: [LeafSummary]
  /// Where each row group begins.
  public var splitOffsets: [Int64]
}

/// Writes a Parquet file, rows after rows.
///
/// Memory is bounded: the encoded pages of the open row group, an open page for each leaf, and dictionaries. A writer is
/// used by one task at a time. After an error it takes no more rows: call ``abandon()``.
public final class ParquetWriter {
  private enum State {
    case open
    case failed(ParquetError)
    case closed
  }

  private let schema: ParquetSchema
  private let options: ParquetWriterOptions
  private let output: any ByteOutput
  private let context: ParquetWriterContext
  private let leaves: [ParquetLeaf]
  private let columns: [ColumnChunkWriter]
  private var state = State.open
  private var position: Int64 = 0
  private var groupRows = 0
  private var groups: [GroupRecord] = []

  /// How many rows were taken.
  public private(set) var rowCount: Int64 = 0

  /// How many rows are looked at before sizes are checked again.
  private static let pieceRows = 1 << 16
  private static let magic: [UInt8] = Array("PAR1".utf8)

  /// Begins a file.
  ///
  /// - Parameters:
  ///   - schema: The columns.
  ///   - options: How they are written.
  ///   - output: Where the file goes.
  ///   - context: Compressor and buffers, which writers of the same task may share.
  /// - Throws: ``ParquetError``: `invalid` or `unsupported` for the schema or the options, `io` for the output.
  public init(
    schema: ParquetSchema, options: ParquetWriterOptions = ParquetWriterOptions(), output: any ByteOutput,
    context: ParquetWriterContext = ParquetWriterContext()
  ) throws(ParquetError) {
    try SchemaCheck.check(schema)
    leaves = schema.leaves
    var columns: [ColumnChunkWriter] = []
    for leaf in leaves {
      let settings = ColumnSettings(options, leaf)
      try PageCompressor.check(settings.compression)
      columns.append(try ColumnChunkWriter(leaf, settings, context))
    }
    self.columns = columns
    self.schema = schema
    self.options = options
    self.output = output
    self.context = context
    try put(Self.magic)
  }

  /// About how many bytes of memory hold rows that are not in the output yet.
  public var bufferedBytes: Int { columns.reduce(0) { $0 + $1.bufferedBytes } }

  /// About how large the file would be if it ended now, its footer left out.
  public var bytesWritten: Int64 { position + Int64(bufferedBytes) }

  // MARK: - Rows

  /// Writes all rows of `columns`.
  ///
  /// - Parameter columns: One for each field of the schema, all of the same length.
  /// - Throws: ``ParquetError``: `invalid` for rows that do not fit the schema, `io` for the output.
  public func write(_ columns: [ParquetArray]) throws(ParquetError) {
    try write(columns, .range(0..<(columns.first?.count ?? 0)))
  }

  /// Writes adjacent rows of `columns`.
  ///
  /// - Parameters:
  ///   - columns: One for each field of the schema, all of the same length.
  ///   - rows: Which rows.
  /// - Throws: ``ParquetError``: `invalid` for rows that do not fit the schema, `io` for the output.
  public func write(_ columns: [ParquetArray], rows: Range<Int>) throws(ParquetError) {
    try write(columns, .range(rows))
  }

  /// Writes single rows of `columns`, in the order of `rows`.
  ///
  /// - Parameters:
  ///   - columns: One for each field of the schema, all of the same length.
  ///   - rows: Which rows.
  /// - Throws: ``ParquetError``: `invalid` for rows that do not fit the schema, `io` for the output.
  public func write(_ columns: [ParquetArray], rows: [Int32]) throws(ParquetError) {
    try rows.withUnsafeBufferPointer { (rows) throws(ParquetError) in try write(columns, .indices(rows)) }
  }

  private func write(_ arrays: [ParquetArray], _ selection: RowSelection) throws(ParquetError) {
    try checkOpen()
    try check(arrays, selection)
    do throws(ParquetError) {
      var done = 0
      while done < selection.count {
        let count = min(selection.count - done, Self.pieceRows, max(options.rowGroupRows, 1) - groupRows)
        try writePiece(arrays, selection.slice(done, count))
        done += count
        groupRows += count
        rowCount += Int64(count)
        if groupRows >= options.rowGroupRows || bufferedBytes >= options.rowGroupBytes { try endRowGroup() }
      }
    } catch {
      state = .failed(error)
      throw error
    }
  }

  private func checkOpen() throws(ParquetError) {
    switch state {
    case .open: return
    case .failed(let error): throw error
    case .closed: throw ParquetError(.invalid, "the writer was finished or abandoned; begin a new one")
    }
  }

  /// Refuses columns that do not fit together before anything is written.
  private func check(_ arrays: [ParquetArray], _ selection: RowSelection) throws(ParquetError) {
    guard arrays.count == schema.fields.count else {
      throw ParquetError(.invalid, "the schema has \(schema.fields.count) fields, but \(arrays.count) columns came")
    }
    let count = arrays.first?.count ?? 0
    for (field, array) in zip(schema.fields, arrays) where array.count != count {
      throw ParquetError(
        .invalid, "column \(field.name) has \(array.count) rows, but column \(schema.fields[0].name) has \(count)")
    }
    guard selection.isWithin(count) else {
      throw ParquetError(.invalid, "the rows to write are not all within the \(count) rows of the columns")
    }
  }

  private func writePiece(_ arrays: [ParquetArray], _ selection: RowSelection) throws(ParquetError) {
    var next = 0
    for (field, array) in zip(schema.fields, arrays) {
      if case .leaf = field.kind, case .leaf(let column) = array {
        let writer = columns[next]
        try writer.append(column, FlatSlots.make(column, selection, writer.leaf, context.slots))
        next += 1
      } else {
        try writeNode(field, array, NestedSlots(selection), path: [field.name], depth: 0, &next)
      }
    }
  }

  private func writeNode(
    _ field: ParquetField, _ array: ParquetArray, _ slots: borrowing NestedSlots, path: [String], depth: UInt8,
    _ next: inout Int
  ) throws(ParquetError) {
    let inside = try slots.entering(field, path: path, array)
    switch (field.kind, array) {
    case (.leaf, .leaf(let column)):
      let writer = columns[next]
      next += 1
      try inside.withLeafSlots(writer.leaf, rows: &context.rows) { (slots) throws(ParquetError) in
        try writer.append(column, slots)
      }
    case (.group(let fields), .group(_, _, let arrays)) where fields.count == arrays.count:
      for (field, array) in zip(fields, arrays) {
        try writeNode(field, array, inside, path: path + [field.name], depth: depth, &next)
      }
    case (.list(let element), .list(let offsets, _, let array)):
      let elements = try inside.expanding(offsets, elementCount: array.count, repetition: depth + 1, path: path)
      try writeNode(element, array, elements, path: path + ["list", "element"], depth: depth + 1, &next)
    case (.map(let key, let value), .map(let offsets, _, let keys, let values)):
      let count = min(keys.count, values.count)
      let pairs = try inside.expanding(offsets, elementCount: count, repetition: depth + 1, path: path)
      try writeNode(key, keys, pairs, path: path + ["key_value", "key"], depth: depth + 1, &next)
      try writeNode(value, values, pairs, path: path + ["key_value", "value"], depth: depth + 1, &next)
    default:
      throw ParquetError(
        .invalid, "column \(path.joined(separator: ".")): the array does not have the shape of the schema")
    }
  }

  // MARK: - Row groups and the end

  private func put(_ bytes: [UInt8]) throws(ParquetError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(ParquetError) in try put(UnsafeRawBufferPointer(bytes)) }
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws(ParquetError) {
    try output.write(bytes)
    position += Int64(bytes.count)
  }

  private func endRowGroup() throws(ParquetError) {
    guard groupRows > 0 else { return }
    var group = GroupRecord(chunks: [], rowCount: Int64(groupRows), offset: position)
    for column in columns {
      let record = try column.endChunk(at: position, to: output)
      position += record.chunk.compressedBytes
      group.chunks.append(record)
    }
    for (index, column) in columns.enumerated() {
      context.body.removeAll()
      column.encodeBloomFilter(into: &context.body)
      guard context.body.count > 0 else { continue }
      group.chunks[index].chunk.bloomFilterOffset = position
      group.chunks[index].chunk.bloomFilterLength = Int32(truncatingIfNeeded: context.body.count)
      try put(context.body.bytes)
    }
    groups.append(group)
    groupRows = 0
  }

  /// Writes what is buffered and the footer, and closes the output.
  ///
  /// - Returns: What was written.
  /// - Throws: ``ParquetError`` when the file is not whole; the writer must then be abandoned.
  public func finish() throws(ParquetError) -> ParquetWriteResult {
    try checkOpen()
    do throws(ParquetError) {
      try endRowGroup()
      var end = FileEnd(schema: schema, options: options, columns: columns, groups: groups, rowCount: rowCount)
      try put(end.pageIndex(at: position))
      try put(end.footer())
      try put(Self.magic)
      try output.close()
      state = .closed
      return ParquetWriteResult(
        metadata: end.metadata, fileSize: position, leaves: columns.map { $0.summary(options) },
        splitOffsets: groups.map(\.offset))
    } catch {
      state = .failed(error)
      throw error
    }
  }

  /// Gives the file up.
  public func abandon() {
    if case .closed = state { return }
    state = .closed
    output.abandon()
  }
}

extension RowSelection {
  /// The `count` rows from the `start`-th one on.
  func slice(_ start: Int, _ count: Int) -> RowSelection {
    switch self {
    case .range(let range): .range(range.lowerBound + start..<range.lowerBound + start + count)
    case .indices(let indices): .indices(UnsafeBufferPointer(rebasing: indices[start..<start + count]))
    }
  }
}

extension ColumnChunkWriter {
  /// The leaf over the whole file.
  func summary(_ options: ParquetWriterOptions) -> ParquetWriteResult.LeafSummary {
    let bounds = shortened(totals.bounds, bytes: max(options.boundBytes, 1))
    return ParquetWriteResult.LeafSummary(
      path: leaf.path, fieldID: leaf.fieldID, valueCount: totals.slotCount, nullCount: totals.nullCount,
      nanCount: totals.nanCount, compressedBytes: totals.compressedBytes, minimum: bounds.minimum,
      maximum: bounds.maximum, isMinimumExact: bounds.isMinimumExact ?? false,
      isMaximumExact: bounds.isMaximumExact ?? false)
  }
}
