/// Reads a row group some rows at a time; of each column a page and a dictionary are in memory.
public struct RowGroupReader: Sendable {
  /// How many rows ``next()`` gives at most.
  public let batchRows: Int
  /// The schema of the arrays that ``next()`` gives.
  public let schema: ParquetSchema
  /// The row group's row that the last batch began with.
  public private(set) var firstRow: Int64 = 0
  /// How many rows the last batch had; of use when no column is read.
  public private(set) var lastRowCount = 0
  private let fields: [SchemaNode]
  private var columns: [(leaf: Int, reader: LeafReader)]
  /// Rows that are still to be read, in order.
  private var ranges: ArraySlice<Range<Int64>>
  private let readsAll: Bool
  private var failure: ParquetError?

  init(
    fields: [SchemaNode], schema: ParquetSchema, columns: [(leaf: Int, reader: LeafReader)],
    ranges: [Range<Int64>], readsAll: Bool, batchRows: Int
  ) {
    self.fields = fields
    self.schema = schema
    self.columns = columns
    self.ranges = ranges[...]
    self.readsAll = readsAll
    self.batchRows = batchRows
  }

  /// The next rows, an array for each field of ``schema``; nil after the last. Rows of a batch lie together in the row
  /// group; they are fewer than ``batchRows`` at the end of a range.
  /// - Throws: `.corrupt`, `.unsupported`, `.io`; the same again when called after that.
  public mutating func next() throws(ParquetError) -> [ParquetArray]? {
    if let failure { throw failure }
    do throws(ParquetError) { return try nextBatch() } catch {
      failure = error
      throw error
    }
  }

  private mutating func nextBatch() throws(ParquetError) -> [ParquetArray]? {
    guard let range = ranges.first else {
      if readsAll { for column in columns { try column.reader.checkEnd() } }
      return nil
    }
    let rows = Int(min(Int64(batchRows), Int64(range.count)))
    var leaves: [Int: LeafBatch] = [:]
    for index in columns.indices {
      try columns[index].reader.skip(to: range.lowerBound)
      leaves[columns[index].leaf] = try columns[index].reader.read(rows: rows)
    }
    let assembly = Assembly(leaves: leaves)
    var arrays: [ParquetArray] = []
    for field in fields { arrays.append(try assembly.array(field, count: rows)) }
    firstRow = range.lowerBound
    lastRowCount = rows
    let rest = range.lowerBound + Int64(rows)..<range.upperBound
    if rest.isEmpty { ranges.removeFirst() } else { ranges[ranges.startIndex] = rest }
    return arrays
  }
}

extension ParquetFile {
  /// All rows of a row group, an array for each field of ``schema(_:)``.
  ///
  /// - Parameter source: where to read from, by default what the file was opened with.
  /// - Throws: `.corrupt`, `.unsupported` also when there are more rows than ``ParquetLimits`` allow at once, `.io`.
  public func read(
    rowGroup: Int, projection: ParquetProjection = .all, from source: (any ByteSource)? = nil
  ) throws(ParquetError) -> [ParquetArray] {
    let rows = try rowCount(rowGroup)
    guard rows <= Int64(limits.rowGroupRows) else {
      throw ParquetError(
        .unsupported,
        "row group \(rowGroup) has \(rows) rows, \(limits.rowGroupRows) can be read at once; read batches of them")
    }
    var reader = try reader(
      rowGroup: rowGroup, projection: projection, batchRows: max(1, Int(rows)), from: source)
    guard let arrays = try reader.next() else { return try emptyArrays(projection) }
    _ = try reader.next()
    return arrays
  }

