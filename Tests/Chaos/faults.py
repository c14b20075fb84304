"""What goes wrong, one function a kind. Each breaks something, mends it, and leaves a job that runs or may be started.

A function returns what it did, for the log. What Weir does wrong on the way is told to `run.find`.
"""
import glob
import os
import re
import shutil
import signal
import time

from bench import FileWatch, eventually

CONFLICT = r"another instance owns the job"
LOCKED = r"process \d+ runs this job already"
DAMAGED = r"newer checkpoints are damaged"
UNUSABLE = r"no checkpoint can be used|damaged|corrupt|checksum"
NO_SPACE = r"No space left|no space"


# MARK: The process

def kill(run):
    """SIGKILL: at any moment, right after the start, or at the very moment of a commit, an upload, a checkpoint."""
    moment = run.random.choice(["anywhere", "anywhere", "start", "COMMIT", "catalog", "upload", "checkpoint", "table"])
    return kill_at(run, moment)


def kill_at(run, moment):
    job = run.up()
    if moment == "start":
        # During recovery: of this process, when it has just been started, otherwise of the next one.
        if time.monotonic() - job.started > 0.3:
            job.kill()
            run.retire(job)
            job = run.up()
        time.sleep(run.random.uniform(0, 0.3))
    elif moment == "anywhere":
        time.sleep(run.random.uniform(0.05, 1.5))
    else:
        moment += wait_for_moment(run, job, moment)
    if job.is_running:
        job.kill()
    else:
        job.wait(5)
    run.retire(job)
    run.up()
    return moment


def wait_for_moment(run, job, moment):
    """Arms what kills the job when it does a certain thing, and waits for that."""
    def strike():
        job.process.send_signal(signal.SIGKILL)

    time.sleep(run.random.uniform(0.1, 0.8))
    if moment in ("checkpoint", "table"):
        watch = FileWatch(run.manifests() if moment == "checkpoint" else run.table_metadata(), strike)
        job.wait(6)
        watch.ends = True
        return "" if watch.seen else " (did not come)"
    proxy = {"COMMIT": run.proxies["postgres"], "catalog": run.proxies["catalog"], "upload": run.proxies["s3"]}[moment]
    pattern = {"COMMIT": b"COMMIT", "catalog": b"POST /", "upload": b"PUT /"}[moment]
    proxy.arm(pattern, strike, passes=run.random.random() < 0.5)
    job.wait(6)
    return " (did not come)" if proxy.disarm() else ""


def term(run):
    """SIGTERM: a last checkpoint, its commits, exit code 0."""
    job = run.up()
    time.sleep(run.random.uniform(0, 1))
    # A signal that comes before the handlers are there ends any process; wait until it says that it is up.
    eventually("the start of the job", lambda: job.find_address() or not job.is_running)
    job.signal(signal.SIGTERM)
    code = job.wait(60)
    if code is None:
        run.find("SIGTERM did not end the job within 60 s", job)
        job.kill()
    run.retire(job, codes=(0,))
    run.up()
    return f"exit code {code}"


def stop(run):
    """SIGSTOP for so long that it looks dead, then SIGCONT."""
    job, seconds = run.up(), run.random.uniform(1, 3)
    job.signal(signal.SIGSTOP)
    time.sleep(seconds)
    job.signal(signal.SIGCONT)
    return f"{seconds:.1f} s, {run.settle()}"


# MARK: Connections

def cut(run):
    """Connections are reset, fall silent, are refused, or break exactly when a commit is under way."""
    run.up()
    name = run.random.choice(sorted(run.proxies))
    proxy = run.proxies[name]
    way = run.random.choice(["reset", "silence", "refused", "at a request", "at an answer"])
    if name == "kafka" and way.startswith("at "):
        way = "reset"
    if way == "reset":
        for _ in range(3):
            proxy.cut()
            time.sleep(run.random.uniform(0.05, 0.5))
    elif way in ("silence", "refused"):
        proxy.set(silent=way == "silence", refuses=way == "refused")
        time.sleep(run.random.uniform(0.5, 2.5))
        proxy.set()
    else:
        pattern = {"postgres": b"COMMIT", "catalog": b"POST /", "s3": b"PUT /"}[name]
        for _ in range(3):
            proxy.arm(pattern, passes=way == "at an answer")
            eventually("a commit to cut", lambda: proxy.pattern is None or not run.job.is_running, 60)
        proxy.disarm()
    return f"{name}, {way}, {run.settle()}"


def dead(run):
    """All connections of one kind are half-open for good: nobody says so, only time limits help. Not among the defaults."""
    run.up()
    name = run.random.choice(sorted(run.proxies))
    count = run.proxies[name].deaden()
    return f"{count} connections to {name}, {run.settle(400)}"


