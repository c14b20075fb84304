-- Every reading in an Iceberg table; temperature per sensor in windows of ten seconds of event time, in PostgreSQL and in
-- an Iceberg table. What comes too late, and what cannot be read, is kept in tables of its own.

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

CREATE TABLE readings_raw (
  sensor_id   text NOT NULL,
  temperature double precision,
  humidity    double precision,
  ts          timestamptz NOT NULL
) WITH (
  connector = 'iceberg', table = 'telemetry.readings', partitioning = 'hour(ts)', commit_interval = '10 seconds'
);

CREATE TABLE sensor_10s_history (
  sensor_id       text NOT NULL,
  window_start    timestamptz NOT NULL,
  window_end      timestamptz,
  avg_temperature double precision,
  min_temperature double precision,
  max_temperature double precision,
  readings        bigint
) WITH (
  connector = 'iceberg', table = 'telemetry.sensor_10s', partitioning = 'day(window_start)',
  commit_interval = '10 seconds'
);

CREATE VIEW windows AS
SELECT sensor_id, window_start, window_end, avg(temperature) AS average, min(temperature) AS least,
  max(temperature) AS greatest, count(*) AS readings
FROM tumble(readings, ts, INTERVAL '10 seconds')
GROUP BY sensor_id, window_start, window_end;

INSERT INTO readings_raw SELECT sensor_id, temperature, humidity, ts FROM readings;
INSERT INTO sensor_10s SELECT * FROM windows;
INSERT INTO sensor_10s_history SELECT * FROM windows;
