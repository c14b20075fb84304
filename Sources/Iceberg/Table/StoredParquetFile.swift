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
  /// - Parameter mapping: gives ids to the fields of a file that has none.
  init(
    _ location: String, format: String, size: Int64, store: any ObjectStore, mapping: NameMapping?
  ) async throws(IcebergError) {
    guard format.lowercased() == "parquet" else {
      throw IcebergError(
        .unsupported, "\(location) is an \(format) file; this library reads Parquet: rewrite it with another engine")
    }
    self.location = location
    self.store = store
    if let path = store.localPath(location) {
      let source = try IcebergError.wrapping(location) { () throws(ParquetError) in try FileSource(path: path) }
      local = source
      self.size = source.size
      file = try IcebergError.wrapping(location) { () throws(ParquetError) in try ParquetFile(source) }
    } else {
      local = nil
      self.size = size
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

  private static func open(
    _ location: String, size: Int64, store: any ObjectStore
  ) async throws(IcebergError) -> ParquetFile {
    let tailStart = max(0, size - (64 << 10))
    let tail = try await store.read(location, range: tailStart..<size)
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
  func reader(
    rowGroup: Int, projection: ParquetProjection, batchRows: Int
  ) async throws(IcebergError) -> RowGroupReader {
    if let local {
      return try IcebergError.wrapping(location) { () throws(ParquetError) in
        try file.reader(rowGroup: rowGroup, projection: projection, batchRows: batchRows, from: local)
      }
    }
    let ranges = try IcebergError.wrapping(location) { () throws(ParquetError) in
      try file.byteRanges(rowGroup: rowGroup, leaves: file.leafIndices(projection))
    }
    let store = store
    let location = location
    let parts = try await concurrentMap(ranges, limit: 4) { range throws(IcebergError) in
      FetchedPart(offset: range.lowerBound, bytes: try await store.read(location, range: range))
    }
    let source = FetchedSource(size: size, parts: parts.map { (offset: $0.offset, bytes: $0.bytes) })
    return try IcebergError.wrapping(location) { () throws(ParquetError) in
      try file.reader(rowGroup: rowGroup, projection: projection, batchRows: batchRows, from: source)
    }
  }

  private struct FetchedPart: Sendable {
    var offset: Int64
    var bytes: [UInt8]
  }
}
