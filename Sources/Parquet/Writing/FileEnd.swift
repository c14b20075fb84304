/// A finished row group.
struct GroupRecord {
  var chunks: [ChunkRecord]
  var rowCount: Int64
  var offset: Int64
}

/// What stands at the end of a file: the page index and the footer (Parquet format, "Page Index", "File Format").
struct FileEnd: ~Copyable {
  private let schema: ParquetSchema
  private let options: ParquetWriterOptions
  private let columns: [ColumnChunkWriter]
  private let rowCount: Int64
  private var groups: [GroupRecord]
  private var encoder = ThriftEncoder()

  init(
    schema: ParquetSchema, options: ParquetWriterOptions, columns: [ColumnChunkWriter], groups: [GroupRecord],
    rowCount: Int64
  ) {
    self.schema = schema
    self.options = options
    self.columns = columns
    self.groups = groups
    self.rowCount = rowCount
  }

  /// The footer as a value.
  var metadata: FileMetadata {
    let rowGroups = groups.map { group in
      RowGroup(
        columns: group.chunks.map(\.chunk), rowCount: group.rowCount,
        uncompressedBytes: group.chunks.reduce(0) { $0 + $1.chunk.uncompressedBytes })
    }
    return FileMetadata(
      schema: schema, rowCount: rowCount, rowGroups: rowGroups, keyValues: options.keyValues,
      createdBy: options.createdBy)
  }

  // MARK: - Page index

  /// The column indexes, then the offset indexes, which begin at `position` of the file.
  mutating func pageIndex(at position: Int64) -> [UInt8] {
    encoder.removeAll()
    for group in groups.indices {
      for (index, column) in columns.enumerated() where column.settings.writesPageIndex {
        let start = encoder.count
        guard column.settings.writesStatistics, columnIndex(groups[group].chunks[index], column) else { continue }
        groups[group].chunks[index].chunk.columnIndexOffset = position + Int64(start)
        groups[group].chunks[index].chunk.columnIndexLength = Int32(truncatingIfNeeded: encoder.count - start)
      }
    }
    for group in groups.indices {
      for (index, column) in columns.enumerated() where column.settings.writesPageIndex {
        let start = encoder.count
        offsetIndex(groups[group].chunks[index])
        groups[group].chunks[index].chunk.offsetIndexOffset = position + Int64(start)
        groups[group].chunks[index].chunk.offsetIndexLength = Int32(truncatingIfNeeded: encoder.count - start)
      }
    }
    return Array(encoder.bytes)
  }

  private mutating func offsetIndex(_ record: ChunkRecord) {
    encoder.beginElement()
    encoder.beginList(1, .structure, count: record.pages.count)
    for page in record.pages {
      encoder.beginElement()
      encoder.int64(1, record.chunk.dataPageOffset + Int64(page.offset))
      encoder.int32(2, Int32(truncatingIfNeeded: page.size))
      encoder.int64(3, Int64(page.firstRow))
      encoder.endStructure()
    }
    encoder.endStructure()
  }

  /// Writes a column index, unless a page with values has no bounds: then there must be none, and the answer is false.
  private mutating func columnIndex(_ record: ChunkRecord, _ column: ColumnChunkWriter) -> Bool {
    var minima: [[UInt8]] = []
    var maxima: [[UInt8]] = []
    var nullPages: [Bool] = []
    for page in record.pages {
      let isNull = page.nullCount == page.valueCount
      nullPages.append(isNull)
      if isNull {
        minima.append([])
        maxima.append([])
        continue
      }
      let bounds = column.shortened(page.bounds, bytes: column.settings.statisticsBytes)
      guard let minimum = bounds.minimum, let maximum = bounds.maximum else { return false }
      minima.append(minimum)
      maxima.append(maximum)
    }
    encoder.beginElement()
    encoder.beginList(1, .boolean, count: nullPages.count)
    for isNull in nullPages { encoder.element(isNull) }
    for (field, values): (Int16, [[UInt8]]) in [(2, minima), (3, maxima)] {
      encoder.beginList(field, .binary, count: values.count)
      for value in values { encoder.element(value) }
    }
    encoder.int32(4, Self.boundaryOrder(minima, maxima, nullPages, column.layout.order))
    encoder.beginList(5, .int64, count: record.pages.count)
    for page in record.pages { encoder.element(Int64(page.nullCount)) }
    if column.layout.physical == .double || column.layout.physical == .float {
      encoder.beginList(8, .int64, count: record.pages.count)
      for page in record.pages { encoder.element(Int64(page.bounds.nanCount)) }
    }
    encoder.endStructure()
    return true
  }

  /// Whether both bounds ascend (1), descend (2), or neither (0) from page to page, pages of nulls left out.
  private static func boundaryOrder(
    _ minima: [[UInt8]], _ maxima: [[UInt8]], _ nullPages: [Bool], _ order: ValueOrder
  ) -> Int32 {
    let pages = nullPages.indices.filter { !nullPages[$0] }
    let pairs = zip(pages, pages.dropFirst())
    func ascends(_ values: [[UInt8]]) -> Bool { pairs.allSatisfy { !order.isLess(values[$1], values[$0]) } }
    func descends(_ values: [[UInt8]]) -> Bool { pairs.allSatisfy { !order.isLess(values[$0], values[$1]) } }
    if ascends(minima), ascends(maxima) { return 1 }
    return descends(minima) && descends(maxima) ? 2 : 0
  }

