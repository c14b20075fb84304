#!/usr/bin/env python3
"""The rows of tables as other readers see them, in the text form of the tests' own rows.

  table_rows.py pyiceberg|java METADATA[#REFERENCE]...

For each table prints a line of JSON: an array of rows, sorted, or an object with the reader's error. Columns are
separated by `|`; a struct is `{a,b}`, a list `[x,y]`, a map `[k=v,...]`, a date its days, a timestamp its microseconds.
"""
import datetime
import decimal
import json
import sys

EPOCH = datetime.datetime(1970, 1, 1)


def text(v):
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, dict):
        return "{" + ",".join(text(x) for x in v.values()) + "}"
    if isinstance(v, list):
        return "[" + ",".join(f"{text(x[0])}={text(x[1])}" if isinstance(x, tuple) else text(x) for x in v) + "]"
    if isinstance(v, decimal.Decimal):
        return format(v, "f")
    if isinstance(v, datetime.datetime):
        return str((v.replace(tzinfo=None) - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(v, datetime.date):
        return str((v - EPOCH.date()).days)
    return str(v)


def pyiceberg_rows(location, reference):
    from pyiceberg.table import StaticTable
    table = StaticTable.from_metadata(location)
    snapshot = table.metadata.refs[reference].snapshot_id if reference else None
    return ["|".join(text(v) for v in row.values()) for row in table.scan(snapshot_id=snapshot).to_arrow().to_pylist()]


def java_value(v, jp):
    from java_iceberg import P
    if v is None:
        return None
    name = v.getClass().getName() if hasattr(v, "getClass") else ""
    if name == "java.time.LocalDate":
        return int(v.toEpochDay())
    if name.startswith("java.time.LocalDateTime"):
        return str(jp.JClass("java.time.temporal.ChronoUnit").MICROS.between(jp.JClass("java.time.LocalDateTime").of(1970, 1, 1, 0, 0), v))
    if name == "java.math.BigDecimal":
        return str(v.toPlainString())
    if isinstance(v, jp.JClass("java.util.Map")):
        return [(java_value(e.getKey(), jp), java_value(e.getValue(), jp)) for e in v.entrySet()]
    if isinstance(v, jp.JClass("java.util.List")):
        return [java_value(x, jp) for x in v]
    if isinstance(v, jp.JClass(P + "StructLike")):
        return {str(f.name()): java_value(v.getField(f.name()), jp) for f in v.struct().fields()}
    from java_iceberg import to_py
    return to_py(v)


def java_rows(location, reference):
    from java_iceberg import cls, start, static_table
    jp = start()
    table = static_table(location)
    builder = cls("data.IcebergGenerics").read(table)
    if reference:
        builder = builder.useSnapshot(table.refs().get(reference).snapshotId())
    rows = builder.build()
    try:
        return ["|".join(text(v) for v in java_value(row, jp).values()) for row in rows]
    finally:
        rows.close()


def main(engine, *tables):
    for table in tables:
        location, _, reference = table.partition("#")
        try:
            print(json.dumps(sorted({"pyiceberg": pyiceberg_rows, "java": java_rows}[engine](location, reference))))
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
