import Actors
import Checkpointing
import Columnar
import Foundation
import Logging
import Runtime
import SQL
import Sinks
import Synchronization
import TestSupport

/// Files of pending commits in a directory that goes away with the store.
final class ScratchFileStore: PendingFileStore {
  let directory: String
  private let counter = Mutex(0)

  init() throws {
    directory = "/tmp/weir-sinks-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  func create(sink: String) throws -> (name: String, path: String) {
    let name = counter.withLock { value in
      value += 1
      return "\(sink)-\(value)"
    }
    return (name, path(name))
  }

  func path(_ name: String) -> String { directory + "/" + name }

  /// The names of the files that exist.
  var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: directory))?.sorted() ?? [] }
}

/// One server for all tests of this target; each test uses tables and job names of its own.
enum SharedServer {
  static let result = Result { try PostgresServer() }
  static var server: PostgresServer { get throws { try result.get() } }
}

/// Builds table definitions and batches in few words.
enum Make {
  static func table(
    _ name: String, _ columns: [(String, DataType)], key: [String] = [], options: [String: String]
  ) -> TableDefinition {
    let location = SourceLocation(line: 1, column: 1)
    return TableDefinition(
      name: name,
      columns: columns.map {
        ColumnDefinition(field: Field($0.0, $0.1, isNullable: !key.contains($0.0)), declaredType: $0.1.sqlName)
      },
      primaryKey: key, options: TableOptions(options.mapValues { .init(value: $0, location: location) }),
      location: location)
  }

  static func connector(_ table: TableDefinition, job: String, url: String? = nil) throws -> any SinkConnector {
    try SinkConnectors.make(
      table, job: job, defaults: SinkDefaults(postgresURL: url, checkpointDirectory: "/tmp"),
      logger: Logger(label: "test"))
  }

  static func whole(_ values: [Int64?], _ type: DataType = .bigint) -> Column {
    Column(type, .int64(values.map { $0 ?? 0 }), validity: validity(values))
  }

  static func text(_ values: [String?], _ type: DataType = .text) -> Column {
    var bytes = ByteValues()
    for value in values { bytes.append(contentsOf: Array((value ?? "").utf8)) }
    return Column(type, .bytes(bytes), validity: validity(values))
  }

  static func validity<Value>(_ values: [Value?]) -> Bitmap? {
    values.contains { $0 == nil } ? Bitmap(values.map { $0 != nil }) : nil
  }

  static func batch(_ table: TableDefinition, _ columns: [Column], kinds: [RowKind]? = nil) -> Batch {
    Batch(schema: table.schema, columns: columns, count: columns[0].count, rowKinds: kinds)
  }
}

/// Drives one sink as a region and its committer would: writes, seals, commits.
final class SinkDriver {
  let table: TableDefinition
  let connector: any SinkConnector
  let files: ScratchFileStore
  let owner: JobOwner
  private(set) var checkpoint: UInt64 = 0
  private(set) var rejections: [RowRejection] = []
  private var writer: (any SinkWriter)?

  init(
    _ table: TableDefinition, job: String, url: String? = nil, owner: JobOwner = JobOwner(lineage: "L", attempt: 1),
    files: ScratchFileStore? = nil
  ) throws {
    self.table = table
    self.owner = owner
    self.files = try files ?? ScratchFileStore()
    connector = try Make.connector(table, job: job, url: url)
  }

  @discardableResult
  func claim(newest: UInt64 = 0) async throws -> UInt64 {
    checkpoint = max(newest, checkpoint)
    let reached = try await connector.claim(owner: owner, newest: CheckpointID(checkpoint)).number
    writer = try connector.makeWriter(files: files)
    return reached
  }

  func write(_ columns: [Column], kinds: [RowKind]? = nil) throws {
    guard let writer else { return }
    rejections += try writer.write(Make.batch(table, columns, kinds: kinds))
  }

  func seal() async throws -> PendingCommit {
    checkpoint += 1
    let sealed = try await writer?.seal(CheckpointID(checkpoint)) ?? SealedEpoch(rows: 0, payload: [], files: [])
    return PendingCommit(
      sink: table.name, checkpoint: CheckpointID(checkpoint), from: CheckpointID(checkpoint - 1),
      sources: SourcePositions(["events": ["topic/0": Int64(checkpoint) * 10]]), rows: sealed.rows,
      payload: sealed.payload, files: sealed.files)
  }

  @discardableResult
  func commit(_ pending: PendingCommit) async throws -> CommitOutcome {
    try await connector.commit(pending, owner: owner, files: files)
  }

  @discardableResult
  func commitEpoch(_ columns: [Column], kinds: [RowKind]? = nil) async throws -> CommitOutcome {
    try write(columns, kinds: kinds)
    return try await commit(await seal())
  }

  func close() async {
    writer?.close()
    await connector.close()
  }
}
