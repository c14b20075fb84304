import PostgresClient

/// A session of one process with the simulated server. Every call may fail in each way in which a real one can.
final class SimulatedPostgresSession: PostgresSession {
  private let server: SimulatedPostgres
  private let process: SimulatedProcess
  private let isStopping: @Sendable () -> Bool
  private let generation: Int
  private var isBroken = false
  private var transaction: PostgresTransaction?

  private var world: SimulatedWorld { server.world }

  init(_ server: SimulatedPostgres, _ process: SimulatedProcess, _ request: PostgresSessionRequest) throws {
    self.server = server
    self.process = process
    isStopping = request.isStopping
    generation = server.generation
    try server.world.crashPoint(process, "connect to PostgreSQL")
    server.world.blockLane(process, "connect to PostgreSQL")
    try server.connect()
  }

  deinit {
    // The client says goodbye; a dead one does not, and the server finds out later.
    if let transaction, !isBroken, !process.isDead, transaction.end == nil { server.rollBack(transaction) }
  }

  var isUsable: Bool { !isBroken && !process.isDead }

  func run(_ statements: String) throws -> PostgresAnswer { try exchange(statements, []) }
  func run(_ statement: String, _ parameters: [String?]) throws -> PostgresAnswer {
    try exchange(statement, parameters)
  }

