import Columnar

extension ExpressionBinder {
  /// Operators and the predicates that the grammar writes like operators.
  mutating func bindOperator(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let name = node.names("name").last ?? ""
    switch node["kind"]?.text ?? "AEXPR_OP" {
    case "AEXPR_OP", "AEXPR_LIKE", "AEXPR_ILIKE":
      guard let right = node["rexpr"] else { throw context.error("operator \(name) needs a right side", at: offset) }
      guard let left = node["lexpr"] else { return try bindPrefix(name, right, at: offset) }
      return try call(name, [try bind(left), try bind(right)], at: offset)
    case "AEXPR_DISTINCT": return try bindDistinct(node, isNegated: false)
    case "AEXPR_NOT_DISTINCT": return try bindDistinct(node, isNegated: true)
    case "AEXPR_NULLIF": return try bindNullIf(node)
    case "AEXPR_IN": return try bindIn(node, isNegated: name == "<>")
    case "AEXPR_BETWEEN": return try bindBetween(node, isNegated: false, isSymmetric: false)
    case "AEXPR_NOT_BETWEEN": return try bindBetween(node, isNegated: true, isSymmetric: false)
    case "AEXPR_BETWEEN_SYM": return try bindBetween(node, isNegated: false, isSymmetric: true)
    case "AEXPR_NOT_BETWEEN_SYM": return try bindBetween(node, isNegated: true, isSymmetric: true)
    case "AEXPR_SIMILAR":
      throw context.error("SIMILAR TO is not supported", at: offset, hint: "write x ~ 'regular expression'")
    default:
      throw context.error("ANY and ALL are not supported", at: offset, hint: "write x IN (a, b, c)")
    }
  }

  private mutating func bindPrefix(
    _ name: String, _ node: SyntaxNode, at offset: Int
  ) throws(SQLDiagnostic) -> BoundExpression {
    let argument = try bind(node)
    if argument.isUnknown, name == "-" || name == "+" {
      let number = BoundExpression(try coerce(argument, to: .double), offset: argument.offset)
      return try call(name, [number], at: offset)
    }
    return try call(name, [argument], at: offset)
  }

  private mutating func sides(_ node: SyntaxNode) throws(SQLDiagnostic) -> (BoundExpression, BoundExpression) {
    guard let left = node["lexpr"], let right = node["rexpr"] else {
      throw context.error("an operator needs two sides", at: node.location ?? 0)
    }
    return (try bind(left), try bind(right))
  }

  private func boolean(_ kind: Expression.Kind, at offset: Int) -> BoundExpression {
    BoundExpression(Expression(kind, type: .boolean, location: context.location(offset)), offset: offset)
  }

