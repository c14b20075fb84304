#!/usr/bin/env python3
"""A job that commits to an Iceberg table every two seconds for a long time: does it stay small, quick and lean?

Four partition values, maintenance on. Twice a minute the table is read as another program would read it: PyIceberg plans
a scan and DuckDB reads the columns of all rows. A table of the measurements, then a verdict; the exit code is 1 when
something grew. Needs the independent readers of the tests, which `./weir test` installs.

    Benchmarks/soak.py [--minutes 25] [--rate 2000] [--interval 2s] [--retention 5m]
"""

import argparse
import collections
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from harness import (BINARY, api, broker, cpu_seconds, environment, free_port, generate, resident_bytes,
                     with_judges)

LIVE_FILES_MAX = 20
PIPELINE = """
CREATE TABLE readings (
  sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
  site text, status text
) WITH (connector = 'kafka', topic = 'telemetry', format = 'json', event_time = 'ts', watermark_delay = '2 seconds',
        max_future = '36500 days');
CREATE TABLE lake (
  sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
  site text, status text
) WITH (connector = 'iceberg', table = 'soak.readings', partitioning = 'bucket(4, sensor_id)');
INSERT INTO lake SELECT sensor_id, temperature, humidity, ts, site, status FROM readings;
"""


class Sample:
    """What a reader sees of the table now, and what it costs."""

    def __init__(self, directory, pid, port, began):
        # Imported here: only the judges' Python has them.
        import duckdb
        from pyiceberg.table import StaticTable

        self.minutes = (time.monotonic() - began) / 60
        hint = (directory / "metadata" / "version-hint.text").read_text()
        path = directory / "metadata" / f"v{hint}.metadata.json"
        table = StaticTable.from_metadata(str(path))
        snapshot = table.current_snapshot()
        self.metadata_bytes = path.stat().st_size
        self.snapshots = len(table.metadata.snapshots)
        self.manifests = len(snapshot.manifests(table.io))
        started = time.monotonic()
        files = [task.file for task in table.scan().plan_files()]
        self.plan_seconds = time.monotonic() - started
        partitions = collections.Counter(file.partition[0] for file in files)
        self.partitions = len(partitions)
        self.live_files = max(partitions.values())
        self.rows = sum(file.record_count for file in files)
        started = time.monotonic()
        with duckdb.connect() as reader:
            reader.execute("LOAD avro; LOAD iceberg; SET threads = 1")
            found = reader.execute(
                f"SELECT count(*), sum(temperature), max(ts), count(DISTINCT site) FROM iceberg_scan('{path}')").fetchone()
        self.scan_seconds = time.monotonic() - started
        if found[0] != self.rows:
            sys.exit(f"{path}: the manifests say {self.rows} rows, DuckDB reads {found[0]}")
        self.stored_files = sum(1 for entry in directory.rglob("*") if entry.is_file())
        self.resident_bytes = resident_bytes(pid)
        job = api(port, "/api/v1/jobs/soak")
        self.lag = sum(partition.get("lag") or 0 for partition in job["partitions"])
        self.checkpoint_seconds = max((checkpoint.get("duration_seconds") or 0 for checkpoint in job["checkpoints"][:10]),
                                      default=0)

    @property
    def scan_per_row(self):
        """Nanoseconds."""
        return self.scan_seconds / self.rows * 1e9

    HEADER = "minute       rows  live files  manifests  snapshots  metadata KiB  stored  plan ms  scan ms  scan ns/row  RSS MiB      lag  slowest checkpoint s"

    def __str__(self):
        return (f"{self.minutes:6.1f} {self.rows:10} {self.live_files:11} {self.manifests:10} {self.snapshots:10} "
                f"{self.metadata_bytes / 1024:13.0f} {self.stored_files:7} {self.plan_seconds * 1e3:8.0f} "
                f"{self.scan_seconds * 1e3:8.0f} {self.scan_per_row:12.0f} {self.resident_bytes / 2**20:8.0f} "
                f"{self.lag:8} {self.checkpoint_seconds:21.2f}")


