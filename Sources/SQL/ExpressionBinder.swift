import Columnar

/// A bound expression, and whether it is a literal whose type is still open.
struct BoundExpression: Sendable {
  var expression: Expression
  /// A quoted literal or NULL: it takes the type that its surroundings ask for.
  var isUnknown: Bool
  /// The byte offset in the statement.
  let offset: Int

  init(_ expression: Expression, isUnknown: Bool = false, offset: Int) {
    self.expression = expression
    self.isUnknown = isUnknown
    self.offset = offset
  }

  /// The type, as ``FunctionCatalog`` takes it: `nil` while it is open.
  var resolvableType: DataType? { isUnknown ? nil : expression.type }
}

/// Collects the aggregates of a `SELECT`; each stands in expressions as a column from ``firstIndex`` on.
struct AggregateCollector: Sendable {
  static let firstIndex = 1 << 40
  private(set) var calls: [AggregateCall] = []
  private(set) var offsets: [Int] = []

  /// The column by which expressions refer to the call, from ``firstIndex`` on so that no column of the input has it;
  /// the group binder replaces it by the aggregate's real column. Equal calls are computed once.
  mutating func add(_ call: AggregateCall, offset: Int) -> Int {
    let plain = call.withoutLocations
    if let known = calls.firstIndex(where: { $0.withoutLocations == plain }) { return Self.firstIndex + known }
    calls.append(call)
    offsets.append(offset)
    return Self.firstIndex + calls.count - 1
  }
}

extension AggregateCall {
  /// The same call, equal to others that are written elsewhere.
  fileprivate var withoutLocations: AggregateCall {
    AggregateCall(
      function: function, argument: argument?.withoutLocations, isDistinct: isDistinct,
      filter: filter?.withoutLocations, type: type)
  }
}

/// Binds the scalar expressions of one clause.
struct ExpressionBinder: Sendable {
  let context: BindingContext
  let scope: Scope
  /// Collects aggregates; absent where they are not allowed.
  var aggregates: AggregateCollector?
  /// The clause, for messages about aggregates.
  var clause: String
  /// The text of the window that an error message can show as an example.
  var isInsideAggregate = false

  init(_ context: BindingContext, _ scope: Scope, clause: String, aggregates: AggregateCollector? = nil) {
    self.context = context
    self.scope = scope
    self.clause = clause
    self.aggregates = aggregates
  }

  /// Binds an expression whose type is settled: an open literal becomes `text`.
  mutating func bindTyped(_ node: SyntaxNode) throws(SQLDiagnostic) -> Expression {
    let bound = try bind(node)
    return bound.isUnknown ? try coerce(bound, to: .text) : bound.expression
  }

  /// Binds a condition.
  mutating func bindCondition(_ node: SyntaxNode, of what: String) throws(SQLDiagnostic) -> Expression {
    let bound = try bind(node)
    if bound.isUnknown { return try coerce(bound, to: .boolean) }
    guard bound.expression.type == .boolean else {
      throw context.error(
        "\(what) must be boolean, not \(bound.expression.type.sqlName)", at: bound.offset,
        hint: "compare it with something: … = …, … IS NOT NULL")
    }
    return bound.expression
  }

  /// Binds any expression.
  mutating func bind(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    guard let (kind, content) = node.tagged else {
      throw context.error("an expression is missing", at: 0)
    }
    switch kind {
    case "ColumnRef": return try bindColumn(content)
    case "A_Const": return try bindConstant(content)
    case "TypeCast": return try bindCast(content)
    case "A_Expr": return try bindOperator(content)
    case "BoolExpr": return try bindBoolean(content)
    case "NullTest": return try bindNullTest(content)
    case "BooleanTest": return try bindBooleanTest(content)
    case "CaseExpr": return try bindCase(content)
    case "CoalesceExpr": return try bindCoalesce(content)
    case "MinMaxExpr": return try bindMinMax(content)
    case "FuncCall": return try bindFunction(content)
    case "SQLValueFunction": return try bindValueFunction(content)
    default: throw unsupported(kind, content)
    }
  }

