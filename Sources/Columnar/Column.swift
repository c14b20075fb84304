/// Variable-width values: one byte arena and, per row, where its bytes end.
public struct ByteValues: Hashable, Sendable {
  /// `count + 1` offsets into ``bytes``; row *i* is `bytes[offsets[i] ..< offsets[i + 1]]`. The first is 0.
  public var offsets: [Int32]
  /// All rows' bytes, one after another.
  public var bytes: [UInt8]

  /// No rows.
  public init() {
    offsets = [0]
    bytes = []
  }

  /// Rows from offsets (count + 1 of them, ascending, within `bytes`) and an arena.
  public init(offsets: [Int32], bytes: [UInt8]) {
    precondition(!offsets.isEmpty && Int(offsets[offsets.count - 1]) <= bytes.count)
    self.offsets = offsets
    self.bytes = bytes
  }

  /// How many rows there are.
  @inlinable public var count: Int { offsets.count - 1 }

  /// The bytes of `row`.
  @inlinable
  public subscript(row: Int) -> ArraySlice<UInt8> { bytes[Int(offsets[row])..<Int(offsets[row + 1])] }

  /// The bytes of `row` as a string; bytes that are not UTF-8 are replaced.
  public func string(_ row: Int) -> String { String(decoding: self[row], as: UTF8.self) }

  /// Adds a row.
  @inlinable
  public mutating func append(contentsOf newBytes: some Collection<UInt8>) {
    bytes.append(contentsOf: newBytes)
    offsets.append(Int32(bytes.count))
  }

  /// Adds the bytes at `start` as a row.
  @inlinable
  public mutating func append(_ start: UnsafeRawPointer?, count: Int) {
    bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
    offsets.append(Int32(bytes.count))
  }
}

/// The values of one column of a ``Batch``: a type, typed storage, and which rows are NULL.
public struct Column: Hashable, Sendable {
  /// How values are held. The storage of a NULL row has an unspecified value (bytes: empty).
  public enum Storage: Hashable, Sendable {
    /// `boolean`.
    case boolean([Bool])
    /// `integer`, `bigint`, `date`, `timestamp`, `timestamptz`.
    case int64([Int64])
    /// `real`, `double precision`.
    case float64([Double])
    /// `numeric`.
    case numeric([Numeric])
    /// `text`, `bytea`, `jsonb`.
    case bytes(ByteValues)
    /// `interval`.
    case interval([Interval])
    /// `uuid`.
    case uuid([UUIDValue])

    /// How many rows there are.
    public var count: Int {
      switch self {
      case .boolean(let values): values.count
      case .int64(let values): values.count
      case .float64(let values): values.count
      case .numeric(let values): values.count
      case .bytes(let values): values.count
      case .interval(let values): values.count
      case .uuid(let values): values.count
      }
    }
  }

  /// The SQL type.
  public let type: DataType
  /// The values.
  public let storage: Storage
  /// A set bit per row that is not NULL; absent when no row is NULL.
  public let validity: Bitmap?

  /// A column; `validity`, when present, has a bit per row.
  public init(_ type: DataType, _ storage: Storage, validity: Bitmap? = nil) {
    precondition(validity == nil || validity!.count == storage.count, "validity and values differ in length")
    self.type = type
    self.storage = storage
    self.validity = validity
  }

  /// How many rows there are.
  public var count: Int { storage.count }

  /// Whether `row` is NULL.
  @inline(__always)
  public func isNull(_ row: Int) -> Bool { validity.map { !$0[row] } ?? false }
}
