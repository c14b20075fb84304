"""The processes of a chaos run: the job, a PostgreSQL server, a Kafka broker, an S3 server, Weir's REST catalog."""
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, CLONE_NEWNS, MS_REC, MS_PRIVATE = 1, 0x20000, 0x4000, 0x40000


class ChaosError(Exception):
    """The run itself cannot go on; nothing is said about Weir."""


def dies_with_us():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **options):
    """Starts a process that ends with this one, however this one ends. Only the main thread may call it."""
    return subprocess.Popen(command, preexec_fn=dies_with_us, **options)


def eventually(what, condition, seconds=60, every=0.05):
    """Waits until `condition` gives something true, and returns it."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise ChaosError(f"still waiting for {what} after {seconds} s")
        time.sleep(every)
    return answer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def ask(url, seconds=2):
    """The body of an answer, or None when there is none; also of answers such as 503."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.read().decode()
    except OSError:
        return None


def small_disk(path, size):
    """Mounts a file system of `size` at `path` that only this process and its children see; says why when it cannot."""
    if os.geteuid() != 0:
        return "it needs root"
    if LIBC.unshare(CLONE_NEWNS) or LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    if LIBC.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={size}".encode()):
        return f"no tmpfs: {os.strerror(ctypes.get_errno())}"
    return None


class Postgres:
    """A server with a data directory of its own; as root it runs as the user postgres."""

    def __init__(self, directory):
        self.directory, self.port, self.process = directory, free_port(), None
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            raise ChaosError("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb")
        self.binaries = os.path.dirname(found[-1])
        os.makedirs(directory)
        self.prefix = []
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        with open(directory + "/log", "w") as log:
            subprocess.run(
                self.prefix + [self.binaries + "/initdb", "-D", directory + "/data", "-U", "weir", "-A", "trust",
                               "-E", "UTF8", "--locale=C", "--no-sync"],
                check=True, cwd=directory, stdout=log, stderr=log)
        with open(directory + "/data/postgresql.conf", "a") as settings:
            settings.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
                           "timezone = 'UTC'\nfsync = off\nmax_connections = 100\n")
        self.start()

    def url(self, port=None):
        return f"postgresql://weir@127.0.0.1:{port or self.port}/postgres"

    def start(self):
        death = ["--pdeathsig=KILL"] if self.prefix else []
        with open(self.directory + "/log", "a") as log:
            self.process = spawn(self.prefix + death + [self.binaries + "/postgres", "-D", self.directory + "/data"],
                                 cwd=self.directory, stdout=log, stderr=log)
        eventually("PostgreSQL", self.is_ready)

    def is_ready(self):
        question = [self.binaries + "/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(question).returncode == 0

    def stop_immediately(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)

    def connect(self):
        import psycopg2
        connection = psycopg2.connect(self.url())
        connection.autocommit = True
        return connection

    def query(self, sql):
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


class Broker:
    """`weir broker` with one topic."""

    def __init__(self, binary, environment, topic):
        self.process = spawn([binary, "broker", "--topic", topic], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env=environment, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("bootstrap="):
            raise ChaosError(f"the development broker did not start: {line!r}")
        self.bootstrap = line.strip().removeprefix("bootstrap=")

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()


class ObjectStore:
    """moto's S3 in a process of its own. It keeps everything in memory, so it can be stopped for a while, not killed."""

    KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true"}

    def __init__(self, directory):
        self.port = free_port()
        with open(directory + "/s3.log", "w") as log:
            self.process = spawn([os.path.dirname(sys.executable) + "/moto_server", "-p", str(self.port)], stdout=log,
                                 stderr=log)
        eventually("the S3 server", lambda: accepts(self.port))
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/lake", method="PUT")
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request")
        urllib.request.urlopen(request).read()

    def environment(self, port=None):
        return self.KEYS | {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port or self.port}"}


class Catalog:
    """`weir catalog serve` over a catalog in PostgreSQL and a warehouse in S3."""

    def __init__(self, binary, directory, environment, url):
        self.port, self.log = free_port(), directory + "/catalog.log"
        self.command = [binary, "catalog", "serve", "--catalog", "sql", "--url", url, "--warehouse", "s3://lake/warehouse",
                        "--port", str(self.port)]
        self.environment, self.process = environment, None
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.process = spawn(self.command, stdout=log, stderr=log, env=self.environment)
        eventually("the REST catalog", lambda: accepts(self.port))

    def kill(self):
        self.process.kill()
        self.process.wait()


class Job:
    """One process of the job: `weir run`, its log, its metrics."""

    def __init__(self, command, environment, log):
        self.log = log
        with open(log, "w") as output, open(log + ".out", "w") as answers:
            self.process = spawn(command, stdout=answers, stderr=output, env=environment, stdin=subprocess.DEVNULL)
        self.started, self.address = time.monotonic(), None

    @property
    def is_running(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.is_running:
            self.process.send_signal(number)

    def kill(self):
        """Ends it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.process.send_signal(signal.SIGCONT) if self.is_running else None
        return self.process.wait(30)

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def lines(self):
        """(level, line) of everything that it logged."""
        with open(self.log, errors="replace") as text:
            for line in text:
                parts = line.split(" ", 2)
                yield (parts[1] if len(parts) > 2 and re.match(r"\d{4}-\d\d-\d\dT", parts[0]) else ""), line.rstrip()

    def last_line(self):
        return ([line for _, line in self.lines() if line] or [f"nothing is in {self.log}"])[-1]

    def find_address(self):
        if self.address is None:
            for _, line in self.lines():
                if found := re.search(r"url=(http://[0-9.]+:[0-9]+)", line):
                    self.address = found[1]
        return self.address

    def metrics(self):
        """{(name, labels as a frozenset of pairs): value}; empty while it does not answer."""
        text = ask(self.find_address() + "/metrics") if self.find_address() else None
        found = {}
        for line in (text or "").splitlines():
            if matched := re.match(r"([a-z_]+)(?:\{(.*)\})? ([-+.0-9e]+)$", line):
                labels = frozenset(re.findall(r'(\w+)="([^"]*)"', matched[2] or ""))
                found[matched[1], labels] = float(matched[3])
        return found

    def progress(self):
        """(the checkpoint that all sinks hold, the records read); None while it does not answer.

        Asked of the API, which tells of this moment; metrics are up to a second old.
        """
        text = ask(self.find_address() + "/api/v1/jobs/chaos") if self.find_address() else None
        try:
            status = json.loads(text or "{}")
        except ValueError:
            return None
        committed = [sink.get("committed_checkpoint") or 0 for sink in status.get("sinks") or []]
        read = [partition.get("next_offset") or 0 for partition in status.get("partitions") or []]
        return (min(committed), sum(read)) if committed and read else None


class FileWatch(threading.Thread):
    """Calls `action` as soon as there is a new file whose path fits `pattern`."""

    def __init__(self, pattern, action):
        super().__init__(daemon=True)
        self.pattern, self.action, self.seen, self.ends = pattern, action, False, False
        self.known = set(glob.glob(self.pattern))
        self.start()

    def run(self):
        while not self.ends:
            if set(glob.glob(self.pattern)) - self.known:
                self.seen = True
                return self.action()
            time.sleep(0.0005)
