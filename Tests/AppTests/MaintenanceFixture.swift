import Columnar
import Foundation
import Iceberg
import Logging
import Parquet
import Synchronization
import Testing

/// A warehouse in a temporary directory with a table `ns.t (id bigint, name text)`, and judges that read it.
struct MaintenanceFixture: Sendable {
  static let identifier = TableIdentifier(Namespace(["ns"]), "t")
  static let position = "weir.position.job.sink"

  let directory: String
  let catalog: FileSystemCatalog
  let environment: CommitEnvironment

  init(
    spec: String = "", properties: [String: String] = [:], formatVersion: Int = 2,
    environment: CommitEnvironment = .system
  ) async throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("upkeep-\(UUID().uuidString)").path
    self.environment = environment
    try FileManager.default.createDirectory(atPath: directory + "/scratch", withIntermediateDirectories: true)
    catalog = try FileSystemCatalog(
      name: "test", warehouse: "file://\(directory)/wh", store: LocalFileStore(), logger: Logger(label: "test"),
      environment: environment)
    let schema = TableSchema(fields: [
      NestedField(id: 1, name: "id", type: .long, isRequired: true), NestedField(id: 2, name: "name", type: .string)
    ])
    try await catalog.createNamespace(Namespace(["ns"]), properties: [:])
    _ = try await catalog.createTable(
      Self.identifier,
      TableCreation(
        schema: schema, spec: spec.isEmpty ? PartitionSpec() : try PartitioningText.parseSpec(spec, schema: schema),
        properties: properties, formatVersion: formatVersion))
  }

  var scratch: String { directory + "/scratch" }

  func remove() { try? FileManager.default.removeItem(atPath: directory) }

  func table() async throws -> Table { try await Table(Self.identifier, in: catalog) }

  /// Writes rows as data files, which are not in the table.
  func write(_ ids: Range<Int64>, _ table: Table) async throws -> [DataFile] {
    var numbers = ColumnBuilder(.bigint)
    var texts = ColumnBuilder(.text)
    for id in ids {
      numbers.append(id)
      if id % 7 == 0 { texts.appendNull() } else { texts.append("name \(id)") }
    }
    let writer = PartitionedWriter(
      try WriteSettings(table.metadata), directory: scratch, prefix: "part-\(UUID().uuidString)")
    try writer.write([.leaf(numbers.finish()), .leaf(texts.finish())])
    let sealed = try writer.finish()
    try await SealedFile.publish(sealed, to: table.loaded.store)
    return sealed.map(\.file)
  }

  /// Adds rows as a sink does: the position moves in the same commit.
  @discardableResult
  func append(_ ids: Range<Int64>, position: Int = 0) async throws -> Table {
    var table = try await table()
    let files = try await write(ids, table)
    try await table.commit(
      [
        AppendFiles(files, summary: ["weir.checkpoint": "\(position)"]),
        UpdateProperties(setting: [Self.position: "\(position)"])
      ], environment: environment)
    return table
  }

  /// All ids of the current snapshot, sorted.
  func ids() async throws -> [Int64] {
    var ids: [Int64] = []
    let scan = try TableScan(try await table(), options: ScanOptions(columns: ["id"]))
    try await scan.forEachBatch { batch in
      guard case .leaf(let column) = batch.columns[0] else { return }
      for row in 0..<batch.rowCount { if case .int64(let id) = column.value(row) { ids.append(id) } }
    }
    return ids.sorted()
  }

  /// The greatest number of live data files that a partition has.
  func filesOfFullestPartition() async throws -> Int {
    let tasks = try await TableScan(try await table()).plan()
    return Dictionary(grouping: tasks) { TablePartition($0.entry.file) }.values.map(\.count).max() ?? 0
  }

  /// Makes data files look older by some seconds: files are dated by the store's clock, which no test can set.
  func backdate(_ files: [DataFile], by seconds: Double) throws {
    for file in files {
      try FileManager.default.setAttributes(
        [.modificationDate: Date().addingTimeInterval(-seconds)],
        ofItemAtPath: String(file.filePath.dropFirst("file://".count)))
    }
  }

  /// Every file below the table's directory.
  func files() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: directory + "/wh/ns/t").filter { $0.contains(".") }.sorted()
  }

  /// What the validator says; it decodes every file, and counts rows with pyiceberg and DuckDB.
  func judge(_ extra: [String] = []) async throws -> String {
    let python = try #require(
      ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"], "WEIR_JUDGES_PYTHON is set by ./weir test")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/iceberg_check.py").path
    let metadata = try await table().loaded.metadataLocation.dropFirst("file://".count)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = [script, String(metadata), "--unique-key", "id", "--ignore", "delete.target"] + extra
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? "sound" : String(decoding: data, as: UTF8.self)
  }
}

/// A clock that stands still until it is advanced; whoever sleeps wakes when its time has come.
final class VirtualTime: Sendable {
  private struct State {
    var now: Int64
    var sleepers: [Int: (until: Int64, wake: CheckedContinuation<Bool, Never>)] = [:]
    var idle: [CheckedContinuation<Void, Never>] = []
    var cancelled: Set<Int> = []
    var next = 0
  }

  private let state: Mutex<State>

  init(_ now: Int64) { state = Mutex(State(now: now)) }

  var now: Int64 { state.withLock { $0.now } }
  var isIdle: Bool { state.withLock { !$0.sleepers.isEmpty } }

  var environment: CommitEnvironment {
    CommitEnvironment(
      nowMilliseconds: { self.now }, sleep: { try await self.sleep($0) }, random: { UInt64.random(in: 0...UInt64.max) })
  }

  func sleep(_ milliseconds: Int64) async throws {
    let number = state.withLock { state in
      state.next += 1
      return state.next
    }
    let isAwake = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (idle, isCancelled) = state.withLock { state -> ([CheckedContinuation<Void, Never>], Bool) in
          if state.cancelled.remove(number) != nil { return ([], true) }
          state.sleepers[number] = (state.now + milliseconds, continuation)
          defer { state.idle = [] }
          return (state.idle, false)
        }
        for waiting in idle { waiting.resume() }
        if isCancelled { continuation.resume(returning: false) }
      }
    } onCancel: {
      let sleeper = state.withLock { state in
        let found = state.sleepers.removeValue(forKey: number)
        if found == nil { state.cancelled.insert(number) }
        return found
      }
      sleeper?.wake.resume(returning: false)
    }
    guard isAwake else { throw CancellationError() }
  }

  /// Goes on, and wakes those whose time has come.
  func advance(_ milliseconds: Int64) {
    let due = state.withLock { state in
      state.now += milliseconds
      let due = state.sleepers.filter { $0.value.until <= state.now }
      for number in due.keys { state.sleepers[number] = nil }
      return due.values.map(\.wake)
    }
    for wake in due { wake.resume(returning: true) }
  }

  /// Waits until somebody sleeps.
  func idle() async {
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        if !state.sleepers.isEmpty { return true }
        state.idle.append(continuation)
        return false
      }
      if isIdle { continuation.resume() }
    }
  }
}
