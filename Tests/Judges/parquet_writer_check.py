#!/usr/bin/env python3
"""Judges Parquet files that were written elsewhere: `parquet_writer_check.py DIRECTORY`.

For each `NAME.json` (schema, rows, the writer's summary) the file `NAME.parquet` is read with PyArrow, checksums
verified, and with DuckDB, and its pages are walked with a decoder of Thrift that is only here. Rows, types, field ids,
statistics, page indexes, bloom filters and the summary must agree with the description. Prints one line for each fault.
"""
import decimal
import json
import math
import os
import struct
import sys
import zlib

import duckdb
import pyarrow
import pyarrow.compute
import pyarrow.parquet


# -- values in the description's form -------------------------------------------------------------------------------

def arrow_values(array, field):
    """The rows of an Arrow array as the description has them."""
    if isinstance(array, pyarrow.ChunkedArray):
        return [value for chunk in array.chunks for value in arrow_values(chunk, field)]
    if isinstance(array, pyarrow.ExtensionArray):
        array = array.storage
    valid = array.is_valid().to_pylist()
    kind = field["kind"]
    if kind == "group":
        parts = [arrow_values(pyarrow.compute.struct_field(array, [i]), f) for i, f in enumerate(field["fields"])]
        rows = [list(row) for row in zip(*parts)]
    elif kind == "list":
        offsets, values = array.offsets.to_pylist(), arrow_values(array.values, field["element"])
        rows = [values[offsets[i] : offsets[i + 1]] for i in range(len(array))]
    elif kind == "map":
        offsets = array.offsets.to_pylist()
        pairs = [list(p) for p in zip(arrow_values(array.keys, field["key"]), arrow_values(array.items, field["value"]))]
        rows = [pairs[offsets[i] : offsets[i + 1]] for i in range(len(array))]
    else:
        rows = leaf_values(array, field)
    return [row if ok else None for row, ok in zip(rows, valid)]


