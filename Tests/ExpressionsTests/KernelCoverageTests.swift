import Columnar
import Operators
import SQL
import TestTraits
import Testing

/// Every type, with values at the edges of its range.
private let edges: [(type: DataType, values: [Value])] = [
  (.boolean, [.boolean(true), .boolean(false)]),
  (.integer, [.int64(0), .int64(-1), .int64(3), .int64(Int64(Int32.max)), .int64(Int64(Int32.min))]),
  (.bigint, [.int64(0), .int64(-1), .int64(.max), .int64(.min)]),
  (.real, [.float64(0), .float64(-1.5), .float64(.nan), .float64(.infinity)]),
  (.double, [.float64(0), .float64(-1.5), .float64(.greatestFiniteMagnitude), .float64(.nan), .float64(-.infinity)]),
  (
    .numeric,
    [
      .numeric(.zero), .numeric(.nan), .numeric(Numeric(unscaled: -15, scale: 1)),
      .numeric(Numeric(unscaled: Numeric.powerOfTen(38) - 1, scale: 0)),
      .numeric(Numeric(unscaled: 1 - Numeric.powerOfTen(38), scale: 38))
    ]
  ),
  (.text, [.text(""), .text("é%_1"), .text("9.9"), .text("hour"), .text("{\"a\": [1]}")]),
  (.bytea, [.bytes([]), .bytes([0, 255])]),
  (.date, [.int64(0), .int64(-719_528), .int64(2_000_000_000)]),
  (.timestamp, [.int64(0), .int64(-1), .int64(.max), .int64(.min)]),
  (.timestamptz, [.int64(0), .int64(-1), .int64(.max), .int64(.min)]),
  (
    .interval,
    [
      .interval(Interval()), .interval(Interval(months: -1, days: 40, microseconds: -1)),
      .interval(Interval(months: .max, days: .max, microseconds: .max)),
      .interval(Interval(months: .min, days: .min, microseconds: .min))
    ]
  ),
  (.uuid, [.uuid(UUIDValue(high: 0, low: 0)), .uuid(UUIDValue(high: .max, low: 1))]),
  (.jsonb, [.text("{}"), .text("[1.5, null]"), .text("7"), .text("not json")])
]

private let context = EvaluationContext(now: Timestamp(microseconds: 0))

/// A batch of every combination of the edge values of some types, and a row of NULLs.
private func combinations(_ types: [DataType]) -> Batch {
  var rows: [[Value]] = [[]]
  for type in types {
    var values = edges.first { $0.type == type.unconstrained }?.values ?? []
    if types.count > 3 { values = Array(values.prefix(3)) }
    rows = rows.flatMap { row in values.map { row + [$0] } }
  }
  rows.append(types.map { _ in .null })
  let columns = types.indices.map { position in
    var builder = ColumnBuilder(types[position], capacity: rows.count)
    for row in rows { builder.append(row[position]) }
    return builder.finish()
  }
  let fields = types.enumerated().map { Field("c\($0)", $1) }
  return Batch(schema: Schema(fields), columns: columns, count: rows.count)
}

/// Evaluates over all combinations, over none, and one row at a time for constants; a kernel that says that it cannot
/// fail must not.
private func exercise(_ expression: Expression, _ types: [DataType]) throws {
  let compiled = try CompiledExpression(expression)
  let batch = combinations(types)
  let result = compiled.evaluate(batch, context)
  #expect(result.column.count == batch.count)
  #expect(result.column.type == expression.type)
  #expect(compiled.canFail || result.failures.isEmpty, "\(result.failures.first?.message ?? "")")
  for failure in result.failures { #expect(result.column.isNull(failure.row)) }
  let none = Batch(schema: batch.schema, columns: batch.columns.map { $0.gather([]) }, count: 0)
  #expect(compiled.evaluate(none, context).column.count == 0)
}

private func columns(_ types: [DataType]) -> [Expression] {
  types.enumerated().map { Expression(.column($0), type: $1) }
}

@Test("every function and operator of the catalogue can be evaluated, whatever its arguments are", .fewAtOnce)
func everySignature() throws {
  let all = FunctionCatalog.signatures
  #expect(all.count > 250)
  for signature in all {
    let call = Expression(.call(signature, columns(signature.arguments)), type: signature.result)
    do { try exercise(call, signature.arguments) } catch { Issue.record("\(signature): \(error)") }
  }
}

@Test(
  "functions of any number of arguments can be evaluated for every type that the catalogue lets them have", .fewAtOnce)
func variadicSignatures() throws {
  for name in ["concat", "concat_ws", "greatest", "least"] {
    for (type, _) in edges {
      let types: [DataType] = name == "concat_ws" ? [.text, type, type] : [type, type]
      guard case .success(let signature) = FunctionCatalog.resolve(name, types) else {
        #expect(type == .jsonb && (name == "greatest" || name == "least"), "\(name) \(type)")
        continue
      }
      let call = Expression(.call(signature, columns(signature.arguments)), type: signature.result)
      do { try exercise(call, signature.arguments) } catch { Issue.record("\(signature): \(error)") }
    }
  }
}

@Test("every cast that the catalogue allows can be evaluated, and every assignment", .fewAtOnce)
func everyCast() throws {
  let targets = edges.map(\.type) + [.numeric(precision: 5, scale: 2)]
  for (from, _) in edges {
    for to in targets {
      let isAllowed =
        FunctionCatalog.canCast(from: from, to: to, explicit: true) || FunctionCatalog.canAssign(from: from, to: to)
      guard isAllowed else { continue }
      let cast = Expression(.cast(Expression(.column(0), type: from)), type: to)
      do { try exercise(cast, [from]) } catch { Issue.record("\(from) to \(to): \(error)") }
    }
  }
}

@Test("IN, CASE and COALESCE can be evaluated for every type", .fewAtOnce)
func everyTypeInConstructs() throws {
  for (type, values) in edges {
    let column = Expression(.column(0), type: type)
    let literals = (values + [.null]).map { Expression(.literal($0), type: type) }
    let list = Expression(.inList(column, literals), type: .boolean)
    try exercise(list, [type])
    let branch = Expression.Branch(condition: list, result: column)
    try exercise(Expression(.conditional([branch], otherwise: literals[0]), type: type), [type])
    try exercise(Expression(.coalesce([column, literals[0]]), type: type), [type])
  }
}
