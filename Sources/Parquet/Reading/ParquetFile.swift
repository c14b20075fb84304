/// A Parquet file that can be read.
///
/// ```swift
/// let file = try ParquetFile(FileSource(path: "events.parquet"))
/// var rows = try file.reader(rowGroup: 0, projection: .fieldIDs([1, 2]))
/// while let columns = try rows.next() { … }
/// ```
///
/// Callers that read asynchronously fetch the last bytes of the file, then ``footerRange(fileSize:tail:)``, make a file
/// with ``init(footerBytes:fileSize:limits:)``, fetch ``byteRanges(rowGroup:leaves:maximumGap:)`` and read from a
/// ``FetchedSource``.
public struct ParquetFile: Sendable {
  /// The bytes after the footer: its length and a mark.
  public static let trailerBytes = 8

  /// The footer.
  public let metadata: FileMetadata
  /// The leaves of the schema in the order of the file's column chunks, with the paths that the file has, which may
  /// differ from those of ``ParquetSchema/leaves`` of ``metadata`` for lists and maps of other writers.
  public let leaves: [ParquetLeaf]
  let nodes: SchemaNodes
  let details: [[ChunkDetails]]
  /// How the bounds of each leaf are ordered.
  let boundsOrders: [BoundsOrder]
  let limits: ParquetLimits
  let fileSize: Int64
  private let source: (any ByteSource)?

  /// Opens the file that `source` holds: reads its footer.
  /// - Throws: `.corrupt` when it is not a Parquet file, `.unsupported` for an encrypted footer, `.io`.
  public init(_ source: any ByteSource, limits: ParquetLimits = ParquetLimits()) throws(ParquetError) {
    let size = source.size
    // Most footers are shorter than this: one read instead of two.
    let tailStart = max(0, size - (64 << 10))
    let tail = try source.read(tailStart..<size)
    let range = try Self.footerRange(fileSize: size, tail: tail, limits: limits)
    let footer: [UInt8]
    if range.lowerBound >= tailStart, tail.count == Int(size - tailStart) {
      footer = Array(tail[Int(range.lowerBound - tailStart)..<Int(range.upperBound - tailStart)])
    } else {
      footer = try source.read(range)
    }
    try self.init(footerBytes: footer, fileSize: size, limits: limits, source: source)
  }

  /// A file of `fileSize` bytes from the bytes of its footer, see ``footerRange(fileSize:tail:limits:)``. Its methods
  /// that read need a source then.
  /// - Throws: `.corrupt`.
  public init(
    footerBytes: [UInt8], fileSize: Int64, limits: ParquetLimits = ParquetLimits()
  ) throws(ParquetError) {
    try self.init(footerBytes: footerBytes, fileSize: fileSize, limits: limits, source: nil)
  }

  /// Where the footer of a file of `fileSize` bytes is.
  ///
  /// - Parameter tail: the file's last bytes, 8 or more of them.
  /// - Throws: `.corrupt` when it is not a Parquet file, `.unsupported` for an encrypted footer.
  public static func footerRange(
    fileSize: Int64, tail: [UInt8], limits: ParquetLimits = ParquetLimits()
  ) throws(ParquetError) -> Range<Int64> {
    guard fileSize >= 12, tail.count >= trailerBytes else {
      throw ParquetError(.corrupt, "a file of \(fileSize) bytes is not a Parquet file, which has 12 at least")
    }
    let trailer = tail[(tail.count - trailerBytes)...]
    let mark = Array(trailer.suffix(4))
    guard mark != Array("PARE".utf8) else {
      throw ParquetError(.unsupported, "the footer is encrypted")
    }
    guard mark == Array("PAR1".utf8) else {
      throw ParquetError(.corrupt, "a Parquet file ends with PAR1, this one with the bytes \(mark)")
    }
    let length = trailer.prefix(4).reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    guard length <= fileSize - 12 else {
      throw ParquetError(.corrupt, "a footer of \(length) bytes in a file of \(fileSize)")
    }
    guard length <= Int64(limits.metadataBytes) else {
      throw ParquetError(
        .unsupported, "a footer of \(length) bytes, the limit is \(limits.metadataBytes) (ParquetLimits)")
    }
    return fileSize - 8 - length..<fileSize - 8
  }

