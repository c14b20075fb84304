"""Judges the table model with pyiceberg: reads a JSON request on standard input, writes a JSON answer.

{"metadata": [texts]}  -> each text as pyiceberg's TableMetadataUtil reads and writes it, or {"error": …}
{"generate": seed}     -> metadata that pyiceberg wrote for random schemas, specs and orders
{"transforms": [[transform, type, JSON single value], …]} -> results as text
"""
import json, random, sys, uuid as uuidlib
from decimal import Decimal
from pyiceberg.table.metadata import TableMetadataUtil, new_table_metadata
from pyiceberg.transforms import parse_transform
from pyiceberg.types import (BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType,
    ListType, LongType, MapType, NestedField, StringType, StructType, TimestampType, TimestamptzType, TimeType, UUIDType)
from pyiceberg.schema import Schema
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.conversions import from_bytes, to_bytes
from pyiceberg.transforms import IdentityTransform

PRIMITIVES = [BooleanType(), IntegerType(), LongType(), FloatType(), DoubleType(), DecimalType(9, 2), DecimalType(38, 10),
    DateType(), TimeType(), TimestampType(), TimestamptzType(), StringType(), UUIDType(), FixedType(7), BinaryType()]
BY_NAME = {str(t): t for t in PRIMITIVES}

def random_schema(rng):
    counter = [0]
    def fresh():
        counter[0] += 1
        return counter[0]
    def make(depth):
        kind = rng.randrange(8) if depth < 3 else 0
        if kind == 5:
            return StructType(*[field(depth + 1, "f%d" % i) for i in range(rng.randrange(1, 4))])
        if kind == 6:
            return ListType(fresh(), make(depth + 1), rng.random() < .5)
        if kind == 7:
            return MapType(fresh(), make(depth + 1), fresh(), make(depth + 1), rng.random() < .5)
        return rng.choice(PRIMITIVES)
    def field(depth, name):
        return NestedField(fresh(), name, make(depth), required=rng.random() < .4, doc=rng.choice([None, "ü \"doc\""]))
    return Schema(*[field(0, "c%d" % i) for i in range(rng.randrange(1, 9))])

def random_table(rng):
    schema = random_schema(rng)
    fields, order = [], []
    for column in schema.fields:
        if not column.field_type.is_primitive: continue
        usable = [t for t in map(parse_transform, ["identity", "bucket[%d]" % rng.randrange(1, 99), "truncate[%d]" % rng.randrange(1, 99),
            "year", "month", "day", "hour", "void"]) if t.can_transform(column.field_type)]
        if not usable: continue
        if rng.random() < .4:
            t = rng.choice(usable)
            name = column.name if str(t) == "identity" else "%s_%s" % (column.name, str(t).split("[")[0])
            fields.append(PartitionField(column.field_id, 1000 + len(fields), t, name))
        if rng.random() < .3:
            order.append(SortField(column.field_id, IdentityTransform(), rng.choice(list(SortDirection)), rng.choice(list(NullOrder))))
    metadata = new_table_metadata(schema, PartitionSpec(*fields, spec_id=0), SortOrder(*order, order_id=1 if order else 0),
        "s3://bucket/t%d" % rng.randrange(99), {"k": "v", "format-version": str(rng.choice([1, 2]))})
    return metadata.model_dump_json()

def value(kind, single):
    t = BY_NAME[kind]
    return t, from_bytes(t, bytes.fromhex(single))

def main():
    request = json.load(sys.stdin)
    if "metadata" in request:
        answer = []
        for text in request["metadata"]:
            try:
                table = TableMetadataUtil.parse_raw(text)
                # pyiceberg 0.12 reads version 3 but does not write it.
                if table.format_version == 3:
                    answer.append({"current-snapshot-id": table.current_snapshot_id, "snapshots": [s.snapshot_id for s in table.snapshots],
                        "metadata-log": [e.metadata_file for e in table.metadata_log], "next-row-id": table.next_row_id})
                else:
                    answer.append(json.loads(table.model_dump_json()))
            except Exception as e: answer.append({"error": repr(e)[:500]})
    elif "generate" in request:
        rng = random.Random(request["generate"])
        answer = [random_table(rng) for _ in range(60)]
    else:
        answer = []
        for transform, kind, single in request["transforms"]:
            t, v = value(kind, single)
            tr = parse_transform(transform)
            if not tr.can_transform(t):
                answer.append("no")
                continue
            result = tr.transform(t)(v)
            result_type = tr.result_type(t)
            answer.append(None if result is None else "%s:%s" % (result_type, to_bytes(result_type, result).hex()))
    print(json.dumps(answer))

main()