def leaf_values(array, field):
    kind, arrow = field["kind"], array.type
    if kind == "boolean":
        return array.to_pylist()
    if kind == "integer":
        if pyarrow.types.is_temporal(arrow):
            wide = pyarrow.int32() if arrow.bit_width == 32 else pyarrow.int64()
            array = array.view(wide)
            factor = unit_factor(field["arrow"], str(arrow))
            return [None if v is None else v // factor for v in array.to_pylist()]
        return array.to_pylist()
    if kind == "number":
        return [None if v is None else double_bits(v) for v in array.to_pylist()]
    if kind == "decimal":
        return [None if v is None else str(int(v.scaleb(field["scale"], CONTEXT))) for v in array.to_pylist()]
    if pyarrow.types.is_string(arrow) and "uuid" in field["arrow"]:  # DuckDB's
        return [None if v is None else v.replace("-", "") for v in array.to_pylist()]
    if pyarrow.types.is_string(arrow):
        array = array.cast(pyarrow.binary())
    return [None if v is None else v.hex() for v in array.to_pylist()]


CONTEXT = decimal.Context(prec=60)


def double_bits(value):
    return "7ff8000000000000" if math.isnan(value) else struct.pack(">d", value).hex()


def unit_factor(expected, got):
    """DuckDB has microseconds where the file has milliseconds."""
    units = {"s": 0, "ms": 1, "us": 2, "ns": 3}

    def unit(text):
        return units[text.split("[")[1].split(",")[0].rstrip("]")] if "[" in text and "day" not in text else None

    a, b = unit(expected), unit(got)
    return 1 if a is None or b is None or b <= a else 1000 ** (b - a)


def coarse(value, field):
    """The value as DuckDB has it: times and instants of nanoseconds only have microseconds there."""
    if value is None:
        return None
    kind = field["kind"]
    if kind == "group":
        return [coarse(v, f) for v, f in zip(value, field["fields"])]
    if kind == "list":
        return [coarse(v, field["element"]) for v in value]
    if kind == "map":
        return [[coarse(k, field["key"]), coarse(v, field["value"])] for k, v in value]
    if field["arrow"] in ("time64[ns]", "timestamp[ns, tz=UTC]"):
        return value // 1000 if value >= 0 else -(-value // 1000)
    return value


# -- schema -----------------------------------------------------------------------------------------------------------

def check_schema(arrow, field, path, faults):
    identity = (arrow.metadata or {}).get(b"PARQUET:field_id")
    identity = None if identity is None else int(identity)
    if identity != field["id"]:
        faults.append(f"{path}: field id {identity}, expected {field['id']}")
    if arrow.nullable == field["required"]:
        faults.append(f"{path}: nullable {arrow.nullable}")
    kind = field["kind"]
    if kind == "group":
        for i, child in enumerate(field["fields"]):
            check_schema(arrow.type.field(i), child, f"{path}.{child['name']}", faults)
    elif kind == "list":
        check_schema(arrow.type.value_field, field["element"], path + ".element", faults)
    elif kind == "map":
        check_schema(arrow.type.key_field, field["key"], path + ".key", faults)
        check_schema(arrow.type.item_field, field["value"], path + ".value", faults)
    else:
        got = str(arrow.type)
        if got != field["arrow"] and not (field["arrow"].startswith("extension") and got.startswith("extension<arrow.json" if "json" in field["arrow"] else "extension<arrow.uuid")):
            faults.append(f"{path}: type {got}, expected {field['arrow']}")


def leaves(field, path, repeated=False):
    """(path in the file, leaf, function from a row's value to the slots of the leaf, None where there is no value)"""
    kind = field["kind"]
    if kind == "group":
        for i, child in enumerate(field["fields"]):
            for p, leaf, slots in leaves(child, path + [child["name"]]):
                yield p, leaf, (lambda v, i=i, slots=slots: [None] if v is None else slots(v[i]))
    elif kind == "list":
        for p, leaf, slots in leaves(field["element"], path + ["list", "element"]):
            yield p, leaf, (lambda v, slots=slots: [s for e in v for s in slots(e)] if v else [None])
    elif kind == "map":
        for i, name in enumerate(["key", "value"]):
            for p, leaf, slots in leaves(field[name], path + ["key_value", name]):
                yield p, leaf, (lambda v, i=i, slots=slots: [s for e in v for s in slots(e[i])] if v else [None])
    else:
        yield path, field, (lambda v: [v])


# -- Thrift -----------------------------------------------------------------------------------------------------------

class Thrift:
    def __init__(self, data, position=0):
        self.data, self.position = data, position

    def varint(self):
        result = shift = 0
        while True:
            byte = self.data[self.position]
            self.position += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind, element=False):
        if kind in (1, 2):
            if element:
                self.position += 1
                return self.data[self.position - 1] == 1
            return kind == 1
        if kind == 3:
            self.position += 1
            return struct.unpack("b", self.data[self.position - 1 : self.position])[0]
        if kind in (4, 5, 6):
            return self.zigzag()
        if kind == 8:
            size = self.varint()
            self.position += size
            return bytes(self.data[self.position - size : self.position])
        if kind == 9:
            head = self.data[self.position]
            self.position += 1
            size = head >> 4
            if size == 15:
                size = self.varint()
            return [self.value(head & 15, True) for _ in range(size)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"Thrift type {kind}")

    def struct(self):
        result, last = {}, 0
        while True:
            head = self.data[self.position]
            self.position += 1
            if head == 0:
                return result
            last = last + (head >> 4) if head >> 4 else self.zigzag()
            result[last] = self.value(head & 15)


# -- bounds -----------------------------------------------------------------------------------------------------------

def sort_key(leaf, physical):
    """From a description's value to something that orders as the format says."""
    kind = leaf["kind"]
    if kind == "number":
        return lambda v: struct.unpack(">d", bytes.fromhex(v))[0]
    if kind == "decimal":
        return int
    if kind == "bytes":
        return bytes.fromhex
    return lambda v: v


def decode_bound(leaf, physical, raw):
    kind = leaf["kind"]
    if kind == "boolean":
        return raw[0] == 1
    if kind == "number":
        return struct.unpack("<f" if physical == 4 else "<d", raw)[0]
    if physical in (1, 2):
        return int.from_bytes(raw, "little", signed=True)
    if kind == "decimal":
        return int.from_bytes(raw, "big", signed=True)
    return raw