  private init(
    footerBytes: [UInt8], fileSize: Int64, limits: ParquetLimits, source: (any ByteSource)?
  ) throws(ParquetError) {
    var footer = try RawFooter(footerBytes)
    let nodes = try SchemaNodes(footer.elements)
    let infos = nodes.leaves
    for (index, group) in footer.rowGroups.enumerated() where group.columns.count != infos.count {
      throw ParquetError(
        .corrupt, "row group \(index) has \(group.columns.count) column chunks, the schema \(infos.count) leaves")
    }
    footer.keepTrustworthyBounds(infos)
    metadata = FileMetadata(
      schema: ParquetSchema(nodes.fields.map { $0.field(infos) }), rowCount: footer.rowCount,
      rowGroups: footer.rowGroups, keyValues: footer.keyValues, createdBy: footer.createdBy)
    leaves = infos.map(\.leaf)
    self.nodes = nodes
    details = footer.details
    boundsOrders = infos.indices.map { footer.orders.indices.contains($0) ? footer.orders[$0] : .undefined }
    self.limits = limits
    self.fileSize = fileSize
    self.source = source
  }

  // MARK: What to read

  /// The schema of what a projection reads: its fields are those of the arrays that readers give.
  public func schema(_ projection: ParquetProjection) -> ParquetSchema {
    ParquetSchema(projection.apply(to: nodes.fields).map { $0.field(nodes.leaves) })
  }

  /// The leaves that a projection reads, as indices of ``leaves``.
  public func leafIndices(_ projection: ParquetProjection) -> Set<Int> {
    Set(projection.apply(to: nodes.fields).flatMap(\.leafIndices))
  }

  /// The parts of the file that hold the chunks of `leaves`, in order. Parts that are at most `maximumGap` bytes apart
  /// become one.
  /// - Throws: `.corrupt` when a chunk is not within the file, `.invalid` for a row group or leaf that is not there.
  public func byteRanges(
    rowGroup: Int, leaves: Set<Int>, maximumGap: Int64 = 64 << 10
  ) throws(ParquetError) -> [Range<Int64>] {
    var ranges: [Range<Int64>] = []
    for leaf in leaves where try chunk(rowGroup, leaf).compressedBytes != 0 {
      ranges.append(try chunkRange(rowGroup: rowGroup, leaf: leaf))
    }
    return RangeList.merged(ranges, maximumGap: maximumGap)
  }

  /// Where a column chunk is.
  func chunkRange(rowGroup: Int, leaf: Int) throws(ParquetError) -> Range<Int64> {
    let chunk = try self.chunk(rowGroup, leaf)
    let start = chunk.startOffset
    guard start >= 4, chunk.compressedBytes >= 0, chunk.compressedBytes <= fileSize,
      start <= fileSize - chunk.compressedBytes
    else {
      throw ParquetError(
        .corrupt, "\(place(rowGroup, leaf)): \(chunk.compressedBytes) bytes from \(start) on, in a file of \(fileSize)")
    }
    // The first versions of parquet-mr left a dictionary's header out of the size (PARQUET-816).
    let missing: Int64 = isOfOldWriter ? 100 : 0
    return start..<max(start + chunk.compressedBytes, min(start + chunk.compressedBytes + missing, fileSize - 8))
  }

  /// Whether parquet-mr before 1.2.9 wrote the file.
  private var isOfOldWriter: Bool {
    guard let createdBy = metadata.createdBy, createdBy.hasPrefix("parquet-mr") else { return false }
    guard createdBy.hasPrefix("parquet-mr version ") else { return true }
    let version = createdBy.dropFirst("parquet-mr version ".count).prefix { $0.isNumber || $0 == "." }
    return version.split(separator: ".").compactMap { Int($0) }.lexicographicallyPrecedes([1, 2, 9])
  }

  func chunk(_ rowGroup: Int, _ leaf: Int) throws(ParquetError) -> ColumnChunk {
    guard metadata.rowGroups.indices.contains(rowGroup) else {
      throw ParquetError(.invalid, "row group \(rowGroup) of a file with \(metadata.rowGroups.count)")
    }
    guard leaves.indices.contains(leaf) else {
      throw ParquetError(.invalid, "leaf \(leaf) of a schema with \(leaves.count)")
    }
    return metadata.rowGroups[rowGroup].columns[leaf]
  }

  /// A column and row group, for messages.
  func place(_ rowGroup: Int, _ leaf: Int) -> String {
    "column \(leaves[leaf].path.joined(separator: ".")), row group \(rowGroup)"
  }

  func source(_ other: (any ByteSource)?) throws(ParquetError) -> any ByteSource {
    guard let source = other ?? source else {
      throw ParquetError(.invalid, "the file was opened from its footer only; pass a source to read from")
    }
    guard source.size == fileSize else {
      throw ParquetError(.invalid, "the footer is of a file of \(fileSize) bytes, the source has \(source.size)")
    }
    return source
  }
}
