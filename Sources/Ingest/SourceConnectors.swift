import Actors
import Columnar
import Formats
import Logging
import Runtime
import SQL

/// What a source table takes from the engine's configuration when its own options do not say.
public struct SourceDefaults: Hashable, Sendable {
  /// The Kafka brokers, `host:port, …`; from `WEIR_KAFKA_BROKERS`.
  public var brokers: String?
  /// The job's name; part of the group under which offsets are reported.
  public var jobName: String

  /// Defaults of the engine.
  public init(brokers: String? = nil, jobName: String = "weir") {
    self.brokers = brokers
    self.jobName = jobName
  }
}

/// Makes the connection of a source table from its options.
public enum SourceConnectors {
  private enum Kind: String, CaseIterable { case kafka, file, generator, nexmark }

  /// The connector that the table's option `connector` names.
  ///
  /// - Parameters:
  ///   - table: the source table.
  ///   - schema: the columns that statements read, metadata columns among them.
  ///   - defaults: what the engine's configuration says.
  ///   - clock: the engine's clock.
  ///   - logger: takes what the connector's libraries report.
  /// - Throws: ``SourceError`` (fatal) when an option is missing or wrong.
  public static func make(
    _ table: TableDefinition, schema: Schema, defaults: SourceDefaults, clock: any EngineClock, logger: Logger
  ) throws(SourceError) -> any SourceConnector {
    let options = SourceOptions(table: table)
    _ = try options.required("connector", "'kafka', 'file', 'generator' or 'nexmark'")
    switch try options.choice("connector", default: Kind.kafka) {
    case .kafka:
      let readsHeaders = schema.index(of: "_headers") != nil
      let settings = try KafkaSettings(options, readsHeaders: readsHeaders, defaults: defaults)
      return try KafkaConnector(settings, clock: clock, logger: logger)
    case .file: return FileConnector(try FileSettings(options))
    case .generator: return GeneratorConnector(try GeneratorSettings(options), clock: clock)
    case .nexmark: return NexmarkConnector(try NexmarkSettings(options), clock: clock)
    }
  }

  /// The greatest record, in bytes.
  static func recordBytesMax(_ options: SourceOptions) throws(SourceError) -> Int {
    Int(try options.size("max_record_bytes", in: 1...(1 << 30), default: 8 << 20))
  }

  /// How the records of a partition are decoded, from the table's options.
  ///
  /// - Parameters:
  ///   - table: the source table.
  ///   - scan: the columns to decode, metadata columns among them.
  ///   - partition: the partition. The header of a CSV file is read here.
  /// - Throws: ``SourceError`` (fatal) when an option is wrong.
  public static func decoderConfiguration(
    _ table: TableDefinition, scan: Schema, partition: PartitionID
  ) throws(SourceError) -> DecoderConfiguration {
    let options = SourceOptions(table: table)
    var eventTime: Int?
    if let name = options.string("event_time") {
      // Without a window nobody may read the column; then there is no event time to follow.
      eventTime = scan.index(of: name)
      let type =
        eventTime.map { scan.fields[$0].type } ?? table.schema.index(of: name).map { table.schema.fields[$0].type }
      let isKnown = type == .timestamp || type == .timestamptz || (type == nil && name == "_timestamp")
      guard isKnown else { throw options.invalid("event_time", expected: "the name of a timestamp column") }
    }
    return DecoderConfiguration(
      schema: scan, format: try format(options, partition), partition: partition,
      partitionNumber: partitionNumber(partition), timestampUnit: try timestampUnit(options),
      eventTimeColumn: eventTime, watermarkDelay: try options.duration("watermark_delay") ?? 0,
      maxRecordBytes: try recordBytesMax(options),
      maxDepth: Int(try options.integer("max_depth", in: 1...1000, default: 64)),
      tombstones: try options.choice("tombstones", default: Tombstones.reject) == .skip ? .skip : .reject)
  }

  private enum RecordFormatName: String, CaseIterable { case json, csv, raw }
  private enum Tombstones: String, CaseIterable { case reject, skip }
  private enum UnitName: String, CaseIterable { case seconds, millis, micros, nanos }

  private static func format(_ options: SourceOptions, _ partition: PartitionID) throws(SourceError) -> RecordFormat {
    switch try options.choice("format", default: RecordFormatName.json) {
    case .json: return .json
    case .raw:
      let columns = options.table.columns.map(\.field.name).filter { !$0.hasPrefix("_") }
      guard columns.count == 1 else {
        throw options.invalid("format", expected: "'json' or 'csv', because 'raw' takes a table of one column")
      }
      return .raw(column: columns[0])
    case .csv:
      if try options.choice("connector", default: Kind.kafka) == .file {
        let settings = try FileSettings(options)
        let names = try FileConnector.names(ofCSV: partition, settings)
        return .csv(CSVOptions(names: names, delimiter: settings.delimiter))
      }
      let delimiter = options.string("delimiter")?.utf8.first ?? UInt8(ascii: ",")
      let names = options.table.columns.map(\.field.name).filter { !$0.hasPrefix("_") }
      return .csv(CSVOptions(names: names, delimiter: delimiter))
    }
  }

  private static func timestampUnit(_ options: SourceOptions) throws(SourceError) -> TimestampUnit {
    switch try options.choice("timestamp_unit", default: UnitName.millis) {
    case .seconds: .seconds
    case .millis: .milliseconds
    case .micros: .microseconds
    case .nanos: .nanoseconds
    }
  }

  /// The number at the end of the partition's name; 0 for a file.
  private static func partitionNumber(_ partition: PartitionID) -> Int32 {
    Int32(partition.name.split(separator: "/").last ?? "0") ?? 0
  }
}
