/// One session with a PostgreSQL server, as whoever works with it sees it: over a connection, or simulated.
///
/// Calls may block, so they belong on a thread that may wait: an actor with an executor of its own, which owns the
/// session (it is not `Sendable`). The server ends the session, and what it had not committed, when the last reference
/// to it goes away.
public protocol PostgresSession: AnyObject {
  /// Whether the session can still be used.
  var isUsable: Bool { get }

  /// Runs one or more statements without parameters; the answer is that of the last.
  /// - Throws: ``PostgresFailure``.
  @discardableResult
  func run(_ statements: String) throws -> PostgresAnswer

  /// Runs one statement; `$1` and so on stand for `parameters`.
  /// - Throws: ``PostgresFailure``.
  @discardableResult
  func run(_ statement: String, _ parameters: [String?]) throws -> PostgresAnswer

  /// Runs a `COPY … FROM STDIN`, whose data `produce` hands to the closure that it is given.
  ///
  /// - Returns: how many rows the server took.
  /// - Throws: ``PostgresFailure``, and what `produce` throws; then the copy was taken back by the server.
  func copy(_ statement: String, _ produce: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws -> Int
}

/// The rows of an answer, as text.
public struct PostgresAnswer: Hashable, Sendable {
  /// The rows; `nil` is NULL.
  public var rows: [[String?]]
  /// What was done: `INSERT 0 5`.
  public var command: String

  /// An answer; an empty one by default.
  public init(rows: [[String?]] = [], command: String = "") {
    self.rows = rows
    self.command = command
  }

  /// How many rows the command touched.
  public var affectedRows: Int { command.split(separator: " ").last.flatMap { Int($0) } ?? 0 }
}

/// Who is to be connected, and for whom.
public struct PostgresSessionRequest: Sendable {
  /// A connection URI or keyword string, as libpq takes it.
  public var url: String
  /// What `pg_stat_activity` shows when `url` names nothing.
  public var applicationName: String
  /// Asked while a call waits, ten times a second; `true` ends the call with a failure.
  public var isStopping: @Sendable () -> Bool

  /// A request for a session.
  public init(url: String, applicationName: String, isStopping: @escaping @Sendable () -> Bool = { false }) {
    self.url = url
    self.applicationName = applicationName
    self.isStopping = isStopping
  }
}

/// Opens a session with a server that takes writes; throws ``PostgresFailure``, whose message never holds the password.
public typealias PostgresSessionOpener = @Sendable (PostgresSessionRequest) throws -> sending any PostgresSession

extension PostgresSession {
  /// Makes the session fit for commits that must last: UTC, time limits for statements and locks, a server that finds
  /// out within half a minute that its client is gone, and no commit that answers before it is durable.
  /// - Throws: ``PostgresFailure``.
  public func prepareSession() throws {
    let timeout = PostgresConnection.statementTimeoutMilliseconds
    let lock = PostgresConnection.lockTimeoutMilliseconds
    let idle = PostgresConnection.idleInTransactionMilliseconds
    try run(
      """
      SET timezone = 'UTC'; SET statement_timeout = \(timeout); SET lock_timeout = \(lock);
      SET idle_in_transaction_session_timeout = \(idle); SET standard_conforming_strings = on;
      SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
      SET tcp_user_timeout = 30000;
      SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
      """)
    do {
      // It matters while a statement waits or works: then the server neither sends nor reads.
      try run(
        """
        SELECT set_config('client_connection_check_interval', '5s', false)
        WHERE current_setting('server_version_num')::int >= 140000
        """)
    } catch let failure as PostgresFailure where failure.code == "22023" {
      // The server's operating system cannot tell.
    }
  }
}
