import Actors
import Checkpointing
import Columnar
import PostgresClient
import Runtime
import SQL

/// A table of PostgreSQL, read in one transaction that sees one state of it and of the position.
package actor PostgresContent: SinkContent {
  nonisolated private let lane: Lane
  /// libpq blocks: calls run on a lane of their own.
  package nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  nonisolated private let configuration: PostgresConfiguration
  nonisolated private let state: Opened
  private var connection: PostgresConnection?
  private var isReading = false

  /// What is known once the table was found.
  struct Opened: Sendable {
    let columns: [PostgresTargetColumn]
    let position: SinkPosition?
  }

  private static let cursorRows = 4_096

  /// Finds the table and begins the transaction.
  static func open(_ configuration: PostgresConfiguration) async throws -> PostgresContent {
    let lane = Lane(name: "verify-\(configuration.sink)")
    do {
      let opener = PostgresOpener(lane: lane)
      return try await opener.open(configuration)
    } catch {
      lane.stop()
      throw error
    }
  }

  init(_ configuration: PostgresConfiguration, _ opened: Opened, lane: Lane, connection: sending PostgresConnection) {
    self.configuration = configuration
    state = opened
    self.lane = lane
    self.connection = connection
  }

  package nonisolated var targets: [SinkTarget] {
    [SinkTarget(name: configuration.tableName.text, position: state.position, state: "one transaction")]
  }

  package nonisolated var isUpsert: Bool { configuration.mode == .upsert }

  package nonisolated func expected(_ batch: Batch) -> ExpectedRows {
    var encoder = CopyEncoder(columns: state.columns, isMerging: false)
    var bytes: [UInt8] = []
    let refused = encoder.encode(batch, into: &bytes).rejections
    var kept = batch
    if !refused.isEmpty {
      let rows = Set(refused.map(\.row))
      kept = batch.gather((0..<Int32(batch.count)).filter { !rows.contains(Int($0)) })
    }
    guard kept.count > 0 else { return ExpectedRows(refused: refused) }
    let columns = zip(kept.columns, state.columns).map { PostgresStored.column($0, as: $1) }
    let stored = Batch(schema: kept.schema, columns: columns, count: kept.count, origin: kept.origin)
    return ExpectedRows(routed: [(configuration.tableName.text, stored)], refused: refused)
  }

  package func rewind() throws {
    let connection = try session()
    if isReading { try connection.run("CLOSE weir_verify") }
    let names = state.columns.map { PostgresText.identifier($0.column.name) }.joined(separator: ", ")
    try connection.run(
      "DECLARE weir_verify NO SCROLL CURSOR FOR SELECT \(names) FROM \(configuration.tableName.quoted)")
    isReading = true
  }

  package func next() throws -> (target: String, batch: Batch)? {
    let answer = try session().run("FETCH FORWARD \(Self.cursorRows) FROM weir_verify")
    guard !answer.rows.isEmpty else { return nil }
    let fields = configuration.columns.map(\.field)
    let columns = fields.indices.map { index in
      PostgresStored.column(answer.rows.lazy.map { $0[index] }, fields[index].type, from: state.columns[index])
    }
    let batch = Batch(schema: Schema(fields), columns: columns, count: answer.rows.count)
    return (configuration.tableName.text, batch)
  }

  package func refusedByTarget() throws -> Int {
    let connection = try session()
    guard try connection.run("SELECT to_regclass('weir.rejected') IS NOT NULL").rows.first?.first == "t" else {
      return 0
    }
    let answer = try connection.run(
      "SELECT count(*) FROM weir.rejected WHERE job = $1 AND sink = $2", [configuration.job, configuration.sink])
    return answer.rows.first?.first.flatMap { $0.flatMap { Int($0) } } ?? 0
  }

  package func close() {
    connection = nil
    lane.stop()
  }

  private func session() throws -> PostgresConnection {
    guard let connection else {
      throw SinkError(sink: configuration.sink, severity: .failed, message: "the content was closed")
    }
    return connection
  }
}

/// Opens sessions on the lane that they stay on.
private actor PostgresOpener {
  nonisolated private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  init(lane: Lane) { self.lane = lane }

  func open(_ configuration: PostgresConfiguration) throws -> PostgresContent {
    guard !configuration.url.isEmpty else {
      throw SinkError(
        sink: configuration.sink, severity: .fatal,
        message: "expected an option url = 'postgresql://user@host:port/database', or WEIR_POSTGRES_URL; neither is set"
      )
    }
    let session = try PostgresConnection(url: configuration.url, applicationName: "weir verify \(configuration.job)")
    try session.prepareSession()
    try session.run(
      """
      SET idle_in_transaction_session_timeout = 0; SET datestyle = 'ISO'; SET intervalstyle = 'postgres';
      SET bytea_output = 'hex'; SET extra_float_digits = 3
      """)
    try session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    // The first question fixes the state that all others see.
    let hasPositions = try session.run("SELECT to_regclass('weir.positions') IS NOT NULL").rows.first?.first == "t"
    let positions = PostgresPositions(session: session, job: configuration.job, sink: configuration.sink)
    let position = hasPositions ? try positions.read() : nil
    guard let target = try PostgresCatalog(session: session, configuration: configuration).existingTarget() else {
      throw SinkError(
        sink: configuration.sink, severity: .fatal,
        message: "table \(configuration.tableName.quoted) does not exist: it was dropped, or the job never ran")
    }
    return PostgresContent(
      configuration, PostgresContent.Opened(columns: target.columns, position: position), lane: lane,
      connection: session)
  }
}

extension PostgresTableName {
  /// The name for people.
  var text: String { (schema.map { $0 + "." } ?? "") + name }
}
