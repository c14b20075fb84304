#!/usr/bin/env python3
"""A table of format version 1 as old writers left it, made from one of the Java library.

  legacy_v1.py LOCATION

Partitioned by `part`, rows 0 ... 39 in files of 10, of which the rows 10 ... 19 were removed again. The metadata has
`schema` and `partition-spec` only, partition fields have no ids, and snapshots list their manifests instead of a
manifest list. Prints the location of the metadata file.
"""
import json
import os
import sys

from java_iceberg import P, cls, jmap, start


def main(location):
    jp = start()
    nested, types = jp.JClass(P + "types.Types$NestedField"), P + "types.Types$"
    schema = cls("Schema")([
        nested.required(1, "id", jp.JClass(types + "LongType").get()),
        nested.optional(2, "part", jp.JClass(types + "StringType").get())])
    spec = cls("PartitionSpec").builderFor(schema).identity("part").build()
    conf = jp.JClass("org.apache.hadoop.conf.Configuration")()
    table = cls("hadoop.HadoopTables")(conf).create(schema, spec, jmap({"format-version": "1"}), "file://" + location)
    files = []
    for part in range(4):
        key = cls("PartitionKey")(spec, schema)
        record = cls("data.GenericRecord").create(schema)
        record.setField("part", f"p{part % 2}")
        key.partition(record)
        out = table.io().newOutputFile(table.locationProvider().newDataLocation(f"data-{part}.parquet"))
        out = jp.JClass(P + "encryption.EncryptedFiles").encryptedOutput(
            out, jp.JClass(P + "encryption.EncryptionKeyMetadata").EMPTY)
        writer = cls("data.GenericAppenderFactory")(schema, spec).newDataWriter(out, cls("FileFormat").PARQUET, key)
        for i in range(part * 10, part * 10 + 10):
            row = record.copy()
            row.setField("id", jp.JLong(i))
            writer.write(jp.JObject(row, jp.JClass("java.lang.Object")))
        writer.close()
        files.append(writer.toDataFile())
        table.newFastAppend().appendFile(files[-1]).commit()
    table.newDelete().deleteFile(files[1].location()).commit()
    table.refresh()

    path = str(table.operations().current().metadataFileLocation()).removeprefix("file:")
    metadata = json.load(open(path))
    for snapshot in metadata["snapshots"]:
        manifests = table.snapshot(jp.JLong(snapshot["snapshot-id"])).allManifests(table.io())
        snapshot["manifests"] = [str(m.path()) for m in manifests]
        for member in ("manifest-list", "schema-id"):
            snapshot.pop(member, None)
    metadata["schema"] = metadata.get("schema") or metadata["schemas"][0]
    metadata["schema"].pop("schema-id", None)
    metadata["partition-spec"] = [{k: v for k, v in f.items() if k != "field-id"} for f in metadata["partition-spec"]]
    for member in ("schemas", "current-schema-id", "partition-specs", "default-spec-id", "last-partition-id",
                   "sort-orders", "default-sort-order-id", "refs", "statistics", "partition-statistics",
                   "metadata-log", "table-uuid"):
        metadata.pop(member, None)
    json.dump(metadata, open(path, "w"))
    # Hadoop's checksum of the file as it was.
    directory, name = os.path.split(path)
    os.remove(f"{directory}/.{name}.crc")
    print("file:" + path)


if __name__ == "__main__":
    main(*sys.argv[1:])
