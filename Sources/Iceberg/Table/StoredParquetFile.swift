import Parquet

/// A Parquet file in a store: its footer is read, its row groups are fetched one at a time.
struct StoredParquetFile: Sendable {
  let location: String
  let file: ParquetFile
  /// The file's schema; ids are the file's own or those of the name mapping.
  let fields: [ParquetField]
  private let size: Int64
  private let store: any ObjectStore
  private let local: FileSource?
  private let mapping: NameMapping?

  /// Opens the file at `location`.
  ///
  /// - Parameters:
  ///   - size: how many bytes it has, as the manifest says.
  ///   - mapping: gives ids to the fields of a file that has none.
  /// - Throws: kind `corrupt` also when the file has another size: it is not the one that the table means.
  init(
    _ location: String, format: String, size: Int64, store: any ObjectStore, mapping: NameMapping?
  ) async throws(IcebergError) {
    guard format.lowercased() == "parquet" else {
      throw IcebergError(
        .unsupported, "\(location) is an \(format) file; this library reads Parquet: rewrite it with another engine")
    }
    self.location = location
    self.store = store
    self.size = size
    if let path = store.localPath(location) {
      let source = try IcebergError.wrapping(location) { () throws(ParquetError) in try FileSource(path: path) }
      guard source.size == size else { throw Self.otherSize(location, expected: size, found: source.size) }
      local = source
      file = try IcebergError.wrapping(location) { () throws(ParquetError) in try ParquetFile(source) }
    } else {
      local = nil
      file = try await Self.open(location, size: size, store: store)
    }
    let own = file.metadata.schema
    if own.hasFieldIDs {
      self.mapping = nil
      fields = own.fields
    } else {
      guard let mapping else {
        throw IcebergError(
          .invalid,
          "\(location) has no field ids, and the table no name mapping (property schema.name-mapping.default): set it")
      }
      self.mapping = mapping
      fields = mapping.apply(to: own).fields
    }
  }

  private static func otherSize(_ location: String, expected: Int64, found: Int64) -> IcebergError {
    IcebergError(
      .corrupt,
      "\(location) has \(found) bytes, the table's manifest says \(expected): the file was cut or replaced, or its "
        + "writer recorded a wrong length; put the right file back")
  }

  private static func open(
    _ location: String, size: Int64, store: any ObjectStore
  ) async throws(IcebergError) -> ParquetFile {
    do throws(IcebergError) {
      return try await openChecked(location, size: size, store: store)
    } catch {
      // Only a footer that is not where it should be is worth another request.
      guard error.kind == .corrupt, let found = try await store.info(location)?.size, found != size else { throw error }
      throw otherSize(location, expected: size, found: found)
    }
  }

  private static func openChecked(
    _ location: String, size: Int64, store: any ObjectStore
  ) async throws(IcebergError) -> ParquetFile {
    let tailStart = max(0, size - (64 << 10))
    let tail = try await store.read(location, range: tailStart..<max(tailStart, size))
    guard Int64(tail.count) == size - tailStart else {
      throw otherSize(location, expected: size, found: tailStart + Int64(tail.count))
    }
    let range = try IcebergError.wrapping(location) { () throws(ParquetError) in
      try ParquetFile.footerRange(fileSize: size, tail: tail)
    }
    let footer: [UInt8]
    if range.lowerBound >= tailStart, range.upperBound <= tailStart + Int64(tail.count) {
      footer = Array(tail[Int(range.lowerBound - tailStart)..<Int(range.upperBound - tailStart)])
    } else {
      footer = try await store.read(location, range: range)
    }
    return try IcebergError.wrapping(location) { () throws(ParquetError) in
      try ParquetFile(footerBytes: footer, fileSize: size)
    }
  }

  /// What to read of the columns with these ids.
  func projection(_ ids: Set<Int>) -> ParquetProjection {
    guard mapping != nil else { return .fieldIDs(ids) }
    return .paths(fields.filter { $0.fieldID.map(ids.contains) ?? false }.map { [$0.name] })
  }

  /// The fields that a projection gives, with ids.
  func fields(_ projection: ParquetProjection) -> [ParquetField] {
    let schema = file.schema(projection)
    return mapping.map { $0.apply(to: schema).fields } ?? schema.fields
  }

  /// A reader of a row group whose bytes are there.
  ///
  /// - Parameter rows: which rows to read; `nil` is all of them. See ``ParquetFile``'s own readers.
  func reader(
    rowGroup: Int, projection: ParquetProjection, batchRows: Int, rows: [Range<Int64>]? = nil
  ) async throws(IcebergError) -> RowGroupReader {
    var source: any ByteSource
    if let local {
      source = local
    } else {
      let leaves = file.leafIndices(projection)
      var ranges = try IcebergError.wrapping(location) { () throws(ParquetError) in
        try file.byteRanges(rowGroup: rowGroup, leaves: leaves)
      }
      if rows != nil { ranges += leaves.compactMap { indexRanges(rowGroup: rowGroup, leaf: $0).offsets } }
      source = try await fetch(ranges)
    }
    return try IcebergError.wrapping(location) { () throws(ParquetError) in
      try file.reader(rowGroup: rowGroup, projection: projection, batchRows: batchRows, rows: rows, from: source)
    }
  }

  /// What the page index of a row group is read from, for these leaves; `nil` when the file has none of theirs.
  func pageIndexSource(rowGroup: Int, leaves: Set<Int>) async throws(IcebergError) -> (any ByteSource)? {
    var ranges: [Range<Int64>] = []
    for leaf in leaves {
      let index = indexRanges(rowGroup: rowGroup, leaf: leaf)
      if let columns = index.columns, let offsets = index.offsets { ranges += [columns, offsets] }
    }
    guard !ranges.isEmpty else { return nil }
    if let local { return local }
    return try await fetch(ranges)
  }

  /// Where the two parts of a leaf's page index are.
  private func indexRanges(rowGroup: Int, leaf: Int) -> (columns: Range<Int64>?, offsets: Range<Int64>?) {
    let chunk = file.metadata.rowGroups[rowGroup].columns[leaf]
    func range(_ offset: Int64?, _ length: Int32?) -> Range<Int64>? {
      guard let offset, let length, offset >= 0, length > 0, offset <= size - Int64(length) else { return nil }
      return offset..<offset + Int64(length)
    }
    return (
      range(chunk.columnIndexOffset, chunk.columnIndexLength), range(chunk.offsetIndexOffset, chunk.offsetIndexLength)
    )
  }

  private func fetch(_ ranges: [Range<Int64>]) async throws(IcebergError) -> FetchedSource {
    let store = store
    let location = location
    let merged = RangeList.merged(ranges, maximumGap: 64 << 10)
    let parts = try await concurrentMap(merged, limit: 4) { range throws(IcebergError) in
      FetchedPart(offset: range.lowerBound, bytes: try await store.read(location, range: range))
    }
    return FetchedSource(size: size, parts: parts.map { (offset: $0.offset, bytes: $0.bytes) })
  }

  private struct FetchedPart: Sendable {
    var offset: Int64
    var bytes: [UInt8]
  }
}
