#!/usr/bin/env python3
"""Plants bugs in a copy of the sources and shows that the simulator finds each of them.

    Tests/PlantedBugs/plant.py [--limit SEEDS] [--only NAME,…] [--json]

Builds the copy in .build/planted (some minutes the first time), checks that no seed fails without a bug, then switches on
one bug after another and counts the seeds until an invariant breaks. The run that broke it is made shorter and repeated, as
`weir sim` would. Exit code 1 when a bug is not found within --limit seeds, when its short run does not repeat, when a seed
fails without any bug, or when a run cannot be made.
"""

import argparse
import json
import os
import re
import select
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from bugs import BUGS

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / ".build" / "planted"
# A seed may take a minute of processor time; longer than this it is only silent when it is blocked.
SILENCE_MAX = 1800
# How a process ends that finds itself in a state that must not be.
CRASHES = (signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE)
SWITCH = """/// Which bug is planted; 0 for none. Only in the copy of the sources that the simulator is tested with.
public enum PlantedBug {
  /// Set once, before the first run, by the one thread that there is.
  public nonisolated(unsafe) static var active = 0
}
"""


def write(path: Path, text: str) -> None:
    """Writes only what has changed, so that the copy is built incrementally."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def planted(path: str, text: str) -> str:
    """The text of a source file with all bugs in it, each behind its switch."""
    original = text
    for number, bug in enumerate(BUGS, start=1):
        for edit in bug.edits:
            if edit.file != path:
                continue
            # Two bugs may change the same line: the later one is put into what the earlier one left.
            if text.count(edit.find) != 1:
                sys.exit(f"{bug.name}: expected once in Sources/{path}, found {text.count(edit.find)} times:\n{edit.find}")
            text = text.replace(edit.find, edit.replace.replace("BUG", f"(PlantedBug.active == {number})"))
    if text != original and not re.search(r"^import Columnar$", text, re.M):
        text = "import Columnar\n" + text
    return text


def copy() -> None:
    """Makes the copy, or brings it up to date."""
    files = {edit.file for bug in BUGS for edit in bug.edits}
    missing = [file for file in files if not (ROOT / "Sources" / file).exists()]
    if missing:
        sys.exit(f"files of bugs are gone: {missing}")
    seen = set()
    for source in (ROOT / "Sources").rglob("*"):
        if not source.is_file():
            continue
        path = source.relative_to(ROOT / "Sources").as_posix()
        seen.add(path)
        target = COPY / "Sources" / path
        if source.suffix == ".swift":
            write(target, planted(path, source.read_text()))
        elif not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    write(COPY / "Sources" / "Columnar" / "PlantedBug.swift", SWITCH)
    for target in (COPY / "Sources").rglob("*"):
        path = target.relative_to(COPY / "Sources").as_posix()
        if target.is_file() and path not in seen and path != "Columnar/PlantedBug.swift":
            target.unlink()
    for name in ("Tests", "Benchmarks"):
        link = COPY / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)
    manifest = (ROOT / "Package.swift").read_text()
    target = (
        '  targets: [\n    .executableTarget(\n      name: "PlantedBugs", dependencies: ["Columnar", "SimulationKit"],\n'
        '      path: "Tests/PlantedBugs", exclude: ["bugs.py", "plant.py"], swiftSettings: strict),\n'
    )
    write(COPY / "Package.swift", manifest.replace("  targets: [\n", target, 1))


def build() -> Path:
    command = ["swift", "build", "-c", "release", "--product", "PlantedBugs", "--package-path", str(COPY)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode != 0:
        sys.exit(f"the copy does not build:\n{outcome.stdout[-6000:]}\n{outcome.stderr[-2000:]}")
    return COPY / ".build" / "release" / "PlantedBugs"


class Hunt:
    """What came of one bug: how many seeds ran, what was found (None for nothing), and whether the short run repeats it."""

    def __init__(self, binary: Path, number: int, limit: int):
        self.seeds, self.found, self.said = 0, None, ""
        environment = dict(os.environ, SWIFT_DETERMINISTIC_HASHING="1")
        process = subprocess.Popen([str(binary), str(number), str(limit)], stdout=subprocess.PIPE, env=environment)
        try:
            for line in lines(process.stdout):
                if line.startswith("seed "):
                    self.seeds = int(line.removeprefix("seed "))
                elif line.startswith("found "):
                    self.found = line.removeprefix("found ")
                elif line:
                    self.said = line
            code = process.wait()
        except TimeoutError:
            sys.exit(f"bug {number}, seed {self.seeds}: nothing was printed for {SILENCE_MAX} s; nothing follows from that")
        finally:
            process.kill()
            process.wait()
        self.repeats = code == 0
        if code == 3 or (self.found and code != 0):
            self.said = f"seed {self.seeds}: {self.said or self.found} (it ended with {code})"
        elif code == -signal.SIGXCPU:
            self.found, self.repeats = f"seed {self.seeds} does not end", True
        elif -code in CRASHES:
            self.found, self.repeats = f"the process was ended by {signal.Signals(-code).name}", True
        elif code != 0:
            sys.exit(f"bug {number}, seed {self.seeds}: the process ended with {code}: {self.said}")


def lines(pipe):
    """The lines that come through a pipe, as they come."""
    waiting = b""
    while True:
        if not select.select([pipe], [], [], SILENCE_MAX)[0]:
            raise TimeoutError
        piece = os.read(pipe.fileno(), 65_536)
        *whole, waiting = (waiting + piece).split(b"\n")
        yield from (line.decode() for line in whole)
        if not piece:
            return


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--limit", type=int, default=10000, help="seeds to try for each bug (default: 10000)")
    options.add_argument("--only", default="", help="names of bugs, separated by commas")
    options.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = options.parse_args()
    chosen = [name for name in arguments.only.split(",") if name]
    unknown = set(chosen) - {bug.name for bug in BUGS}
    if unknown:
        options.error(f"no such bug: {', '.join(sorted(unknown))}")
    copy()
    binary = build()
    clean = Hunt(binary, 0, min(300, arguments.limit))
    if clean.found:
        sys.exit(f"without any bug, seed {clean.seeds} fails: {clean.found}")
    print(f"without a bug: {clean.seeds} seeds, every invariant holds", file=sys.stderr)
    results, unrepeated = [], []
    for number, bug in enumerate(BUGS, start=1):
        if chosen and bug.name not in chosen:
            continue
        hunt = Hunt(binary, number, arguments.limit)
        results.append({"bug": bug.name, "what": bug.what, "seeds": hunt.seeds, "found": hunt.found})
        if not hunt.repeats:
            unrepeated.append(f"{bug.name}: {hunt.said}")
        if not arguments.json:
            print(f"{bug.name:30} {hunt.seeds:5}  {hunt.found or 'NOT FOUND'}"[:150], flush=True)
    missed = [result["bug"] for result in results if not result["found"]]
    counts = [result["seeds"] for result in results if result["found"]]
    median = statistics.median(counts) if counts else None
    if arguments.json:
        print(json.dumps({"bugs": results, "found": len(counts), "missed": missed,
                          "unrepeated": unrepeated, "median_seeds": median}))
    else:
        print(f"{len(counts)} of {len(results)} bugs found; median {median} seeds, at most {max(counts, default=0)}")
    if missed:
        sys.exit(f"not found within {arguments.limit} seeds: {', '.join(missed)}")
    if unrepeated:
        sys.exit("found, but made shorter it is not the same when it is repeated:\n" + "\n".join(unrepeated))


if __name__ == "__main__":
    main()
