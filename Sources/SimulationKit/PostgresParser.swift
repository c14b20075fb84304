/// Recognises the statements that the sink sends.
struct PostgresParser {
  /// The statement has a shape that the simulated server does not know.
  struct Unknown: Error {
    let expected: String
  }

  private var rest: ArraySlice<PostgresToken>

  /// The statements of `text`, which are separated by semicolons.
  static func statements(_ text: String) throws -> [PostgresStatement] {
    try PostgresToken.tokens(text).split(separator: .symbol(UInt8(ascii: ";"))).map { tokens in
      var parser = PostgresParser(rest: tokens)
      let statement = try parser.statement()
      guard parser.rest.isEmpty else { throw Unknown(expected: "the end of the statement") }
      return statement
    }
  }

  private mutating func statement() throws -> PostgresStatement {
    guard case .word(let verb)? = rest.first else { throw Unknown(expected: "a verb") }
    switch verb {
    case "begin":
      try word("begin")
      if take("isolation") { try expect("level read committed read write") }
      return .begin
    case "commit": return try simple("commit", .commit)
    case "savepoint": return try simple("savepoint weir_part", .savepoint)
    case "release": return try simple("release savepoint weir_part", .release)
    case "rollback":
      try word("rollback")
      return take("to") ? try simple("savepoint weir_part", .rollbackToSavepoint) : .rollback
    case "set": return try setting()
    case "create": return try creation()
    case "select": return try selection()
    case "insert": return try insertion()
    case "update": return try update()
    case "delete": return try deletion()
    case "copy":
      try word("copy")
      let table = try name()
      let columns = try list()
      try expect("from stdin ( format binary )")
      return .copy(table, columns: columns)
    default: throw Unknown(expected: "a verb that the sink uses")
    }
  }

  // MARK: Statements

  private mutating func simple(_ text: String, _ statement: PostgresStatement) throws -> PostgresStatement {
    try expect(text)
    return statement
  }

  private static let settings: Set<String> = [
    "timezone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
    "standard_conforming_strings", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count",
    "tcp_user_timeout"
  ]

  private mutating func setting() throws -> PostgresStatement {
    try word("set")
    if take("constraints") { return try simple("all immediate", .setting) }
    guard case .word(let name)? = rest.popFirst(), Self.settings.contains(name) else {
      throw Unknown(expected: "a setting that the sink uses")
    }
    try symbol("=")
    rest.removeFirst()
    return .setting
  }

  /// Statements that are only known as a whole.
  private static let selections: [(tokens: [PostgresToken], statement: PostgresStatement)] = texts.map {
    (PostgresToken.tokens($0.0), $0.1)
  }

  private static let texts: [(String, PostgresStatement)] = [
    ("SELECT 1", .ping),
    (
      """
      SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
      """, .setting
    ),
    (
      """
      SELECT set_config('client_connection_check_interval', '5s', false)
      WHERE current_setting('server_version_num')::int >= 140000
      """, .setting
    ),
    ("SELECT oid, relkind FROM pg_class WHERE oid = to_regclass($1)", .tableIdentity),
    ("SELECT has_table_privilege($1::oid, $2), current_user", .tablePrivilege),
    (
      """
      SELECT attname, atttypid FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
      """, .tableTypes
    ),
    (
      """
      SELECT count(*) > 0 FROM pg_index WHERE (indisunique OR indisexclusion) AND indrelid IN (
        SELECT to_regclass($1) UNION ALL SELECT relid FROM pg_partition_tree(to_regclass($1)))
      """, .tableHasKeys
    ),
    (
      """
      SELECT a.attname, a.attnotnull OR t.typnotnull, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
        a.attgenerated <> '' OR a.attidentity = 'a', format_type(a.atttypid, a.atttypmod), a.atttypid,
        coalesce(b.typname, t.typname), CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END,
        coalesce(b.typtype, t.typtype) = 'e'
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
      WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
      """, .tableColumns
    ),
    (
      """
      SELECT i.indexrelid, a.attname
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (
        (i.indkey::int2[])[0:i.indnkeyatts - 1])
      WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        AND i.indexprs IS NULL
      """, .tableKeys
    )
  ]

