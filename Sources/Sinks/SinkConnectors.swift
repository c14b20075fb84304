import Actors
import Columnar
import Logging
import PostgresClient
import Runtime
import SQL

/// What sinks use where their table does not say otherwise.
public struct SinkDefaults: Sendable {
  /// The connection string of PostgreSQL; secrets in it are never printed.
  public var postgresURL: String?
  /// The brokers of Kafka, separated by commas.
  public var kafkaBrokers: String?
  /// The directory of the checkpoints; kept records are written below it.
  public var checkpointDirectory: String
  /// Where the files of kept records and of file sinks are.
  public var fileSystem: any FileSystem
  /// Where Iceberg tables are kept, or the warehouse's name in a REST catalog.
  public var warehouse: String?
  /// The kind of the Iceberg catalog: `filesystem`, `sql` or `rest`.
  public var catalogType: String?
  /// The database of an Iceberg catalog of the kind `sql`, or the address of one of the kind `rest`.
  public var catalogURL: String?
  /// The name of the Iceberg catalog.
  public var catalogName: String?
  /// How PostgreSQL is reached: over libpq, unless a test puts another server there.
  public var openPostgresSession: PostgresSessionOpener = PostgresConnection.opener

  /// Defaults for all sinks of a job.
  public init(
    postgresURL: String? = nil, kafkaBrokers: String? = nil, checkpointDirectory: String, warehouse: String? = nil,
    catalogType: String? = nil, catalogURL: String? = nil, catalogName: String? = nil,
    fileSystem: any FileSystem = LocalFileSystem()
  ) {
    self.postgresURL = postgresURL
    self.kafkaBrokers = kafkaBrokers
    self.checkpointDirectory = checkpointDirectory
    self.warehouse = warehouse
    self.catalogType = catalogType
    self.catalogURL = catalogURL
    self.catalogName = catalogName
    self.fileSystem = fileSystem
  }
}

/// Makes the connector that a sink table asks for.
public enum SinkConnectors {
  /// The connector of `table`, which some statement of `job` writes.
  ///
  /// - Throws: ``SinkError`` that names the option and says what is expected.
  public static func make(
    _ table: TableDefinition, job: String, defaults: SinkDefaults, logger: Logger
  ) throws -> any SinkConnector {
    let options = SinkOptions(table)
    let kind = try options.required("connector", "iceberg, postgres, kafka, file, stdout or blackhole")
    switch kind {
    case "postgres":
      return PostgresSinkConnector(
        try postgresConfiguration(table, job: job, defaults: defaults), openSession: defaults.openPostgresSession,
        logger: logger)
    case "file":
      let path = try options.required("path", "the directory to write to")
      _ = try options.choice("format", ["json"], default: "json")
      return FileSinkConnector(
        job: job, sink: table.name, schema: table.schema, directory: path, fileSystem: defaults.fileSystem)
    case "kafka": return try kafka(options, job: job, defaults: defaults)
    case "iceberg": return try iceberg(table, job: job, defaults: defaults, logger: logger)
    case "stdout": return StandardOutputConnector(sink: table.name, schema: table.schema)
    case "blackhole": return BlackholeConnector()
    default:
      throw options.refusal("expected connector = iceberg, postgres, kafka, file, stdout or blackhole, found '\(kind)'")
    }
  }

  private static func kafka(_ options: SinkOptions, job: String, defaults: SinkDefaults) throws -> any SinkConnector {
    let table = options.table
    let brokers = try options["brokers"] ?? defaults.kafkaBrokers ?? options.required("brokers", "host:port, …")
    let topic = try options.required("topic", "the topic to write to")
    _ = try options.choice("format", ["json"], default: "json")
    let keyColumn = try kafkaKey(options)
    let properties = table.options.entries.sorted { $0.key < $1.key }.filter { $0.key.hasPrefix("kafka.") }
    return KafkaSinkConnector(
      sink: table.name, schema: table.schema, keyColumn: keyColumn,
      LibrdkafkaTransactionClient.Configuration(
        brokers: brokers, topic: topic, positionTopic: options["position_topic"] ?? "__weir_positions",
        transactionalID: options["transactional_id"] ?? "\(job)-\(table.name)",
        properties: properties.map { (String($0.key.dropFirst(6)), $0.value.value) }))
  }

