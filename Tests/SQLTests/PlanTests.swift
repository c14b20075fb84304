import Columnar
import SQL
import TestTraits
import Testing

/// The declarations that most tests build on.
let telemetryTables = """
  CREATE TABLE readings (
    sensor_id text NOT NULL, temperature double precision, humidity real, battery integer, serial bigint,
    price numeric(10,2), ok boolean, note varchar(20), installed date, extra jsonb, id uuid, raw bytea,
    local timestamp, pause interval, ts timestamptz
  ) WITH (connector = 'kafka', topic = 'telemetry', brokers = 'localhost:9092', format = 'json', key = 'sensor_id',
    event_time = 'ts', watermark_delay = '2 seconds');
  CREATE TABLE averages (
    sensor_id text, window_start timestamptz, window_end timestamptz, avg_temperature double precision,
    readings bigint, PRIMARY KEY (sensor_id, window_start)
  ) WITH (connector = 'postgres', url = 'postgres://localhost/x', table = 'sensor_10s');

  """

/// The plan of a file that has no errors.
func plan(_ text: String, environment: [String: String] = [:]) throws -> JobPlan {
  try SQLFile.plan(text, fileName: "job.sql") { environment[$0] }
}

@Suite("Plans of valid files", .fewAtOnce)
struct PlanTests {
  @Test("the telemetry pipeline binds to a windowed aggregate over the columns that it needs")
  func telemetry() throws {
    let job = try plan(
      telemetryTables + """
        INSERT INTO averages
        SELECT sensor_id, window_start, window_end, avg(temperature), count(*)
        FROM tumble(readings, ts, INTERVAL '10 seconds')
        GROUP BY sensor_id, window_start, window_end;
        """)
    #expect(job.scans["readings"]?.fields.map(\.name) == ["sensor_id", "temperature", "ts"])
    guard case .project(.aggregate(let aggregate), let expressions, let schema) = job.statements[0].query else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(aggregate.window == WindowSpecification(slide: 10_000_000, size: 10_000_000))
    #expect(aggregate.timeColumn == 2)
    #expect(aggregate.keys.map(\.kind) == [.column(0)])
    #expect(aggregate.aggregates.map(\.function) == [.avg, .count])
    #expect(aggregate.aggregates[0].argument?.kind == .column(1))
    #expect(expressions.map(\.kind) == [.column(0), .column(1), .column(2), .column(3), .column(4)])
    #expect(schema.fields.map(\.type) == [.text, .timestamptz, .timestamptz, .double, .bigint])
  }

  @Test("the weather pipeline binds: event time is the record's, text becomes a number, times lose their zone")
  func weather() throws {
    let job = try plan(
      """
      CREATE TABLE weather (city text NOT NULL, temperature text, ts text)
      WITH (connector = 'kafka', topic = 'weather', brokers = '${BROKERS:-localhost:9092}', format = 'json');
      CREATE TABLE weather_averages (
        city varchar(255), avg_temperature double precision, window_start timestamp, window_end timestamp,
        record_count bigint, last_updated timestamp, PRIMARY KEY (city, window_start)
      ) WITH (connector = 'postgres', url = '${DATABASE}', table = 'weather');
      INSERT INTO weather_averages
      SELECT city, avg(temperature::double precision), window_start, window_end, count(*), now()
      FROM tumble(weather, _timestamp, INTERVAL '5 seconds')
      GROUP BY city, window_start, window_end;
      """, environment: ["DATABASE": "postgres://a:b@c/d", "BROKERS": "one:1"])
    #expect(job.scans["weather"]?.fields.map(\.name) == ["city", "temperature", "_timestamp"])
    #expect(job.tables["weather"]?.options["brokers"] == "one:1")
    #expect(job.tables["weather_averages"]?.options["url"] == "postgres://a:b@c/d")
    #expect(job.tables["weather_averages"]?.columns[0].declaredType == "varchar(255)")
    #expect(job.tables["weather_averages"]?.columns.map(\.field.isNullable) == [false, true, false, true, true, true])
    #expect(job.statements[0].query.schema == job.tables["weather_averages"]?.schema)
    guard case .project(_, let expressions, _) = job.statements[0].query else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(expressions.map(\.type) == [.text, .double, .timestamp, .timestamp, .bigint, .timestamp])
  }