  private func unsupported(_ kind: String, _ node: SyntaxNode) -> SQLDiagnostic {
    let offset = node.location ?? 0
    switch kind {
    case "SubLink":
      return context.error(
        "sub-selects within expressions are not supported", at: offset,
        hint: "a sub-select can stand in FROM; joins are not supported in this build yet")
    case "ParamRef":
      return context.error(
        "there are no parameters in a file", at: offset, hint: "option values can refer to the environment: '${NAME}'")
    case "A_ArrayExpr", "A_Indirection":
      return context.error("arrays and fields of values are not supported", at: offset)
    case "CollateClause":
      return context.error(
        "COLLATE is not supported", at: offset, hint: "text is compared byte by byte, as with COLLATE \"C\"")
    case "NamedArgExpr":
      return context.error("named arguments are not supported", at: offset, hint: "pass arguments by position")
    default:
      return context.error("this kind of expression (\(kind)) is not supported", at: offset)
    }
  }

  // MARK: Leaves

  private func bindColumn(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let fields = node.list("fields")
    if fields.contains(where: { $0["A_Star"] != nil }) {
      throw context.error("* stands only in a SELECT list or in count(*)", at: offset)
    }
    let column = try scope.column(node.names("fields"), at: offset, context)
    if isInsideAggregate, scope.isWindowColumn(column.index) {
      throw context.error(
        "\(column.name) cannot be the argument of an aggregate", at: offset,
        hint: "it is the same for all rows of a window: write \(column.name) without the aggregate")
    }
    return BoundExpression(
      Expression(.column(column.index), type: column.type, location: context.location(offset)), offset: offset)
  }

  private func bindConstant(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    let location = context.location(offset)
    func literal(_ value: Value, _ type: DataType, isUnknown: Bool = false) -> BoundExpression {
      BoundExpression(
        Expression(.literal(value), type: type, location: location), isUnknown: isUnknown, offset: offset)
    }
    if node["isnull"]?.isTrue == true { return literal(.null, .text, isUnknown: true) }
    if let text = node["sval"] { return literal(.text(text["sval"]?.text ?? ""), .text, isUnknown: true) }
    if let boolean = node["boolval"] { return literal(.boolean(boolean["boolval"]?.isTrue == true), .boolean) }
    if let integer = node["ival"] {
      // Zero and negative numbers are missing from the tree.
      let value = integer["ival"]?.integer.map { Int64($0) } ?? context.source.signedInteger(at: context.base + offset)
      return literal(.int64(value ?? 0), .integer)
    }
    if let text = node["fval"]?["fval"]?.text {
      if let number = Int64(text) {
        return literal(.int64(number), Int32(exactly: number) != nil ? .integer : .bigint)
      }
      do throws(ValueTextError) { return literal(.numeric(try Numeric(text)), .numeric) } catch {
        throw context.error(
          "\(text) has more than 38 digits", at: offset, hint: "write it as double precision: '\(text)'::float8")
      }
    }
    throw context.error("bit strings are not supported", at: offset, hint: "write a bytea: '\\x1f'::bytea")
  }

  private func bindValueFunction(_ node: SyntaxNode) throws(SQLDiagnostic) -> BoundExpression {
    let offset = node.location ?? 0
    switch node["op"]?.text ?? "" {
    case "SVFOP_CURRENT_TIMESTAMP": return try call("current_timestamp", [], at: offset)
    case "SVFOP_CURRENT_DATE": return try call("current_date", [], at: offset)
    case "SVFOP_LOCALTIMESTAMP": return try call("localtimestamp", [], at: offset)
    case "SVFOP_CURRENT_TIMESTAMP_N", "SVFOP_LOCALTIMESTAMP_N", "SVFOP_CURRENT_TIME", "SVFOP_LOCALTIME":
      throw context.error("this form of the current time is not supported", at: offset, hint: "write current_timestamp")
    default:
      throw context.error("there are no users, roles or schemas here", at: offset)
    }
  }

  // MARK: Functions

