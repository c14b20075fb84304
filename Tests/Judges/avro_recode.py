#!/usr/bin/env python3
"""Writes Avro files anew with another codec, through Java's Avro library.

  avro_recode.py CODEC FILE...       codec: null, deflate, snappy, zstandard

The files keep schema, header entries and values, but for the lengths of manifests in their lists; what `java_iceberg.py` and others read of them stays the same.
"""
import os
import sys

from java_iceberg import start


def main(codec, *paths):
    jp = start()
    java = lambda name: jp.JClass(name)
    factory = java("org.apache.avro.file.CodecFactory").fromString(codec)
    # Lists last: they say how long manifests are.
    for path in sorted(paths, key=lambda path: "snap-" in path):
        source = java("java.io.File")(path)
        reader = java("org.apache.avro.file.DataFileReader")(source, java("org.apache.avro.generic.GenericDatumReader")())
        writer = java("org.apache.avro.file.DataFileWriter")(java("org.apache.avro.generic.GenericDatumWriter")())
        writer.setCodec(factory)
        for key in reader.getMetaKeys():
            if not str(key).startswith("avro."):
                writer.setMeta(key, reader.getMeta(key))
        writer.create(reader.getSchema(), java("java.io.File")(path + ".new"))
        while reader.hasNext():
            value = reader.next()
            if reader.getSchema().getField("manifest_length"):
                manifest = str(value.get("manifest_path")).removeprefix("file://")
                value.put("manifest_length", jp.JLong(os.path.getsize(manifest)))
            writer.append(value)
        writer.close()
        reader.close()
        os.replace(path + ".new", path)
        # Hadoop's checksum of the file as it was.
        checksum = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.crc")
        if os.path.exists(checksum):
            os.remove(checksum)


if __name__ == "__main__":
    main(*sys.argv[1:])
