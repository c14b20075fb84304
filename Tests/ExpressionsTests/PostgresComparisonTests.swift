import Columnar
import Operators
import SQL
import TestSupport
import TestTraits
import Testing

/// One row of sample values, as SQL literals with their types: what both sides evaluate expressions over.
private let columns: [(name: String, type: String)] = [
  ("b", "boolean"), ("i", "integer"), ("j", "integer"), ("l", "bigint"), ("n", "numeric(20,4)"), ("r", "real"),
  ("d", "double precision"), ("e", "double precision"), ("t", "text"), ("u", "text"), ("dt", "date"),
  ("ts", "timestamp"), ("tz", "timestamptz"), ("id", "uuid"), ("js", "jsonb")
]

private let samples: [[String?]] = [
  [
    "true", "7", "2", "9000000000", "12.5000", "1.5", "2.25", "-3.5", "Hello World", "lo", "2026-01-31",
    "2026-01-31 13:45:12.345678", "2025-12-29 23:59:59.5+00", "0b5b1f3c-9a36-4a83-9a7e-1c2d3e4f5a6b",
    #"{"s": "x\ty", "a":1, "b" :{"c":[1,2.5,{}]}, "n":null,"t":true,"a":1.0}"#
  ],
  [
    "false", "-7", "0", "-1", "-0.0001", "0.1", "1e20", "0", "straße ÄÖ", "a,b,,c", "2024-02-29", "1999-12-31 00:00:00",
    "2000-02-29 12:00:00+00", "00000000-0000-0000-0000-000000000001",
    #"[1, "two", null, {"k": [ ]}]"#
  ],
  [nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil],
  [
    "true", "2147483647", "-2147483648", "9223372036854775807", "99999999.9999", "3.4e38", "1e-7", "0.1", "", "%",
    "1970-01-01", "1970-01-01 00:00:00", "1969-12-31 23:59:59.999999+00", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    #""text""#
  ],
  [
    "false", "0", "3", "0", "0.0000", "0", "123456.789", "2.5", "  padded  ", "pad", "2023-12-31",
    "2024-06-15 06:30:00.000001", "2024-03-31 01:30:00+00", "0b5b1f3c-9a36-4a83-9a7e-1c2d3e4f5a6c",
    #"7.25"#
  ],
  [
    "true", "42", "5", "100", "3.1416", "-2.25", "-1.5", "3", "a1b22c333", "[0-9]+", "2000-01-01",
    "2026-08-31 23:59:59.999999", "2026-10-25 00:30:00+00", "12345678-1234-1234-1234-123456789abc",
    #"{"a": "12", "t": "yes", "s": 5, "lo":{"z":1,"y":2}}"#
  ]
]

/// The value of an expression for one row: text, NULL, or a failure.
private enum Outcome: Hashable, CustomStringConvertible {
  case value(String)
  case null
  case failure
  var description: String {
    switch self {
    case .value(let text): "'\(text)'"
    case .null: "NULL"
    case .failure: "error"
    }
  }
}

private func values() -> String {
  samples.map { row in
    let cells = zip(row, columns).map { value, column in
      value.map { "'\($0)'::\(column.type)" } ?? "NULL::\(column.type)"
    }
    return "(" + cells.joined(separator: ", ") + ")"
  }.joined(separator: ", ")
}

/// PostgreSQL's outcomes, all in one run: a function turns an error into a marker.
private func postgresOutcomes(_ expressions: [String]) throws -> [[Outcome]] {
  let server = try PostgresServer()
  defer { try? server.stop(mode: .immediate) }
  let names = columns.map(\.name).joined(separator: ", ")
  var script = """
    SET timezone = 'UTC';
    CREATE TABLE s (row integer, \(columns.map { "\($0.name) \($0.type)" }.joined(separator: ", ")));
    INSERT INTO s SELECT row_number() OVER (), v.* FROM (VALUES \(values())) AS v(\(names));
    CREATE FUNCTION try(expression text, wanted integer) RETURNS text LANGUAGE plpgsql AS $f$
    DECLARE result text;
    BEGIN
      EXECUTE 'SELECT (' || expression || ')::text FROM s WHERE row = ' || wanted INTO result;
      RETURN CASE WHEN result IS NULL THEN 'N' ELSE 'V' || result END;
    EXCEPTION WHEN others THEN RETURN 'E' || SQLERRM;
    END $f$;

    """
  let tries = (1...samples.count).map { "try(x.expression, \($0))" }.joined(separator: ", ")
  let list = expressions.map { "$q$\($0)$q$" }.joined(separator: ", ")
  script +=
    "SELECT \(tries) FROM unnest(ARRAY[\(list)]) WITH ORDINALITY AS x(expression, position) ORDER BY position;\n"
  let rows = try server.run(sql: script)
  return rows.map { row in
    row.map { cell in
      guard let cell, let kind = cell.first else { return .failure }
      return kind == "V" ? .value(String(cell.dropFirst())) : kind == "N" ? .null : .failure
    }
  }
}

