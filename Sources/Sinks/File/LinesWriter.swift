import Actors
import Checkpointing
import Columnar
import Formats
import FoundationEssentials
import Runtime

/// What a sealed epoch of lines says about its rows.
struct LinesPayload: Hashable, Sendable, Codable {
  /// The version of this description.
  var version = 1
  /// How many rows.
  var rowCount: Int
  /// Where they are.
  var rows: SpilledRows

  func encoded(inline: [UInt8]) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return PayloadCodec.encode(header: Array(try encoder.encode(self)), inline: inline)
  }

  /// The description in `pending`, and a reader of its rows.
  static func open(_ pending: PendingCommit, files: any PendingFileStore) throws -> (LinesPayload, SpillReader) {
    guard let parts = PayloadCodec.decode(pending.payload),
      let header = try? JSONDecoder().decode(LinesPayload.self, from: Data(parts.header)), header.version == 1
    else {
      throw SinkError(
        sink: pending.sink, severity: .fatal,
        message: "checkpoint \(pending.checkpoint) has a pending commit that this version cannot read")
    }
    return (header, SpillReader(rows: header.rows, inline: parts.inline, files: files))
  }
}

/// Encodes rows as JSON lines, for files and for the terminal.
final class LinesWriter: SinkWriter {
  private let sink: String
  private let encoder: JSONRowEncoder
  private var spill: EpochSpill
  private var rowCount = 0

  init(sink: String, schema: Schema, files: any PendingFileStore) {
    self.sink = sink
    encoder = JSONRowEncoder(schema)
    spill = EpochSpill(sink: sink, files: files)
  }

  var epochBytes: Int { spill.byteCount }

  func write(_ batch: Batch) throws -> [RowRejection] {
    var rejections: [RowRejection] = []
    if let kinds = batch.rowKinds {
      for row in 0..<batch.count {
        guard kinds[row] == .insert || kinds[row] == .updateAfter else {
          let message = "the row takes a former row back, and a sink of lines cannot; use connector = 'postgres'"
          rejections.append(RowRejection(row: row, message: message))
          continue
        }
        encoder.append(row: row, of: batch, to: &spill.buffer)
        spill.buffer.append(UInt8(ascii: "\n"))
      }
    } else {
      encoder.append(batch, to: &spill.buffer)
    }
    rowCount += batch.count - rejections.count
    try SinkFailures.translate(sink) { try spill.flushIfFull() }
    return rejections
  }

  func seal(_ checkpoint: CheckpointID) throws -> SealedEpoch {
    try SinkFailures.translate(sink) {
      let sealed = try spill.seal()
      let payload = LinesPayload(rowCount: rowCount, rows: sealed.rows)
      let epoch = SealedEpoch(
        rows: rowCount, payload: try payload.encoded(inline: sealed.inline), files: sealed.rows.file.map { [$0] } ?? [])
      rowCount = 0
      return epoch
    }
  }

  func close() { spill.discard() }
}
