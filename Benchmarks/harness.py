"""What the benchmark scripts share: start a broker, a PostgreSQL and the release binary, and read what they cost."""

import contextlib
import importlib.util
import json
import os
import pathlib
import platform
import pwd
import resource
import signal
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import charts

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("WEIR_BINARY", str(ROOT / ".build" / "release" / "weir"))
JUDGES = ROOT / ".build" / "judges" / "python" / "bin" / "python"
POSTGRES_BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1:]

# A script that is told to stop leaves its `with` blocks, which end brokers, databases and jobs.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def with_judges(module):
    """Goes on in the judges' Python, which `./weir test` installs, where this one does not have `module`."""
    if importlib.util.find_spec(module) is None:
        if not JUDGES.exists() or pathlib.Path(sys.executable) == JUDGES:
            sys.exit(f"{module} is missing: `./weir test` installs it, with the independent readers of the tests")
        os.execv(JUDGES, [str(JUDGES), *sys.argv])


def environment(**settings):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
    clean.update(settings)
    return clean


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def broker(*topics):
    """Runs `weir broker` with `name:partitions` topics and yields its address."""
    arguments = [BINARY, "broker"] + [word for topic in topics for word in ("--topic", topic)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
    try:
        line = process.stdout.readline().strip()
        if not line.startswith("bootstrap="):
            sys.exit(f"{arguments} did not start: it printed {line!r}")
        yield line.removeprefix("bootstrap=")
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def postgres():
    """Runs a private PostgreSQL and yields its URL."""
    binaries = str(POSTGRES_BIN[0])
    directory = tempfile.mkdtemp(prefix="weir-bench-")
    port = free_port()
    prefix = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(directory, user.pw_uid, user.pw_gid)
        prefix = ["runuser", "-u", "postgres", "--"]
    data = directory + "/data"
    subprocess.run(
        prefix + [binaries + "/initdb", "-D", data, "-U", "weir", "--auth=trust", "--locale=C", "--encoding=UTF8"],
        check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen(
        prefix + [binaries + "/postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", directory],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"postgresql://weir@127.0.0.1:{port}/postgres"
    try:
        for _ in range(200):
            if subprocess.run(["psql", url, "-c", "select 1"], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            sys.exit(f"the PostgreSQL server in {directory} did not answer within 20 s")
        yield url
    finally:
        subprocess.run(prefix + [binaries + "/pg_ctl", "-D", data, "-m", "immediate", "stop"], capture_output=True)
        server.wait()
        shutil.rmtree(directory, ignore_errors=True)


def query(url, sql):
    """The rows of a query, as lists of text."""
    text = subprocess.run(["psql", url, "-XAtc", sql], check=True, capture_output=True, text=True).stdout
    return [line.split("|") for line in text.splitlines()]


def generate(brokers, *arguments):
    subprocess.run(
        [BINARY, "generate", "telemetry", "--brokers", brokers, *arguments], check=True, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Run:
    """A finished process: seconds, CPU seconds, peak memory, output."""

    def __init__(self, arguments, settings):
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(arguments, stdout=output, stderr=errors, env=environment(**settings))
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds = time.monotonic() - started
            self.code = os.waitstatus_to_exitcode(status)
            self.cpu = usage.ru_utime + usage.ru_stime
            self.peak_bytes = usage.ru_maxrss * 1024
            output.seek(0)
            errors.seek(0)
            self.output, self.errors = output.read(), errors.read()
        if self.code != 0:
            sys.exit(f"{arguments} ended with {self.code}:\n{self.errors[-4000:]}")


def weir_until_end(sql, **settings):
    """Runs a job up to the ends of its topics; returns the run and its summary."""
    directory = tempfile.mkdtemp(prefix="weir-bench-")
    try:
        path = directory + "/bench.sql"
        pathlib.Path(path).write_text(sql)
        settings = {"WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_DIR": directory + "/checkpoints",
                    "WEIR_LOG_LEVEL": "warning", **settings}
        run = Run([BINARY, "run", path, "--until-end"], settings)
        return run, json.loads(run.output)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def spread(values, form="{:.2f}"):
    """`median [least..greatest]`."""
    return f"{form.format(statistics.median(values))} [{form.format(min(values))}..{form.format(max(values))}]"


def resident_bytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def api(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return json.load(answer)


class Job:
    """`weir run` of a file until it is killed or stopped; `with` kills it."""

    def __init__(self, path, **settings):
        self.port = free_port()
        self.name = pathlib.Path(path).stem
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [BINARY, "run", str(path)],
            env=environment(**{"WEIR_HTTP_PORT": str(self.port), "WEIR_LOG_LEVEL": "error", **settings}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """As an operator does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()

    def status(self):
        """What the API says of the job; `None` while there is no answer."""
        try:
            return api(self.port, f"/api/v1/jobs/{self.name}")
        except (OSError, json.JSONDecodeError):
            return None

    def lane_jobs(self):
        """How many jobs of all lanes took at most so many seconds, by the bounds of the histogram."""
        found = {}
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("weir_lane_job_duration_seconds_bucket"):
                    bound = float(line.split('le="')[1].split('"')[0])
                    found[bound] = found.get(bound, 0) + int(line.split()[-1])
        return found

    def wait_for(self, what, condition, seconds=300):
        """Asks again and again until `condition` of the status is true; returns its value."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.status()
            value = found and condition(found)
            if value:
                return value
            if self.process.poll() is not None:
                sys.exit(f"the job ended with {self.process.returncode} while {what} was awaited")
            time.sleep(0.01)
        sys.exit(f"still waiting for {what} after {seconds} s")

    def wait_until_running(self):
        self.wait_for("the start", lambda found: found["state"] == "running")

    def wait_for_commit(self, after=0):
        """Waits until every sink holds a newer checkpoint than `after`."""
        self.wait_for("a commit", lambda found: committed(found) > after)


def committed(status):
    """The newest checkpoint that every sink holds; 0 when there is none."""
    return min((sink["committed_checkpoint"] for sink in status["sinks"]), default=0)


def numbers(text):
    """`1,2,3` as whole numbers, for argparse."""
    return [int(word.replace("_", "")) for word in text.split(",")]


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"


def add_outputs(parser):
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file")
    parser.add_argument("--chart", metavar="FILE.svg", help="draw them")


def write_outputs(options, figures, pictures):
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"machine": machine(), **figures}, indent=2) + "\n")
    if options.chart:
        pathlib.Path(options.chart).write_text(charts.picture(pictures))
