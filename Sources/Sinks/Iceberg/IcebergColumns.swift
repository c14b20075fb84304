import Columnar
import Iceberg
import SQL

/// One column of a table that is written, and where its values come from.
struct IcebergColumn: Hashable, Sendable {
  /// The table's column.
  let field: NestedField
  /// The position of the sink's column; `nil`: all rows are NULL.
  let source: Int?
}

/// How the declared columns of a sink meet the columns of a table.
struct IcebergColumns: Hashable, Sendable {
  /// One for each column of the table.
  let columns: [IcebergColumn]

  /// The columns of a table that is made of the declaration.
  init(declared: [Field]) throws(IcebergError) {
    columns = try TableSchema(Schema(declared)).fields.enumerated().map { IcebergColumn(field: $1, source: $0) }
  }

  /// Meets the columns of an existing table.
  /// - Throws: kind `invalid`, with everything that does not fit.
  init(_ schema: TableSchema, declared: [Field], table: TableIdentifier) throws(IcebergError) {
    let differences = IcebergDifferences(schema, declared: declared)
    guard differences.missing.isEmpty, differences.narrow.isEmpty, differences.impossible.isEmpty else {
      throw IcebergError(.invalid, "table \(table) differs from its declaration: \(differences.all)")
    }
    columns = schema.fields.map { field in
      IcebergColumn(field: field, source: declared.firstIndex { Self.isSame($0.name, field, in: schema) })
    }
  }

  /// Whether the declared column `name` is `field`: exactly, or but for the case when that is clear.
  static func isSame(_ name: String, _ field: NestedField, in schema: TableSchema) -> Bool {
    if let exact = schema.fields.first(where: { $0.name == name }) { return exact.id == field.id }
    let similar = schema.fields.filter { $0.name.lowercased() == name.lowercased() }
    return similar.count == 1 && similar[0].id == field.id
  }
}

/// What differs between a table and the declared columns.
struct IcebergDifferences: Hashable, Sendable {
  /// Declared columns that the table has not.
  private(set) var missing: [Field] = []
  /// Columns whose type would have to be wider: name, and the type that holds both.
  private(set) var narrow: [Widening] = []
  /// What no change of the schema can help, as text.
  private(set) var impossible: [String] = []

  /// A column that must become wider.
  struct Widening: Hashable, Sendable {
    let name: String
    let from: IcebergType
    let to: IcebergType
  }

  init(_ schema: TableSchema, declared: [Field]) {
    for column in declared {
      guard let field = schema.fields.first(where: { IcebergColumns.isSame(column.name, $0, in: schema) }) else {
        missing.append(column)
        continue
      }
      switch Self.fit(column.type, field.type) {
      case .fits: break
      case .afterWidening(let type): narrow.append(Widening(name: field.name, from: field.type, to: type))
      case .never:
        impossible.append(
          "column \(column.name) is declared \(column.type.sqlName), and is \(field.type.text) in the table; "
            + "cast it in the query, or change the declaration")
      }
    }
    for field in schema.fields where field.isRequired {
      guard !declared.contains(where: { IcebergColumns.isSame($0.name, field, in: schema) }) else { continue }
      impossible.append("column \(field.name) of the table is required, and is not declared here; declare it")
    }
  }

  /// Everything, as text.
  var all: String {
    let texts =
      missing.map { "column \($0.name) (\($0.type.sqlName)) is not in the table" }
      + narrow.map { "column \($0.name) is \($0.from.text) in the table, and would have to be \($0.to.text)" }
      + impossible
    return texts.joined(separator: "; ")
  }

  /// Makes the changes that bring the table to the declaration; does nothing when they are done.
  static func evolve(_ update: inout SchemaUpdate, _ schema: TableSchema, declared: [Field]) throws(IcebergError) {
    let differences = IcebergDifferences(schema, declared: declared)
    guard differences.impossible.isEmpty else {
      throw IcebergError(.invalid, "the table differs from its declaration: \(differences.all)")
    }
    for column in differences.missing {
      guard let type = IcebergType(columnType: column.type) else { continue }
      try update.addColumn(column.name, type)
    }
    for widening in differences.narrow { try update.updateType(widening.name, to: widening.to) }
  }

  /// Whether values of a declared type can be written to a column.
  enum Fit: Hashable, Sendable {
    case fits
    case afterWidening(IcebergType)
    case never
  }

  static func fit(_ declared: DataType, _ type: IcebergType) -> Fit {
    switch (declared, type) {
    case (.boolean, .boolean), (.integer, .int), (.integer, .long), (.bigint, .long), (.real, .float),
      (.real, .double), (.double, .double), (.text, .string), (.jsonb, .string), (.bytea, .binary), (.bytea, .fixed),
      (.date, .date), (.timestamp, .timestamp), (.timestamp, .timestampNanos), (.timestamptz, .timestamptz),
      (.timestamptz, .timestamptzNanos), (.uuid, .uuid):
      return .fits
    case (.bigint, .int): return .afterWidening(.long)
    case (.double, .float): return .afterWidening(.double)
    case (.integer, .decimal(_, 0...)), (.bigint, .decimal(_, 0...)): return .fits
    case (.numeric(let precision?, let scale), .decimal(let ownPrecision, let ownScale)):
      let digits = precision - (scale ?? 0)
      guard (scale ?? 0) <= ownScale, digits + ownScale <= 38 else { return .never }
      if digits <= ownPrecision - ownScale { return .fits }
      return .afterWidening(.decimal(precision: digits + ownScale, scale: ownScale))
    default: return .never
    }
  }
}
