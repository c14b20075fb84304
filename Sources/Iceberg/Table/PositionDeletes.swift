import Columnar
import Glibc
import Parquet

/// Rows to delete by their place in data files, to be written in the form of the table's version: position delete files
/// in v2, deletion vectors in v3 (Iceberg specification, "Row-level Deletes").
public struct PositionDeletes: Hashable, Sendable {
  /// The positions, by data file.
  public private(set) var positions: [String: PositionSet] = [:]

  /// No rows.
  public init() {}

  /// Deletes the row `position` of the data file at `path`.
  public mutating func insert(_ path: String, _ position: Int64) {
    var set = positions.removeValue(forKey: path) ?? PositionSet()
    set.insert(position)
    positions[path] = set
  }

  /// What was written, for a ``RowDelta``.
  public struct Written: Hashable, Sendable {
    /// The delete files.
    public var files: [DataFile] = []
    /// Delete files that they replace.
    public var replaced: [FileKey] = []

    /// The delta that deletes the rows.
    ///
    /// - Parameters:
    ///   - data: data files to add in the same commit.
    ///   - snapshotID: the snapshot that the positions were found in.
    ///   - summary: further entries of the snapshot's summary.
    public func delta(
      adding data: [DataFile] = [], startingSnapshotID snapshotID: Int64? = nil, summary: [String: String] = [:]
    ) -> RowDelta {
      var delta = RowDelta(adding: data, deletes: files, replacing: replaced, summary: summary)
      delta.startingSnapshotID = snapshotID
      return delta
    }
  }

  /// Writes the deletes into the table's store.
  ///
  /// - Parameters:
  ///   - scan: the scan that the positions were found in.
  ///   - tasks: its files; those without positions are passed over.
  ///   - scratchDirectory: an existing local directory.
  ///   - prefix: begins the names of all files: unique in the table.
  /// - Throws: kind `invalid` when there are positions of a file that is not among `tasks`.
  public func write(
    _ scan: TableScan, tasks: [ScanTask], scratchDirectory: String, prefix: String
  ) async throws(IcebergError) -> Written {
    var missing = Set(positions.keys)
    var affected: [ScanTask] = []
    for task in tasks where missing.remove(task.entry.file.filePath) != nil { affected.append(task) }
    if let path = missing.min() {
      throw IcebergError(.invalid, "rows of \(path) are to be deleted, which is not a file of the scan")
    }
    guard scan.table.metadata.formatVersion >= 3 else {
      return try await writeFiles(scan, affected, scratchDirectory: scratchDirectory, prefix: prefix)
    }
    return try await writeVectors(scan, affected, prefix: prefix)
  }

  /// One Puffin file with all vectors; each has the former deletes of its file too.
  private func writeVectors(
    _ scan: TableScan, _ tasks: [ScanTask], prefix: String
  ) async throws(IcebergError) -> Written {
    guard !tasks.isEmpty else { return Written() }
    let location = TableLocations(scan.table.metadata).dataFile("\(prefix)-deletes.puffin", partitionPath: "")
    var writer = PuffinWriter()
    var written = Written()
    for task in tasks {
      let file = task.entry.file
      var set = positions[file.filePath] ?? PositionSet()
      var former = task
      former.deletes.equalityDeletes = []
      if let loaded = try await scan.deletes.load(former).positions { set.formUnion(loaded) }
      let blob = try writer.appendDeletionVector(set, referencedDataFile: file.filePath)
      var vector = DataFile(
        content: .positionDeletes, filePath: location, fileFormat: "puffin", specID: file.specID,
        partition: file.partition, recordCount: set.count, fileSizeInBytes: 0)
      vector.referencedDataFile = file.filePath
      vector.contentOffset = blob.offset
      vector.contentSizeInBytes = blob.length
      written.files.append(vector)
      if let old = task.deletes.deletionVector { written.replaced.append(FileKey(old.file)) }
      for old in task.deletes.positionDeletes where old.file.referencedDataFile == file.filePath {
        written.replaced.append(FileKey(old.file))
      }
    }
    let bytes = writer.finish()
    _ = try await scan.table.store.write(location, bytes, ifAbsent: false)
    for index in written.files.indices { written.files[index].fileSizeInBytes = Int64(bytes.count) }
    return written
  }

  /// A position delete file for each data file.
  private func writeFiles(
    _ scan: TableScan, _ tasks: [ScanTask], scratchDirectory: String, prefix: String
  ) async throws(IcebergError) -> Written {
    var written = Written()
    var sealed: [SealedFile] = []
    for (index, task) in tasks.enumerated() {
      let file = task.entry.file
      guard let spec = scan.table.metadata.specsByID[file.specID] else { continue }
      let places = (positions[file.filePath] ?? PositionSet()).positions
      var settings = try WriteSettings(
        scan.table.metadata, schema: TableSchema(fields: PositionDeleteFields.fields), spec: spec)
      settings.keepWholeBounds()
      let writer = try DataFileWriter(
        settings, partition: file.partition, name: "\(prefix)-deletes-\(index).parquet", directory: scratchDirectory,
        content: .positionDeletes, sortOrderID: nil)
      try writer.write([
        .leaf(Column(repeating: .text(file.filePath), .text, count: places.count)),
        .leaf(Column(.bigint, .int64(places)))
      ])
      var done = try writer.finish()
      done.file.referencedDataFile = file.filePath
      sealed.append(done)
    }
    try await SealedFile.publish(sealed, to: scan.table.store)
    written.files = sealed.map(\.file)
    return written
  }
}