def slow(run):
    """Every piece of one connection's bytes waits."""
    run.up()
    name, delay = run.random.choice(sorted(run.proxies)), run.random.uniform(0.02, 0.25)
    run.proxies[name].set(delay=delay)
    time.sleep(run.random.uniform(1, 2.5))
    run.proxies[name].set()
    return f"{name}, {delay * 1000:.0f} ms, {run.settle()}"


# MARK: What stands around

def postgres(run):
    """The server is shut down as a crash would, or throws everybody out."""
    run.up()
    if run.random.random() < 0.3:
        run.postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                           "AND backend_type = 'client backend'")
        return f"sessions ended, {run.settle()}"
    seconds = run.random.uniform(0, 2)
    run.postgres.stop_immediately()
    time.sleep(seconds)
    run.postgres.start()
    return f"away for {seconds:.1f} s, {run.settle()}"


def s3(run):
    """The object store stands still for a while."""
    run.up()
    seconds = run.random.uniform(1, 3)
    run.store.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        run.store.process.send_signal(signal.SIGCONT)
    return f"still for {seconds:.1f} s, {run.settle()}"


def catalog(run):
    """The REST catalog is killed and started again."""
    run.up()
    seconds = run.random.uniform(0, 1.5)
    run.catalog.kill()
    time.sleep(seconds)
    run.catalog.start()
    return f"away for {seconds:.1f} s, {run.settle()}"


def broker(run):
    """The broker is away, and comes back with everything that it had."""
    run.up()
    seconds = run.random.uniform(0.5, 2.5)
    if run.broker:
        run.broker.tell("down")
        time.sleep(seconds)
        run.broker.tell("up")
        way = "down"
    else:
        proxies = [proxy for name, proxy in run.proxies.items() if name.startswith("kafka")]
        for proxy in proxies:
            proxy.set(refuses=True)
        time.sleep(seconds)
        for proxy in proxies:
            proxy.set()
        way = "refused"
    return f"{way} for {seconds:.1f} s, {run.settle()}"


def disk(run):
    """The disk of checkpoints and of a warehouse is full for a while; sometimes the job dies and starts meanwhile."""
    job, ballast = run.up(), run.disk + "/ballast"
    seconds, dies = run.random.uniform(1, 3), run.random.random() < 0.4
    with open(ballast, "wb") as file:
        fill(file)
        begin = time.monotonic()
        time.sleep(seconds / 2)
        if dies:
            job.kill()
            run.retire(job)
            job = run.up()
        while time.monotonic() - begin < seconds and job.is_running:
            fill(file)
            time.sleep(0.05)
    os.remove(ballast)
    # A process that cannot even count its attempt says so and ends; whoever looks after it starts it again.
    if dies and job.wait(0.5) is not None:
        run.retire(job, codes=(3,), says=NO_SPACE)
    return f"full for {seconds:.1f} s{', killed meanwhile' if dies else ''}, {run.settle()}"


def fill(file):
    """Takes what is free, to the last block."""
    block = 1 << 20
    while block >= 4096:
        try:
            os.write(file.fileno(), bytes(block))
        except OSError:
            block //= 4


def clock(run):
    """The wall clock is set, forwards and backwards, while the monotonic clock stays true."""
    run.up()
    shifts = run.random.sample([3600, -3600, 86_400, -7 * 86_400, 40 * 86_400, -400 * 86_400, 1, -1], 3)
    for shift in shifts + [0]:
        run.set_clock(shift)
        time.sleep(run.random.uniform(0.2, 0.8))
    return f"{shifts} s, {run.settle()}"


# MARK: Checkpoints

def corrupt(run):
    """A byte of the newest checkpoint flips while the job is dead.

    Either an older checkpoint is restored, loudly, or the job refuses to start, because the sinks are ahead of that one
    already; then the byte is put right, as if from a copy.
    """
    job = run.up()
    eventually("checkpoints", lambda: len(glob.glob(run.manifests())) > 1 or not job.is_running)
    if run.random.random() < 0.6:
        # No sink gets this checkpoint, as far as that can be arranged: then the one before it will do.
        for name in ("postgres", "catalog"):
            run.proxies[name].set(silent=True)
        watch = FileWatch(run.manifests(), lambda: job.process.send_signal(signal.SIGKILL))
        job.wait(10)
        watch.ends = True
        for name in ("postgres", "catalog"):
            run.proxies[name].set()
    job.kill()
    run.retire(job)
    target = choose_file(run)
    position = flip(target, run.random.randrange(os.path.getsize(target)))
    outcome = outcome_of_damage(run, target, lambda: flip(target, position))
    return f"{os.path.basename(target)}, byte {position}: {outcome}, {run.settle()}"