  func copy(_ statement: String, _ produce: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws -> Int {
    let place = Self.place(statement)
    try send(place, isCommit: false)
    guard case .copy(let table, let columns)? = try parse(statement).first, let transaction else {
      throw unknown(statement, "a COPY in a transaction")
    }
    return try answering(place, isCommit: false) {
      try self.serialize(place)
      var bytes: [UInt8] = []
      do {
        try produce { piece in
          if self.world.strikes(.postgresDisconnect, "data of \(place)") { throw self.loseConnection() }
          bytes.append(contentsOf: piece)
        }
      } catch {
        transaction.isAborted = true
        throw error
      }
      return try self.executing(transaction) { try $0.copy(bytes, into: table, columns) }
    }
  }

  private func exchange(_ text: String, _ parameters: [String?]) throws -> PostgresAnswer {
    let place = Self.place(text)
    let statements = try parse(text)
    let isCommit = statements.contains { if case .commit = $0 { true } else { false } }
    try send(place, isCommit: isCommit, statements, parameters)
    return try answering(place, isCommit: isCommit) {
      let answer = try self.perform(statements, parameters, place)
      self.endMessage()
      return answer
    }
  }

  private static func place(_ text: String) -> String {
    "PostgreSQL: " + text.split(whereSeparator: { $0 == "\n" || $0 == " " }).prefix(4).joined(separator: " ")
  }

  private func parse(_ text: String) throws -> [PostgresStatement] {
    do { return try server.statements(text) } catch let error as PostgresParser.Unknown {
      throw unknown(text, error.expected)
    }
  }

  private func unknown(_ text: String, _ expected: String) -> PostgresFailure {
    world.violate("the simulated PostgreSQL does not know this statement (expected \(expected)): \(text)")
    return PostgresFailure(code: "0A000", message: "not simulated: \(text)", isConnectionLost: false)
  }

  // MARK: What can go wrong

  /// The request on its way: the process may die, the server restart, the connection break.
  private func send(
    _ place: String, isCommit: Bool, _ statements: [PostgresStatement] = [], _ parameters: [String?] = []
  ) throws {
    if process.isDead { throw ProcessDied() }
    do { try world.crashPoint(process, "before \(place)") } catch {
      // What the process had sent may arrive nevertheless.
      if isCommit, !isBroken, transaction?.end == nil, world.random.chance(0.5) { commitLater(statements, parameters) }
      throw error
    }
    guard !isBroken else { throw connectionLost }
    world.blockLane(process, place)
    if transaction != nil { server.letOthersGoOn(process) }
    if process.isDead { throw ProcessDied() }
    server.settle()
    if world.strikes(.postgresRestart, place) { server.restart() }
    if generation != server.generation { throw loseConnection() }
    if isStopping() { throw loseConnection("the connection was closed while it waited") }
    if world.strikes(.postgresDisconnect, "request of \(place)") {
      if isCommit && world.random.chance(0.5) { commitLater(statements, parameters) }
      throw loseConnection()
    }
  }

  /// The answer on its way back.
  private func answering<Answer>(_ place: String, isCommit: Bool, _ body: () throws -> Answer) throws -> Answer {
    let answer: Answer
    do { answer = try body() } catch let refusal as PostgresRefusal {
      abort()
      world.trace("\(place) is refused: \(refusal.code) \(refusal.message)")
      throw refusal.failure
    } catch let error as PostgresParser.Unknown {
      throw unknown(place, error.expected)
    }
    try world.crashPoint(process, "after \(place)")
    if world.strikes(isCommit ? .postgresLostCommit : .postgresDisconnect, "answer of \(place)") {
      throw loseConnection()
    }
    return answer
  }

  private func serialize(_ place: String) throws {
    guard transaction?.isAborted != true, world.strikes(.postgresSerialization, place) else { return }
    throw world.random.chance(0.5)
      ? PostgresRefusal("40P01", "deadlock detected")
      : PostgresRefusal("40001", "could not serialize access due to concurrent update")
  }

  /// The session breaks; its transaction stays open until the server notices.
  private func loseConnection(_ message: String = "server closed the connection unexpectedly") -> PostgresFailure {
    isBroken = true
    if let transaction { server.abandon(transaction, commits: false) }
    transaction = nil
    return PostgresFailure(code: nil, message: message, isConnectionLost: true)
  }

  private var connectionLost: PostgresFailure {
    PostgresFailure(code: nil, message: "the connection was lost", isConnectionLost: true)
  }

  /// The server does what it was asked to, up to the commit, which it carries out some time later.
  private func commitLater(_ statements: [PostgresStatement], _ parameters: [String?]) {
    guard generation == server.generation else { return }
    do { _ = try perform(statements.dropLast(), parameters, "late commit") } catch { return abort() }
    if let transaction { server.abandon(transaction, commits: true) }
    transaction = nil
    isBroken = true
  }

  // MARK: Transactions

  private func perform(
    _ statements: [PostgresStatement], _ parameters: [String?], _ place: String
  ) throws -> PostgresAnswer {
    var answer = PostgresAnswer()
    for statement in statements {
      answer = try control(statement) ?? execute(statement, parameters, place)
    }
    return answer
  }

  /// A message that began a transaction without saying so ends it.
  private func endMessage() {
    guard let transaction, transaction.isImplicit else { return }
    server.commit(transaction)
    self.transaction = nil
  }

  private func abort() {
    guard let transaction else { return }
    transaction.isAborted = true
    guard transaction.isImplicit else { return }
    server.rollBack(transaction)
    self.transaction = nil
  }

  /// Statements that begin and end transactions; `nil` for others.
  private func control(_ statement: PostgresStatement) throws -> PostgresAnswer? {
    switch statement {
    case .begin:
      if transaction == nil { transaction = server.begin(process, isImplicit: false) }
      transaction?.isImplicit = false
      return PostgresAnswer(command: "BEGIN")
    case .commit:
      guard let transaction else { return PostgresAnswer(command: "COMMIT") }
      let isAborted = transaction.isAborted
      if !isAborted { try serialize("COMMIT") }
      server.commit(transaction)
      self.transaction = nil
      return PostgresAnswer(command: isAborted ? "ROLLBACK" : "COMMIT")
    case .rollback:
      if let transaction { server.rollBack(transaction) }
      transaction = nil
      return PostgresAnswer(command: "ROLLBACK")
    case .savepoint, .release, .rollbackToSavepoint: return try savepoint(statement)
    default: return nil
    }
  }

  private func savepoint(_ statement: PostgresStatement) throws -> PostgresAnswer {
    guard let transaction else { throw PostgresRefusal("25P01", "SAVEPOINT can only be used in transaction blocks") }
    if case .rollbackToSavepoint = statement {
      guard let saved = transaction.savepoints.last else { throw PostgresRefusal("3B001", "savepoint does not exist") }
      transaction.changes = saved
      transaction.isAborted = false
      return PostgresAnswer(command: "ROLLBACK")
    }
    try refuseAborted(transaction)
    if case .savepoint = statement {
      transaction.savepoints.append(transaction.changes)
      return PostgresAnswer(command: "SAVEPOINT")
    }
    guard transaction.savepoints.popLast() != nil else {
      throw PostgresRefusal("3B001", "savepoint does not exist")
    }
    return PostgresAnswer(command: "RELEASE")
  }

  private func refuseAborted(_ transaction: PostgresTransaction) throws {
    guard transaction.isAborted else { return }
    throw PostgresRefusal(
      "25P02", "current transaction is aborted, commands ignored until end of transaction block")
  }

  private func execute(
    _ statement: PostgresStatement, _ parameters: [String?], _ place: String
  ) throws -> PostgresAnswer {
    let current = transaction ?? server.begin(process, isImplicit: true)
    transaction = current
    try refuseAborted(current)
    if statement.touchesRows { try serialize(place) }
    return try executing(current) { try $0.run(statement, parameters) }
  }

  private func executing<Answer>(
    _ transaction: PostgresTransaction, _ body: (PostgresExecution) throws -> Answer
  ) throws -> Answer {
    try refuseAborted(transaction)
    return try body(PostgresExecution(server: server, transaction: transaction))
  }
}
