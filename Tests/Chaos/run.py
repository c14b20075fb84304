#!/usr/bin/env python3
"""Chaos on the real thing: the release binary between a Kafka broker, PostgreSQL, an S3 server and a REST catalog.

While a seeded workload runs, everything is killed, stopped, cut off, slowed down, filled up, damaged, started twice.
In the end every sink must hold exactly what plain Python computes from the topic. Run it in the judges' environment:

    ./weir test …                                            installs it into .build/judges (once)
    .build/judges/python/bin/python Tests/Chaos/run.py       a minute and a half
    … Tests/Chaos/run.py --kills 200 --faults kill           only SIGKILL, 200 times
    … Tests/Chaos/run.py --seed 7 --rounds 100 --kills 60    100 faults beside 60 kills
    … Tests/Chaos/run.py --fetch native                      only with Weir's own fetch client

WEIR_TEST_KAFKA=host:port takes the place of the development broker. WEIR_BINARY is the binary, by default the release
build. A seed fixes the records, the choice of faults and who fetches records at each start of the job; when exactly
faults strike is up to the machine. Exit codes:
0 right, 1 something is wrong with Weir, 2 the run could not be made, or, with --strict, not with every chosen fault.
"""
import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import doctor
import faults
import kafka_client
import verify
import workload
from bench import Broker, Catalog, ChaosError, Job, ObjectStore, Postgres, eventually, small_disk
from proxy import KafkaProxy, Loop, Proxy

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTITIONS = 4
FETCHES = ["librdkafka", "native"]
FINDINGS_MAX = 20
METADATA_FILES = 2
SETTINGS = {
    "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_INTERVAL": "200ms", "WEIR_CHECKPOINT_TIMEOUT": "10s",
    "WEIR_MAX_RESTARTS": "1000", "WEIR_RESTART_BACKOFF_MAX": "1s", "WEIR_PARALLELISM": "2", "WEIR_DISCOVERY_INTERVAL": "2s",
    "WEIR_MAINTENANCE_INTERVAL": "1s", "WEIR_MAINTENANCE_FILES": "6", "WEIR_SNAPSHOT_RETENTION": "5s",
    "WEIR_ORPHAN_INTERVAL": "5s", "WEIR_ORPHAN_GRACE": "3650d",
}


class TooMuch(Exception):
    """So much is wrong that going on would say nothing new."""


