import PostgresClient
import Synchronization

/// What a transaction came to.
enum SQLOutcome<Value: Sendable>: Sendable {
  /// It was committed.
  case committed(Value)
  /// It was rolled back, or never reached its end: nothing was changed.
  case rolledBack(SQLRefusal)
  /// The connection was lost while the server may have been committing.
  case unknown(String)
}

/// Why a transaction was not committed.
enum SQLRefusal: Error, Hashable, Sendable {
  /// The server, or the way to it, refused.
  case server(PostgresFailure)
  /// The transaction's own decision.
  case own(IcebergError)
}

/// What the catalog's tables are like, found out anew on each connection.
struct SQLSchema: Hashable, Sendable {
  /// Whether `iceberg_tables` has a column `iceberg_type` (Java calls that V1), so that there may be views.
  var hasType: Bool

  /// Restricts a `WHERE` to tables; rows of before the column was added have no type.
  var isTable: String { hasType ? " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)" : "" }
}

/// One session with the catalog's database, on a thread of its own where libpq may wait; opened again when it was lost.
final class SQLSession: Sendable {
  /// The session while it is there. Only the one thread of ``pool`` works with it.
  private struct State {
    var connection: PostgresConnection?
    var schema = SQLSchema(hasType: true)
  }

  /// Any number that all instances share: it keeps two that start at once from creating the same tables.
  private static let creationLock = 8_703_914_216
  private static let connectAttempts = 5
  /// Catalog statements touch few rows: one that takes longer waits for a lock.
  private static let statementTimeoutMilliseconds = 60_000

  private let url: String
  private let applicationName: String
  private let createsTables: Bool
  private let environment: CommitEnvironment
  private let isClosed = Atomic<Bool>(false)
  private let state = Mutex(State())
  private let pool = BlockingPool(threadsMax: 1, waitingMax: 4096)

  init(url: String, applicationName: String, createsTables: Bool, environment: CommitEnvironment) {
    self.url = url
    self.applicationName = applicationName
    self.createsTables = createsTables
    self.environment = environment
  }

