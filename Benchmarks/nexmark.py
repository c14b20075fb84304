#!/usr/bin/env python3
"""The Nexmark queries of Pipelines/nexmark: what they cost, and whether their results are right.

    Benchmarks/nexmark.py [--events 10000000] [--queries q0,q5] [--cores 1] [--json FILE]
    Benchmarks/nexmark.py --check [--events 200000]

An event is a person, an auction or a bid, whatever the query reads, as Nexmark counts them; the generator's work is part of
the cost. "per core" divides by CPU time, user and system, of the whole process. --check runs each query into files, and
compares them with what DuckDB computes from the same events, as multisets.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

from harness import BINARY, ROOT, Run

PIPELINES = ROOT / "Pipelines" / "nexmark"
QUERIES = ["q0", "q1", "q2", "q5", "q7", "q10", "q14", "q15", "q16", "q17", "q18", "q21", "q22"]
# What today's SQL cannot say, and why.
MISSING = {
    "q3": "joins", "q4": "joins", "q6": "joins, row numbers", "q8": "joins", "q9": "joins, row numbers",
    "q11": "session windows", "q12": "windows of processing time", "q13": "joins with tables at rest",
    "q19": "the first n rows of a group", "q20": "joins", "q23": "joins"}

RANKS = """count(*), count(*) FILTER (price < 10000), count(*) FILTER (price >= 10000 AND price < 1000000),
  count(*) FILTER (price >= 1000000)"""
DISTINCT = ", ".join(
    f"count(DISTINCT {column}){condition}" for column in ("bidder", "auction")
    for condition in ("", " FILTER (price < 10000)", " FILTER (price >= 10000 AND price < 1000000)",
                      " FILTER (price >= 1000000)"))
CHANNEL_ID = "nullif(regexp_extract(url, '(?:&|^)channel_id=([^&]*)', 1), '')"
DAY = "strftime(date_time, '%Y-%m-%d')"

# The same questions to DuckDB; `bid` is a view of the dumped events.
EXPECTED = {
    "q0": "SELECT auction, bidder, price, date_time, extra FROM bid",
    "q1": "SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price, date_time, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q5": """
        WITH counts AS (
          SELECT auction, start, count(*) AS num FROM (
            SELECT auction, unnest(range(
              time_bucket(INTERVAL '2 seconds', date_time) - INTERVAL '8 seconds',
              time_bucket(INTERVAL '2 seconds', date_time) + INTERVAL '1 second', INTERVAL '2 seconds')) AS start
            FROM bid) GROUP BY ALL)
        SELECT start AS window_start, start + INTERVAL '10 seconds' AS window_end,
          arg_max(auction, num * 10000000000::HUGEINT + auction) AS auction, max(num) AS num
        FROM counts GROUP BY start""",
    "q7": """
        SELECT time_bucket(INTERVAL '10 seconds', date_time) AS window_start,
          window_start + INTERVAL '10 seconds' AS window_end,
          arg_max(auction, price * 10000000000::HUGEINT + auction) AS auction, max(price) AS price
        FROM bid GROUP BY window_start""",
    "q10": f"""SELECT auction, bidder, price, date_time, extra, {DAY} AS dt, strftime(date_time, '%H:%M') AS hm FROM bid""",
    "q14": """
        SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price,
          CASE WHEN hour(date_time) BETWEEN 8 AND 18 THEN 'dayTime'
            WHEN hour(date_time) <= 6 OR hour(date_time) >= 20 THEN 'nightTime' ELSE 'otherTime' END AS bid_time_type,
          date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
        FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000""",
    "q15": f"SELECT {DAY} AS day, {RANKS}, {DISTINCT} FROM bid GROUP BY day",
    "q16": f"""SELECT channel, {DAY} AS day, strftime(max(date_time), '%H:%M') AS minute, {RANKS}, {DISTINCT}
        FROM bid GROUP BY channel, day""",
    "q17": f"""SELECT auction, {DAY} AS day, {RANKS}, min(price) AS min_price, max(price) AS max_price,
          CAST(sum(price) // count(*) AS BIGINT) AS avg_price, CAST(sum(price) AS BIGINT) AS sum_price
        FROM bid GROUP BY auction, day""",
    "q18": """
        SELECT auction, bidder, last.price, last.channel, last.url, last.date_time, last.extra FROM (
          SELECT auction, bidder, arg_max(bid, (date_time, partition, "offset")) AS last FROM bid
          GROUP BY auction, bidder, CAST(date_time AS DATE))""",
    "q21": f"""SELECT auction, bidder, price, channel,
          CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
            ELSE {CHANNEL_ID} END AS channel_id
        FROM bid
        WHERE {CHANNEL_ID} IS NOT NULL OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')""",
    "q22": """SELECT auction, bidder, price, channel, split_part(url, '/', 4), split_part(url, '/', 5),
          split_part(url, '/', 6) FROM bid""",
}
DUCKDB_TYPES = {"bigint": "BIGINT", "integer": "INTEGER", "text": "VARCHAR", "timestamp": "TIMESTAMP"}


