/// What a row does to the result that it belongs to.
public enum RowKind: UInt8, Hashable, Sendable {
  /// A new row.
  case insert = 0
  /// The former content of a row that changes.
  case updateBefore = 1
  /// The new content of a row that changed.
  case updateAfter = 2
  /// A row that is gone.
  case delete = 3
}

/// Where the rows of a batch come from: the partition and the offset of each, and what is needed to keep a row that fails.
public struct RowOrigin: Hashable, Sendable {
  /// The partition that was read.
  public let partition: PartitionID
  /// The offset of each row.
  public var offsets: [Int64]
  /// The record's bytes as they were read, when a later step can still reject a row; otherwise absent.
  public var payloads: ByteValues?
  /// Per row, the partition's watermark before the row was read (microseconds); absent without event time.
  public var watermarks: [Int64]?

  /// An origin whose arrays have one entry a row.
  public init(partition: PartitionID, offsets: [Int64], payloads: ByteValues? = nil, watermarks: [Int64]? = nil) {
    self.partition = partition
    self.offsets = offsets
    self.payloads = payloads
    self.watermarks = watermarks
  }
}

/// A partition of a source table: a Kafka partition, a file, a generator's lane.
public struct PartitionID: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  /// The source table that the partition belongs to.
  public let source: String
  /// Unique within the source and stable over restarts: `topic/3`, a file's path, a number.
  public let name: String

  /// The partition `name` of the table `source`.
  public init(source: String, name: String) {
    self.source = source
    self.name = name
  }

  /// Orders by source, then by name.
  public static func < (left: PartitionID, right: PartitionID) -> Bool {
    (left.source, left.name) < (right.source, right.name)
  }

  /// `source[name]`.
  public var description: String { "\(source)[\(name)]" }
}

/// Rows, as columns of equal length. What actors exchange.
public struct Batch: Hashable, Sendable {
  /// Names and types of ``columns``.
  public let schema: Schema
  /// One column a field.
  public let columns: [Column]
  /// How many rows there are; also right when there are no columns.
  public let count: Int
  /// Per row, what it does; absent when all are inserts.
  public let rowKinds: [RowKind]?
  /// Where rows that come straight from a source are from; absent after an aggregation.
  public let origin: RowOrigin?

  /// A batch; every column, and the origin, must have `count` rows and the type of its field.
  public init(schema: Schema, columns: [Column], count: Int, rowKinds: [RowKind]? = nil, origin: RowOrigin? = nil) {
    precondition(columns.count == schema.fields.count, "a batch has a column a field")
    precondition(columns.allSatisfy { $0.count == count }, "columns differ in length")
    precondition(rowKinds.map { $0.count == count } ?? true)
    precondition(origin.map { $0.offsets.count == count } ?? true)
    self.schema = schema
    self.columns = columns
    self.count = count
    self.rowKinds = rowKinds
    self.origin = origin
  }
}

/// Event time: microseconds since the epoch, UTC.
public struct Timestamp: Hashable, Sendable, Comparable, Codable {
  /// Microseconds since 1970-01-01 00:00:00 UTC.
  public var microseconds: Int64

  /// The time `microseconds` after the epoch.
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// Before every time: the watermark before the first row.
  public static let minimum = Timestamp(microseconds: .min)
  /// After every time: the watermark of an input that has ended.
  public static let maximum = Timestamp(microseconds: .max)

  /// Orders by time.
  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }
}
