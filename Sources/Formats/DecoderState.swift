import Columnar

/// A pointer into a record's bytes.
typealias Bytes = UnsafePointer<UInt8>

/// What a column takes, for the parser's branch on it.
enum ColumnKind: UInt8 {
  case boolean
  case integer
  case bigint
  case real
  case double
  case numeric
  case text
  case bytea
  case date
  case timestamp
  case timestamptz
  case interval
  case uuid
  case jsonb

  init(_ type: DataType) {
    switch type {
    case .boolean: self = .boolean
    case .integer: self = .integer
    case .bigint: self = .bigint
    case .real: self = .real
    case .double: self = .double
    case .numeric: self = .numeric
    case .text: self = .text
    case .bytea: self = .bytea
    case .date: self = .date
    case .timestamp: self = .timestamp
    case .timestamptz: self = .timestamptz
    case .interval: self = .interval
    case .uuid: self = .uuid
    case .jsonb: self = .jsonb
    }
  }
}

/// A column's key as it stands in a record: `name":`, compared eight bytes at a time.
struct FieldPattern {
  /// The first eight bytes, or fewer under ``mask``.
  var first: UInt64
  var mask: UInt64
  /// The last eight bytes of a pattern that is longer than eight.
  var last: UInt64
  /// `name":` in bytes; beyond every record for a name that a key cannot spell without an escape.
  var length: Int
  let kind: ColumnKind
  /// The pattern's bytes, followed by eight zeros.
  let bytes: UnsafeMutablePointer<UInt8>
  /// The name's length.
  let nameLength: Int
}

/// Why the record that is being read has no row.
struct DecodingFailure {
  var reason = RejectionReason.malformed
  var message = ""
}

/// Everything that the parser reads and writes, in memory that it reaches through one pointer: a class's stored properties would be
/// checked for exclusive access at every step.
///
/// Invariant: a ``RecordDecoder`` owns it and everything that it points to, and no two calls run at a time.
struct DecoderState {
  let columns: UnsafeMutablePointer<RawColumn>
  let columnCount: Int
  /// How many columns come from the record's value; they are listed in ``fieldColumns``, and the first ones of ``fields``.
  let fieldCount: Int
  ///
  /// Entry `fieldCount` stands for the start of the record and matches no key. Behind it are up to ``ignoredLimit`` keys
  /// that records have and no column takes: knowing them makes skipping them as fast as reading a key.
  let fields: UnsafeMutablePointer<FieldPattern>
  /// How many keys are known that no column takes.
  private(set) var ignoredCount = 0
  private static let ignoredLimit = 32
  /// The column of each field.
  let fieldColumns: UnsafeMutablePointer<Int>
  /// The field that last followed each entry of ``fields``.
  let successors: UnsafeMutablePointer<Int>
  /// The record in which each field was last seen.
  let seen: UnsafeMutablePointer<Int>
  /// Open addressing: a field's index + 1 by the hash of its name; 0 is free.
  let table: UnsafeMutablePointer<Int32>
  let tableMask: Int
  /// Counts records, to know which fields the current one has.
  var generation = 0
  /// Whether the current row has a NULL.
  var rowHasNull = false
  var rowCount = 0
  var rowCapacity: Int
  /// Strings without their escapes, and numbers with a terminating zero.
  var scratch: UnsafeMutablePointer<UInt8>
  var scratchCapacity: Int
  /// Open containers, one byte each: the byte that closes it.
  let stack: UnsafeMutablePointer<UInt8>
  let maxDepth: Int
  /// A string had an escape that is JSON but that a database cannot hold.
  var sawUnstorableEscape = false
  /// The record's first byte, for positions in messages.
  var recordStart: Bytes
  var recordEnd: Bytes
  var failure = DecodingFailure()
  var recordCount = 0
  /// Bytes of the keys and values of these records.
  var byteCount = 0
  var eventTimeLimit: Int64 = .max
  var maxEventTime: Int64 = .min
  let watermarkDelay: Int64
  /// -1 without event time.
  let eventTimeColumn: Int
  let keepsPayloads: Bool
  let maxRecordBytes: Int
  let isJSON: Bool
  var origin: OriginBuilder
  let schema: Schema
  let timestampUnit: TimestampUnit

  init(_ configuration: DecoderConfiguration, fields names: [Int], rows: Int) {
    schema = configuration.schema
    timestampUnit = configuration.timestampUnit
    watermarkDelay = configuration.watermarkDelay
    eventTimeColumn = configuration.eventTimeColumn ?? -1
    keepsPayloads = configuration.keepsPayloads
    maxRecordBytes = configuration.maxRecordBytes
    isJSON = configuration.format == .json
    origin = OriginBuilder(hasWatermarks: configuration.eventTimeColumn != nil, rows: rows)
    columnCount = schema.fields.count
    columns = .allocate(capacity: columnCount)
    for (index, field) in schema.fields.enumerated() {
      (columns + index).initialize(to: RawColumn(field.type.storageKind, rows: rows))
    }
    rowCapacity = rows
    fieldCount = names.count
    let entryCount = names.count + 1 + Self.ignoredLimit
    fields = .allocate(capacity: entryCount)
    (fields + names.count).initialize(to: FieldPattern.none)
    fieldColumns = .allocate(capacity: max(names.count, 1))
    successors = .allocate(capacity: entryCount)
    seen = .allocate(capacity: max(names.count, 1))
    var size = 16
    while size < entryCount * 4 { size *= 2 }
    table = .allocate(capacity: size)
    table.initialize(repeating: 0, count: size)
    tableMask = size - 1
    scratchCapacity = 256
    scratch = .allocate(capacity: scratchCapacity)
    maxDepth = max(configuration.maxDepth, 1)
    stack = .allocate(capacity: maxDepth)
    recordStart = Bytes(scratch)
    recordEnd = recordStart
    for (index, column) in names.enumerated() {
      let field = schema.fields[column]
      (fields + index).initialize(to: FieldPattern(field))
      fieldColumns[index] = column
      seen[index] = -1
      insert(index)
    }
    for index in 0..<names.count { successors[index] = index + 1 < names.count ? index + 1 : 0 }
    for index in names.count..<entryCount { successors[index] = 0 }
  }

