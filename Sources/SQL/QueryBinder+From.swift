import Columnar

extension QueryBinder {
  /// The example that hints show.
  static let windowExample =
    "FROM tumble(readings, ts, INTERVAL '10 seconds') GROUP BY sensor_id, window_start, window_end"

  /// Binds the one item of `FROM`.
  func bindFrom(_ node: SyntaxNode) throws(SQLDiagnostic) -> FromItem {
    let items = node.list("fromClause")
    guard let first = items.first else {
      throw context.error(
        "SELECT needs FROM", at: offset(of: node), hint: "name a table or a view that is declared above")
    }
    if items.count > 1 { throw joins(at: offset(of: items[1])) }
    guard let (kind, item) = first.tagged else { throw context.error("FROM is empty", at: offset(of: node)) }
    switch kind {
    case "RangeVar": return try bindTable(item)
    case "RangeSubselect": return try bindSubselect(item)
    case "RangeFunction": return try bindWindow(item)
    case "JoinExpr":
      if let alias = item["larg"]?["RangeVar"]?["alias"]?["aliasname"]?.text, alias == "asof" {
        throw context.error(
          "ASOF JOIN is not supported: it would be read as the alias asof and a plain join",
          at: offset(of: item), hint: "joins are not supported in this build yet")
      }
      throw joins(at: item["rarg"].map(offset) ?? offset(of: item))
    default: throw context.error("this form of FROM (\(kind)) is not supported", at: offset(of: item))
    }
  }

  private func joins(at offset: Int) -> SQLDiagnostic {
    context.error(
      "joins are not supported in this build yet", at: offset,
      hint: "read one table, view or sub-select in FROM; UNION ALL combines several")
  }

  private func bindTable(_ node: SyntaxNode) throws(SQLDiagnostic) -> FromItem {
    let name = node["relname"]?.text ?? ""
    let offset = node.location ?? 0
    if let schema = node["schemaname"]?.text {
      throw context.error("table \(schema).\(name) does not exist", at: offset, hint: "tables have no schema here")
    }
    let query = try relation(named: name, at: offset)
    return try item(query, node, defaultQualifier: name)
  }

  private func bindSubselect(_ node: SyntaxNode) throws(SQLDiagnostic) -> FromItem {
    if node["lateral"]?.isTrue == true { throw context.error("LATERAL is not supported", at: offset(of: node)) }
    guard let query = node["subquery"]?["SelectStmt"] else {
      throw context.error("a SELECT is missing", at: offset(of: node))
    }
    return try item(try bind(query), node, defaultQualifier: nil)
  }

  private func item(
    _ query: BoundQuery, _ node: SyntaxNode, defaultQualifier: String?
  ) throws(SQLDiagnostic) -> FromItem {
    let alias = node["alias"]
    let renamed = try Self.renamed(query, alias?.names("colnames") ?? [], at: offset(of: node), context)
    let qualifier = alias?["aliasname"]?.text ?? defaultQualifier
    var scope = Scope(columns: renamed.columns)
    for index in scope.columns.indices { scope.columns[index].qualifier = qualifier }
    return FromItem(relation: renamed.relation, scope: scope, window: nil)
  }

  /// The rows of a table, a view or a query of `WITH`.
  func relation(named name: String, at offset: Int) throws(SQLDiagnostic) -> BoundQuery {
    if let query = named[name] ?? declarations.views[name] { return query }
    if let table = declarations.tables[name] { return SourceColumns.scan(table) }
    var missing = context.error(
      "table \(name) does not exist", at: offset,
      hint: Suggestion.hint(
        for: name, in: declarations.names + named.keys.sorted(), listing: "declared above are")
        ?? "declare it above with CREATE TABLE … WITH (…) or CREATE VIEW … AS …")
    missing.isConsequence = declarations.isIncomplete || declarations.broken.contains(name)
    throw missing
  }

  // MARK: tumble and hop

