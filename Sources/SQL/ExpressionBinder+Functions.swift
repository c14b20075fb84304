import Columnar

/// The names under which aggregates are called.
enum AggregateNames {
  static let functions: [String: AggregateFunction] = [
    "count": .count, "sum": .sum, "avg": .avg, "min": .min, "max": .max, "stddev": .stddevSamp,
    "stddev_samp": .stddevSamp, "stddev_pop": .stddevPop, "variance": .varSamp, "var_samp": .varSamp,
    "var_pop": .varPop, "bool_and": .boolAnd, "every": .boolAnd, "bool_or": .boolOr, "first_value": .firstValue,
    "last_value": .lastValue
  ]

  static let all = functions.keys.sorted()
}

extension ExpressionBinder {
  /// A function call: an aggregate or a function of the catalogue.
  mutating func bindFunction(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let names = node.names("funcname")
    guard let name = names.last, names.count == 1 || names[0] == "pg_catalog" else {
      throw context.error(
        "function \(names.joined(separator: ".")) does not exist", at: offset, hint: "functions have no schema here")
    }
    if node["over"] != nil {
      throw context.error(
        "window functions (OVER) are not supported", at: offset,
        hint: "aggregate over FROM tumble(table, time, INTERVAL '10 seconds') with GROUP BY window_start")
    }
    if let function = AggregateNames.functions[name] { return try bindAggregate(function, name, node, at: offset) }
    for (clause, text) in [("agg_filter", "FILTER"), ("agg_distinct", "DISTINCT"), ("agg_star", "*")]
    where node[clause] != nil && Self.isScalar(name) {
      throw context.error("\(text) is only for aggregates, and \(name) is none", at: offset)
    }
    if node["func_variadic"]?.isTrue == true { throw context.error("VARIADIC is not supported", at: offset) }
    guard Self.isScalar(name) else {
      throw context.error("function \(name) does not exist", at: offset, hint: unknownFunctionHint(name))
    }
    var arguments: [BoundExpression] = []
    for argument in node.list("args") { arguments.append(try bind(argument)) }
    // `position(a in b)` comes with its arguments in the order of strpos.
    return try call(name == "position" ? "strpos" : name, arguments, at: offset)
  }

  /// Unknown functions fail by name before their arguments are looked at: `descriptor(ts)` must not say `ts`.
  private static func isScalar(_ name: String) -> Bool { scalarNames.contains(name) }
  private static let scalarNames = Set(FunctionCatalog.names)

  private mutating func bindAggregate(
    _ function: AggregateFunction, _ name: String, _ node: SyntaxNode, at offset: Int
  ) throws(SQLDiagnostic) -> BoundExpression {
    guard !isInsideAggregate else { throw context.error("aggregates cannot be nested", at: offset) }
    guard var collector = aggregates else {
      let hint = clause == "WHERE" ? "write HAVING, or FILTER (WHERE …) behind an aggregate" : nil
      throw context.error("aggregates are not allowed in \(clause)", at: offset, hint: hint)
    }
    if !node.list("agg_order").isEmpty {
      throw context.error(
        "ORDER BY within an aggregate is not supported", at: offset,
        hint: "first_value and last_value go by event time")
    }
    isInsideAggregate = true
    defer { isInsideAggregate = false }
    let isDistinct = node["agg_distinct"]?.isTrue == true
    let arguments = node.list("args")
    let isStar = node["agg_star"]?.isTrue == true
    guard isStar ? function == .count : arguments.count == 1 else {
      throw context.error(
        isStar ? "\(name)(*) does not exist" : "\(name) takes one argument", at: offset,
        hint: isStar ? "only count(*)" : "write \(name)(x)")
    }
    if isDistinct, [.firstValue, .lastValue].contains(function) {
      throw context.error("\(name)(DISTINCT …) is not supported", at: offset, hint: "leave out DISTINCT")
    }
    var argument: (Expression, DataType)?
    if let only = arguments.first { argument = try aggregateArgument(function, name, try bind(only), at: offset) }
    var filter: Expression?
    if let condition = node["agg_filter"] { filter = try bindCondition(condition, of: "the condition of FILTER") }
    let type = argument?.1 ?? .bigint
    let index = collector.add(
      AggregateCall(
        function: function, argument: argument?.0, isDistinct: isDistinct, filter: filter, type: type),
      offset: offset)
    aggregates = collector
    return BoundExpression(Expression(.column(index), type: type, location: context.location(offset)), offset: offset)
  }

  /// The argument in the type that the aggregate takes, and the type of the result.
  private func aggregateArgument(
    _ function: AggregateFunction, _ name: String, _ bound: BoundExpression, at offset: Int
  ) throws(SQLDiagnostic) -> (Expression, DataType) {
    let expression =
      bound.isUnknown
      ? try coerce(bound, to: [.boolAnd, .boolOr].contains(function) ? .boolean : .text) : bound.expression
    let type = expression.type
    let result: DataType? =
      switch function {
      case .count: .bigint
      case .sum: Self.sumType(type)
      case .avg: Self.isExact(type) ? .numeric : type.category == .number ? .double : nil
      case .min, .max: [.boolean, .uuid, .jsonb, .bytea].contains(type) ? nil : type.unconstrained
      case .stddevSamp, .stddevPop, .varSamp, .varPop:
        Self.isExact(type) ? .numeric : type.category == .number ? .double : nil
      case .boolAnd, .boolOr: type == .boolean ? .boolean : nil
      case .firstValue, .lastValue: type
      }
    guard let result else {
      throw context.error(
        "function does not exist: \(name)(\(type.sqlName))", at: offset,
        hint: type == .text ? "convert the argument: \(name)(x::double precision)" : nil)
    }
    return (expression, result)
  }

  private static func isExact(_ type: DataType) -> Bool {
    [.integer, .bigint, .numeric].contains(type.unconstrained)
  }

  private static func sumType(_ type: DataType) -> DataType? {
    switch type {
    case .integer: .bigint
    case .bigint, .numeric: .numeric
    case .real: .real
    case .double: .double
    default: nil
    }
  }
}