  private mutating func bindDistinct(_ node: SyntaxNode, isNegated: Bool) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let (left, right) = try sides(node)
    // One open literal takes the type of the other side, as it would with `=`.
    let type = left.resolvableType ?? right.resolvableType ?? .text
    let typed = [
      left.isUnknown ? BoundExpression(try coerce(left, to: type), offset: left.offset) : left,
      right.isUnknown ? BoundExpression(try coerce(right, to: type), offset: right.offset) : right
    ]
    let result = try call("is_distinct_from", typed, at: offset)
    return isNegated ? boolean(.not(result.expression), at: offset) : result
  }

  /// `NULLIF(a, b)` is `CASE WHEN a = b THEN NULL ELSE a END`.
  private mutating func bindNullIf(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let (left, right) = try sides(node)
    let condition = try call("=", [left, right], at: offset)
    let value = left.isUnknown ? try coerce(left, to: .text) : left.expression
    let location = context.location(offset)
    let branch = Expression.Branch(
      condition: condition.expression, result: Expression(.literal(.null), type: value.type, location: location))
    return BoundExpression(
      Expression(.conditional([branch], otherwise: value), type: value.type, location: location), offset: offset)
  }

  private mutating func bindIn(_ node: SyntaxNode, isNegated: Bool) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    guard let left = node["lexpr"], let list = node["rexpr"]?["List"] else {
      throw context.error("IN needs a list", at: offset, hint: "write x IN (a, b, c)")
    }
    var values = [try bind(left)]
    for item in list.list("items") { values.append(try bind(item)) }
    let (_, typed) = try unified(values, in: "IN")
    let result = boolean(.inList(typed[0], Array(typed.dropFirst())), at: offset)
    return isNegated ? boolean(.not(result.expression), at: offset) : result
  }

  private mutating func bindBetween(
    _ node: SyntaxNode, isNegated: Bool, isSymmetric: Bool
  ) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let bounds = node["rexpr"]?["List"]?.list("items") ?? []
    guard let left = node["lexpr"], bounds.count == 2 else {
      throw context.error("BETWEEN needs two bounds", at: offset)
    }
    let value = try bind(left)
    let low = try bind(bounds[0])
    let high = try bind(bounds[1])
    func within(_ low: BoundExpression, _ high: BoundExpression) throws(SQLDiagnostic) -> Expression {
      let parts = [
        try call(">=", [value, low], at: offset).expression, try call("<=", [value, high], at: offset).expression
      ]
      return Expression(.and(parts), type: .boolean, location: context.location(offset))
    }
    var result = try within(low, high)
    if isSymmetric {
      result = Expression(
        .or([result, try within(high, low)]), type: .boolean, location: context.location(offset))
    }
    return isNegated ? boolean(.not(result), at: offset) : BoundExpression(result, offset: offset)
  }

  // MARK: Logic

  mutating func bindBoolean(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let name = node["boolop"]?.text ?? ""
    let word = name == "OR_EXPR" ? "OR" : name == "NOT_EXPR" ? "NOT" : "AND"
    var parts: [Expression] = []
    for part in node.list("args") { parts.append(try bindCondition(part, of: "the argument of \(word)")) }
    switch word {
    case "OR": return boolean(.or(parts), at: offset)
    case "NOT":
      guard let part = parts.first else { throw context.error("NOT needs an argument", at: offset) }
      return boolean(.not(part), at: offset)
    default: return boolean(.and(parts), at: offset)
    }
  }

  mutating func bindNullTest(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    guard let argument = node["arg"] else { throw context.error("IS NULL needs a value", at: offset) }
    let test = Expression(.isNull(try bindTyped(argument)), type: .boolean, location: context.location(offset))
    return node["nulltesttype"]?.text == "IS_NOT_NULL"
      ? boolean(.not(test), at: offset) : BoundExpression(test, offset: offset)
  }

  mutating func bindBooleanTest(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    guard let argument = node["arg"] else { throw context.error("the test needs a value", at: offset) }
    let value = try bindCondition(argument, of: "the argument of IS TRUE, IS FALSE or IS UNKNOWN")
    let location = context.location(offset)
    func test(_ kind: Expression.Kind) -> Expression { Expression(kind, type: .boolean, location: location) }
    switch node["booltesttype"]?.text ?? "" {
    case "IS_NOT_TRUE": return boolean(.not(test(.isTrue(value))), at: offset)
    case "IS_FALSE": return boolean(.isTrue(test(.not(value))), at: offset)
    case "IS_NOT_FALSE": return boolean(.not(test(.isTrue(test(.not(value))))), at: offset)
    case "IS_UNKNOWN": return boolean(.isNull(value), at: offset)
    case "IS_NOT_UNKNOWN": return boolean(.not(test(.isNull(value))), at: offset)
    default: return boolean(.isTrue(value), at: offset)
    }
  }

  // MARK: Choices

  mutating func bindCase(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    var subject: BoundExpression?
    if let argument = node["arg"] {
      let bound = try bind(argument)
      subject = bound.isUnknown ? BoundExpression(try coerce(bound, to: .text), offset: bound.offset) : bound
    }
    var conditions: [Expression] = []
    var results: [BoundExpression] = []
    for branch in node.list("args") {
      guard let when = branch["CaseWhen"], let condition = when["expr"], let result = when["result"] else {
        throw context.error("CASE needs WHEN … THEN …", at: offset)
      }
      if let subject {
        let value = try bind(condition)
        conditions.append(try call("=", [subject, value], at: value.offset).expression)
      } else {
        conditions.append(try bindCondition(condition, of: "the condition of WHEN"))
      }
      results.append(try bind(result))
    }
    if let otherwise = node["defresult"] {
      results.append(try bind(otherwise))
    } else {
      let null = Expression(.literal(.null), type: .text, location: context.location(offset))
      results.append(BoundExpression(null, isUnknown: true, offset: offset))
    }
    let (type, typed) = try unified(results, in: "CASE")
    let branches = conditions.indices.map { Expression.Branch(condition: conditions[$0], result: typed[$0]) }
    let kind = Expression.Kind.conditional(branches, otherwise: typed[typed.count - 1])
    return BoundExpression(Expression(kind, type: type, location: context.location(offset)), offset: offset)
  }

  mutating func bindCoalesce(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    var values: [BoundExpression] = []
    for argument in node.list("args") { values.append(try bind(argument)) }
    let (type, typed) = try unified(values, in: "COALESCE")
    return BoundExpression(
      Expression(.coalesce(typed), type: type, location: context.location(offset)), offset: offset)
  }

  mutating func bindMinMax(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    var values: [BoundExpression] = []
    for argument in node.list("args") { values.append(try bind(argument)) }
    let name = node["op"]?.text == "IS_LEAST" ? "least" : "greatest"
    return try call(name, values, at: node.location ?? 0)
  }
}
