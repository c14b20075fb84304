import Columnar

/// One column of a `SELECT` list.
struct SelectItem: Sendable {
  let name: String
  /// The expression as written; absent for a column that `*` stands for.
  let node: SyntaxNode?
  let offset: Int
  var bound: BoundExpression
}

extension QueryBinder {
  func bindSelect(_ node: SyntaxNode, expected: [DataType]?) throws(SQLDiagnostic) -> BoundQuery {
    try rejectClauses(of: node)
    var from = try bindFrom(node)
    let isGrouped = !node.list("groupClause").isEmpty || node["havingClause"] != nil
    var binder = ExpressionBinder(context, from.scope, clause: "SELECT", aggregates: AggregateCollector())
    var items = try selectItems(node, from, &binder)
    for index in items.indices where items[index].bound.isUnknown {
      let type = expected.flatMap { index < $0.count ? $0[index] : nil } ?? .text
      items[index].bound = BoundExpression(
        try binder.coerce(items[index].bound, to: type), offset: items[index].bound.offset)
    }
    if let condition = node["whereClause"] { try filter(&from, condition) }
    if isGrouped || binder.aggregates?.calls.isEmpty == false {
      return try group(node, from, items, binder)
    }
    if from.window != nil { return try projectWithWindow(from, items) }
    return Self.project(from.relation, from.scope, items.map { ($0.name, $0.bound.expression) })
  }

  private func filter(_ from: inout FromItem, _ condition: SyntaxNode) throws(SQLDiagnostic) {
    var binder = ExpressionBinder(context, from.scope, clause: "WHERE")
    let predicate = try binder.bindCondition(condition, of: "the condition of WHERE")
    if predicate.columnsRead.contains(where: from.scope.isWindowColumn) {
      throw context.error(
        "WHERE is evaluated before rows are put into windows: it cannot read window_start or window_end",
        at: offset(of: condition), hint: "write the condition in HAVING")
    }
    from.relation = .filter(from.relation, predicate)
  }

  // MARK: The SELECT list

  private func selectItems(
    _ node: SyntaxNode, _ from: FromItem, _ binder: inout ExpressionBinder
  ) throws(SQLDiagnostic) -> [SelectItem] {
    var items: [SelectItem] = []
    for target in node.list("targetList") {
      guard let target = target["ResTarget"], let value = target["val"] else {
        throw context.error("the SELECT list is not understood", at: offset(of: node))
      }
      if let reference = value["ColumnRef"], reference.list("fields").last?["A_Star"] != nil {
        items += try star(reference, from)
      } else {
        let bound = try binder.bind(value)
        items.append(
          SelectItem(
            name: target["name"]?.text ?? Self.columnName(value), node: value, offset: target.location ?? 0,
            bound: bound))
      }
    }
    if items.isEmpty { throw context.error("the SELECT list is empty", at: offset(of: node)) }
    return items
  }

  private func star(_ reference: SyntaxNode, _ from: FromItem) throws(SQLDiagnostic) -> [SelectItem] {
    let start = reference.location ?? 0
    let qualifier = reference.names("fields").first
    let columns = from.scope.columns.filter { column in
      !column.isHidden && (qualifier == nil || column.qualifier == qualifier)
    }
    if columns.isEmpty {
      throw context.error("there is no table \(qualifier ?? "") in FROM", at: start)
    }
    return columns.map { column in
      let expression = Expression(.column(column.index), type: column.type, location: context.location(start))
      let name = column.name.hasPrefix("input.") ? String(column.name.dropFirst(6)) : column.name
      return SelectItem(name: name, node: nil, offset: start, bound: BoundExpression(expression, offset: start))
    }
  }

  /// The name that PostgreSQL gives to a column without an alias.
  private static func columnName(_ node: SyntaxNode) -> String {
    guard let (kind, content) = node.tagged else { return "?column?" }
    switch kind {
    case "ColumnRef": return content.names("fields").last ?? "?column?"
    case "FuncCall": return content.names("funcname").last ?? "?column?"
    case "TypeCast":
      let inner = content["arg"].map(columnName) ?? "?column?"
      return inner == "?column?" ? content["typeName"]?.names("names").last ?? inner : inner
    case "CaseExpr": return "case"
    case "CoalesceExpr": return "coalesce"
    case "MinMaxExpr": return content["op"]?.text == "IS_LEAST" ? "least" : "greatest"
    case "A_Expr": return content["kind"]?.text == "AEXPR_NULLIF" ? "nullif" : "?column?"
    case "SQLValueFunction":
      return content["op"]?.text?.replacing("SVFOP_", with: "").lowercased() ?? "?column?"
    default: return "?column?"
    }
  }

