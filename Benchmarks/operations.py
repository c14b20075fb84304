#!/usr/bin/env python3
"""Recovery with many open windows, memory at rest and under a sink that stands still, and cold start.

    Benchmarks/operations.py [--keys 1000000] [--stall-seconds 60]
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from harness import BINARY, api, broker, environment, free_port, generate, postgres, query, resident_bytes

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


JOBS = []


def start(path, port, **settings):
    job = subprocess.Popen(
        [BINARY, "run", path], env=environment(
            WEIR_HTTP_PORT=str(port), WEIR_LOG_LEVEL="error", WEIR_CHECKPOINT_INTERVAL="1s", **settings))
    JOBS.append(job)
    return job


def status(port):
    try:
        jobs = api(port, "/api/v1/jobs")
        name = (jobs["jobs"] if isinstance(jobs, dict) else jobs)[0]
        return api(port, "/api/v1/jobs/" + (name["job"] if isinstance(name, dict) else name))
    except (OSError, KeyError, IndexError, json.JSONDecodeError):
        return None


def wait_for(what, condition, seconds=300, pause=0.01):
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        value = condition()
        if value:
            return value, time.monotonic() - started
        time.sleep(pause)
    raise SystemExit(f"still waiting for {what} after {seconds} s")


def committed(port):
    found = status(port)
    return found and min(sink["committed_checkpoint"] for sink in found["sinks"]) if found and found["sinks"] else 0


def cold_start_and_idle(directory):
    with broker("telemetry:16") as brokers, postgres() as url:
        path = directory + "/idle.sql"
        pathlib.Path(path).write_text(AGGREGATE.format(delay="2 seconds"))
        port = free_port()
        began = time.monotonic()
        job = start(path, port, WEIR_KAFKA_BROKERS=brokers, WEIR_POSTGRES_URL=url,
                    WEIR_CHECKPOINT_DIR=directory + "/idle")
        wait_for("the first poll", lambda: (found := status(port)) and found["state"] == "running")
        print(f"cold start: {time.monotonic() - began:.2f} s from exec to running")
        time.sleep(10)
        print(f"idle: {resident_bytes(job.pid) / 2**20:.0f} MiB resident")
        job.kill()
        job.wait()


def recovery(directory, keys):
    with broker("telemetry:64") as brokers, postgres() as url:
        path = directory + "/recovery.sql"
        pathlib.Path(path).write_text(AGGREGATE.format(delay="2 days"))
        settings = {"WEIR_KAFKA_BROKERS": brokers, "WEIR_POSTGRES_URL": url,
                    "WEIR_CHECKPOINT_DIR": directory + "/recovery"}
        # So many events that nearly every key is drawn.
        generate(brokers, "--count", str(keys * 7), "--sensors", str(keys))
        port = free_port()
        job = start(path, port, **settings)
        groups, _ = wait_for("the groups", lambda: (found := status(port)) and found["partitions"] and sum(
            partition.get("lag") or 0 for partition in found["partitions"]) == 0 and max(
            (operator["groups"] for operator in found["operators"]), default=0) or 0)
        reached = committed(port)
        wait_for("a checkpoint with all groups", lambda: committed(port) >= reached + 2)
        before = committed(port)
        job.kill()
        job.wait()
        began = time.monotonic()
        port = free_port()
        job = start(path, port, **settings)
        wait_for("the first new commit", lambda: committed(port) > before)
        print(f"recovery: {time.monotonic() - began:.2f} s from SIGKILL to the first new commit, {groups} open groups")
        job.kill()
        job.wait()


def standstill(directory, seconds):
    with broker("telemetry:64") as brokers, postgres() as url:
        path = directory + "/stall.sql"
        pathlib.Path(path).write_text(PASS.format(delay="2 seconds"))
        generator = subprocess.Popen(
            [BINARY, "generate", "telemetry", "--brokers", brokers, "--rate", "200000"], env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = free_port()
        job = start(path, port, WEIR_KAFKA_BROKERS=brokers, WEIR_POSTGRES_URL=url,
                    WEIR_CHECKPOINT_DIR=directory + "/stall")
        wait_for("the first commit", lambda: committed(port) > 0)
        blocker = subprocess.Popen(
            ["psql", url, "-c", f"BEGIN; LOCK TABLE weir.positions; SELECT pg_sleep({seconds}); COMMIT"],
            stdout=subprocess.DEVNULL)
        greatest = 0
        paused = False
        while blocker.poll() is None:
            greatest = max(greatest, resident_bytes(job.pid))
            found = status(port)
            paused = paused or bool(found and any(partition["is_paused"] for partition in found["partitions"]))
            time.sleep(0.5)
        print(f"standstill of {seconds} s: greatest {greatest / 2**20:.0f} MiB resident, sources paused: {paused}")
        generator.kill()
        generator.wait()
        job.kill()
        job.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--stall-seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        try:
            cold_start_and_idle(directory)
            recovery(directory, options.keys)
            standstill(directory, options.stall_seconds)
        finally:
            for job in JOBS:
                job.kill()
                job.wait()


main()
