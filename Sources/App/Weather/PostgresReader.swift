import CPostgres
import Glibc
import Runtime

/// A query failed; the message is the server's.
struct PostgresReadError: Error, CustomStringConvertible {
  let description: String
}

/// Runs one small query at a time, and connects again when the server was away. Blocks a lane of its own.
actor PostgresReader {
  private let lane = Lane(name: "reader")
  private let url: String
  private var connection: OpaquePointer?

  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  init(url: String) { self.url = url }

  isolated deinit { if let connection { PQfinish(connection) } }

  /// The rows of a query as text; `$1` and so on stand for `parameters`.
  /// - Throws: ``PostgresReadError``.
  func rows(_ query: String, _ parameters: [String]) throws -> [[String?]] {
    let connection = try open()
    let copies = parameters.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let values = copies.map { $0.map { UnsafePointer($0) } }
    let result = PQexecParams(connection, query, Int32(values.count), nil, values, nil, nil, 0)
    defer { PQclear(result) }
    guard PQresultStatus(result) == PGRES_TUPLES_OK else {
      let message = String(cString: PQerrorMessage(connection))
      if PQstatus(connection) != CONNECTION_OK { forget() }
      throw PostgresReadError(description: message.split(separator: "\n").joined(separator: "; "))
    }
    return (0..<PQntuples(result)).map { row in
      (0..<PQnfields(result)).map { column in
        PQgetisnull(result, row, column) == 1 ? nil : String(cString: PQgetvalue(result, row, column))
      }
    }
  }

  private func open() throws -> OpaquePointer {
    if let connection { return connection }
    guard let opened = PQconnectdb(url), PQstatus(opened) == CONNECTION_OK else {
      // The server's own text may repeat the URL, password included.
      throw PostgresReadError(description: "the database at \(Redaction.url(url)) cannot be reached")
    }
    PQclear(PQexec(opened, "SET timezone = 'UTC'; SET statement_timeout = '5s'"))
    connection = opened
    return opened
  }

  private func forget() {
    if let connection { PQfinish(connection) }
    connection = nil
  }
}
