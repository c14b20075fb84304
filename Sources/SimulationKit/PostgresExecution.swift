import Columnar
import PostgresClient
import SQL

/// Carries statements out within one transaction, whose changes nobody else sees until it commits.
struct PostgresExecution {
  let server: SimulatedPostgres
  let transaction: PostgresTransaction

  /// Carries out `statement`, which neither begins nor ends anything.
  func run(_ statement: PostgresStatement, _ parameters: [String?]) throws -> PostgresAnswer {
    switch statement {
    case .setting: return PostgresAnswer(command: "SET")
    case .ping: return select([["1"]])
    case .exist(let names):
      return select([[names.allSatisfy { (try? definition($0)) != nil } ? "t" : "f"]])
    case .advisoryLock(let number):
      try server.lock(PostgresLock(name: "advisory \(number)"), transaction)
      return select([[""]])
    case .createSchema: return PostgresAnswer(command: "CREATE SCHEMA")
    case .createTable(let definition, let isTemporary):
      create(definition, isTemporary: isTemporary)
      return PostgresAnswer(command: "CREATE TABLE")
    case .tableIdentity, .tableTypes, .tableHasKeys, .tablePrivilege, .tableColumns, .tableKeys:
      return try catalog(statement, parameters)
    case .selectRows(let name, let columns, let condition, let locks):
      let table = try definition(name)
      let indexes = try table.indexes(of: columns)
      let found = try matching(condition, table, parameters, locks: locks)
      return select(found.map { _, row in indexes.map { table.columns[$0].type.text(row[$0]) } })
    case .insert(let name, let columns, let values):
      let table = try definition(name)
      let given = try zip(try table.indexes(of: columns), values).map { index, operand in
        (index, try value(operand, table.columns[index].type, parameters))
      }
      try insert(complete(given, table), into: table)
      return PostgresAnswer(command: "INSERT 0 1")
    case .update(let name, let values, let condition):
      return try update(name, values, condition, parameters)
    case .insertStaged(let name, let columns, let range): return try insertStaged(name, columns, range)
    case .keepStaged(let name): return try keepStaged(name, parameters)
    case .deleteLatest(let name, let latest): return try delete(name, latest)
    case .upsertLatest(let name, let columns, let latest, let updates):
      return try upsert(name, columns, latest, updates)
    case .begin, .commit, .rollback, .savepoint, .release, .rollbackToSavepoint, .copy:
      throw PostgresParser.Unknown(expected: "a statement that stands for itself")
    }
  }

  /// Takes the rows of a binary COPY.
  func copy(_ bytes: [UInt8], into name: PostgresName, _ columns: [String]) throws -> Int {
    let table = try definition(name)
    let indexes = try table.indexes(of: columns)
    var reader = PostgresWireReader(bytes)
    let rows = try reader.rows(indexes.map { table.columns[$0].type })
    for values in rows {
      let row = complete(Array(zip(indexes, values)), table)
      if name == .stage { transaction.changes.stage?.rows.append(row) } else { try insert(row, into: table) }
    }
    return rows.count
  }

  private func select(_ rows: [[String?]]) -> PostgresAnswer {
    PostgresAnswer(rows: rows, command: "SELECT \(rows.count)")
  }

  // MARK: Catalog

  func definition(_ name: PostgresName) throws -> PostgresTableDefinition {
    if name == .stage, let stage = transaction.changes.stage { return stage.definition }
    if let definition = transaction.changes.created[name] ?? server.tables[name]?.definition { return definition }
    throw PostgresRefusal("42P01", "relation \"\(name)\" does not exist")
  }

  private func create(_ definition: PostgresTableDefinition, isTemporary: Bool) {
    if isTemporary {
      transaction.changes.stage = (definition, [])
    } else if (try? self.definition(definition.name)) == nil {
      var definition = definition
      definition.identity = server.nextIdentity()
      transaction.changes.created[definition.name] = definition
    }
  }

