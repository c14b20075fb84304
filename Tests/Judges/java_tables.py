#!/usr/bin/env python3
"""Tables that the Java library writes, for our reader and maintenance.

  java_tables.py LOCATION v1|v2|v3       makes a table at the directory LOCATION (file-system catalog layout)

Rows 0 ... 59 in files of 10. v1: written as version 1, then upgraded to 2. v2: position deletes of rows 3 and 13, an
equality delete of rows 20 ... 22 (by id) and of the row whose name is null (by name). v3: deletion vectors of 3, 4 and 13.
"""
import sys

from java_iceberg import P, cls, jmap, start


def main(location, kind):
    jp = start()
    types = cls("types.Types")
    nested = jp.JClass(P + "types.Types$NestedField")
    schema = cls("Schema")([
        nested.required(1, "id", jp.JClass(P + "types.Types$LongType").get()),
        nested.optional(2, "name", jp.JClass(P + "types.Types$StringType").get())])
    conf = jp.JClass("org.apache.hadoop.conf.Configuration")()
    spec = cls("PartitionSpec").unpartitioned()
    version = kind[1]
    table = cls("hadoop.HadoopTables")(conf).create(schema, spec, jmap({"format-version": version}), "file://" + location)
    formats = cls("FileFormat").PARQUET
    record = cls("data.GenericRecord").create(schema)
    paths = []

    def rows(ids):
        result = jp.JClass("java.util.ArrayList")()
        for i in ids:
            r = record.copy()
            r.setField("id", jp.JLong(i))
            r.setField("name", None if i == 47 else f"name {i}")
            result.add(r)
        return result

    def output(name):
        out = table.io().newOutputFile(table.locationProvider().newDataLocation(name))
        return jp.JClass(P + "encryption.EncryptedFiles").encryptedOutput(out, jp.JClass(P + "encryption.EncryptionKeyMetadata").EMPTY)

    def appenders(ids=None, delete_schema=None):
        array = None if ids is None else jp.JArray(jp.JInt)(ids)
        return cls("data.GenericAppenderFactory")(table.schema(), table.spec(), array, delete_schema, None)

    def append(ids, name):
        writer = appenders().newDataWriter(output(name), formats, None)
        for row in rows(ids):
            writer.write(jp.JObject(row, jp.JClass("java.lang.Object")))
        writer.close()
        file = writer.toDataFile()
        paths.append(str(file.location()))
        table.newAppend().appendFile(file).commit()

    for part in range(5):
        append(range(part * 10, part * 10 + 10), f"data-{part}.parquet")
    if kind == "v1":
        operations = table.operations()
        operations.commit(operations.current(), operations.current().upgradeToFormatVersion(2))
        table.refresh()
    if kind == "v2":
        writer = appenders().newPosDeleteWriter(output("positions.parquet"), formats, None)
        delete = jp.JClass(P + "deletes.PositionDelete").create()
        for path in paths[:2]:
            writer.write(jp.JObject(delete.set(path, 3, None), jp.JClass("java.lang.Object")))
        writer.close()
        table.newRowDelta().addDeletes(writer.toDeleteFile()).commit()
        for column, ids, name in (("id", [20, 21, 22], "ids.parquet"), ("name", [47], "names.parquet")):
            part = table.schema().select(jp.JArray(jp.JString)([column]))
            field = table.schema().findField(column).fieldId()
            writer = appenders([field], part).newEqDeleteWriter(output(name), formats, None)
            some = cls("data.GenericRecord").create(part)
            for row in rows(ids):
                r = some.copy()
                r.setField(column, row.getField(column))
                writer.write(jp.JObject(r, jp.JClass("java.lang.Object")))
            writer.close()
            table.newRowDelta().addDeletes(writer.toDeleteFile()).commit()
    if kind == "v3":
        factory = cls("io.OutputFileFactory") if False else jp.JClass(P + "io.OutputFileFactory")
        files = factory.builderFor(table, 1, 1).format(cls("FileFormat").PUFFIN).build()
        writer = jp.JClass(P + "deletes.BaseDVFileWriter")(files, jp.JProxy("java.util.function.Function", dict={"apply": lambda path: None}))
        for path, position in ((paths[0], 3), (paths[0], 4), (paths[1], 3)):
            writer.delete(path, position, table.spec(), None)
        writer.close()
        delta = table.newRowDelta()
        for file in writer.result().deleteFiles():
            delta.addDeletes(file)
        delta.commit()
    append(range(50, 60), "data-5.parquet")
    print(table.operations().current().metadataFileLocation())


if __name__ == "__main__":
    main(*sys.argv[1:])