class Run:
    """The bench, the job that should be running, and what was found."""

    def __init__(self, options):
        self.options, self.random = options, random.Random(options.seed)
        # Numbers of its own, so that the faults do not depend on who fetches.
        self.clients, self.fetches = random.Random(f"fetch {options.seed}"), collections.Counter()
        self.binary = os.environ.get("WEIR_BINARY") or ROOT + "/.build/release/weir"
        if not os.access(self.binary, os.X_OK):
            raise ChaosError(f"there is no {self.binary}: build it with ./weir --version")
        self.directory = options.keep or tempfile.mkdtemp(prefix="weir-chaos-")
        os.makedirs(self.directory, exist_ok=True)
        # PostgreSQL runs as a user of its own when this runs as root, and its directory is in here.
        os.chmod(self.directory, 0o755)
        self.injected, self.left_out, self.findings = collections.Counter(), {}, []
        self.starts, self.began, self.job, self.broker, self.is_done = 0, time.monotonic(), None, None, False
        self.recoveries, self.settings = [], dict(setting.split("=", 1) for setting in options.set)

    def say(self, text):
        if not self.options.quiet:
            print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def find(self, what, job=None):
        """Notes something that is wrong with Weir."""
        where = f" [{job.log}, fetch = '{job.fetch}': {job.last_line()}]" if job else ""
        self.findings.append(what + where)
        self.say(f"WRONG: {what}{where}")
        if len(self.findings) >= FINDINGS_MAX:
            raise TooMuch

    # MARK: The bench

    def set_up(self):
        self.disk = self.directory + "/disk"
        os.makedirs(self.disk)
        if problem := small_disk(self.disk, self.options.disk_size):
            self.leave_out("disk", problem)
        self.clock_file = self.build_clock()
        self.postgres = Postgres(self.directory + "/postgres")
        self.store = ObjectStore(self.directory)
        self.set_up_kafka()
        self.set_up_proxies()
        # The catalog tells the job where S3 is: through the proxy, like everything else.
        self.catalog = Catalog(
            self.binary, self.directory, self.environment({}, self.proxies["s3"].port), self.postgres.url())
        self.proxies["catalog"].target = ("127.0.0.1", self.catalog.port)
        self.checkpoints, self.made = self.disk + "/checkpoints-1", 1
        self.pipeline = self.directory + "/chaos.sql"
        with open(self.pipeline, "w") as file:
            file.write(workload.PIPELINE.format(
                topic=self.topic, catalog=f"http://127.0.0.1:{self.proxies['catalog'].port}", versions=METADATA_FILES))

    def set_up_kafka(self):
        self.topic = f"weir-chaos-{os.getpid()}-{self.options.seed}"
        bootstrap = os.environ.get("WEIR_TEST_KAFKA")
        if not bootstrap:
            self.broker = Broker(self.binary, self.environment({}), f"{self.topic}:{PARTITIONS}")
            bootstrap = self.broker.bootstrap
        else:
            kafka_client.producer(bootstrap).make_topic(self.topic, PARTITIONS)
        self.bootstrap = bootstrap
        self.postgres.topic = self.topic

    def set_up_proxies(self):
        loop = Loop()
        self.proxies = {"postgres": Proxy(loop, "postgres", ("127.0.0.1", self.postgres.port)),
                        "s3": Proxy(loop, "s3", ("127.0.0.1", self.store.port)),
                        "catalog": Proxy(loop, "catalog", None)}
        brokers = kafka_client.consumer(self.bootstrap).advertised()
        self.brokers = self.bootstrap
        if all(host in ("127.0.0.1", "localhost") for host, _ in brokers):
            proxies = [KafkaProxy(loop, broker) for broker in brokers]
            ports = {port: proxy.port for (_, port), proxy in zip(brokers, proxies)}
            for number, proxy in enumerate(proxies):
                proxy.ports = ports
                self.proxies["kafka" if number == 0 else f"kafka-{number + 1}"] = proxy
            self.brokers = f"127.0.0.1:{proxies[0].port}"
        else:
            self.say(f"Kafka's connections are NOT cut: its brokers say that they are at {brokers}, not on this machine")
            if not self.broker:
                self.leave_out("broker", "the brokers cannot be reached through a proxy, and are not ours to stop")

    def build_clock(self):
        library, clock = self.directory + "/clock_shim.so", self.directory + "/clock"
        with open(clock, "wb") as file:
            file.write(struct.pack("<q", 0))
        compiler = next(filter(shutil.which, ("clang", "cc", "gcc")), None)
        answer = compiler and subprocess.run(
            [compiler, "-shared", "-fPIC", "-O2", "-o", library, HERE + "/clock_shim.c"], capture_output=True, text=True)
        if not answer or answer.returncode != 0:
            self.leave_out("clock", answer.stderr if answer else "there is no C compiler")
            return None
        self.shim = {"LD_PRELOAD": library, "CHAOS_CLOCK_FILE": clock}
        return clock

    def leave_out(self, kind, reason):
        self.left_out[kind] = reason
        if kind in self.options.faults:
            print(f"NOT RUN: the fault '{kind}' is left out: {reason}", file=sys.stderr, flush=True)

    def set_clock(self, seconds):
        with open(self.clock_file, "r+b") as file:
            file.write(struct.pack("<q", seconds))

    def environment(self, settings, store_port=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEIR_", "AWS_"))}
        store = self.store.environment(store_port) if store_port else {}
        return kept | store | settings

    def job_environment(self, directory):
        ports = {name: proxy.port for name, proxy in self.proxies.items()}
        settings = SETTINGS | {
            "WEIR_KAFKA_BROKERS": self.brokers, "WEIR_POSTGRES_URL": self.postgres.url(ports["postgres"]),
            "WEIR_CHECKPOINT_DIR": directory, "WEIR_WAREHOUSE": self.disk + "/warehouse"} | self.settings
        return self.environment(settings, ports["s3"]) | (self.shim if self.clock_file else {})

    # MARK: The job

    def manifests(self):
        """A pattern for the manifests of the job's checkpoints."""
        return self.checkpoints + "/*/checkpoints/*/manifest"

    def table_metadata(self):
        """A pattern for the metadata files of the table in the file-system catalog."""
        return self.disk + "/warehouse/chaos/windows/metadata/v*.metadata.json"

    def new_checkpoints(self):
        self.made += 1
        return f"{self.disk}/checkpoints-{self.made}"

    def start(self, directory, *flags):
        self.starts += 1
        # Offsets mean the same to both, so that one goes on where the other was.
        fetch = self.clients.choice(FETCHES) if self.options.fetch == "both" else self.options.fetch
        self.fetches[fetch] += 1
        job = Job([self.binary, "run", self.pipeline, "--job", "chaos", *flags],
                  self.job_environment(directory) | {"CHAOS_FETCH": fetch}, f"{self.directory}/job-{self.starts:04}.log")
        job.allowed, job.fetch = None, fetch
        return job

    def up(self):
        """The job that should be running; starts it, and says so when it ended by itself."""
        if self.job is not None and not self.job.is_running and not getattr(self.job, "retired", False):
            self.retire(self.job)
        if self.job is None or not self.job.is_running:
            self.job = self.start(self.checkpoints)
        return self.job

    def retire(self, job, codes=(-9,), says=None, allows=None):
        """Looks at a process that has ended: its exit code, its last words, and what it logged as critical."""
        if getattr(job, "retired", False):
            return
        job.retired, code = True, job.process.poll()
        last = job.last_line()
        if code not in codes:
            self.find(f"a process ended with {code}, expected {codes}", job)
        elif says and code == 3 and not re.search(says, last, re.IGNORECASE):
            self.find(f"a process ended with code 3, but not for the expected reason ({says})", job)
        self.read_log(job, allows)

    def read_log(self, job, allows=None):
        allowed = allows or job.allowed
        for level, line in job.lines():
            if level == "critical" and not (allowed and re.search(allowed, line)):
                self.find(f"logged as critical: {line}")
            if "Fatal error" in line or "Sanitizer" in line or "stack dump" in line.lower():
                self.find(f"crashed: {line}", job)

    def settle(self, seconds=90, flows=True):
        """Waits until every sink has committed something new, from newly read records: the fault is survived."""
        begin, job, first = time.monotonic(), self.up(), None
        while time.monotonic() - begin < seconds:
            if not job.is_running:
                self.retire(job, codes=())
                job, first = self.up(), None
            now = job.progress()
            first = first or now
            # Two checkpoints later at least, because the first may have been under way.
            if now and now[0] > first[0] + 1 and (now[1] > first[1] or not flows):
                self.recoveries.append(time.monotonic() - begin)
                return f"goes on after {time.monotonic() - begin:.1f} s"
            time.sleep(0.05)
        self.find(f"no sink got anything for {seconds} s after everything was mended", job)
        job.kill()
        self.retire(job)
        return "does NOT go on"

    # MARK: The course of things

    def deck(self):
        """The kinds of faults in the order in which they come: each at least once, kills in between."""
        kinds = [kind for kind in self.options.faults if kind != "kill" and kind not in self.left_out]
        others = []
        while kinds and len(others) < self.options.rounds:
            others += self.random.sample(kinds, len(kinds))
        others = others[:max(self.options.rounds, 0)] if kinds else []
        cards = others + ["kill"] * (self.options.kills if "kill" in self.options.faults else 0)
        self.random.shuffle(cards)
        return cards

    def inject(self, kind):
        self.injected[kind] += 1
        try:
            detail = faults.KINDS[kind](self)
        finally:
            for proxy in self.proxies.values():
                proxy.disarm()
                proxy.set()
        self.say(f"{kind:9} {detail}")

    def course(self):
        producer = workload.Producer(self.bootstrap, self.topic, self.options.seed, PARTITIONS, self.options.rate)
        producer.start()
        self.up()
        for kind in self.deck():
            self.inject(kind)
        self.calm()
        self.written = producer.finish()
        self.say(f"all faults are over; {self.written} records were written")

    def calm(self):
        """Lets both Iceberg tables forget the metadata files of the time of faults, without maintenance.

        What an expiry that died has left is an orphan only when no metadata file names its snapshots any more.
        """
        self.settle()
        self.stop_job()
        self.settings |= {"WEIR_MAINTENANCE": "off"}
        job, seen = self.up(), {"lake": set(), "window_history": set()}

        def enough():
            for (name, labels), value in job.metrics().items():
                sink = dict(labels).get("sink")
                if name == "weir_sink_rows_total" and sink in seen:
                    seen[sink].add(value)
            return not job.is_running or all(len(values) > METADATA_FILES + 1 for values in seen.values())

        eventually("some commits of both Iceberg tables", enough, 120)
        self.settle()

    def stop_job(self):
        """Ends the job by SIGTERM."""
        eventually("the start of the job", lambda: self.job.find_address() or not self.job.is_running)
        self.job.signal(signal.SIGTERM)
        if self.job.wait(60) is None:
            self.find("SIGTERM did not end the job within 60 s", self.job)
            self.job.kill()
        self.retire(self.job, codes=(0,))

    def finish(self):
        """Reads to the end, ends by SIGTERM, fires what is left, and gives the content that the sinks must have."""
        expected = workload.Expected.read(kafka_client.consumer(self.bootstrap), self.topic, PARTITIONS)
        if sum(expected.ends.values()) != self.written:
            self.say(f"the topic holds {sum(expected.ends.values())} records, {self.written} were written: what counts "
                     "is the topic")
        job = self.up()

        def at_the_end():
            found = {int(dict(labels)["partition"].rsplit("/", 1)[1]): value
                     for (name, labels), value in job.metrics().items() if name == "weir_source_next_offset"}
            return found == expected.ends

        try:
            eventually("the end of the topic", lambda: at_the_end() or not job.is_running, 300)
        except ChaosError as problem:
            self.find(str(problem), job)
        self.settle(flows=False)
        self.complain(verify.accounting(job.metrics(), expected))
        self.stop_job()
        for _ in range(3 if "kill" in self.options.faults else 0):
            # The end is an interval, too: windows fire, a last checkpoint and its commits follow.
            last = self.start(self.checkpoints, "--until-end")
            if last.wait(self.random.uniform(0.02, 0.4)) is None:
                last.kill()
                self.injected["kill"] += 1
            self.retire(last, codes=(0, -9))
        last = self.start(self.checkpoints, "--until-end")
        if last.wait(180) is None:
            self.find("--until-end did not end within 180 s", last)
            last.kill()
        self.retire(last, codes=(0,))
        return expected

    def complain(self, complaints):
        """Notes what the check found, and of each kind of complaint only some."""
        kinds = collections.Counter()
        for complaint in complaints:
            kind = " ".join(complaint.split()[:5])
            kinds[kind] += 1
            if kinds[kind] <= 3:
                self.find(complaint)
        for kind, count in kinds.items():
            if count > 3:
                self.find(f"{kind} …: {count - 3} more")

    def maintain(self):
        """What crashes left behind is removed by weir maintain, and then nothing is left."""
        command = [self.binary, "maintain", self.pipeline, "--job", "chaos", "--orphans", "--older-than", "0s", "--json"]
        environment = self.job_environment(self.checkpoints)
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        if answer.returncode != 0:
            self.find(f"weir maintain ended with {answer.returncode}: {answer.stderr[-500:]}")
        with open(self.directory + "/maintain.json", "w") as file:
            file.write(answer.stdout)

    def check(self, expected, orphans=False):
        return verify.postgres(self.postgres, expected) + verify.iceberg(
            self.directory, self.disk + "/warehouse", self.catalog.port, self.store, expected, orphans)

    def report(self, expected):
        rows = {"records": sum(expected.ends.values()), "lake": len(expected.rows), "windows": len(expected.windows),
                "late": len(expected.late), "dead": len(expected.dead)} if expected else {}
        result = {
            "verdict": "wrong" if self.findings else "right", "seed": self.options.seed, "findings": self.findings,
            "faults": {kind: self.injected[kind] for kind in faults.KINDS if kind in self.options.faults},
            "not_run": {kind: reason for kind, reason in self.left_out.items() if kind in self.options.faults},
            "processes": self.starts, "fetch": dict(sorted(self.fetches.items())),
            "seconds": round(time.monotonic() - self.began, 1),
            "slowest_recovery_seconds": round(max(self.recoveries, default=0), 1), "rows": rows,
            "command": command_of(self.options)}
        if self.options.json:
            print(json.dumps(result, indent=2))
        else:
            print_table(result)
        return result

    def tear_down(self):
        if self.broker is None and not self.findings and getattr(self, "bootstrap", None):
            try:
                kafka_client.producer(self.bootstrap).remove_topic(self.topic)
            except kafka_client.KafkaError as problem:
                print(problem, file=sys.stderr)
        for one in (self.job, getattr(self, "catalog", None), getattr(self, "store", None), self.broker,
                    getattr(self, "postgres", None)):
            if one is not None and one.process is not None and one.process.poll() is None:
                one.process.kill()
                one.process.wait()
        if self.is_done and not self.findings and not self.options.keep:
            # The small disk is unmounted with this process's namespace.
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            print(f"logs are in {self.directory}", file=sys.stderr)


def print_table(result):
    print("\nfault      times")
    for kind, times in result["faults"].items():
        reason = result["not_run"].get(kind)
        print(f"{kind:9}  {times:5}{'  NOT RUN: ' + reason if reason else ''}")
    print("\n" + ", ".join(f"{number} {name}" for name, number in result["rows"].items()))
    clients = ", ".join(f"{number} with fetch = '{name}'" for name, number in result["fetch"].items())
    print(f"{result['processes']} processes ({clients}), {result['seconds']} s, slowest recovery "
          f"{result['slowest_recovery_seconds']} s")
    for finding in result["findings"]:
        print(f"WRONG: {finding}")
    print(f"verdict: {result['verdict']}    seed: {result['seed']}\nagain: {result['command']}")


def command_of(options):
    return (f"Tests/Chaos/run.py --seed {options.seed} --kills {options.kills} --rounds {options.rounds} "
            f"--faults {','.join(options.faults)} --rate {options.rate} --fetch {options.fetch}"
            + "".join(f" --set {setting}" for setting in options.set))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="default: drawn")
    parser.add_argument("--kills", type=int, default=10, help="SIGKILLs; default 10")
    parser.add_argument("--rounds", type=int, help="other faults; default: each kind once")
    parser.add_argument("--faults", default=",".join(faults.DEFAULTS),
                        help="default: %(default)s; also there: dead")
    parser.add_argument("--rate", type=int, default=1000, help="records a second; default 1000")
    parser.add_argument("--fetch", choices=[*FETCHES, "both"], default="both",
                        help="who fetches records; default both: one of them, drawn at every start of the job")
    parser.add_argument("--disk-size", default="512m", help="of the small disk, as mount takes it; default 512m")
    parser.add_argument("--prove", action="store_true", help="afterwards damage each sink by hand: the check must see it")
    parser.add_argument("--strict", action="store_true", help="end with 2 when a chosen fault cannot be made here")
    parser.add_argument("--set", action="append", default=[], metavar="WEIR_NAME=VALUE", help="a setting of the job")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="do not tell about every fault")
    parser.add_argument("--keep", metavar="DIRECTORY", help="where servers and logs are kept")
    options = parser.parse_args()
    options.faults = options.faults.split(",")
    if unknown := set(options.faults) - set(faults.KINDS):
        parser.error(f"unknown faults: {', '.join(sorted(unknown))}; there are {', '.join(faults.KINDS)}")
    if options.rounds is None:
        options.rounds = len([kind for kind in options.faults if kind != "kill"])
    options.quiet = options.quiet or options.json
    return options


def main():
    options = parse()
    run = None
    try:
        run = Run(options)
        run.say(command_of(options))
        run.set_up()
        expected = None
        try:
            run.course()
            expected = run.finish()
            run.maintain()
            run.complain(run.check(expected))
            if options.prove:
                run.complain(doctor.prove(run, expected))
        except TooMuch:
            pass
        run.is_done = True
        result = run.report(expected)
        if result["verdict"] != "right":
            return 1
        if options.strict and result["not_run"]:
            print(f"chaos: --strict, and not run: {', '.join(result['not_run'])}", file=sys.stderr)
            return 2
        return 0
    except (ChaosError, kafka_client.KafkaError, OSError, subprocess.SubprocessError, RuntimeError) as problem:
        traceback.print_exc()
        print(f"chaos: the run could not be made: {problem}\nagain: {command_of(options)}", file=sys.stderr)
        return 2
    finally:
        if run:
            run.tear_down()


if __name__ == "__main__":
    sys.exit(main())
