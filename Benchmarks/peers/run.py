#!/usr/bin/env python3
"""The telemetry job on Weir and on other engines, in one run; README.md beside this file says how each is fed.

    Benchmarks/peers/run.py [--quick] [--only NAME,…] [--scale 1.0] [--runs 3] [--json FILE]
"""

import argparse
import contextlib
import ctypes
import datetime
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import BINARY, ROOT, broker, environment, machine, spread  # noqa: E402

PLACE = ROOT / ".build" / "peers"
PYTHON = os.environ.get("PEERS_PYTHON", sys.executable)
PARTITIONS = 128
TIMEOUT_SECONDS = 1200

WEIR_SQL = """
CREATE TABLE readings (sensor_id text NOT NULL, temperature double precision, ts timestamptz NOT NULL)
WITH ({source}, format = 'json', event_time = 'ts', watermark_delay = '5 seconds', max_future = '36500 days');
CREATE TABLE results (
  sensor_id text, window_start timestamptz, readings bigint, total double precision, low double precision,
  high double precision
) WITH (connector = 'file', path = '{result}');
INSERT INTO results
SELECT sensor_id, window_start, count(*), sum(temperature), min(temperature), max(temperature)
FROM tumble(readings, ts, INTERVAL '10 seconds')
GROUP BY sensor_id, window_start, window_end;
"""


class NotRun(Exception):
    """Why an engine could not be run."""


class Usage:
    """Runs commands side by side; seconds, CPU seconds of all descendants, peak memory of the largest process."""

    def __init__(self, commands, log, settings=None):
        self.peak = 0
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        with open(log, "w") as output:
            processes = [
                subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                                 env=environment(**(settings or {})))
                for command in commands]
        stopped = threading.Event()
        watch = threading.Thread(target=self.watch, args=([process.pid for process in processes], stopped))
        watch.start()
        try:
            codes = [process.wait(max(1, started + TIMEOUT_SECONDS - time.monotonic())) for process in processes]
        except subprocess.TimeoutExpired:
            raise NotRun(f"not finished after {TIMEOUT_SECONDS} s") from None
        finally:
            self.seconds = time.monotonic() - started
            stopped.set()
            watch.join()
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            # What outlived its parent is ours now: reaping it counts its CPU time.
            with contextlib.suppress(ChildProcessError):
                for _ in range(200):
                    if os.waitpid(-1, os.WNOHANG)[0] == 0:
                        time.sleep(0.01)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if any(codes):
            raise NotRun(f"ended with {codes}: …{pathlib.Path(log).read_text()[-600:]}")

    def watch(self, groups, stopped):
        """The kernel's peak of a process does not go away with time: looking now and then is enough."""
        while not stopped.wait(0.2):
            for entry in pathlib.Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError, ValueError):
                    if os.getpgid(int(entry.name)) not in groups:
                        continue
                    for line in (entry / "status").read_text().splitlines():
                        if line.startswith("VmHWM:"):
                            self.peak = max(self.peak, int(line.split()[1]) * 1024)


class Engine:
    """One way to run the job."""

    def __init__(self, name, package, events, kind, requirements=()):
        self.name, self.package, self.events, self.kind = name, package, events, kind
        self.requirements = [package, *requirements] if package else []

    @property
    def home(self):
        return PLACE / self.name.split("-")[0]

    @property
    def python(self):
        return str(self.home / "bin" / "python")

    def install(self):
        stamp = self.home / "installed"
        if not self.requirements or stamp.exists():
            return
        print(f"installing {' '.join(self.requirements)}", file=sys.stderr, flush=True)
        commands = [[PYTHON, "-m", "venv", str(self.home)],
                    [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.requirements]]
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise NotRun("cannot be installed: " + (done.stderr or done.stdout).strip()[-300:])
        stamp.write_text("")

    def version(self):
        if not self.package:
            return subprocess.run([BINARY, "--version"], capture_output=True, text=True, env=environment()).stdout.strip()
        code = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        return subprocess.run([self.python, "-c", code], capture_output=True, text=True).stdout.strip()

    def run(self, data, place):
        """Runs the job over `data` into `place`; returns its usage and where the result is."""
        raise NotImplementedError


class Weir(Engine):
    def job(self, source, place, brokers=""):
        sql = place / "peers.sql"
        sql.write_text(WEIR_SQL.format(source=source, result=place / "result"))
        usage = Usage([[BINARY, "run", str(sql), "--until-end"]], place / "log", {
            "WEIR_PARALLELISM": "2", "WEIR_CHECKPOINT_INTERVAL": "1s" if "checkpoints" in self.name else "1h",
            "WEIR_CHECKPOINT_DIR": str(place / "checkpoints"), "WEIR_HTTP_PORT": "0", "WEIR_LOG_LEVEL": "error",
            **({"WEIR_KAFKA_BROKERS": brokers} if brokers else {})})
        return usage, place / "result" / "*.json*"


