import Actors
import Checkpointing
import PostgresClient

/// Brings an epoch's rows into the target although some of them are refused: those are found by halving, kept in
/// `weir.rejected` in the same transaction, and left out. Slow, and only used when the whole epoch failed.
struct PostgresCarefulApply: PostgresEpochWriter {
  private var whole: PostgresApply
  private let checkpoint: CheckpointID
  private var isStaged = true
  private var outcome = CommitOutcome(rowsApplied: 0)

  /// How many rows are copied at once.
  private static let pieceRows = 1_024

  init(
    session: any PostgresSession, configuration: PostgresConfiguration, payload: PostgresPayload, reader: SpillReader,
    checkpoint: CheckpointID
  ) {
    whole = PostgresApply(session: session, configuration: configuration, payload: payload, reader: reader)
    self.checkpoint = checkpoint
  }

  mutating func send() throws {
    if whole.payload.mode == .append { try decideOnStage() }
    if isStaged { try whole.createStage() }
    try copyPieces(into: isStaged ? PostgresApply.stage : whole.configuration.tableName.quoted)
  }

  /// Rows of `append` go straight into a target where they are in nobody's way.
  private mutating func decideOnStage() throws {
    guard try whole.targetHasWrittenTypes() else {
      throw SinkError(
        sink: whole.configuration.sink, severity: .fatal,
        message: """
          column types of table \(whole.configuration.tableName.quoted) were changed while the job ran, and some \
          waiting row does not fit the new ones; change the types back until the job has caught up
          """)
    }
    isStaged = try whole.targetHasKeys()
    // They have no numbers of their own, by which the refused ones are found in the stage.
    if isStaged { whole.ownColumns = [PostgresApply.ordinal] }
  }

  mutating func finish() throws -> CommitOutcome {
    if isStaged { try takeStaged(0..<Int64(whole.payload.rowCount)) }
    outcome.rowsApplied = whole.payload.rowCount - outcome.rejectedCount
    return outcome
  }

  /// Runs `body` so that a refusal of the data leaves the transaction as it was; whether it went through.
  private func attempt(_ body: () throws -> Void) throws -> PostgresFailure? {
    let session = whole.session
    try session.run("SAVEPOINT weir_part")
    do {
      try body()
      try session.run("RELEASE SAVEPOINT weir_part")
      return nil
    } catch let failure as PostgresFailure where failure.category == .data {
      try session.run("ROLLBACK TO SAVEPOINT weir_part; RELEASE SAVEPOINT weir_part")
      return failure
    }
  }

  private mutating func keep(_ json: String, _ message: String) {
    outcome.rejectedCount += 1
    if outcome.rejected.count < CommitOutcome.maximumRejectedRows {
      outcome.rejected.append(RejectedSinkRow(json: json, message: message))
    }
  }

  // MARK: Copying

  private mutating func copyPieces(into table: String) throws {
    var rows = PostgresRowSplitter()
    var count = 0
    try whole.reader.forEachPiece { bytes in
      rows.append(bytes)
      while let piece = rows.take(PostgresCarefulApply.pieceRows) {
        try copy(numbered(piece, from: count)[...], into: table)
        count += piece.count
      }
    }
    if let piece = rows.takeRest() { try copy(numbered(piece, from: count)[...], into: table) }
  }

  /// The rows with their ordinals in front, where they have none and the stage wants them.
  private func numbered(_ rows: [[UInt8]], from first: Int) -> [[UInt8]] {
    guard isStaged, whole.payload.mode == .append else { return rows }
    return rows.enumerated().map { index, row in
      // A row begins with the number of its fields, a field with its length.
      let count = UInt16(row[0]) << 8 | UInt16(row[1])
      var bytes: [UInt8] = []
      withUnsafeBytes(of: (count + 1).bigEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: Int32(8).bigEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: Int64(first + index).bigEndian) { bytes.append(contentsOf: $0) }
      return bytes + row[2...]
    }
  }

  private mutating func copy(_ rows: ArraySlice<[UInt8]>, into table: String) throws {
    let statement = whole.copyStatement(table)
    let failure = try attempt {
      _ = try whole.session.copy(statement) { send in
        try PostgresApply.header.withUnsafeBytes { try send($0) }
        for row in rows { try row.withUnsafeBytes { try send($0) } }
        try PostgresApply.trailer.withUnsafeBytes { try send($0) }
      }
    }
    guard let failure else { return }
    guard rows.count > 1 else {
      guard let row = rows.first else { return }
      let json = PostgresRowText.json(row, columns: whole.payload.columns, skipping: whole.ownColumns.count)
      try store(json, failure.description)
      keep(json, failure.description)
      return
    }
    let middle = rows.startIndex + rows.count / 2
    try copy(rows[..<middle], into: table)
    try copy(rows[middle...], into: table)
  }

  private func store(_ json: String, _ message: String) throws {
    try whole.session.run(
      "INSERT INTO weir.rejected (job, sink, checkpoint, row, message) VALUES ($1, $2, $3, $4, $5)",
      [whole.configuration.job, whole.configuration.sink, String(checkpoint.number), json, message])
  }

  // MARK: The stage

  private mutating func takeStaged(_ range: Range<Int64>) throws {
    let whole = whole
    guard let failure = try attempt({ try whole.takeStaged(range) }) else { return }
    guard range.count > 1 else { return try keepStaged(range.lowerBound, failure) }
    let middle = range.lowerBound + Int64(range.count / 2)
    try takeStaged(range.lowerBound..<middle)
    try takeStaged(middle..<range.upperBound)
  }

  private mutating func keepStaged(_ ordinal: Int64, _ failure: PostgresFailure) throws {
    let answer = try whole.session.run(
      """
      INSERT INTO weir.rejected (job, sink, checkpoint, row, message)
      SELECT $1, $2, $3, to_jsonb(s) - 'weir.ordinal' - 'weir.delete', $4 FROM \(PostgresApply.stage) AS s
      WHERE \(PostgresApply.ordinal.name) = $5 RETURNING row
      """,
      [
        whole.configuration.job, whole.configuration.sink, String(checkpoint.number), failure.description,
        String(ordinal)
      ])
    if let json = answer.rows.first?.first ?? nil { keep(json, failure.description) }
  }
}