def check_bounds(place, leaf, physical, values, low, high, low_exact, high_exact, faults, may_lack=False):
    """`values` without nulls, bounds raw or None."""
    key = sort_key(leaf, physical)
    keys = [key(v) for v in values]
    nan_free = [k for k in keys if not (isinstance(k, float) and math.isnan(k))]
    if not nan_free:
        if low is not None or high is not None:
            faults.append(f"{place}: bounds without values")
        return
    if low is None or high is None:
        if not may_lack:
            faults.append(f"{place}: no bounds")
        return
    low, high = decode_bound(leaf, physical, low), decode_bound(leaf, physical, high)
    for bound, best, exact, sign in ((low, min(nan_free), low_exact, 1), (high, max(nan_free), high_exact, -1)):
        if exact and bound != best:
            faults.append(f"{place}: bound {bound!r}, expected {best!r}")
        if not exact and (bound > best if sign == 1 else bound < best):
            faults.append(f"{place}: bound {bound!r} does not cover {best!r}")
        if isinstance(bound, float) and bound == 0 and math.copysign(1, bound) != -sign:
            faults.append(f"{place}: zero with the wrong sign")
        if leaf["kind"] == "bytes" and leaf["arrow"] in ("string", "extension<arrow.json>"):
            bound.decode("utf-8")


# -- a file -----------------------------------------------------------------------------------------------------------

def check_file(path, case, faults):
    data = open(path, "rb").read()
    fields, rows = case["fields"], case["rows"]
    columns = [[row[i] for row in rows] for i in range(len(fields))]
    read = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True, arrow_extensions_enabled=True)
    table = read.read()
    table.validate(full=True)
    if table.num_rows != len(rows):
        faults.append(f"{table.num_rows} rows, expected {len(rows)}")
        return
    for i, field in enumerate(fields):
        check_schema(read.schema_arrow.field(i), field, field["name"], faults)
        if arrow_values(table.column(i), field) != columns[i]:
            faults.append(f"PyArrow: {field['name']} has other values")
    if read.metadata.metadata is None or any(
            read.metadata.metadata.get(k.encode()) != v.encode() for k, v in case["keyValues"].items()):
        if case["keyValues"]:
            faults.append("key values differ")
    size = int.from_bytes(data[-8:-4], "little")
    footer = Thrift(data[-8 - size : -8]).struct()
    if case["summary"]["fileSize"] != len(data) or case["summary"]["rowGroups"] != len(footer[4]):
        faults.append("the summary's size or row groups differ")
    for l, (leaf_path, leaf, slots) in enumerate(
            item for field in fields for item in leaves(field, [field["name"]])):
        index = [i for i, f in enumerate(fields) if f["name"] == leaf_path[0]][0]
        check_leaf(data, footer, l, leaf_path, leaf, [slots(v) for v in columns[index]], case, faults)


def check_leaf(data, footer, l, path, leaf, row_slots, case, faults):
    name = ".".join(path)
    first = 0
    total = compressed = 0
    physical = None
    for g, group in enumerate(footer[4]):
        chunk = group[1][l]
        meta = chunk[3]
        physical = meta[1]
        place = f"{name}, row group {g}"
        if [p.decode() for p in meta[3]] != path:
            faults.append(f"{place}: path {meta[3]}")
        part = row_slots[first : first + group[3]]
        first += group[3]
        flat = [s for row in part for s in row]
        present = [s for s in flat if s is not None]
        total += meta[5]
        compressed += meta[7]
        if meta[5] != len(flat):
            faults.append(f"{place}: {meta[5]} values, expected {len(flat)}")
        stats = meta[12]
        if stats[3] != len(flat) - len(present):
            faults.append(f"{place}: null_count {stats[3]}")
        if leaf["kind"] == "number" and stats[9] != present.count("7ff8000000000000"):
            faults.append(f"{place}: nan_count {stats[9]}")
        lacks = case["statisticsBytes"] <= 8 and leaf["kind"] == "bytes"
        check_bounds(place, leaf, physical, present, stats.get(6), stats.get(5), stats.get(8), stats.get(7), faults, lacks)
        check_pages(data, chunk, leaf, physical, part, place, case, lacks, faults)
        check_bloom(data, meta, leaf, physical, present, place, case, faults)
    summary = case["summary"]["leaves"][l]
    flat = [s for row in row_slots for s in row]
    present = [s for s in flat if s is not None]
    expected = {
        "path": path, "id": leaf["id"], "values": len(flat), "nulls": len(flat) - len(present),
        "nans": present.count("7ff8000000000000") if leaf["kind"] == "number" else 0, "bytes": compressed}
    got = {k: summary[k] for k in expected}
    if got != expected:
        faults.append(f"{name}: summary {got}, expected {expected}")
    low, high = (None if summary[k] is None else bytes.fromhex(summary[k]) for k in ("minimum", "maximum"))
    if physical is not None:
        check_bounds(
            name + ", summary", leaf, physical, present, low, high, summary["isMinimumExact"], summary["isMaximumExact"],
            faults)


