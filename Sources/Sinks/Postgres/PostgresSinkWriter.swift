import Actors
import Checkpointing
import Columnar
import Runtime

/// Encodes the rows of an epoch for COPY.
final class PostgresSinkWriter: SinkWriter {
  private let sink: String
  private let mode: PostgresPayload.Mode
  private let key: [String]
  private var encoder: CopyEncoder
  private var spill: EpochSpill
  private var rowCount = 0
  private var hasDeletes = false

  init(
    sink: String, columns: [PostgresTargetColumn], mode: PostgresPayload.Mode, key: [String],
    files: any PendingFileStore
  ) {
    self.sink = sink
    self.mode = mode
    self.key = key
    encoder = CopyEncoder(columns: columns, isMerging: mode == .upsert)
    spill = EpochSpill(sink: sink, files: files)
  }

  var epochBytes: Int { spill.byteCount }

  func write(_ batch: Batch) throws -> [RowRejection] {
    guard batch.columns.count == encoder.columns.count else {
      throw SinkError(
        sink: sink, severity: .fatal,
        message: "expected \(encoder.columns.count) columns, a batch has \(batch.columns.count)")
    }
    let result = encoder.encode(batch, into: &spill.buffer)
    rowCount += result.rows
    hasDeletes = hasDeletes || result.hasDeletes
    try SinkFailures.translate(sink) { try spill.flushIfFull() }
    return result.rejections
  }

  func seal(_ checkpoint: CheckpointID) throws -> SealedEpoch {
    try SinkFailures.translate(sink) {
      let sealed = try spill.seal()
      let payload = PostgresPayload(
        mode: mode, columns: encoder.columns.map(\.column), key: key, hasDeletes: hasDeletes, rowCount: rowCount,
        rows: sealed.rows)
      let epoch = SealedEpoch(
        rows: rowCount, payload: try payload.encoded(inline: sealed.inline), files: sealed.rows.file.map { [$0] } ?? [])
      rowCount = 0
      hasDeletes = false
      encoder.nextOrdinal = 0
      return epoch
    }
  }

  func close() { spill.discard() }
}
