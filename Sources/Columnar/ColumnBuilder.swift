/// Collects the values of a ``Column`` one after another.
///
/// The caller appends values of the type's ``DataType/storageKind``; another kind is a programming error, which
/// ``finish()`` stops.
public struct ColumnBuilder: Sendable {
  /// The type of the column to be.
  public let type: DataType
  /// How many rows were appended.
  public private(set) var count = 0

  // Only the array of the type's storage kind is used: appending to an enum's payload would copy it.
  private var booleans: [Bool] = []
  private var integers: [Int64] = []
  private var doubles: [Double] = []
  private var numerics: [Numeric] = []
  private var byteValues = ByteValues()
  private var intervals: [Interval] = []
  private var uuids: [UUIDValue] = []
  /// Packed validity; empty until the first NULL.
  private var words: [UInt64] = []

  /// A builder of a column of `type`, with room for `capacity` rows.
  public init(_ type: DataType, capacity: Int = 0) {
    self.type = type
    guard capacity > 0 else { return }
    switch type.storageKind {
    case .boolean: booleans.reserveCapacity(capacity)
    case .int64: integers.reserveCapacity(capacity)
    case .float64: doubles.reserveCapacity(capacity)
    case .numeric: numerics.reserveCapacity(capacity)
    case .bytes: byteValues.offsets.reserveCapacity(capacity + 1)
    case .interval: intervals.reserveCapacity(capacity)
    case .uuid: uuids.reserveCapacity(capacity)
    }
  }

  /// Appends a `boolean`.
  public mutating func append(_ value: Bool) {
    booleans.append(value)
    countValue()
  }

  /// Appends an integer, date or time.
  public mutating func append(_ value: Int64) {
    integers.append(value)
    countValue()
  }

  /// Appends a `real` or `double precision`.
  public mutating func append(_ value: Double) {
    doubles.append(value)
    countValue()
  }

  /// Appends a `numeric`.
  public mutating func append(_ value: Numeric) {
    numerics.append(value)
    countValue()
  }

  /// Appends an `interval`.
  public mutating func append(_ value: Interval) {
    intervals.append(value)
    countValue()
  }

  /// Appends a `uuid`.
  public mutating func append(_ value: UUIDValue) {
    uuids.append(value)
    countValue()
  }

  /// Appends a `text`, `bytea` or `jsonb`.
  public mutating func append(bytes: some Collection<UInt8>) {
    byteValues.append(contentsOf: bytes)
    countValue()
  }

  /// Appends a `text`, `bytea` or `jsonb` from memory.
  public mutating func append(_ start: UnsafeRawPointer?, count: Int) {
    byteValues.append(start, count: count)
    countValue()
  }

  /// Appends a `text`.
  public mutating func append(_ text: String) {
    append(bytes: text.utf8)
  }

  /// Appends NULL.
  public mutating func appendNull() {
    switch type.storageKind {
    case .boolean: booleans.append(false)
    case .int64: integers.append(0)
    case .float64: doubles.append(0)
    case .numeric: numerics.append(.zero)
    case .bytes: byteValues.offsets.append(Int32(byteValues.bytes.count))
    case .interval: intervals.append(Interval())
    case .uuid: uuids.append(UUIDValue(high: 0, low: 0))
    }
    if words.isEmpty {
      words = [UInt64](repeating: .max, count: (count >> 6) + 1)
    } else if count & 63 == 0 {
      words.append(.max)
    }
    words[count >> 6] &= ~(1 << UInt64(count & 63))
    count += 1
  }

  /// Appends a value of the type, or NULL.
  public mutating func append(_ value: Value) {
    switch value {
    case .null: appendNull()
    case .boolean(let value): append(value)
    case .int64(let value): append(value)
    case .float64(let value): append(value)
    case .numeric(let value): append(value)
    case .bytes(let value): append(bytes: value)
    case .interval(let value): append(value)
    case .uuid(let value): append(value)
    }
  }

  /// Appends a copy of row `row` of a column of the same storage kind.
  public mutating func append(row: Int, of column: Column) {
    if column.isNull(row) {
      appendNull()
      return
    }
    switch column.storage {
    case .boolean(let values): append(values[row])
    case .int64(let values): append(values[row])
    case .float64(let values): append(values[row])
    case .numeric(let values): append(values[row])
    case .bytes(let values):
      values.bytes.withUnsafeBytes { bytes in
        let start = Int(values.offsets[row])
        append(bytes.baseAddress.map { $0 + start }, count: Int(values.offsets[row + 1]) - start)
      }
    case .interval(let values): append(values[row])
    case .uuid(let values): append(values[row])
    }
  }

  @inline(__always)
  private mutating func countValue() {
    // The words are filled with ones ahead: a bit is only touched for a NULL.
    if !words.isEmpty, count & 63 == 0 { words.append(.max) }
    count += 1
  }

  /// The column of the rows so far; the builder is empty afterwards.
  public mutating func finish() -> Column {
    let storage: Column.Storage
    switch type.storageKind {
    case .boolean: storage = .boolean(Self.take(&booleans, []))
    case .int64: storage = .int64(Self.take(&integers, []))
    case .float64: storage = .float64(Self.take(&doubles, []))
    case .numeric: storage = .numeric(Self.take(&numerics, []))
    case .bytes: storage = .bytes(Self.take(&byteValues, ByteValues()))
    case .interval: storage = .interval(Self.take(&intervals, []))
    case .uuid: storage = .uuid(Self.take(&uuids, []))
    }
    precondition(storage.count == count, "values of another kind were appended to a column of \(type.sqlName)")
    let validity = words.isEmpty ? nil : Bitmap(words: words, count: count)
    words = []
    count = 0
    return Column(type, storage, validity: validity)
  }

  private static func take<Values>(_ values: inout Values, _ empty: Values) -> Values {
    let result = values
    values = empty
    return result
  }
}
