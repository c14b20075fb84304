import Columnar

extension QueryBinder {
  /// `SELECT … GROUP BY … HAVING …` over windows.
  func group(
    _ node: SyntaxNode, _ from: FromItem, _ items: [SelectItem], _ binder: ExpressionBinder
  ) throws(SQLDiagnostic) -> BoundQuery {
    var binder = binder
    let keys = try groupKeys(node, from, items)
    guard let window = from.window, let first = from.scope.windowIndex else {
      let start = binder.aggregates?.offsets.first ?? node.list("groupClause").first.map(offset) ?? items[0].offset
      throw context.error(
        "aggregates and GROUP BY need a window: a stream has no end at which its groups are complete", at: start,
        hint: Self.windowExample)
    }
    var having: Expression?
    if let condition = node["havingClause"] {
      binder.clause = "HAVING"
      having = try binder.bindCondition(condition, of: "the condition of HAVING")
    }
    let windowColumns = Set([first, first + 1])
    guard keys.contains(where: { Self.columnIndex($0).map(windowColumns.contains) ?? false }) else {
      throw context.error(
        "the result must be grouped by its window", at: node.list("groupClause").first.map(offset) ?? items[0].offset,
        hint: "add window_start, window_end to GROUP BY: " + Self.windowExample)
    }
    var plainKeys: [Expression] = []
    for key in keys {
      if let index = Self.columnIndex(key), windowColumns.contains(index) { continue }
      guard key.columnsRead.isDisjoint(with: windowColumns) else {
        throw context.error(
          "GROUP BY takes window_start and window_end only as they are",
          at: node.list("groupClause").first.map(offset) ?? items[0].offset,
          hint: "group by window_start, and compute with it in SELECT")
      }
      plainKeys.append(key)
    }
    let aggregate = Self.aggregate(from, window, keys: plainKeys, calls: binder.aggregates?.calls ?? [])
    let grouping = Grouping(
      context: context, scope: from.scope, keys: plainKeys.map(\.withoutLocations), windowIndex: first)
    var relation = Relation.aggregate(aggregate)
    if let having {
      relation = .filter(relation, try grouping.rewrite(having, at: node["havingClause"].map(offset) ?? 0))
    }
    var expressions: [(String, Expression)] = []
    for item in items { expressions.append((item.name, try grouping.rewrite(item.bound.expression, at: item.offset))) }
    var scope = Scope()
    for (index, field) in aggregate.schema.fields.enumerated() {
      let isWindow = index == plainKeys.count || index == plainKeys.count + 1
      scope.columns.append(
        ScopeColumn(
          qualifier: nil, name: field.name, type: field.type, isNullable: field.isNullable, index: index,
          isEventTime: isWindow))
    }
    return Self.project(relation, scope, expressions)
  }

  private static func columnIndex(_ expression: Expression) -> Int? {
    if case .column(let index) = expression.kind { return index }
    return nil
  }

  private static func aggregate(
    _ from: FromItem, _ window: WindowInput, keys: [Expression], calls: [AggregateCall]
  ) -> WindowedAggregate {
    let input = from.relation.schema
    var fields = keys.enumerated().map { position, key in
      let name = columnIndex(key).map { input.fields[$0].name } ?? "key_\(position + 1)"
      return Field(name, key.type, isNullable: key.isNullable(in: input))
    }
    fields.append(Field("window_start", window.type, isNullable: false))
    fields.append(Field("window_end", window.type, isNullable: false))
    for (position, call) in calls.enumerated() {
      fields.append(
        Field("\(call.function.rawValue)_\(position + 1)", call.type, isNullable: call.function != .count))
    }
    return WindowedAggregate(
      input: from.relation, timeColumn: window.timeColumn, window: window.specification, keys: keys,
      aggregates: calls, schema: Schema(fields))
  }

  // MARK: GROUP BY

  private func groupKeys(
    _ node: SyntaxNode, _ from: FromItem, _ items: [SelectItem]
  ) throws(SQLDiagnostic) -> [Expression] {
    var keys: [Expression] = []
    var seen: Set<Expression> = []
    for item in node.list("groupClause") {
      let key = try groupKey(item, from, items)
      if key.columnsRead.contains(where: { $0 >= AggregateCollector.firstIndex }) {
        throw context.error("aggregates are not allowed in GROUP BY", at: offset(of: item))
      }
      if seen.insert(key.withoutLocations).inserted { keys.append(key) }
    }
    return keys
  }

  private func groupKey(
    _ node: SyntaxNode, _ from: FromItem, _ items: [SelectItem]
  ) throws(SQLDiagnostic) -> Expression {
    if node["GroupingSet"] != nil {
      throw context.error(
        "GROUPING SETS, ROLLUP and CUBE are not supported", at: offset(of: node),
        hint: "write one INSERT for each grouping")
    }
    if let constant = node["A_Const"], let integer = constant["ival"] {
      let position = integer["ival"]?.integer ?? 0
      guard items.indices.contains(position - 1) else {
        throw context.error("GROUP BY position \(position) is not in the SELECT list", at: offset(of: node))
      }
      return items[position - 1].bound.expression
    }
    // A column of the input goes before an alias of the SELECT list, as in PostgreSQL.
    if let reference = node["ColumnRef"], let name = reference.names("fields").first,
      reference.list("fields").count == 1, !from.scope.columns.contains(where: { $0.name == name }),
      let item = items.first(where: { $0.name == name })
    {
      return item.bound.expression
    }
    var binder = ExpressionBinder(context, from.scope, clause: "GROUP BY")
    return try binder.bindTyped(node)
  }
}

/// Turns expressions over the input, with aggregates as placeholders, into expressions over the groups.
private struct Grouping {
  let context: BindingContext
  let scope: Scope
  let keys: [Expression]
  let windowIndex: Int

  /// - Parameter offset: where the whole expression stands, for an error without a place of its own.
  func rewrite(_ expression: Expression, at offset: Int) throws(SQLDiagnostic) -> Expression {
    if let key = keys.firstIndex(of: expression.withoutLocations) {
      return Expression(.column(key), type: expression.type, location: expression.location)
    }
    if case .column(let index) = expression.kind {
      if index >= AggregateCollector.firstIndex {
        let position = keys.count + 2 + index - AggregateCollector.firstIndex
        return Expression(.column(position), type: expression.type, location: expression.location)
      }
      if index == windowIndex || index == windowIndex + 1 {
        return Expression(
          .column(keys.count + index - windowIndex), type: expression.type, location: expression.location)
      }
      throw ungrouped(index, expression, at: offset)
    }
    var parts: [Expression] = []
    for child in expression.children { parts.append(try rewrite(child, at: offset)) }
    return parts.isEmpty ? expression : expression.replacingChildren(parts)
  }

  private func ungrouped(_ index: Int, _ expression: Expression, at offset: Int) -> SQLDiagnostic {
    let name = scope.columns.first { $0.index == index }?.name ?? "?"
    return SQLDiagnostic(
      message: "column \(name) must appear in GROUP BY or be used in an aggregate",
      location: expression.location ?? context.location(offset), offendingText: name,
      hint: "add \(name) to GROUP BY, or write max(\(name)) or last_value(\(name))")
  }
}
