#!/usr/bin/env python3
"""Micro benchmarks of single parts: CPU time per row, key, message …, each beside its baseline of the same run.

    Benchmarks/micro.py [--only PATTERN] [--json FILE]

Benchmarks/Micro/limits.txt says how many times its baseline's time a part may take. Ends with 1 when one takes more.
"""

import argparse
import csv
import dataclasses
import json
import pathlib
import re
import subprocess
import sys

from harness import ROOT

PACKAGE = ROOT / "Benchmarks" / "Micro"
# As the report writes it, without spaces.
METRIC = "CPUpicosecondsperunit"


@dataclasses.dataclass
class Entry:
    """A line of limits.txt."""
    name: str
    unit: str
    baseline: str | None
    limit: float | None


def read_limits():
    entries = []
    for line in (PACKAGE / "limits.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            name, unit, baseline, limit = words
            entries.append(Entry(name, unit, *((None, None) if baseline == "-" else (baseline, float(limit)))))
    return entries


def selected(entries, pattern):
    """The benchmarks whose name the pattern occurs in, and what they are compared with."""
    found = [entry for entry in entries if re.search(pattern, entry.name)]
    names = {entry.name for entry in found} | {entry.baseline for entry in found}
    return [entry for entry in entries if entry.name in names]


def measure(entries):
    """Builds and runs the package; the least nanoseconds per unit of each benchmark's runs."""
    command = ["swift", "package", "--package-path", str(PACKAGE), "--disable-sandbox", "benchmark",
               "--format", "influx", "--path", "stdout", "--no-progress"]
    for entry in entries:
        command += ["--filter", entry.name]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command[:6])} ended with {run.returncode}:\n{(run.stdout + run.stderr)[-4000:]}")
    results = {}
    for row in csv.reader(run.stdout.splitlines()):
        # The columns before these describe the machine.
        metric, _, name, percentile, value = row[-9:-4] if len(row) >= 9 else [""] * 5
        if metric == METRIC and float(percentile) == 0:
            results[name] = float(value) / 1000
    missing = [entry.name for entry in entries if entry.name not in results]
    if missing:
        sys.exit(f"not measured: {', '.join(missing)}\n{(run.stdout + run.stderr)[-4000:]}")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="PATTERN", help="a regular expression that names contain")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path)
    options = parser.parse_args()
    entries = selected(read_limits(), options.only)
    if not entries:
        sys.exit(f"no benchmark is called like {options.only}; see {PACKAGE / 'limits.txt'}")
    results = measure(entries)
    print("least CPU time of the runs of each; the ratio is to the baseline")
    print(f"{'benchmark':<32}{'ns':>12} per {'unit':<9}{'ratio':>8}{'limit':>8}  {'':<5}baseline")
    report = []
    for entry in entries:
        nanoseconds = results[entry.name]
        line = f"{entry.name:<32}{nanoseconds:>12.{0 if nanoseconds >= 1000 else 1}f} per {entry.unit:<9}"
        ratio = None
        if entry.baseline:
            ratio = nanoseconds / results[entry.baseline]
            verdict = "ok" if ratio <= entry.limit else "OVER"
            line += f"{ratio:>8.2f}{entry.limit:>8g}  {verdict:<5}{entry.baseline}"
        print(line.rstrip())
        report.append({**dataclasses.asdict(entry), "nanoseconds": nanoseconds, "ratio": ratio})
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    over = [line["name"] for line in report if line["ratio"] and line["ratio"] > line["limit"]]
    if over:
        sys.exit(f"over the limit: {', '.join(over)}")


main()
