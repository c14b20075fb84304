"""Proof that the check can fail: every sink is damaged by hand, one thing at a time, and each time it must be noticed."""

import time

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
    return missed + prove_lake(run, expected)


def judged(run, what, noticed):
    run.say(f"by hand: {what}: {noticed[0] if noticed else 'NOT NOTICED'}")
    return [] if noticed else [f"the check does not notice that {what}"]


def prove_lake(run, expected):
    """One row of the Iceberg table is deleted, and one of its files is listed a second time."""
    from pyiceberg.catalog import load_catalog
    catalog = load_catalog("chaos", **{
        "type": "rest", "uri": f"http://127.0.0.1:{run.catalog.port}", "s3.endpoint": f"http://127.0.0.1:{run.store.port}",
        "s3.access-key-id": "test", "s3.secret-access-key": "test", "s3.region": "us-east-1"})
    table = catalog.load_table("chaos.lake")
    if table.metadata.last_updated_ms > time.time() * 1000 + 30_000:
        # After the wall clock was ahead; PyIceberg dates snapshots by the real one, and the catalog refuses that.
        run.say("by hand: NOT RUN for the lake: its last change lies ahead of this machine's clock")
        return []
    part, offset, number = expected.rows[0][:3]
    table.delete(f"id = {number}")
    table.refresh()
    files = [task.file for task in table.scan().plan_files()]
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        append.append_data_file(min(files, key=lambda file: file.record_count))
    noticed = verify.iceberg(run.directory, run.disk + "/warehouse", run.catalog.port, run.store, expected, orphans=True)
    return (judged(run, "a row of the lake is gone", [line for line in noticed if "rows.missing" in line])
            + judged(run, "a file of the lake is listed twice", [line for line in noticed if "rows.missing" not in line]))
