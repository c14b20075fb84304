#!/usr/bin/env python3
"""Throughput of the tumbling aggregate, into `blackhole`, with and without checkpoints.

110-byte JSON, 1,000 keys, 10-second windows of avg, count, min and max; broker on the same machine. Runs alternate, so
that drift of the machine meets both alike. A run includes the start of the process and of its consumer.

    Benchmarks/throughput.py [--events 10000000] [--partitions 128] [--runs 6]
"""

import argparse

from harness import broker, generate, spread, weir_until_end

PIPELINE = """
CREATE TABLE readings (
  sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
  site text, status text
) WITH (connector = 'kafka', topic = 'telemetry', format = 'json', event_time = 'ts', watermark_delay = '2 seconds',
        max_future = '36500 days');
CREATE TABLE nothing (
  sensor_id text, window_start timestamptz, window_end timestamptz, average double precision, readings bigint,
  low double precision, high double precision
) WITH (connector = 'blackhole');
INSERT INTO nothing
SELECT sensor_id, window_start, window_end, avg(temperature), count(*), min(temperature), max(temperature)
FROM tumble(readings, ts, INTERVAL '10 seconds')
GROUP BY sensor_id, window_start, window_end;
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--partitions", type=int, default=128)
    parser.add_argument("--runs", type=int, default=6)
    options = parser.parse_args()
    variants = {"checkpoints every 1s": "1s", "no checkpoint but the last": "1h"}
    results = {name: [] for name in variants}
    with broker(f"telemetry:{options.partitions}") as brokers:
        generate(brokers, "--count", str(options.events))
        for _ in range(options.runs):
            for name, interval in variants.items():
                run, summary = weir_until_end(
                    PIPELINE, WEIR_KAFKA_BROKERS=brokers, WEIR_CHECKPOINT_INTERVAL=interval)
                if summary["rows_in"] != options.events:
                    raise SystemExit(f"the development broker kept {summary['rows_in']} of {options.events} events: it holds "
                                     "5 MiB a partition; use fewer events or more partitions")
                results[name].append((options.events / run.seconds, options.events / run.cpu, run.peak_bytes))
    print(f"{options.events} events, {options.partitions} partitions, {options.runs} runs each, median [least..greatest]")
    for name, values in results.items():
        print(f"{name:28} {spread([v[0] / 1e6 for v in values])} M events/s  "
              f"{spread([v[1] / 1e6 for v in values])} M events per CPU-second  "
              f"{spread([v[2] / 2**20 for v in values], '{:.0f}')} MiB peak")
    pairs = list(zip(*results.values()))
    print(f"cost of checkpoints in CPU      {spread([b[1] / a[1] * 100 - 100 for a, b in pairs], '{:.1f}')} %")


main()