def is_flat(samples, value, slack=1.3):
    """The median of the last third against that of the middle third; what happens at the start is start-up."""
    third = len(samples) // 3
    middle = statistics.median(value(s) for s in samples[third:2 * third])
    last = statistics.median(value(s) for s in samples[-third:])
    return last <= middle * slack, f"{middle:.4g} in the middle third, {last:.4g} in the last"


def verdict(samples):
    """Prints what held and what did not; whether all did."""
    greatest = max(sample.live_files for sample in samples)
    checks = {
        f"at most {LIVE_FILES_MAX} live files a partition": (greatest <= LIVE_FILES_MAX, f"greatest {greatest}"),
        "planning a scan (ms)": is_flat(samples, lambda s: s.plan_seconds * 1e3),
        "reading a row (ns)": is_flat(samples, lambda s: s.scan_per_row),
        "manifests": is_flat(samples, lambda s: s.manifests),
        "metadata (KiB)": is_flat(samples, lambda s: s.metadata_bytes / 1024),
        "files in the directory": is_flat(samples, lambda s: s.stored_files),
        "resident memory (MiB)": is_flat(samples, lambda s: s.resident_bytes / 2**20, slack=1.15),
    }
    for name, (holds, found) in checks.items():
        print(f"{'ok  ' if holds else 'GROWS'} {name}: {found}")
    return all(holds for holds, _ in checks.values())


def produce(brokers, rate, stopped):
    """Events in bursts: the development broker hands out one batch a fetch, and small ones would be its limit."""
    seconds, burst = 2, 0
    began = time.monotonic()
    while not stopped.wait(max(0, began + burst * seconds - time.monotonic())):
        burst += 1
        generate(brokers, "--count", str(rate * seconds), "--seed", str(burst))


def soak(options, directory):
    warehouse = directory / "warehouse"
    sql = directory / "soak.sql"
    sql.write_text(PIPELINE)
    samples = []
    with broker("telemetry:16") as brokers, open(directory / "log", "w+") as log:
        stopped = threading.Event()
        producer = threading.Thread(target=produce, args=(brokers, options.rate, stopped))
        port = free_port()
        job = subprocess.Popen(
            [BINARY, "run", str(sql)], stdout=log, stderr=log, env=environment(
                WEIR_KAFKA_BROKERS=brokers, WEIR_CHECKPOINT_INTERVAL=options.interval, WEIR_WAREHOUSE=str(warehouse),
                WEIR_CHECKPOINT_DIR=str(directory / "checkpoints"), WEIR_HTTP_PORT=str(port),
                WEIR_SNAPSHOT_RETENTION=options.retention, WEIR_LOG_LEVEL="warning"))
        try:
            began = time.monotonic()
            producer.start()
            print(Sample.HEADER, flush=True)
            while time.monotonic() < began + options.minutes * 60:
                time.sleep(min(30, options.minutes * 60 / 20))
                if job.poll() is not None or not producer.is_alive():
                    log.seek(0)
                    sys.exit(f"the job or its producer ended by itself: {log.read()[-4000:]}")
                samples.append(Sample(warehouse / "soak" / "readings", job.pid, port, began))
                print(samples[-1], flush=True)
            cpu = cpu_seconds(job.pid)
            log.seek(0)
            print(f"the job took {cpu:.0f} CPU-seconds, {cpu / (time.monotonic() - began):.1%} of a core; "
                  f"it warned {len(log.read().splitlines())} times")
        finally:
            stopped.set()
            producer.join()
            job.kill()
            job.wait()
    return samples


def main():
    with_judges("pyiceberg")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--rate", type=int, default=2_000, help="events a second")
    parser.add_argument("--interval", default="2s", help="between checkpoints, each of which is a commit")
    parser.add_argument("--retention", default="5m", help="how long snapshots are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-soak-") as directory:
        samples = soak(options, pathlib.Path(directory))
    if len(samples) < 3:
        sys.exit("too short for a verdict")
    sys.exit(0 if verdict(samples) else 1)


main()
