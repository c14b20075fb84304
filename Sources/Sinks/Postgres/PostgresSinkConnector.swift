import Actors
import Checkpointing
import Columnar
import Logging
import PostgresClient
import Runtime
import SQL
import Synchronization

/// A sink table in PostgreSQL: rows are merged or appended in the transaction that moves the position.
final class PostgresSinkConnector: SinkConnector {
  /// What the target looks like; known once it was claimed.
  private let target = Mutex<PostgresTarget?>(nil)
  private let configuration: PostgresConfiguration
  private let committer: PostgresCommitter
  private let stop = StopFlag()

  init(_ configuration: PostgresConfiguration, openSession: @escaping PostgresSessionOpener, logger: Logger) {
    self.configuration = configuration
    committer = PostgresCommitter(configuration, openSession: openSession, stop: stop, logger: logger)
  }

  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID {
    let (claimed, checkpoint) = try await committer.claim(owner: owner, newest: newest)
    target.withLock { $0 = claimed }
    return checkpoint
  }

  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    guard let claimed = target.withLock({ $0 }) else {
      throw SinkError(sink: configuration.sink, severity: .failed, message: "a writer was asked for before the claim")
    }
    return PostgresSinkWriter(
      sink: configuration.sink, columns: claimed.columns, mode: configuration.mode, key: configuration.primaryKey,
      files: files)
  }

  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) async throws -> CommitOutcome {
    try await committer.commit(pending, owner: owner, files: files)
  }

  func close() async {
    stop.stop()
    await committer.close()
  }
}

/// What a table's options say about its target.
struct PostgresConfiguration: Sendable {
  let job: String
  let sink: String
  let url: String
  let tableName: PostgresTableName
  let mode: PostgresPayload.Mode
  let createsTable: Bool
  let columns: [ColumnDefinition]
  let primaryKey: [String]
}

/// A table's name, with its schema if one is given.
struct PostgresTableName: Hashable, Sendable {
  let schema: String?
  let name: String

  /// Quoted, for statements.
  var quoted: String {
    (schema.map { PostgresText.identifier($0) + "." } ?? "") + PostgresText.identifier(name)
  }

  init(schema: String?, name: String) {
    self.schema = schema
    self.name = name
  }

  /// Reads `name` or `schema.name`, taken literally; parts that hold a dot stand in double quotes.
  init?(_ text: String) {
    var parts: [String] = [""]
    var isQuoted = false
    for character in text {
      switch character {
      case "\"": isQuoted.toggle()
      case "." where !isQuoted: parts.append("")
      default: parts[parts.count - 1].append(character)
      }
    }
    guard !isQuoted, parts.count <= 2, parts.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 63 }) else { return nil }
    self.init(schema: parts.count == 2 ? parts[0] : nil, name: parts[parts.count - 1])
  }
}
