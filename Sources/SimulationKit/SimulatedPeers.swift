import Actors
import Checkpointing
import Columnar
import Formats
import Iceberg
import Ingest
import Logging
import Runtime
import SQL
import Sinks

/// Where a simulated job delivers to.
public enum SinkKind: String, CaseIterable, Hashable, Sendable {
  /// A plain transactional table.
  case table
  /// The real PostgreSQL sink, on a simulated server.
  case postgres
  /// The real Iceberg sink with the file-system catalog, on a simulated object store.
  case iceberg
  /// The same with the REST catalog: the real client and the real service.
  case icebergREST = "iceberg-rest"
  /// The real Kafka sink, on a simulated broker with transactions.
  case kafka
  /// The real file sink, on a simulated disk.
  case file

  /// The options of a table called `name`, as they stand in the SQL file.
  func options(_ name: String) -> String {
    switch self {
    case .table: "connector = 'blackhole'"
    case .postgres: "connector = 'postgres', url = 'postgresql://simulated/weir'"
    case .iceberg, .icebergREST: "connector = 'iceberg', table = 'lake.\(name)', commit_interval = '0s'"
    case .kafka: "connector = 'kafka', topic = '\(name)', brokers = 'simulated:9092'"
    case .file: "connector = 'file', path = '/out/\(name)'"
    }
  }
}

/// The outside world of one run: its topic, its sinks' targets, its disk; and how a process is connected to them.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, see ``SimulatedWorld``.
final class SimulatedPeers: @unchecked Sendable {
  /// Where the checkpoints are on the simulated disk.
  static let checkpointDirectory = "/checkpoints"
  /// The job's name.
  static let job = "sim"

  let kind: SinkKind
  let topics: [SimulatedTopic]
  let disk: SimulatedDisk
  /// Is told of every commit to a plain table.
  var committed: (SimulatedTable) -> Void = { _ in }
  private var tables: [String: SimulatedTable] = [:]
  private let kafka: KafkaSinkPeer
  private let iceberg: IcebergPeer?
  private let postgres: SimulatedPostgres
  private unowned let world: SimulatedWorld

  init(_ world: SimulatedWorld, kind: SinkKind, topics: [SimulatedTopic]) throws {
    self.world = world
    self.kind = kind
    self.topics = topics
    disk = SimulatedDisk(in: world)
    kafka = KafkaSinkPeer(world)
    postgres = SimulatedPostgres(in: world)
    iceberg =
      switch kind {
      case .iceberg: try IcebergPeer(world, catalog: .filesystem)
      case .icebergREST: try IcebergPeer(world, catalog: .rest)
      default: nil
      }
  }

  /// The plain table called `name`.
  private func table(_ name: String) -> SimulatedTable {
    if let table = tables[name] { return table }
    let table = SimulatedTable(name, in: world)
    table.committed = { [weak self] in self?.committed($0) }
    tables[name] = table
    return table
  }

  // MARK: Processes

  /// The checkpoint store of a process.
  func store(_ process: SimulatedProcess, _ random: SeededRandom) throws -> LocalSnapshotStore {
    try LocalSnapshotStore(
      directory: Self.checkpointDirectory, job: Self.job, random: random, fileSystem: disk.fileSystem(of: process))
  }

  /// The connections of a process.
  func factory(_ process: SimulatedProcess, logger: Logger) -> ConnectorFactory {
    var defaults = SinkDefaults(
      checkpointDirectory: Self.checkpointDirectory, fileSystem: disk.fileSystem(of: process))
    defaults.openPostgresSession = postgres.opener(for: process)
    let sinks = defaults
    return ConnectorFactory(
      source: { table, _ in try self.source(table.name, process) },
      decoder: { table, schema, partition in
        try SourceConnectors.decoderConfiguration(table, scan: schema, partition: partition)
      },
      sink: { try self.sink($0, process, sinks, logger) },
      deadLetters: { SinkConnectors.keptRecords(.deadLetter, source: $0, job: Self.job, defaults: sinks) },
      late: { SinkConnectors.keptRecords(.late, source: $0, job: Self.job, defaults: sinks) })
  }

