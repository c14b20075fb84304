import Columnar

/// The front end: from the text of an SQL file to a plan.
public struct SQLFile {
  /// Parses, binds and plans a whole file.
  ///
  /// - Parameters:
  ///   - text: the statements.
  ///   - fileName: the name for messages.
  ///   - check: what else is wrong with a table, by those who know its connector.
  ///   - environment: looks up a variable for `${NAME}` in option values.
  /// - Throws: every error that could be found, at least one for each statement that has any.
  public static func plan(
    _ text: String, fileName: String, check: @escaping (TableDefinition) -> [SQLDiagnostic] = { _ in [] },
    environment: (String) -> String?
  ) throws(SQLDiagnostics) -> JobPlan {
    let source = SourceText(text, fileName: fileName)
    let (statements, errors, lacksDeclarations) = SyntaxParser(source: source).parse()
    var binder = FileBinder(source: source, environment: variables(in: text, environment))
    binder.check = check
    binder.errors = errors
    binder.declarations.isIncomplete = lacksDeclarations
    for statement in statements { binder.bind(statement) }
    return try binder.finish()
  }

  /// The variables that the text refers to.
  private static func variables(in text: String, _ environment: (String) -> String?) -> [String: String?] {
    var result: [String: String?] = [:]
    var rest = text[...]
    while let start = rest.firstRange(of: "${") {
      rest = rest[start.upperBound...]
      let name = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
      result[name] = environment(name)
    }
    return result
  }
}

/// Binds the statements of a file one after another and keeps every error.
struct FileBinder {
  let source: SourceText
  let environment: [String: String?]
  var errors: [SQLDiagnostic] = []
  var declarations = Declarations()
  var check: (TableDefinition) -> [SQLDiagnostic] = { _ in [] }
  private var insertions: [InsertStatement] = []

  init(source: SourceText, environment: [String: String?]) {
    self.source = source
    self.environment = environment
  }

  mutating func bind(_ statement: ParsedStatement) {
    let context = BindingContext(source: source, base: statement.base)
    do throws(SQLDiagnostic) {
      switch statement.kind {
      case "CreateStmt": try declareTable(statement, context)
      case "ViewStmt": try declareView(statement, context)
      case "InsertStmt":
        insertions.append(
          try InsertBinder(context: context, declarations: declarations, start: statement.start).bind(statement.node))
      default: throw unsupported(statement)
      }
    } catch {
      errors.append(error)
    }
  }

  private mutating func declareTable(_ statement: ParsedStatement, _ context: BindingContext) throws(SQLDiagnostic) {
    let (name, offset) = try TableBinder.tableName(statement.node["relation"], context)
    try checkNew(name, at: offset, context)
    declarations.broken.insert(name)
    let table = try TableBinder(context: context, start: statement.start, environment: environment)
      .bind(statement.node)
    declarations.tables[name] = table
    declarations.broken.remove(name)
    let problems = ConnectorOptions.problems(of: table) + check(table)
    errors += problems.map { $0.moved(to: $0.location, in: source) }
  }

  private mutating func declareView(_ statement: ParsedStatement, _ context: BindingContext) throws(SQLDiagnostic) {
    let node = statement.node
    let (name, offset) = try TableBinder.tableName(node["view"], context)
    try checkNew(name, at: offset, context)
    declarations.broken.insert(name)
    guard let select = node["query"]?["SelectStmt"] else {
      throw context.error("a view needs a SELECT", at: offset)
    }
    let query = try QueryBinder(context, declarations).bind(select)
    declarations.views[name] = try QueryBinder.renamed(query, node.names("aliases"), at: offset, context)
    declarations.broken.remove(name)
  }

  private func checkNew(_ name: String, at offset: Int, _ context: BindingContext) throws(SQLDiagnostic) {
    guard declarations.tables[name] != nil || declarations.views[name] != nil else { return }
    throw context.error("\(name) is declared twice", at: offset, hint: "give one of them another name")
  }

  private func unsupported(_ statement: ParsedStatement) -> SQLDiagnostic {
    let hint: String? =
      switch statement.kind {
      case "SelectStmt": "write INSERT INTO table SELECT …, or CREATE VIEW name AS SELECT …"
      case "CreateTableAsStmt": "write CREATE TABLE with its columns, and INSERT INTO … SELECT …"
      case "UpdateStmt", "DeleteStmt": "a postgres table with a PRIMARY KEY is upserted by INSERT INTO … SELECT …"
      case "VariableSetStmt": "settings come from the environment: WEIR_…"
      default: nil
      }
    return source.diagnostic(
      "only CREATE TABLE, CREATE VIEW and INSERT INTO … SELECT are statements of a job", at: statement.start,
      hint: hint)
  }

  // MARK: The whole

  consuming func finish() throws(SQLDiagnostics) -> JobPlan {
    if insertions.isEmpty, errors.isEmpty {
      errors.append(
        SQLDiagnostic(
          message: "the file has no INSERT INTO … SELECT: there is nothing to run",
          location: source.location(source.bytes.count), hint: "INSERT INTO sink SELECT … FROM source"))
    }
    let relations = insertions.map(\.query)
    let pruning = ColumnPruning(declarations.tables, relations)
    let roles = TableRoles(declarations.tables, insertions, read: Set(pruning.kept.keys))
    errors += roles.problems.map { $0.moved(to: $0.location, in: source) }
    let shown = errors.filter { !$0.isConsequence }
    guard errors.isEmpty else {
      throw SQLDiagnostics((shown.isEmpty ? errors : shown).map(source.completed))
    }
    let statements = insertions.map {
      InsertStatement(target: $0.target, query: pruning.pruned($0.query), location: $0.location)
    }
    return JobPlan(tables: declarations.tables, statements: statements, scans: pruning.scans)
  }
}
