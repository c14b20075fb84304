import Columnar

/// A decoder, an encoder or a codec cannot be set up as asked, or bytes are not what they must be.
public struct FormatError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected, what came, what to do.
  public let message: String

  /// An error with a message for a person.
  public init(_ message: String) { self.message = message }

  /// The message.
  public var description: String { message }
}

/// What the values of records look like.
public enum RecordFormat: Hashable, Sendable {
  /// A JSON object a record; fields go to the columns of the same name.
  case json
  /// A line of RFC 4180 values a record.
  case csv(CSVOptions)
  /// The whole value goes to the column of this name, a `text`, `bytea` or `jsonb`.
  case raw(column: String)
}

/// How a CSV record is laid out.
public struct CSVOptions: Hashable, Sendable {
  /// The names of the values of a line, in order, from the file's header or the table's columns.
  public var names: [String]
  /// What separates values; `,` by default.
  public var delimiter: UInt8

  /// Lines of the values `names`.
  public init(names: [String], delimiter: UInt8 = 0x2c) {
    self.names = names
    self.delimiter = delimiter
  }
}

/// What a number in a timestamp column counts, since the epoch.
public enum TimestampUnit: Hashable, Sendable {
  /// Seconds; a fraction is allowed.
  case seconds
  /// Milliseconds; a fraction is allowed.
  case milliseconds
  /// Microseconds.
  case microseconds
  /// Nanoseconds; rounded down to microseconds.
  case nanoseconds
}

/// What to do with a record without a value.
public enum TombstonePolicy: Hashable, Sendable {
  /// It becomes a ``RejectedRecord``.
  case reject
  /// It is counted, and gives neither a row nor a rejected record.
  case skip
}

/// Everything that a ``RecordDecoder`` needs to know.
public struct DecoderConfiguration: Sendable {
  /// The columns to decode. The names `_key` (bytea or text), `_partition` (integer), `_offset` (bigint), `_timestamp`
  /// (timestamptz) and `_headers` (jsonb) are filled from the record itself.
  public var schema: Schema
  /// What values look like.
  public var format: RecordFormat
  /// The partition that the records are from.
  public var partition: PartitionID
  /// The value of `_partition`.
  public var partitionNumber: Int32
  /// What a number in a timestamp column counts.
  public var timestampUnit: TimestampUnit
  /// The index in ``schema`` of the timestamp that is the event time; `nil` without event time.
  public var eventTimeColumn: Int?
  /// How far the watermark stays behind the greatest event time, in microseconds.
  public var watermarkDelay: Int64
  /// Whether every row keeps its record's bytes, because a later step can reject it.
  public var keepsPayloads: Bool
  /// The greatest value, in bytes.
  public var maxRecordBytes: Int
  /// How deep objects and arrays may be nested; the record's own object is 1.
  public var maxDepth: Int
  /// What to do with records without a value.
  public var tombstones: TombstonePolicy

  /// A configuration with the usual limits: 8 MiB and a depth of 64.
  public init(
    schema: Schema, format: RecordFormat, partition: PartitionID, partitionNumber: Int32 = 0,
    timestampUnit: TimestampUnit = .milliseconds, eventTimeColumn: Int? = nil, watermarkDelay: Int64 = 0,
    keepsPayloads: Bool = false, maxRecordBytes: Int = 8 << 20, maxDepth: Int = 64,
    tombstones: TombstonePolicy = .reject
  ) {
    self.schema = schema
    self.format = format
    self.partition = partition
    self.partitionNumber = partitionNumber
    self.timestampUnit = timestampUnit
    self.eventTimeColumn = eventTimeColumn
    self.watermarkDelay = watermarkDelay
    self.keepsPayloads = keepsPayloads
    self.maxRecordBytes = maxRecordBytes
    self.maxDepth = maxDepth
    self.tombstones = tombstones
  }
}

/// The rows of the records since the last ``RecordDecoder/finish()``, and the records that gave none.
public struct DecodedBatch: Sendable {
  /// The rows, with their origin.
  public var batch: Batch
  /// The records that could not be decoded, in the order of their offsets.
  public var rejected: [RejectedRecord]
  /// How many records there were: rows, rejected and skipped ones.
  public var records: Int
  /// Bytes of the keys, values and headers of all records.
  public var bytes: Int

  /// A decoded batch.
  public init(batch: Batch, rejected: [RejectedRecord], records: Int, bytes: Int) {
    self.batch = batch
    self.rejected = rejected
    self.records = records
    self.bytes = bytes
  }
}