  private func catalog(_ statement: PostgresStatement, _ parameters: [String?]) throws -> PostgresAnswer {
    let wanted = (parameters.first ?? nil) ?? ""
    if case .tablePrivilege = statement { return select([["t", "weir"]]) }
    let isByName =
      switch statement {
      case .tableIdentity, .tableTypes, .tableHasKeys: true
      default: false
      }
    let found =
      isByName
      ? try? definition(PostgresParser.name(wanted))
      : server.tables.values.map(\.definition).first { String($0.identity) == wanted }
    guard let found else { return select([]) }
    switch statement {
    case .tableHasKeys: return select([[found.keys.isEmpty ? "f" : "t"]])
    case .tableIdentity: return select([[String(found.identity), "r"]])
    case .tableTypes: return select(found.columns.map { [$0.name, String($0.type.identity)] })
    case .tableKeys:
      return select(
        found.keys.enumerated().flatMap { number, key in
          key.columns.map { ["\(found.identity)\(number)", found.columns[$0].name] }
        })
    default:
      return select(
        found.columns.map { column in
          [
            column.name, column.isNotNull ? "t" : "f", column.defaultsToNow ? "t" : "f", "f", column.type.name,
            String(column.type.identity), column.type.kind.rawValue, String(column.type.modifier), "f"
          ]
        })
    }
  }

  // MARK: Rows

  private func value(
    _ operand: PostgresStatement.Operand, _ type: PostgresType, _ parameters: [String?]
  ) throws -> Value {
    switch operand {
    case .now: return now
    case .parameter(let index):
      guard index < parameters.count else { throw PostgresRefusal("08P01", "bind message supplies too few parameters") }
      return try type.value(of: parameters[index])
    }
  }

  private var now: Value { .int64(server.world.wallStart + server.world.now / 1_000) }

  /// A row with `values`, and the defaults of the other columns.
  private func complete(_ values: [(Int, Value)], _ table: PostgresTableDefinition) -> [Value] {
    var row: [Value] = table.columns.map { $0.defaultsToNow ? now : .null }
    for (index, value) in values { row[index] = value }
    return row
  }

  private func changes(_ table: PostgresTableDefinition) -> PostgresChanges.Table {
    transaction.changes.tables[table.name] ?? PostgresChanges.Table(index: table.keys.map { _ in [:] })
  }

  private func row(_ number: Int64, _ table: PostgresTableDefinition) -> [Value]? {
    if let changed = transaction.changes.tables[table.name]?.rows[number] { return changed }
    return server.tables[table.name]?.rows[number]
  }

  /// The row that has a key, for this transaction; nobody else can change it until the transaction ends.
  private func find(_ key: [UInt8], _ index: Int, _ table: PostgresTableDefinition) throws -> Int64? {
    try server.lock(PostgresLock(name: "\(table.name) \(index)", key: key), transaction)
    return look(key, index, table)
  }

  /// The row that has a key, as this transaction sees it now.
  private func look(_ key: [UInt8], _ index: Int, _ table: PostgresTableDefinition) -> Int64? {
    if let changed = transaction.changes.tables[table.name]?.index[index][key] { return changed }
    return server.tables[table.name]?.index[index][key]
  }

  /// Replaces a row, or adds or removes one, with its keys. The keys were locked by ``find(_:_:_:)``.
  private func store(_ row: [Value]?, replacing old: [Value]?, _ number: Int64, _ table: PostgresTableDefinition) {
    var changes = transaction.changes.tables.removeValue(forKey: table.name) ?? changes(table)
    changes.rows[number] = .some(row)
    for (index, key) in table.keys.enumerated() {
      if let old, let value = table.key(old, key.columns) { changes.index[index][value] = .some(nil) }
      if let row, let value = table.key(row, key.columns) { changes.index[index][value] = number }
    }
    transaction.changes.tables[table.name] = changes
  }

  /// Rows whose columns, among them a whole key, have these values.
  private func matching(
    _ condition: [(String, PostgresStatement.Operand)], _ table: PostgresTableDefinition, _ parameters: [String?],
    locks: Bool = true
  ) throws -> [(Int64, [Value])] {
    let columns = try table.indexes(of: condition.map(\.0))
    guard let index = table.keys.firstIndex(where: { Set($0.columns) == Set(columns) }) else {
      throw PostgresParser.Unknown(expected: "a condition on a key")
    }
    var wanted = [Value](repeating: .null, count: table.columns.count)
    for (column, part) in zip(columns, condition) {
      wanted[column] = try value(part.1, table.columns[column].type, parameters)
    }
    guard let key = table.key(wanted, table.keys[index].columns),
      let number = locks ? try find(key, index, table) : look(key, index, table), let row = row(number, table)
    else { return [] }
    return [(number, row)]
  }

