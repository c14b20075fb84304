import Actors
import Columnar
import PostgresClient
import SQL

/// Reads and creates tables on the server.
struct PostgresCatalog {
  let session: any PostgresSession
  let configuration: PostgresConfiguration

  /// Any number that all instances share: it keeps two that start at once from creating the same table.
  private static let creationLock = 8_703_914_215

  /// Creates the schema `weir` and its tables where they are missing.
  func createBookkeeping() throws {
    let found = try session.run(
      "SELECT to_regclass('weir.positions') IS NOT NULL AND to_regclass('weir.rejected') IS NOT NULL")
    guard found.rows.first?.first != "t" else { return }
    try creating(
      """
      CREATE SCHEMA IF NOT EXISTS weir;
      CREATE TABLE IF NOT EXISTS weir.positions (
        job text, sink text, lineage text NOT NULL, attempt bigint NOT NULL, checkpoint bigint NOT NULL,
        sources jsonb NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job, sink));
      CREATE TABLE IF NOT EXISTS weir.rejected (
        job text NOT NULL, sink text NOT NULL, checkpoint bigint NOT NULL, row jsonb NOT NULL, message text NOT NULL,
        at timestamptz NOT NULL DEFAULT now())
      """)
  }

  /// Checks the target table, creating it first when it is missing.
  func target() throws -> PostgresTarget {
    var identity = try tableIdentity()
    if identity == nil {
      guard configuration.createsTable else {
        throw refusal(
          "table \(configuration.tableName.quoted) does not exist; create it, or leave create_table at 'true'")
      }
      try creating(creationStatement())
      identity = try tableIdentity()
    }
    guard let identity else { throw refusal("table \(configuration.tableName.quoted) vanished while it was looked at") }
    try checkRights(identity)
    return try PostgresTarget(configuration, catalog: columns(of: identity), uniqueKeys: uniqueKeys(of: identity))
  }

  /// The target table for reading; `nil` when it is missing.
  func existingTarget() throws -> PostgresTarget? {
    guard let identity = try tableIdentity() else { return nil }
    // Rows can be read whatever indexes there are: only a writer needs the key's.
    return try PostgresTarget(
      configuration, catalog: columns(of: identity), uniqueKeys: [Set(configuration.primaryKey)])
  }

  private func refusal(_ message: String) -> SinkError {
    SinkError(sink: configuration.sink, severity: .fatal, message: message)
  }

  private func creating(_ statements: String) throws {
    try session.run(
      "BEGIN; SELECT pg_advisory_xact_lock(\(PostgresCatalog.creationLock)); \(statements); COMMIT")
  }

  private func creationStatement() -> String {
    var parts = configuration.columns.map { column in
      let required = column.field.isNullable ? "" : " NOT NULL"
      return "\(PostgresText.identifier(column.field.name)) \(column.declaredType)\(required)"
    }
    if !configuration.primaryKey.isEmpty {
      let key = configuration.primaryKey.map(PostgresText.identifier).joined(separator: ", ")
      parts.append("PRIMARY KEY (\(key))")
    }
    let name = configuration.tableName
    let schema = name.schema.map { "CREATE SCHEMA IF NOT EXISTS \(PostgresText.identifier($0)); " } ?? ""
    return "\(schema)CREATE TABLE IF NOT EXISTS \(name.quoted) (\(parts.joined(separator: ", ")))"
  }

  private func tableIdentity() throws -> String? {
    let answer = try session.run(
      "SELECT oid, relkind FROM pg_class WHERE oid = to_regclass($1)", [configuration.tableName.quoted])
    guard let row = answer.rows.first, let identity = row[0], let kind = row[1] else { return nil }
    guard kind == "r" || kind == "p" else {
      throw refusal("\(configuration.tableName.quoted) is not a table; name a table")
    }
    return identity
  }

  private func checkRights(_ identity: String) throws {
    let needed = configuration.mode == .upsert ? ["INSERT", "UPDATE", "SELECT"] : ["INSERT"]
    for right in needed {
      let answer = try session.run("SELECT has_table_privilege($1::oid, $2), current_user", [identity, right])
      guard let row = answer.rows.first, row[0] != "t" else { continue }
      let table = configuration.tableName.quoted
      let user = PostgresText.identifier(row[1] ?? "")
      throw refusal("user \(user) may not \(right) on table \(table); run GRANT \(right) ON \(table) TO \(user)")
    }
  }

  private func columns(of identity: String) throws -> [PostgresCatalogColumn] {
    let answer = try session.run(
      """
      SELECT a.attname, a.attnotnull OR t.typnotnull, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
        a.attgenerated <> '' OR a.attidentity = 'a', format_type(a.atttypid, a.atttypmod), a.atttypid,
        coalesce(b.typname, t.typname), CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END,
        coalesce(b.typtype, t.typtype) = 'e'
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
      WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
      """, [identity])
    return answer.rows.map { row in
      PostgresCatalogColumn(
        name: row[0] ?? "", isNotNull: row[1] == "t", hasDefault: row[2] == "t", isGenerated: row[3] == "t",
        typeName: row[4] ?? "", typeIdentity: row[5].flatMap { UInt32($0) } ?? 0, baseType: row[6] ?? "",
        modifier: row[7].flatMap { Int($0) } ?? -1, isEnumeration: row[8] == "t")
    }
  }

  private func uniqueKeys(of identity: String) throws -> [Set<String>] {
    let answer = try session.run(
      """
      SELECT i.indexrelid, a.attname
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (
        (i.indkey::int2[])[0:i.indnkeyatts - 1])
      WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        AND i.indexprs IS NULL
      """, [identity])
    return Dictionary(grouping: answer.rows) { $0[0] ?? "" }.values.map { Set($0.compactMap { $0[1] }) }
  }
}
