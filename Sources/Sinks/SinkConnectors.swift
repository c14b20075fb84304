import Actors
import Columnar
import Logging
import SQL

/// What sinks use where their table does not say otherwise.
public struct SinkDefaults: Sendable {
  /// The connection string of PostgreSQL; secrets in it are never printed.
  public var postgresURL: String?
  /// The brokers of Kafka, separated by commas.
  public var kafkaBrokers: String?
  /// The directory of the checkpoints; kept records are written below it.
  public var checkpointDirectory: String
  /// Where Iceberg tables are kept, or the warehouse's name in a REST catalog.
  public var warehouse: String?
  /// The kind of the Iceberg catalog: `filesystem`, `sql` or `rest`.
  public var catalogType: String?
  /// The database of an Iceberg catalog of the kind `sql`, or the address of one of the kind `rest`.
  public var catalogURL: String?
  /// The name of the Iceberg catalog.
  public var catalogName: String?

  /// Defaults for all sinks of a job.
  public init(
    postgresURL: String? = nil, kafkaBrokers: String? = nil, checkpointDirectory: String, warehouse: String? = nil,
    catalogType: String? = nil, catalogURL: String? = nil, catalogName: String? = nil
  ) {
    self.postgresURL = postgresURL
    self.kafkaBrokers = kafkaBrokers
    self.checkpointDirectory = checkpointDirectory
    self.warehouse = warehouse
    self.catalogType = catalogType
    self.catalogURL = catalogURL
    self.catalogName = catalogName
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
        try postgresConfiguration(table, job: job, defaults: defaults), logger: logger)
    case "file":
      let path = try options.required("path", "the directory to write to")
      _ = try options.choice("format", ["json"], default: "json")
      return FileSinkConnector(job: job, sink: table.name, schema: table.schema, directory: path)
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
    let key = options["key"] ?? (table.primaryKey.count == 1 ? table.primaryKey[0] : nil)
    let keyColumn = key.flatMap { table.schema.index(of: $0) }
    guard key == nil || keyColumn != nil else {
      throw options.refusal("option key = '\(key ?? "")': expected a column of \(table.name)")
    }
    let properties = table.options.entries.sorted { $0.key < $1.key }.filter { $0.key.hasPrefix("kafka.") }
    return KafkaSinkConnector(
      sink: table.name, schema: table.schema, keyColumn: keyColumn,
      LibrdkafkaTransactionClient.Configuration(
        brokers: brokers, topic: topic, positionTopic: options["position_topic"] ?? "__weir_positions",
        transactionalID: options["transactional_id"] ?? "\(job)-\(table.name)",
        properties: properties.map { (String($0.key.dropFirst(6)), $0.value.value) }))
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
      directory: keptDirectory(kind, source: source, job: job, checkpointDirectory: defaults.checkpointDirectory))
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
