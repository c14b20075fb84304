import Columnar

/// A bound query: its rows, and what each column is for those who read it.
struct BoundQuery: Sendable {
  var relation: Relation
  /// One a column of ``relation``, in order, without qualifiers.
  var columns: [ScopeColumn]
}

/// What the statements before have declared.
struct Declarations: Sendable {
  var tables: [String: TableDefinition] = [:]
  var views: [String: BoundQuery] = [:]
  /// Names whose declaration has an error of its own; using them is not another error.
  var broken: Set<String> = []
  /// Whether names may be missing because the statement that declares them could not be parsed.
  var isIncomplete = false

  var names: [String] { (Array(tables.keys) + Array(views.keys)).sorted() }
}

/// Something in `FROM`: rows, the columns that can be named, and the windows that were put around them.
struct FromItem: Sendable {
  var relation: Relation
  var scope: Scope
  var window: WindowInput?
}

/// `tumble(…)` or `hop(…)` in `FROM`. Its `window_start` and `window_end` have the two indexes after the relation's columns.
struct WindowInput: Sendable {
  let timeColumn: Int
  let type: DataType
  let specification: WindowSpecification
}

/// Binds queries.
struct QueryBinder: Sendable {
  let context: BindingContext
  let declarations: Declarations
  /// The queries of `WITH`, which hide tables and views.
  var named: [String: BoundQuery] = [:]

  init(_ context: BindingContext, _ declarations: Declarations) {
    self.context = context
    self.declarations = declarations
  }

  /// Binds a `SelectStmt`. Open literals in its `SELECT` list take the `expected` types, if there are any.
  func bind(_ node: SyntaxNode, expected: [DataType]? = nil) throws(SQLDiagnostic) -> BoundQuery {
    var binder = self
    if let with = node["withClause"] { try binder.declare(with) }
    switch node["op"]?.text ?? "SETOP_NONE" {
    case "SETOP_NONE": return try binder.bindSelect(node, expected: expected)
    case "SETOP_UNION": return try binder.bindUnion(node, expected: expected)
    default:
      throw context.error(
        "INTERSECT and EXCEPT are not supported", at: Self.firstOffset(node), hint: "only UNION ALL combines queries")
    }
  }

  mutating func declare(_ with: SyntaxNode) throws(SQLDiagnostic) {
    for item in with.list("ctes") {
      guard let cte = item["CommonTableExpr"], let query = cte["ctequery"]?["SelectStmt"] else {
        throw context.error("WITH takes SELECT statements only", at: with.location ?? 0)
      }
      let name = cte["ctename"]?.text ?? ""
      if with["recursive"]?.isTrue == true {
        throw context.error("WITH RECURSIVE is not supported", at: with.location ?? 0, hint: "leave out RECURSIVE")
      }
      let bound = try bind(query)
      named[name] = try Self.renamed(bound, cte.names("aliascolnames"), at: cte.location ?? 0, context)
    }
  }

  /// The query with its first columns renamed.
  static func renamed(
    _ query: BoundQuery, _ names: [String], at offset: Int, _ context: BindingContext
  ) throws(SQLDiagnostic) -> BoundQuery {
    guard names.count <= query.columns.count else {
      throw context.error("there are \(names.count) names for \(query.columns.count) columns", at: offset)
    }
    var result = query
    for (index, name) in names.enumerated() { result.columns[index].name = name }
    return result
  }

  /// The smallest offset within a query, for errors about the whole.
  static func firstOffset(_ node: SyntaxNode) -> Int {
    switch node {
    case .object(let members):
      let own = members["location"]?.integer.flatMap { $0 >= 0 ? $0 : nil } ?? Int.max
      return members.values.reduce(own) { min($0, firstOffset($1)) }
    case .array(let elements): return elements.reduce(Int.max) { min($0, firstOffset($1)) }
    default: return Int.max
    }
  }

