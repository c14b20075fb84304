import Actors
import Checkpointing
import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Logging
import Parquet
import Runtime
import SQL
import Sinks
import Testing

/// What outlives a job's processes: its tables, and the newest checkpoint with the commits that are not done.
final class IcebergWorld {
  let table: TableDefinition
  let directory: String
  let job: String
  let files: ScratchFileStore
  let store: any ObjectStore
  var lineage = "L"
  var attempt: UInt64 = 0
  /// The newest checkpoint that has a manifest, and what it says.
  private(set) var newest: UInt64 = 0
  private(set) var pending: [PendingCommit] = []
  private(set) var held: UInt64 = 0
  /// The position of the source at ``newest``.
  private(set) var offset: Int64 = 0

  init(_ table: TableDefinition, job: String = "job", store: any ObjectStore = LocalFileStore()) throws {
    self.table = table
    self.job = job
    self.store = store
    directory = "/tmp/weir-iceberg-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    files = try ScratchFileStore()
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  static let environment = CommitEnvironment(
    nowMilliseconds: CommitEnvironment.system.nowMilliseconds, sleep: { _ in await Task.yield() },
    random: CommitEnvironment.system.random)

  func catalog(_ store: (any ObjectStore)? = nil) throws -> any Catalog {
    try FileSystemCatalog(
      name: "test", warehouse: directory, store: store ?? self.store, logger: Logger(label: "test"),
      environment: Self.environment)
  }

  /// A new attempt, claimed.
  func start(as definition: TableDefinition? = nil, catalog given: (any Catalog)? = nil) async throws -> IcebergRun {
    attempt += 1
    let catalog = try given ?? self.catalog()
    let connector = try IcebergSinkConnector(
      definition ?? table, job: job, defaults: SinkDefaults(checkpointDirectory: "/tmp", warehouse: directory),
      environment: Self.environment, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) { () throws(IcebergError) in catalog }
    let owner = JobOwner(lineage: lineage, attempt: attempt)
    let reached = try await connector.claim(
      owner: owner, newest: CheckpointID(newest), committed: CheckpointID(held))
    guard reached.number >= held else {
      throw PositionConflict(
        sink: table.name, expected: SinkPosition(owner: owner, checkpoint: CheckpointID(held), sources: .init()),
        found: nil)
    }
    pending.removeAll { $0.checkpoint <= reached }
    return try IcebergRun(self, connector, owner, definition ?? table)
  }

  fileprivate func store(_ commit: PendingCommit, offset: Int64) {
    newest = commit.checkpoint.number
    pending.append(commit)
    self.offset = offset
  }

  func committed(_ group: [PendingCommit]) {
    guard let last = group.last else { return }
    pending.removeAll { $0.checkpoint <= last.checkpoint }
    if let rows = group.last(where: { $0.rows > 0 }) { held = rows.checkpoint.number }
  }

  /// The table as it is now.
  func load(_ name: String) async throws -> Table {
    let levels = name.split(separator: ".").map(String.init)
    return try await Table(
      TableIdentifier(Namespace(Array(levels.dropLast())), levels[levels.count - 1]), in: try catalog(LocalFileStore()))
  }

  /// All rows of a table as text, sorted.
  func rows(_ name: String, columns: [String]? = nil) async throws -> [String] {
    try await Self.rows(of: try await load(name), columns: columns)
  }

  /// All rows of a table as text, sorted.
  static func rows(of table: Table, columns: [String]? = nil) async throws -> [String] {
    let scan = try TableScan(table, snapshot: .current, options: ScanOptions())
    let fields = table.metadata.currentSchema?.fields.map(\.name) ?? []
    let wanted = (columns ?? fields).compactMap { fields.firstIndex(of: $0) }
    var rows: [String] = []
    for task in try await scan.plan() {
      var reader = try await scan.open(task)
      while let batch = try await reader.next() {
        for row in 0..<batch.rowCount {
          rows.append(wanted.map { text(batch.columns[$0], row) }.joined(separator: "|"))
        }
      }
    }
    return rows.sorted()
  }

  private static func text(_ array: ParquetArray, _ row: Int) -> String {
    guard case .leaf(let column) = array else { return "?" }
    switch column.value(row) {
    case .null: return "null"
    case .boolean(let value): return "\(value)"
    case .int64(let value): return "\(value)"
    case .float64(let value): return "\(value)"
    case .numeric(let value): return "\(value)"
    case .bytes(let value): return String(decoding: value, as: UTF8.self)
    case .interval(let value): return "\(value)"
    case .uuid(let value): return "\(value)"
    }
  }

  /// What independent readers find wrong with a table.
  func judge(_ name: String, _ arguments: [String] = []) async throws -> String {
    let table = try await load(name)
    return try IcebergJudge.run(
      "iceberg_check.py", [table.loaded.metadataLocation, "--allow-orphans"] + arguments)
  }
}

/// One life of a sink: claimed, writing, sealing, committing.
final class IcebergRun {
  let connector: IcebergSinkConnector
  let owner: JobOwner
  let table: TableDefinition
  private let world: IcebergWorld
  private var writer: any SinkWriter
  private(set) var rejections: [RowRejection] = []
  /// The position of the source.
  private(set) var offset: Int64
  private var checkpoint: UInt64

