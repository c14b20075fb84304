"""Judge of the Parquet reader: files made by PyArrow and DuckDB, and their rows as text.

  parquet_rows.py make DIR SEED     writes DIR/*.parquet and beside each the rows that are in it, DIR/*.rows
  parquet_rows.py rows FILE...      prints the rows that PyArrow reads from the files

A row is a line. Values: null; true, false; integers, dates, times and timestamps as the number that is stored
(unsigned 64-bit ones by bit pattern); floating-point as f: and the bits of the double in hexadecimal, NaN as f:nan;
decimals as d: and the unscaled number; text, bytes and UUIDs as x: and hexadecimal; lists [a,b]; maps {k=v,k=v};
structures and rows (a,b).
"""
import decimal, os, random, struct, sys
import pyarrow as pa, pyarrow.parquet as pq

decimal.getcontext().prec = 80


def double(value):
    if value is None: return "null"
    return "f:nan" if value != value else "f:" + struct.pack(">d", value).hex()


def texts(array):
    """The text of each value of an Arrow array."""
    kind, types = array.type, pa.types
    if isinstance(kind, pa.BaseExtensionType): return texts(array.storage)
    if types.is_dictionary(kind): return texts(array.dictionary_decode())
    if types.is_null(kind): return ["null"] * len(array)
    if types.is_boolean(kind): return ["null" if v is None else str(v).lower() for v in array.to_pylist()]
    if types.is_float16(kind):
        return ["null" if v is None else "x:" + struct.pack("<e", v).hex() for v in array.to_pylist()]
    if types.is_floating(kind): return [double(v) for v in array.to_pylist()]
    if types.is_decimal(kind):
        scale = decimal.Decimal(10) ** kind.scale
        return ["null" if v is None else "d:%d" % int(v * scale) for v in array.to_pylist()]
    if types.is_temporal(kind): array = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    if types.is_integer(array.type):
        wrap = lambda v: v - (1 << 64) if v >= 1 << 63 else v
        return ["null" if v is None else str(wrap(v)) for v in array.to_pylist()]
    if types.is_struct(kind):
        fields = [texts(array.field(i)) for i in range(kind.num_fields)]
        valid = array.is_valid().to_pylist()
        return ["(" + ",".join(f[i] for f in fields) + ")" if valid[i] else "null" for i in range(len(array))]
    if types.is_map(kind):
        keys, items = texts(array.keys), texts(array.items)
        return nested(array, ["%s=%s" % pair for pair in zip(keys, items)], "{%s}")
    if types.is_fixed_size_list(kind):
        array = array.cast(pa.list_(kind.value_field))
        return nested(array, texts(array.values), "[%s]")
    if types.is_list(kind) or types.is_large_list(kind): return nested(array, texts(array.values), "[%s]")
    return ["null" if v is None else "x:" + (v.encode() if isinstance(v, str) else v).hex() for v in array.to_pylist()]


def nested(array, values, form):
    offsets, valid = array.offsets.to_pylist(), array.is_valid().to_pylist()
    return [form % ",".join(values[offsets[i]:offsets[i + 1]]) if valid[i] else "null" for i in range(len(array))]


def lines(table):
    columns = []
    for column in table.columns:
        # Chunk by chunk: concatenation may overflow, and offsets differ from chunk to chunk.
        columns.append([text for chunk in column.chunks for text in texts(pa.concat_arrays([chunk]))])
    return ["(" + ",".join(row) + ")" for row in zip(*columns)] if columns else ["()"] * table.num_rows


def read(path):
    # Without the Arrow schema: what Parquet itself says, not what Arrow once held.
    return pq.ParquetFile(path, coerce_int96_timestamp_unit="us", page_checksum_verification=True).read(use_threads=False)


