import Actors
import Checkpointing
import Columnar
import Logging
import PostgresClient
import Runtime

/// Owns the session of one sink, on a lane of its own where libpq may block.
actor PostgresCommitter {
  nonisolated private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  let configuration: PostgresConfiguration
  private let openSession: PostgresSessionOpener
  private let stop: StopFlag
  private let logger: Logger
  private var connection: (any PostgresSession)?

  init(
    _ configuration: PostgresConfiguration, openSession: @escaping PostgresSessionOpener, stop: StopFlag, logger: Logger
  ) {
    self.configuration = configuration
    self.openSession = openSession
    self.stop = stop
    self.logger = logger
    lane = Lane(name: "pg-\(configuration.sink)")
  }

  /// Checks or creates the target and takes it over.
  func claim(owner: JobOwner, newest: CheckpointID) throws -> (PostgresTarget, CheckpointID) {
    try withSession { session in
      let catalog = PostgresCatalog(session: session, configuration: configuration)
      try catalog.createBookkeeping()
      let target = try catalog.target()
      try session.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
      let positions = PostgresPositions(session: session, job: configuration.job, sink: configuration.sink)
      let stored = try positions.lock()
      switch owner.claim(sink: configuration.sink, stored: stored, newest: newest) {
      case .conflict(let conflict): throw conflict
      case .claim(let position):
        try positions.write(position, replacing: stored)
        try commitTransaction(session)
        return (target, position.checkpoint)
      }
    }
  }

  /// Applies `pending` unless the position says that it was.
  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) throws -> CommitOutcome {
    guard let (payload, inline) = PostgresPayload.decode(pending.payload) else {
      throw SinkError(
        sink: configuration.sink, severity: .fatal,
        message: "checkpoint \(pending.checkpoint) has a pending commit that this version cannot read")
    }
    let reader = SpillReader(rows: payload.rows, inline: inline, files: files)
    return try withSession { session in
      do {
        return try transaction(
          pending, owner, session,
          PostgresApply(session: session, configuration: configuration, payload: payload, reader: reader))
      } catch let failure as PostgresFailure where failure.category == .data {
        logger.warning(
          "a row was refused by the target; looking for it",
          metadata: [
            "sink": "\(configuration.sink)", "checkpoint": "\(pending.checkpoint)", "error": "\(failure)"
          ])
      }
      try session.run("ROLLBACK")
      return try transaction(
        pending, owner, session,
        PostgresCarefulApply(
          session: session, configuration: configuration, payload: payload, reader: reader,
          checkpoint: pending.checkpoint))
    }
  }

  func close() {
    connection = nil
    lane.stop()
  }

  /// Reads the position and, when it says so, writes the epoch and moves the position, all in one transaction.
  ///
  /// The position is locked only when the rows are on the server: a process that is stopped while it sends them keeps
  /// neither its successor from taking over nor anybody's rows from the target. What the position says then is what
  /// counts; before, it only saves sending rows.
  private func transaction(
    _ pending: PendingCommit, _ owner: JobOwner, _ session: any PostgresSession, _ epoch: some PostgresEpochWriter
  ) throws -> CommitOutcome {
    var epoch = epoch
    // Deferred constraints would only be checked by COMMIT, where no row could be blamed any more.
    try session.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET CONSTRAINTS ALL IMMEDIATE")
    let positions = PostgresPositions(session: session, job: configuration.job, sink: configuration.sink)
    guard try applies(pending, owner, stored: positions.read()) else { return try skip(session) }
    try epoch.send()
    let stored = try positions.lock()
    guard try applies(pending, owner, stored: stored) else { return try skip(session) }
    let outcome = try epoch.finish()
    try positions.write(
      SinkPosition(owner: owner, checkpoint: pending.checkpoint, sources: pending.sources), replacing: stored)
    try commitTransaction(session)
    return outcome
  }

  /// Whether the epoch is the next one; `false` when it was committed before.
  private func applies(_ pending: PendingCommit, _ owner: JobOwner, stored: SinkPosition?) throws -> Bool {
    switch pending.decide(stored: stored, owner: owner) {
    case .conflict(let conflict): throw conflict
    case .skip: false
    case .apply: true
    }
  }

  private func skip(_ session: any PostgresSession) throws -> CommitOutcome {
    try session.run("ROLLBACK")
    return CommitOutcome(rowsApplied: 0, wasSkipped: true)
  }

  private func commitTransaction(_ session: any PostgresSession) throws {
    let command = try session.run("COMMIT").command
    guard command == "COMMIT" else {
      throw PostgresFailure(
        code: "40000", message: "the server answered \(command) to COMMIT", isConnectionLost: false)
    }
  }

  /// Runs `body` on the session, opening one if need be. After a failure the session is rolled back, or dropped.
  private func withSession<Result>(_ body: (any PostgresSession) throws -> Result) throws -> Result {
    try SinkFailures.translate(configuration.sink) {
      let session = try session()
      do {
        return try body(session)
      } catch {
        // Whatever state the session is in: a fresh one is cheap beside a failure, and cannot hold a transaction.
        if (try? session.run("ROLLBACK")) == nil || !session.isUsable || error is PostgresFailure { connection = nil }
        throw error
      }
    }
  }

  private func session() throws -> any PostgresSession {
    // One question finds out whether the server went away since the last commit.
    if let connection, (try? connection.run("SELECT 1")) != nil { return connection }
    connection = nil
    guard !configuration.url.isEmpty else {
      throw SinkError(
        sink: configuration.sink, severity: .fatal,
        message: "expected an option url = 'postgresql://user@host:port/database', or WEIR_POSTGRES_URL; neither is set"
      )
    }
    let opened = try openSession(
      PostgresSessionRequest(
        url: configuration.url, applicationName: "weir \(configuration.job)",
        isStopping: { [stop] in stop.isStopping }))
    try opened.prepareSession()
    connection = opened
    return opened
  }
}