  /// The column whose values are the records' keys.
  private static func kafkaKey(_ options: SinkOptions) throws -> Int? {
    let table = options.table
    guard let key = options["key"] ?? (table.primaryKey.count == 1 ? table.primaryKey[0] : nil) else { return nil }
    guard let column = table.schema.index(of: key) else {
      throw options.refusal("option key = '\(key)': expected a column of \(table.name)")
    }
    return column
  }

  /// The Kafka sink of `table` over a client of the caller's making, which knows brokers and topics.
  /// - Throws: ``SinkError`` that names the option.
  package static func kafka(
    _ table: TableDefinition, maximumRecordBytes: Int = 1_000_000, client: sending any KafkaSinkClient
  ) throws -> any SinkConnector {
    KafkaSinkConnector(
      sink: table.name, schema: table.schema, keyColumn: try kafkaKey(SinkOptions(table)),
      maximumRecordBytes: maximumRecordBytes, client: client)
  }

  /// What rows leave the pipeline at the side.
  public enum KeptKind: String, Hashable, Sendable {
    /// Records that could not be processed.
    case deadLetter = "dead-letters"
    /// Rows whose last window had been fired.
    case late = "late"
  }

  /// The output of a source's dead letters, or late rows, when its table names no other: JSON lines in
  /// `<checkpoint directory>/<job>/dead-letters/<source>/`, or `late/<source>/`, with the columns of
  /// ``Actors/KeptRecord/schema``.
  public static func keptRecords(
    _ kind: KeptKind, source: String, job: String, defaults: SinkDefaults
  ) -> any SinkConnector {
    FileSinkConnector(
      job: job, sink: "\(source)-\(kind.rawValue)", schema: KeptRecord.schema,
      directory: keptDirectory(kind, source: source, job: job, checkpointDirectory: defaults.checkpointDirectory),
      fileSystem: defaults.fileSystem)
  }

  /// The directory of ``keptRecords(_:source:job:defaults:)``.
  package static func keptDirectory(
    _ kind: KeptKind, source: String, job: String, checkpointDirectory: String
  ) -> String {
    [checkpointDirectory, FilePath.safeName(job), kind.rawValue, FilePath.safeName(source)].joined(separator: "/")
  }

  /// What the options of a sink in PostgreSQL say.
  static func postgresConfiguration(
    _ table: TableDefinition, job: String, defaults: SinkDefaults
  ) throws -> PostgresConfiguration {
    let options = SinkOptions(table)
    let name = options["table"] ?? table.name
    guard
      let tableName = options["table"] == nil
        ? PostgresTableName(schema: nil, name: table.name) : PostgresTableName(name)
    else { throw options.refusal("option table = '\(name)': expected name or schema.name") }
    let mode = try options.choice("mode", ["upsert", "append"], default: table.primaryKey.isEmpty ? "append" : "upsert")
    guard mode == "append" || !table.primaryKey.isEmpty else {
      throw options.refusal("mode = 'upsert' needs a PRIMARY KEY in CREATE TABLE \(table.name); declare one")
    }
    return PostgresConfiguration(
      job: job, sink: table.name, url: options["url"] ?? defaults.postgresURL ?? "", tableName: tableName,
      mode: mode == "upsert" ? .upsert : .append, createsTable: try options.boolean("create_table", default: true),
      columns: table.columns, primaryKey: table.primaryKey)
  }
}

/// The options of one sink table, with messages that name them.
struct SinkOptions {
  let table: TableDefinition

  init(_ table: TableDefinition) { self.table = table }

  subscript(name: String) -> String? { table.options[name] }

  /// A refusal of the table's options.
  func refusal(_ message: String) -> SinkError {
    SinkError(sink: table.name, severity: .fatal, message: "\(message) (table at \(table.location))")
  }

  func required(_ name: String, _ expected: String) throws -> String {
    guard let value = table.options[name], !value.isEmpty else {
      throw refusal("option \(name) is missing: expected \(expected)")
    }
    return value
  }

  func choice(_ name: String, _ choices: [String], default standard: String) throws -> String {
    guard let value = table.options[name] else { return standard }
    guard choices.contains(value) else {
      throw refusal("option \(name) = '\(value)': expected \(choices.joined(separator: " or "))")
    }
    return value
  }

  func boolean(_ name: String, default standard: Bool) throws -> Bool {
    try choice(name, ["true", "false"], default: standard ? "true" : "false") == "true"
  }
}