  func offset(of node: SyntaxNode) -> Int {
    let first = Self.firstOffset(node)
    return first == Int.max ? 0 : first
  }

  // MARK: UNION ALL

  private func bindUnion(_ node: SyntaxNode, expected: [DataType]?) throws(SQLDiagnostic) -> BoundQuery {
    try rejectClauses(of: node)
    guard node["all"]?.isTrue == true else {
      throw context.error(
        "UNION without ALL would have to remember every row", at: node["rarg"].map(offset) ?? 0, hint: "write UNION ALL"
      )
    }
    guard let left = node["larg"], let right = node["rarg"] else {
      throw context.error("UNION ALL needs two queries", at: 0)
    }
    let sides = [try bind(left, expected: expected), try bind(right, expected: expected)]
    guard sides[0].columns.count == sides[1].columns.count else {
      throw context.error(
        "each query of a UNION must have the same number of columns, not \(sides[0].columns.count) and "
          + "\(sides[1].columns.count)", at: offset(of: right))
    }
    var columns = sides[0].columns
    for index in columns.indices {
      let types = sides.map { $0.columns[index].type }
      guard let type = FunctionCatalog.commonType(types) else {
        throw context.error(
          "UNION types \(types[0].sqlName) and \(types[1].sqlName) of column \(columns[index].name) cannot be matched",
          at: offset(of: right), hint: "convert one of them with a cast")
      }
      columns[index].type = type
      columns[index].isNullable = sides.contains { $0.columns[index].isNullable }
      columns[index].isEventTime = sides.allSatisfy { $0.columns[index].isEventTime && $0.columns[index].type == type }
    }
    let inputs = sides.flatMap { side in
      let relation = Self.converted(side, to: columns)
      if case .unionAll(let inner) = relation { return inner }
      return [relation]
    }
    return BoundQuery(relation: .unionAll(inputs), columns: columns)
  }

  /// The query's rows with the types of `columns`; nullability is the union's, so that all inputs have one schema.
  private static func converted(_ query: BoundQuery, to columns: [ScopeColumn]) -> Relation {
    let schema = Schema(columns.map { Field($0.name, $0.type, isNullable: $0.isNullable) })
    if query.relation.schema == schema { return query.relation }
    let expressions = query.columns.indices.map { index in
      let column = Expression(.column(index), type: query.columns[index].type)
      return columns[index].type == column.type ? column : Expression(.cast(column), type: columns[index].type)
    }
    // A union within a union stays flat: each of its inputs is converted by itself.
    if case .unionAll(let inputs) = query.relation {
      return .unionAll(inputs.map { .project($0, expressions, schema) })
    }
    return .project(query.relation, expressions, schema)
  }

  // MARK: Clauses that there are not

  func rejectClauses(of node: SyntaxNode) throws(SQLDiagnostic) {
    let rejected: [(String, String, String)] = [
      ("sortClause", "ORDER BY", "a stream has no end to sort at; sort when the sink's table is read"),
      ("limitCount", "LIMIT", "a stream has no end; limit when the sink's table is read"),
      ("limitOffset", "OFFSET", "a stream has no end; leave it out"),
      ("distinctClause", "SELECT DISTINCT", "group by the columns within a window: tumble(table, time, size)"),
      ("windowClause", "WINDOW", "windows are written FROM tumble(table, time, INTERVAL '10 seconds')"),
      ("lockingClause", "FOR UPDATE", "leave it out"),
      ("intoClause", "SELECT INTO", "write INSERT INTO table SELECT …")
    ]
    for (member, name, hint) in rejected {
      guard let clause = node[member] else { continue }
      let content = Self.firstOffset(clause)
      throw context.error("\(name) is not supported", at: content == Int.max ? offset(of: node) : content, hint: hint)
    }
    if let values = node["valuesLists"] {
      throw context.error(
        "VALUES is not supported", at: offset(of: values), hint: "rows come from a source table: INSERT INTO … SELECT …"
      )
    }
  }
}
