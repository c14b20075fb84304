#!/usr/bin/env python3
"""Throughput from Kafka's JSON into an Iceberg table on the local file system, over several commits.

142-byte events, six columns of each, Parquet with zstd, partitioned by hour; checkpoints and commits at an interval.
Broker, producer and Weir are on the same machine. The development broker keeps only 5 MiB a partition, far less than is
read between two commits: so events are produced while they are consumed, in portions, one whenever half of what the
broker keeps has been read. What was committed between the first and the last commit is what counts, and the CPU that
Weir took in that time, maintenance included. How often nothing waited to be read says whether the producer was the limit.

    Benchmarks/iceberg.py [--partitions 16] [--interval 10s] [--seconds 60] [--bytes 142] [--runs 3]
"""

import argparse
import glob
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from harness import BINARY, api, broker, environment, free_port, generate, resident_bytes, spread

PARTITION_BYTES = 5 << 20
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


class Producer(threading.Thread):
    """Keeps the topic filled, and never fuller than the broker keeps it."""

    def __init__(self, brokers, options):
        super().__init__()
        # Two of them fit with room to spare; a message has more bytes than its value.
        self.portion = int(options.partitions * PARTITION_BYTES * 0.4 / (options.bytes + 40))
        self.arguments = [brokers, "--partitioner", "random", "--count", str(self.portion), "--bytes", str(options.bytes)]
        self.portions = 0
        self.stopped = threading.Event()
        self.wanted = threading.Event()

    def run(self):
        while not self.stopped.is_set():
            if self.wanted.wait(0.1):
                self.wanted.clear()
                generate(*self.arguments, "--seed", str(self.portions + 1))
                self.portions += 1

    @property
    def produced(self):
        return self.portions * self.portion


class Measurement:
    """What a run committed, and what that took."""

    def __init__(self, options):
        with broker(f"telemetry:{options.partitions}") as brokers, tempfile.TemporaryDirectory() as directory:
            port = free_port()
            sql = pathlib.Path(directory) / "bench.sql"
            sql.write_text(PIPELINE)
            producer = Producer(brokers, options)
            job = subprocess.Popen([BINARY, "run", str(sql)], env=environment(
                WEIR_KAFKA_BROKERS=brokers, WEIR_CHECKPOINT_INTERVAL=options.interval, WEIR_HTTP_PORT=str(port),
                WEIR_CHECKPOINT_DIR=directory + "/checkpoints", WEIR_WAREHOUSE=directory + "/warehouse",
                WEIR_LOG_LEVEL="warning"), stdout=subprocess.DEVNULL)
            producer.start()
            try:
                self.watch(job, port, producer, options)
            finally:
                producer.stopped.set()
                producer.join()
                job.kill()
                job.wait()
            files = glob.glob(f"{directory}/warehouse/bench/readings/data/**/*.parquet", recursive=True)
            self.files = len(files)
            self.row_bytes = sum(os.path.getsize(name) for name in files) / max(1, self.rows)

    def watch(self, job, port, producer, options):
        """Looks until the time is over, and orders events."""
        commits, self.peak, looks, idle = [], 0, 0, 0
        deadline = time.monotonic() + options.seconds
        while time.monotonic() < deadline or len(commits) < 3:
            time.sleep(0.02)
            if job.poll() is not None or time.monotonic() > deadline + 300:
                sys.exit("the job ended by itself, or commits too seldom")
            try:
                found = api(port, "/api/v1/jobs/bench")
            except OSError:
                continue
            read = sum(partition["rows_in"] for partition in found["partitions"])
            waiting = producer.produced - read
            # Less than a portion waits, and none is under way: there is room for one.
            if waiting < producer.portion * 0.8:
                producer.wanted.set()
            self.peak = max(self.peak, resident_bytes(job.pid))
            sink = next((sink for sink in found["sinks"] if sink["name"] == "lake"), {"rows_out": 0})
            if sink["rows_out"] > (commits[-1][1] if commits else 0):
                commits.append((time.monotonic(), sink["rows_out"], cpu_seconds(job.pid)))
            if commits:
                looks, idle = looks + 1, idle + (waiting <= 0)
        (began, before, cpu), (ended, self.rows, cpu_after) = commits[0], commits[-1]
        self.commits = len(commits) - 1
        self.rate = (self.rows - before) / (ended - began)
        self.rate_of_cpu = (self.rows - before) / (cpu_after - cpu)
        self.idle = idle / max(1, looks)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--interval", default="10s", help="between checkpoints, each of which is a commit")
    parser.add_argument("--seconds", type=int, default=60, help="how long a run is")
    parser.add_argument("--bytes", type=int, default=142, help="an event's value")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    runs = [Measurement(options) for _ in range(options.runs)]
    print(f"{options.bytes}-byte events, {options.partitions} partitions, a commit every {options.interval}, "
          f"{options.runs} runs of {options.seconds} s, median [least..greatest]")
    print(f"{spread([run.rate / 1e6 for run in runs])} M rows/s  "
          f"{spread([run.rate_of_cpu / 1e6 for run in runs])} M rows per CPU-second  "
          f"{spread([run.commits for run in runs], '{:.0f}')} commits  "
          f"{spread([run.peak / 2**20 for run in runs], '{:.0f}')} MiB peak  "
          f"{spread([run.files for run in runs], '{:.0f}')} data files  "
          f"{spread([run.row_bytes for run in runs], '{:.1f}')} bytes a row")
    print(f"nothing waited to be read in {spread([run.idle * 100 for run in runs], '{:.0f}')} % of the looks: "
          "above some 10 % the producer, or the broker, was the limit")


main()
