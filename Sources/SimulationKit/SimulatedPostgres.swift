import Checkpointing
import Columnar
import FoundationEssentials
import PostgresClient

/// A PostgreSQL server as far as the sink needs one: tables, keys, transactions and locks, kept in memory.
///
/// It outlives the processes. A transaction whose client is gone may stay open for a while, with its locks; when the
/// client had already asked to commit it, it may even commit later. Whoever needs its locks waits for it, in virtual
/// time, or runs into the lock timeout.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
public final class SimulatedPostgres: @unchecked Sendable {
  /// What the catalog says, and what was committed.
  private(set) var tables: [PostgresName: PostgresTable] = [:]
  /// Counts restarts: a session of an earlier generation is broken.
  private(set) var generation = 0
  unowned let world: SimulatedWorld
  private var open: [PostgresTransaction] = []
  private var holders: [PostgresLock: PostgresTransaction] = [:]
  private var parsed: [String: [PostgresStatement]] = [:]
  private var refusesUntil: Int64 = 0
  private var isInterrupted = false
  private var lastIdentity = 16_383
  private var lastRow: Int64 = 0

  /// As `lock_timeout` says, which the sink sets.
  static let lockTimeout: Int64 = 30_000_000_000

  /// An empty server.
  public init(in world: SimulatedWorld) { self.world = world }

  /// Opens sessions for `process`.
  public func opener(for process: SimulatedProcess) -> PostgresSessionOpener {
    { request in try SimulatedPostgresSession(self, process, request) }
  }

  /// Creates a table, as somebody else would have.
  public func create(_ definition: PostgresTableDefinition) {
    var definition = definition
    definition.identity = nextIdentity()
    tables[definition.name] = PostgresTable(definition)
  }

  // MARK: What a checker looks at

  /// The committed rows of a table as text, in the order in which they were first inserted; `nil`: there is no such
  /// table.
  public func rows(of name: String, schema: String = "public") -> [[String?]]? {
    settle()
    guard let table = tables[PostgresName(schema: schema, name)] else { return nil }
    return values(table).map { row in zip(table.definition.columns, row).map { $0.type.text($1) } }
  }

  /// The committed rows of a table, in the order in which they were first inserted; `nil`: there is no such table.
  public func values(of name: String, schema: String = "public") -> [[Value]]? {
    settle()
    return tables[PostgresName(schema: schema, name)].map(values)
  }

  private func values(_ table: PostgresTable) -> [[Value]] {
    table.rows.sorted { $0.key < $1.key }.map(\.value)
  }

  /// The committed position of a sink.
  public func position(job: String, sink: String) -> SinkPosition? {
    let rows = rows(of: "positions", schema: "weir") ?? []
    guard let row = rows.first(where: { $0[0] == job && $0[1] == sink }), let lineage = row[2],
      let attempt = row[3].flatMap({ UInt64($0) }), let checkpoint = row[4].flatMap({ UInt64($0) }),
      let sources = try? JSONDecoder().decode([String: [String: Int64]].self, from: Data((row[5] ?? "").utf8))
    else { return nil }
    return SinkPosition(
      owner: JobOwner(lineage: lineage, attempt: attempt), checkpoint: CheckpointID(checkpoint),
      sources: SourcePositions(sources))
  }

  /// Lets the transactions end whose clients are gone, without waiting for their time.
  public func finishAbandoned() {
    settle()
    for transaction in open.filter({ $0.end != nil }).sorted(by: { ($0.end?.at ?? 0) < ($1.end?.at ?? 0) }) {
      finish(transaction)
    }
  }

  // MARK: Sessions

  /// - Throws: what libpq says of a server that is not there.
  func connect() throws {
    if world.strikes(.postgresRestart, "connect to PostgreSQL") { restart() }
    guard world.now < refusesUntil else { return }
    throw PostgresFailure(
      code: nil,
      message: "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  the database system is starting up",
      isConnectionLost: true)
  }

  /// All sessions break. What was not committed is gone; a commit that was under way is there, or it is not.
  func restart() {
    generation += 1
    refusesUntil = world.now + Int64.random(in: 50_000_000...3_000_000_000, using: &world.random)
    world.trace("PostgreSQL restarts")
    settle()
    for transaction in open {
      let wasUnderWay = transaction.end?.commits == true
      if wasUnderWay && world.random.chance(0.5) { commit(transaction) } else { rollBack(transaction) }
    }
  }

