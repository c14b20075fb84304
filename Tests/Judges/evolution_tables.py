#!/usr/bin/env python3
"""Tables whose nested columns changed after rows had been written, by PyIceberg or the Java library.

  evolution_tables.py pyiceberg|java|imported DIRECTORY SEED...

makes a table for each seed, called `ns.t<seed>`, in the layout of a file-system catalog below DIRECTORY. Changes and
rows are random: columns of structs, of lists of structs and of maps of structs are added, dropped, renamed, moved,
widened and made optional between appends. Every struct keeps a column `k`, because readers differ on structs of which
a file has no column. Files of imported tables are plain PyArrow's, without field ids: the table has a name mapping.
"""
import datetime
import decimal
import json
import random
import shutil
import sys

PRIMITIVES = ["int", "long", "float", "double", "string", "boolean", "date", "decimal(9, 2)"]
WIDER = {"int": "long", "float": "double", "decimal(9, 2)": "decimal(18, 2)", "decimal(18, 2)": "decimal(38, 2)"}


class Types:
    """Random types as the schema JSON has them; engines give ids of their own."""

    def __init__(self, rng):
        self.rng, self.last = rng, 0

    def next_id(self):
        self.last += 1
        return self.last

    def field(self, name, kind, required=False):
        return {"id": self.next_id(), "name": name, "required": required, "type": kind}

    def type(self, depth):
        kind = self.rng.randrange(8) if depth < 3 else 7
        if kind == 0:
            return self.struct(depth + 1)
        if kind == 1:
            return {"type": "list", "element-id": self.next_id(), "element-required": False, "element": self.type(depth + 1)}
        if kind == 2:
            return {"type": "map", "key-id": self.next_id(), "key": self.rng.choice(["string", "int"]),
                    "value-id": self.next_id(), "value-required": False, "value": self.type(depth + 1)}
        return self.rng.choice(PRIMITIVES)

    def struct(self, depth):
        fields = [self.field("k", "int", self.rng.random() < 0.3)]
        fields += [self.field(f"f{i}", self.type(depth), self.rng.random() < 0.2) for i in range(self.rng.randint(1, 3))]
        return {"type": "struct", "fields": fields}


def value(rng, kind, required=False):
    """A random value of a type; structs are dicts, maps lists of pairs."""
    if not required and rng.random() < 0.2:
        return None
    if isinstance(kind, dict):
        if kind["type"] == "struct":
            return {f["name"]: value(rng, f["type"], f["required"]) for f in kind["fields"]}
        count = rng.choice([0, 1, 1, 2, 3])
        if kind["type"] == "list":
            return [value(rng, kind["element"], kind["element-required"]) for _ in range(count)]
        keys = rng.sample(range(100), count)
        return [(f"key{k}" if kind["key"] == "string" else k, value(rng, kind["value"], kind["value-required"])) for k in keys]
    if kind in ("int", "long"):
        return rng.randint(-2**31, 2**31 - 1) if kind == "int" else rng.randint(-2**63, 2**63 - 1)
    if kind in ("float", "double"):
        return rng.randint(-10**6, 10**6) / 8
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "date":
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randint(-10**4, 10**4))
    if kind.startswith("decimal"):
        digits = min(int(kind[8:].split(",")[0]), 25)
        return decimal.Decimal(rng.randint(-10**digits + 1, 10**digits - 1)).scaleb(-2)
    return rng.choice(["", "a", "ß", "text " * 3]) + str(rng.randint(0, 99))


def paths(kind, path=()):
    """All columns of structs: path, field, the siblings' names; and all structs' paths."""
    if not isinstance(kind, dict):
        return
    if kind["type"] == "struct":
        yield path, None, kind
        for f in kind["fields"]:
            yield path + (f["name"],), f, kind
            yield from paths(f["type"], path + (f["name"],))
    elif kind["type"] == "list":
        yield from paths(kind["element"], path + ("element",))
    else:
        yield from paths(kind["value"], path + ("value",))


