import Columnar
import Formats

/// A row that left the pipeline at the side: a dead letter or a late row, as the kept-record outputs hold it.
public struct KeptRecord: Hashable, Sendable {
  /// The source table.
  public var source: String
  /// The partition's name; `nil` for a row that was computed.
  public var partition: String?
  /// The offset within the partition.
  public var offset: Int64?
  /// The record's own time, microseconds since the epoch.
  public var timestamp: Int64?
  /// The record's key.
  public var key: [UInt8]?
  /// The record's value, or the row as JSON when it was computed.
  public var value: [UInt8]?
  /// A ``Formats/RejectionReason``, or `late`.
  public var reason: String
  /// What was expected and what came.
  public var message: String
  /// The row's event time, microseconds since the epoch.
  public var eventTime: Int64?
  /// The watermark that had passed the row.
  public var watermark: Int64?
  /// The statement that rejected the row; `nil` when no statement could have read it.
  public var statement: String?

  /// The columns of a kept-record output, all nullable; a declared table has a subset of them, by name.
  public static let schema = Schema([
    Field("source", .text), Field("partition", .text), Field("offset", .bigint), Field("timestamp", .timestamptz),
    Field("key", .text), Field("value", .text), Field("reason", .text), Field("message", .text),
    Field("event_time", .timestamptz), Field("watermark", .timestamptz), Field("statement", .text)
  ])

  /// The records as rows of `schema`, whose columns are taken by name from ``schema``.
  public static func batch(_ records: [KeptRecord], schema: Schema) -> Batch {
    let columns = schema.fields.map { field -> Column in
      switch field.name {
      case "source": text(records.map { Array($0.source.utf8) }, field.type)
      case "partition": text(records.map { $0.partition.map { Array($0.utf8) } }, field.type)
      case "offset": integers(records.map(\.offset), field.type)
      case "timestamp": integers(records.map(\.timestamp), field.type)
      case "key": text(records.map(\.key), field.type)
      case "value": text(records.map(\.value), field.type)
      case "reason": text(records.map { Array($0.reason.utf8) }, field.type)
      case "message": text(records.map { Array($0.message.utf8) }, field.type)
      case "event_time": integers(records.map(\.eventTime), field.type)
      case "watermark": integers(records.map(\.watermark), field.type)
      case "statement": text(records.map { $0.statement.map { Array($0.utf8) } }, field.type)
      default: text(records.map { _ in nil }, field.type)
      }
    }
    return Batch(schema: schema, columns: columns, count: records.count)
  }

  private static func integers(_ values: [Int64?], _ type: DataType) -> Column {
    Column(type, .int64(values.map { $0 ?? 0 }), validity: validity(values.map { $0 != nil }))
  }

  private static func text(_ values: [[UInt8]?], _ type: DataType) -> Column {
    var bytes = ByteValues()
    for value in values {
      bytes.append(contentsOf: type == .bytea ? value ?? [] : readable(value ?? []))
    }
    return Column(type, .bytes(bytes), validity: validity(values.map { $0 != nil }))
  }

  private static func validity(_ isValid: [Bool]) -> Bitmap? { isValid.allSatisfy(\.self) ? nil : Bitmap(isValid) }

  /// The bytes themselves when they are text that every sink takes, otherwise PostgreSQL's hexadecimal form: a record
  /// that is not UTF-8 must still be kept, and be recognisable, in a column of text.
  static func readable(_ bytes: [UInt8]) -> [UInt8] {
    if !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil { return bytes }
    let digits = Array("0123456789abcdef".utf8)
    return bytes.reduce(into: Array("\\x".utf8)) { $0 += [digits[Int($1 >> 4)], digits[Int($1 & 15)]] }
  }
}

extension KeptRecord {
  private static func json(_ row: Int, of batch: Batch) -> [UInt8] {
    var bytes: [UInt8] = []
    JSONRowEncoder(batch.schema).append(row: row, of: batch, to: &bytes)
    return bytes
  }

  /// A record that the decoder rejected.
  package init(_ rejected: RejectedRecord, partition: PartitionID) {
    self.init(
      source: partition.source, partition: partition.name, offset: rejected.offset, timestamp: rejected.timestamp,
      key: rejected.key, value: rejected.value, reason: rejected.reason.rawValue, message: rejected.message)
  }

  /// A row of `batch`, which has an origin, that `statement` could not process or found late.
  package init(row: Int, of batch: Batch, origin: RowOrigin, reason: String, message: String, statement: String) {
    self.init(
      source: origin.partition.source, partition: origin.partition.name, offset: origin.offsets[row],
      value: origin.payloads.flatMap { $0[row].isEmpty ? nil : Array($0[row]) } ?? Self.json(row, of: batch),
      reason: reason,
      message: message, watermark: origin.watermarks.flatMap { $0[row] == .min ? nil : $0[row] }, statement: statement)
  }

  /// A row that was computed and could not go on.
  package init(
    computedRow row: Int, of batch: Batch, source: String, reason: String, message: String, statement: String
  ) {
    self.init(
      source: source, value: Self.json(row, of: batch), reason: reason, message: message,
      statement: statement)
  }
}