  private func bindWindow(_ node: SyntaxNode) throws(SQLDiagnostic) -> FromItem {
    let functions = node.list("functions").compactMap { $0["List"]?.list("items").first }
    guard let call = functions.first?["FuncCall"], functions.count == 1, node["ordinality"]?.isTrue != true else {
      throw context.error("this form of FROM is not supported", at: offset(of: node), hint: Self.windowExample)
    }
    let name = call.names("funcname").last ?? ""
    let arguments = call.list("args")
    let start = call.location ?? offset(of: node)
    guard name == "tumble" || name == "hop" else { throw unknownWindow(name, at: start) }
    guard arguments.count == (name == "tumble" ? 3 : 4) else {
      throw context.error(
        "\(name) takes \(name == "tumble" ? 3 : 4) arguments, not \(arguments.count)", at: start,
        hint: name == "tumble"
          ? "tumble(table, time, INTERVAL '10 seconds')"
          : "hop(table, time, INTERVAL '5 seconds', INTERVAL '10 seconds'): the slide, then the size")
    }
    let (query, tableName) = try windowRelation(arguments[0], name)
    let durations = [try duration(arguments[2], name), try duration(arguments[arguments.count - 1], name)]
    let specification = WindowSpecification(slide: durations[0], size: durations[1])
    guard specification.slide <= specification.size, specification.size / specification.slide <= 10_000 else {
      throw context.error(
        "the slide of hop must be at most its size, and at least a ten-thousandth of it", at: offset(of: arguments[2]),
        hint: "the slide comes before the size: hop(table, time, INTERVAL '5 seconds', INTERVAL '10 seconds')")
    }
    var item = try item(query, node, defaultQualifier: tableName)
    let time = try timeColumn(arguments[1], item.scope, tableName, name)
    item.window = WindowInput(timeColumn: time.index, type: time.type, specification: specification)
    let first = query.columns.count
    for (position, column) in ["window_start", "window_end"].enumerated() {
      item.scope.columns.append(
        ScopeColumn(
          qualifier: item.scope.columns.first?.qualifier, name: column, type: time.type, isNullable: false,
          index: first + position))
    }
    item.scope.windowIndex = first
    // An inner window's columns would make every reference ambiguous; the outer ones are meant.
    for index in 0..<first where ["window_start", "window_end"].contains(item.scope.columns[index].name) {
      item.scope.columns[index].name = "input." + item.scope.columns[index].name
    }
    return item
  }

  private func unknownWindow(_ name: String, at offset: Int) -> SQLDiagnostic {
    switch name {
    case "session", "cumulate":
      context.error("\(name)(…) is not in this build yet", at: offset, hint: "use tumble(…) or hop(…)")
    default:
      context.error(
        "function \(name) does not exist in FROM", at: offset,
        hint: Suggestion.nearest(to: name, in: ["tumble", "hop"]).map { "did you mean \($0)?" }
          ?? "windows are tumble(table, time, size) and hop(table, time, slide, size)")
    }
  }

  private func windowRelation(
    _ node: SyntaxNode, _ function: String
  ) throws(SQLDiagnostic) -> (BoundQuery, String) {
    guard let reference = node["ColumnRef"], let name = reference.names("fields").last,
      reference.list("fields").count == 1
    else {
      throw context.error(
        "the first argument of \(function) is the name of a table or view", at: offset(of: node),
        hint: "give a sub-select a name: CREATE VIEW name AS SELECT …, or WITH name AS (SELECT …)")
    }
    return (try relation(named: name, at: reference.location ?? 0), name)
  }

  private func timeColumn(
    _ node: SyntaxNode, _ scope: Scope, _ table: String, _ function: String
  ) throws(SQLDiagnostic) -> ScopeColumn {
    let start = offset(of: node)
    let candidates = scope.columns.filter(\.isEventTime).map(\.name)
    let expected =
      candidates.isEmpty
      ? "\(table) does not select its event time: select the source's event_time column (or _timestamp), or window_start, as it is"
      : "its event time is \(candidates.joined(separator: " or "))"
    guard let reference = node["ColumnRef"] else {
      throw context.error(
        "the second argument of \(function) is the event time column of \(table), not an expression", at: start,
        hint: expected)
    }
    let column = try scope.column(reference.names("fields"), at: start, context)
    guard column.isEventTime else {
      var hint = expected
      if candidates == [SourceColumns.timestamp], declarations.tables[table] != nil {
        hint += "; for \(column.name), add event_time = '\(column.name)' to the options of \(table)"
      }
      throw context.error("\(column.name) is not the event time of \(table)", at: start, hint: hint)
    }
    return column
  }

  private func duration(_ node: SyntaxNode, _ function: String) throws(SQLDiagnostic) -> Int64 {
    var binder = ExpressionBinder(context, Scope(), clause: "FROM")
    let start = offset(of: node)
    let bound = try binder.bind(node)
    let expression = bound.isUnknown ? try binder.coerce(bound, to: .interval) : bound.expression
    guard case .literal(.interval(let interval)) = expression.kind else {
      throw context.error(
        "the window's length must be an interval, not \(expression.type.sqlName)", at: start,
        hint: "write INTERVAL '10 seconds'")
    }
    guard interval.months == 0 else {
      throw context.error(
        "a window cannot be months long: their length varies", at: start, hint: "write INTERVAL '30 days'")
    }
    let (days, overflow) = Int64(interval.days).multipliedReportingOverflow(by: 86_400_000_000)
    let (total, overflowed) = days.addingReportingOverflow(interval.microseconds)
    guard !overflow, !overflowed, total > 0, total <= 366 * 86_400_000_000 * 100 else {
      throw context.error("the window's length must be positive, and at most a century", at: start)
    }
    return total
  }
}