  private mutating func selection() throws -> PostgresStatement {
    if let known = Self.selections.first(where: { $0.tokens[...] == rest }) {
      rest = []
      return known.statement
    }
    try word("select")
    if take("pg_advisory_xact_lock") {
      try symbol("(")
      guard case .word(let number)? = rest.popFirst() else { throw Unknown(expected: "a number") }
      try symbol(")")
      return .advisoryLock(number)
    }
    if case .word("to_regclass")? = rest.first {
      var names: [PostgresName] = []
      repeat {
        try expect("to_regclass (")
        guard case .literal(let text)? = rest.popFirst() else { throw Unknown(expected: "a table's name") }
        names.append(try Self.name(text))
        try expect(") is not null")
      } while take("and")
      return .exist(names)
    }
    let columns = try commaList { try $0.identifier() }
    try word("from")
    let table = try name()
    let condition = try condition()
    let locks = take("for")
    if locks { try word("update") }
    return .selectRows(table, columns: columns, condition: condition, locks: locks)
  }

  private mutating func creation() throws -> PostgresStatement {
    try word("create")
    if take("schema") {
      try expect("if not exists")
      _ = try identifier()
      return .createSchema
    }
    let isTemporary = take("temp")
    try word("table")
    if !isTemporary { try expect("if not exists") }
    let table = isTemporary ? PostgresName(schema: "pg_temp", try identifier()) : try name()
    var definition = PostgresTableDefinition(name: table, columns: [])
    try symbol("(")
    repeat {
      if take("primary") {
        try word("key")
        definition.setPrimaryKey(try list())
      } else {
        definition.columns.append(try column())
      }
    } while takeSymbol(",")
    try symbol(")")
    if isTemporary { try expect("on commit drop") }
    return .createTable(definition, isTemporary: isTemporary)
  }

  private mutating func column() throws -> PostgresColumnDefinition {
    let name = try identifier()
    var type = ""
    while case .word(let word)? = rest.first, word != "not", word != "default" {
      rest.removeFirst()
      type += (type.isEmpty ? "" : " ") + word
      guard takeSymbol("(") else { continue }
      let arguments = try commaList { try $0.number() }
      try symbol(")")
      type += "(" + arguments.map(String.init).joined(separator: ",") + ")"
    }
    guard let type = PostgresType(type) else { throw Unknown(expected: "a type, found '\(type)'") }
    var column = PostgresColumnDefinition(name, type)
    if take("not") {
      try word("null")
      column.isNotNull = true
    }
    if take("default") {
      try expect("now ( )")
      column.defaultsToNow = true
    }
    return column
  }

  private mutating func insertion() throws -> PostgresStatement {
    try expect("insert into")
    let table = try name()
    let columns = try list()
    if take("values") {
      try symbol("(")
      let values = try commaList { try $0.operand() }
      try symbol(")")
      return .insert(table, columns: columns, values: values)
    }
    if case .parameter? = rest.dropFirst().first {
      try expect(
        """
        SELECT $1, $2, $3, to_jsonb(s) - 'weir.ordinal' - 'weir.delete', $4 FROM pg_temp.weir_stage AS s
        WHERE "weir.ordinal" = $5 RETURNING row
        """)
      return .keepStaged(table)
    }
    try word("select")
    guard try commaList({ try $0.identifier() }) == columns else { throw Unknown(expected: "the same columns") }
    try word("from")
    if !takeSymbol("(") {
      guard try name() == .stage else { throw Unknown(expected: "the stage") }
      return .insertStaged(table, columns: columns, range: try ordinals())
    }
    let latest = try latest()
    try expect("WHERE NOT s.\"weir.delete\" ON CONFLICT")
    guard try list() == latest.keys else { throw Unknown(expected: "the keys of DISTINCT ON") }
    try word("do")
    if take("nothing") { return .upsertLatest(table, columns: columns, latest, updates: []) }
    try expect("update set")
    let updates = try commaList { parser in
      let column = try parser.identifier()
      try parser.expect("= excluded .")
      guard try parser.identifier() == column else { throw Unknown(expected: "the column's own new value") }
      return column
    }
    return .upsertLatest(table, columns: columns, latest, updates: updates)
  }