def choose_file(run):
    manifests = glob.glob(run.manifests())
    newest = os.path.dirname(max(manifests, key=lambda path: int(path.split("/")[-2])))
    # Large epochs are files of their own: --rate 4000 --set WEIR_CHECKPOINT_INTERVAL=4s shows some.
    with open(newest + "/manifest", errors="replace") as file:
        manifest = file.read()
    pending = [name for name in glob.glob(run.checkpoints + "/*/pending/*") if os.path.basename(name) in manifest]
    files = sorted(name for name in glob.glob(newest + "/*") if os.path.getsize(name) > 0)
    return run.random.choice(sorted(pending) if pending and run.random.random() < 0.7 else files)


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0x10]))
    return position


def outcome_of_damage(run, target, repair):
    job = run.up()

    def said(pattern):
        return any(re.search(pattern, line) for _, line in job.lines())

    eventually("what the job makes of a damaged checkpoint",
               lambda: not job.is_running or said(DAMAGED) or job.progress(), 60)
    if job.wait(1) is None:
        # A pending file may be one that its sink has got already.
        if not said(DAMAGED) and "/pending/" not in target:
            run.find(f"a flipped byte in {target} was not noticed", job)
        job.allowed = DAMAGED
        return "an older one is restored" if said(DAMAGED) else "not needed any more"
    run.retire(job, codes=(3,), says=f"{CONFLICT}|{UNUSABLE}", allows=DAMAGED)
    repair()
    run.up()
    return "refused"


# MARK: Two at once

def twins(run):
    """A second instance: with the same directory, with none, with a copy while the first one sleeps, with a copy at once."""
    way = run.random.choice(["same directory", "no history", "zombie", "race", "copies"])
    return twins_by(run, way)


def twins_by(run, way):
    job = run.up()
    run.settle()
    if way == "same directory":
        refused(run, run.start(run.checkpoints), LOCKED)
    elif way == "no history":
        refused(run, run.start(run.new_checkpoints()), CONFLICT)
    elif way == "zombie":
        zombie(run, job)
    else:
        contest(run, job, way)
    return f"{way}, {run.settle()}"


def refused(run, twin, reason):
    if twin.wait(30) is None:
        run.find(f"a second instance was not refused ({reason})", twin)
        twin.kill()
    run.retire(twin, codes=(3,), says=reason)


def copy_of(run):
    target = run.new_checkpoints()
    shutil.copytree(run.checkpoints, target)
    return target


def zombie(run, job):
    """While the first sleeps, a second one with a copy of its history takes over. The sleeper is fenced when it wakes."""
    job.signal(signal.SIGSTOP)
    former, target = run.checkpoints, copy_of(run)
    twin = run.start(target)
    eventually("the second instance", lambda: (twin.progress() or (0, 0))[0] > 0 or not twin.is_running, 90)
    run.job, run.checkpoints = twin, target
    run.settle()
    job.signal(signal.SIGCONT)
    if job.wait(60) is None:
        run.find("a zombie was not fenced within 60 s", job)
        job.kill()
    run.retire(job, codes=(3,), says=CONFLICT)
    shutil.rmtree(former)


def contest(run, job, way):
    """Two instances with the same history run at once, and whatever stops is started again. One of them must remain."""
    if way == "copies":
        job.kill()
        run.retire(job)
        directories = [run.checkpoints, copy_of(run)]
        jobs = [run.start(directory) for directory in directories]
    else:
        job.signal(signal.SIGSTOP)
        directories = [run.checkpoints, copy_of(run)]
        jobs = [job, run.start(directories[1])]
        job.signal(signal.SIGCONT)
    starts, deadline, quiet_since = 0, time.monotonic() + 90, None
    while time.monotonic() < deadline:
        running = [one.is_running for one in jobs]
        if all(running):
            quiet_since = None
        elif starts < 3 or not any(running):
            index = run.random.choice([i for i in (0, 1) if not running[i]])
            run.retire(jobs[index], codes=(3,), says=CONFLICT)
            jobs[index], starts, quiet_since = run.start(directories[index]), starts + 1, None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > 1:
            break
        time.sleep(0.05)
    else:
        run.find("two instances with the same history went on side by side, or took turns for ever", jobs[0])
    winner = 0 if jobs[0].is_running else 1
    loser = 1 - winner
    if jobs[loser].is_running:
        jobs[loser].kill()
    run.retire(jobs[loser], codes=(3, -9), says=CONFLICT)
    run.job, run.checkpoints = jobs[winner], directories[winner]
    shutil.rmtree(directories[loser])


KINDS = {function.__name__: function for function in (
    kill, stop, term, cut, slow, disk, clock, corrupt, twins, postgres, s3, catalog, broker, dead)}
DEFAULTS = [kind for kind in KINDS if kind != "dead"]
