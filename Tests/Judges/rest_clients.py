#!/usr/bin/env python3
"""What PyIceberg and DuckDB do with an Iceberg REST catalog that has a warehouse on this machine.

  rest_clients.py URI filesystem|sql [token=…]     every step is checked; prints OK at the end
"""
import datetime as dt, decimal, sys, threading, uuid
import duckdb, pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import (CommitFailedException, NamespaceAlreadyExistsError, NamespaceNotEmptyError,
                                  NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError)
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import *

uri, kind = sys.argv[1:3]
properties = dict(argument.split("=", 1) for argument in sys.argv[3:])

def connect(): return load_catalog("weir", type="rest", uri=uri, **properties)

def raises(expected, body):
    try: body()
    except expected: return
    raise AssertionError(f"expected {expected}")

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True), NestedField(2, "b", BooleanType()), NestedField(3, "i", IntegerType()),
    NestedField(4, "f", FloatType()), NestedField(5, "d", DoubleType()), NestedField(6, "dec", DecimalType(20, 4)),
    NestedField(7, "day", DateType()), NestedField(8, "t", TimeType()), NestedField(9, "ts", TimestampType()),
    NestedField(10, "tz", TimestamptzType()), NestedField(11, "s", StringType(), doc="text ✓"), NestedField(12, "u", UUIDType()),
    NestedField(13, "fx", FixedType(4)), NestedField(14, "bin", BinaryType()),
    NestedField(15, "l", ListType(16, StringType(), element_required=False)),
    NestedField(17, "m", MapType(18, StringType(), 19, IntegerType(), value_required=False)),
    NestedField(20, "st", StructType(NestedField(21, "x", IntegerType()), NestedField(22, "y", StringType()))),
    identifier_field_ids=[1])
SPEC = PartitionSpec(PartitionField(7, 1000, DayTransform(), "day_day"), PartitionField(1, 1001, BucketTransform(4), "id_bucket"),
                     PartitionField(11, 1002, TruncateTransform(2), "s_tr"))

def rows(first, end):
    return pa.Table.from_pylist([dict(
        id=i, b=i % 2 == 0, i=i, f=i / 2, d=i / 3, dec=decimal.Decimal(i).scaleb(-4), day=dt.date(2020, 1, 1) + dt.timedelta(i % 3),
        t=dt.time(1, 2, i % 60), ts=dt.datetime(2020, 1, 1, 0, 0, i % 60), tz=dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc),
        s=f"s{i % 2}é", u=uuid.UUID(int=i).bytes, fx=b"abcd", bin=b"\0x", l=["a", None], m=[("k", i)], st={"x": i, "y": None})
        for i in range(first, end)], schema=schema_to_pyarrow(SCHEMA, include_field_ids=False))

def namespaces(catalog):
    catalog.create_namespace("db"); catalog.create_namespace(("db", "inner"))
    raises(NamespaceAlreadyExistsError, lambda: catalog.create_namespace("db"))
    assert catalog.list_namespaces() == [("db",)] and catalog.list_namespaces("db") == [("db", "inner")]
    raises(NoSuchNamespaceError, lambda: catalog.list_tables("nope"))
    raises(NoSuchNamespaceError, lambda: catalog.load_namespace_properties("nope"))
    assert catalog.namespace_exists("db") and not catalog.namespace_exists("nope")
    if kind == "sql":
        assert catalog.update_namespace_properties("db", set(), {"a": "1"}).updated == ["a"]
        summary = catalog.update_namespace_properties("db", {"a", "zz"}, {"b": "2"})
        assert summary.removed == ["a"] and summary.missing == ["zz"] and summary.updated == ["b"]
        assert catalog.load_namespace_properties("db")["b"] == "2"

def table(catalog):
    order = SortOrder(SortField(1, IdentityTransform()), order_id=1)
    made = catalog.create_table("db.all", SCHEMA, partition_spec=SPEC, sort_order=order, properties={"k": "v"})
    raises(TableAlreadyExistsError, lambda: catalog.create_table("db.all", SCHEMA))
    raises(NoSuchNamespaceError, lambda: catalog.create_table("nope.all", SCHEMA))
    raises(NoSuchTableError, lambda: catalog.load_table("db.nope"))
    assert made.properties["k"] == "v" and len(made.spec().fields) == 3 and made.sort_order().fields
    made.append(rows(0, 100)); made.append(rows(100, 150))
    with made.update_schema() as update:
        update.add_column("new", StringType()); update.update_column("i", LongType()); update.rename_column("f", "ff")
    with made.update_spec() as update: update.remove_field("s_tr"); update.add_field("b", IdentityTransform())
    assert len(catalog.load_table("db.all").scan().to_arrow()) == 150
    made.delete("id < 10")
    one, other = catalog.load_table("db.all"), connect().load_table("db.all")
    row = pa.Table.from_pylist([dict(id=1000)], schema=schema_to_pyarrow(one.schema(), include_field_ids=False))
    one.append(row); other.append(row)  # The second is stale; the client tries again.
    found = catalog.load_table("db.all").scan().to_arrow()
    assert len(found) == 142 and found.schema.field("i").type == pa.int64()

