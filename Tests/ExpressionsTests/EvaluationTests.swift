import Columnar
import Operators
import SQL
import TestTraits
import Testing

/// The outcome of an expression for one row.
private enum Outcome: Hashable {
  case value(Value)
  case failure(String)
}

private let fields = [
  Field("a", .boolean), Field("b", .boolean), Field("i", .integer), Field("j", .integer), Field("n", .numeric),
  Field("t", .text)
]

private func compile(_ text: String) throws -> (CompiledExpression, Schema) {
  let declarations = fields.map { "\($0.name) \($0.type.sqlName)" }.joined(separator: ", ")
  let job = try SQLFile.plan(
    """
    CREATE TABLE s (\(declarations)) WITH (connector = 'kafka', topic = 's', brokers = 'b:1');
    CREATE VIEW v AS SELECT \(text) AS result FROM s;
    CREATE TABLE o (result text) WITH (connector = 'blackhole');
    INSERT INTO o SELECT CASE WHEN result IS NULL THEN 'x' END FROM v;
    """, fileName: "test.sql", environment: { _ in nil })
  guard let statement = job.statements.first else { throw NoPlan() }
  // The view's expression stands within the condition of CASE.
  var relation = statement.query
  while case .project(let input, let expressions, _) = relation {
    if case .conditional(let branches, _) = expressions[0].kind, case .isNull(let part) = branches[0].condition.kind,
      !input.isProjection
    {
      return (try CompiledExpression(part), input.schema)
    }
    if input.isProjection, case .project(let source, let inner, _) = input {
      return (try CompiledExpression(inner[0]), source.schema)
    }
    relation = input
  }
  throw NoPlan()
}

private struct NoPlan: Error {}

extension Relation {
  fileprivate var isProjection: Bool { if case .project = self { true } else { false } }
}

/// The outcomes of an expression over rows that give values to some columns; the others are NULL.
private func outcomes(_ text: String, _ rows: [[String: Value]]) throws -> [Outcome] {
  let (compiled, schema) = try compile(text)
  let columns = schema.fields.map { field in
    var builder = ColumnBuilder(field.type, capacity: rows.count)
    for row in rows { builder.append(row[field.name] ?? .null) }
    return builder.finish()
  }
  let batch = Batch(schema: schema, columns: columns, count: rows.count)
  let result = compiled.evaluate(batch, EvaluationContext(now: Timestamp(microseconds: 0)))
  var all = rows.indices.map { Outcome.value(result.column.value($0)) }
  for failure in result.failures { all[failure.row] = .failure(failure.message) }
  return all
}

private func outcome(_ text: String, _ row: [String: Value] = [:]) throws -> Outcome {
  try outcomes(text, [row])[0]
}

@Suite("Evaluation of expressions", .fewAtOnce)
struct EvaluationTests {
  @Test("a numeric beyond 38 digits fails its row; one digit less does not")
  func numericOverflow() throws {
    let greatest = Value.numeric(Numeric(unscaled: Numeric.powerOfTen(38) - 1, scale: 0))
    let message = "value overflows numeric format: more than 38 digits"
    #expect(try outcome("n + 1", ["n": greatest]) == .failure(message))
    #expect(try outcome("-n - 1", ["n": greatest]) == .failure(message))
    #expect(try outcome("n * 10", ["n": greatest]) == .failure(message))
    #expect(try outcome("n / 0.1", ["n": greatest]) == .failure(message))
    #expect(try outcome("n * n", ["n": greatest]) == .failure(message))
    #expect(try outcome("n - 1 + 1", ["n": greatest]) == .value(greatest))
    #expect(try outcome("n::numeric(5,2)", ["n": greatest]) == .failure("numeric field overflow"))
  }

