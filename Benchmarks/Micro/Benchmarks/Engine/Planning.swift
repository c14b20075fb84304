import SQL

private let repetitions = 20

/// A whole file from text to plan; compared with cutting the same text into words.
func registerPlanning() {
  measure("sql/plan", units: repetitions) {
  } work: {
    try (0..<repetitions).map { _ in try SQLFile.plan(text, fileName: "telemetry.sql") { _ in nil } }
  } check: { _, plans in
    for plan in plans {
      try expect(plan.tables.count, 4, "tables")
      try expect(plan.statements.map(\.target), ["lake", "sensor_10s", "alerts"], "targets")
    }
  }
  measure("sql/words", units: repetitions) {
  } work: {
    (0..<repetitions).map { _ in words(Array(text.utf8)) }
  } check: { _, counts in
    let expected = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.count
    for count in counts { try expect(count, expected, "words") }
  }
}

private let text = """
  CREATE TABLE readings (
    sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
    site text, status text
  ) WITH (
    connector = 'kafka', topic = 'telemetry', format = 'json', key = 'sensor_id',
    event_time = 'ts', watermark_delay = '2 seconds'
  );
  CREATE TABLE lake (
    sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL
  ) WITH (connector = 'iceberg', table = 'telemetry.readings', partitioning = 'hour(ts)');
  CREATE TABLE sensor_10s (
    sensor_id text NOT NULL, window_start timestamptz NOT NULL, window_end timestamptz,
    avg_temperature double precision, min_temperature double precision, max_temperature double precision,
    readings bigint, PRIMARY KEY (sensor_id, window_start)
  ) WITH (connector = 'postgres', table = 'sensor_10s', url = 'postgresql://localhost/analytics');
  CREATE TABLE alerts (sensor_id text, fahrenheit double precision, place text, ts timestamptz)
  WITH (connector = 'file', path = 'alerts');
  CREATE VIEW windows AS
  SELECT sensor_id, window_start, window_end, avg(temperature) AS average, min(temperature) AS least,
    max(temperature) AS greatest, count(*) AS readings
  FROM tumble(readings, ts, INTERVAL '10 seconds')
  GROUP BY sensor_id, window_start, window_end;
  INSERT INTO lake SELECT sensor_id, temperature, humidity, ts FROM readings;
  INSERT INTO sensor_10s SELECT * FROM windows;
  INSERT INTO alerts
  SELECT sensor_id, temperature * 1.8 + 32, COALESCE(upper(site), 'UNKNOWN') || '/' || sensor_id, ts
  FROM readings
  WHERE temperature > 90 AND status IN ('ok', 'warning') AND NOT (humidity BETWEEN 30 AND 60);
  """

/// How many words and numbers there are: a pass over the bytes that any front end must make.
private func words(_ bytes: [UInt8]) -> Int {
  var count = 0
  var isInWord = false
  for byte in bytes {
    let isWord = (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x5f
    if isWord && !isInWord { count += 1 }
    isInWord = isWord
  }
  return count
}
