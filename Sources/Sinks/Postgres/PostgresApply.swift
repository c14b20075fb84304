import Actors
import PostgresClient

/// Brings an epoch's rows into the target, inside a transaction that somebody else begins and commits.
protocol PostgresEpochWriter {
  /// Sends the rows to the server, which takes as long as they are many; nobody waits for it.
  mutating func send() throws

  /// Brings the rows to where they belong, under the lock of the position.
  mutating func finish() throws -> CommitOutcome
}

/// All rows at once; a row that the target refuses fails the whole.
struct PostgresApply: PostgresEpochWriter {
  let session: any PostgresSession
  let configuration: PostgresConfiguration
  let payload: PostgresPayload
  let reader: SpillReader
  private var isStaged = false

  init(
    session: any PostgresSession, configuration: PostgresConfiguration, payload: PostgresPayload, reader: SpillReader
  ) {
    self.session = session
    self.configuration = configuration
    self.payload = payload
    self.reader = reader
  }

  /// The temporary table of `upsert`; it lives in a schema of its own and goes away with the transaction.
  static let stage = "pg_temp.weir_stage"

  /// The first bytes of the binary COPY format: signature, flags, length of the extension.
  static let header: [UInt8] = Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  /// The last bytes: a field count of -1.
  static let trailer: [UInt8] = [0xff, 0xff]

  mutating func send() throws {
    guard payload.rowCount > 0 else { return }
    isStaged = try payload.mode == .upsert || !targetHasWrittenTypes()
    if isStaged { try createStage() }
    try copyAll(into: isStaged ? PostgresApply.stage : configuration.tableName.quoted)
  }

  func finish() throws -> CommitOutcome {
    guard payload.rowCount > 0 else { return CommitOutcome(rowsApplied: 0) }
    if payload.mode == .upsert {
      try merge(nil)
    } else if isStaged {
      try session.run(
        """
        INSERT INTO \(configuration.tableName.quoted) (\(columnList)) SELECT \(columnList) FROM \(PostgresApply.stage)
        """)
    }
    return CommitOutcome(rowsApplied: payload.rowCount)
  }

  /// The quoted names of the columns.
  var columnList: String { payload.columns.map { PostgresText.identifier($0.name) }.joined(separator: ", ") }

  /// Whether the target's columns still have the types that the rows were written for: binary COPY does not convert.
  func targetHasWrittenTypes() throws -> Bool {
    let answer = try session.run(
      "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
      [configuration.tableName.quoted])
    let types = Dictionary(
      answer.rows.map { ($0[0] ?? "", $0[1].flatMap { UInt32($0) }) }, uniquingKeysWith: { first, _ in first })
    return payload.columns.allSatisfy { types[$0.name] == $0.typeIdentity }
  }

  /// Creates the temporary table with the types that the rows were written for.
  func createStage() throws {
    var columns = payload.columns.map { "\(PostgresText.identifier($0.name)) \($0.typeName)" }
    if payload.mode == .upsert { columns = ["\(Self.ordinal) bigint", "\(Self.deletion) boolean"] + columns }
    try session.run("CREATE TEMP TABLE weir_stage (\(columns.joined(separator: ", "))) ON COMMIT DROP")
  }

  /// The names of the stage's own columns; a dot keeps them apart from the target's.
  static let ordinal = "\"weir.ordinal\""
  static let deletion = "\"weir.delete\""

  /// The COPY statement for `table`.
  func copyStatement(_ table: String) -> String {
    let own = payload.mode == .upsert ? "\(Self.ordinal), \(Self.deletion), " : ""
    return "COPY \(table) (\(own)\(columnList)) FROM STDIN (FORMAT binary)"
  }

  private func copyAll(into table: String) throws {
    let count = try session.copy(copyStatement(table)) { send in
      try PostgresApply.header.withUnsafeBytes { try send($0) }
      try reader.forEachPiece(send)
      try PostgresApply.trailer.withUnsafeBytes { try send($0) }
    }
    guard count == payload.rowCount else {
      throw SpillReader.Damage(
        description: "the epoch has \(payload.rowCount) rows, its file \(count); restore the checkpoint directory")
    }
  }

  /// Merges the stage's rows with ordinals in `range` (all of them when `nil`); the last row of a key wins.
  func merge(_ range: Range<Int64>?) throws {
    let table = configuration.tableName.quoted
    let keys = payload.key.map(PostgresText.identifier)
    let condition =
      range.map { "WHERE \(Self.ordinal) >= \($0.lowerBound) AND \(Self.ordinal) < \($0.upperBound)" } ?? ""
    let keyList = keys.joined(separator: ", ")
    // Sorted by key: two jobs that write the same rows take their locks in the same order.
    let last = """
      (SELECT DISTINCT ON (\(keyList)) * FROM \(Self.stage) \(condition) ORDER BY \(keyList), \(Self.ordinal) DESC) AS s
      """
    if payload.hasDeletes {
      let match = keys.map { "t.\($0) = s.\($0)" }.joined(separator: " AND ")
      try session.run("DELETE FROM \(table) AS t USING \(last) WHERE s.\(Self.deletion) AND \(match)")
    }
    let updates = payload.columns.filter { !payload.key.contains($0.name) }.map {
      let name = PostgresText.identifier($0.name)
      return "\(name) = EXCLUDED.\(name)"
    }
    let action = updates.isEmpty ? "DO NOTHING" : "DO UPDATE SET \(updates.joined(separator: ", "))"
    try session.run(
      """
      INSERT INTO \(table) (\(columnList)) SELECT \(columnList) FROM \(last) WHERE NOT s.\(Self.deletion) \
      ON CONFLICT (\(keyList)) \(action)
      """)
  }
}