  init(_ world: IcebergWorld, _ connector: IcebergSinkConnector, _ owner: JobOwner, _ table: TableDefinition) throws {
    self.world = world
    self.connector = connector
    self.owner = owner
    self.table = table
    offset = world.offset
    checkpoint = world.newest
    writer = try connector.makeWriter(files: world.files)
  }

  var epochBytes: Int { writer.epochBytes }

  func write(_ columns: [Column], kinds: [RowKind]? = nil) throws {
    rejections += try writer.write(Make.batch(table, columns, kinds: kinds))
    offset += Int64(columns.first?.count ?? 0)
  }

  /// Seals an epoch, without a manifest.
  func sealOnly() async throws -> PendingCommit {
    checkpoint += 1
    let sealed = try await writer.seal(CheckpointID(checkpoint))
    return PendingCommit(
      sink: table.name, checkpoint: CheckpointID(checkpoint), from: CheckpointID(checkpoint - 1),
      sources: SourcePositions(["events": ["topic/0": offset]]), rows: sealed.rows, payload: sealed.payload,
      files: sealed.files)
  }

  /// Seals an epoch; from here it is part of a checkpoint.
  @discardableResult
  func seal() async throws -> PendingCommit {
    let commit = try await sealOnly()
    world.store(commit, offset: offset)
    return commit
  }

  /// Commits everything that waits, as one group.
  @discardableResult
  func commit() async throws -> Actors.CommitOutcome {
    let group = world.pending
    if group.isEmpty { return Actors.CommitOutcome(rowsApplied: 0) }
    let outcome = try await connector.commit(group, owner: owner, files: world.files)
    world.committed(group)
    return outcome
  }

  /// Commits without telling the world.
  func commitOnly(_ group: [PendingCommit]) async throws -> Actors.CommitOutcome {
    try await connector.commit(group, owner: owner, files: world.files)
  }

  /// The region dies and is made anew from the newest checkpoint.
  func restartRegion() throws {
    writer.close()
    writer = try connector.makeWriter(files: world.files)
    offset = world.offset
    checkpoint = max(checkpoint, world.newest)
  }

  func close() async {
    writer.close()
    await connector.close()
  }
}

/// Runs the judges of `Tests/Judges`.
enum IcebergJudge {
  /// The judge's findings; empty when all is well.
  static func run(_ script: String, _ arguments: [String]) throws -> String {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/\(script)").path
    let (status, output) = try python([path] + arguments)
    return status == 0 ? "" : output + " (\(status))"
  }

  /// Runs a program of Python; its status and all that it says.
  static func python(_ arguments: [String]) throws -> (status: Int32, output: String) {
    let interpreter = try #require(
      ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"],
      "WEIR_JUDGES_PYTHON names the judges' interpreter; ./weir test sets it")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: interpreter)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}