  @Test("an aggregate reads through views that only rename, and filters go below them")
  func views() throws {
    let job = try plan(
      telemetryTables + """
        CREATE VIEW renamed (sensor, value, at) AS SELECT sensor_id, temperature, ts FROM readings WHERE ok;
        CREATE VIEW warm AS SELECT * FROM renamed WHERE value > 20;
        INSERT INTO averages (sensor_id, window_start, readings)
        SELECT sensor, window_start, count(*) FROM tumble(warm, at, '1 minute') GROUP BY sensor, window_start;
        """)
    guard case .project(.aggregate(let aggregate), _, _) = job.statements[0].query,
      case .filter(.filter(.scan(let table, let schema), let first), let second) = aggregate.input
    else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(table == "readings")
    #expect(schema.fields.map(\.name) == ["sensor_id", "temperature", "ok", "ts"])
    #expect(first.sql(schema) == "ok")
    #expect(second.sql(schema) == "temperature > DOUBLE PRECISION '20.0'")
    #expect(aggregate.keys.map { $0.sql(schema) } == ["sensor_id"])
    #expect(aggregate.timeColumn == 3)
  }

  @Test("a window can stand on a window")
  func cascade() throws {
    let job = try plan(
      telemetryTables + """
        CREATE VIEW seconds AS
          SELECT sensor_id, window_start, avg(temperature) AS mean FROM tumble(readings, ts, '10 seconds')
          GROUP BY sensor_id, window_start HAVING count(*) > 1;
        INSERT INTO averages (sensor_id, window_start, window_end, avg_temperature)
        SELECT sensor_id, window_start, window_end, max(mean) FROM hop(seconds, window_start, '1 minute', '5 minutes')
        GROUP BY 1, 2, 3;
        """)
    guard case .project(.aggregate(let outer), _, _) = job.statements[0].query,
      case .filter(.aggregate(let inner), _) = outer.input
    else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(outer.window == WindowSpecification(slide: 60_000_000, size: 300_000_000))
    #expect(outer.timeColumn == 1)
    #expect(inner.aggregates.map(\.function) == [.avg, .count])
  }

  @Test("statements that read one source decode it with one schema")
  func sharedScan() throws {
    let job = try plan(
      telemetryTables + """
        CREATE TABLE raw_copy (sensor text, "offset" bigint) WITH (connector = 'blackhole');
        INSERT INTO raw_copy SELECT sensor_id, _offset FROM readings WHERE note <> '';
        INSERT INTO averages (sensor_id, window_start)
        SELECT upper(sensor_id), window_start FROM tumble(readings, ts, '1 s') GROUP BY upper(sensor_id), window_start;
        """)
    #expect(job.scans["readings"]?.fields.map(\.name) == ["sensor_id", "note", "ts", "_offset"])
    guard case .project(.filter(.scan(_, let first), _), _, _) = job.statements[0].query,
      case .project(.aggregate(let aggregate), let expressions, _) = job.statements[1].query,
      case .scan(_, let second) = aggregate.input
    else {
      Issue.record("\(job.statements)")
      return
    }
    #expect(first == second)
    #expect(aggregate.keys.map { $0.sql(second) } == ["upper(sensor_id)"])
    #expect(expressions[0].kind == .column(0))
  }

