#!/usr/bin/env python3
"""What checkpoints cost, by interval and by the size of the state.

Rows that Weir makes itself go through JSON and a windowed average into `blackhole`; the window stays open, so that each
checkpoint writes one group for each key. Each interval stands beside no checkpoint at all in the same round; rounds
repeat, so that drift of the machine meets all alike. Counting begins after three rows for each group, which draw 95 % of
the keys, and lasts for `--seconds`, or one interval if that is longer, and until a checkpoint has ended.

    lost        throughput that is missing beside no checkpoint
    CPU         what an event takes more of it
    duration    from a checkpoint's begin to its end; rows are worked on meanwhile

    standstill  the longest time for which a thread of the dataflow did one thing and nothing else, by
                `weir_lane_job_duration_seconds`: the bound of the histogram that it was within

A checkpoint that takes longer than the interval delays the next one: see how many there were.

    Benchmarks/checkpoints.py [--groups 1000,100000,1000000] [--intervals 100ms,500ms,1s,10s] [--seconds 3] [--runs 3]
                              [--json FILE] [--chart FILE.svg]
"""

import argparse
import math
import pathlib
import sys
import tempfile
import time

from charts import Chart, number, point
from harness import Job, add_outputs, cpu_seconds, numbers, spread, write_outputs

PIPELINE = """
CREATE TABLE readings (sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL)
WITH (connector = 'generator', event_time = 'ts', partitions = '2', "fields.sensor_id.cardinality" = '{groups}',
      "fields.ts.kind" = 'constant', "fields.ts.value" = '2026-01-01T00:00:00Z');
CREATE TABLE nothing (
  sensor_id text, window_start timestamptz, window_end timestamptz, average double precision, readings bigint
) WITH (connector = 'blackhole');
INSERT INTO nothing
SELECT sensor_id, window_start, window_end, avg(temperature), count(*)
FROM tumble(readings, ts, INTERVAL '1 day') GROUP BY sensor_id, window_start, window_end;
"""
NEVER = "1h"


def seconds_of(interval):
    return float(interval[:-2]) / 1000 if interval.endswith("ms") else float(interval[:-1])


def intervals(text):
    """`100ms,1s`, for argparse."""
    found = text.split(",")
    for interval in found:
        seconds_of(interval)
    return found


def rows_of(status):
    return sum(partition["rows_in"] for partition in status["partitions"])


def completed(status):
    """By number; the API tells of the newest fifty."""
    return {checkpoint["id"]: checkpoint for checkpoint in status["checkpoints"] if checkpoint["state"] == "completed"}


def measure(groups, interval, seconds, directory):
    """What one job reads in `seconds` once its groups are open, and what its checkpoints took."""
    path = pathlib.Path(directory) / "checkpoints.sql"
    path.write_text(PIPELINE.format(groups=groups))
    with tempfile.TemporaryDirectory() as checkpoints, Job(
            path, WEIR_CHECKPOINT_INTERVAL=interval, WEIR_CHECKPOINT_DIR=checkpoints) as job:
        def look():
            status = job.wait_for("an answer", lambda found: found)
            return rows_of(status), time.monotonic(), cpu_seconds(job.process.pid), completed(status), job.lane_jobs()

        job.wait_for("the groups", lambda found: rows_of(found) >= 3 * groups)
        rows, began, cpu, before, jobs = look()
        last = max(before, default=0)
        time.sleep(seconds)
        if interval != NEVER:
            job.wait_for("a checkpoint", lambda found: max(completed(found), default=0) > last)
        rows_after, ended, cpu_after, after, jobs_after = look()
    done = [checkpoint for identifier, checkpoint in after.items() if identifier > last]
    return {
        "events_per_second": (rows_after - rows) / (ended - began),
        "events_per_cpu_second": (rows_after - rows) / (cpu_after - cpu),
        "checkpoints_per_second": (max(after, default=0) - last) / (ended - began),
        "duration_seconds": [checkpoint["duration_seconds"] for checkpoint in done],
        "bytes": max((checkpoint["bytes"] for checkpoint in done), default=0),
        "standstill_seconds": min(
            bound for bound, count in jobs_after.items() if count - jobs[bound] == jobs_after[math.inf] - jobs[math.inf]),
    }


