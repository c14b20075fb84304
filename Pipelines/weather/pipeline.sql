-- Every record in an Iceberg table, and the average temperature per city in windows of five seconds in PostgreSQL.
--
-- The logging server writes {"city": "Denver", "temperature": "71.23", "ts": "2026-01-31-12"}: the temperature is a
-- string and `ts` only an hour, so the event time is the timestamp of the Kafka record.

CREATE TABLE weather_log (
  city        text NOT NULL,
  temperature text NOT NULL,
  ts          text
) WITH (
  connector = 'kafka', topic = 'weather', format = 'json', event_time = '_timestamp', watermark_delay = '1 second',
  idle_timeout = '2 seconds'
);

CREATE TABLE weather (
  city            varchar(255) NOT NULL,
  avg_temperature double precision,
  window_start    timestamp NOT NULL,
  window_end      timestamp,
  record_count    bigint,
  PRIMARY KEY (city, window_start)
) WITH (connector = 'postgres', table = 'weather');

CREATE TABLE weather_raw (
  city        text,
  temperature text,
  ts          timestamptz
) WITH (
  connector = 'iceberg', table = 'default.weather', partitioning = 'hour(ts)', commit_interval = '5 seconds',
  "write.parquet.compression-codec" = 'zstd'
);

INSERT INTO weather_raw SELECT city, temperature, _timestamp FROM weather_log;

INSERT INTO weather (city, avg_temperature, window_start, window_end, record_count)
SELECT city, avg(temperature::double precision), window_start, window_end, count(*)
FROM tumble(weather_log, _timestamp, INTERVAL '5 seconds')
GROUP BY city, window_start, window_end;
