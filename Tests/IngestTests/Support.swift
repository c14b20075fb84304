import Actors
import Columnar
import Formats
import Ingest
import Logging
import Runtime
import SQL
import Testing

/// A table with these options and columns.
func makeTable(_ options: [String: String], columns: [Field] = []) -> TableDefinition {
  let location = SourceLocation(line: 1, column: 1)
  return TableDefinition(
    name: "events", columns: columns.map { ColumnDefinition(field: $0, declaredType: $0.type.sqlName) },
    primaryKey: [], options: TableOptions(options.mapValues { .init(value: $0, location: location) }),
    location: location)
}

/// A source table, connected, with what is needed to read its partitions to an end.
struct SourceFixture {
  let table: TableDefinition
  let scan: Schema
  let connector: any SourceConnector
  let clock: any EngineClock

  init(
    _ options: [String: String], columns: [Field] = [Field("n", .bigint)], metadata: [Field] = [],
    clock: any EngineClock = SystemClock()
  ) throws {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    table = makeTable(options, columns: columns)
    scan = Schema(columns + metadata)
    connector = try SourceConnectors.make(
      table, schema: scan, defaults: SourceDefaults(), clock: clock, logger: logger)
    self.clock = clock
  }

  func partition(_ name: String) -> PartitionID { PartitionID(source: table.name, name: name) }

  func decoder(_ partition: PartitionID) throws -> RecordDecoder {
    try RecordDecoder(SourceConnectors.decoderConfiguration(table, scan: scan, partition: partition))
  }

  /// Reads a partition from `position` to its end (or until `stop` says so), in polls of `limit`.
  func read(
    _ partition: PartitionID, at position: ReadPosition = .initial, end: Int64? = nil, limit: Int = 1000,
    stop: (RecordDecoder) -> Bool = { _ in false }
  ) async throws -> Outcome {
    let reader = try await connector.open(partition, at: position, end: end)
    defer { reader.close() }
    let decoder = try decoder(partition)
    return try await drain(reader, decoder, limit: limit, stop: stop)
  }

  func drain(
    _ reader: any PartitionReader, _ decoder: RecordDecoder, limit: Int = 1000, stop: (RecordDecoder) -> Bool
  ) async throws -> Outcome {
    let signal = Signal()
    reader.setWakeup { signal.notify() }
    var outcome = Outcome()
    while true {
      let result = try reader.poll(limit: limit, into: decoder)
      #expect(result.records <= limit)
      #expect(result.nextOffset >= outcome.nextOffset)
      outcome.records += result.records
      outcome.nextOffset = result.nextOffset
      if result.isAtEnd || stop(decoder) { break }
      // Woken by the reader alone: a lost wake-up would stop the test for ever, which the time limit shows.
      if result.records == 0 { try await signal.wait() }
    }
    let decoded = decoder.finish()
    outcome.batch = decoded.batch
    outcome.rejected = decoded.rejected
    return outcome
  }
}

/// What was read.
struct Outcome {
  var records = 0
  var nextOffset: Int64 = 0
  var batch = Batch(schema: Schema([]), columns: [], count: 0)
  var rejected: [RejectedRecord] = []

  var offsets: [Int64] { batch.origin?.offsets ?? [] }

  func integers(_ column: Int = 0) -> [Int64] {
    guard case .int64(let values) = batch.columns[column].storage else { return [] }
    return values
  }

  func strings(_ column: Int) -> [String] {
    guard case .bytes(let values) = batch.columns[column].storage else { return [] }
    return (0..<values.count).map(values.string)
  }
}
