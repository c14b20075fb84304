#!/usr/bin/env python3
"""What a second lane, and a third …, brings: throughput of the tumbling aggregate by WEIR_PARALLELISM.

Rows that Weir makes itself as JSON, 1,000 keys, 10-second windows of avg, count, min and max, into `blackhole`, with a
checkpoint each second: nothing but the lanes works. Runs alternate, so that drift of the machine meets all alike. "per
core" is events per CPU-second of the whole process; the ratios are to the run with one lane in the same round.

    Benchmarks/lanes.py [--events 10000000] [--lanes 1,2] [--runs 5]
"""

import argparse

from harness import numbers, spread, weir_until_end

PIPELINE = """
CREATE TABLE readings (
  sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
  site text, status text
) WITH (connector = 'generator', event_time = 'ts', watermark_delay = '2 seconds', max_future = '36500 days',
        partitions = '16', rows = '{events}');
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
    parser.add_argument("--lanes", type=numbers, default="1,2")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    results = {lanes: [] for lanes in options.lanes}
    for _ in range(options.runs):
        for lanes in options.lanes:
            run, summary = weir_until_end(
                PIPELINE.format(events=options.events), WEIR_PARALLELISM=str(lanes), WEIR_CHECKPOINT_INTERVAL="1s")
            results[lanes].append((summary["rows_in"] / run.seconds, summary["rows_in"] / run.cpu))
    print(f"{options.events} events, {options.runs} runs each, alternating; median [least..greatest], starts included")
    print(f"{'lanes':8}{'M events/s':20}{'M events per CPU-second':26}{'rate to 1 lane':20}per core to 1 lane")
    first = results[options.lanes[0]]
    for lanes, runs in results.items():
        rates, per_core = ([value[index] / 1e6 for value in runs] for index in (0, 1))
        ratios = [[value[index] / one[index] for value, one in zip(runs, first)] for index in (0, 1)]
        print(f"{lanes:<8}{spread(rates):20}{spread(per_core):26}{spread(ratios[0]):20}{spread(ratios[1])}")


main()
