/// Decodes values of a writer's schema and skips fields that are not wanted.
struct AvroDecoder {
  /// The field ids and names that are wanted; `nil` is all. Fields inside of unwanted ones are skipped with them.
  let wanted: AvroProjection?
  var cursor: AvroCursor
  /// How many more values may be decoded: values that take no bytes must not keep a reader busy for ever.
  var budget: Int

  init(_ cursor: AvroCursor, wanted: AvroProjection?) {
    self.cursor = cursor
    self.wanted = wanted
    self.budget = (1 << 20) + cursor.remaining
  }

  mutating func value(_ schema: AvroSchema) throws(IcebergError) -> AvroValue {
    budget -= 1
    guard budget > 0 else { throw cursor.corrupt("expected fewer values than bytes") }
    switch schema {
    case .null: return .null
    case .boolean: return .boolean(try cursor.boolean())
    case .int: return .integer(try cursor.int())
    case .long: return .integer(try cursor.long())
    case .float: return .float(Float(bitPattern: try cursor.littleEndian(UInt32.self)))
    case .double: return .double(Double(bitPattern: try cursor.littleEndian(UInt64.self)))
    case .bytes: return .bytes(Array(try cursor.take(try cursor.length())))
    case .string: return .string(try cursor.text())
    case .fixed(_, let size, _): return .bytes(Array(try cursor.take(size)))
    case .enumeration(_, let symbols): return .string(symbols[try index(below: symbols.count, "symbol")])
    case .array(let items, _): return .array(try list(items))
    case .keyedArray(let entry): return .map(try pairs(entry))
    case .map(let values, _, _): return .map(try pairs(values))
    case .record(let record): return .record(try fields(record))
    case .union(let branches): return try value(branches[try index(below: branches.count, "branch")])
    }
  }

  private mutating func index(below count: Int, _ what: String) throws(IcebergError) -> Int {
    let index = try cursor.int()
    guard index >= 0, index < Int64(count) else {
      throw cursor.corrupt("expected a \(what) below \(count), found \(index)")
    }
    return Int(index)
  }

  private mutating func fields(_ record: AvroRecordSchema) throws(IcebergError) -> [AvroValue] {
    var values: [AvroValue] = []
    values.reserveCapacity(record.fields.count)
    for field in record.fields {
      if let wanted, !wanted.contains(field) {
        try skip(field.type)
        values.append(.null)
      } else {
        values.append(try value(field.type))
      }
    }
    return values
  }

  /// The number of items in the next block; 0 ends the list. A negative count is followed by the block's size.
  private mutating func blockCount() throws(IcebergError) -> (count: Int, size: Int?) {
    let count = try cursor.long()
    guard count != Int64.min, count.magnitude <= UInt64(budget) else {
      throw cursor.corrupt("expected a block of at most \(budget) items, found \(count)")
    }
    return count < 0 ? (Int(-count), try cursor.length()) : (Int(count), nil)
  }

  private mutating func list(_ items: AvroSchema) throws(IcebergError) -> [AvroValue] {
    var values: [AvroValue] = []
    while true {
      let count = try blockCount().count
      if count == 0 { return values }
      values.reserveCapacity(values.count + min(count, cursor.remaining))
      for _ in 0..<count { values.append(try value(items)) }
    }
  }

  private mutating func pairs(_ entry: AvroRecordSchema) throws(IcebergError) -> [AvroPair] {
    let (keys, values) = (entry.fields[0].type, entry.fields[1].type)
    var result: [AvroPair] = []
    while true {
      let count = try blockCount().count
      if count == 0 { return result }
      result.reserveCapacity(result.count + min(count, cursor.remaining))
      for _ in 0..<count { result.append(AvroPair(try value(keys), try value(values))) }
    }
  }

  private mutating func pairs(_ values: AvroSchema) throws(IcebergError) -> [AvroPair] {
    var result: [AvroPair] = []
    while true {
      let count = try blockCount().count
      if count == 0 { return result }
      for _ in 0..<count { result.append(AvroPair(.string(try cursor.text()), try value(values))) }
    }
  }

  mutating func skip(_ schema: AvroSchema) throws(IcebergError) {
    budget -= 1
    guard budget > 0 else { throw cursor.corrupt("expected fewer values than bytes") }
    switch schema {
    case .null: break
    case .boolean: try cursor.skip(1)
    case .int, .long, .enumeration: _ = try cursor.long()
    case .float: try cursor.skip(4)
    case .double: try cursor.skip(8)
    case .bytes, .string: try cursor.skip(try cursor.length())
    case .fixed(_, let size, _): try cursor.skip(size)
    case .array(let items, _): try skipList(of: [items])
    case .keyedArray(let entry): try skipList(of: entry.fields.map(\.type))
    case .map(let values, _, _): try skipList(of: [.string(), values])
    case .record(let record): for field in record.fields { try skip(field.type) }
    case .union(let branches): try skip(branches[try index(below: branches.count, "branch")])
    }
  }

  private mutating func skipList(of items: [AvroSchema]) throws(IcebergError) {
    while true {
      let (count, size) = try blockCount()
      if count == 0 { return }
      if let size {
        try cursor.skip(size)
        continue
      }
      for _ in 0..<count { for item in items { try skip(item) } }
    }
  }
}

/// Which fields of a file are decoded, by Iceberg's ids; fields without an id by their names.
public struct AvroProjection: Hashable, Sendable {
  /// The ids.
  public var fieldIDs: Set<Int>
  /// The names, for fields that have no id.
  public var names: Set<String>

  /// A projection.
  public init(fieldIDs: Set<Int>, names: Set<String>) {
    self.fieldIDs = fieldIDs
    self.names = names
  }

  func contains(_ field: AvroField) -> Bool {
    if let id = field.fieldID { return fieldIDs.contains(id) }
    return names.contains(field.name)
  }
}
