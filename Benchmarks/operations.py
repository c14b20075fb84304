#!/usr/bin/env python3
"""Cold start, memory at rest and under a sink that stands still, and recovery by the size of the state.

    cold start  from exec to running, with Kafka and PostgreSQL there; idle: resident memory ten seconds later
    recovery    from SIGKILL to the first new commit in PostgreSQL, by how many groups are open; a checkpoint is due each
                second, and the wait for it is part of the time
    standstill  the greatest resident memory while 200,000 events/s come and PostgreSQL takes nothing

    Benchmarks/operations.py [--groups 10000,100000,1000000] [--runs 3] [--stall-seconds 60]
                             [--json FILE] [--chart FILE.svg]
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

from charts import Chart, point
from harness import (
    BINARY, Job, add_outputs, broker, committed, environment, generate, numbers, postgres, query, resident_bytes, spread,
    write_outputs)

SOURCE = """
CREATE TABLE readings (sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL)
WITH (connector = 'kafka', topic = 'telemetry', event_time = 'ts', watermark_delay = '{delay}',
      max_future = '36500 days');
"""
AGGREGATE = SOURCE + """
CREATE TABLE aggregate (
  sensor_id text, window_start timestamptz, window_end timestamptz, average double precision, readings bigint,
  PRIMARY KEY (sensor_id, window_start)
) WITH (connector = 'postgres', table = 'aggregate');
INSERT INTO aggregate
SELECT sensor_id, window_start, window_end, avg(temperature), count(*)
FROM tumble(readings, ts, INTERVAL '1 day') GROUP BY sensor_id, window_start, window_end;
"""
PASS = SOURCE + """
CREATE TABLE copy (sensor_id text, temperature double precision, ts timestamptz)
WITH (connector = 'postgres', table = 'copy', mode = 'append');
INSERT INTO copy SELECT sensor_id, temperature, ts FROM readings;
"""

def at_end(status):
    """The status, if nothing is left to read."""
    lags = [partition.get("lag") for partition in status["partitions"]]
    return status if lags and not any(lags) and groups_of(status) else None


def groups_of(status):
    return sum(operator["groups"] for operator in status["operators"])


class Recovery:
    """Time from SIGKILL to the first new commit, of a job with so many open groups."""

    def __init__(self, groups, runs, directory):
        self.seconds = []
        with broker("telemetry:64") as brokers, postgres() as url:
            path = pathlib.Path(directory) / f"recovery_{groups}.sql"
            path.write_text(AGGREGATE.format(delay="2 days"))
            settings = {"WEIR_KAFKA_BROKERS": brokers, "WEIR_POSTGRES_URL": url, "WEIR_CHECKPOINT_INTERVAL": "1s",
                        "WEIR_CHECKPOINT_DIR": f"{directory}/recovery_{groups}"}
            # So many events that nearly every key is drawn.
            generate(brokers, "--count", str(groups * 7), "--sensors", str(groups))
            job = Job(path, **settings)
            try:
                # What was read is in the operators once a later checkpoint has gone by, and saved with the one after it.
                self.await_commits(job, job.wait_for("the end of the topic", at_end))
                self.groups = groups_of(job.status())
                for _ in range(runs):
                    began = time.monotonic()
                    job.kill()
                    job = Job(path, **settings)
                    # The killed job may have committed after it was last asked; the new one commits after a second.
                    before = int(query(url, "SELECT max(checkpoint) FROM weir.positions")[0][0])
                    job.wait_for_commit(after=before)
                    self.seconds.append(time.monotonic() - began)
                    self.await_commits(job, job.status())
                self.bytes = max(checkpoint["bytes"] for checkpoint in job.status()["checkpoints"])
            finally:
                job.kill()

    @staticmethod
    def await_commits(job, status):
        job.wait_for_commit(after=committed(status) + 1)

    def __str__(self):
        return (f"{spread(self.seconds)} s from SIGKILL to the first new commit, {self.groups} open groups, "
                f"checkpoint of {self.bytes / 2**20:.2f} MiB")


def cold_start_and_idle(runs, directory):
    """Seconds to running and bytes at rest, of each run."""
    found = []
    with broker("telemetry:16") as brokers, postgres() as url:
        path = pathlib.Path(directory) / "idle.sql"
        path.write_text(AGGREGATE.format(delay="2 seconds"))
        for number in range(runs):
            with Job(path, WEIR_KAFKA_BROKERS=brokers, WEIR_POSTGRES_URL=url, WEIR_CHECKPOINT_INTERVAL="1s",
                     WEIR_CHECKPOINT_DIR=f"{directory}/idle_{number}") as job:
                job.wait_until_running()
                seconds = time.monotonic() - job.began
                time.sleep(10)
                found.append((seconds, resident_bytes(job.process.pid)))
            # The next one is a new job, not one whose checkpoints were lost.
            query(url, "DROP SCHEMA weir CASCADE")
    return found


def standstill(directory, seconds):
    """The greatest resident memory, and whether sources paused."""
    with broker("telemetry:64") as brokers, postgres() as url:
        path = pathlib.Path(directory) / "stall.sql"
        path.write_text(PASS.format(delay="2 seconds"))
        generator = subprocess.Popen(
            [BINARY, "generate", "telemetry", "--brokers", brokers, "--rate", "200000"], env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with Job(path, WEIR_KAFKA_BROKERS=brokers, WEIR_POSTGRES_URL=url, WEIR_CHECKPOINT_INTERVAL="1s",
                     WEIR_CHECKPOINT_DIR=directory + "/stall") as job:
                job.wait_for_commit()
                blocker = subprocess.Popen(
                    ["psql", url, "-c", f"BEGIN; LOCK TABLE weir.positions; SELECT pg_sleep({seconds}); COMMIT"],
                    stdout=subprocess.DEVNULL)
                greatest = 0
                paused = False
                while blocker.poll() is None:
                    greatest = max(greatest, resident_bytes(job.process.pid))
                    found = job.status()
                    paused = paused or bool(found and any(partition["is_paused"] for partition in found["partitions"]))
                    time.sleep(0.5)
        finally:
            generator.kill()
            generator.wait()
    return greatest, paused


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=numbers, default="10000,100000,1000000",
                        help="sizes of the state: open groups, at most 1000000")
    parser.add_argument("--runs", type=int, default=3, help="cold starts, and kills at each size")
    parser.add_argument("--stall-seconds", type=int, default=60, help="0: no standstill")
    add_outputs(parser)
    options = parser.parse_args()
    print(f"{options.runs} runs each, median [least..greatest]")
    figures = {}
    with tempfile.TemporaryDirectory() as directory:
        starts, resident = zip(*cold_start_and_idle(options.runs, directory))
        figures["cold_start_seconds"], figures["idle_bytes"] = starts, resident
        print(f"cold start: {spread(starts)} s from exec to running")
        print(f"idle: {spread([value / 2**20 for value in resident], '{:.0f}')} MiB resident", flush=True)
        recoveries = []
        for groups in options.groups:
            recoveries.append(Recovery(groups, options.runs, directory))
            print(f"recovery: {recoveries[-1]}", flush=True)
        figures["recovery"] = [vars(recovery) for recovery in recoveries]
        if options.stall_seconds:
            greatest, paused = standstill(directory, options.stall_seconds)
            figures["standstill"] = {"seconds": options.stall_seconds, "greatest_bytes": greatest, "paused": paused}
            print(f"standstill of {options.stall_seconds} s: greatest {greatest / 2**20:.0f} MiB resident, sources paused: "
                  f"{paused}")
    line = [point(recovery.groups, recovery.seconds) for recovery in recoveries]
    write_outputs(options, figures, [
        Chart("Recovery", "open groups", "seconds", {"SIGKILL to first commit": line}, logarithmic_x=True)])


if __name__ == "__main__":
    main()
