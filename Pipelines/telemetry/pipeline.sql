-- Temperature per sensor in windows of ten seconds of event time. What comes too late, and what cannot be read, is kept
-- in tables of its own.

CREATE TABLE readings (
  sensor_id   text NOT NULL,
  temperature double precision,
  humidity    double precision,
  ts          timestamptz NOT NULL
) WITH (
  connector = 'kafka', topic = 'telemetry', format = 'json', key = 'sensor_id',
  event_time = 'ts', watermark_delay = '2 seconds',
  late = 'late_readings', dead_letter = 'dead_letters'
);

CREATE TABLE sensor_10s (
  sensor_id       text NOT NULL,
  window_start    timestamptz NOT NULL,
  window_end      timestamptz,
  avg_temperature double precision,
  min_temperature double precision,
  max_temperature double precision,
  readings        bigint,
  PRIMARY KEY (sensor_id, window_start)
) WITH (connector = 'postgres', table = 'sensor_10s');

CREATE TABLE late_readings (
  source text, partition text, "offset" bigint, value text, message text, watermark timestamptz
) WITH (connector = 'postgres', table = 'late_readings');

CREATE TABLE dead_letters (
  source text, partition text, "offset" bigint, key text, value text, reason text, message text
) WITH (connector = 'postgres', table = 'dead_letters');

INSERT INTO sensor_10s
SELECT sensor_id, window_start, window_end, avg(temperature), min(temperature), max(temperature), count(*)
FROM tumble(readings, ts, INTERVAL '10 seconds')
GROUP BY sensor_id, window_start, window_end;