  private func update(
    _ name: PostgresName, _ values: [(String, PostgresStatement.Operand)],
    _ condition: [(String, PostgresStatement.Operand)], _ parameters: [String?]
  ) throws -> PostgresAnswer {
    let table = try definition(name)
    let found = try matching(condition, table, parameters)
    for (number, old) in found {
      var row = old
      for (index, part) in zip(try table.indexes(of: values.map(\.0)), values) {
        row[index] = try value(part.1, table.columns[index].type, parameters)
      }
      try replace(old, number, by: row, table)
    }
    return PostgresAnswer(command: "UPDATE \(found.count)")
  }

  private func replace(
    _ old: [Value], _ number: Int64, by row: [Value], _ table: PostgresTableDefinition
  ) throws {
    try check(row, table)
    for (index, key) in table.keys.enumerated() {
      guard let value = table.key(row, key.columns) else { continue }
      if let other = try find(value, index, table), other != number { throw duplicate(row, index, table) }
    }
    for (index, key) in table.keys.enumerated() {
      if let value = table.key(old, key.columns) { _ = try find(value, index, table) }
    }
    store(row, replacing: old, number, table)
  }

  private func insert(_ row: [Value], into table: PostgresTableDefinition) throws {
    try check(row, table)
    for (index, key) in table.keys.enumerated() {
      guard let value = table.key(row, key.columns) else { continue }
      if try find(value, index, table) != nil { throw duplicate(row, index, table) }
    }
    store(row, replacing: nil, server.nextRow(), table)
  }

  private func check(_ row: [Value], _ table: PostgresTableDefinition) throws {
    for (column, value) in zip(table.columns, row) where column.isNotNull && value == .null {
      throw PostgresRefusal(
        "23502",
        """
        null value in column "\(column.name)" of relation "\(table.name.name)" violates not-null constraint: \
        Failing row contains (\(table.text(row))).
        """)
    }
    for check in table.checks where !check.isSatisfied(row) {
      throw PostgresRefusal(
        "23514",
        """
        new row for relation "\(table.name.name)" violates check constraint "\(check.name)": \
        Failing row contains (\(table.text(row))).
        """)
    }
  }

  private func duplicate(_ row: [Value], _ index: Int, _ table: PostgresTableDefinition) -> PostgresRefusal {
    let key = table.keys[index]
    let names = key.columns.map { table.columns[$0].name }.joined(separator: ", ")
    let values = key.columns.map { table.columns[$0].type.text(row[$0]) ?? "null" }.joined(separator: ", ")
    return PostgresRefusal(
      "23505",
      "duplicate key value violates unique constraint \"\(key.name)\": Key (\(names))=(\(values)) already exists.")
  }

  // MARK: The stage

  private func stage() throws -> (definition: PostgresTableDefinition, rows: [[Value]]) {
    guard let stage = transaction.changes.stage else {
      throw PostgresRefusal("42P01", "relation \"pg_temp.weir_stage\" does not exist")
    }
    return stage
  }

  /// A row of the stage as a row of `table`.
  private func assigned(
    _ staged: [Value], _ stage: PostgresTableDefinition, _ columns: [String], _ table: PostgresTableDefinition
  ) throws -> [Value] {
    let pairs = zip(try stage.indexes(of: columns), try table.indexes(of: columns))
    return complete(
      try pairs.map { from, to in
        (to, try table.columns[to].type.assigned(staged[from], from: stage.columns[from].type))
      }, table)
  }

  private func insertStaged(
    _ name: PostgresName, _ columns: [String], _ range: Range<Int64>?
  ) throws -> PostgresAnswer {
    var (staged, rows) = try stage()
    let table = try definition(name)
    if let range {
      let own = try staged.indexes(of: ["weir.ordinal"])[0]
      rows = rows.filter { if case .int64(let ordinal) = $0[own] { range.contains(ordinal) } else { false } }
    }
    for row in rows { try insert(try assigned(row, staged, columns, table), into: table) }
    return PostgresAnswer(command: "INSERT 0 \(rows.count)")
  }