  /// A projection of the input, with what is known of its columns.
  static func project(
    _ input: Relation, _ scope: Scope, _ items: [(name: String, expression: Expression)]
  ) -> BoundQuery {
    let inputSchema = input.schema
    let columns = items.enumerated().map { position, item in
      var isEventTime = false
      if case .column(let index) = item.expression.kind {
        isEventTime = scope.columns.contains { $0.index == index && $0.isEventTime }
      }
      return ScopeColumn(
        qualifier: nil, name: item.name, type: item.expression.type,
        isNullable: item.expression.isNullable(in: inputSchema), index: position, isEventTime: isEventTime)
    }
    let schema = Schema(columns.map { Field($0.name, $0.type, isNullable: $0.isNullable) })
    return BoundQuery(relation: .project(input, items.map(\.expression), schema), columns: columns)
  }

  /// `SELECT … FROM tumble(…)` without grouping: each row with the bounds of its one window.
  private func projectWithWindow(_ from: FromItem, _ items: [SelectItem]) throws(SQLDiagnostic) -> BoundQuery {
    guard let window = from.window, let first = from.scope.windowIndex else {
      return Self.project(from.relation, from.scope, items.map { ($0.name, $0.bound.expression) })
    }
    guard window.specification.slide == window.specification.size else {
      throw context.error(
        "hop without GROUP BY is not supported: a row belongs to several windows", at: items[0].offset,
        hint: "group by the window, or use tumble: " + Self.windowExample)
    }
    let time = Expression(.column(window.timeColumn), type: window.type)
    let size = Expression(
      .literal(.interval(Interval(microseconds: window.specification.size))), type: .interval)
    let epoch = Expression(.literal(.int64(0)), type: window.type)
    let bin = FunctionSignature(
      name: "date_bin", arguments: [.interval, window.type, window.type], result: window.type)
    let plus = FunctionSignature(name: "+", arguments: [window.type, .interval], result: window.type)
    let start = Expression(.call(bin, [size, time, epoch]), type: window.type)
    let end = Expression(.call(plus, [start, size]), type: window.type)
    let expressions = items.map { item in
      (
        item.name,
        item.bound.expression.rewritten { expression in
          guard case .column(let index) = expression.kind, index >= first else { return nil }
          return index == first ? start : end
        }
      )
    }
    return Self.project(from.relation, from.scope, expressions)
  }
}

extension Expression {
  /// Whether the expression can be NULL for rows of the schema; "yes" when in doubt.
  func isNullable(in schema: Schema) -> Bool {
    switch kind {
    case .column(let index): return !schema.fields.indices.contains(index) || schema.fields[index].isNullable
    case .literal(let value): return value == .null
    case .isNull, .isTrue: return false
    case .not(let part), .cast(let part): return part.isNullable(in: schema)
    case .and(let parts), .or(let parts): return parts.contains { $0.isNullable(in: schema) }
    case .coalesce(let parts): return parts.allSatisfy { $0.isNullable(in: schema) }
    case .inList(let value, let list): return ([value] + list).contains { $0.isNullable(in: schema) }
    case .conditional(let branches, let otherwise):
      return (branches.map(\.result) + [otherwise]).contains { $0.isNullable(in: schema) }
    case .call(let signature, let arguments):
      if Self.neverNull.contains(signature.name) { return false }
      return !Self.strictAndTotal.contains(signature.name) || arguments.contains { $0.isNullable(in: schema) }
    }
  }

  /// Functions that have a value for NULL arguments, too.
  private static let neverNull = FunctionCatalog.momentary.union(["is_distinct_from", "concat"])
  /// Functions that have a value, or fail, when every argument is there.
  private static let strictAndTotal: Set<String> = [
    "+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "||", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*",
    "abs", "mod", "floor", "ceil", "ceiling", "lower", "upper", "initcap", "length", "char_length", "octet_length",
    "btrim", "trim", "ltrim", "rtrim", "replace", "left", "right", "md5", "date_trunc", "date_bin", "extract",
    "date_part", "timezone", "to_timestamp", "to_date", "make_date", "make_timestamp", "greatest", "least"
  ]
}
