import Columnar
import Parquet

/// Bounds on what a ``PartitionedWriter`` holds.
public struct WriterLimits: Hashable, Sendable {
  /// How many files are open at most; the one that was used least recently is closed for another.
  public var openFiles: Int
  /// How many bytes of memory the open files hold at most; the greatest one is closed when there are more.
  public var bufferedBytes: Int

  /// Limits.
  public init(openFiles: Int = 64, bufferedBytes: Int = 512 << 20) {
    self.openFiles = max(1, openFiles)
    self.bufferedBytes = max(1 << 20, bufferedBytes)
  }
}

/// Deals rows to one open file for each partition, and closes files at the table's target size.
///
/// Files are written to a local directory; the caller publishes the sealed ones. Used by one task at a time.
public final class PartitionedWriter {
  private struct OpenFile {
    var writer: DataFileWriter
    var lastUse: Int
  }

  private let settings: WriteSettings
  private var router: PartitionRouter?
  private var sources: [LeafAccess] = []
  private let directory: String
  private let prefix: String
  private let limits: WriterLimits
  private let scratch: any ScratchFiles
  private let context = ParquetWriterContext()
  private var open: [PartitionTuple: OpenFile] = [:]
  private var sealed: [SealedFile] = []
  private var fileCount = 0
  private var useCount = 0

  /// How many rows are written before the file's size is looked at again.
  private static let pieceRows = 8192

  /// A writer without rows.
  ///
  /// - Parameters:
  ///   - settings: the table's settings.
  ///   - directory: an existing local directory for files while they are written.
  ///   - prefix: begins the names of all files: unique in the table, a UUID for instance.
  ///   - limits: bounds on files and memory.
  ///   - scratch: makes the files of the directory.
  public init(
    _ settings: WriteSettings, directory: String, prefix: String, limits: WriterLimits = WriterLimits(),
    scratch: any ScratchFiles = LocalScratchFiles()
  ) {
    self.settings = settings
    self.directory = directory
    self.prefix = prefix
    self.limits = limits
    self.scratch = scratch
  }

  /// The router, made when it is needed first: rows whose partition is known need none.
  private func makeRouter() throws(IcebergError) -> PartitionRouter {
    if let router { return router }
    let router = try PartitionRouter(spec: settings.spec, schema: settings.schema)
    for id in Set(settings.spec.fields.map(\.sourceID)).sorted() {
      if let access = LeafAccess(id, in: settings.schema.fields) { sources.append(access) }
    }
    self.router = router
    return router
  }

  /// How many files are open.
  public var openFiles: Int { open.count }
  /// About how many bytes of memory hold rows.
  public var bufferedBytes: Int { open.values.reduce(0) { $0 + $1.writer.bufferedBytes } }

  /// About how large the open files would be if they ended now.
  public var bytesWritten: Int64 { open.values.reduce(0) { $0 + $1.writer.bytesWritten } }

  /// Writes rows: an array for each column of the schema.
  /// - Throws: kind `invalid` for rows that do not fit the schema, `io`.
  public func write(_ columns: [ParquetArray]) throws(IcebergError) {
    guard columns.count == settings.schema.fields.count else {
      throw IcebergError(
        .invalid, "the table has \(settings.schema.fields.count) columns, but \(columns.count) came")
    }
    let count = columns.first?.count ?? 0
    guard count > 0 else { return }
    guard !settings.spec.fields.isEmpty else {
      try write(columns, rows: (0..<Int32(count)).map { $0 }, to: PartitionTuple())
      return
    }
    let router = try makeRouter()
    var values: [Int: Column] = [:]
    for source in sources { values[source.fieldID] = try source.column(columns) }
    let routing = try router.route(values, count: count)
    for (tuple, rows) in zip(routing.tuples, routing.rowsByGroup) where !rows.isEmpty {
      try write(columns, rows: rows, to: tuple)
    }
  }

  /// Writes rows that are known to be of one partition.
  public func write(_ columns: [ParquetArray], partition: PartitionTuple) throws(IcebergError) {
    let count = columns.first?.count ?? 0
    guard count > 0 else { return }
    try write(columns, rows: (0..<Int32(count)).map { $0 }, to: partition)
  }

  private func write(_ columns: [ParquetArray], rows: [Int32], to partition: PartitionTuple) throws(IcebergError) {
    var start = 0
    while start < rows.count {
      let end = min(rows.count, start + Self.pieceRows)
      let writer = try self.writer(partition)
      try writer.write(columns, rows: start == 0 && end == rows.count ? rows : Array(rows[start..<end]))
      if writer.bytesWritten >= settings.targetFileSizeBytes { try seal(partition) }
      start = end
    }
    if bufferedBytes > limits.bufferedBytes {
      let greatest = open.max { $0.value.writer.bufferedBytes < $1.value.writer.bufferedBytes }
      if let greatest { try seal(greatest.key) }
    }
  }

  private func writer(_ partition: PartitionTuple) throws(IcebergError) -> DataFileWriter {
    useCount += 1
    if let file = open[partition] {
      open[partition]?.lastUse = useCount
      return file.writer
    }
    if open.count >= limits.openFiles, let oldest = open.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      try seal(oldest.key)
    }
    let name = "\(prefix)-\(fileCount).parquet"
    fileCount += 1
    let writer = try DataFileWriter(
      settings, partition: partition, name: name, directory: directory, context: context, scratch: scratch)
    open[partition] = OpenFile(writer: writer, lastUse: useCount)
    return writer
  }

  private func seal(_ partition: PartitionTuple) throws(IcebergError) {
    guard let file = open.removeValue(forKey: partition) else { return }
    do throws(IcebergError) {
      sealed.append(try file.writer.finish())
    } catch {
      file.writer.abandon()
      throw error
    }
  }

  /// The files that were closed since the last call: they may be published while others are written.
  public func takeSealed() -> [SealedFile] {
    defer { sealed = [] }
    return sealed
  }

  /// Closes all files; the writer is empty afterwards and may be used again.
  public func finish() throws(IcebergError) -> [SealedFile] {
    for partition in open.sorted(by: { $0.value.lastUse < $1.value.lastUse }).map(\.key) { try seal(partition) }
    return takeSealed()
  }

  /// Gives all open files up and removes them.
  public func abandon() {
    for file in open.values { file.writer.abandon() }
    open = [:]
  }
}
