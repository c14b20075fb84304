"""Compares what the sinks hold with what they must hold. Every function returns a list of complaints; empty is right."""
import collections
import csv
import datetime
import os
import subprocess
import sys

JUDGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Judges", "iceberg_check.py")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
WINDOWED = {"window_history", "window_latest"}


def moment(milliseconds):
    return EPOCH + datetime.timedelta(milliseconds=milliseconds)


def compare(what, found, expected):
    found, expected = collections.Counter(found), collections.Counter(expected)
    complaints = []
    for word, difference in (("missing", expected - found), ("too many", found - expected)):
        if difference:
            examples = "; ".join(str(row) for row in list(difference)[:3])
            complaints.append(f"{what}: {sum(difference.values())} rows {word}, such as {examples}")
    return complaints


def postgres(server, expected):
    """The four tables of PostgreSQL."""
    windows = [(sensor, moment(start), *values) for (sensor, start), values in expected.windows.items()]
    copies = [(row[0], row[1], row[2], row[4]) for row in expected.rows if row[2] % 5 == 0]
    complaints = compare("window_latest", server.query(
        "SELECT sensor, window_start, readings, total, low, high FROM window_latest"), windows)
    complaints += compare("copies", server.query('SELECT part, "offset", id, amount FROM copies'), copies)
    complaints += compare("dead_rows", server.query('SELECT partition, "offset" FROM dead_rows'),
                          [(name_of(partition, server), offset) for partition, offset in expected.dead])
    complaints += compare("late_rows", server.query('SELECT partition, "offset", value FROM late_rows'),
                          [(name_of(partition, server), offset, value) for partition, offset, value in expected.late
                           for _ in WINDOWED])
    return complaints


def name_of(partition, server):
    return f"{server.topic}/{partition}"


def write_rows(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def iceberg(directory, warehouse, catalog_port, store, expected, orphans):
    """Both Iceberg tables, by the validator, which decodes every file by itself and asks other readers, too."""
    return (lake(directory, catalog_port, store, expected, orphans)
            + windows(directory, newest_metadata(warehouse), expected, orphans))


def lake(directory, catalog_port, store, expected, orphans):
    rows = write_rows(directory + "/lake.csv", ["part", "offset", "id", "sensor", "amount", "ts", "active"], [
        (*row[:5], moment(row[5]).isoformat(), "true" if row[6] else "false") for row in expected.rows])
    properties = {"s3.endpoint": f"http://127.0.0.1:{store.port}", "s3.access-key-id": "test",
                  "s3.secret-access-key": "test", "s3.region": "us-east-1"}
    arguments = ["--catalog", f"type=rest,name=chaos,uri=http://127.0.0.1:{catalog_port}", "--unique-key", "part,offset",
                 "--expect-rows", rows, "chaos.lake"]
    for name, value in properties.items():
        arguments[:0] = ["--prop", f"{name}={value}"]
    return judge("lake", arguments, orphans)


def newest_metadata(warehouse):
    """The metadata file of the table in the file-system catalog."""
    metadata = warehouse + "/chaos/windows/metadata"
    with open(metadata + "/version-hint.text") as hint:
        version = int(hint.read())
    # The hint may be behind: what counts is the greatest version.
    while os.path.exists(f"{metadata}/v{version + 1}.metadata.json"):
        version += 1
    return f"{metadata}/v{version}.metadata.json"


def windows(directory, metadata, expected, orphans):
    rows = write_rows(directory + "/windows.csv", ["sensor", "window_start", "readings", "total", "low", "high"], [
        (sensor, moment(start).isoformat(), *values) for (sensor, start), values in expected.windows.items()])
    return judge("windows", ["--unique-key", "sensor,window_start", "--expect-rows", rows, metadata], orphans)


def judge(what, arguments, orphans):
    allow = ["--allow-orphans"] if orphans else []
    answer = subprocess.run([sys.executable, JUDGE, *allow, *arguments], capture_output=True, text=True)
    if answer.returncode == 0:
        return []
    lines = [line for line in answer.stdout.splitlines() if line.startswith("ERROR")] or answer.stderr.splitlines()[-3:]
    return [f"Iceberg table {what}: {line}" for line in lines]


def accounting(metrics, expected):
    """Read = passed on + filtered + aggregated + late + dead, for each statement and partition, and exactly so."""
    fates = collections.defaultdict(int)
    for (name, labels), value in metrics.items():
        labels = dict(labels)
        if name == "weir_statement_rows":
            fates[labels["statement"], int(labels["partition"].rsplit("/", 1)[1]), labels["fate"]] += int(value)
    complaints = []
    for (name, labels), value in metrics.items():
        if name in ("weir_accounting_mismatches_total", "weir_sink_rejected_rows_total") and value:
            complaints.append(f"{name}{sorted(labels)} is {value:.0f}")
    wanted = collections.Counter()
    for statement in ("lake", "copies", *WINDOWED):
        for partition, offset in expected.dead:
            wanted[statement, partition, "dead"] += 1
    for partition, _, number, *_ in expected.rows:
        wanted["lake", partition, "out"] += 1
        wanted["copies", partition, "filtered" if number % 5 else "out"] += 1
    late = collections.Counter(partition for partition, _, _ in expected.late)
    readable = collections.Counter(row[0] for row in expected.rows)
    for statement in WINDOWED:
        for partition, count in readable.items():
            wanted[statement, partition, "filtered"] += expected.filtered[partition]
            wanted[statement, partition, "late"] += late[partition]
            wanted[statement, partition, "aggregated"] += count - expected.filtered[partition] - late[partition]
    for key in sorted(set(wanted) | set(fates)):
        if wanted[key] != fates[key]:
            complaints.append(f"weir_statement_rows{key}: {fates[key]}, expected {wanted[key]}")
    return complaints
