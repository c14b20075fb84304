SET 'parallelism.default' = '2';
SET 'table.local-time-zone' = 'UTC';
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '1 s';
SET 'table.exec.mini-batch.size' = '5000';
SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE';
@CHECKPOINTS@
CREATE TABLE readings (
  sensor_id STRING, temperature DOUBLE, ts BIGINT, event_time AS TO_TIMESTAMP_LTZ(ts, 3),
  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://@LINES@', 'format' = 'json');
CREATE TABLE results (
  sensor_id STRING, window_start BIGINT, readings BIGINT, total DOUBLE, low DOUBLE, high DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'file://@RESULT@', 'format' = 'json');
INSERT INTO results
SELECT sensor_id, UNIX_TIMESTAMP(CAST(window_start AS STRING)) * 1000, count(*), sum(temperature), min(temperature),
  max(temperature)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
GROUP BY sensor_id, window_start, window_end;