  func statements(_ text: String) throws -> [PostgresStatement] {
    if let known = parsed[text] { return known }
    let statements = try PostgresParser.statements(text)
    parsed[text] = statements
    return statements
  }

  func nextIdentity() -> Int {
    lastIdentity += 1
    return lastIdentity
  }

  func nextRow() -> Int64 {
    lastRow += 1
    return lastRow
  }

  // MARK: Transactions

  func begin(_ process: SimulatedProcess, isImplicit: Bool) -> PostgresTransaction {
    let transaction = PostgresTransaction(process, isImplicit: isImplicit)
    open.append(transaction)
    return transaction
  }

  /// The client is gone; the server notices some time later.
  func abandon(_ transaction: PostgresTransaction, commits: Bool) {
    guard transaction.end == nil, open.contains(where: { $0 === transaction }) else { return }
    let delay = Int64.random(in: 1_000_000...5_000_000_000, using: &world.random)
    world.trace("PostgreSQL: a transaction without client \(commits ? "commits" : "ends") later")
    transaction.end = PostgresTransaction.End(at: world.now + delay, commits: commits)
  }

  /// Ends the transactions without client whose time has come.
  func settle() {
    for transaction in open where transaction.process.isDead { abandon(transaction, commits: false) }
    while let due = open.filter({ $0.end.map { $0.at <= world.now } ?? false })
      .min(by: { ($0.end?.at ?? 0) < ($1.end?.at ?? 0) })
    {
      finish(due)
    }
  }

  private func finish(_ transaction: PostgresTransaction) {
    if transaction.end?.commits == true { commit(transaction) } else { rollBack(transaction) }
  }

  func commit(_ transaction: PostgresTransaction) {
    guard !transaction.isAborted else { return rollBack(transaction) }
    for (name, definition) in transaction.changes.created where tables[name] == nil {
      tables[name] = PostgresTable(definition)
    }
    for (name, changes) in transaction.changes.tables {
      for (number, row) in changes.rows { tables[name]?.rows[number] = row }
      for (key, entries) in changes.index.enumerated() {
        for (value, row) in entries { tables[name]?.index[key][value] = row }
      }
    }
    rollBack(transaction)
  }

  func rollBack(_ transaction: PostgresTransaction) {
    for lock in transaction.locks { holders[lock] = nil }
    transaction.locks = []
    open.removeAll { $0 === transaction }
  }

  /// Maybe lets other processes go on, in the middle of a transaction of `process`.
  ///
  /// Its calls block, so the job that makes them runs on while others wait. One such pause at a time: whoever needs a
  /// lock of the transaction that is paused does not get it.
  func letOthersGoOn(_ process: SimulatedProcess) {
    guard !isInterrupted, !world.isCalm, world.hasOthers(than: process), world.random.chance(0.2) else { return }
    let isLong = world.random.chance(0.1)
    let pause = Int64.random(in: 100_000...(isLong ? 40_000_000_000 : 30_000_000), using: &world.random)
    world.trace("PostgreSQL: process \(process.number) pauses in a transaction")
    isInterrupted = true
    var isOver = false
    world.after(pause) { isOver = true }
    world.run(until: .max) { isOver || process.isDead }
    isInterrupted = false
  }

  /// Takes a lock until the transaction ends, waiting for whoever has it.
  func lock(_ lock: PostgresLock, _ transaction: PostgresTransaction) throws {
    if let holder = holders[lock], holder !== transaction {
      // A transaction whose client lives cannot go on while this one waits: see ``letOthersGoOn(_:)``.
      let wait = holder.end.map { $0.at - world.now } ?? .max
      let process = transaction.process
      process.blockCurrentLane(until: world.now + min(wait, Self.lockTimeout))
      guard wait <= Self.lockTimeout else {
        throw PostgresRefusal("55P03", "canceling statement due to lock timeout")
      }
      finish(holder)
    }
    guard holders[lock] == nil else { return }
    holders[lock] = transaction
    transaction.locks.append(lock)
  }
}
