import Actors
import PostgresClient

/// Brings an epoch's rows into the target, inside a transaction that somebody else begins and commits.
protocol PostgresEpochWriter {
  /// Sends the rows to the server, which takes as long as they are many, or for as long as this process stands still:
  /// nothing that it takes on the server may be what other transactions wait for.
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
  /// Columns of rows and stage before those of the target, quoted, with their types.
  var ownColumns: [(name: String, type: String)]
  private var isStaged = false

  init(
    session: any PostgresSession, configuration: PostgresConfiguration, payload: PostgresPayload, reader: SpillReader
  ) {
    self.session = session
    self.configuration = configuration
    self.payload = payload
    self.reader = reader
    ownColumns = payload.mode == .upsert ? [Self.ordinal, Self.deletion] : []
  }

  /// The temporary table that rows wait in; it lives in a schema of its own and goes away with the transaction.
  static let stage = "pg_temp.weir_stage"

  /// The first bytes of the binary COPY format: signature, flags, length of the extension.
  static let header: [UInt8] = Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  /// The last bytes: a field count of -1.
  static let trailer: [UInt8] = [0xff, 0xff]

  mutating func send() throws {
    guard payload.rowCount > 0 else { return }
    isStaged = try payload.mode == .upsert || !targetHasWrittenTypes() || targetHasKeys()
    if isStaged { try createStage() }
    try copyAll(into: isStaged ? PostgresApply.stage : configuration.tableName.quoted)
  }

  func finish() throws -> CommitOutcome {
    guard payload.rowCount > 0 else { return CommitOutcome(rowsApplied: 0) }
    if isStaged { try takeStaged(nil) }
    return CommitOutcome(rowsApplied: payload.rowCount)
  }

  /// Brings the stage's rows with ordinals in `range` (all of them when `nil`) into the target.
  func takeStaged(_ range: Range<Int64>?) throws {
    let condition =
      range.map { "WHERE \(Self.ordinal.name) >= \($0.lowerBound) AND \(Self.ordinal.name) < \($0.upperBound)" } ?? ""
    guard payload.mode == .append else { return try merge(condition) }
    try session.run(
      """
      INSERT INTO \(configuration.tableName.quoted) (\(columnList)) SELECT \(columnList) FROM \(Self.stage) \(condition)
      """)
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

  /// Whether two rows of the target can be in each other's way: who adds the second waits for who added the first.
  func targetHasKeys() throws -> Bool {
    let answer = try session.run(
      """
      SELECT count(*) > 0 FROM pg_index WHERE (indisunique OR indisexclusion) AND indrelid IN (
        SELECT to_regclass($1) UNION ALL SELECT relid FROM pg_partition_tree(to_regclass($1)))
      """, [configuration.tableName.quoted])
    return answer.rows.first?.first == "t"
  }

  /// Creates the temporary table with the types that the rows were written for.
  func createStage() throws {
    let columns =
      ownColumns.map { "\($0.name) \($0.type)" }
      + payload.columns.map { "\(PostgresText.identifier($0.name)) \($0.typeName)" }
    try session.run("CREATE TEMP TABLE weir_stage (\(columns.joined(separator: ", "))) ON COMMIT DROP")
  }

  /// The stage's own columns; a dot keeps their names apart from the target's.
  static let ordinal = (name: "\"weir.ordinal\"", type: "bigint")
  static let deletion = (name: "\"weir.delete\"", type: "boolean")

  /// The COPY statement for `table`.
  func copyStatement(_ table: String) -> String {
    let own = ownColumns.map { "\($0.name), " }.joined()
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

  /// Merges the stage's rows that satisfy `condition`; the last row of a key wins.
  private func merge(_ condition: String) throws {
    let table = configuration.tableName.quoted
    let keys = payload.key.map(PostgresText.identifier)
    let keyList = keys.joined(separator: ", ")
    // Sorted by key: two jobs that write the same rows take their locks in the same order.
    let last = """
      (SELECT DISTINCT ON (\(keyList)) * FROM \(Self.stage) \(condition) ORDER BY \(keyList), \(Self.ordinal.name) DESC) AS s
      """
    if payload.hasDeletes {
      let match = keys.map { "t.\($0) = s.\($0)" }.joined(separator: " AND ")
      try session.run("DELETE FROM \(table) AS t USING \(last) WHERE s.\(Self.deletion.name) AND \(match)")
    }
    let updates = payload.columns.filter { !payload.key.contains($0.name) }.map {
      let name = PostgresText.identifier($0.name)
      return "\(name) = EXCLUDED.\(name)"
    }
    let action = updates.isEmpty ? "DO NOTHING" : "DO UPDATE SET \(updates.joined(separator: ", "))"
    try session.run(
      """
      INSERT INTO \(table) (\(columnList)) SELECT \(columnList) FROM \(last) WHERE NOT s.\(Self.deletion.name) \
      ON CONFLICT (\(keyList)) \(action)
      """)
  }
}
