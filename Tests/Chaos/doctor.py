"""Proof that the check can fail: every sink is damaged by hand, one thing at a time, and each time it must be noticed."""

import json
import os
import time
import unittest.mock

import verify

STATEMENTS = {
    "a row of copies is gone": "DELETE FROM copies WHERE ctid = (SELECT ctid FROM copies LIMIT 1)",
    "a row of copies is there twice": "INSERT INTO copies SELECT * FROM copies LIMIT 1",
    "a window counts one too many": "UPDATE window_latest SET readings = readings + 1 "
                                    "WHERE ctid = (SELECT ctid FROM window_latest LIMIT 1)",
    "a window's sum is off by a quarter": "UPDATE window_latest SET total = total + 0.25 "
                                          "WHERE ctid = (SELECT ctid FROM window_latest LIMIT 1)",
    "a late row is gone": "DELETE FROM late_rows WHERE ctid = (SELECT ctid FROM late_rows LIMIT 1)",
    "a dead letter is gone": "DELETE FROM dead_rows WHERE ctid = (SELECT ctid FROM dead_rows LIMIT 1)",
}


class Session:
    """A transaction that sees its own damage and is rolled back."""

    def __init__(self, server):
        self.topic, self.connection = server.topic, server.connect()
        self.connection.autocommit = False

    def query(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


def prove(run, expected):
    """What the check did not notice."""
    missed = []
    for what, statement in STATEMENTS.items():
        session = Session(run.postgres)
        try:
            session.query(statement)
            noticed = verify.postgres(session, expected)
        finally:
            session.connection.rollback()
            session.connection.close()
        missed += judged(run, what, noticed)
    return missed + prove_lake(run, expected) + prove_windows(run, expected)


def judged(run, what, noticed):
    run.say(f"by hand: {what}: {noticed[0] if noticed else 'NOT NOTICED'}")
    return [] if noticed else [f"the check does not notice that {what}"]


def judged_by_code(run, damages, noticed):
    """Each damage is noticed by the complaint that is about it, not by any."""
    missed = []
    for what, code in damages.items():
        missed += judged(run, what, [line for line in noticed if f" {code} " in line])
    return missed


def prove_lake(run, expected):
    """One row of the table in the REST catalog is deleted, one is written twice, and a file is listed a second time."""
    from pyiceberg.catalog import load_catalog
    catalog = load_catalog("chaos", **{
        "type": "rest", "uri": f"http://127.0.0.1:{run.catalog.port}", "s3.endpoint": f"http://127.0.0.1:{run.store.port}",
        "s3.access-key-id": "test", "s3.secret-access-key": "test", "s3.region": "us-east-1"})
    table = catalog.load_table("chaos.lake")
    # PyIceberg dates snapshots, and where the wall clock was ahead, the table's last change lies ahead of this moment.
    ahead = max(0, table.metadata.last_updated_ms / 1000 - time.time())
    with unittest.mock.patch("time.time", lambda clock=time.time: clock() + ahead):
        table.delete(f"id = {expected.rows[0][2]}")
        table.append(table.scan(row_filter=f"id = {expected.rows[-1][2]}").to_arrow())
        files = [task.file for task in table.scan().plan_files()]
        with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
            append.append_data_file(min(files, key=lambda file: file.record_count))
    noticed = verify.lake(run.directory, run.catalog.port, run.store, expected, orphans=True)
    return judged_by_code(run, {"a row of the lake is gone": "rows.missing", "a row of the lake is there twice": "rows.duplicate",
                                "a file of the lake is listed twice": "snap.duplicate"}, noticed)


def prove_windows(run, expected):
    """The table in the file-system catalog loses one of its manifests.

    PyIceberg does not write tables of version 3: a copy of the metadata names a manifest list that is written here.
    """
    import fastavro
    path = verify.newest_metadata(run.disk + "/warehouse")
    with open(path) as file:
        metadata = json.load(file)
    snapshot = next(one for one in metadata["snapshots"] if one["snapshot-id"] == metadata["current-snapshot-id"])
    with open(snapshot["manifest-list"].removeprefix("file://"), "rb") as file:
        reader = fastavro.reader(file)
        header, manifests = reader.metadata, list(reader)
    manifests.remove(max(manifests, key=lambda one: one["added_rows_count"] + one["existing_rows_count"]))
    directory = os.path.dirname(path)
    with open(directory + "/snap-damaged.avro", "wb") as file:
        fastavro.writer(file, json.loads(header["avro.schema"]), manifests, codec="null", metadata={
            name: value for name, value in header.items() if not name.startswith("avro.")})
    snapshot["manifest-list"] = directory + "/snap-damaged.avro"
    with open(directory + "/damaged.metadata.json", "w") as file:
        json.dump(metadata, file)
    noticed = verify.windows(run.directory, directory + "/damaged.metadata.json", expected, orphans=True)
    return judged_by_code(run, {"a manifest of window_history is gone": "rows.missing"}, noticed)
