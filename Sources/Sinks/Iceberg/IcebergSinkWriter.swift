import Actors
import Checkpointing
import Columnar
import Iceberg
import Parquet
import Runtime

/// Writes the rows of an epoch into data files: one open file for each table and partition.
///
/// Tables that were never seen are only made when an epoch is sealed: their rows wait in a file of the checkpoints.
final class IcebergSinkWriter: SinkWriter {
  private let configuration: IcebergConfiguration
  private let targets: IcebergTargets
  private let tables: IcebergTables
  private let files: any PendingFileStore
  private let router: IcebergRouter
  private let unseen: IcebergRows
  private let directory: String
  private let prefix: String
  private let scratch: any ScratchFiles

  /// Kept over epochs, with their buffers, when they are few.
  private var writers: [TableIdentifier: TableWriter] = [:]
  /// The tables that this epoch writes to.
  private var written: Set<TableIdentifier> = []
  private var waiting: WaitingRows
  private var rowCount = 0
  private var useCount = 0

  /// So many tables are written in one epoch, at most.
  static let tablesMax = 1000
  /// So many writers outlive an epoch.
  static let keptWritersMax = 32
  /// So many bytes of rows are held in memory by the open files of all tables.
  static let bufferedBytesMax = 256 << 20

  init(
    _ configuration: IcebergConfiguration, targets: IcebergTargets, tables: IcebergTables,
    files: any PendingFileStore, environment: CommitEnvironment
  ) throws {
    self.configuration = configuration
    self.targets = targets
    self.tables = tables
    self.files = files
    router = IcebergRouter(configuration.name, columns: configuration.columns)
    unseen = IcebergRows(columns: try IcebergColumns(declared: configuration.columns).columns)
    scratch = environment.scratch
    waiting = WaitingRows(sink: configuration.sink, files: files)
    directory = FilePath.parent(of: files.path("x"))
    let attempt = targets.fence.map { "\($0.owner.attempt)" } ?? "0"
    let names = [configuration.job, configuration.sink].map { IcebergTableName.cleaned(Array($0.utf8)[...]) ?? "_" }
    prefix = "weir-\(names[0])-\(names[1])-\(attempt)-\(environment.makeUUID())"
  }

  var epochBytes: Int { writers.values.reduce(waiting.byteCount) { $0 + $1.byteCount } }

  func write(_ batch: Batch) throws -> [RowRejection] {
    var refused: [Int: String] = [:]
    if let kinds = batch.rowKinds {
      for row in 0..<batch.count where kinds[row] != .insert && kinds[row] != .updateAfter {
        refused[row] =
          "the row takes a former row back, and a sink of Iceberg only adds rows; use connector = 'postgres'"
      }
    }
    let routes = router.route(batch, refused: &refused)
    for route in routes {
      do { try write(batch, route, &refused) } catch {
        throw IcebergFailures.sinkError(error, sink: configuration.sink)
      }
    }
    rowCount += batch.count - refused.count
    return refused.sorted { $0.key < $1.key }.map { RowRejection(row: $0.key, message: $0.value) }
  }

  private func write(_ batch: Batch, _ route: IcebergRouter.Route, _ refused: inout [Int: String]) throws {
    let identifier = route.table
    let target = targets[identifier]
    if !written.contains(identifier), written.count >= Self.tablesMax {
      for row in route.rows where refused[Int(row)] == nil {
        refused[Int(row)] = "the rows of this epoch go to \(Self.tablesMax) tables already; \(identifier) would be more"
      }
      return
    }
    let rows = target.map { IcebergRows(columns: $0.columns) } ?? unseen
    for (row, message) in rows.problems(route.isWhole(batch) ? batch : batch.gather(route.rows)) {
      let row = Int(route.rows[row])
      if refused[row] == nil { refused[row] = message }
    }
    let kept = refused.isEmpty ? route.rows : route.rows.filter { refused[Int($0)] == nil }
    guard !kept.isEmpty else { return }
    written.insert(identifier)
    let part = kept.count == batch.count ? batch : batch.gather(kept)
    if let target, !waiting.has(identifier) {
      try append(rows.arrays(part), to: target)
    } else {
      try waiting.append(part, for: identifier)
    }
  }

  private func append(_ arrays: [ParquetArray], to target: IcebergTarget) throws {
    let writer = writers[target.identifier] ?? makeWriter(target)
    useCount += 1
    writer.lastUse = useCount
    try writer.write(arrays)
    try bound()
  }

