import Actors
import Checkpointing
import Columnar
import Glibc
import Runtime
import Synchronization

/// Prints rows as JSON lines when their checkpoint commits: at least once after a crash, since a terminal keeps no position.
final class StandardOutputConnector: SinkConnector {
  private let sink: String
  private let schema: Schema
  private let printer: StandardOutputPrinter

  init(sink: String, schema: Schema, descriptor: Int32 = STDOUT_FILENO) {
    self.sink = sink
    self.schema = schema
    printer = StandardOutputPrinter(sink: sink, descriptor: descriptor)
  }

  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID { await printer.printed }

  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    LinesWriter(sink: sink, schema: schema, files: files)
  }

  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) async throws -> CommitOutcome {
    try await printer.print(pending, files: files)
  }

  func close() async { await printer.close() }
}

/// Writes to the terminal, which may block, on a lane of its own.
actor StandardOutputPrinter {
  nonisolated private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  private let sink: String
  private let descriptor: Int32
  /// The last checkpoint whose rows were printed by this process.
  private(set) var printed = CheckpointID(0)

  init(sink: String, descriptor: Int32) {
    self.sink = sink
    self.descriptor = descriptor
    lane = Lane(name: "out-\(sink)")
  }

  func print(_ pending: PendingCommit, files: any PendingFileStore) throws -> CommitOutcome {
    guard pending.checkpoint > printed else { return CommitOutcome(rowsApplied: 0, wasSkipped: true) }
    return try SinkFailures.translate(sink) {
      let (payload, reader) = try LinesPayload.open(pending, files: files)
      try reader.forEachPiece { bytes in
        var written = 0
        while written < bytes.count {
          let count = write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
          guard count >= 0 || errno == EINTR || errno == EAGAIN else {
            throw FileFailure("write to", "stdout", code: errno)
          }
          written += max(0, count)
        }
      }
      printed = pending.checkpoint
      return CommitOutcome(rowsApplied: payload.rowCount)
    }
  }

  func close() { lane.stop() }
}

/// Counts rows and lets them go: for measuring what stands before a sink.
final class BlackholeConnector: SinkConnector {
  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID { newest }

  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter { BlackholeWriter() }

  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) async throws -> CommitOutcome {
    CommitOutcome(rowsApplied: pending.rows)
  }

  func close() async {}
}

/// Counts the rows of an epoch.
final class BlackholeWriter: SinkWriter {
  private var rowCount = 0

  var epochBytes: Int { 0 }

  func write(_ batch: Batch) throws -> [RowRejection] {
    rowCount += batch.count
    return []
  }

  func seal(_ checkpoint: CheckpointID) throws -> SealedEpoch {
    defer { rowCount = 0 }
    return SealedEpoch(rows: rowCount, payload: [], files: [])
  }

  func close() {}
}