/// Our outcomes, through the whole front end; an expression that does not bind fails for every row.
private func ownOutcomes(_ expression: String) -> ([Outcome], String) {
  let declarations = columns.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
  let text = """
    CREATE TABLE s (\(declarations)) WITH (connector = 'kafka', topic = 's', brokers = 'localhost:9092', format = 'json');
    CREATE TABLE o (result text) WITH (connector = 'blackhole');
    INSERT INTO o SELECT (\(expression))::text FROM s;
    """
  let failed = [Outcome](repeating: .failure, count: samples.count)
  do {
    let plan = try SQLFile.plan(text, fileName: "test.sql", environment: { _ in nil })
    guard let statement = plan.statements.first, case .project(let input, let expressions, _) = statement.query else {
      return (failed, "no projection: \(plan.statements)")
    }
    let compiled = try CompiledExpression(expressions[0])
    let batch = sampleBatch(input.schema)
    let result = compiled.evaluate(batch, EvaluationContext(now: Timestamp(microseconds: 0)))
    if !compiled.canFail && !result.failures.isEmpty { return (failed, "fails although it says that it cannot") }
    let broken = Dictionary(result.failures.map { ($0.row, $0.message) }, uniquingKeysWith: { first, _ in first })
    let outcomes: [Outcome] = samples.indices.map { row in
      if broken[row] != nil { return .failure }
      if case .bytes(let bytes) = result.column.value(row) { return .value(String(decoding: bytes, as: UTF8.self)) }
      return .null
    }
    return (outcomes, broken.values.sorted().joined(separator: "; "))
  } catch {
    return (failed, "\(error)")
  }
}

private func sampleBatch(_ schema: Schema) -> Batch {
  let built: [Column] = schema.fields.map { field in
    guard let index = columns.firstIndex(where: { $0.name == field.name }) else {
      return Column(repeating: .null, field.type, count: samples.count)
    }
    var texts = ColumnBuilder(.text)
    for row in samples {
      if let text = row[index] { texts.append(text) } else { texts.appendNull() }
    }
    // As a record has it: a decoder does not rewrite it.
    if field.type == .jsonb {
      let text = texts.finish()
      return Column(.jsonb, text.storage, validity: text.validity)
    }
    let source = Batch(schema: Schema([Field("x", .text)]), columns: [texts.finish()], count: samples.count)
    let parse = Expression(.cast(Expression(.column(0), type: .text)), type: field.type)
    guard field.type != .text, let compiled = try? CompiledExpression(parse) else { return source.columns[0] }
    return compiled.evaluate(source, EvaluationContext(now: Timestamp(microseconds: 0))).column
  }
  return Batch(schema: schema, columns: built, count: samples.count)
}

private func compare(_ expressions: [String]) throws -> [String] {
  let expected = try postgresOutcomes(expressions)
  var differences: [String] = []
  for (expression, wanted) in zip(expressions, expected) {
    let (actual, note) = ownOutcomes(expression)
    if actual != wanted {
      let rows = samples.indices.filter { actual[$0] != wanted[$0] }
      let details = rows.map { "row \($0): \(actual[$0]) instead of \(wanted[$0])" }.joined(separator: ", ")
      differences.append("\(expression): \(details) [\(note)]")
    }
  }
  return differences
}

@Test("hand-picked expressions have PostgreSQL's values and errors", .fewAtOnce)
func handPickedExpressions() throws {
  let expressions = ComparedExpressions.all
  let differences = try compare(expressions)
  #expect(differences.isEmpty, "\(differences.count) of \(expressions.count):\n\(differences.joined(separator: "\n"))")
}

@Test(
  "random combinations of operators and functions have PostgreSQL's values and errors", .fewAtOnce,
  arguments: [UInt64(1), 2])
func randomExpressions(seed: UInt64) throws {
  var generator = ExpressionGenerator(seed: seed)
  let expressions = (0..<150).map { _ in generator.next() }
  let differences = try compare(expressions)
  #expect(
    differences.isEmpty,
    "seed \(seed), \(differences.count) of \(expressions.count):\n\(differences.joined(separator: "\n"))")
}
