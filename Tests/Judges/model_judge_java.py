"""Judges the table model with Iceberg Java: reads a JSON request on standard input, writes a JSON answer as the last line.

{"metadata": [texts]} -> each as Java reads and writes it, or {"error": …}
{"paths": [[schema JSON, spec JSON, [source values as hex of single-value binary, or null]]]} -> partitionToPath after the transforms
"""
import json, os, sys
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from java_iceberg import cls, start

def main():
    request = json.load(sys.stdin)
    start()
    answer = []
    if "metadata" in request:
        parser = cls("TableMetadataParser")
        for text in request["metadata"]:
            try: answer.append(json.loads(str(parser.toJson(parser.fromJson(text)))))
            except Exception as e: answer.append({"error": str(e)[:500]})
    else:
        schemas, specs, conversions = cls("SchemaParser"), cls("PartitionSpecParser"), cls("types.Conversions")
        buffers, record = start().JClass("java.nio.ByteBuffer"), cls("data.GenericRecord")
        for schema_text, spec_text, values in request["paths"]:
            try:
                schema = schemas.fromJson(json.dumps(schema_text))
                spec = specs.fromJson(schema, json.dumps(spec_text))
                tuple_ = record.create(spec.partitionType())
                for i, field in enumerate(spec.fields()):
                    if values[i] is None: continue
                    kind = schema.findType(field.sourceId())
                    data = start().JArray(start().JByte)([b - 256 if b > 127 else b for b in bytes.fromhex(values[i])])
                    value = conversions.fromByteBuffer(kind, buffers.wrap(data))
                    result = field.transform().bind(kind).apply(value)
                    if result is not None and "CharBuffer" in str(type(result)): result = str(result.toString())
                    tuple_.set(i, result)
                answer.append(str(spec.partitionToPath(tuple_)))
            except Exception as e: answer.append("error: " + str(e)[:300])
    print(json.dumps(answer))

main()