  /// The last row of each key, in the order of the keys, with whether it deletes.
  private func latest(_ latest: PostgresStatement.Latest) throws -> [(row: [Value], isDeletion: Bool)] {
    let (staged, rows) = try stage()
    let keys = try staged.indexes(of: latest.keys)
    let own = try staged.indexes(of: ["weir.ordinal", "weir.delete"])
    var last: [[UInt8]: (ordinal: Int64, row: [Value])] = [:]
    for row in rows {
      guard case .int64(let ordinal) = row[own[0]], latest.range?.contains(ordinal) ?? true,
        let key = staged.key(row, keys)
      else { continue }
      if let known = last[key], known.ordinal > ordinal { continue }
      last[key] = (ordinal, row)
    }
    return last.values.map(\.row).sorted { staged.precedes($0, $1, keys) }.map { row in
      (row, row[own[1]] == .boolean(true))
    }
  }

  private func keyIndex(_ names: [String], _ table: PostgresTableDefinition) throws -> Int {
    let columns = Set(try table.indexes(of: names))
    guard let index = table.keys.firstIndex(where: { Set($0.columns) == columns }) else {
      throw PostgresRefusal(
        "42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification")
    }
    return index
  }

  private func delete(_ name: PostgresName, _ latest: PostgresStatement.Latest) throws -> PostgresAnswer {
    let table = try definition(name)
    let staged = try stage().definition
    let index = try keyIndex(latest.keys, table)
    var count = 0
    for (row, isDeletion) in try self.latest(latest) where isDeletion {
      let wanted = try assigned(row, staged, latest.keys, table)
      guard let key = table.key(wanted, table.keys[index].columns), let number = try find(key, index, table),
        let old = self.row(number, table)
      else { continue }
      for (other, key) in table.keys.enumerated() where other != index {
        if let value = table.key(old, key.columns) { _ = try find(value, other, table) }
      }
      store(nil, replacing: old, number, table)
      count += 1
    }
    return PostgresAnswer(command: "DELETE \(count)")
  }

  private func upsert(
    _ name: PostgresName, _ columns: [String], _ latest: PostgresStatement.Latest, _ updates: [String]
  ) throws -> PostgresAnswer {
    let table = try definition(name)
    let staged = try stage().definition
    let index = try keyIndex(latest.keys, table)
    let updated = try table.indexes(of: updates)
    var count = 0
    for (stagedRow, isDeletion) in try self.latest(latest) where !isDeletion {
      let row = try assigned(stagedRow, staged, columns, table)
      try check(row, table)
      guard let key = table.key(row, table.keys[index].columns), let number = try find(key, index, table),
        let old = self.row(number, table)
      else {
        try insert(row, into: table)
        count += 1
        continue
      }
      guard !updated.isEmpty else { continue }
      var merged = old
      for column in updated { merged[column] = row[column] }
      try replace(old, number, by: merged, table)
      count += 1
    }
    return PostgresAnswer(command: "INSERT 0 \(count)")
  }

  /// Keeps the staged row with an ordinal in `weir.rejected`.
  private func keepStaged(_ name: PostgresName, _ parameters: [String?]) throws -> PostgresAnswer {
    let (staged, rows) = try stage()
    let table = try definition(name)
    let ordinal = try staged.indexes(of: ["weir.ordinal"])[0]
    let own = [ordinal] + [staged.index(of: "weir.delete")].compactMap(\.self)
    let wanted = Value.int64(parameters[4].flatMap { Int64($0) } ?? -1)
    guard let row = rows.first(where: { $0[ordinal] == wanted }) else { return select([]) }
    var json: [UInt8] = []
    for (index, column) in staged.columns.enumerated() where !own.contains(index) {
      json.append(contentsOf: json.isEmpty ? "{".utf8 : ",".utf8)
      json.append(contentsOf: PostgresType.quoted(Array(column.name.utf8)))
      json.append(UInt8(ascii: ":"))
      json.append(contentsOf: column.type.json(row[index]))
    }
    json.append(contentsOf: json.isEmpty ? "{}".utf8 : "}".utf8)
    let kept = try PostgresType.jsonb(json)
    let given = zip(["job", "sink", "checkpoint", "message"], parameters)
    var values = try given.map { name, text in
      let index = try table.indexes(of: [name])[0]
      return (index, try table.columns[index].type.value(of: text))
    }
    let target = try table.indexes(of: ["row"])[0]
    values.append((target, kept))
    try insert(complete(values, table), into: table)
    return PostgresAnswer(rows: [[table.columns[target].type.text(kept)]], command: "INSERT 0 1")
  }
}