  private mutating func update() throws -> PostgresStatement {
    try word("update")
    let table = try name()
    try word("set")
    let values = try commaList { try $0.assignment() }
    return .update(table, values: values, condition: try condition())
  }

  private mutating func deletion() throws -> PostgresStatement {
    try expect("delete from")
    let table = try name()
    try expect("as t using (")
    let latest = try latest()
    try expect("WHERE s.\"weir.delete\"")
    for key in latest.keys {
      try expect("and t .")
      let left = try identifier()
      try expect("= s .")
      guard try identifier() == key, left == key else { throw Unknown(expected: "the keys of DISTINCT ON") }
    }
    return .deleteLatest(table, latest)
  }

  /// What follows the parenthesis of `(SELECT DISTINCT ON (…) * FROM stage [WHERE …] ORDER BY …) AS s`.
  private mutating func latest() throws -> PostgresStatement.Latest {
    try expect("select distinct on")
    let keys = try list()
    try symbol("*")
    try expect("FROM pg_temp.weir_stage")
    let range = try ordinals()
    try expect("order by")
    for key in keys {
      guard try identifier() == key else { throw Unknown(expected: "the keys of DISTINCT ON") }
      try symbol(",")
    }
    try expect("\"weir.ordinal\" DESC) AS s")
    return PostgresStatement.Latest(keys: keys, range: range)
  }

  /// The condition by which a part of the stage is taken, if there is one.
  private mutating func ordinals() throws -> Range<Int64>? {
    guard take("where") else { return nil }
    try expect("\"weir.ordinal\" >=")
    let lower = try number()
    try expect("AND \"weir.ordinal\" <")
    return Int64(lower)..<Int64(try number())
  }

  // MARK: Parts

  private mutating func condition() throws -> [(String, PostgresStatement.Operand)] {
    try word("where")
    var parts = [try assignment()]
    while take("and") { parts.append(try assignment()) }
    return parts
  }

  private mutating func assignment() throws -> (String, PostgresStatement.Operand) {
    let column = try identifier()
    try symbol("=")
    return (column, try operand())
  }

  private mutating func operand() throws -> PostgresStatement.Operand {
    if case .parameter(let number)? = rest.first {
      rest.removeFirst()
      return .parameter(number - 1)
    }
    try expect("clock_timestamp ( )")
    return .now
  }

  private mutating func name() throws -> PostgresName {
    let first = try identifier()
    guard takeSymbol(".") else { return PostgresName(first) }
    return PostgresName(schema: first, try identifier())
  }

  /// The table that a text for `to_regclass` names.
  static func name(_ text: String) throws -> PostgresName {
    var parser = PostgresParser(rest: PostgresToken.tokens(text)[...])
    return try parser.name()
  }

  private mutating func list() throws -> [String] {
    try symbol("(")
    let names = try commaList { try $0.identifier() }
    try symbol(")")
    return names
  }

  private mutating func commaList<Element>(
    _ element: (inout PostgresParser) throws -> Element
  ) throws -> [Element] {
    var elements = [try element(&self)]
    while takeSymbol(",") { elements.append(try element(&self)) }
    return elements
  }

  private mutating func identifier() throws -> String {
    switch rest.popFirst() {
    case .word(let text), .identifier(let text): return text
    default: throw Unknown(expected: "a name")
    }
  }

  private mutating func number() throws -> Int {
    guard case .word(let text)? = rest.popFirst(), let number = Int(text) else { throw Unknown(expected: "a number") }
    return number
  }

  // MARK: Tokens

  private mutating func take(_ word: String) -> Bool {
    guard rest.first == .word(word) else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func takeSymbol(_ text: Unicode.Scalar) -> Bool {
    guard rest.first == .symbol(UInt8(ascii: text)) else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func word(_ text: String) throws { if !take(text) { throw Unknown(expected: text) } }
  private mutating func symbol(_ text: Unicode.Scalar) throws {
    if !takeSymbol(text) { throw Unknown(expected: String(text)) }
  }

  /// Takes the tokens of `text`.
  private mutating func expect(_ text: String) throws {
    for token in PostgresToken.tokens(text) {
      guard rest.popFirst() == token else { throw Unknown(expected: text) }
    }
  }
}