def compare(runs, idle):
    """What `runs` cost beside the runs without checkpoints of the same rounds, in percent."""
    pairs = list(zip(runs, idle))
    return {"lost_percent": [100 - run["events_per_second"] / beside["events_per_second"] * 100 for run, beside in pairs],
            "cpu_percent": [beside["events_per_cpu_second"] / run["events_per_cpu_second"] * 100 - 100
                            for run, beside in pairs]}


def show(groups, interval, runs, cost):
    durations = [seconds * 1e3 for run in runs for seconds in run["duration_seconds"]]
    rates = spread([run["events_per_second"] / 1e6 for run in runs])
    standstill = max(run["standstill_seconds"] for run in runs) * 1e3
    line = f"{groups:9}  {interval if interval != NEVER else 'none':8}  {rates:18}  {f'<= {standstill:g}':>14}"
    if interval != NEVER:
        line += (f"  {spread(cost['lost_percent'], '{:.1f}'):21}  {spread(cost['cpu_percent'], '{:.1f}'):21}"
                 f"  {spread([run['checkpoints_per_second'] for run in runs]):18}"
                 f"  {spread(durations, '{:.0f}') if durations else '-':20}"
                 f"  {max(run['bytes'] for run in runs) / 2**20:8.2f}")
    print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=numbers, default="1000,100000,1000000", help="sizes of the state: open groups")
    parser.add_argument("--intervals", type=intervals, default="100ms,500ms,1s,10s", help="in ms or s")
    parser.add_argument("--seconds", type=float, default=3, help="what is counted, at least")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    add_outputs(parser)
    options = parser.parse_args()
    variants = [NEVER, *options.intervals]
    results = {groups: {interval: [] for interval in variants} for groups in options.groups}
    with tempfile.TemporaryDirectory() as directory:
        for round_number in range(1, options.runs + 1):
            for groups in options.groups:
                print(f"round {round_number}: {groups} groups", file=sys.stderr, flush=True)
                for interval in variants:
                    seconds = options.seconds if interval == NEVER else max(options.seconds, seconds_of(interval))
                    results[groups][interval].append(measure(groups, interval, seconds, directory))
    print(f"{options.runs} rounds of {options.seconds:g} s or one interval, median [least..greatest]")
    print("   groups  interval  M events/s          standstill, ms  lost, %                CPU, %                 checkpoints/s       "
          "duration, ms          MiB each")
    costs = {groups: {} for groups in options.groups}
    for groups, found in results.items():
        for interval, runs in found.items():
            costs[groups][interval] = compare(runs, found[NEVER])
            show(groups, interval, runs, costs[groups][interval])

    def lines(values):
        return {f"{number(groups)} groups": [point(seconds_of(interval), values(groups, interval))
                                     for interval in options.intervals if values(groups, interval)]
                for groups in options.groups}

    def durations(groups, interval):
        return [seconds * 1e3 for run in results[groups][interval] for seconds in run["duration_seconds"]]

    where = "seconds between checkpoints"
    write_outputs(options, {"seconds": options.seconds, "results": [
        {"groups": groups, "interval": None if interval == NEVER else interval, "runs": runs, **costs[groups][interval]}
        for groups, found in results.items() for interval, runs in found.items()]}, [
        Chart("Throughput lost", where, "%", lines(lambda *cell: costs[cell[0]][cell[1]]["lost_percent"]), True),
        Chart("CPU time of an event", where, "% more", lines(lambda *cell: costs[cell[0]][cell[1]]["cpu_percent"]), True),
        Chart("Duration of a checkpoint", where, "milliseconds", lines(durations), True, True)])


if __name__ == "__main__":
    main()