def check_pages(data, chunk, leaf, physical, part, place, case, lacks, faults):
    meta = chunk[3]
    start = meta.get(11, meta[9])
    end = start + meta[7]
    pages, position, uncompressed = [], start, 0
    encodings = set()
    while position < end:
        thrift = Thrift(data, position)
        header = thrift.struct()
        body = data[thrift.position : thrift.position + header[3]]
        if case["checksums"] and (zlib.crc32(body) & 0xFFFFFFFF) != header[4] & 0xFFFFFFFF:
            faults.append(f"{place}: checksum at {position}")
        size = thrift.position - position + header[3]
        uncompressed += thrift.position - position + header[2]
        if header[1] == 2:
            if position != start or meta.get(11) != start:
                faults.append(f"{place}: the dictionary is not where it should be")
            encodings.add((2, header[7][2]))
        else:
            inner = header.get(5) or header.get(8)
            encodings.add((header[1], inner[2] if header[1] == 0 else inner[4]))
            pages.append((position, size, inner))
        position += size
    if position != end or uncompressed != meta[6]:
        faults.append(f"{place}: sizes do not add up")
    if {(e[1], e[2]) for e in meta[13]} != encodings or not {e for _, e in encodings} <= set(meta[2]):
        faults.append(f"{place}: encodings {meta[13]}, found {encodings}")
    if 4 not in chunk:
        if case["pageIndex"]:
            faults.append(f"{place}: no offset index")
        return
    locations = Thrift(data, chunk[4]).struct()[1]
    if [(p[1], p[2]) for p in locations] != [(p[0], p[1]) for p in pages]:
        faults.append(f"{place}: the offset index has other pages")
        return
    column_index = Thrift(data, chunk[6]).struct() if 6 in chunk else None
    starts = [p[3] for p in locations] + [len(part)]
    if starts[0] != 0 or any(a >= b for a, b in zip(starts, starts[1:])):
        faults.append(f"{place}: first rows {starts}")
    all_nan = False
    for i, (position, size, inner) in enumerate(pages):
        flat = [s for row in part[starts[i] : starts[i + 1]] for s in row]
        present = [s for s in flat if s is not None]
        if inner[1] != len(flat):
            faults.append(f"{place}, page {i}: {inner[1]} values, expected {len(flat)}")
        if starts[i + 1] - starts[i] > case["pageRows"]:
            faults.append(f"{place}, page {i}: too many rows")
        all_nan |= bool(present) and leaf["kind"] == "number" and set(present) == {"7ff8000000000000"}
        if column_index is None:
            continue
        if column_index[1][i] != (not present) or column_index[5][i] != len(flat) - len(present):
            faults.append(f"{place}, page {i}: null counts in the column index")
        if present:
            check_bounds(
                f"{place}, page {i}", leaf, physical, present, column_index[2][i], column_index[3][i], False, False, faults)
    if column_index is None:
        if not all_nan and not lacks:
            faults.append(f"{place}: no column index")
        return
    used = [i for i in range(len(pages)) if not column_index[1][i]]
    lows = [decode_bound(leaf, physical, column_index[2][i]) for i in used]
    highs = [decode_bound(leaf, physical, column_index[3][i]) for i in used]
    if column_index[4] == 1 and (lows != sorted(lows) or highs != sorted(highs)):
        faults.append(f"{place}: the column index does not ascend")
    if column_index[4] == 2 and (lows != sorted(lows, reverse=True) or highs != sorted(highs, reverse=True)):
        faults.append(f"{place}: the column index does not descend")


# -- bloom filters ----------------------------------------------------------------------------------------------------

SALTS = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
MASK = (1 << 64) - 1


