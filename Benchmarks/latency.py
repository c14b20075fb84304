#!/usr/bin/env python3
"""From an event to its row in PostgreSQL, by rate, up to the rate that cannot be kept up with.

An event's time is the moment at which it is due: one that the generator writes late counts as late. Its row is there when
a reader sees it: one asks PostgreSQL every 5 ms which transactions it sees. What is measured, by `--job`:

    passthrough  each event is a row: from the event's time to its row
    window       tumbling windows of 700 ms, 1,000 keys: from the time of the event that closes the window (its end and
                 the watermark's delay of one second) to the window's row; 700 ms, so that windows do not always end at
                 the same moment between two checkpoints

The first two seconds of each run are left out. The ladder of rates ends at the first at which more than half of the runs
fall behind: the delay grows by more than 100 ms a second, records are unread two seconds after the last one was written,
the job ends by itself, or the generator does not write 90 % of the rate. The generator writes in batches, which the
delays contain: up to 5 ms below 10,000 events/s, 50 ms up to 100,000 events/s, 200 ms beyond.

    Benchmarks/latency.py [--job passthrough] [--rates 10000,50000,100000,200000,500000,1000000] [--seconds 10]
                          [--runs 3] [--interval 500ms] [--json FILE] [--chart FILE.svg]
"""

import argparse
import collections
import math
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from charts import Chart, point
from harness import (
    BINARY, Job, add_outputs, broker, environment, numbers, postgres, query, spread, write_outputs)

READINGS = """
CREATE TABLE readings (sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL)
WITH (connector = 'kafka', topic = 'telemetry', event_time = 'ts', watermark_delay = '1 second');
"""
# The table, how it is filled, and the time from which a row's delay counts.
JOBS = {
    "passthrough": ("sensor_id text, temperature double precision, ts timestamptz", "mode = 'append'",
                    "SELECT sensor_id, temperature, ts FROM readings", "ts"),
    "window": ("sensor_id text, window_start timestamptz, window_end timestamptz, average double precision, "
               "readings bigint, PRIMARY KEY (sensor_id, window_start)", "mode = 'upsert'",
               "SELECT sensor_id, window_start, window_end, avg(temperature), count(*) "
               "FROM tumble(readings, ts, INTERVAL '700 milliseconds') GROUP BY sensor_id, window_start, window_end",
               "window_end + INTERVAL '1 second'"),
}
WARM_UP_MS, PATIENCE_SECONDS = 2000, 2
GROWTH_MAX, WRITTEN_MIN = 0.1, 0.9
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "greatest": 1}


