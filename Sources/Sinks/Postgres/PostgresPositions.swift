import Actors
import Checkpointing
import FoundationEssentials
import PostgresClient

/// The row of `weir.positions` that says how far one sink of one job has got.
struct PostgresPositions {
  let session: any PostgresSession
  let job: String
  let sink: String

  /// Reads the position and keeps others from changing it until the transaction ends.
  func lock() throws -> SinkPosition? { try read("FOR UPDATE") }

  /// Reads the position as the transaction sees it.
  func read() throws -> SinkPosition? { try read("") }

  private func read(_ locking: String) throws -> SinkPosition? {
    let answer = try session.run(
      "SELECT lineage, attempt, checkpoint, sources FROM weir.positions WHERE job = $1 AND sink = $2 \(locking)",
      [job, sink])
    guard let row = answer.rows.first else { return nil }
    guard let lineage = row[0], let attempt = row[1].flatMap({ UInt64($0) }),
      let checkpoint = row[2].flatMap({ UInt64($0) }),
      let offsets = try? JSONDecoder().decode([String: [String: Int64]].self, from: Data((row[3] ?? "{}").utf8))
    else {
      throw SinkError(
        sink: sink, severity: .fatal,
        message: "the row of job '\(job)' in weir.positions cannot be read: \(row.map { $0 ?? "NULL" })")
    }
    return SinkPosition(
      owner: JobOwner(lineage: lineage, attempt: attempt), checkpoint: CheckpointID(checkpoint),
      sources: SourcePositions(offsets))
  }

  /// Writes the position; `stored` is what ``lock()`` found.
  func write(_ position: SinkPosition, replacing stored: SinkPosition?) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let sources = String(decoding: try encoder.encode(position.sources.offsets), as: UTF8.self)
    // A row that was not there is inserted without ON CONFLICT: a second writer that was as fast must fail.
    let statement =
      stored == nil
      ? """
      INSERT INTO weir.positions (job, sink, lineage, attempt, checkpoint, sources) VALUES ($1, $2, $3, $4, $5, $6)
      """
      : """
      UPDATE weir.positions SET lineage = $3, attempt = $4, checkpoint = $5, sources = $6,
      updated_at = clock_timestamp() WHERE job = $1 AND sink = $2
      """
    do {
      try session.run(
        statement,
        [
          job, sink, position.owner.lineage, String(position.owner.attempt), String(position.checkpoint.number), sources
        ])
    } catch let failure as PostgresFailure where failure.code == "23505" {
      throw SinkError(sink: sink, severity: .transient, message: "another instance wrote the first position just now")
    }
  }
}