def changes(rng, types, schema, number):
    """Some changes that do not touch the same column twice."""
    everything = list(paths(schema))
    rng.shuffle(everything)
    touched, result = [], []
    for path, field, struct in everything:
        if len(result) == 5:
            break
        if any(path[:len(t)] == t or t[:len(path)] == path for t in touched if t):
            continue
        if field is None:
            name = f"n{number}_{len(result)}"
            result.append(("add", path, name, types.type(2)))
            touched.append(path + (name,))
            continue
        if field["name"] in ("k", "id"):
            continue
        siblings = [f["name"] for f in struct["fields"] if f["name"] != field["name"]]
        kind = rng.randrange(5)
        if kind == 0:
            result.append(("delete", path))
        elif kind == 1:
            result.append(("rename", path, f"r{number}_{len(result)}"))
        elif kind == 2 and field["type"] in WIDER if isinstance(field["type"], str) else False:
            result.append(("widen", path, WIDER[field["type"]]))
        elif kind == 3 and field["required"]:
            result.append(("optional", path))
        else:
            result.append(("first", path) if rng.random() < 0.5 else ("after", path, path[:-1] + (rng.choice(siblings),)))
            touched.append(result[-1][-1])
        touched.append(path)
    return result


def schema_of(types):
    fields = [types.field("id", "long", True), types.field("s", types.struct(1)),
              types.field("l", {"type": "list", "element-id": types.next_id(), "element-required": False, "element": types.struct(1)}),
              types.field("m", {"type": "map", "key-id": types.next_id(), "key": "string", "value-id": types.next_id(),
                                "value-required": False, "value": types.struct(1)})]
    return {"type": "struct", "schema-id": 0, "fields": fields + [types.field(f"c{i}", types.type(0)) for i in range(2)]}


class PyIceberg:
    def __init__(self, directory, name, schema):
        import pyiceberg.schema
        from pyiceberg.catalog.memory import InMemoryCatalog
        catalog = InMemoryCatalog("test", warehouse="file://" + directory)
        catalog.create_namespace("ns")
        self.table = catalog.create_table(f"ns.{name}", pyiceberg.schema.Schema.model_validate(schema),
                                          location=f"file://{directory}/ns/{name}")

    def schema(self):
        return json.loads(self.table.schema().model_dump_json())

    def append(self, rows):
        import pyarrow as pa
        from pyiceberg.io.pyarrow import schema_to_pyarrow
        self.table.append(pa.Table.from_pylist(rows, schema=schema_to_pyarrow(self.table.schema(), include_field_ids=False)))

    def evolve(self, steps):
        from pyiceberg.schema import Schema
        with self.table.update_schema() as update:
            for step in steps:
                path = step[1]
                if step[0] == "add":
                    field = {"id": 1, "name": "x", "required": False, "type": step[3]}
                    kind = Schema.model_validate({"type": "struct", "fields": [field]}).fields[0].field_type
                    update.add_column(path + (step[2],), kind)
                elif step[0] == "delete":
                    update.delete_column(path)
                elif step[0] == "rename":
                    update.rename_column(path, step[2])
                elif step[0] == "widen":
                    field = {"id": 1, "name": "x", "required": False, "type": step[2]}
                    update.update_column(path, Schema.model_validate({"type": "struct", "fields": [field]}).fields[0].field_type)
                elif step[0] == "optional":
                    update.make_column_optional(path)
                elif step[0] == "first":
                    update.move_first(path)
                else:
                    update.move_after(path, step[2])

    def location(self):
        return self.table.metadata_location


class Imported(PyIceberg):
    def append(self, rows):
        import os
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyiceberg.io.pyarrow import schema_to_pyarrow
        directory = self.table.location().removeprefix("file://") + "/imported"
        os.makedirs(directory, exist_ok=True)
        path = f"{directory}/{len(os.listdir(directory))}.parquet"
        schema = schema_to_pyarrow(self.table.schema(), include_field_ids=False)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
        self.table.add_files(["file://" + path])


