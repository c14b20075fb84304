#!/usr/bin/env python3
"""Compares Weir's Parquet writer with PyArrow's on the same telemetry rows: CPU time on one thread, size.

    Benchmarks/parquet.py [--rows N] [--repetitions N]

Builds the product ParquetEncoding, which runs Weir's writer. Prints a table; every file is read back with PyArrow and
compared with the rows. Needs PyArrow, which is among the independent readers that `./weir test` installs.
"""
import argparse
import importlib.util
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

from harness import ROOT, with_judges

with_judges("pyarrow")
import pyarrow
import pyarrow.parquet

PROGRAM = ROOT / ".build" / "release" / "ParquetEncoding"
BATCH_ROWS = 4096
KEYS = 10_000


def build():
    command = ["swift", "build", "-c", "release", "--product", "ParquetEncoding", "--package-path", str(ROOT)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode != 0:
        sys.exit(f"ParquetEncoding does not build:\n{outcome.stdout[-4000:]}{outcome.stderr[-2000:]}")


def make_rows(count):
    source = random.Random(7)
    key = [source.randrange(KEYS) for _ in range(count)]
    moment = [(1_767_882_600_123 + i // 1000 - source.randrange(2000)) * 1000 for i in range(count)]
    names = pyarrow.array([f"s-{i:06d}" for i in range(KEYS)])
    sites = pyarrow.array([f"plant-{i:02d}" for i in range(50)])
    return pyarrow.table({
        "sensor_id": names.take(pyarrow.array(key)),
        "temperature": pyarrow.array([15.0 + source.randrange(3000) / 100.0 for _ in range(count)]),
        "humidity": pyarrow.array([20.0 + source.randrange(600) / 10.0 for _ in range(count)]),
        "ts": pyarrow.array(moment).cast(pyarrow.timestamp("us", "UTC")),
        "site": sites.take(pyarrow.array([k % 50 for k in key])),
        "status": pyarrow.array(["ok"] * count),
    })


def write_raw(table, path):
    """The form that the Swift program reads: batches of raw columns."""
    batches = table.to_batches(BATCH_ROWS)
    with open(path, "wb") as out:
        out.write(struct.pack("<q", len(batches)))
        for batch in batches:
            out.write(struct.pack("<q", batch.num_rows))
            for column in batch.columns:
                if pyarrow.types.is_string(column.type):
                    column = pyarrow.array(column.to_pylist())  # without an offset into the whole
                    out.write(column.buffers()[1].to_pybytes()[: 4 * (len(column) + 1)])
                    out.write(column.buffers()[2].to_pybytes())
                else:
                    start = 8 * column.offset
                    out.write(column.buffers()[1].to_pybytes()[start : start + 8 * len(column)])


def pyarrow_run(table, repetitions, level, encodings):
    options = dict(
        compression="zstd" if level != "none" else "none",
        compression_level=int(level) if level != "none" else None,
        write_page_index=True, write_page_checksum=True, write_statistics=True,
    )
    if encodings == "all":
        options.update(
            use_dictionary=["sensor_id", "temperature", "humidity", "site", "status"],
            column_encoding={"ts": "DELTA_BINARY_PACKED"})
    best, size = float("inf"), 0
    for _ in range(repetitions):
        sink = pyarrow.BufferOutputStream()
        start = time.process_time()
        with pyarrow.parquet.ParquetWriter(sink, table.schema, **options) as writer:
            # As large pieces as PyArrow likes: row groups of 1 Mi rows.
            for first in range(0, table.num_rows, 1 << 20):
                writer.write_table(table.slice(first, 1 << 20), row_group_size=1 << 20)
        best = min(best, time.process_time() - start)
        size = sink.getvalue().size
    return best / table.num_rows * 1e9, size / table.num_rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_048_576)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    build()
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    table = make_rows(arguments.rows)
    print(f"{arguments.rows} rows, {KEYS} keys; CPU on one thread, best of {arguments.repetitions}")
    print(f"{'settings':<28}{'Weir ns/row':>12}{'PyArrow':>9}{'ratio':>7}{'Weir B/row':>12}{'PyArrow':>9}")
    with tempfile.TemporaryDirectory() as directory:
        raw = os.path.join(directory, "rows")
        write_raw(table, raw)
        for level in ("3", "1", "none"):
            for encodings in ("compatible", "all"):
                path = os.path.join(directory, "file.parquet")
                answer = subprocess.run(
                    [PROGRAM, raw, str(arguments.repetitions), level, encodings, path],
                    check=True, capture_output=True, text=True).stdout.split()
                ours, our_size = float(answer[0]), float(answer[1])
                theirs, their_size = pyarrow_run(table, arguments.repetitions, level, encodings)
                back = pyarrow.parquet.read_table(path, page_checksum_verification=True)
                assert back.cast(table.schema).equals(table), "the file does not have the rows"
                print(
                    f"{'zstd ' + level if level != 'none' else 'uncompressed'}{', ' + encodings:<22}"
                    f"{ours:>12.1f}{theirs:>9.1f}{theirs / ours:>7.2f}{our_size:>12.2f}{their_size:>9.2f}")


main()
