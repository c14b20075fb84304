import Columnar

/// The columns of a dead-letter or late output; a declared table has a subset of them, by name, all nullable.
public enum KeptRecordSchema {
  /// Every column that there is, with the types that it can be declared with.
  public static let columns: [(name: String, types: [DataType])] = [
    ("source", [.text]), ("partition", [.text]), ("offset", [.bigint]), ("timestamp", [.timestamptz]),
    ("key", [.text, .bytea]), ("value", [.text, .bytea]), ("reason", [.text]), ("message", [.text]),
    ("event_time", [.timestamptz]), ("watermark", [.timestamptz]), ("statement", [.text])
  ]

  /// The list for messages: `source text, partition text, …`.
  public static var text: String {
    columns.map { column in
      "\(column.name == "offset" ? "\"offset\"" : column.name) "
        + column.types.map(\.sqlName).joined(separator: "|")
    }.joined(separator: ", ")
  }
}

/// Which tables are read and which are written, and whether their connectors can be.
struct TableRoles {
  private(set) var problems: [SQLDiagnostic] = []

  init(_ tables: [String: TableDefinition], _ insertions: [InsertStatement], read: Set<String>) {
    for insertion in insertions where read.contains(insertion.target) {
      problems.append(
        SQLDiagnostic(
          message: "table \(insertion.target) is both read and written", location: insertion.location,
          hint: "put the query between into a CREATE VIEW, and read that"))
    }
    for name in read.sorted() {
      guard let table = tables[name], let connector = Self.connector(table) else { continue }
      if !connector.canRead { problems.append(unable(table, "read", \.canRead)) }
      problems += ConnectorOptions.misplaced(in: table, isRead: true)
      for option in ["dead_letter", "late"] { checkKept(table, option, tables, read) }
    }
    let kept = read.flatMap { name in ["dead_letter", "late"].compactMap { tables[name]?.options[$0] } }
    for name in Set(insertions.map(\.target) + kept).subtracting(read).sorted() {
      guard let table = tables[name], let connector = Self.connector(table) else { continue }
      if !connector.canWrite && !kept.contains(name) { problems.append(unable(table, "written", \.canWrite)) }
      problems += ConnectorOptions.misplaced(in: table, isRead: false)
    }
  }

  private static func connector(_ table: TableDefinition) -> ConnectorOptions.Connector? {
    table.options["connector"].flatMap { ConnectorOptions.connectors[$0] }
  }

  private func unable(
    _ table: TableDefinition, _ verb: String, _ ability: KeyPath<ConnectorOptions.Connector, Bool>
  ) -> SQLDiagnostic {
    let able = ConnectorOptions.connectors.filter { $0.value[keyPath: ability] }.keys.sorted()
    return SQLDiagnostic(
      message: "table \(table.name) cannot be \(verb): its connector is '\(table.options["connector"] ?? "")'",
      location: table.options.entries["connector"]?.location ?? table.location,
      hint: "connectors that can be \(verb): \(able.joined(separator: ", "))")
  }

  /// The table that keeps what is left out must be a sink with columns that a kept record has.
  private mutating func checkKept(
    _ source: TableDefinition, _ option: String, _ tables: [String: TableDefinition], _ read: Set<String>
  ) {
    guard let name = source.options[option] else { return }
    guard let table = tables[name] else {
      problems.append(
        source.options.invalid(
          option, expected: "the name of a declared table",
          hint: Suggestion.hint(for: name, in: tables.keys.sorted(), listing: "tables")))
      return
    }
    if Self.connector(table)?.canWrite == false || read.contains(name) {
      problems.append(
        source.options.invalid(
          option, expected: "a table that can be written and is not read",
          hint: "declare one WITH (connector = 'postgres', …) or 'kafka', 'file', 'stdout', 'blackhole'"))
    }
    for column in table.columns {
      let known = KeptRecordSchema.columns.first { $0.name == column.field.name }
      if known?.types.contains(column.field.type) != true {
        problems.append(
          source.options.invalid(
            option, expected: "a table of kept records; its column \(column.field.name) \(column.declaredType) is none",
            hint: "columns are taken by name from: \(KeptRecordSchema.text)"))
      } else if !column.field.isNullable {
        problems.append(
          source.options.invalid(
            option, expected: "a table whose columns can be NULL; \(column.field.name) of \(name) cannot",
            hint: "leave out NOT NULL and PRIMARY KEY"))
      }
    }
  }
}