  private func makeWriter(_ target: IcebergTarget) -> TableWriter {
    let writer = TableWriter(
      target, directory: directory, prefix: "\(prefix)-\(useCount)",
      limits: WriterLimits(openFiles: configuration.openFiles, bufferedBytes: Self.bufferedBytesMax), scratch: scratch)
    writers[target.identifier] = writer
    return writer
  }

  /// Closes files of other tables when too many are open, or hold too much.
  private func bound() throws {
    while true {
      let open = writers.values.filter { $0.openFiles > 0 }
      let count = open.reduce(0) { $0 + $1.openFiles }
      let bytes = open.reduce(0) { $0 + $1.bufferedBytes }
      guard open.count > 1, count > configuration.openFiles || bytes > Self.bufferedBytesMax else { return }
      try open.min { $0.lastUse < $1.lastUse }?.closeFiles()
    }
  }

  nonisolated(nonsending) func seal(_ checkpoint: CheckpointID) async throws -> SealedEpoch {
    do {
      try await writeWaiting()
      var sealed: [IcebergPayload.TableFiles] = []
      for identifier in writers.keys.sorted() {
        guard let writer = writers[identifier] else { continue }
        let files = try await writer.publish()
        if !files.isEmpty {
          sealed.append(
            IcebergPayload.TableFiles(identifier: identifier, uuid: writer.target.uuid, files: files))
        }
      }
      let payload = IcebergPayload(tables: sealed, reached: targets.allReached)
      let epoch = try payload.sealed(rows: rowCount, sink: configuration.sink, files: files)
      if writers.count > Self.keptWritersMax { writers = [:] }
      written = []
      rowCount = 0
      return epoch
    } catch {
      throw IcebergFailures.sinkError(error, sink: configuration.sink)
    }
  }

  /// Makes the tables that were never seen, and writes the rows that wait for them.
  private nonisolated(nonsending) func writeWaiting() async throws {
    for identifier in waiting.tables { _ = try await tables.prepare(identifier) }
    try waiting.drain { identifier, batch in
      guard let target = self.targets[identifier] else {
        throw IcebergError(.notFound, "table \(identifier) is gone")
      }
      let rows = IcebergRows(columns: target.columns)
      if let problem = rows.problems(batch).min(by: { $0.key < $1.key }) {
        // The table was there before, and takes less than was declared. It is known from now on: when the epoch is
        // repeated, such rows are refused one by one.
        throw SinkError(
          sink: self.configuration.sink, severity: .failed,
          message: "table \(identifier) was there already and cannot take a row: \(problem.value)")
      }
      try self.append(rows.arrays(batch), to: target)
    }
  }

  func close() {
    for writer in writers.values { writer.abandon() }
    writers = [:]
    waiting.discard()
  }
}

/// The files of one table in an epoch.
final class TableWriter {
  let target: IcebergTarget
  var lastUse = 0
  private let writer: PartitionedWriter
  private let scratch: any ScratchFiles
  private var sealed: [SealedFile] = []
  private var sealedBytes = 0

  init(
    _ target: IcebergTarget, directory: String, prefix: String, limits: WriterLimits, scratch: any ScratchFiles
  ) {
    self.target = target
    self.scratch = scratch
    writer = PartitionedWriter(
      target.settings, directory: directory, prefix: prefix, limits: limits, scratch: scratch)
  }

  var openFiles: Int { writer.openFiles }
  var bufferedBytes: Int { writer.bufferedBytes }
  /// Bytes of finished files, and of those that are open.
  var byteCount: Int { sealedBytes + Int(clamping: writer.bytesWritten) }

  func write(_ arrays: [ParquetArray]) throws(IcebergError) {
    try writer.write(arrays)
    take(writer.takeSealed())
  }

  func closeFiles() throws(IcebergError) { take(try writer.finish()) }

  private func take(_ files: [SealedFile]) {
    sealed += files
    sealedBytes += files.reduce(0) { $0 + Int($1.file.fileSizeInBytes) }
  }

  /// Finishes all files and puts them where the table is; they are durable when this returns.
  nonisolated(nonsending) func publish() async throws(IcebergError) -> [DataFile] {
    try closeFiles()
    let files = sealed
    try await SealedFile.publish(files, to: target.store, concurrency: 4, scratch: scratch)
    sealed = []
    sealedBytes = 0
    return files.map(\.file)
  }

  func abandon() {
    writer.abandon()
    for file in sealed + writer.takeSealed() { scratch.remove(file.localPath) }
    sealed = []
  }
}