class Reader(threading.Thread):
    """Notes which transactions a reader of the database sees, and when it first did."""

    def __init__(self, url):
        super().__init__()
        self.url, self.seen, self.stopped = url, [], threading.Event()

    def run(self):
        command = ["psql", self.url, "-XAtq"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            last, is_last = None, False
            while not is_last:
                # The last look begins after the end of the job.
                is_last = self.stopped.wait(0.005)
                session.stdin.write("SELECT pg_current_snapshot();\n")
                session.stdin.flush()
                snapshot = session.stdout.readline().strip()
                if snapshot != last:
                    self.seen.append((snapshot, time.time() * 1000))
                    last = snapshot

    def stop(self):
        self.stopped.set()
        self.join()

    def visible_at(self, transaction):
        """When rows of the transaction were first seen, in milliseconds since the epoch; `None`: they never were."""
        for snapshot, at in self.seen:
            _, end, running = snapshot.split(":")
            if transaction < int(end) and str(transaction) not in running.split(","):
                return at
        return None


class Delays:
    """How long the rows of one run took, in milliseconds; rows of the same delay are counted together."""

    def __init__(self, reader, rows):
        visible = {}
        self.rows = []
        for transaction, due, count in rows:
            if transaction not in visible:
                visible[transaction] = reader.visible_at(transaction)
            if visible[transaction] is not None:
                self.rows.append((due, visible[transaction] - due, count))
        first = min((due for due, _, _ in self.rows), default=0) + WARM_UP_MS
        self.rows = [row for row in self.rows if row[0] >= first]

    def percentile(self, share, rows=None):
        """The least delay that so great a share of the rows do not exceed."""
        counts = collections.Counter()
        for _, delay, count in self.rows if rows is None else rows:
            counts[delay] += count
        left = math.ceil(share * counts.total())
        for delay in sorted(counts):
            left -= counts[delay]
            if left <= 0:
                return delay
        return math.nan

    @property
    def growth(self):
        """By how many seconds a second the delay grows from the first third of the run to the last."""
        first, last = min(row[0] for row in self.rows), max(row[0] for row in self.rows)
        third = (last - first) / 3
        if third == 0:
            return 0
        start = self.percentile(0.5, [row for row in self.rows if row[0] <= first + third])
        end = self.percentile(0.5, [row for row in self.rows if row[0] >= last - third])
        return (end - start) / (2 * third)


def generate_on_time(brokers, rate, seconds):
    """Returns which share of the rate was written, at most; a generator that needs twice the time is ended."""
    began = time.monotonic()
    generator = subprocess.Popen(
        [BINARY, "generate", "telemetry", "--brokers", brokers, "--rate", str(rate), "--count", str(rate * seconds),
         "--start", "now"], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if generator.wait(2 * seconds) != 0:
            sys.exit(f"the generator ended with {generator.returncode}")
    except subprocess.TimeoutExpired:
        pass
    finally:
        generator.kill()
        generator.wait()
    return seconds / (time.monotonic() - began)


class Measurement:
    """One run at one rate, in milliseconds, and in which way it fell behind, if it did."""

    def __init__(self, options, url, rate, directory):
        columns, how, select, due = JOBS[options.job]
        query(url, "DROP SCHEMA IF EXISTS weir CASCADE; DROP TABLE IF EXISTS results; "
                   f"CREATE TABLE results ({columns}, transaction xid8 DEFAULT pg_current_xact_id())")
        path = pathlib.Path(directory) / "latency.sql"
        path.write_text(f"{READINGS}CREATE TABLE results ({columns}) WITH (connector = 'postgres', {how});\n"
                        f"INSERT INTO results {select};\n")
        settings = {"WEIR_POSTGRES_URL": url, "WEIR_CHECKPOINT_INTERVAL": options.interval}
        reader = Reader(url)
        with broker("telemetry:32") as brokers, tempfile.TemporaryDirectory() as checkpoints, Job(
                path, WEIR_KAFKA_BROKERS=brokers, WEIR_CHECKPOINT_DIR=checkpoints, **settings) as job:
            job.wait_for_commit()
            reader.start()
            try:
                written = generate_on_time(brokers, rate, options.seconds)
                time.sleep(PATIENCE_SECONDS)
                status = job.status()
                job.stop()
            finally:
                reader.stop()
        rows = query(url, f"SELECT transaction, (extract(epoch FROM due) * 1000)::bigint, rows FROM (SELECT transaction, "
                          f"{due} AS due, count(*) AS rows FROM results GROUP BY 1, 2) AS sums")
        delays = Delays(reader, [[int(value) for value in row] for row in rows])
        self.percentiles = {name: delays.percentile(share) for name, share in PERCENTILES.items()} if delays.rows else None
        self.behind = self.judge(delays, written, status)

    @staticmethod
    def judge(delays, written, status):
        if status is None:
            return "the job ended"
        if not delays.rows:
            return "no row of after the first two seconds was seen"
        unread = sum(partition.get("lag") or 0 for partition in status["partitions"])
        if unread > 0:
            return f"{unread} records unread"
        if written < WRITTEN_MIN:
            return f"at most {written:.0%} written on time"
        growth = delays.growth
        return f"the delay grows by {growth:.2f} s a second" if growth > GROWTH_MAX else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", choices=JOBS, default="passthrough")
    parser.add_argument("--rates", type=numbers, default="10000,50000,100000,200000,500000,1000000",
                        help="events a second, rising")
    parser.add_argument("--seconds", type=int, default=10, help="of each run, at least 5")
    parser.add_argument("--runs", type=int, default=3, help="at each rate")
    parser.add_argument("--interval", default="500ms", help="between checkpoints, each of which is a commit")
    add_outputs(parser)
    options = parser.parse_args()
    if options.seconds < 5:
        parser.error("--seconds is at least 5, of which two are left out")
    print(f"{options.job}, checkpoint interval {options.interval}, {options.runs} runs of {options.seconds} s each; "
          "milliseconds, median [least..greatest]")
    print(f"{'events/s':>10}" + "".join(f"  {name:22}" for name in PERCENTILES))
    steps = []
    with postgres() as url, tempfile.TemporaryDirectory() as directory:
        for rate in options.rates:
            runs, behind = [], []
            while len(runs) < options.runs and len(behind) <= options.runs / 2:
                runs.append(Measurement(options, url, rate, directory))
                behind += [runs[-1].behind] if runs[-1].behind else []
            seen = [run.percentiles for run in runs if run.percentiles]
            values = {name: [found[name] for found in seen] for name in PERCENTILES} if seen else {}
            note = f"  behind in {len(behind)} of {len(runs)}: {behind[0]}" if behind else ""
            print(f"{rate:10}" + "".join(f"  {spread(found, '{:.0f}'):22}" for found in values.values()) + note, flush=True)
            steps.append({"rate": rate, "milliseconds": values, "behind": behind})
            if len(behind) > options.runs / 2:
                break
    if not any(step["milliseconds"] for step in steps):
        sys.exit("no row was seen at any rate")
    chart = Chart(f"Delay by rate: {options.job}, a commit every {options.interval}", "events a second", "milliseconds", {
        name: [point(step["rate"], step["milliseconds"][name]) for step in steps if step["milliseconds"]]
        for name in PERCENTILES},
        logarithmic_x=True, logarithmic_y=True)
    write_outputs(options, {"job": options.job, "interval": options.interval, "seconds": options.seconds,
                            "rates": steps}, [chart])


if __name__ == "__main__":
    main()