  // MARK: - Footer

  /// The footer and its length.
  mutating func footer() -> [UInt8] {
    encoder.removeAll()
    encoder.beginElement()
    encoder.int32(1, 1)  // "For maximum compatibility with readers, writers should always populate 1".
    SchemaEncoding.append(schema, to: &encoder)
    encoder.int64(3, rowCount)
    encoder.beginList(4, .structure, count: groups.count)
    for (ordinal, group) in groups.enumerated() { rowGroup(group, ordinal) }
    if !options.keyValues.isEmpty {
      encoder.beginList(5, .structure, count: options.keyValues.count)
      for (key, value) in options.keyValues.sorted(by: { $0.key < $1.key }) {
        encoder.beginElement()
        encoder.string(1, key)
        encoder.string(2, value)
        encoder.endStructure()
      }
    }
    encoder.string(6, options.createdBy)
    encoder.beginList(7, .structure, count: columns.count)
    for _ in columns {
      encoder.beginElement()
      encoder.emptyStructure(1)  // TYPE_ORDER
      encoder.endStructure()
    }
    encoder.endStructure()
    return Array(encoder.bytes) + ValueOrder.bytes(UInt64(encoder.count), count: 4)
  }

  private mutating func rowGroup(_ group: GroupRecord, _ ordinal: Int) {
    encoder.beginElement()
    encoder.beginList(1, .structure, count: group.chunks.count)
    for (record, column) in zip(group.chunks, columns) { columnChunk(record, column) }
    encoder.int64(2, group.chunks.reduce(0) { $0 + $1.chunk.uncompressedBytes })
    encoder.int64(3, group.rowCount)
    encoder.int64(5, group.offset)
    encoder.int64(6, group.chunks.reduce(0) { $0 + $1.chunk.compressedBytes })
    if let ordinal = Int16(exactly: ordinal) { encoder.int16(7, ordinal) }
    encoder.endStructure()
  }

  private mutating func columnChunk(_ record: ChunkRecord, _ column: ColumnChunkWriter) {
    let chunk = record.chunk
    encoder.beginElement()
    encoder.int64(2, 0)  // "Writers should set this field to 0".
    encoder.beginStructure(3)
    columnMetadata(record, column)
    encoder.endStructure()
    if let offset = chunk.offsetIndexOffset { encoder.int64(4, offset) }
    if let length = chunk.offsetIndexLength { encoder.int32(5, length) }
    if let offset = chunk.columnIndexOffset { encoder.int64(6, offset) }
    if let length = chunk.columnIndexLength { encoder.int32(7, length) }
    encoder.endStructure()
  }

  private mutating func columnMetadata(_ record: ChunkRecord, _ column: ColumnChunkWriter) {
    let chunk = record.chunk
    encoder.int32(1, column.layout.physical.rawValue)
    encoder.beginList(2, .int32, count: chunk.encodings.count)
    for encoding in chunk.encodings { encoder.element(encoding.rawValue) }
    encoder.beginList(3, .binary, count: column.leaf.path.count)
    for name in column.leaf.path { encoder.element(name) }
    encoder.int32(4, chunk.codec.rawValue)
    encoder.int64(5, chunk.valueCount)
    encoder.int64(6, chunk.uncompressedBytes)
    encoder.int64(7, chunk.compressedBytes)
    encoder.int64(9, chunk.dataPageOffset)
    if let offset = chunk.dictionaryPageOffset { encoder.int64(11, offset) }
    if column.settings.writesStatistics { statistics(record, column) }
    encodingStatistics(record, column)
    if let offset = chunk.bloomFilterOffset { encoder.int64(14, offset) }
    if let length = chunk.bloomFilterLength { encoder.int32(15, length) }
  }

  private mutating func statistics(_ record: ChunkRecord, _ column: ColumnChunkWriter) {
    let statistics = record.chunk.statistics
    encoder.beginStructure(12)
    if let count = statistics.nullCount { encoder.int64(3, count) }
    // One bound without the other is of no use, and some readers take both for granted.
    if let minimum = statistics.minimum, let maximum = statistics.maximum {
      encoder.binary(5, maximum)
      encoder.binary(6, minimum)
      if let isExact = statistics.isMaximumExact { encoder.boolean(7, isExact) }
      if let isExact = statistics.isMinimumExact { encoder.boolean(8, isExact) }
    }
    if column.layout.physical == .double || column.layout.physical == .float {
      encoder.int64(9, Int64(record.nanCount))
    }
    encoder.endStructure()
  }

  /// How many pages have which encoding; readers see from it that a dictionary has all values.
  private mutating func encodingStatistics(_ record: ChunkRecord, _ column: ColumnChunkWriter) {
    var counts: [Encoding: Int32] = [:]
    for page in record.pages { counts[page.encoding, default: 0] += 1 }
    let dataType: Int32 = column.settings.dataPageVersion == .v2 ? 3 : 0
    var entries: [(type: Int32, encoding: Encoding, count: Int32)] = []
    if let encoding = record.dictionaryEncoding { entries.append((2, encoding, 1)) }
    for (encoding, count) in counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      entries.append((dataType, encoding, count))
    }
    encoder.beginList(13, .structure, count: entries.count)
    for entry in entries {
      encoder.beginElement()
      encoder.int32(1, entry.type)
      encoder.int32(2, entry.encoding.rawValue)
      encoder.int32(3, entry.count)
      encoder.endStructure()
    }
  }
}