def settings(options, directory):
    return {
        "NEXMARK_EVENTS": str(options.events), "NEXMARK_RATE": str(options.rate), "NEXMARK_SEED": str(options.seed),
        "NEXMARK_PARTITIONS": str(options.partitions), "WEIR_HTTP_PORT": "0", "WEIR_LOG_LEVEL": "warning",
        "WEIR_CHECKPOINT_DIR": str(directory / "checkpoints"),
        **({"WEIR_PARALLELISM": str(options.cores)} if options.cores else {})}


def run(name, options, output=None):
    """Runs a query to its end; with `output` into files there."""
    with tempfile.TemporaryDirectory(prefix="weir-nexmark-") as temporary:
        directory = pathlib.Path(temporary)
        sql = (PIPELINES / f"{name}.sql").read_text()
        if output:
            sql = sql.replace("connector = 'blackhole'", f"connector = 'file', path = '{output}'")
        path = directory / f"{name}.sql"
        path.write_text(sql)
        command = [BINARY, "run", str(path), "--until-end"]
        return Run(command, {**settings(options, directory), "NEXMARK_DUMP": str(output or "")})


def measure(options):
    results = []
    print(f"{options.events} events, {options.rate}/s of event time, {options.partitions} partitions, "
          f"{options.cores or os.cpu_count()} of {os.cpu_count()} cores")
    print(f"{'query':6}{'seconds':>9}{'CPU s':>9}{'cores':>7}{'events/s':>12}{'per core':>12}{'MiB':>7}")
    for name in options.queries:
        # The best of the runs by CPU time: whatever else the machine does only adds to it.
        best = min((run(name, options) for _ in range(options.runs)), key=lambda one: one.cpu)
        result = {
            "query": name, "events": options.events, "seconds": round(best.seconds, 3), "cpu_seconds": round(best.cpu, 3),
            "cores": round(best.cpu / best.seconds, 2), "events_per_second": round(options.events / best.seconds),
            "events_per_second_per_core": round(options.events / best.cpu), "peak_mib": best.peak_bytes >> 20}
        results.append(result)
        print(f"{name:6}{best.seconds:9.2f}{best.cpu:9.2f}{result['cores']:7.2f}{result['events_per_second']:12,}"
              f"{result['events_per_second_per_core']:12,}{result['peak_mib']:7}", flush=True)
    for name, reason in MISSING.items():
        print(f"{name:6}cannot be said yet: {reason}")
    if options.json:
        report = {"rate": options.rate, "partitions": options.partitions, "queries": results, "missing": MISSING}
        pathlib.Path(options.json).write_text(json.dumps(report, indent=2) + "\n")


def columns(name, table):
    """The columns that a file's `CREATE TABLE` declares, with DuckDB's types."""
    body = re.search(rf"CREATE TABLE {table} \((.*?)\n\) WITH", (PIPELINES / f"{name}.sql").read_text(), re.S).group(1)
    declared = [line.strip().rstrip(",").split(" ", 1) for line in body.strip().splitlines()]
    return {word.strip('"'): DUCKDB_TYPES.get(kind, kind.replace("numeric", "DECIMAL")) for word, kind in declared}


def files(directory, declared):
    fields = ", ".join(f"'{name}': '{kind}'" for name, kind in declared.items())
    return f"read_json('{directory}/**/part-*.jsonl', format = 'newline_delimited', columns = {{{fields}}})"


def check(options):
    import duckdb
    failed = False
    with tempfile.TemporaryDirectory(prefix="weir-nexmark-") as temporary:
        directory = pathlib.Path(temporary)
        run("events", options, directory / "events")
        database = duckdb.connect()
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"CREATE TABLE events AS FROM {files(directory / 'events', columns('events', 'events'))}")
        database.execute("CREATE VIEW bid AS FROM events WHERE event_type = 2")
        count = database.execute("SELECT count(*) FROM events").fetchone()[0]
        if count != options.events:
            sys.exit(f"the generator gave {count} events, expected {options.events}")
        for name in options.queries:
            run(name, options, directory / name)
            declared = columns(name, "result")
            database.execute(f"CREATE OR REPLACE TABLE found AS FROM {files(directory / name, declared)}")
            database.execute("CREATE OR REPLACE TABLE expected AS FROM found LIMIT 0")
            database.execute(f"INSERT INTO expected {EXPECTED[name]}")
            rows = database.execute("SELECT count(*) FROM expected").fetchone()[0]
            missing = database.execute("SELECT * FROM (FROM expected EXCEPT ALL FROM found)").fetchall()
            extra = database.execute("SELECT * FROM (FROM found EXCEPT ALL FROM expected)").fetchall()
            good = rows > 0 and not missing and not extra
            failed = failed or not good
            print(f"{name:6}{rows:10} rows  {'as DuckDB' if good else 'WRONG'}", flush=True)
            if not good:
                print(f"  {len(missing)} missing, such as {missing[:2]}\n  {len(extra)} too many, such as {extra[:2]}")
            shutil.rmtree(directory / name)
    if failed:
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, help="persons, auctions and bids (10,000,000; with --check 200,000)")
    parser.add_argument("--rate", type=int, help="events in a second of event time (100,000; with --check 5,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--cores", type=int, help="WEIR_PARALLELISM; by default all")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--queries", type=lambda text: text.split(","), default=QUERIES)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.events = options.events or (200_000 if options.check else 10_000_000)
    options.rate = options.rate or (5_000 if options.check else 100_000)
    (check if options.check else measure)(options)


main()