class Maker:
    def __init__(self, directory, seed):
        self.directory, self.random = directory, random.Random(seed)

    def value(self, kind):
        r, types = self.random, pa.types
        if types.is_boolean(kind): return r.random() < 0.4
        if types.is_integer(kind):
            low, high = (0, (1 << kind.bit_width) - 1) if types.is_unsigned_integer(kind) else (
                -(1 << kind.bit_width - 1), (1 << kind.bit_width - 1) - 1)
            return r.choice([low, high, r.randint(low, high), max(low, min(high, r.randint(-50, 50)))])
        if types.is_floating(kind):
            number = r.choice([0.0, -0.0, float("inf"), float("-inf"), float("nan"), r.gauss(0, 1e3), float(r.randint(-9, 9))])
            return struct.unpack("<f", struct.pack("<f", number))[0] if types.is_float32(kind) else number
        if types.is_decimal(kind):
            top = 10 ** kind.precision - 1
            return decimal.Decimal(r.choice([top, -top, 0, r.randint(-top, top), r.randint(-99, 99)])).scaleb(-kind.scale)
        if types.is_string(kind) or types.is_large_string(kind):
            return r.choice(["", "sensor-%d" % r.randint(0, 9), "é漢\U0001f600" * r.randint(0, 4), "x" * r.randint(0, 60)])
        if types.is_fixed_size_binary(kind): return r.randbytes(kind.byte_width)
        if types.is_binary(kind): return r.randbytes(r.choice([0, 1, 5, 40]))
        if types.is_date(kind): return r.randint(-100000, 100000)
        if types.is_time32(kind): return r.randint(0, 86399999)
        if types.is_time64(kind): return r.randint(0, 86399999999)
        if types.is_timestamp(kind): return r.randint(-(1 << 50), 1 << 50)
        if types.is_struct(kind): return {f.name: self.maybe(f) for f in kind}
        if types.is_map(kind):
            return [(self.value(kind.key_type), self.maybe(kind.item_field)) for _ in range(r.choice([0, 1, 2, 5]))]
        if types.is_list(kind): return [self.maybe(kind.value_field) for _ in range(r.choice([0, 0, 1, 2, 7]))]
        raise TypeError(kind)

    def maybe(self, field):
        return None if field.nullable and self.random.random() < 0.2 else self.value(field.type)

    def array(self, field, rows, run=1):
        values = []
        while len(values) < rows: values += [self.maybe(field)] * self.random.randint(1, run)
        return pa.array(values[:rows], field.type)

    def table(self, fields, rows, run=1):
        return pa.Table.from_arrays([self.array(f, rows, run) for f in fields], schema=pa.schema(fields))

    def any_type(self, depth):
        r = self.random
        if depth == 0 or r.random() < 0.25:
            return r.choice([pa.int32(), pa.string(), pa.bool_(), pa.float64(), pa.decimal128(20, 3), pa.int64(), pa.binary(4)])
        shape = r.randint(0, 2)
        if shape == 0: return pa.struct([self.any_field("f%d" % i, depth - 1) for i in range(r.randint(1, 3))])
        if shape == 1: return pa.list_(self.any_field("item", depth - 1))
        return pa.map_(r.choice([pa.string(), pa.int32()]), self.any_field("value", depth - 1))

    def any_field(self, name, depth): return pa.field(name, self.any_type(depth), nullable=self.random.random() < 0.7)

    def write(self, name, table, **options):
        path = os.path.join(self.directory, name + ".parquet")
        pq.write_table(table, path, **options)
        self.expect(name, table)

    def expect(self, name, table):
        with open(os.path.join(self.directory, name + ".rows"), "w") as file:
            file.write("".join(line + "\n" for line in lines(table)))


FLAT = [pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
        pa.float32(), pa.float64(), pa.decimal128(5, 2), pa.decimal128(18, 4), pa.decimal128(38, 10), pa.string(),
        pa.binary(), pa.binary(7), pa.date32(), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.timestamp("ms"),
        pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.large_string()]


def flat_fields(nullable): return [pa.field("c%d" % i, kind, nullable=nullable) for i, kind in enumerate(FLAT)]


def flat_files(maker):
    options = dict(data_page_size=2000, row_group_size=700, write_page_checksum=True, write_page_index=True)
    for nullable in (True, False):
        table = maker.table(flat_fields(nullable), 1500)
        kind = "optional" if nullable else "required"
        for codec in ("none", "snappy", "gzip", "zstd", "lz4"):
            for version in ("1.0", "2.0"):
                maker.write("flat-%s-%s-%s" % (kind, codec, version[0]), table, compression=codec,
                            data_page_version=version, use_dictionary=codec != "gzip", **options)
        runs = maker.table(flat_fields(nullable), 3000, run=40)
        maker.write("runs-%s" % kind, runs, row_group_size=3000, dictionary_pagesize_limit=1500)
        maker.write("integers-%s" % kind, table, store_decimal_as_integer=True, use_dictionary=False)
    maker.write("nulls", pa.table({"n": pa.nulls(50), "i": pa.array([None] * 50, pa.int64()), "s": pa.array([None] * 50, pa.string())}))
    maker.write("empty", maker.table(flat_fields(True), 0))
    maker.write("int96", maker.table([pa.field("t", pa.timestamp("us"))], 100), use_deprecated_int96_timestamps=True)
    uuids = [maker.random.randbytes(16) if i % 5 else None for i in range(60)]
    maker.write("uuid", pa.table({"u": pa.ExtensionArray.from_storage(pa.uuid(), pa.array(uuids, pa.binary(16)))}))


