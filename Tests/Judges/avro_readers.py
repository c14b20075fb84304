#!/usr/bin/env python3
"""Reads Avro files with the libraries that know their codec, and compares how many values they find.

  avro_readers.py null|deflate|snappy|zstandard FILE...

fastavro here knows null and deflate, DuckDB besides snappy.
"""
import sys

import duckdb
import duckdb_extensions
import fastavro


def main(codec, *paths):
    total = 0
    for path in paths:
        counts = set()
        with open(path, "rb") as file:
            if codec in ("null", "deflate"):
                reader = fastavro.reader(file)
                assert reader.codec == codec, f"{path}: {reader.codec}"
                counts.add(len(list(reader)))
            else:
                assert codec.encode() in file.read(), path
        if codec != "zstandard":
            duckdb_extensions.import_extension("avro")
            connection = duckdb.connect()
            connection.execute("LOAD avro")
            counts.add(connection.execute("SELECT count(*) FROM read_avro(?)", [path]).fetchone()[0])
        assert len(counts) <= 1, f"{path}: {counts}"
        total += sum(counts)
    assert total or codec == "zstandard", "no values"


if __name__ == "__main__":
    main(*sys.argv[1:])
