#!/usr/bin/env python3
"""Judges of manifests, manifest lists, deletion vectors: fastavro, pyiceberg and pyroaring; or Java's Iceberg.

  manifest_judge.py avro FILE...           schema, header and values of Avro files, as fastavro reads them
  manifest_judge.py avro-write DIR         Avro files by fastavro
  manifest_judge.py pyiceberg LIST         manifests and entries of a manifest list, as pyiceberg reads them
  manifest_judge.py pyiceberg-write DIR    a table by pyiceberg; prints its plan and where it is
  manifest_judge.py roaring FILE           the positions of a 64-bit Roaring bitmap, as pyroaring reads it
  manifest_judge.py roaring-write DIR      bitmaps by pyroaring, and their positions
  manifest_judge.py puffin-write DIR       Puffin files with blobs and footers that PyArrow compressed, and the blobs' texts
  manifest_judge.py java-plan METADATA...  of each: data files with their delete files, as Java plans a scan
  manifest_judge.py java-write DIR VERSION...  tables with deletes, by Java; prints their plans and where they are
"""
import collections.abc, json, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

def plain(value):
    if isinstance(value, bytes): return {"hex": value.hex()}
    if isinstance(value, collections.abc.Mapping): return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)): return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)): return value
    return str(value)

def avro(files):
    import fastavro
    result = []
    for name in files:
        with open(name, "rb") as stream:
            reader = fastavro.reader(stream)
            rows = [plain(row) for row in reader]
            result.append({"schema": json.loads(reader.metadata["avro.schema"]), "metadata": plain(reader.metadata), "rows": rows})
    return result

def avro_write(directory):
    import fastavro
    schema = {"type": "record", "name": "r", "namespace": "a.b", "fields": [
        {"name": "n", "type": "long", "field-id": 1},
        {"name": "skip", "type": {"type": "map", "values": {"type": "array", "items": "string"}}, "field-id": 2},
        {"name": "e", "type": {"type": "enum", "name": "colour", "symbols": ["red", "green"]}, "field-id": 3},
        {"name": "u", "type": ["null", "string", "double"], "field-id": 4},
        {"name": "f", "type": {"type": "fixed", "name": "four", "size": 4}, "field-id": 5},
        {"name": "g", "type": "four", "field-id": 6}]}
    rows = [{"n": i * 7 - 1000, "skip": {"k%d" % j: ["x" * i for i in range(j)] for j in range(i % 4)}, "e": ["red", "green"][i % 2],
             "u": [None, "t%d" % i, i / 4][i % 3], "f": bytes([i % 256] * 4), "g": b"abcd"} for i in range(2000)]
    names = []
    for codec in ("null", "deflate"):
        name = os.path.join(directory, codec + ".avro"); names.append(name)
        with open(name, "wb") as stream: fastavro.writer(stream, schema, rows, codec=codec, sync_interval=1000)
    return names

def entry(e):
    f = e.data_file
    return {"status": int(e.status), "snapshot": e.snapshot_id, "sequence": e.sequence_number, "file_sequence": e.file_sequence_number,
            "content": int(f.content), "path": f.file_path, "format": str(f.file_format.value), "partition": [plain(f.partition[i]) for i in range(len(f.partition))],
            "rows": f.record_count, "size": f.file_size_in_bytes, "lower": plain(f.lower_bounds or {}), "value_counts": plain(f.value_counts or {}),
            "equality": f.equality_ids, "split": f.split_offsets}

def pyiceberg(name):
    from pyiceberg.io.pyarrow import PyArrowFileIO
    from pyiceberg.manifest import read_manifest_list
    io = PyArrowFileIO(); result = []
    for m in read_manifest_list(io.new_input(name)):
        result.append({"path": m.manifest_path, "length": m.manifest_length, "spec": m.partition_spec_id, "content": int(m.content), "sequence": m.sequence_number,
                       "min": m.min_sequence_number, "counts": [m.added_files_count, m.existing_files_count, m.deleted_files_count],
                       "rows": [m.added_rows_count, m.existing_rows_count, m.deleted_rows_count],
                       "partitions": [[p.contains_null, p.contains_nan, plain(p.lower_bound), plain(p.upper_bound)] for p in m.partitions or []],
                       "entries": [entry(e) for e in m.fetch_manifest_entry(io, discard_deleted=False)]})
    return result