  /// A call of a scalar function or operator, with its arguments converted.
  func call(_ name: String, _ arguments: [BoundExpression], at offset: Int) throws(SQLDiagnostic) -> BoundExpression {
    switch FunctionCatalog.resolve(name, arguments.map(\.resolvableType)) {
    case .success(let signature):
      var converted: [Expression] = []
      for (argument, type) in zip(arguments, signature.arguments) {
        converted.append(try coerce(argument, to: type))
      }
      let expression = Expression(
        .call(signature, converted), type: signature.result, location: context.location(offset))
      return BoundExpression(expression, offset: offset)
    case .failure(let failure):
      throw context.error(failure.message, at: offset, hint: hint(for: name, failure, arguments))
    }
  }

  private func hint(
    for name: String, _ failure: ResolutionFailure, _ arguments: [BoundExpression]
  ) -> String? {
    if name == "round" || name == "trunc", arguments.count == 2,
      arguments[0].resolvableType == .double || arguments[0].resolvableType == .real
    {
      return "\(name) to a number of digits takes a numeric: \(name)(x::numeric, 2)"
    }
    if failure.candidates.isEmpty { return unknownFunctionHint(name) }
    let isOperator = name.first?.isLetter != true
    let types = arguments.map(\.resolvableType)
    // Forms that one argument already fits are the ones that were probably meant.
    let near = failure.candidates.filter { candidate in
      candidate.arguments.count == types.count && zip(candidate.arguments, types).contains { $0 == $1?.unconstrained }
    }
    let shown = near.isEmpty && !isOperator ? failure.candidates : near
    guard !shown.isEmpty else { return "convert a side with a cast: x::type" }
    var forms: [String] = []
    for candidate in shown {
      let types = candidate.arguments.map(\.sqlName)
      let form =
        isOperator && types.count == 2
        ? "\(types[0]) \(name) \(types[1])" : "\(name)(\(types.joined(separator: ", ")))"
      if !forms.contains(form) { forms.append(form) }
    }
    let more = forms.count > 6 ? ", …" : ""
    return "there is \(forms.prefix(6).joined(separator: ", "))\(more); convert with a cast: x::type"
  }

  /// What to write instead of a function that there is not.
  func unknownFunctionHint(_ name: String) -> String? {
    if let other = Self.otherNames[name] { return other }
    let names =
      FunctionCatalog.names.filter { $0.first?.isLetter == true } + AggregateNames.all + ["coalesce", "nullif"]
    return Suggestion.nearest(to: name, in: names).map { "did you mean \($0)?" }
  }

  private static let otherNames = [
    "ifnull": "write coalesce(a, b)", "nvl": "write coalesce(a, b)", "isnull": "write a IS NULL",
    "if": "write CASE WHEN condition THEN a ELSE b END", "iif": "write CASE WHEN condition THEN a ELSE b END",
    "len": "write length(x)", "instr": "write position(b in a)", "ucase": "write upper(x)", "lcase": "write lower(x)",
    "timestampdiff": "subtract: a - b is an interval", "datediff": "subtract: a - b",
    "date_format": "write to_char(time, 'YYYY-MM-DD')", "unix_timestamp": "write extract(epoch from time)",
    "from_unixtime": "write to_timestamp(seconds)", "proctime": "write now()",
    "tumble_start": "write window_start, with FROM tumble(table, time, size)",
    "tumble_end": "write window_end, with FROM tumble(table, time, size)",
    "hop_start": "write window_start, with FROM hop(table, time, slide, size)",
    "hop_end": "write window_end, with FROM hop(table, time, slide, size)",
    "tumble": "tumble stands in FROM: FROM tumble(readings, ts, INTERVAL '10 seconds')",
    "hop": "hop stands in FROM: FROM hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10 seconds')",
    "session": "session windows are not in this build yet; use tumble(…) or hop(…) in FROM",
    "cumulate": "cumulate is not in this build yet; use tumble(…) or hop(…) in FROM",
    "row_number": "window functions are not supported yet", "lag": "window functions are not supported yet",
    "array_agg": "this aggregate is not in this build yet", "string_agg": "this aggregate is not in this build yet",
    "percentile_cont": "this aggregate is not in this build yet", "listagg": "this aggregate is not in this build yet",
    "approx_count_distinct": "write count(distinct x)", "any_value": "write first_value(x)"
  ]
}
