import Actors
import Checkpointing
import Columnar
import Formats
import Runtime

/// A transactional table that takes rows and position in one act: the plainest sink that the promise can rest on.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, see ``SimulatedWorld``.
public final class SimulatedTable: @unchecked Sendable {
  /// The committed rows, as JSON objects.
  public private(set) var rows: [String] = []
  /// The committed position.
  public private(set) var position: SinkPosition?
  /// The table's name.
  public let name: String
  /// Is told of every commit that took effect.
  var committed: (SimulatedTable) -> Void = { _ in }
  fileprivate unowned let world: SimulatedWorld

  /// An empty table.
  public init(_ name: String, in world: SimulatedWorld) {
    self.name = name
    self.world = world
  }

  fileprivate func claim(_ owner: JobOwner, _ newest: CheckpointID) throws -> CheckpointID {
    switch owner.claim(sink: name, stored: position, newest: newest) {
    case .conflict(let conflict): throw conflict
    case .claim(let next):
      position = next
      return next.checkpoint
    }
  }

  fileprivate func commit(_ pending: PendingCommit, _ owner: JobOwner) throws -> CommitOutcome {
    switch pending.decide(stored: position, owner: owner) {
    case .conflict(let conflict): throw conflict
    case .skip: return CommitOutcome(rowsApplied: 0, wasSkipped: true)
    case .apply:
      let lines = pending.payload.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
      guard lines.count == pending.rows else {
        throw SinkError(sink: name, severity: .fatal, message: "expected \(pending.rows) rows, found \(lines.count)")
      }
      rows += lines
      position = SinkPosition(owner: owner, checkpoint: pending.checkpoint, sources: pending.sources)
      world.trace("commit \(name) checkpoint \(pending.checkpoint) rows \(lines.count) by attempt \(owner.attempt)")
      committed(self)
      return CommitOutcome(rowsApplied: lines.count)
    }
  }
}

/// A process's connection to a table: slow, unreliable, and gone when the process is.
public struct SimulatedTableSink: SinkConnector {
  private let table: SimulatedTable
  private let schema: Schema
  private let process: SimulatedProcess

  /// A connection of `process` to `table`, for rows of `schema`.
  public init(_ table: SimulatedTable, schema: Schema, process: SimulatedProcess) {
    self.table = table
    self.schema = schema
    self.process = process
  }

  /// See ``Actors/SinkConnector/claim(owner:newest:)``.
  public func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID {
    try await exchange("claim") { try table.claim(owner, newest) }
  }

  /// A writer that keeps its rows in memory.
  public func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    SimulatedTableWriter(schema, process: process)
  }

  /// See ``Actors/SinkConnector/commit(_:owner:files:)-1xk8y``.
  public func commit(
    _ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore
  ) async throws -> CommitOutcome {
    try await exchange("commit") { try table.commit(pending, owner) }
  }

  /// Nothing.
  public func close() async {}

  /// A request and its answer, either of which may be lost.
  private func exchange<Answer>(_ what: String, _ body: () throws -> Answer) async throws -> Answer {
    let world = table.world
    let place = "\(what) \(table.name)"
    try await world.latency(process, place)
    try world.crashPoint(process, "before \(place)")
    if world.strikes(.postgresDisconnect, place) { throw lost }
    let answer = try body()
    try world.crashPoint(process, "after \(place)")
    if world.strikes(.postgresLostCommit, place) { throw lost }
    try await world.latency(process, place)
    return answer
  }

  private var lost: SinkError { SinkError(sink: table.name, severity: .transient, message: "connection lost") }
}

private final class SimulatedTableWriter: SinkWriter {
  private let encoder: JSONRowEncoder
  private let process: SimulatedProcess
  private var bytes: [UInt8] = []
  private var rows = 0

  init(_ schema: Schema, process: SimulatedProcess) {
    encoder = JSONRowEncoder(schema)
    self.process = process
  }

  var epochBytes: Int { bytes.count }

  func write(_ batch: Batch) throws -> [RowRejection] {
    for row in 0..<batch.count {
      encoder.append(row: row, of: batch, to: &bytes)
      bytes.append(UInt8(ascii: "\n"))
    }
    rows += batch.count
    return []
  }

  nonisolated(nonsending) func seal(_ checkpoint: CheckpointID) async throws -> SealedEpoch {
    if process.isDead { throw ProcessDied() }
    defer { (bytes, rows) = ([], 0) }
    return SealedEpoch(rows: rows, payload: bytes, files: [])
  }

  func close() {}
}
