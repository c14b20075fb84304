import CPostgres
import Glibc

/// A session with a PostgreSQL server, on libpq.
///
/// Calls block, each with a time limit, so they belong on a thread that may wait: an actor with an executor of its own,
/// which owns the session (it is not `Sendable`). All calls throw ``PostgresFailure``.
public final class PostgresConnection: PostgresSession {
  /// How long a statement may take, in milliseconds; the client waits a little longer than the server.
  public static let statementTimeoutMilliseconds = 300_000
  /// How long the server keeps a transaction, and its locks, whose client sends no next statement: one that was stopped,
  /// or whose machine is gone. Not so amid a `COPY`: there the server waits for data as long as the connection lasts.
  public static let idleInTransactionMilliseconds = 15_000
  /// How long a statement may wait for a lock.
  public static let lockTimeoutMilliseconds = 30_000

  private let handle: OpaquePointer
  private let isStopping: @Sendable () -> Bool

  /// Opens sessions with real servers.
  public static let opener: PostgresSessionOpener = { request in
    try PostgresConnection(
      url: request.url, applicationName: request.applicationName, isStopping: request.isStopping)
  }

  /// Connects to a server that takes writes.
  ///
  /// - Parameters:
  ///   - url: A connection URI or keyword string, as libpq takes it; its settings go before the defaults here.
  ///   - applicationName: What `pg_stat_activity` shows when `url` names nothing.
  ///   - isStopping: Asked while a call waits, ten times a second; `true` ends the call with a failure.
  /// - Throws: ``PostgresFailure``; its message never holds the password.
  public init(url: String, applicationName: String, isStopping: @escaping @Sendable () -> Bool = { false }) throws {
    // Checked here, because libpq's own message would repeat the text, password included.
    guard let parsed = PQconninfoParse(url, nil) else {
      throw PostgresFailure(
        code: "42601", message: "the url is not one: expected postgresql://user:password@host:port/database",
        isConnectionLost: false)
    }
    PQconninfoFree(parsed)
    // Defaults come before `dbname`, so that the url overrides them.
    let settings = [
      ("connect_timeout", "10"), ("keepalives", "1"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
      ("keepalives_count", "3"), ("tcp_user_timeout", "30000"), ("target_session_attrs", "read-write"),
      ("fallback_application_name", applicationName), ("dbname", url), ("client_encoding", "UTF8")
    ]
    let keywords = settings.map { strdup($0.0) }
    let values = settings.map { strdup($0.1) }
    defer { for pointer in keywords + values { free(pointer) } }
    let opened = (keywords.map { $0.map { UnsafePointer($0) } } + [nil]).withUnsafeBufferPointer { keywords in
      (values.map { $0.map { UnsafePointer($0) } } + [nil]).withUnsafeBufferPointer { values in
        PQconnectdbParams(keywords.baseAddress, values.baseAddress, 1)
      }
    }
    guard let opened else {
      throw PostgresFailure(code: nil, message: "out of memory for a connection", isConnectionLost: true)
    }
    guard PQstatus(opened) == CONNECTION_OK else {
      let message = PostgresConnection.trimmed(String(cString: PQerrorMessage(opened)))
      PQfinish(opened)
      throw PostgresConnection.connectFailure(message)
    }
    handle = opened
    self.isStopping = isStopping
    PQsetNoticeProcessor(opened, { _, _ in }, nil)
    PQsetnonblocking(opened, 1)
  }

  deinit { PQfinish(handle) }

  /// Whether the session can still be used.
  public var isUsable: Bool { PQstatus(handle) == CONNECTION_OK }

  /// Runs one or more statements without parameters; the answer is that of the last.
  /// - Throws: ``PostgresFailure``.
  @discardableResult
  public func run(_ statements: String) throws -> PostgresAnswer {
    guard PQsendQuery(handle, statements) == 1 else { throw connectionFailure() }
    return try answer()
  }

  /// Runs one statement; `$1` and so on stand for `parameters`.
  /// - Throws: ``PostgresFailure``.
  @discardableResult
  public func run(_ statement: String, _ parameters: [String?]) throws -> PostgresAnswer {
    let copies = parameters.map { $0.map { strdup($0) } ?? nil }
    defer { for copy in copies { free(copy) } }
    let sent = copies.map { $0.map { UnsafePointer($0) } }.withUnsafeBufferPointer {
      PQsendQueryParams(handle, statement, Int32(parameters.count), nil, $0.baseAddress, nil, nil, 0)
    }
    guard sent == 1 else { throw connectionFailure() }
    return try answer()
  }

  /// Runs a `COPY … FROM STDIN`, whose data `produce` hands to the closure that it is given.
  ///
  /// - Returns: how many rows the server took.
  /// - Throws: ``PostgresFailure``, and what `produce` throws; then the copy was taken back by the server.
  public func copy(_ statement: String, _ produce: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws
    -> Int
  {
    guard PQsendQuery(handle, statement) == 1 else { throw connectionFailure() }
    let started = try nextResult()
    guard let started else { throw connectionFailure() }
    guard PQresultStatus(started) == PGRES_COPY_IN else {
      let failure = self.failure(of: started)
      PQclear(started)
      _ = try? answer()
      throw failure
    }
    PQclear(started)
    do {
      try produce { try self.send($0) }
    } catch let failure as PostgresFailure {
      throw failure
    } catch {
      _ = PQputCopyEnd(handle, "the client gave up")
      _ = try? answer()
      throw error
    }
    while true {
      let status = PQputCopyEnd(handle, nil)
      if status == 1 { break }
      guard status == 0 else { throw connectionFailure() }
      try flush()
    }
    return try answer().affectedRows
  }

  private func send(_ bytes: UnsafeRawBufferPointer) throws {
    var position = 0
    while position < bytes.count {
      let count = min(bytes.count - position, 1 << 20)
      let start = bytes.baseAddress.map { ($0 + position).assumingMemoryBound(to: CChar.self) }
      switch PQputCopyData(handle, start, Int32(count)) {
      case 1:
        position += count
        // Otherwise libpq would take any amount, and keep what the server does not.
        try flush()
      case 0: try flush()
      default: throw connectionFailure()
      }
    }
  }

  // MARK: Waiting

  /// Sends what libpq holds back.
  private func flush() throws {
    let deadline = Deadline()
    while true {
      let status = PQflush(handle)
      if status == 0 { return }
      guard status == 1 else { throw connectionFailure() }
      let ready = try wait(for: Int16(POLLIN | POLLOUT), deadline)
      if ready & Int16(POLLIN) != 0, PQconsumeInput(handle) == 0 { throw connectionFailure() }
    }
  }

  private func nextResult() throws -> OpaquePointer? {
    try flush()
    let deadline = Deadline()
    while PQisBusy(handle) == 1 {
      _ = try wait(for: Int16(POLLIN), deadline)
      if PQconsumeInput(handle) == 0 { throw connectionFailure() }
    }
    return PQgetResult(handle)
  }

  private func answer() throws -> PostgresAnswer {
    var answer = PostgresAnswer()
    var failure: PostgresFailure?
    while let result = try nextResult() {
      defer { PQclear(result) }
      switch PQresultStatus(result) {
      case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: answer = PostgresConnection.rows(of: result)
      default: failure = failure ?? self.failure(of: result)
      }
    }
    if let failure { throw failure }
    return answer
  }

  private struct Deadline {
    let end = ContinuousClock.now + .milliseconds(PostgresConnection.statementTimeoutMilliseconds + 10_000)
  }

  private func wait(for events: Int16, _ deadline: Deadline) throws -> Int16 {
    while true {
      if isStopping() {
        throw PostgresFailure(code: nil, message: "the connection was closed while it waited", isConnectionLost: true)
      }
      guard ContinuousClock.now < deadline.end else {
        throw PostgresFailure(code: nil, message: "the server did not answer in time", isConnectionLost: true)
      }
      var descriptor = pollfd(fd: PQsocket(handle), events: events, revents: 0)
      let count = poll(&descriptor, 1, 100)
      if count > 0 { return descriptor.revents }
      guard count == 0 || errno == EINTR else { throw connectionFailure() }
    }
  }

  // MARK: Answers

  private static func rows(of result: OpaquePointer) -> PostgresAnswer {
    let rows = (0..<PQntuples(result)).map { row in
      (0..<PQnfields(result)).map { column -> String? in
        PQgetisnull(result, row, column) == 1 ? nil : String(cString: PQgetvalue(result, row, column))
      }
    }
    return PostgresAnswer(rows: rows, command: String(cString: PQcmdStatus(result)))
  }

  private func failure(of result: OpaquePointer) -> PostgresFailure {
    func field(_ code: UnicodeScalar) -> String? {
      PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
    }
    // The letters of the protocol: C is the code, M the message, D the detail, n the constraint.
    guard let code = field("C") else { return connectionFailure() }
    let detail = field("D").map { ": \($0)" } ?? ""
    return PostgresFailure(
      code: code, message: (field("M") ?? "no message") + detail, isConnectionLost: PQstatus(handle) != CONNECTION_OK)
  }

  private func connectionFailure() -> PostgresFailure {
    let message = PostgresConnection.trimmed(String(cString: PQerrorMessage(handle)))
    return PostgresFailure(
      code: nil, message: message.isEmpty ? "the connection was lost" : message, isConnectionLost: true)
  }

  private static func connectFailure(_ message: String) -> PostgresFailure {
    // libpq gives no SQLSTATE for a refused login: only the text tells it from a server that is not there.
    var code: String?
    if ["authentication failed", "no pg_hba.conf entry", "no password supplied", "FATAL:  role \""].contains(where: {
      message.contains($0)
    }) {
      code = "28000"
    } else if message.contains("FATAL:  database \""), message.contains("does not exist") {
      code = "3D000"
    }
    return PostgresFailure(code: code, message: message, isConnectionLost: code == nil)
  }

  private static func trimmed(_ message: String) -> String {
    message.split(separator: "\n").joined(separator: "; ")
  }
}
