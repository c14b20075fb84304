#!/usr/bin/env python3
"""From the moment at which the watermark passes the end of a window to the window's row in PostgreSQL.

50,000 events/s of the present moment, checkpoint interval 500 ms. A row's age is the time of its transaction less
(window_end + watermark_delay): the moment at which the first event that closes the window was made.

    Benchmarks/latency.py [--rate 50000] [--seconds 60]
"""

import argparse
import pathlib
import signal
import subprocess
import tempfile
import time

from harness import BINARY, broker, environment, postgres, query

PIPELINE = """
CREATE TABLE readings (sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL)
WITH (connector = 'kafka', topic = 'telemetry', event_time = 'ts', watermark_delay = '1 second');
CREATE TABLE aggregate (
  sensor_id text, window_start timestamptz, window_end timestamptz, average double precision, readings bigint,
  PRIMARY KEY (sensor_id, window_start)
) WITH (connector = 'postgres', table = 'aggregate');
INSERT INTO aggregate
SELECT sensor_id, window_start, window_end, avg(temperature), count(*)
FROM tumble(readings, ts, INTERVAL '2 seconds')
GROUP BY sensor_id, window_start, window_end;
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=50_000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with broker("telemetry:16") as brokers, postgres() as url, tempfile.TemporaryDirectory() as directory:
        path = directory + "/latency.sql"
        pathlib.Path(path).write_text(PIPELINE)
        query(url, "CREATE TABLE aggregate (sensor_id text, window_start timestamptz, window_end timestamptz, "
                   "average double precision, readings bigint, at timestamptz DEFAULT now(), "
                   "PRIMARY KEY (sensor_id, window_start))")
        generator = subprocess.Popen(
            [BINARY, "generate", "telemetry", "--brokers", brokers, "--rate", str(options.rate), "--start", "now"],
            env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        job = subprocess.Popen(
            [BINARY, "run", path], env=environment(
                WEIR_KAFKA_BROKERS=brokers, WEIR_POSTGRES_URL=url, WEIR_CHECKPOINT_INTERVAL="500ms",
                WEIR_CHECKPOINT_DIR=directory + "/checkpoints", WEIR_HTTP_PORT="0", WEIR_LOG_LEVEL="warning"))
        time.sleep(options.seconds)
        job.send_signal(signal.SIGTERM)
        code = job.wait()
        generator.kill()
        generator.wait()
        # The first windows were made before the job was there.
        row = query(url, """
            WITH ages AS (
              SELECT extract(epoch FROM at - window_end) - 1 AS age FROM aggregate
              WHERE window_end > (SELECT min(window_end) + INTERVAL '8 seconds' FROM aggregate)
            )
            SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY age)::numeric(9, 3),
              percentile_cont(0.99) WITHIN GROUP (ORDER BY age)::numeric(9, 3), max(age)::numeric(9, 3) FROM ages""")[0]
        print(f"{options.rate} events/s, checkpoint interval 500 ms, exit code {code}")
        print(f"{row[0]} rows: p50 {row[1]} s, p99 {row[2]} s, greatest {row[3]} s after the watermark passed the end")


main()
