import Columnar

/// Binds `INSERT INTO table [(columns)] SELECT …`.
struct InsertBinder: Sendable {
  let context: BindingContext
  let declarations: Declarations
  let start: Int

  func bind(_ node: SyntaxNode) throws(SQLDiagnostic) -> InsertStatement {
    let (name, offset) = try TableBinder.tableName(node["relation"], context)
    let table = try target(name, at: offset)
    if let conflict = node["onConflictClause"] {
      throw context.error(
        "ON CONFLICT is not written here", at: conflict.location ?? offset,
        hint: "a postgres table with a PRIMARY KEY is upserted; mode = 'append' appends")
    }
    if !node.list("returningList").isEmpty { throw context.error("RETURNING is not supported", at: offset) }
    guard let select = node["selectStmt"]?["SelectStmt"] else {
      throw context.error("INSERT INTO needs a SELECT", at: offset, hint: "INSERT INTO \(name) SELECT … FROM …")
    }
    let targets = try targetColumns(node, table)
    let binder = try QueryBinder(context, declarations).declaring(node["withClause"])
    let query = try binder.bind(select, expected: targets.map { table.columns[$0].field.type })
    guard query.columns.count == targets.count else {
      let relation = query.columns.count < targets.count ? "fewer" : "more"
      throw context.error(
        "the SELECT has \(relation) columns (\(query.columns.count)) than \(name) takes (\(targets.count))",
        at: binder.offset(of: select),
        hint: "\(name) takes: " + targets.map { table.columns[$0].field.name }.joined(separator: ", "))
    }
    let expressions = try assignments(query, table, targets, at: binder.offset(of: select))
    let relation = Self.checkingNotNull(Self.projected(query.relation, expressions, table.schema), table)
    return InsertStatement(target: name, query: relation, location: context.source.location(start))
  }

  private func target(_ name: String, at offset: Int) throws(SQLDiagnostic) -> TableDefinition {
    if let table = declarations.tables[name] { return table }
    if declarations.views[name] != nil {
      throw context.error("\(name) is a view; rows are inserted into tables", at: offset)
    }
    var missing = context.error(
      "table \(name) does not exist", at: offset,
      hint: Suggestion.hint(for: name, in: declarations.tables.keys.sorted(), listing: "declared above are")
        ?? "declare it above with CREATE TABLE … WITH (connector = …)")
    missing.isConsequence = declarations.isIncomplete || declarations.broken.contains(name)
    throw missing
  }

  /// The positions, in the table, of the columns that the query's columns go to.
  private func targetColumns(_ node: SyntaxNode, _ table: TableDefinition) throws(SQLDiagnostic) -> [Int] {
    let names = node.list("cols")
    if names.isEmpty { return Array(table.columns.indices) }
    var result: [Int] = []
    for item in names {
      guard let column = item["ResTarget"] else { continue }
      let name = column["name"]?.text ?? ""
      guard let index = table.columns.firstIndex(where: { $0.field.name == name }) else {
        throw context.error(
          "column \(name) of table \(table.name) does not exist", at: column.location ?? 0,
          hint: Suggestion.hint(for: name, in: table.columns.map(\.field.name), listing: "columns"))
      }
      if result.contains(index) { throw context.error("column \(name) is given twice", at: column.location ?? 0) }
      result.append(index)
    }
    for (index, column) in table.columns.enumerated() where !column.field.isNullable && !result.contains(index) {
      throw context.error(
        "column \(column.field.name) of \(table.name) is NOT NULL and gets no value",
        at: names.first?["ResTarget"]?.location ?? 0,
        hint: table.primaryKey.contains(column.field.name)
          ? "it is part of the primary key: add it to the column list" : "add it to the column list")
    }
    return result
  }

  /// One expression a column of the table, over the query's columns.
  private func assignments(
    _ query: BoundQuery, _ table: TableDefinition, _ targets: [Int], at offset: Int
  ) throws(SQLDiagnostic) -> [Expression] {
    var result = table.columns.map { Expression(.literal(.null), type: $0.field.type) }
    for (position, target) in targets.enumerated() {
      let field = table.columns[target].field
      let column = query.columns[position]
      let written = Self.written(query.relation, position)
      guard FunctionCatalog.canAssign(from: column.type, to: field.type) else {
        var error = context.error(
          "column \(field.name) of \(table.name) is of type \(field.type.sqlName) but the expression is of type "
            + column.type.sqlName, at: offset, hint: "convert it with a cast: …::\(field.type.sqlName)")
        if let location = written?.location { error = error.moved(to: location, in: context.source) }
        throw error
      }
      if !field.isNullable, case .literal(.null) = written?.kind {
        let error = context.error(
          "column \(field.name) of \(table.name) is NOT NULL and the expression is NULL", at: offset)
        throw written?.location.map { error.moved(to: $0, in: context.source) } ?? error
      }
      let expression = Expression(.column(position), type: column.type, location: written?.location)
      result[target] = try ExpressionBinder(context, Scope(), clause: "INSERT")
        .coerce(BoundExpression(expression, offset: offset), to: field.type)
    }
    return result
  }

  /// The expression of the SELECT list that a column comes from.
  private static func written(_ relation: Relation, _ position: Int) -> Expression? {
    guard case .project(_, let expressions, _) = relation else { return nil }
    return expressions[position]
  }

  /// The projection with a check of every value that may be NULL and goes to a NOT NULL column.
  ///
  /// PostgreSQL refuses such rows itself; the other sinks write what they get.
  private static func checkingNotNull(_ relation: Relation, _ table: TableDefinition) -> Relation {
    guard table.options["connector"] != "postgres", case .project(let input, let expressions, let schema) = relation
    else { return relation }
    let checked = expressions.enumerated().map { position, expression in
      let field = schema.fields[position]
      guard !field.isNullable, expression.isNullable(in: input.schema) else { return expression }
      return Expression(
        .call(
          FunctionCatalog.notNull(expression.type),
          [expression, Expression(.literal(.text(field.name)), type: .text, location: expression.location)]),
        type: expression.type, location: expression.location)
    }
    return .project(input, checked, schema)
  }

  /// A projection on top of `input`, merged with the projection that the SELECT list already is.
  private static func projected(_ input: Relation, _ expressions: [Expression], _ schema: Schema) -> Relation {
    guard case .project(let inner, let written, _) = input else { return .project(input, expressions, schema) }
    let merged = expressions.map { expression in
      expression.rewritten { part in
        if case .column(let index) = part.kind { return written[index] }
        guard case .cast(let argument) = part.kind, case .literal(let value) = argument.kind,
          let constant = LiteralFolding.converted(value, from: argument.type, to: part.type)
        else { return nil }
        return Expression(.literal(constant), type: part.type, location: part.location)
      }
    }
    return .project(inner, merged, schema)
  }
}

extension QueryBinder {
  /// The binder with the queries of a `WITH` before `INSERT`.
  func declaring(_ with: SyntaxNode?) throws(SQLDiagnostic) -> QueryBinder {
    guard let with else { return self }
    var result = self
    try result.declare(with)
    return result
  }
}