def rotate(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & MASK


def xxh64(data):
    def mix(lane, word):
        return rotate((lane + word * P2) & MASK, 31) * P1 & MASK

    position = 0
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while position + 32 <= len(data):
            for i, word in enumerate(struct.unpack_from("<4Q", data, position)):
                lanes[i] = mix(lanes[i], word)
            position += 32
        result = sum(rotate(v, r) for v, r in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            result = ((result ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        result = P5
    result = (result + len(data)) & MASK
    while position + 8 <= len(data):
        result = (rotate(result ^ mix(0, struct.unpack_from("<Q", data, position)[0]), 27) * P1 + P4) & MASK
        position += 8
    if position + 4 <= len(data):
        result = (rotate(result ^ struct.unpack_from("<I", data, position)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        position += 4
    for byte in data[position:]:
        result = rotate(result ^ byte * P5 & MASK, 11) * P1 & MASK
    result = (result ^ result >> 33) * P2 & MASK
    result = (result ^ result >> 29) * P3 & MASK
    return result ^ result >> 32


def plain(leaf, physical, value):
    if leaf["kind"] == "number":
        number = struct.unpack(">d", bytes.fromhex(value))[0]
        return struct.pack("<f" if physical == 4 else "<d", number)
    if physical in (1, 2):
        return int(value).to_bytes(4 if physical == 1 else 8, "little", signed=True)
    if leaf["kind"] == "decimal":
        precision = int(leaf["arrow"].split("(")[1].split(",")[0])
        size = next(n for n in range(1, 17) if 1 << (8 * n - 1) >= 10**precision)
        return int(value).to_bytes(size, "big", signed=True)
    return bytes.fromhex(value)


def check_bloom(data, meta, leaf, physical, present, place, case, faults):
    if not case["bloom"] or leaf["kind"] == "boolean":
        return
    if 14 not in meta:
        if present:
            faults.append(f"{place}: no bloom filter")
        return
    thrift = Thrift(data, meta[14])
    header = thrift.struct()
    if thrift.position - meta[14] + header[1] != meta[15] or header[2] != {1: {}} or header[3] != {1: {}}:
        faults.append(f"{place}: bloom filter header {header}")
    bits = data[thrift.position : thrift.position + header[1]]

    def may_contain(raw):
        value = xxh64(raw)
        block = (value >> 32) * (header[1] // 32) >> 32
        key = value & 0xFFFFFFFF
        for i, salt in enumerate(SALTS):
            bit = (key * salt & 0xFFFFFFFF) >> 27
            if not struct.unpack_from("<I", bits, block * 32 + i * 4)[0] >> bit & 1:
                return False
        return True

    for value in set(present):
        if not may_contain(plain(leaf, physical, value)):
            faults.append(f"{place}: the bloom filter misses {value}")
            return
    absent = sum(may_contain(f"absent {i}".encode()) for i in range(500))
    if absent > 500 * 0.06:
        faults.append(f"{place}: the bloom filter has {absent} of 500 values that are not there")


# -- DuckDB -----------------------------------------------------------------------------------------------------------

def check_duckdb(connection, path, case, faults):
    table = connection.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table()
    for i, field in enumerate(case["fields"]):
        expected = [coarse(row[i], field) for row in case["rows"]]
        got = arrow_values(table.column(i), field)
        if got != expected:
            faults.append(f"DuckDB: {field['name']} has other values")


def main():
    directory = sys.argv[1]
    connection = duckdb.connect()
    connection.sql("SET TimeZone = 'UTC'")
    names = sorted(n[:-5] for n in os.listdir(directory) if n.endswith(".json"))
    failed = 0
    for name in names:
        case = json.load(open(os.path.join(directory, name + ".json")))
        path = os.path.join(directory, name + ".parquet")
        faults = []
        try:
            check_file(path, case, faults)
        except Exception as error:
            faults.append(f"PyArrow or the page walk failed: {type(error).__name__}: {error}")
        if case["duckdb"]:
            try:
                check_duckdb(connection, path, case, faults)
            except Exception as error:
                faults.append(f"DuckDB failed: {type(error).__name__}: {error}")
        for fault in faults[:8]:
            print(f"{name}: {fault}")
        failed += bool(faults)
    print(f"judged {len(names)}, failed {failed}")
    sys.exit(1 if failed or not names else 0)


if __name__ == "__main__":
    main()