  /// A reader of a row group.
  ///
  /// - Parameters:
  ///   - rowGroup: its index.
  ///   - projection: the columns.
  ///   - batchRows: how many rows to give at a time.
  ///   - rows: which rows to read, as ascending ranges that do not overlap; by default all of them. Pages without such
  ///     rows are passed over if the file has offset indexes.
  ///   - source: where to read from, by default what the file was opened with.
  /// - Throws: `.invalid` for a row group or rows that are not there, `.corrupt`, `.unsupported`, `.io`.
  public func reader(
    rowGroup: Int, projection: ParquetProjection = .all, batchRows: Int = 8192, rows: [Range<Int64>]? = nil,
    from source: (any ByteSource)? = nil
  ) throws(ParquetError) -> RowGroupReader {
    let source = try self.source(source)
    let count = try rowCount(rowGroup)
    guard batchRows > 0 else { throw ParquetError(.invalid, "batches of \(batchRows) rows") }
    var end: Int64 = 0
    for range in rows ?? [] {
      guard range.lowerBound >= end, range.upperBound <= count else {
        throw ParquetError(.invalid, "rows \(range) of a row group of \(count), after those up to \(end)")
      }
      end = range.upperBound
    }
    let fields = projection.apply(to: nodes.fields)
    let ranges = (rows ?? [0..<count]).filter { !$0.isEmpty }
    var columns: [(leaf: Int, reader: LeafReader)] = []
    // Chunks without rows may have no place in the file.
    for leaf in ranges.isEmpty ? [] : fields.flatMap(\.leafIndices) {
      columns.append((leaf, try leafReader(rowGroup, leaf, source, usesIndex: rows != nil)))
    }
    return RowGroupReader(
      fields: fields, schema: schema(projection), columns: columns, ranges: ranges, readsAll: rows == nil,
      batchRows: batchRows)
  }

  private func rowCount(_ rowGroup: Int) throws(ParquetError) -> Int64 {
    guard metadata.rowGroups.indices.contains(rowGroup) else {
      throw ParquetError(.invalid, "row group \(rowGroup) of a file with \(metadata.rowGroups.count)")
    }
    return metadata.rowGroups[rowGroup].rowCount
  }

  private func leafReader(
    _ rowGroup: Int, _ leaf: Int, _ source: any ByteSource, usesIndex: Bool
  ) throws(ParquetError) -> LeafReader {
    let info = nodes.leaves[leaf]
    let chunk = try chunk(rowGroup, leaf)
    let details = details[rowGroup][leaf]
    let place = place(rowGroup, leaf)
    guard !details.isEncrypted else { throw ParquetError(.unsupported, "\(place): the column is encrypted") }
    guard details.otherFile == nil else {
      throw ParquetError(.unsupported, "\(place): the column is in another file, \(details.otherFile ?? "")")
    }
    guard details.hasMetadata, details.physical == info.physical else {
      throw ParquetError(
        .corrupt,
        "\(place): the schema says \(info.physical), the chunk \(details.physical.map { "\($0)" } ?? "nothing")")
    }
    let rows = metadata.rowGroups[rowGroup].rowCount
    guard chunk.valueCount >= rows, info.leaf.maximumRepetitionLevel > 0 || chunk.valueCount == rows else {
      throw ParquetError(.corrupt, "\(place): \(chunk.valueCount) values in \(rows) rows")
    }
    if let codec = CompressionCodec(rawValue: details.codecNumber) {
      guard codec != .lzo, codec != .brotli else {
        throw ParquetError(.unsupported, "\(place): codec \(codec) is not supported; rewrite the file with zstd")
      }
    } else {
      throw ParquetError(.unsupported, "\(place): codec \(details.codecNumber) is unknown")
    }
    let pages = PageStream(
      source, try chunkRange(rowGroup: rowGroup, leaf: leaf), codec: details.codecNumber, limits: limits)
    let index = usesIndex ? try offsetIndex(rowGroup: rowGroup, leaf: leaf, from: source) : nil
    return LeafReader(info, chunk, pages: pages, offsetIndex: index, limits: limits, place: place)
  }

  /// Arrays of no rows.
  private func emptyArrays(_ projection: ParquetProjection) throws(ParquetError) -> [ParquetArray] {
    let fields = projection.apply(to: nodes.fields)
    var leaves: [Int: LeafBatch] = [:]
    for leaf in fields.flatMap(\.leafIndices) {
      let info = nodes.leaves[leaf]
      var output = LeafOutput(info, LeafConversion(info), capacity: 0)
      output.repetitions = info.leaf.maximumRepetitionLevel > 0 ? [] : nil
      leaves[leaf] = output.finish(info)
    }
    var arrays: [ParquetArray] = []
    for field in fields { arrays.append(try Assembly(leaves: leaves).array(field, count: 0)) }
    return arrays
  }
}