  /// Runs statements that only read; again when the connection was lost.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection, SQLSchema) throws -> Value
  ) async throws(IcebergError) -> Value {
    var attempt = 1
    while true {
      let result = try await pool.run { () throws(IcebergError) in self.attemptRead(body) }
      switch result {
      case .success(let value): return value
      case .failure(.own(let error)): throw error
      case .failure(.server(let failure)):
        guard failure.category == .transient, attempt < Self.connectAttempts, !isClosed.load(ordering: .relaxed) else {
          throw SQLFailures.error(failure)
        }
        try await pause(attempt)
        attempt += 1
      }
    }
  }

  /// Runs statements in one transaction. An error of `body` rolls back.
  ///
  /// What could not even be begun is begun again: nothing was changed by then.
  func transaction<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection, SQLSchema) throws -> Value
  ) async throws(IcebergError) -> SQLOutcome<Value> {
    var attempt = 1
    while true {
      let outcome = try await pool.run { () throws(IcebergError) in self.attemptTransaction(body) }
      guard case .rolledBack(.server(let failure)) = outcome, failure.category == .transient,
        attempt < Self.connectAttempts, !isClosed.load(ordering: .relaxed)
      else { return outcome }
      try await pause(attempt)
      attempt += 1
    }
  }

  /// Ends the session; calls that wait for the server end within a fraction of a second.
  func close() async {
    isClosed.store(true, ordering: .relaxed)
    _ = try? await pool.run { () throws(IcebergError) in self.state.withLock { $0.connection = nil } }
  }

  private func pause(_ attempt: Int) async throws(IcebergError) {
    let ceiling = Int64(100) << Int64(min(attempt, 6))
    let milliseconds = ceiling / 2 + Int64(environment.random() % UInt64(ceiling / 2))
    do {
      try await environment.sleep(milliseconds)
    } catch {
      throw IcebergError(.transient, "cancelled while waiting for the catalog's database")
    }
  }

  private func attemptRead<Value: Sendable>(
    _ body: @Sendable (PostgresConnection, SQLSchema) throws -> Value
  ) -> Result<Value, SQLRefusal> {
    state.withLock { state in
      do {
        let connection = try session(&state)
        return .success(try body(connection, state.schema))
      } catch {
        settleSession(&state, after: error)
        return .failure(SQLFailures.refusal(error))
      }
    }
  }

  private func attemptTransaction<Value: Sendable>(
    _ body: @Sendable (PostgresConnection, SQLSchema) throws -> Value
  ) -> SQLOutcome<Value> {
    state.withLock { state in
      let value: Value
      let connection: PostgresConnection
      do {
        connection = try session(&state)
        try connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        value = try body(connection, state.schema)
      } catch {
        settleSession(&state, after: error)
        return .rolledBack(SQLFailures.refusal(error))
      }
      do {
        let command = try connection.run("COMMIT").command
        if command == "COMMIT" { return .committed(value) }
        return .rolledBack(
          .server(
            PostgresFailure(
              code: "40000", message: "the server answered \(command) to COMMIT", isConnectionLost: false)))
      } catch {
        settleSession(&state, after: error)
        // Only an answer on a connection that lives is an answer to the COMMIT.
        if let failure = error as? PostgresFailure, failure.code != nil, !failure.isConnectionLost,
          failure.category != .transient || failure.code?.hasPrefix("40") == true
        {
          return .rolledBack(.server(failure))
        }
        return .unknown("\(error)")
      }
    }
  }

  /// Leaves a session that can be used, or none.
  private func settleSession(_ state: inout State, after error: any Error) {
    guard let connection = state.connection else { return }
    let isAlive = connection.isUsable && (error as? PostgresFailure)?.isConnectionLost != true
    if !isAlive || (try? connection.run("ROLLBACK")) == nil { state.connection = nil }
  }

  private func session(_ state: inout State) throws -> PostgresConnection {
    if isClosed.load(ordering: .relaxed) { throw IcebergError(.invalid, "the catalog was closed") }
    // One question finds out whether the server went away since the last call.
    if let connection = state.connection, (try? connection.run("SELECT 1")) != nil { return connection }
    state.connection = nil
    let opened = try PostgresConnection(
      url: url, applicationName: applicationName, isStopping: { [self] in isClosed.load(ordering: .relaxed) })
    try opened.prepareSession()
    try opened.run("SET statement_timeout = \(Self.statementTimeoutMilliseconds)")
    state.schema = try schema(opened)
    state.connection = opened
    return opened
  }

  /// Looks at the tables that statements will reach by the session's search path, creating them when they are missing.
  private func schema(_ connection: PostgresConnection) throws -> SQLSchema {
    if let found = try probe(connection) { return found }
    guard createsTables else {
      throw IcebergError(
        .notFound,
        "the database has no tables iceberg_tables and iceberg_namespace_properties; create them, or allow it here")
    }
    try connection.run(
      """
      BEGIN; SELECT pg_advisory_xact_lock(\(Self.creationLock));
      CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
        metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name));
      CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL,
        property_value VARCHAR(1000), PRIMARY KEY (catalog_name, namespace, property_key));
      COMMIT
      """)
    guard let created = try probe(connection) else {
      throw IcebergError(.invalid, "the tables of the catalog were created, but are not in the session's search path")
    }
    return created
  }

  private func probe(_ connection: PostgresConnection) throws -> SQLSchema? {
    let answer = try connection.run(
      """
      SELECT to_regclass('iceberg_tables') IS NOT NULL AND to_regclass('iceberg_namespace_properties') IS NOT NULL,
        EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('iceberg_tables') AND attname = 'iceberg_type'
          AND attnum > 0 AND NOT attisdropped)
      """)
    guard let row = answer.rows.first, row.count == 2, row[0] == "t" else { return nil }
    return SQLSchema(hasType: row[1] == "t")
  }
}

/// Failures of the database as the catalog's own.
enum SQLFailures {
  static func refusal(_ error: any Error) -> SQLRefusal {
    switch error {
    case let failure as PostgresFailure: .server(failure)
    case let error as IcebergError: .own(error)
    default: .own(IcebergError(.io, "the catalog's database: \(error)"))
    }
  }

  static func error(_ refusal: SQLRefusal) -> IcebergError {
    switch refusal {
    case .server(let failure): error(failure)
    case .own(let error): error
    }
  }

  static func error(_ failure: PostgresFailure) -> IcebergError {
    let text = "the catalog's database: \(failure)"
    switch failure.code {
    case "28P01", "28000": return IcebergError(.unauthorized, "\(text); check user and password in the url")
    case "42501": return IcebergError(.unauthorized, "\(text); grant the missing right to this user")
    case "3D000": return IcebergError(.notFound, "\(text); create the database, or name another one in the url")
    case "22001":
      return IcebergError(.invalid, "\(text); names may have 255 characters, locations and property values 1000")
    default: break
    }
    switch failure.category {
    case .transient: return IcebergError(.transient, text)
    case .data, .fatal: return IcebergError(.invalid, text)
    case .unexpected: return IcebergError(.io, text)
    }
  }
}
