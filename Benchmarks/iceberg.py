#!/usr/bin/env python3
"""Throughput from Kafka's JSON into an Iceberg table on the local file system, and what the files look like.

All six columns of each event, Parquet with zstd, partitioned by hour; checkpoints and commits at an interval. Broker on
the same machine. A run includes the start of the process and of its consumer, and the last commit.

    Benchmarks/iceberg.py [--events 4000000] [--partitions 128] [--interval 10s] [--runs 5]
"""

import argparse
import glob
import os
import tempfile

from harness import broker, generate, spread, weir_until_end

PIPELINE = """
CREATE TABLE readings (
  sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
  site text, status text
) WITH (connector = 'kafka', topic = 'telemetry', format = 'json', event_time = 'ts', watermark_delay = '2 seconds',
        max_future = '36500 days');
CREATE TABLE lake (
  sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
  site text, status text
) WITH (connector = 'iceberg', table = 'bench.readings', partitioning = 'hour(ts)');
INSERT INTO lake SELECT sensor_id, temperature, humidity, ts, site, status FROM readings;
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--partitions", type=int, default=128)
    parser.add_argument("--interval", default="10s", help="between checkpoints, each of which is a commit")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    results = []
    with broker(f"telemetry:{options.partitions}") as brokers:
        generate(brokers, "--count", str(options.events))
        for _ in range(options.runs):
            with tempfile.TemporaryDirectory() as warehouse:
                run, summary = weir_until_end(
                    PIPELINE, WEIR_KAFKA_BROKERS=brokers, WEIR_CHECKPOINT_INTERVAL=options.interval,
                    WEIR_WAREHOUSE=warehouse)
                if summary["rows_in"] != options.events:
                    raise SystemExit(f"the development broker kept {summary['rows_in']} of {options.events} events: it holds "
                                     "5 MiB a partition; use fewer events or more partitions")
                files = glob.glob(f"{warehouse}/bench/readings/data/**/*.parquet", recursive=True)
                size = sum(os.path.getsize(name) for name in files)
                results.append((options.events / run.seconds, options.events / run.cpu, run.peak_bytes,
                                len(files), size / options.events))
    print(f"{options.events} events, {options.partitions} partitions, a commit every {options.interval}, "
          f"{options.runs} runs, median [least..greatest]")
    print(f"{spread([r[0] / 1e6 for r in results])} M rows/s  {spread([r[1] / 1e6 for r in results])} M rows per CPU-second  "
          f"{spread([r[2] / 2**20 for r in results], '{:.0f}')} MiB peak  {spread([r[3] for r in results], '{:.0f}')} data files  "
          f"{spread([r[4] for r in results], '{:.1f}')} bytes a row")


main()