class Java:
    def __init__(self, directory, name, schema):
        from java_iceberg import cls, jmap, start
        self.jp, self.cls = start(), cls
        conf = self.jp.JClass("org.apache.hadoop.conf.Configuration")()
        self.table = cls("hadoop.HadoopTables")(conf).create(
            cls("SchemaParser").fromJson(json.dumps(schema)), cls("PartitionSpec").unpartitioned(),
            jmap({"format-version": "2"}), f"file://{directory}/ns/{name}")
        self.files = 0

    def schema(self):
        return json.loads(str(self.cls("SchemaParser").toJson(self.table.schema())))

    def convert(self, v, kind):
        jp = self.jp
        if v is None:
            return None
        name = str(kind.typeId().name())
        if name == "STRUCT":
            record = self.cls("data.GenericRecord").create(kind.asStructType())
            for f in kind.asStructType().fields():
                record.setField(f.name(), self.convert(v[str(f.name())], f.type()))
            return record
        if name == "LIST":
            result = jp.JClass("java.util.ArrayList")()
            for e in v:
                result.add(self.convert(e, kind.asListType().elementType()))
            return result
        if name == "MAP":
            result = jp.JClass("java.util.LinkedHashMap")()
            for k, e in v:
                result.put(self.convert(k, kind.asMapType().keyType()), self.convert(e, kind.asMapType().valueType()))
            return result
        if name == "DATE":
            return jp.JClass("java.time.LocalDate").of(v.year, v.month, v.day)
        if name == "DECIMAL":
            return jp.JClass("java.math.BigDecimal")(format(v, "f"))
        boxes = {"INTEGER": "Integer", "LONG": "Long", "FLOAT": "Float", "DOUBLE": "Double", "BOOLEAN": "Boolean"}
        return jp.JClass("java.lang." + boxes[name])(v) if name in boxes else jp.JString(v)

    def append(self, rows):
        jp, cls = self.jp, self.cls
        self.files += 1
        out = self.table.io().newOutputFile(self.table.locationProvider().newDataLocation(f"data-{self.files}.parquet"))
        from java_iceberg import P
        encrypted = jp.JClass(P + "encryption.EncryptedFiles").encryptedOutput(
            out, jp.JClass(P + "encryption.EncryptionKeyMetadata").EMPTY)
        factory = cls("data.GenericAppenderFactory")(self.table.schema(), self.table.spec())
        writer = factory.newDataWriter(encrypted, cls("FileFormat").PARQUET, None)
        for row in rows:
            writer.write(jp.JObject(self.convert(row, self.table.schema().asStruct()), jp.JClass("java.lang.Object")))
        writer.close()
        self.table.newAppend().appendFile(writer.toDataFile()).commit()

    def evolve(self, steps):
        update = self.table.updateSchema()
        parse = lambda kind: self.cls("SchemaParser").fromJson(json.dumps(
            {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "x", "required": False, "type": kind}]})
        ).findField("x").type()
        for step in steps:
            name = ".".join(step[1])
            if step[0] == "add":
                update.addColumn(name or None, step[2], parse(step[3]))
            elif step[0] == "delete":
                update.deleteColumn(name)
            elif step[0] == "rename":
                update.renameColumn(name, step[2])
            elif step[0] == "widen":
                update.updateColumn(name, parse(step[2]).asPrimitiveType())
            elif step[0] == "optional":
                update.makeColumnOptional(name)
            elif step[0] == "first":
                update.moveFirst(name)
            else:
                update.moveAfter(name, ".".join(step[2]))
        update.commit()
        self.table.refresh()

    def location(self):
        return str(self.table.operations().current().metadataFileLocation())


def main(engine, directory, *seeds):
    for seed in seeds:
        rng = random.Random(int(seed))
        types = Types(rng)
        table = {"pyiceberg": PyIceberg, "java": Java, "imported": Imported}[engine](directory, f"t{seed}", schema_of(types))
        number = 0
        for stage in range(4):
            if stage:
                steps = changes(rng, types, table.schema(), stage)
                try:
                    table.evolve(steps)
                except Exception:
                    print(seed, steps, file=sys.stderr)
                    raise
            rows = []
            for _ in range(12):
                number += 1
                rows.append({**value(rng, table.schema(), True), "id": number})
            table.append(rows)
        if engine != "java":
            path = table.location().removeprefix("file://")
            shutil.copy(path, path.rsplit("/", 1)[0] + "/v1.metadata.json")
        print(table.location())


if __name__ == "__main__":
    main(*sys.argv[1:])
