import Columnar

extension ExpressionBinder {
  /// Converts to `type`: open literals become values now, other constants where that is exact, the rest a cast.
  func coerce(_ bound: BoundExpression, to type: DataType) throws(SQLDiagnostic) -> Expression {
    let expression = bound.expression
    if bound.isUnknown { return try literal(expression, as: type, at: bound.offset) }
    if expression.type == type { return expression }
    if case .literal(let value) = expression.kind,
      let converted = LiteralFolding.converted(value, from: expression.type, to: type)
    {
      return Expression(.literal(converted), type: type, location: expression.location)
    }
    return Expression(.cast(expression), type: type, location: expression.location)
  }

  /// An open literal as a value of `type`.
  func literal(_ expression: Expression, as type: DataType, at offset: Int) throws(SQLDiagnostic) -> Expression {
    guard case .literal(.bytes(let bytes)) = expression.kind else {
      return Expression(.literal(.null), type: type, location: expression.location)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    do throws(ValueTextError) {
      guard let value = try LiteralFolding.value(text, type) else {
        return Expression(.cast(expression), type: type, location: expression.location)
      }
      return Expression(.literal(value), type: type, location: expression.location)
    } catch {
      let reason =
        error == .outOfRange
        ? "value out of range for type \(type.sqlName)"
        : "invalid input syntax for type \(type == .jsonb ? "json" : type.sqlName)"
      throw context.error("\(reason): \"\(text)\"", at: offset, hint: Self.formHint(text, type))
    }
  }

  private static func formHint(_ text: String, _ type: DataType) -> String? {
    switch type {
    case .timestamp, .timestamptz:
      ["now", "today", "yesterday", "tomorrow"].contains(text.lowercased())
        ? "write now() or current_date" : "write it like '2026-01-08 14:30:00' or '2026-01-08T14:30:00Z'"
    case .date: "write it like '2026-01-08'"
    case .interval: "write it like '10 seconds', '1 hour 30 minutes' or '01:30:00'"
    case .boolean: "write true or false"
    case .uuid: "write it like 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"
    default: nil
    }
  }

  /// Values of one type, as `CASE`, `COALESCE`, `IN` and `UNION` need them.
  func unified(_ values: [BoundExpression], in what: String) throws(SQLDiagnostic) -> (DataType, [Expression]) {
    guard let type = FunctionCatalog.commonType(values.map(\.resolvableType)) else {
      let known = values.filter { !$0.isUnknown }
      let other =
        known.first { $0.expression.type.unconstrained != known[0].expression.type.unconstrained } ?? values[0]
      throw context.error(
        "\(what) types \(known.first?.expression.type.sqlName ?? "unknown") and \(other.expression.type.sqlName) "
          + "cannot be matched", at: other.offset, hint: "convert one of them with a cast: x::text")
    }
    var result: [Expression] = []
    for value in values { result.append(try coerce(value, to: type)) }
    return (type, result)
  }

  /// `CAST(x AS type)`, `x::type`, `TYPE 'literal'`.
  mutating func bindCast(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    guard let argument = node["arg"], let typeName = node["typeName"] else {
      throw context.error("a cast needs a value and a type", at: node.location ?? 0)
    }
    let bound = try bind(argument)
    let typeOffset = typeName.location ?? bound.offset
    let offset = node.location ?? typeOffset
    let target = try context.type(typeName)
    if let fields = target.intervalFields {
      return BoundExpression(try interval(bound, fields: fields, at: offset), offset: offset)
    }
    if target.written.hasPrefix("char(") {
      throw context.error(
        "char(n) pads with spaces and is not supported as the type of a cast", at: typeOffset,
        hint: "write text, or rpad(x, n)")
    }
    if target.written.hasPrefix("timestamp("), bound.isUnknown == false {
      throw context.error(
        "rounding a time by a cast is not supported", at: typeOffset, hint: "write date_trunc('second', x)")
    }
    if !bound.isUnknown {
      let from = bound.expression.type
      guard from == target.type || FunctionCatalog.canCast(from: from, to: target.type, explicit: true) else {
        throw context.error(
          "cannot cast type \(from.sqlName) to \(target.type.sqlName)", at: typeOffset,
          hint: Self.castHint(from, target.type))
      }
    }
    let converted = BoundExpression(try coerce(bound, to: target.type), offset: offset)
    guard let limit = target.characterLimit else { return converted }
    let length = Expression(.literal(.int64(Int64(limit))), type: .integer, location: context.location(typeOffset))
    return try call("left", [converted, BoundExpression(length, offset: typeOffset)], at: offset)
  }

  private static func castHint(_ from: DataType, _ to: DataType) -> String? {
    switch (from.category, to) {
    case (.number, .timestamp), (.number, .timestamptz):
      "write to_timestamp(seconds); for milliseconds, to_timestamp(x / 1000.0)"
    case (.dateTime, .integer), (.dateTime, .bigint), (.dateTime, .double), (.dateTime, .numeric):
      "write extract(epoch from x)"
    case (.timeSpan, _): "write extract(epoch from x) for seconds"
    default: nil
    }
  }

  /// `INTERVAL '10' SECOND`: the field is the unit of a plain number.
  private func interval(
    _ bound: BoundExpression, fields: Int, at offset: Int
  ) throws(SQLDiagnostic) -> Expression {
    let units = [4: "year", 2: "month", 8: "day", 1024: "hour", 2048: "minute", 4096: "second"]
    guard fields != 0x7fff else { return try coerce(bound, to: .interval) }
    guard let unit = units[fields], bound.isUnknown, case .literal(.bytes(let bytes)) = bound.expression.kind else {
      throw context.error(
        "intervals of several fields are not supported", at: offset, hint: "write INTERVAL '1 hour 30 minutes'")
    }
    let text = String(decoding: bytes, as: UTF8.self)
    let isNumber = !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isNumber || "+-. ".contains($0)) }
    let withUnit = Expression(
      .literal(.text(isNumber ? "\(text) \(unit)" : text)), type: .text, location: bound.expression.location)
    return try literal(withUnit, as: .interval, at: bound.offset)
  }
}