def pyiceberg_write(directory):
    import datetime, decimal, uuid
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, TruncateTransform
    from pyiceberg.types import DateType, DecimalType, LongType, NestedField, StringType, TimestampType
    catalog = SqlCatalog("judge", uri="sqlite:///%s/c.db" % directory, warehouse="file://" + directory)
    catalog.create_namespace("n")
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "s", StringType()), NestedField(3, "ts", TimestampType()),
                    NestedField(4, "m", DecimalType(9, 2)), NestedField(5, "d", DateType()))
    spec = PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "b"), PartitionField(2, 1001, TruncateTransform(2), "s2"), PartitionField(3, 1002, DayTransform(), "day"),
                         PartitionField(4, 1003, IdentityTransform(), "m"), PartitionField(5, 1004, IdentityTransform(), "d"))
    table = catalog.create_table("n.t", schema, partition_spec=spec, properties={"format-version": "2"})
    arrow = pa.schema([pa.field("id", pa.int64(), False), ("s", pa.string()), ("ts", pa.timestamp("us")), ("m", pa.decimal128(9, 2)), ("d", pa.date32())])
    for base in (0, 100):
        table.append(pa.Table.from_pylist([{"id": base + i, "s": None if i == 2 else "text%d" % i, "ts": datetime.datetime(1969, 12, 31, i), "m": decimal.Decimal(i - 2) / 4,
                                            "d": datetime.date(2020, 1, i + 1)} for i in range(5)], schema=arrow))
    table.delete("id = 101")
    files = [{"path": t.file.file_path, "rows": t.file.record_count, "partition": [plain(t.file.partition[i]) for i in range(5)],
              "lower": plain(t.file.lower_bounds)} for t in table.scan().plan_files()]
    return {"list": table.current_snapshot().manifest_list, "schema": table.schema().model_dump_json(), "specs": [s.model_dump_json() for s in table.specs().values()],
            "plan": sorted(files, key=lambda f: f["path"])}

def roaring(name):
    import pyroaring
    return list(pyroaring.BitMap64.deserialize(open(name, "rb").read()))

def roaring_write(directory):
    import pyroaring, random
    generator = random.Random(7); result = []
    shapes = [[], [0], list(range(100000)), sorted(generator.sample(range(1 << 20), 30000)), [i * 3 for i in range(60000)],
              [(1 << 40) + 5, 7, (1 << 33)], sorted(set(generator.randrange(1 << 45) for _ in range(2000)))]
    for index, shape in enumerate(shapes):
        for optimise in (False, True):
            bitmap = pyroaring.BitMap64(shape)
            if optimise: bitmap.run_optimize()
            name = os.path.join(directory, "%d-%d.bin" % (index, optimise))
            open(name, "wb").write(bitmap.serialize()); result.append({"file": name, "positions": sorted(shape)})
    return result

def puffin_write(directory):
    import struct
    import pyarrow as pa
    result = []
    for index, texts in enumerate((["a", "b", "c"], ["", "", ""], ["x" * 300000, "abcdefgh" * 40000, "".join("%d," % (i * i) for i in range(60000))])):
        for compressed_footer in ((False, True) if index == 2 else (index == 0,)):
            data, blobs = b"PFA1", []
            for text, codec in zip(texts, (None, "lz4", "zstd")):
                content = text.encode()
                if codec: content = pa.compress(content, codec=codec, asbytes=True)
                blobs.append({"type": "t", "fields": [1], "snapshot-id": 2, "sequence-number": 3, "offset": len(data), "length": len(content),
                              **({"compression-codec": codec} if codec else {})})
                data += content
            footer = json.dumps({"blobs": blobs, "properties": {"created-by": "judge"}}).encode()
            if compressed_footer: footer = pa.compress(footer, codec="lz4", asbytes=True)
            data += b"PFA1" + footer + struct.pack("<iI", len(footer), int(compressed_footer)) + b"PFA1"
            name = os.path.join(directory, "%d-%d.puffin" % (index, compressed_footer))
            open(name, "wb").write(data); result.append({"file": name, "blobs": texts})
    return result

