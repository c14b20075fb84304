/// A statement that the simulated server knows. They are recognised by their shape, so that one that is written
/// differently tomorrow is a loud failure and not a wrong answer.
enum PostgresStatement {
  /// A value of an insertion or a condition.
  enum Operand: Hashable {
    case parameter(Int)
    case now
  }

  /// The stage's rows that a merge takes: those with ordinals in `range`; the last of each key.
  struct Latest: Hashable {
    var keys: [String]
    var range: Range<Int64>?
  }

  case begin, commit, rollback
  case savepoint, release, rollbackToSavepoint
  /// `SET` and the like: nothing that the simulation depends on.
  case setting
  /// `SELECT 1`
  case ping
  case exist([PostgresName])
  case advisoryLock(String)
  case createSchema
  case createTable(PostgresTableDefinition, isTemporary: Bool)
  case tableIdentity, tablePrivilege, tableColumns, tableKeys, tableTypes, tableHasKeys
  /// `locks`: with `FOR UPDATE`.
  case selectRows(PostgresName, columns: [String], condition: [(String, Operand)], locks: Bool)
  case insert(PostgresName, columns: [String], values: [Operand])
  case update(PostgresName, values: [(String, Operand)], condition: [(String, Operand)])
  case insertStaged(PostgresName, columns: [String], range: Range<Int64>?)
  case keepStaged(PostgresName)
  case deleteLatest(PostgresName, Latest)
  case upsertLatest(PostgresName, columns: [String], Latest, updates: [String])
  case copy(PostgresName, columns: [String])

  /// Whether the statement reads or writes rows that others may have locked.
  var touchesRows: Bool {
    switch self {
    case .selectRows(_, _, _, let locks): locks
    case .insert, .update, .insertStaged, .keepStaged, .deleteLatest, .upsertLatest: true
    default: false
    }
  }
}

/// A table's name; without a schema it is in `public`.
struct PostgresName: Hashable, Comparable, CustomStringConvertible {
  let schema: String
  let name: String

  init(schema: String = "public", _ name: String) {
    self.schema = schema
    self.name = name
  }

  static let stage = PostgresName(schema: "pg_temp", "weir_stage")
  var description: String { schema == "public" ? name : "\(schema).\(name)" }
  static func < (left: PostgresName, right: PostgresName) -> Bool {
    (left.schema, left.name) < (right.schema, right.name)
  }
}

/// What a statement is made of.
enum PostgresToken: Hashable {
  /// Without quotes, in lower case.
  case word(String)
  /// In double quotes.
  case identifier(String)
  case literal(String)
  case parameter(Int)
  case symbol(UInt8)

  /// The tokens of `text`.
  static func tokens(_ text: String) -> [PostgresToken] {
    var tokens: [PostgresToken] = []
    var rest = Array(text.utf8)[...]
    func isWord(_ byte: UInt8) -> Bool {
      byte >= 0x80 || byte == 0x5f || (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
    }
    while let byte = rest.first {
      switch byte {
      case 0x20, 0x0a: rest.removeFirst()
      case 0x22: tokens.append(.identifier(quoted(&rest)))
      case 0x27: tokens.append(.literal(quoted(&rest)))
      case 0x24:
        let digits = rest.dropFirst().prefix { isWord($0) }
        tokens.append(.parameter(Int(String(decoding: digits, as: UTF8.self)) ?? 0))
        rest = rest[digits.endIndex...]
      case _ where isWord(byte):
        let word = rest.prefix { isWord($0) }
        tokens.append(.word(String(decoding: word, as: UTF8.self).lowercased()))
        rest = rest[word.endIndex...]
      default:
        tokens.append(.symbol(byte))
        rest.removeFirst()
      }
    }
    return tokens
  }

  /// Takes a text in quotes; a doubled quote stands for one.
  private static func quoted(_ rest: inout ArraySlice<UInt8>) -> String {
    guard let quote = rest.popFirst() else { return "" }
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == quote {
        guard rest.first == quote else { break }
        rest.removeFirst()
      }
      text.append(byte)
    }
    return String(decoding: text, as: UTF8.self)
  }
}
