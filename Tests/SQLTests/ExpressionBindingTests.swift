import Columnar
import SQL
import TestTraits
import Testing

/// An expression, the type that PostgreSQL gives it, and how it reads once it is bound.
struct BoundCase: Sendable, CustomTestStringConvertible {
  let text: String
  let type: DataType
  let sql: String
  var testDescription: String { text }

  init(_ text: String, _ type: DataType, _ sql: String) {
    self.text = text
    self.type = type
    self.sql = sql
  }
}

@Suite("Binding of expressions", .fewAtOnce)
struct ExpressionBindingTests {
  static let cases: [BoundCase] = [
    BoundCase("battery + 1", .integer, "battery + 1"),
    BoundCase("serial + battery", .bigint, "serial + CAST(battery AS bigint)"),
    BoundCase("battery * 1.5", .numeric, "CAST(battery AS numeric) * 1.5"),
    BoundCase("temperature * 2", .double, "temperature * DOUBLE PRECISION '2.0'"),
    BoundCase("humidity + temperature", .double, "CAST(humidity AS double precision) + temperature"),
    BoundCase("price", .numeric(precision: 10, scale: 2), "price"),
    BoundCase("price * 2", .numeric, "CAST(price AS numeric) * 2"),
    BoundCase("-battery", .integer, "-battery"),
    BoundCase("-5", .integer, "-5"),
    BoundCase("- ( - 5 )", .integer, "5"),
    BoundCase("0", .integer, "0"),
    BoundCase("battery - -3", .integer, "battery - -3"),
    BoundCase("-2147483648", .integer, "-2147483648"),
    BoundCase("2147483648", .bigint, "2147483648"),
    BoundCase("9223372036854775808", .numeric, "9223372036854775808"),
    BoundCase("1.50", .numeric, "1.50"),
    BoundCase("TRUE", .boolean, "TRUE"),
    BoundCase("'a''b'", .text, "'a''b'"),
    BoundCase("battery = '7'", .boolean, "battery = 7"),
    BoundCase("'7' < battery", .boolean, "7 < battery"),
    BoundCase("ts >= '2026-01-08T14:30:00+02:00'", .boolean, "ts >= TIMESTAMPTZ '2026-01-08 12:30:00+00'"),
    BoundCase("installed > '2026-01-08'", .boolean, "installed > DATE '2026-01-08'"),
    BoundCase("ok = 'yes'", .boolean, "ok = TRUE"),
    BoundCase(
      "id <> 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", .boolean, "id <> UUID 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    BoundCase("battery IS NULL", .boolean, "battery IS NULL"),
    BoundCase("battery IS NOT NULL", .boolean, "NOT (battery IS NULL)"),
    BoundCase("ok IS TRUE", .boolean, "ok IS TRUE"),
    BoundCase("ok IS NOT TRUE", .boolean, "NOT (ok IS TRUE)"),
    BoundCase("ok IS FALSE", .boolean, "(NOT ok) IS TRUE"),
    BoundCase("ok IS NOT FALSE", .boolean, "NOT ((NOT ok) IS TRUE)"),
    BoundCase("ok IS UNKNOWN", .boolean, "ok IS NULL"),
    BoundCase("ok IS NOT UNKNOWN", .boolean, "NOT (ok IS NULL)"),
    BoundCase("note IS DISTINCT FROM 'x'", .boolean, "note IS DISTINCT FROM 'x'"),
    BoundCase("battery IS NOT DISTINCT FROM NULL", .boolean, "NOT (battery IS DISTINCT FROM NULL)"),
    BoundCase("battery BETWEEN 1 AND 5", .boolean, "(battery >= 1) AND (battery <= 5)"),
    BoundCase("battery NOT BETWEEN 1 AND 5", .boolean, "NOT ((battery >= 1) AND (battery <= 5))"),
    BoundCase(
      "battery BETWEEN SYMMETRIC 5 AND 1", .boolean,
      "((battery >= 5) AND (battery <= 1)) OR ((battery >= 1) AND (battery <= 5))"),
    BoundCase("battery IN (1, 2, serial)", .boolean, "CAST(battery AS bigint) IN (1, 2, serial)"),
    BoundCase("note NOT IN ('a', 'b')", .boolean, "NOT (note IN ('a', 'b'))"),
    BoundCase("note LIKE 'a%' AND NOT ok", .boolean, "(note LIKE 'a%') AND (NOT ok)"),
    BoundCase("note ILIKE 'a%' OR note NOT LIKE 'b'", .boolean, "(note ILIKE 'a%') OR (note NOT LIKE 'b')"),
    BoundCase("note ~ '^a' AND note !~* 'b$'", .boolean, "(note ~ '^a') AND (note !~* 'b$')"),
    BoundCase("note LIKE 'a!%' ESCAPE '!'", .boolean, "note LIKE like_escape('a!%', '!')"),
    BoundCase("sensor_id || battery", .text, "sensor_id || CAST(battery AS text)"),
    BoundCase(
      "CASE WHEN ok THEN battery ELSE 1.5 END", .numeric, "CASE WHEN ok THEN CAST(battery AS numeric) ELSE 1.5 END"),
    BoundCase("CASE battery WHEN 1 THEN 'a' END", .text, "CASE WHEN battery = 1 THEN 'a' ELSE NULL END"),
    BoundCase("COALESCE(battery, 0)", .integer, "coalesce(battery, 0)"),
    BoundCase("COALESCE(NULL, battery, 2.5)", .numeric, "coalesce(NULL, CAST(battery AS numeric), 2.5)"),
    BoundCase("NULLIF(battery, 0)", .integer, "CASE WHEN battery = 0 THEN NULL ELSE battery END"),
    BoundCase("GREATEST(battery, serial, 3)", .bigint, "greatest(CAST(battery AS bigint), serial, 3)"),
    BoundCase("LEAST(temperature, 1)", .double, "least(temperature, DOUBLE PRECISION '1.0')"),
    BoundCase("CAST(note AS integer)", .integer, "CAST(note AS integer)"),
    BoundCase("note::numeric(5,2)", .numeric(precision: 5, scale: 2), "CAST(note AS numeric(5,2))"),
    BoundCase("'12.345'::numeric(5,2)", .numeric(precision: 5, scale: 2), "12.35"),
    BoundCase("note::varchar(3)", .text, "left(note, 3)"),
    BoundCase("'{\"b\":2, \"a\":1.0}'::jsonb", .jsonb, "'{\"a\": 1.0, \"b\": 2}'"),
    BoundCase("extra->'a'->>0", .text, "(extra -> 'a') ->> 0"),
    BoundCase("substring(note from 2 for 3)", .text, "substring(note, 2, 3)"),
    BoundCase("position('a' in note)", .integer, "strpos(note, 'a')"),
    BoundCase("trim(both 'x' from note)", .text, "btrim(note, 'x')"),
    BoundCase("trim(leading from note)", .text, "ltrim(note)"),
    BoundCase("extract(hour from ts)", .numeric, "extract('hour', ts)"),
    BoundCase("date_trunc('hour', ts)", .timestamptz, "date_trunc('hour', ts)"),
    BoundCase("ts AT TIME ZONE 'UTC'", .timestamp, "timezone('UTC', ts)"),
    BoundCase("ts + INTERVAL '90 minutes'", .timestamptz, "ts + INTERVAL '01:30:00'"),
    BoundCase("ts + INTERVAL '10' SECOND", .timestamptz, "ts + INTERVAL '00:00:10'"),
    BoundCase("ts - ts", .interval, "ts - ts"),
    BoundCase("TIMESTAMP '2026-01-08 10:00'", .timestamp, "TIMESTAMP '2026-01-08 10:00:00'"),
    BoundCase("DATE '2026-01-08' + 1", .date, "DATE '2026-01-08' + 1"),
    BoundCase("current_timestamp", .timestamptz, "current_timestamp()"),
    BoundCase("now()", .timestamptz, "now()"),
    BoundCase("round(price, 1)", .numeric, "round(CAST(price AS numeric), 1)"),
    BoundCase("abs(battery)", .integer, "abs(battery)"),
    BoundCase("lower(_key)", .text, "lower(_key)"),
    BoundCase("_partition", .integer, "_partition"),
    BoundCase("_offset", .bigint, "_offset"),
    BoundCase("_timestamp", .timestamptz, "_timestamp"),
    BoundCase("_headers", .jsonb, "_headers"),
    BoundCase("readings.battery", .integer, "battery"),
    BoundCase("\"note\"", .text, "note"),
    BoundCase("NOTE", .text, "note")
  ]

  @Test("an expression has PostgreSQL's type and conversions", arguments: cases)
  func binds(_ expected: BoundCase) throws {
    let job = try plan(
      telemetryTables + "CREATE TABLE one (a text) WITH (connector = 'blackhole');\n"
        + "INSERT INTO one SELECT \(expected.text) FROM readings")
    guard case .project(let input, let expressions, _) = job.statements[0].query else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    var expression = expressions[0]
    if case .cast(let inner) = expression.kind, expected.type != .text { expression = inner }
    #expect(expression.type == expected.type)
    #expect(expression.sql(input.schema) == expected.sql)
  }

  @Test(
    "an aggregate has PostgreSQL's type",
    arguments: [
      ("count(*)", DataType.bigint), ("count(note)", .bigint), ("count(DISTINCT battery)", .bigint),
      ("sum(battery)", .bigint), ("sum(serial)", .numeric), ("sum(price)", .numeric), ("sum(humidity)", .real),
      ("sum(temperature)", .double), ("avg(battery)", .numeric), ("avg(serial)", .numeric), ("avg(price)", .numeric),
      ("avg(humidity)", .double), ("avg(temperature)", .double), ("min(note)", .text), ("max(ts)", .timestamptz),
      ("max(price)", .numeric), ("stddev(battery)", .numeric), ("stddev_pop(temperature)", .double),
      ("variance(humidity)", .double), ("var_pop(serial)", .numeric), ("bool_and(ok)", .boolean),
      ("every(ok)", .boolean), ("bool_or(battery > 3)", .boolean),
      ("first_value(price)", .numeric(precision: 10, scale: 2)),
      ("last_value(id)", .uuid), ("sum(battery) FILTER (WHERE ok)", .bigint), ("min(installed)", .date)
    ])
  func aggregates(text: String, type: DataType) throws {
    let job = try plan(
      telemetryTables + "CREATE TABLE one (a text) WITH (connector = 'blackhole');\n"
        + "INSERT INTO one SELECT \(text) FROM tumble(readings, ts, '1 minute') GROUP BY window_start")
    guard case .project(.aggregate(let aggregate), _, _) = job.statements[0].query else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(aggregate.aggregates.map(\.type) == [type])
    #expect(aggregate.schema.fields.last?.type == type)
  }
}