def plan(table):
    import java_iceberg as j
    result = []; tasks = table.newScan().includeColumnStats().planFiles()
    for task in tasks:
        f = task.file()
        result.append({"path": str(f.location()), "sequence": int(f.dataSequenceNumber()), "rows": int(f.recordCount()),
                       "first_row_id": None if not hasattr(f, "firstRowId") or f.firstRowId() is None else int(f.firstRowId()),
                       "partition": str(f.partition().toString()), "spec": int(f.specId()),
                       "deletes": sorted("%s@%s" % (d.location(), d.contentOffset()) for d in task.deletes())})
    tasks.close()
    return sorted(result, key=lambda r: r["path"])

def java_plan(*metadata):
    import java_iceberg as j
    return [plan(j.static_table(name)) for name in metadata]

def java_write(directory, *versions): return [java_table(directory, version) for version in versions]

def java_table(directory, version):
    import java_iceberg as j
    jp = j.start(); T = jp.JClass(j.P + "types.Types"); version = int(version)
    field = jp.JClass(j.P + "types.Types$NestedField")
    schema = j.cls("Schema")(field.required(1, "id", jp.JClass(j.P + "types.Types$LongType").get()), field.optional(2, "name", jp.JClass(j.P + "types.Types$StringType").get()),
                             field.optional(3, "ts", jp.JClass(j.P + "types.Types$TimestampType").withZone()))
    spec = j.cls("PartitionSpec").builderFor(schema).day("ts").truncate("name", 3).build()
    tables = j.cls("hadoop.HadoopTables")(jp.JClass("org.apache.hadoop.conf.Configuration")())
    table = tables.create(schema, spec, j.jmap({"format-version": str(version)}), "file://" + os.path.join(directory, "t%d" % version))
    def data(name, partition, rows=10):
        return j.cls("DataFiles").builder(spec).withPath("file:///data/" + name).withFileSizeInBytes(100).withRecordCount(rows).withFormat("parquet").withPartitionPath(partition).build()
    a, b = "ts_day=2020-01-02/name_trunc=abc", "ts_day=1969-12-30/name_trunc=x y"
    table.newAppend().appendFile(data("1.parquet", a)).appendFile(data("2.parquet", b, 7)).commit()
    table.newAppend().appendFile(data("3.parquet", a, 5)).commit()
    if version >= 2:
        M = j.cls("FileMetadata")
        def delete(name, partition): return M.deleteFileBuilder(spec).withPath("file:///data/" + name).withFileSizeInBytes(50).withRecordCount(2).withPartitionPath(partition)
        ids = jp.JArray(jp.JInt)([1])
        change = table.newRowDelta().addDeletes(delete("eq.parquet", a).ofEqualityDeletes(ids).withFormat("parquet").build()).addRows(data("4.parquet", a, 3))
        if version == 2: change.addDeletes(delete("pos.parquet", b).ofPositionDeletes().withFormat("parquet").build())
        else:
            for offset, target, part in ((4, "2.parquet", b), (60, "1.parquet", a)):
                change.addDeletes(delete("dv.puffin", part).ofPositionDeletes().withFormat("puffin").withReferencedDataFile("file:///data/" + target).withContentOffset(offset).withContentSizeInBytes(50).build())
        change.commit()
    table.newDelete().deleteFile("file:///data/3.parquet").commit()
    table.newAppend().appendFile(data("5.parquet", b, 4)).commit()
    table.refresh()
    snapshot = table.currentSnapshot()
    specs = {int(k): str(j.cls("PartitionSpecParser").toJson(table.specs().get(k))) for k in table.specs().keySet()}
    return {"metadata": str(table.operations().current().metadataFileLocation()), "list": str(snapshot.manifestListLocation()), "schema": str(j.cls("SchemaParser").toJson(table.schema())), "specs": [specs[k] for k in sorted(specs)], "plan": plan(table)}

if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    result = avro(arguments) if command == "avro" else globals()[command.replace("-", "_")](*arguments)
    print(json.dumps(result))