def encoding_files(maker):
    choices = {"DELTA_BINARY_PACKED": [pa.int32(), pa.int64(), pa.uint32(), pa.timestamp("us")],
               "DELTA_LENGTH_BYTE_ARRAY": [pa.string(), pa.binary()],
               "DELTA_BYTE_ARRAY": [pa.string(), pa.binary(), pa.binary(7), pa.decimal128(30, 2)],
               "BYTE_STREAM_SPLIT": [pa.float32(), pa.float64(), pa.int32(), pa.int64(), pa.binary(7), pa.decimal128(30, 2)],
               "RLE": [pa.bool_()], "PLAIN": [pa.bool_(), pa.int32(), pa.string()]}
    for encoding, kinds in choices.items():
        for nullable in (True, False):
            fields = [pa.field("c%d" % i, kind, nullable=nullable) for i, kind in enumerate(kinds)]
            for version, run in (("1.0", 1), ("2.0", 30)):
                maker.write("encoding-%s-%s-%s" % (encoding.lower(), nullable, version[0]), maker.table(fields, 2000, run),
                            use_dictionary=False, column_encoding={f.name: encoding for f in fields},
                            data_page_version=version, data_page_size=4000)


def nested_files(maker):
    for index in range(24):
        fields = [maker.any_field("c%d" % i, 4) for i in range(3)]
        maker.write("nested-%d" % index, maker.table(fields, maker.random.choice([1, 40, 400])),
                    data_page_version=maker.random.choice(["1.0", "2.0"]), data_page_size=maker.random.choice([100, 5000]),
                    row_group_size=150, write_page_index=True, use_compliant_nested_type=index % 2 == 0)


def duckdb_files(maker):
    import duckdb
    query = """SELECT i, i % 3 = 0 AS b, i::TINYINT AS t, (i * 3)::UINTEGER AS u, i::UBIGINT + 9223372036854775808 AS h,
      i / 7.0 AS d, (i / 3)::FLOAT AS f, CASE WHEN i % 5 = 0 THEN NULL ELSE 'text ' || (i % 20) END AS s,
      (i * 1.25)::DECIMAL(9, 2) AS small, (i * 1.25)::DECIMAL(18, 6) AS middle, (i * 1.25)::DECIMAL(38, 6) AS large,
      DATE '2020-01-01' + i::INTEGER AS day, TIME '10:00:00' + to_seconds(i) AS clock,
      TIMESTAMP '2020-01-01' + to_seconds(i) AS at, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i) AS atz,
      encode('b' || i) AS blob, md5(i::VARCHAR)::UUID AS id, CASE WHEN i % 4 = 0 THEN NULL ELSE range(i % 6) END AS list,
      CASE WHEN i % 7 = 0 THEN NULL ELSE {'a': i, 'b': [{'c': i % 2, 'd': 'x' || i}, NULL]} END AS struct,
      MAP {'k' || i % 3: i, 'other': NULL} AS map, [[i], [], NULL, [NULL, i]] AS lists
      FROM (SELECT (range % 127)::BIGINT AS i FROM range(5000))"""
    for version in ("V1", "V2"):
        for codec in ("uncompressed", "snappy", "gzip", "zstd", "lz4_raw"):
            name = "duckdb-%s-%s" % (version, codec)
            path = os.path.join(maker.directory, name + ".parquet")
            duckdb.sql("COPY (%s) TO '%s' (FORMAT parquet, CODEC %s, PARQUET_VERSION %s, ROW_GROUP_SIZE 3000)"
                       % (query, path, codec, version))
            maker.expect(name, read(path))


def main(arguments):
    if arguments[0] == "rows":
        for path in arguments[1:]: print("\n".join(lines(read(path))))
        return
    maker = Maker(arguments[1], int(arguments[2]))
    for step in (flat_files, encoding_files, nested_files, duckdb_files): step(maker)


if __name__ == "__main__": main(sys.argv[1:])
