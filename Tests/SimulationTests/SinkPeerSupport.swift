import Actors
import Checkpointing
import Columnar
import Runtime
import SQL
import SimulationKit

/// Runs tasks of simulated processes to their end.
enum Simulated {
  /// A task did not come to its end.
  struct Stuck: Error {
    let violation: String?
  }

  /// What came of a process's main task.
  ///
  /// `@unchecked Sendable`: touched on the simulation's one thread only.
  final class Ending<Value>: @unchecked Sendable {
    var outcome: Result<Value, any Error>?
  }

  /// Starts `body` as the main task of `process`.
  static func start<Value: Sendable>(
    _ process: SimulatedProcess, _ body: @escaping @Sendable () async throws -> Value
  ) -> Ending<Value> {
    let ending = Ending<Value>()
    process.start(body) { ending.outcome = $0 }
    return ending
  }

  /// Runs the world until a task has ended, or nothing can happen any more.
  static func finish<Value>(_ world: SimulatedWorld, _ ending: Ending<Value>) throws -> Value {
    world.run(until: .max) { ending.outcome != nil }
    guard let outcome = ending.outcome else { throw Stuck(violation: world.violation) }
    return try outcome.get()
  }

  /// Runs `body` as the main task of `process`, to its end.
  static func run<Value: Sendable>(
    _ world: SimulatedWorld, _ process: SimulatedProcess, _ body: @escaping @Sendable () async throws -> Value
  ) throws -> Value {
    try finish(world, start(process, body))
  }

  /// Runs `body` in a new process, to its end.
  static func run<Value: Sendable>(
    _ world: SimulatedWorld, _ body: @escaping @Sendable (SimulatedProcess) async throws -> Value
  ) throws -> Value {
    let process = SimulatedProcess(in: world)
    return try run(world, process) { try await body(process) }
  }
}

/// Names of files of epochs; nothing of the tests is large enough for one.
struct NoPendingFiles: PendingFileStore {
  struct Unexpected: Error {}
  func create(sink: String) throws -> (name: String, path: String) { throw Unexpected() }
  func path(_ name: String) -> String { "/pending/\(name)" }
}

/// What outlives the processes of a job with one sink: the newest checkpoint, and the commits that are not done.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
final class SinkLife: @unchecked Sendable {
  let table: TableDefinition
  var attempt: UInt64 = 0
  var newest: UInt64 = 0
  var held: UInt64 = 0
  var pending: [PendingCommit] = []
  /// The rows up to ``newest``.
  var rows: Int64 = 0

  init(_ table: TableDefinition) { self.table = table }

  static func table(connector: String, options: [String: String]) -> TableDefinition {
    let location = SourceLocation(line: 1, column: 1)
    var options = options
    options["connector"] = connector
    let fields = [Field("id", .bigint, isNullable: false), Field("name", .text)]
    return TableDefinition(
      name: "out", columns: fields.map { ColumnDefinition(field: $0, declaredType: $0.type.sqlName) },
      primaryKey: ["id"], options: TableOptions(options.mapValues { .init(value: $0, location: location) }),
      location: location)
  }

  /// Rows `from..<to` as a batch; each number is its own row.
  func batch(_ numbers: Range<Int64>) -> Batch {
    var names = ByteValues()
    for number in numbers { names.append(contentsOf: Array("n\(number)".utf8)) }
    return Batch(
      schema: table.schema,
      columns: [Column(.bigint, .int64(Array(numbers))), Column(.text, .bytes(names))], count: numbers.count)
  }

  /// One life of a process: claims, then writes and commits until `checkpoints` are done.
  func live(_ connector: any SinkConnector, checkpoints: UInt64, rowsEach: Int64 = 5) async throws {
    attempt += 1
    let owner = JobOwner(lineage: "L", attempt: attempt)
    let reached = try await retried {
      try await connector.claim(owner: owner, newest: CheckpointID(self.newest), committed: CheckpointID(self.held))
    }
    pending.removeAll { $0.checkpoint <= reached }
    try await commitPending(connector, owner)
    let writer = try connector.makeWriter(files: NoPendingFiles())
    defer { writer.close() }
    while newest < checkpoints {
      _ = try writer.write(batch(rows..<rows + rowsEach))
      let epoch = try await writer.seal(CheckpointID(newest + 1))
      // From here the checkpoint exists.
      pending.append(
        PendingCommit(
          sink: table.name, checkpoint: CheckpointID(newest + 1), from: CheckpointID(newest),
          sources: SourcePositions(["events": ["0": rows + rowsEach]]), rows: epoch.rows, payload: epoch.payload,
          files: epoch.files))
      newest += 1
      rows += rowsEach
      try await commitPending(connector, owner)
    }
  }

  private func commitPending(_ connector: any SinkConnector, _ owner: JobOwner) async throws {
    while let first = pending.first {
      let group = connector.commitsGroups ? pending : [first]
      _ = try await retried { try await connector.commit(group, owner: owner, files: NoPendingFiles()) }
      held = group.last?.checkpoint.number ?? held
      pending.removeFirst(group.count)
    }
  }

  /// Tries again what may work later, as the engine does.
  private func retried<Value>(_ body: () async throws -> Value) async throws -> Value {
    for _ in 0..<1000 {
      do { return try await body() } catch let error as SinkError where error.severity == .transient {
        try Task.checkCancellation()
      }
    }
    return try await body()
  }
}
