import PostgresClient
import Runtime

/// Runs one small query at a time, and connects again when the server was away. Blocks a lane of its own.
actor PostgresReader {
  private let lane = Lane(name: "reader")
  private let url: String
  private var connection: PostgresConnection?

  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  init(url: String) { self.url = url }

  /// The rows of a query as text; `$1` and so on stand for `parameters`.
  /// - Throws: ``PostgresClient/PostgresFailure``.
  func rows(_ query: String, _ parameters: [String]) throws -> [[String?]] {
    let connection = try open()
    do {
      return try connection.run(query, parameters).rows
    } catch {
      if !connection.isUsable { self.connection = nil }
      throw error
    }
  }

  private func open() throws -> PostgresConnection {
    if let connection { return connection }
    do {
      let opened = try PostgresConnection(url: url, applicationName: "weir weather dashboard")
      try opened.run("SET timezone = 'UTC'; SET statement_timeout = '5s'")
      connection = opened
      return opened
    } catch let failure as PostgresFailure {
      throw PostgresFailure(
        code: failure.code, message: "the database at \(Redaction.url(url)) cannot be used: \(failure.message)",
        isConnectionLost: true)
    }
  }
}