  private func source(_ name: String, _ process: SimulatedProcess) throws -> SimulatedSource {
    guard let topic = topics.first(where: { $0.source == name }) else {
      throw SourceError(source: name, severity: .fatal, message: "the simulated broker has no such topic")
    }
    return SimulatedSource(topic, process: process)
  }

  private func sink(
    _ table: TableDefinition, _ process: SimulatedProcess, _ defaults: SinkDefaults, _ logger: Logger
  ) throws -> any SinkConnector {
    if let iceberg {
      return try iceberg.connector(
        table, job: Self.job, process: process, fileSystem: defaults.fileSystem, logger: logger)
    }
    switch kind {
    case .table: return SimulatedTableSink(self.table(table.name), schema: table.schema, process: process)
    case .kafka: return try kafka.connector(table, job: Self.job, process: process)
    default: return try SinkConnectors.make(table, job: Self.job, defaults: defaults, logger: logger)
    }
  }

  /// Keeps Iceberg tables in shape for as long as the task runs.
  func maintain(_ process: SimulatedProcess) async throws {
    guard let iceberg else { return }
    let files = disk.fileSystem(of: process)
    var upkeep = IcebergPeer.Upkeep()
    upkeep.orphanMilliseconds = 60_000
    while true {
      try await process.clock.sleep(for: 700_000_000)
      for name in Workload.tables {
        let report = await iceberg.maintain("lake.\(name)", upkeep, process: process) {
          try IcebergSinkTables.pendingFiles(directory: Self.checkpointDirectory, fileSystem: files)
        }
        for problem in report.problems { world.trace("maintenance of \(name): \(problem)") }
      }
    }
  }

  // MARK: The checker's view

  /// Lets everything that is under way arrive.
  func settle() async {
    kafka.settle()
    postgres.finishAbandoned()
    await iceberg?.settle()
  }

  /// The committed rows of the sink table `name`, as JSON objects.
  func rows(_ definition: TableDefinition) async throws -> [String] {
    let name = definition.name
    if let iceberg { return try await icebergRows(iceberg, definition) }
    switch kind {
    case .table: return table(name).rows
    case .kafka: return kafka.records(topic: name).compactMap { $0.value.map { String(decoding: $0, as: UTF8.self) } }
    case .postgres: return (postgres.values(of: name) ?? []).map { Self.object(definition.schema, $0) }
    default: return lines(below: "/out/\(name)")
    }
  }

  /// The kept records of a kind, as JSON objects.
  func kept(_ kind: SinkConnectors.KeptKind) -> [String] {
    lines(below: "\(Self.checkpointDirectory)/\(Self.job)/\(kind.rawValue)")
  }

  /// The lines of the published parts in a directory.
  private func lines(below directory: String) -> [String] {
    disk.files(below: directory).filter { !$0.key.contains("/_") && !$0.key.contains("/.") }.sorted { $0.key < $1.key }
      .flatMap { $0.value.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) } }
  }

  private func icebergRows(_ iceberg: IcebergPeer, _ definition: TableDefinition) async throws -> [String] {
    let name = "lake.\(definition.name)"
    let missing = try await iceberg.missing(name)
    if let first = missing.first { world.violate("\(name) refers to \(missing.count) files that are gone: \(first)") }
    guard let content = try await iceberg.rows(name) else { return [] }
    foreignRows += content.foreign.count
    let columns = definition.schema.fields.map { field in content.columns.firstIndex(of: field.name) }
    return content.own.map { row in Self.object(definition.schema, columns.map { $0.map { row[$0] } ?? .null }) }
  }

  /// How many rows of strangers were found.
  private var foreignRows = 0

  /// Whether the rows that strangers added are all there.
  func checkStrangers() {
    guard let iceberg, iceberg.foreignRowsAdded != foreignRows else { return }
    world.violate("strangers added \(iceberg.foreignRowsAdded) rows, and \(foreignRows) are there")
  }

  /// A row as the JSON object that the job itself would write.
  private static func object(_ schema: Schema, _ values: [Value]) -> String {
    var bytes: [UInt8] = []
    let columns = zip(schema.fields, values).map { Column(repeating: $1, $0.type, count: 1) }
    JSONRowEncoder(schema).append(row: 0, of: Batch(schema: schema, columns: columns, count: 1), to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}