  func deallocate() {
    for index in 0..<columnCount { columns[index].deallocate() }
    columns.deinitialize(count: columnCount).deallocate()
    for index in 0..<fieldCount + 1 + ignoredCount { fields[index].bytes.deallocate() }
    fields.deallocate()
    fieldColumns.deallocate()
    successors.deallocate()
    seen.deallocate()
    table.deallocate()
    scratch.deallocate()
    stack.deallocate()
    origin.deallocate()
  }

  private func insert(_ index: Int) {
    var slot = Self.hash(fields[index].bytes, fields[index].nameLength) & tableMask
    while table[slot] != 0 { slot = (slot + 1) & tableMask }
    table[slot] = Int32(index + 1)
  }

  static func hash(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in 0..<count { hash = (hash ^ UInt64(name[index])) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash >> 7)
  }

  /// Notes a key that no column takes; its entry, or -1 when there is no room for more.
  @inline(never)
  mutating func ignore(_ name: Bytes, _ count: Int) -> Int {
    guard ignoredCount < Self.ignoredLimit, let pattern = FieldPattern(ignoring: name, count) else { return -1 }
    let index = fieldCount + 1 + ignoredCount
    (fields + index).initialize(to: pattern)
    ignoredCount += 1
    insert(index)
    return index
  }

  /// The entry of the key called `name`.
  func field(_ name: Bytes, _ count: Int) -> Int? {
    var slot = Self.hash(name, count) & tableMask
    while table[slot] != 0 {
      let index = Int(table[slot]) - 1
      if fields[index].nameLength == count, (0..<count).allSatisfy({ fields[index].bytes[$0] == name[$0] }) {
        return index
      }
      slot = (slot + 1) & tableMask
    }
    return nil
  }

  /// The watermark behind the rows so far.
  @inline(__always)
  var watermark: Int64 {
    guard maxEventTime != .min else { return .min }
    let (value, overflow) = maxEventTime.subtractingReportingOverflow(watermarkDelay)
    return overflow ? .min : value
  }

  @inline(never)
  mutating func growRows() {
    let newCapacity = rowCapacity * 2
    for index in 0..<columnCount { columns[index].grow(from: rowCapacity, to: newCapacity) }
    origin.grow(from: rowCapacity, to: newCapacity)
    rowCapacity = newCapacity
  }

  mutating func reserveScratch(_ count: Int) {
    guard count > scratchCapacity else { return }
    scratch.deallocate()
    scratchCapacity = count + 256
    scratch = .allocate(capacity: scratchCapacity)
  }
}

extension FieldPattern {
  /// Longer keys that no column takes are not worth knowing.
  private static let ignoredBytesMax = 128

  init(_ field: Field) { self.init(Array(field.name.utf8), ColumnKind(field.type)) }

  /// A key that no column takes; nil when it is spelt with an escape, or long.
  init?(ignoring name: Bytes, _ count: Int) {
    let pattern = FieldPattern(Array(UnsafeBufferPointer(start: name, count: min(count, Self.ignoredBytesMax))), .text)
    guard count <= Self.ignoredBytesMax, pattern.length == count + 2 else {
      pattern.bytes.deallocate()
      return nil
    }
    self = pattern
  }

  /// Matches no key.
  static var none: FieldPattern { FieldPattern([0], .text) }

  private init(_ name: [UInt8], _ kind: ColumnKind) {
    let pattern = name + [0x22, 0x3a]
    bytes = .allocate(capacity: pattern.count + 8)
    bytes.initialize(repeating: 0, count: pattern.count + 8)
    bytes.update(from: pattern, count: pattern.count)
    mask = pattern.count >= 8 ? .max : (1 << UInt64(pattern.count * 8)) - 1
    first = loadWord(bytes) & mask
    last = pattern.count > 8 ? loadWord(bytes + pattern.count - 8) : 0
    // A key with one of these is spelt with an escape: it can only match after decoding.
    length = name.contains { $0 == 0x22 || $0 == 0x5c || $0 < 0x20 } ? .max / 2 : pattern.count
    self.kind = kind
    nameLength = name.count
  }
}

/// Eight bytes, the first in the lowest byte.
@inline(__always)
func loadWord(_ position: UnsafePointer<UInt8>) -> UInt64 {
  UInt64(littleEndian: UnsafeRawPointer(position).loadUnaligned(as: UInt64.self))
}