class WeirFiles(Weir):
    def run(self, data, place):
        return self.job(f"connector = 'file', path = '{data}/lines/*.json'", place)


class WeirKafka(Weir):
    def run(self, data, place):
        with broker(f"telemetry:{PARTITIONS}") as brokers:
            produce(brokers, "telemetry", data)
            fetch = ", fetch = 'native'" if "native" in self.name else ""
            return self.job("connector = 'kafka', topic = 'telemetry'" + fetch, place, brokers)


class Flink(Engine):
    def run(self, data, place):
        java()
        checkpoints = "SET 'execution.checkpointing.interval' = '1 s';" if "checkpoints" in self.name else ""
        text = (HERE / "flink.sql").read_text()
        for name, value in {"CHECKPOINTS": checkpoints, "LINES": data / "lines", "RESULT": place / "result"}.items():
            text = text.replace(f"@{name}@", str(value))
        (place / "job.sql").write_text(text)
        usage = Usage([[self.python, str(HERE / "flink_job.py"), str(place / "job.sql")]], place / "log")
        # With the extension or without, and in hidden names while a file is not finished.
        return usage, place / "result" / "part-*"


class Spark(Engine):
    def run(self, data, place):
        submit = next(self.home.glob("lib/python*/site-packages/pyspark/bin/spark-submit"))
        command = [str(submit), "--master", "local[2]", "--driver-memory", "3g", str(HERE / "spark_job.py"),
                   str(data / "slices"), str(place / "result")]
        java()
        usage = Usage([command], place / "log", {"PYSPARK_PYTHON": self.python, "PYSPARK_DRIVER_PYTHON": self.python,
                                                 "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(place)})
        return usage, place / "result" / "*.json"


class Pathway(Engine):
    def run(self, data, place):
        usage = Usage([[self.python, str(HERE / "pathway_job.py"), str(data / "lines"), str(place / "result.json")]],
                      place / "log", {"PATHWAY_THREADS": "2", "PATHWAY_MONITORING_SERVER": ""})
        return usage, place / "result.json"


class Bytewax(Engine):
    def run(self, data, place):
        (place / "result").mkdir()
        shutil.copy(HERE / "bytewax_job.py", place)
        usage = Usage([["sh", "-c", 'cd "$0" && exec "$1" -m bytewax.run -w 2 bytewax_job.py', str(place), self.python]],
                      place / "log", {"LINES": str(data / "lines"), "RESULT": str(place / "result")})
        return usage, place / "result" / "*"


class Quix(Engine):
    IDLE_SECONDS = 5

    def run(self, data, place):
        # A topic for each process: the development broker is no good at sharing one out, and no time is lost with it.
        with broker("telemetry-0:1", "telemetry-1:1") as brokers:
            for worker in (0, 1):
                produce(brokers, f"telemetry-{worker}", data, f"lines/{worker}.json")
            usage = Usage([[self.python, str(HERE / "quix_job.py"), brokers, f"telemetry-{worker}",
                            str(place / f"result-{worker}.json"), str(self.IDLE_SECONDS)] for worker in (0, 1)],
                          place / "log")
        # It does not know the end: it waits until nothing comes any more.
        usage.seconds -= self.IDLE_SECONDS
        return usage, place / "result-*.json"


def java():
    found = shutil.which("java")
    if not found:
        raise NotRun("needs Java 17 or newer")
    return found


def produce(brokers, topic, data, pattern="slices/*.json"):
    """Writes the lines in order of time."""
    files = [str(name) for name in sorted(data.glob(pattern))]
    done = subprocess.run([str(PLACE / "quix" / "bin" / "python"), str(HERE / "produce.py"), brokers, topic, *files],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise NotRun("the events cannot be written to Kafka: " + done.stderr[-300:])


def engines(scale, quick):
    large, middle, small = (2_000_000, 500_000, 100_000) if quick else (10_000_000, 2_000_000, 500_000)
    sizes = [max(1000, int(count * scale)) for count in (large, middle, small)]
    return [
        WeirKafka("weir-kafka", None, sizes[0], "iso"),
        WeirKafka("weir-kafka-checkpoints", None, sizes[0], "iso"),
        WeirKafka("weir-kafka-native-checkpoints", None, sizes[0], "iso"),
        WeirFiles("weir-files", None, sizes[0], "iso"),
        WeirFiles("weir-files-checkpoints", None, sizes[0], "iso"),
        Flink("flink", "apache-flink", sizes[0], "json"),
        Flink("flink-checkpoints", "apache-flink", sizes[0], "json"),
        Spark("spark", "pyspark", sizes[0], "json"),
        Pathway("pathway", "pathway", sizes[1], "json"),
        Bytewax("bytewax", "bytewax", sizes[2], "json"),
        Quix("quix", "quixstreams", sizes[2], "json"),
    ]


class Tool(Engine):
    """DuckDB, which judges; and the client of Quix Streams, which writes to Kafka for everybody."""


def dataset(duckdb, events):
    place = PLACE / "data" / str(events)
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        print(f"making {events} events", file=sys.stderr, flush=True)
        subprocess.run([duckdb.python, str(HERE / "data.py"), "make", str(events), str(place)], check=True)
        (place / "complete").write_text("")
    return place


def measure(engine, duckdb, number):
    """One run, checked."""
    data = dataset(duckdb, engine.events)
    place = PLACE / "runs" / f"{engine.name}-{number}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    usage, result = engine.run(data, place)
    checked = subprocess.run([duckdb.python, str(HERE / "data.py"), "check", str(data), engine.kind, str(result)],
                             capture_output=True, text=True)
    problem = (checked.stdout + (checked.stderr[-400:] if checked.returncode else "")).strip()
    if problem:
        raise NotRun("wrong result: " + problem)
    shutil.rmtree(place)
    total = engine.events + 1000
    return {"events_per_second": total / usage.seconds, "events_per_cpu_second": total / usage.cpu,
            "seconds": usage.seconds, "cpu_seconds": usage.cpu, "peak_bytes": usage.peak}


def show(chosen, results, failures):
    width = max(len(engine.name) for engine in chosen)
    print(f"{'engine':{width}}  {'version':8}  {'events':>10}  {'k events/s':26}  {'k events per CPU-second':26}  peak MiB")
    for engine in chosen:
        if engine.name in failures:
            print(f"{engine.name:{width}}  not run: {failures[engine.name]}")
            continue
        runs = results[engine.name]
        rate, efficiency, peak = (
            [run[key] / unit for run in runs]
            for key, unit in (("events_per_second", 1e3), ("events_per_cpu_second", 1e3), ("peak_bytes", 2**20)))
        print(f"{engine.name:{width}}  {engine.version():8}  {engine.events:>10,}  {spread(rate, '{:.0f}'):26}  "
              f"{spread(efficiency, '{:.0f}'):26}  {spread(peak, '{:.0f}')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 to 15 minutes")
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, help="that count; one more before them is thrown away (default: 3, quick 1)")
    parser.add_argument("--json", help="write all figures to this file")
    options = parser.parse_args()
    runs = options.runs or (1 if options.quick else 3)
    # Descendants that outlive their parents are to be counted as well.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    chosen = engines(options.scale, options.quick)
    if options.only:
        names = options.only.split(",")
        unknown = set(names) - {engine.name for engine in chosen}
        if unknown:
            parser.error(f"--only: unknown {', '.join(sorted(unknown))}; there are "
                         + ", ".join(engine.name for engine in chosen))
        chosen = [engine for engine in chosen if engine.name in names]
    duckdb = Tool("duckdb", "duckdb", 0, "")
    failures, results = {}, {engine.name: [] for engine in chosen}
    tools = [duckdb] + ([Tool("quix", "quixstreams", 0, "")] if any("kafka" in engine.name for engine in chosen) else [])
    for engine in tools:
        engine.install()
    started = datetime.datetime.now(datetime.timezone.utc)
    # The first round warms caches and is not counted.
    for number in range(runs + 1):
        for engine in chosen:
            if engine.name in failures:
                continue
            try:
                engine.install()
                run = measure(engine, duckdb, number)
            except (NotRun, OSError, subprocess.CalledProcessError) as problem:
                failures[engine.name] = " ".join(str(problem).split())
                continue
            print(f"round {number}: {engine.name} {run['seconds']:.1f} s", file=sys.stderr, flush=True)
            if number > 0:
                results[engine.name].append(run)
    print(f"{started:%Y-%m-%d %H:%M} UTC; {machine()}; {runs} runs each after one that is not counted, alternating; "
          "median [least..greatest]; every result compared with DuckDB's")
    show(chosen, results, failures)
    if options.json:
        figures = {engine.name: {"version": engine.version(), "events": engine.events, "runs": results[engine.name],
                                 "not_run": failures.get(engine.name)} for engine in chosen}
        pathlib.Path(options.json).write_text(json.dumps({"machine": machine(), "engines": figures}, indent=2) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