def race():
    failures = []
    def change(number):
        try:
            mine = connect().load_table("db.all")
            for step in range(3):
                with mine.transaction() as transaction: transaction.set_properties(**{f"p{number}.{step}": "x"})
        except Exception as error: failures.append(error)
    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not failures, failures
    kept = connect().load_table("db.all").properties
    assert sum(f"p{number}.{step}" in kept for number in range(4) for step in range(3)) == 12

def staged(catalog):
    with catalog.create_table_transaction("db.staged", SCHEMA, partition_spec=SPEC, properties={"q": "1"}) as transaction:
        transaction.append(rows(0, 5)); assert not catalog.table_exists("db.staged")
    made = catalog.load_table("db.staged")
    assert len(made.scan().to_arrow()) == 5 and made.properties["q"] == "1" and len(made.spec().fields) == 3
    first, second = [catalog.create_table_transaction("db.twice", SCHEMA) for _ in range(2)]
    first.commit_transaction(); raises((CommitFailedException, TableAlreadyExistsError), second.commit_transaction)

def ends(catalog):
    raises(NamespaceNotEmptyError, lambda: catalog.drop_namespace("db"))
    if kind == "sql":
        catalog.rename_table("db.twice", "db.inner.renamed")
        assert catalog.table_exists("db.inner.renamed") and not catalog.table_exists("db.twice")
        raises(NoSuchTableError, lambda: catalog.rename_table("db.nope", "db.n2"))
        raises(NoSuchNamespaceError, lambda: catalog.rename_table("db.staged", "nope.n2"))
        raises(TableAlreadyExistsError, lambda: catalog.rename_table("db.staged", "db.all"))
        location = catalog.load_table("db.inner.renamed").metadata_location
        catalog.drop_table("db.inner.renamed")
        assert catalog.register_table("db.again", location).metadata_location == location
        catalog.drop_table("db.again", purge_requested=True)
    else: catalog.drop_table("db.twice")
    catalog.drop_namespace("db.inner"); raises(NoSuchNamespaceError, lambda: catalog.drop_namespace("db.inner"))
    assert catalog.list_tables("db") == [("db", "all"), ("db", "staged")] and catalog.list_views("db") == []

def duck():
    database = duckdb.connect()
    for name in ("iceberg", "httpfs", "avro"): database.execute(f"LOAD {name}")
    access = f"TOKEN '{properties['token']}'" if "token" in properties else "AUTHORIZATION_TYPE 'none'"
    database.execute(f"ATTACH 'weir' AS w (TYPE iceberg, ENDPOINT '{uri}', ACCESS_DELEGATION_MODE 'none', {access})")
    def count(name): return database.execute(f"SELECT count(*) FROM w.duck.{name}").fetchone()[0]
    for statement in (
        "CREATE SCHEMA w.duck", "CREATE TABLE w.duck.t (id BIGINT, s VARCHAR, d DECIMAL(10, 2), l INTEGER[], st STRUCT(a INTEGER))",
        "INSERT INTO w.duck.t SELECT i, 's' || i, i / 3, [i], {'a': i} FROM range(1000) r(i)",
        "CREATE TABLE w.duck.ctas AS SELECT * FROM w.duck.t WHERE id < 10", "BEGIN",
        "INSERT INTO w.duck.t SELECT * FROM w.duck.ctas", "INSERT INTO w.duck.ctas SELECT * FROM w.duck.ctas", "COMMIT",
        "DELETE FROM w.duck.t WHERE id < 5", "ALTER TABLE w.duck.t ADD COLUMN z INTEGER"): database.execute(statement)
    assert count("t") == 1000 and count("ctas") == 20
    database.execute("DROP TABLE w.duck.ctas")

catalog = connect()
namespaces(catalog); table(catalog); race(); staged(catalog); ends(catalog); duck()
print("OK")
