import Columnar

/// A column of a table of the simulated server.
public struct PostgresColumnDefinition: Sendable {
  /// The column's name.
  public var name: String
  /// Its type.
  public var type: PostgresType
  /// Whether NULL is refused.
  public var isNotNull: Bool
  /// Whether the column has the time of its row's transaction when nothing else is said.
  public var defaultsToNow: Bool

  /// A column.
  public init(_ name: String, _ type: PostgresType, isNotNull: Bool = false, defaultsToNow: Bool = false) {
    self.name = name
    self.type = type
    self.isNotNull = isNotNull
    self.defaultsToNow = defaultsToNow
  }
}

/// A table of the simulated server: its columns, and what its rows must satisfy.
public struct PostgresTableDefinition: Sendable {
  /// A primary key, or a unique constraint.
  struct Key: Sendable {
    let name: String
    let columns: [Int]
  }

  /// A `CHECK`.
  public struct Check: Sendable {
    /// The constraint's name.
    let name: String
    /// Whether a row satisfies it.
    let isSatisfied: @Sendable ([Value]) -> Bool

    /// A constraint that rows satisfy of which `isSatisfied` says so.
    public init(_ name: String, _ isSatisfied: @escaping @Sendable ([Value]) -> Bool) {
      self.name = name
      self.isSatisfied = isSatisfied
    }
  }

  let name: PostgresName
  /// The columns.
  public var columns: [PostgresColumnDefinition]
  /// The checks.
  public var checks: [Check] = []
  private(set) var keys: [Key] = []
  /// `pg_class.oid`, once the table was created.
  var identity = 0

  init(name: PostgresName, columns: [PostgresColumnDefinition]) {
    self.name = name
    self.columns = columns
  }

  /// A table in the schema `public`.
  public init(
    _ name: String, columns: [PostgresColumnDefinition], primaryKey: [String] = [], unique: [[String]] = [],
    checks: [Check] = []
  ) {
    self.init(name: PostgresName(name), columns: columns)
    self.checks = checks
    if !primaryKey.isEmpty { setPrimaryKey(primaryKey) }
    for key in unique { add(key, name: "\(name)_\(key.joined(separator: "_"))_key") }
  }

  mutating func setPrimaryKey(_ names: [String]) {
    for name in names { if let index = index(of: name) { columns[index].isNotNull = true } }
    add(names, name: "\(name.name)_pkey")
  }

  private mutating func add(_ names: [String], name: String) {
    keys.append(Key(name: name, columns: names.compactMap(index(of:))))
  }

  /// The position of a column.
  func index(of name: String) -> Int? { columns.firstIndex { $0.name == name } }

  /// The positions of columns, all of which exist.
  func indexes(of names: [String]) throws -> [Int] {
    try names.map { column in
      guard let index = index(of: column) else {
        throw PostgresRefusal("42703", "column \"\(column)\" of relation \"\(name.name)\" does not exist")
      }
      return index
    }
  }

  /// What is equal for rows that are equal in `columns`; `nil` when one of them is NULL.
  func key(_ row: [Value], _ columns: [Int]) -> [UInt8]? {
    var key: [UInt8] = []
    for column in columns {
      if row[column] == .null { return nil }
      self.columns[column].type.appendKey(row[column], to: &key)
    }
    return key
  }

  /// The row as the server's messages show it.
  func text(_ row: [Value]) -> String {
    zip(columns, row).map { $0.type.text($1) ?? "null" }.joined(separator: ", ")
  }
}

/// The committed content of a table.
struct PostgresTable {
  var definition: PostgresTableDefinition
  /// By the number of the row; later rows have greater ones.
  var rows: [Int64: [Value]] = [:]
  /// For each key: the row that has it.
  var index: [[[UInt8]: Int64]]

  init(_ definition: PostgresTableDefinition) {
    self.definition = definition
    index = definition.keys.map { _ in [:] }
  }
}

/// What a transaction has done and nobody else sees.
struct PostgresChanges {
  /// What it did to one table.
  struct Table {
    /// New content by the number of the row; `nil`: deleted.
    var rows: [Int64: [Value]?] = [:]
    /// For each key that it touched: the row that has it, if any.
    var index: [[[UInt8]: Int64?]]
  }

  var created: [PostgresName: PostgresTableDefinition] = [:]
  var tables: [PostgresName: Table] = [:]
  /// The temporary table of the transaction.
  var stage: (definition: PostgresTableDefinition, rows: [[Value]])?
}

/// What a transaction has for itself until it ends: a row by its key in an index, or a number.
struct PostgresLock: Hashable {
  let name: String
  var key: [UInt8] = []
}

/// A transaction that is open on the server.
///
/// While it is open it holds the locks that it took: on rows by their keys, and by number. What it changed can
/// therefore be kept aside until it commits.
final class PostgresTransaction {
  /// How a transaction ends whose client is gone.
  struct End {
    let at: Int64
    let commits: Bool
  }

  let process: SimulatedProcess
  /// Whether it ends with the message that began it.
  var isImplicit: Bool
  /// After an error only `ROLLBACK` helps.
  var isAborted = false
  var changes = PostgresChanges()
  var savepoints: [PostgresChanges] = []
  var locks: [PostgresLock] = []
  /// Set when the client is gone, and the server goes on by itself.
  var end: End?

  init(_ process: SimulatedProcess, isImplicit: Bool) {
    self.process = process
    self.isImplicit = isImplicit
  }
}
