import SQL
import TestTraits
import Testing

/// A statement that must be refused: where, in which words, and with which advice.
struct Rejection: Sendable, CustomTestStringConvertible {
  let statement: String
  /// `line:column` within the statement.
  let place: String
  let message: String
  let hint: String?
  var testDescription: String { statement }

  init(_ statement: String, _ place: String, _ message: String, _ hint: String? = nil) {
    self.statement = statement
    self.place = place
    self.message = message
    self.hint = hint
  }
}

@Suite("Statements that are refused", .fewAtOnce)
struct RejectionTests {
  /// The first error of a text.
  static func firstError(_ text: String, environment: [String: String] = [:]) -> SQLDiagnostic? {
    do throws(SQLDiagnostics) {
      _ = try SQLFile.plan(text, fileName: "job.sql") { environment[$0] }
      return nil
    } catch {
      return error.all.first
    }
  }

  /// All declarations in one line, so that the statement under test is on line 2.
  static let declarations =
    telemetryTables.replacing("\n", with: " ") + "CREATE TABLE out (a text, b text) WITH (connector = 'blackhole');\n"

  static let names: [Rejection] = [
    Rejection(
      "INSERT INTO out SELECT sensor_id, noet FROM readings", "1:35", "column noet does not exist", "did you mean note?"
    ),
    Rejection(
      "INSERT INTO out SELECT sensor_id, \"Note\" FROM readings", "1:35", "column Note does not exist", "note?"),
    Rejection(
      "INSERT INTO out SELECT sensor_id, window_start FROM readings", "1:35", "column window_start", "FROM tumble("),
    Rejection("INSERT INTO out SELECT note, note FROM reading", "1:40", "table reading does not exist", "readings?"),
    Rejection(
      "INSERT INTO outt SELECT note, note FROM readings", "1:13", "table outt does not exist", "did you mean out?"),
    Rejection(
      "INSERT INTO out (a, c) SELECT note, note FROM readings", "1:21", "column c of table out", "columns: a, b"),
    Rejection(
      "INSERT INTO out SELECT uper(note), note FROM readings", "1:24", "function uper does not exist", "upper?"),
    Rejection("INSERT INTO out SELECT nvl(note, 'x'), note FROM readings", "1:24", "function nvl", "coalesce(a, b)"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM (SELECT note, note FROM readings) x", "1:24", "ambiguous", "x.note"),
    Rejection("INSERT INTO out SELECT readings.note, 'x' FROM readings r", "1:24", "no table readings", "FROM has: r"),
    Rejection("INSERT INTO public.out SELECT note, 'x' FROM readings", "1:13", "tables have no schema", "public.out"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM tumbel(readings, ts, '1 minute')", "1:39", "tumbel does not exist",
      "tumble?")
  ]

  static let types: [Rejection] = [
    Rejection(
      "INSERT INTO out SELECT temperature + note, 'x' FROM readings", "1:36",
      "operator does not exist: double precision + text", "cast"),
    Rejection(
      "INSERT INTO out SELECT upper(note, 2), 'x' FROM readings", "1:24", "upper(text, integer)", "upper(text)"),
    Rejection(
      "INSERT INTO out SELECT round(temperature, 2), 'x' FROM readings", "1:24", "round(double precision, integer)",
      "x::numeric"),
    Rejection(
      "INSERT INTO out SELECT note, battery = 'abc' FROM readings", "1:40",
      "invalid input syntax for type integer: \"abc\""),
    Rejection(
      "INSERT INTO out SELECT note, battery = '3000000000' FROM readings", "1:40", "out of range for type integer"),
    Rejection(
      "INSERT INTO out SELECT note, ts = '2026-02-30' FROM readings", "1:35", "out of range for type timestamptz",
      "write it like"),
    Rejection("INSERT INTO out SELECT note, ts > 'yesterday' FROM readings", "1:35", "invalid input syntax", "now()"),
    Rejection(
      "INSERT INTO out SELECT note, battery IN (1, 'b') FROM readings", "1:45", "invalid input syntax for type integer"),
    Rejection(
      "INSERT INTO out SELECT note, CASE WHEN ok THEN 1 ELSE note END FROM readings", "1:55",
      "CASE types integer and text", "cast"),
    Rejection("INSERT INTO out SELECT note, battery::uuid FROM readings", "1:39", "cannot cast type integer to uuid"),
    Rejection(
      "INSERT INTO out SELECT note, serial::timestamptz FROM readings", "1:38", "cannot cast type bigint",
      "to_timestamp"),
    Rejection(
      "INSERT INTO out SELECT note, ts::bigint FROM readings", "1:34", "cannot cast type timestamptz", "extract(epoch"),
    Rejection("INSERT INTO out SELECT note, 'x'::double FROM readings", "1:35", "type double", "double precision"),
    Rejection("INSERT INTO out SELECT note, battery::numeric(50,2) FROM readings", "1:39", "numeric(50,2)", "1 to 38"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM readings WHERE battery", "1:54", "must be boolean, not integer", "compare"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM readings WHERE NOT battery", "1:58", "the argument of NOT must be boolean"),
    Rejection(
      "INSERT INTO averages SELECT note, ts, ts, note, 1 FROM readings", "1:43",
      "avg_temperature of averages is of type double precision but the expression is of type text", "::double precision"
    ),
    Rejection(
      "INSERT INTO averages SELECT NULL, ts, ts, 1, 1 FROM readings", "1:29", "sensor_id of averages is NOT NULL"),
    Rejection(
      "INSERT INTO averages (window_start) SELECT ts FROM readings", "1:23",
      "sensor_id of averages is NOT NULL and gets no value", "primary key"),
    Rejection("INSERT INTO out SELECT note FROM readings", "1:24", "fewer columns (1) than out takes (2)", "a, b"),
    Rejection("INSERT INTO out SELECT *, note FROM readings", "1:24", "more columns (16)", "a, b"),
    Rejection("INSERT INTO out (a, a) SELECT note, note FROM readings", "1:21", "column a is given twice"),
    Rejection(
      "INSERT INTO out SELECT note, 99999999999999999999999999999999999999999999999 FROM readings", "1:30",
      "more than 38 digits"),
    Rejection(
      "INSERT INTO out SELECT note, note FROM readings UNION ALL SELECT note, battery = 1 FROM readings", "1:66",
      "UNION types text and boolean", "cast")
  ]

  static let json: [Rejection] = [
    Rejection(
      "INSERT INTO out SELECT '{\"a\":}'::jsonb, 'x' FROM readings", "1:24", "invalid input syntax for type json"),
    Rejection("INSERT INTO out SELECT extra || '{}', 'x' FROM readings", "1:30", "operator does not exist"),
    Rejection("INSERT INTO out SELECT greatest(extra, extra), 'x' FROM readings", "1:24", "cannot be matched"),
    Rejection("INSERT INTO out SELECT extra->true, 'x' FROM readings", "1:29", "operator does not exist"),
    Rejection("INSERT INTO out SELECT not_null(note, 'x'), 'x' FROM readings", "1:24", "does not exist")
  ]

  static let windows: [Rejection] = [
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM readings GROUP BY note", "1:30", "need a window",
      "FROM tumble(readings, ts"),
    Rejection("INSERT INTO out SELECT note, 'x' FROM readings GROUP BY note", "1:57", "need a window", "FROM tumble("),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, ts, '1 day') GROUP BY note", "1:83",
      "grouped by its window", "window_start, window_end"),
    Rejection(
      "INSERT INTO out SELECT note, battery FROM tumble(readings, ts, '1 day') GROUP BY note, window_start", "1:30",
      "battery must appear in GROUP BY", "max(battery)"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, local, '1 day') GROUP BY note, window_start", "1:61",
      "local is not the event time of readings", "its event time is ts"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, date_trunc('hour', ts), '1 day') GROUP BY note, window_start",
      "1:61", "not an expression", "ts"),
    Rejection(
      "INSERT INTO out SELECT n, 'x' FROM (SELECT count(*) n FROM tumble(readings, ts, '1 day') WHERE window_start > now() GROUP BY window_start) x",
      "1:96", "WHERE is evaluated before", "HAVING"),
    Rejection(
      "INSERT INTO out SELECT note, sum(sum(battery)) FROM tumble(readings, ts, '1 day') GROUP BY note, window_start",
      "1:34", "nested"),
    Rejection(
      "INSERT INTO out SELECT note, sum(note) FROM tumble(readings, ts, '1 day') GROUP BY note, window_start", "1:30",
      "sum(text)", "double precision"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM readings WHERE count(*) > 1", "1:54", "not allowed in WHERE", "HAVING"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, ts, '1 month') GROUP BY note, window_start", "1:65",
      "months", "30 days"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, ts, '0 seconds') GROUP BY note, window_start",
      "1:65", "positive"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, ts) GROUP BY note, window_start", "1:44",
      "takes 3 arguments, not 2", "tumble(table, time"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, ts, 10) GROUP BY note, window_start", "1:65",
      "must be an interval", "INTERVAL"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM hop(readings, ts, '10 s', '5 s') GROUP BY note, window_start", "1:62",
      "slide of hop", "slide comes before the size"),
    Rejection(
      "INSERT INTO out SELECT note, window_start FROM hop(readings, ts, '5 s', '10 s')", "1:24", "hop without GROUP BY",
      "group by the window"),
    Rejection(
      "INSERT INTO out SELECT note, max(window_end) FROM tumble(readings, ts, '1 s') GROUP BY note, window_start",
      "1:34", "argument of an aggregate"),
    Rejection(
      "INSERT INTO out SELECT note, count(*) FROM tumble(readings, ts, '1 s') GROUP BY 3, window_start", "1:81",
      "position 3"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM session(readings, ts, '1 s')", "1:39", "not in this build yet", "tumble"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM cumulate(readings, ts, '1 s', '5 s')", "1:39", "not in this build yet"),
    Rejection(
      "CREATE VIEW v AS SELECT note FROM readings; INSERT INTO out SELECT note, count(*) FROM tumble(v, note, '1 s') GROUP BY note, window_start",
      "1:98", "note is not the event time of v", "does not select its event time")
  ]

  static let dialects: [Rejection] = [
    Rejection("INSERT INTO out SELECT `note`, 'x' FROM readings", "1:30", "syntax error", "double quotes"),
    Rejection("INSERT INTO out SELECT note,, 'x' FROM readings", "1:29", "syntax error at or near \",\"", "comma"),
    Rejection("INSERT INTO out SELECT note, 'x' FORM readings", "1:39", "syntax error", "FORM meant to be FROM?"),
    Rejection("INSERT INTO out SELECT note, ('x' FROM readings", "1:35", "syntax error", "FROM"),
    Rejection("INSERT INTO out SELECT note, (1 + 2", "1:36", "syntax error at end of input", "ends too early"),
    Rejection(
      "INSERT INTO out SELECT note, (1 FROM readings; INSERT INTO out SELECT a, b FROM readings", "1:33",
      "syntax error", "FROM"),
    Rejection("INSERT INTO out SELECT note, 'x FROM readings", "1:30", "unterminated quoted string"),
    Rejection(
      "CREATE TABLE w (x int, ts timestamptz, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)", "1:50", "syntax error",
      "watermark_delay"),
    Rejection(
      "INSERT INTO out SELECT * FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE))", "1:31",
      "syntax error", "FROM tumble(readings, ts"),
    Rejection(
      "INSERT INTO out SELECT * FROM readings MATCH_RECOGNIZE (PARTITION BY note)", "1:67", "syntax error",
      "MATCH_RECOGNIZE"),
    Rejection(
      "INSERT INTO out SELECT * FROM readings JOIN x FOR SYSTEM_TIME AS OF ts ON true", "1:47", "syntax error",
      "SYSTEM_TIME"),
    Rejection("INSERT INTO out SELECT note, 'x' FROM readings EMIT CHANGES", "1:53", "syntax error", "no EMIT"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM readings asof JOIN readings b ON true", "1:39", "ASOF JOIN", "joins"),
    Rejection(
      "INSERT INTO out SELECT a.note, 'x' FROM readings a JOIN readings b ON true", "1:57", "joins are not supported",
      "UNION ALL"),
    Rejection("INSERT INTO out SELECT a.note, 'x' FROM readings a, readings b", "1:53", "joins are not supported"),
    Rejection("INSERT INTO out SELECT note, 'x' FROM readings ORDER BY ts", "1:57", "ORDER BY", "sink"),
    Rejection("INSERT INTO out SELECT note, 'x' FROM readings LIMIT 3", "1:54", "LIMIT"),
    Rejection("INSERT INTO out SELECT DISTINCT note, 'x' FROM readings", "1:33", "SELECT DISTINCT", "group by"),
    Rejection("INSERT INTO out SELECT note, row_number() OVER (ORDER BY ts) FROM readings", "1:30", "OVER", "tumble"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM readings UNION SELECT note, 'y' FROM readings", "1:61",
      "UNION without ALL", "UNION ALL"),
    Rejection("INSERT INTO out SELECT note, (SELECT 1) FROM readings", "1:30", "sub-selects within expressions"),
    Rejection("INSERT INTO out VALUES ('a', 'b')", "1:25", "VALUES"),
    Rejection("INSERT INTO out SELECT 'a', 'b'", "1:24", "SELECT needs FROM"),
    Rejection("INSERT INTO out SELECT note, $1 FROM readings", "1:30", "parameters", "${NAME}"),
    Rejection("INSERT INTO out SELECT tumble_start(ts), 'x' FROM readings", "1:24", "tumble_start", "window_start"),
    Rejection("INSERT INTO out SELECT note, 'x' FROM readings WHERE note = ANY (ARRAY['a'])", "1:59", "ANY", "IN"),
    Rejection("INSERT INTO out SELECT note, 'x' FROM readings WHERE note SIMILAR TO 'a'", "1:59", "SIMILAR TO", "~"),
    Rejection(
      "INSERT INTO out SELECT note, 'x' FROM readings ON CONFLICT DO NOTHING", "1:48", "ON CONFLICT", "upserted"),
    Rejection(
      "SELECT note FROM readings", "1:1", "only CREATE TABLE, CREATE VIEW and INSERT", "INSERT INTO table SELECT"),
    Rejection("UPDATE out SET a = 1", "1:1", "only CREATE TABLE", "upserted"),
    Rejection("INSERT INTO readings SELECT * FROM readings", "1:1", "both read and written", "CREATE VIEW"),
    Rejection("CREATE VIEW v AS SELECT 1", "1:25", "SELECT needs FROM"),
    Rejection("CREATE VIEW readings AS SELECT note FROM readings", "1:13", "declared twice")
  ]

  static let tables: [Rejection] = [
    Rejection("CREATE TABLE t (x smallint) WITH (connector = 'blackhole')", "1:19", "smallint", "integer"),
    Rejection("CREATE TABLE t (x string) WITH (connector = 'blackhole')", "1:19", "type string", "text"),
    Rejection("CREATE TABLE t (x integre) WITH (connector = 'blackhole')", "1:19", "type integre", "integer?"),
    Rejection("CREATE TABLE t (x int[]) WITH (connector = 'blackhole')", "1:19", "arrays", "jsonb"),
    Rejection("CREATE TABLE t (x int DEFAULT 3) WITH (connector = 'blackhole')", "1:23", "DEFAULT", "SELECT list"),
    Rejection("CREATE TABLE t (x int CHECK (x > 1)) WITH (connector = 'blackhole')", "1:23", "CHECK", "WHERE"),
    Rejection("CREATE TABLE t (x int, UNIQUE (x)) WITH (connector = 'blackhole')", "1:24", "UNIQUE", "PRIMARY KEY"),
    Rejection("CREATE TABLE t (x int, x text) WITH (connector = 'blackhole')", "1:24", "declared twice"),
    Rejection(
      "CREATE TABLE t (x int, PRIMARY KEY (y)) WITH (connector = 'blackhole')", "1:24", "column y of the primary key",
      "columns: x"),
    Rejection(
      "CREATE TABLE t (x int PRIMARY KEY, PRIMARY KEY (x)) WITH (connector = 'blackhole')", "1:36", "one primary key"),
    Rejection("CREATE TEMP TABLE t (x int) WITH (connector = 'blackhole')", "1:19", "temporary"),
    Rejection("CREATE TABLE t (x int)", "1:1", "has no connector", "connector = 'kafka'"),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'kafak')", "1:42", "no connector 'kafak'", "'kafka'?"),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'iceberg')", "1:42", "table of table t is missing"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'iceberg', table = 'a.b', catalog = 'hive')", "1:78", "filesystem"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'iceberg', table = 'a.b', format_version = '4')", "1:85", "2"),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'kafka')", "1:42", "option topic of table t is missing"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', topci = 'b')", "1:64", "no option topci", "topic?"
    ),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', topic = 'b')", "1:64", "given twice"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', \"bootstrap.servers\" = 'b')", "1:64",
      "bootstrap.servers", "brokers?"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', format = 'jsno')", "1:73", "'json' or 'csv'",
      "'json'?"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', watermark_delay = 'soon')", "1:82",
      "a length of time, not 'soon'", "2 seconds"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', event_time = 'xx')", "1:77", "a column of t", "x?"
    ),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', event_time = 'x')", "1:77",
      "timestamp column (x is integer)", "timestamp_unit"),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', key = 'y')", "1:70", "a column of t"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', max_record_bytes = 'big')", "1:83", "a size",
      "64KiB"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', starting_position = 'timestamp')", "1:84",
      "starting_timestamp", "2026"),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'generator', rows = -1)", "1:62", "whole number from 0", nil),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'postgres', mode = 'upsert')", "1:61", "no primary key", "PRIMARY KEY"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'file', path = '${WEIR_TEST_NOWHERE}')", "1:57",
      "WEIR_TEST_NOWHERE is not set", ":-value}"),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'file', path = '${OPEN')", "1:57", "no closing brace"),
    Rejection("CREATE TABLE s.t (x int) WITH (connector = 'blackhole')", "1:14", "no schema", "table = 's.t'"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', dead_letter = 'dl'); INSERT INTO out SELECT x, x FROM t",
      "1:78", "name of a declared table"),
    Rejection(
      "CREATE TABLE dl (reason text, cause text) WITH (connector = 'stdout'); CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', late = 'dl'); INSERT INTO out SELECT x, x FROM t",
      "1:142", "its column cause text is none", "\"offset\" bigint"),
    Rejection(
      "CREATE TABLE p (x int) WITH (connector = 'postgres'); INSERT INTO out SELECT x, x FROM p", "1:42",
      "cannot be read", "kafka"),
    Rejection(
      "CREATE TABLE g (x text) WITH (connector = 'generator'); INSERT INTO g SELECT note FROM readings", "1:43",
      "cannot be written", "postgres"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', \"end\" = 'latest')", "1:64", "no option end"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', group_id = 'b')", "1:64", "no option group_id",
      "did you mean group?"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', discovery_interval = '1 s')", "1:64",
      "no option discovery_interval", "WEIR_DISCOVERY_INTERVAL"),
    Rejection(
      "CREATE TABLE t (x text) WITH (connector = 'kafka', topic = 'a', transactional_id = 'b'); INSERT INTO out SELECT x, x FROM t",
      "1:65", "transactional_id is for tables that are written", "starting_position"),
    Rejection(
      "CREATE TABLE t (x text) WITH (connector = 'kafka', topic = 'a', group = 'b'); INSERT INTO t SELECT note FROM readings",
      "1:65", "group is for tables that are read", "transactional_id"),
    Rejection(
      "CREATE TABLE t (x text) WITH (connector = 'file', path = 'a', format = 'csv'); INSERT INTO t SELECT note FROM readings",
      "1:72", "'json' in a table that is written"),
    Rejection(
      "CREATE TABLE k (reason text) WITH (connector = 'file', path = 'a', idle_timeout = '1 s'); CREATE TABLE t (x text) WITH (connector = 'kafka', topic = 'a', late = 'k'); INSERT INTO out SELECT x, x FROM t",
      "1:68", "idle_timeout is for tables that are read"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'file', path = 'a', delimiter = ';')", "1:62", "format = 'csv'"),
    Rejection(
      "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 'a', starting_timestamp = '2026-01-31')", "1:64",
      "starting_position = 'timestamp'"),
    Rejection("CREATE TABLE t (x int) WITH (connector = 'generator', format = 'csv')", "1:64", "'json'")
  ]

  @Test("an error says where, what, and what to do", arguments: names + types + json + windows + dialects + tables)
  func refuses(_ rejection: Rejection) throws {
    let error = try #require(Self.firstError(Self.declarations + rejection.statement), "\(rejection.statement)")
    #expect("\(error.location.line - 1):\(error.location.column)" == rejection.place, "\(error)")
    #expect(error.message.contains(rejection.message), "\(error)")
    if let hint = rejection.hint { #expect(error.hint?.contains(hint) == true, "\(error)") }
  }

  @Test("an error shows the line and marks the text")
  func description() throws {
    let error = try #require(
      Self.firstError(Self.declarations + "\nINSERT INTO out\n\tSELECT note, nöte FROM readings"))
    #expect(
      error.description == """
        job.sql:4:15: error: column nöte does not exist
          \tSELECT note, nöte FROM readings
          \t             ^~~~
          hint: did you mean note?
        """)
  }

  @Test("every statement with an error is reported, and none twice")
  func several() {
    let text =
      Self.declarations + """
        INSERT INTO out SELECT noet, 'x' FROM readings;
        CREATE TABLE broken (x strin) WITH (connector = 'kafka', topic = 't');
        INSERT INTO out SELECT x, x FROM broken;
        INSERT INTO out SELECT note 'x' 5 FROM readings;
        INSERT INTO out SELECT note, battery + 'x' FROM readings;
        """
    do throws(SQLDiagnostics) {
      _ = try SQLFile.plan(text, fileName: "job.sql") { _ in nil }
      Issue.record("no error")
    } catch {
      #expect(error.all.map(\.location.line) == [2, 3, 5, 6])
    }
  }

  @Test("an error never shows a secret")
  func secrets() throws {
    for option in [
      "url = 'postgres://me:hunter2@db/x'", "password = 'hunter2'", "\"kafka.sasl.password\" = 'hunter2'",
      "\"kafka.ssl.key.password\"='hunter2'", "url = 'host=db password=hunter2 user=x'"
    ] {
      let error = try #require(
        Self.firstError("CREATE TABLE t (x int) WITH (connector = 'postgres', \(option), mode = 'wrong', nonsense = 1)")
      )
      #expect(!error.description.contains("hunter2"), "\(error)")
    }
    let kafka = "CREATE TABLE t (x int) WITH (connector = 'kafka', topic = 't', \"kafka.sasl.password\" = 'hunter2' +)"
    #expect(try #require(Self.firstError(kafka)).description.contains("hunter2") == false)
  }
}
