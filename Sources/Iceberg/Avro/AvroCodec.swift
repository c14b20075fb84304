/// How blocks of an Avro file are compressed (Avro specification, "Object Container Files").
public enum AvroCodec: String, Hashable, Sendable, CaseIterable {
  /// Not at all.
  case null
  /// Raw deflate, the default of Iceberg's writers.
  case deflate
  /// Zstandard.
  case zstandard
  /// Snappy, with a checksum.
  case snappy
}
