"""What the benchmark scripts share: start a broker, a PostgreSQL and the release binary, and read what they cost."""

import contextlib
import importlib.util
import json
import os
import pathlib
import pwd
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("WEIR_BINARY", str(ROOT / ".build" / "release" / "weir"))
JUDGES = ROOT / ".build" / "judges" / "python" / "bin" / "python"
POSTGRES_BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1:]


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


def api(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return json.load(answer)
