/// Where the pages of a column chunk are (Parquet format, `OffsetIndex`).
public struct OffsetIndex: Hashable, Sendable {
  /// A data page.
  public struct Page: Hashable, Sendable {
    /// Where its header begins in the file.
    public var offset: Int64
    /// Its bytes, the header included.
    public var compressedBytes: Int
    /// The row group's row that it begins with.
    public var firstRow: Int64
  }

  /// The data pages, in order.
  public var pages: [Page]
}

/// What is known of the values of each page of a column chunk (Parquet format, `ColumnIndex`).
public struct ColumnIndex: Hashable, Sendable {
  /// How bounds are ordered from page to page.
  public enum Order: Int32, Hashable, Sendable {
    /// Not at all.
    case unordered
    /// Both bounds never decrease.
    case ascending
    /// Both bounds never increase.
    case descending
  }

  /// A page without values other than null.
  public var isNullPage: [Bool]
  /// Lower bounds, plainly encoded; nothing for pages of nulls.
  public var minimums: [[UInt8]]
  /// Upper bounds, plainly encoded; nothing for pages of nulls.
  public var maximums: [[UInt8]]
  /// How the bounds are ordered.
  public var order: Order
  /// Nulls per page, when known.
  public var nullCounts: [Int64]?
}

extension ParquetFile {
  /// Where the pages of a column chunk are, if the file says so.
  /// - Throws: `.corrupt`, `.io`.
  public func offsetIndex(
    rowGroup: Int, leaf: Int, from source: (any ByteSource)? = nil
  ) throws(ParquetError) -> OffsetIndex? {
    let chunk = try chunk(rowGroup, leaf)
    guard let offset = chunk.offsetIndexOffset, let length = chunk.offsetIndexLength else { return nil }
    let bytes = try metadataBytes(offset, Int64(length), rowGroup, leaf, source)
    var thrift = ThriftDecoder(bytes)
    var index = OffsetIndex(pages: [])
    var last = 0
    while let field = try thrift.nextField(&last) {
      if field.id == 1 {
        let list = try thrift.list(field)
        for _ in 0..<list.count { index.pages.append(try thrift.pageLocation(kind: list.kind)) }
      } else {
        try thrift.skip(field)
      }
    }
    try check(index, rowGroup, leaf)
    return index.pages.isEmpty ? nil : index
  }

  private func check(_ index: OffsetIndex, _ rowGroup: Int, _ leaf: Int) throws(ParquetError) {
    let range = try chunkRange(rowGroup: rowGroup, leaf: leaf)
    let rows = metadata.rowGroups[rowGroup].rowCount
    var previous: OffsetIndex.Page?
    for page in index.pages {
      let isFirst = previous == nil
      guard range.contains(page.offset), page.firstRow < max(rows, 1),
        isFirst ? page.firstRow == 0 : page.firstRow > (previous?.firstRow ?? 0),
        page.offset > (previous?.offset ?? -1)
      else {
        throw ParquetError(
          .corrupt, "\(place(rowGroup, leaf)): the offset index has a page at byte \(page.offset), row \(page.firstRow)"
        )
      }
      previous = page
    }
  }

  /// What is known of the values of each page of a column chunk, if the file says so.
  /// - Throws: `.corrupt`, `.io`.
  public func columnIndex(
    rowGroup: Int, leaf: Int, from source: (any ByteSource)? = nil
  ) throws(ParquetError) -> ColumnIndex? {
    let chunk = try chunk(rowGroup, leaf)
    guard let offset = chunk.columnIndexOffset, let length = chunk.columnIndexLength else { return nil }
    var thrift = ThriftDecoder(try metadataBytes(offset, Int64(length), rowGroup, leaf, source))
    let index = try thrift.columnIndex()
    let count = index.isNullPage.count
    guard index.minimums.count == count, index.maximums.count == count, (index.nullCounts?.count ?? count) == count
    else {
      throw ParquetError(.corrupt, "\(place(rowGroup, leaf)): the lists of the column index differ in length")
    }
    return count == 0 ? nil : index
  }

  /// Bytes beside the pages: an index or a filter.
  func metadataBytes(
    _ offset: Int64, _ length: Int64, _ rowGroup: Int, _ leaf: Int, _ source: (any ByteSource)?
  ) throws(ParquetError) -> [UInt8] {
    guard offset >= 4, length > 0, length <= fileSize, offset <= fileSize - length else {
      throw ParquetError(
        .corrupt, "\(place(rowGroup, leaf)): \(length) bytes of metadata at \(offset), in a file of \(fileSize)")
    }
    guard length <= Int64(limits.metadataBytes) else {
      throw ParquetError(
        .unsupported,
        "\(place(rowGroup, leaf)): \(length) bytes of metadata, the limit is \(limits.metadataBytes) (ParquetLimits)")
    }
    return try self.source(source).read(offset..<offset + length)
  }
}

extension ThriftDecoder {
  fileprivate mutating func pageLocation(kind: UInt8) throws(ParquetError) -> OffsetIndex.Page {
    try structure(kind: kind)
    var page = OffsetIndex.Page(offset: -1, compressedBytes: 0, firstRow: -1)
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1: page.offset = try int(field)
      case 2: page.compressedBytes = Int(try int32(field))
      case 3: page.firstRow = try int(field)
      default: try skip(field)
      }
    }
    return page
  }

  fileprivate mutating func columnIndex() throws(ParquetError) -> ColumnIndex {
    var index = ColumnIndex(isNullPage: [], minimums: [], maximums: [], order: .unordered, nullCounts: nil)
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1:
        let list = try list(field)
        for _ in 0..<list.count { index.isNullPage.append(try boolElement(kind: list.kind)) }
      case 2, 3:
        let list = try list(field)
        var values: [[UInt8]] = []
        for _ in 0..<list.count { values.append(try binary(kind: list.kind)) }
        if field.id == 2 { index.minimums = values } else { index.maximums = values }
      case 4: index.order = ColumnIndex.Order(rawValue: try int32(field)) ?? .unordered
      case 5:
        let list = try list(field)
        var counts: [Int64] = []
        for _ in 0..<list.count { counts.append(try int(kind: list.kind)) }
        index.nullCounts = counts
      default: try skip(field)
      }
    }
    return index
  }
}
