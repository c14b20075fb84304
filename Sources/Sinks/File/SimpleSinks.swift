import Actors
import Checkpointing
import Columnar
import Glibc
import Runtime
import Synchronization

/// Prints rows as JSON lines when their checkpoint commits: at least once after a crash, since a terminal keeps no position.
package final class StandardOutputConnector: SinkConnector {
  private let sink: String
  private let schema: Schema
  private let printer: StandardOutputPrinter
  private let stop = StopFlag()

  package init(sink: String, schema: Schema, descriptor: Int32 = STDOUT_FILENO) {
    self.sink = sink
    self.schema = schema
    printer = StandardOutputPrinter(sink: sink, descriptor: descriptor, stop: stop)
  }

  package func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID { await printer.printed }

  package func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    LinesWriter(sink: sink, schema: schema, files: files)
  }

  package func commit(
    _ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore
  ) async throws -> CommitOutcome {
    try await printer.print(pending, files: files)
  }

  package func close() async {
    stop.stop()
    await printer.close()
  }
}

/// Writes to the terminal, which may block, on a lane of its own.
actor StandardOutputPrinter {
  nonisolated private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  private let sink: String
  private let descriptor: Int32
  private let stop: StopFlag
  /// The last checkpoint whose rows were printed by this process.
  private(set) var printed = CheckpointID(0)

  init(sink: String, descriptor: Int32, stop: StopFlag) {
    self.sink = sink
    self.descriptor = descriptor
    self.stop = stop
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
          if count < 0 && errno == EAGAIN {
            try waitUntilWritable()
          } else if count < 0 && errno != EINTR {
            throw FileFailure("write to", "stdout", code: errno)
          }
          written += max(0, count)
        }
      }
      printed = pending.checkpoint
      return CommitOutcome(rowsApplied: payload.rowCount)
    }
  }

  /// Waits for whoever reads a terminal or a pipe that does not block its writers.
  private func waitUntilWritable() throws {
    var status = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while poll(&status, 1, 100) <= 0 {
      guard stop.isStopping else { continue }
      throw SinkError(sink: sink, severity: .transient, message: "stopped while nobody read the standard output")
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
