import Actors
import Checkpointing
import Columnar
import Logging
import SQL

/// One table that a sink of a job writes: a sink whose table has columns in its name has several.
package struct SinkTarget: Hashable, Sendable {
  /// The table's name in its store.
  package let name: String
  /// What the table says it has reached; `nil` when it never saw the job.
  package let position: SinkPosition?
  /// The state that is read, for people: `snapshot 123`.
  package let state: String
}

/// What a sink's tables must get of a batch.
package struct ExpectedRows: Sendable {
  /// The rows by table, with the values that the table gives back.
  package var routed: [(target: String, batch: Batch)] = []
  /// Rows that the sink's writer refuses: they are dead letters.
  package var refused: [RowRejection] = []
}

/// The content of a sink at one moment, read with its position: consistent, however long reading takes.
package protocol SinkContent: Sendable {
  /// The tables that are there.
  var targets: [SinkTarget] { get }
  /// Whether a table holds one row a key, the last one written.
  var isUpsert: Bool { get }
  /// What the tables must hold of these rows, which have the sink's declared columns.
  func expected(_ batch: Batch) -> ExpectedRows
  /// Starts to read all rows of all tables.
  func rewind() async throws
  /// The next rows, in the declared columns; `nil` after the last.
  func next() async throws -> (target: String, batch: Batch)?
  /// How many rows the target itself refused at commit and keeps elsewhere.
  func refusedByTarget() async throws -> Int
  /// Lets go of the state.
  func close() async
}

/// Opens sinks for reading.
package enum SinkContents {
  /// The content of the sink `table`; `nil` when its connector keeps nothing that could be compared.
  ///
  /// - Throws: ``Actors/SinkError`` that says what is missing or cannot be read.
  package static func open(
    _ table: TableDefinition, job: String, defaults: SinkDefaults, logger: Logger
  ) async throws -> (any SinkContent)? {
    do {
      switch table.options["connector"] {
      case "postgres":
        let configuration = try SinkConnectors.postgresConfiguration(table, job: job, defaults: defaults)
        return try await PostgresContent.open(configuration)
      case "iceberg":
        let configuration = try IcebergConfiguration(table, job: job, defaults: defaults)
        return try await IcebergContent.open(
          configuration, isUpsert: table.options["mode"] == "upsert", logger: logger)
      default: return nil
      }
    } catch let error as SQLDiagnostic {
      throw SinkError(sink: table.name, severity: .fatal, message: error.description)
    } catch {
      throw SinkFailures.sinkError(error, sink: table.name)
    }
  }
}