  @Test("integers that overflow fail their row, and no other")
  func integerOverflow() throws {
    let rows: [[String: Value]] = [Int64(Int32.max), 1].map { ["i": .int64($0)] }
    #expect(try outcomes("i + 1", rows) == [.failure("integer out of range"), .value(.int64(2))])
    #expect(try outcomes("i * 2", rows) == [.failure("integer out of range"), .value(.int64(2))])
    #expect(try outcome("-i", ["i": .int64(Int64(Int32.min))]) == .failure("integer out of range"))
    #expect(
      try outcome("i::bigint * 9223372036854775807", ["i": .int64(2)]) == .failure("bigint out of range"))
  }

  @Test("a division by zero fails its row, and NULL / 0 is NULL", arguments: ["/", "%"])
  func divisionByZero(sign: String) throws {
    let rows: [[String: Value]] = [["i": .int64(6), "j": .int64(0)], ["j": .int64(0)], ["i": .int64(6), "j": .int64(7)]]
    let wanted: [Outcome] = [.failure("division by zero"), .value(.null), .value(.int64(sign == "/" ? 0 : 6))]
    #expect(try outcomes("i \(sign) j", rows) == wanted)
    #expect(try outcome("1.5 \(sign) i", ["i": .int64(0)]) == .failure("division by zero"))
  }

  @Test("AND, OR and NOT have three values, for columns and for constants")
  func threeValues() throws {
    let values: [Bool?] = [true, false, nil]
    func value(_ truth: Bool?) -> Value { truth.map(Value.boolean) ?? .null }
    func text(_ truth: Bool?) -> String { truth.map { $0 ? "true" : "false" } ?? "NULL" }
    for first in values {
      #expect(try outcome("NOT a", ["a": value(first)]) == .value(value(first.map { !$0 })))
      for second in values {
        let isFalse = first == false || second == false
        let isTrue = first == true || second == true
        let both: Bool? = isFalse ? false : first == nil || second == nil ? nil : true
        let either: Bool? = isTrue ? true : first == nil || second == nil ? nil : false
        let row = ["a": value(first), "b": value(second)]
        #expect(try outcome("a AND b", row) == .value(value(both)), "\(text(first)) AND \(text(second))")
        #expect(try outcome("a OR b", row) == .value(value(either)), "\(text(first)) OR \(text(second))")
        #expect(try outcome("a AND \(text(second))", row) == .value(value(both)))
        #expect(try outcome("\(text(first)) OR b", row) == .value(value(either)))
      }
    }
  }

  @Test("what is not needed cannot fail a row")
  func shortCircuits() throws {
    let zero: [String: Value] = ["j": .int64(0)]
    let division = "10 / j > 1"
    #expect(try outcome("j <> 0 AND \(division)", zero) == .value(.boolean(false)))
    #expect(try outcome("j = 0 OR \(division)", zero) == .value(.boolean(true)))
    #expect(try outcome("j = 0 AND \(division)", zero) == .failure("division by zero"))
    #expect(try outcome("CASE WHEN j = 0 THEN -1 ELSE 10 / j END", zero) == .value(.int64(-1)))
    #expect(try outcome("CASE WHEN j > 0 THEN 10 / j END", zero) == .value(.null))
    #expect(try outcome("CASE WHEN j = 0 THEN 10 / j ELSE 1 END", zero) == .failure("division by zero"))
    #expect(try outcome("COALESCE(j, 10 / j)", zero) == .value(.int64(0)))
    #expect(try outcome("COALESCE(i, 10 / j)", zero) == .failure("division by zero"))
    let mixed: [[String: Value]] = [0, 5, 20].map { ["j": .int64($0)] }
    #expect(
      try outcomes("j <> 0 AND \(division)", mixed) == [false, true, false].map { .value(.boolean($0)) })
  }

  @Test(
    "an expression that cannot fail says so",
    arguments: [
      ("i", false), ("i > j", false), ("t = 'x'", false), ("lower(t)", false), ("i IS NULL", false),
      ("a AND NOT b", false), ("t LIKE 'a%'", false), ("i::text", false), ("COALESCE(i, 0)", false),
      ("i::bigint", false), ("to_char(i, '999')", false), ("n", false), ("i + 1", true), ("i / j", true),
      ("t::integer", true), ("CASE WHEN a THEN 1 ELSE i / j END", true), ("a AND i / j > 1", true), ("n * 2", true),
      ("to_date(t, 'YYYY')", true)
    ])
  func canFail(_ text: String, _ wanted: Bool) throws {
    #expect(try compile(text).0.canFail == wanted)
  }

  @Test("NULL for a NOT NULL column fails the row, and only that row")
  func notNull() throws {
    let signature = FunctionSignature(name: "not_null", arguments: [.text, .text], result: .text)
    let name = Expression(.literal(.text("c")), type: .text)
    let compiled = try CompiledExpression(
      Expression(.call(signature, [Expression(.column(0), type: .text), name]), type: .text))
    var builder = ColumnBuilder(.text)
    builder.append("x")
    builder.appendNull()
    let batch = Batch(schema: Schema([Field("c", .text)]), columns: [builder.finish()], count: 2)
    let result = compiled.evaluate(batch, EvaluationContext(now: Timestamp(microseconds: 0)))
    #expect(
      result.failures == [RowFailure(row: 1, message: "null value in column \"c\" violates not-null constraint")])
    #expect(result.column.value(0) == .text("x"))
    #expect(compiled.canFail)
  }

  @Test("a malformed constant pattern is refused before any row is read")
  func malformedPatterns() throws {
    for text in ["to_char(i, '9.9.9')", "to_char(n, 'S99S')", "to_char(i, 'RN')", "to_date(t, 'IYYY')", "t ~ '('"] {
      #expect(throws: CompileError.self, "\(text)") { try compile(text) }
    }
  }
}