  @Test("UNION ALL has common types, and keeps the event time when all sides do")
  func union() throws {
    let job = try plan(
      telemetryTables + """
        CREATE VIEW everything AS
          SELECT sensor_id AS s, battery AS n, ts FROM readings
          UNION ALL SELECT note, serial, ts FROM readings WHERE ok
          UNION ALL SELECT 'x', 1.5, ts FROM readings;
        INSERT INTO averages (sensor_id, window_start, avg_temperature)
        SELECT s, window_start, sum(n) FROM tumble(everything, ts, '1 minute') GROUP BY s, window_start;
        """)
    guard case .project(.aggregate(let aggregate), _, _) = job.statements[0].query,
      case .unionAll(let inputs) = aggregate.input
    else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(inputs.count == 3)
    #expect(Set(inputs.map(\.schema)).count == 1)
    #expect(inputs[0].schema.fields.map(\.type) == [.text, .numeric, .timestamptz])
    #expect(aggregate.aggregates[0].type == .numeric)
  }

  @Test("GROUP BY takes aliases, positions and expressions; equal aggregates are computed once")
  func grouping() throws {
    let job = try plan(
      telemetryTables + """
        INSERT INTO averages (sensor_id, window_start, avg_temperature, readings)
        SELECT lower(note) AS low, window_start, avg(temperature) + 1, count(*)
        FROM tumble(readings, ts, '1 minute') WHERE battery > 3
        GROUP BY low, 2 HAVING count(*) > 3 AND avg(temperature) < 100 AND length(lower(note)) > 2;
        """)
    guard case .project(.filter(.aggregate(let aggregate), let having), let expressions, _) = job.statements[0].query
    else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(aggregate.aggregates.map(\.function) == [.avg, .count])
    #expect(
      having.sql(aggregate.schema)
        == "(count_2 > 3) AND (avg_1 < DOUBLE PRECISION '100.0') AND (length(key_1) > 2)")
    #expect(expressions[3].sql(aggregate.schema) == "avg_1 + DOUBLE PRECISION '1.0'")
    #expect(expressions[2].sql(aggregate.schema) == "NULL")
  }

  @Test("tumble without grouping computes the bounds of the row's window")
  func tumbleWithoutGrouping() throws {
    let job = try plan(
      telemetryTables
        + "INSERT INTO averages (sensor_id, window_start, window_end) SELECT note, window_start, window_end "
        + "FROM tumble(readings, ts, '1 minute')")
    guard case .project(.scan(_, let schema), let expressions, _) = job.statements[0].query else {
      Issue.record("\(job.statements[0].query)")
      return
    }
    #expect(
      expressions[1].sql(schema)
        == "date_bin(INTERVAL '00:01:00', ts, TIMESTAMPTZ '1970-01-01 00:00:00+00')")
  }

  @Test("options take numbers, words, booleans, names of two parts, and the environment")
  func options() throws {
    let job = try plan(
      """
      CREATE TABLE s (x text) WITH (Connector = kafka, topic = '${A}-${B:-b}${C:-}', kafka.acks = all,
        "kafka.Max.Bytes" = 0, watermark_delay = '1 minute 30 seconds', max_record_bytes = '64KiB');
      CREATE TABLE g (x text) WITH (connector = 'generator', seed = -7, rows_per_second = 2.5, "fields.x.kind" = 'choice');
      CREATE TABLE o (x text) WITH (connector = 'blackhole');
      INSERT INTO o SELECT x FROM s UNION ALL SELECT x FROM g;
      """, environment: ["A": "a", "C": "c"])
    let options = try #require(job.tables["s"]?.options)
    #expect(options["topic"] == "a-bc")
    #expect(options["kafka.acks"] == "all")
    #expect(options["kafka.Max.Bytes"] == "0")
    #expect(try options.duration("watermark_delay", default: 0) == 90_000_000)
    #expect(try options.size("max_record_bytes", default: 0) == 65_536)
    #expect(job.tables["g"]?.options["seed"] == "-7")
    #expect(job.tables["g"]?.options["rows_per_second"] == "2.5")
    #expect(options.entries["topic"]?.location == SourceLocation(line: 1, column: 58))
  }

  @Test("the plan explains itself")
  func explain() throws {
    let job = try plan(
      telemetryTables + """
        INSERT INTO averages
        SELECT sensor_id, window_start, window_end, avg(temperature), count(*) FILTER (WHERE ok)
        FROM tumble(readings, ts, INTERVAL '10 seconds') WHERE battery > 5
        GROUP BY sensor_id, window_start, window_end;
        """)
    #expect(
      job.explained() == """
        INSERT INTO averages (postgres table sensor_10s, key sensor_id, window_start)
        └─ project sensor_id, window_start, window_end, avg_1 AS avg_temperature, count_2 AS readings
           └─ aggregate avg(temperature), count(*) FILTER (WHERE ok) by sensor_id, window, tumble 10s over ts; state: one entry for each key and open window
              └─ exchange hash(sensor_id) over 128 key groups
                 └─ partial aggregate for each partition
                    └─ filter battery > 5
                       └─ scan readings (kafka topic telemetry): sensor_id text, temperature double precision, battery integer, ok boolean, ts timestamptz; event time ts, watermark 2 seconds behind

        """)
    #expect(
      job.stateSignature == [
        "averages": "window 10000000/10000000 over ts timestamptz keys (sensor_id text) "
          + "aggregates (avg(temperature) double precision, count(*) FILTER (WHERE ok) bigint)"
      ])
  }

  @Test("state fits exactly as long as windows, keys and aggregates are the same")
  func signature() throws {
    func signature(_ delay: String, _ condition: String, _ size: String, _ aggregate: String) throws -> [String: String]
    {
      try plan(
        telemetryTables.replacing("2 seconds", with: delay) + """
          INSERT INTO averages (sensor_id, window_start, avg_temperature)
          SELECT sensor_id, window_start, \(aggregate) FROM tumble(readings, ts, '\(size)') WHERE \(condition)
          GROUP BY sensor_id, window_start
          """
      ).stateSignature
    }
    let first = try signature("2 seconds", "ok", "10 s", "avg(temperature)")
    #expect(try first == signature("9 seconds", "NOT ok AND battery > 1", "10000 ms", "avg( temperature ) * 2"))
    #expect(try first != signature("2 seconds", "ok", "11 s", "avg(temperature)"))
    #expect(try first != signature("2 seconds", "ok", "10 s", "max(temperature)"))
    #expect(try first != signature("2 seconds", "ok", "10 s", "avg(humidity)"))
  }

  @Test("a value that may be NULL is checked on its way to a NOT NULL column, and only there")
  func notNull() throws {
    let columns = "(a text NOT NULL, b timestamptz NOT NULL, c bigint NOT NULL, d double precision NOT NULL, e text)"
    func expressions(_ connector: String) throws -> [String] {
      let job = try plan(
        telemetryTables + """
          CREATE TABLE checked \(columns) WITH (\(connector));
          INSERT INTO checked SELECT lower(sensor_id), window_start, count(*), avg(temperature), max(note)
          FROM tumble(readings, ts, '10 seconds') GROUP BY lower(sensor_id), window_start;
          """)
      guard case .project(let input, let expressions, _) = job.statements[0].query else { return [] }
      return expressions.map { $0.sql(input.schema) }
    }
    #expect(
      try expressions("connector = 'kafka', topic = 'c'") == [
        "key_1", "window_start", "count_1", "not_null(avg_2, 'd')", "max_3"
      ])
    #expect(try expressions("connector = 'postgres'") == ["key_1", "window_start", "count_1", "avg_2", "max_3"])
    let plain = try plan(
      telemetryTables + """
        CREATE TABLE p (a text, b timestamptz, PRIMARY KEY (a, b)) WITH (connector = 'stdout');
        INSERT INTO p SELECT sensor_id, now() FROM readings;
        INSERT INTO p SELECT note, ts FROM readings;
        """)
    let texts = plain.statements.map { statement -> [String] in
      guard case .project(let input, let expressions, _) = statement.query else { return [] }
      return expressions.map { $0.sql(input.schema) }
    }
    #expect(texts == [["sensor_id", "now()"], ["not_null(note, 'a')", "not_null(ts, 'b')"]])
  }
}
