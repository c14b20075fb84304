import Parquet

/// A finished file in a local directory, on its way into a table's store.
public struct SealedFile: Hashable, Sendable {
  /// Where the local file is.
  public var localPath: String
  /// What goes into the table; its location is where ``publish(to:)`` puts it.
  public var file: DataFile

  /// A finished file.
  public init(localPath: String, file: DataFile) {
    self.localPath = localPath
    self.file = file
  }

  /// Puts the file into the store and removes the local one. Durable when this returns.
  public func publish(
    to store: any ObjectStore, scratch: any ScratchFiles = LocalScratchFiles()
  ) async throws(IcebergError) {
    _ = try await store.upload(file: localPath, to: file.filePath)
    scratch.remove(localPath)
  }

  /// Puts files into the store, several at a time.
  public static func publish(
    _ files: [SealedFile], to store: any ObjectStore, concurrency: Int = 4,
    scratch: any ScratchFiles = LocalScratchFiles()
  ) async throws(IcebergError) {
    _ = try await concurrentMap(files, limit: concurrency) { file throws(IcebergError) in
      try await file.publish(to: store, scratch: scratch)
    }
  }
}

/// Writes one data file of one partition to a local directory. Used by one task at a time.
public final class DataFileWriter {
  private let settings: WriteSettings
  private let partition: PartitionTuple
  private let writer: ParquetWriter
  private let localPath: String
  private let location: String
  private let content: FileContent
  private let equalityIDs: [Int]?
  private let sortOrderID: Int?

  /// Begins a file.
  ///
  /// - Parameters:
  ///   - settings: the table's settings.
  ///   - partition: the partition values of all rows.
  ///   - name: the file's name, unique in the table.
  ///   - directory: an existing local directory for the file while it is written.
  ///   - content: data, or equality deletes.
  ///   - equalityIDs: the columns that equality deletes compare.
  ///   - sortOrderID: the sort order of the rows.
  ///   - context: buffers that writers of one task share.
  ///   - scratch: makes the local file.
  /// - Throws: kind `io` when the local file cannot be made, `invalid` for settings that Parquet cannot fulfil.
  public init(
    _ settings: WriteSettings, partition: PartitionTuple, name: String, directory: String,
    content: FileContent = .data, equalityIDs: [Int]? = nil, sortOrderID: Int? = 0,
    context: ParquetWriterContext = ParquetWriterContext(), scratch: any ScratchFiles = LocalScratchFiles()
  ) throws(IcebergError) {
    self.settings = settings
    self.partition = partition
    self.content = content
    self.equalityIDs = equalityIDs
    self.sortOrderID = sortOrderID
    location = settings.locations.dataFile(
      name, partitionPath: settings.spec.path(of: partition))
    localPath = "\(directory)/\(name)"
    let path = localPath
    writer = try IcebergError.wrapping(path) { () throws(ParquetError) in
      try ParquetWriter(
        schema: settings.parquetSchema, options: settings.options, output: try scratch.create(path),
        context: context)
    }
  }

  /// How many rows were written.
  public var rowCount: Int64 { writer.rowCount }
  /// About how large the file would be if it ended now.
  public var bytesWritten: Int64 { writer.bytesWritten }
  /// About how many bytes of memory hold rows.
  public var bufferedBytes: Int { writer.bufferedBytes }

  /// Writes all rows of `columns`, one for each column of the schema.
  public func write(_ columns: [ParquetArray]) throws(IcebergError) {
    let stored = settings.storedColumns.map { columns[$0] }
    let writer = writer
    try IcebergError.wrapping(location) { () throws(ParquetError) in try writer.write(stored) }
  }

  /// Writes the rows at `rows` of `columns`, one for each column of the schema.
  public func write(_ columns: [ParquetArray], rows: [Int32]) throws(IcebergError) {
    let stored = settings.storedColumns.map { columns[$0] }
    let writer = writer
    try IcebergError.wrapping(location) { () throws(ParquetError) in try writer.write(stored, rows: rows) }
  }

  /// Ends the file.
  /// - Throws: kind `io` when it is not whole.
  public func finish() throws(IcebergError) -> SealedFile {
    let writer = writer
    let result = try IcebergError.wrapping(location) { () throws(ParquetError) in try writer.finish() }
    var file = DataFile(
      content: content, filePath: location, specID: settings.spec.specID, partition: partition,
      recordCount: result.metadata.rowCount, fileSizeInBytes: result.fileSize)
    try file.setMetrics(result, fields: settings.schema.fieldsByID, modes: settings.metricsModes)
    file.equalityIDs = equalityIDs
    file.sortOrderID = sortOrderID
    return SealedFile(localPath: localPath, file: file)
  }

  /// Gives the file up and removes it.
  public func abandon() { writer.abandon() }
}

extension IcebergError {
  /// Runs `body`; its errors name `source`.
  package static func wrapping<Output>(
    _ source: String, _ body: () throws(ParquetError) -> Output
  ) throws(IcebergError) -> Output {
    do throws(ParquetError) {
      return try body()
    } catch {
      let kind: IcebergError.Kind =
        switch error.kind {
        case .corrupt: .corrupt
        case .unsupported: .unsupported
        case .invalid: .invalid
        case .io: .io
        }
      throw IcebergError(kind, "\(source): \(error.message)")
    }
  }
}
