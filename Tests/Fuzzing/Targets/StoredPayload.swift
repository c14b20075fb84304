import Actors
import Checkpointing
import Iceberg
import Runtime
import Sinks

/// What the sinks' payloads in checkpoints say, read as a commit reads them.
enum StoredPayload {
  /// There are no files beside the payload.
  private struct NoFiles: PendingFileStore {
    func create(sink: String) throws -> (name: String, path: String) { (sink, path(sink)) }
    func path(_ name: String) -> String { "/nonexistent/\(sinkSafe(name))" }
    private func sinkSafe(_ name: String) -> String {
      String(name.unicodeScalars.map { $0.value > 32 ? Character($0) : "_" })
    }
  }

  /// Payloads as the sinks write them.
  static var samples: [[UInt8]] {
    var checksum = SpillChecksum()
    let rows = Array("rows".utf8)
    rows.withUnsafeBytes { checksum.update($0) }
    let spilled = SpilledRows(byteCount: rows.count, checksum: checksum.value, file: nil)
    let postgres = PostgresPayload(
      mode: .upsert, columns: [], key: ["id"], hasDeletes: true, rowCount: 1, rows: spilled)
    var file = DataFile(
      content: .data, filePath: "s3://bucket/a.parquet", fileFormat: "PARQUET", specID: 1,
      partition: PartitionTuple([.int(7), nil, .string("x"), .decimal(unscaled: -5, scale: 2)]), recordCount: 3,
      fileSizeInBytes: 100)
    (file.columnSizes, file.valueCounts) = ([1: 10], [1: 3, 2: 3])
    (file.lowerBounds, file.upperBounds) = ([1: [0]], [1: [9]])
    (file.splitOffsets, file.sortOrderID) = ([4], 0)
    let identifier = TableIdentifier(Namespace(["a", "b"]), "t")
    let iceberg = IcebergPayload(
      tables: [IcebergPayload.TableFiles(identifier: identifier, uuid: "u", files: [file])],
      reached: [identifier: CheckpointID(5)])
    let sealed = try? iceberg.sealed(rows: 3, sink: "t", files: NoFiles())
    return [(try? postgres.encoded(inline: rows)) ?? [], sealed?.payload ?? [], iceberg.bytes]
  }

  /// Reads a payload in each way that a sink might.
  /// - Throws: what a sink would say of it.
  static func read(_ payload: [UInt8]) throws {
    if let (header, inline) = PostgresPayload.decode(payload) {
      try SpillReader(rows: header.rows, inline: inline, files: NoFiles()).forEachPiece { _ in }
    }
    if let files = try? IcebergPayload(bytes: payload) {
      // What was read is written as it was, or is written and read as itself.
      let again = try IcebergPayload(bytes: files.bytes)
      precondition(again.bytes == files.bytes, "a payload that changes when it is stored again")
    }
    _ = try? KafkaMarkerCodec().decode(payload, sink: "t")
    let commit = PendingCommit(
      sink: "t", checkpoint: CheckpointID(2), from: CheckpointID(1), sources: SourcePositions(), rows: 1,
      payload: payload, files: [])
    _ = try IcebergPayload.open(commit, files: NoFiles())
  }
}
