/// Encodes values of a schema (Avro specification, "Binary Encoding").
struct AvroEncoder: Sendable {
  var bytes: [UInt8] = []

  mutating func long(_ value: Int64) {
    var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func data(_ content: some Collection<UInt8>) {
    long(Int64(content.count))
    bytes += content
  }

  private mutating func littleEndian<T: FixedWidthInteger>(_ value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> T(shift))) }
  }

  mutating func value(_ value: AvroValue, _ schema: AvroSchema) throws(IcebergError) {
    switch (schema, value) {
    case (.null, .null): break
    case (.boolean, .boolean(let flag)): bytes.append(flag ? 1 : 0)
    case (.int, .integer(let number)):
      guard Int32(exactly: number) != nil else { throw misfit(value, schema) }
      long(number)
    case (.long, .integer(let number)): long(number)
    case (.float, .float(let number)): littleEndian(number.isNaN ? UInt32(0x7FC0_0000) : number.bitPattern)
    case (.double, .double(let number)):
      littleEndian(number.isNaN ? UInt64(0x7FF8_0000_0000_0000) : number.bitPattern)
    case (.bytes, .bytes(let content)): data(content)
    case (.string, .string(let text)): data(text.utf8)
    case (.fixed(_, let size, _), .bytes(let content)):
      guard content.count == size else { throw misfit(value, schema) }
      bytes += content
    case (.enumeration(_, let symbols), .string(let symbol)):
      guard let index = symbols.firstIndex(of: symbol) else { throw misfit(value, schema) }
      long(Int64(index))
    case (.array(let items, _), .array(let values)):
      if !values.isEmpty { long(Int64(values.count)) }
      for item in values { try self.value(item, items) }
      long(0)
    case (.keyedArray(let entry), .map(let pairs)):
      try map(pairs, key: entry.fields[0].type, values: entry.fields[1].type)
    case (.map(let values, _, _), .map(let pairs)): try map(pairs, key: .string(), values: values)
    case (.record(let record), .record(let values)):
      guard record.fields.count == values.count else { throw misfit(value, schema) }
      for (field, item) in zip(record.fields, values) { try self.value(item, field.type) }
    case (.union(let branches), _): try union(value, branches, schema)
    default: throw misfit(value, schema)
    }
  }

  private mutating func map(_ pairs: [AvroPair], key: AvroSchema, values: AvroSchema) throws(IcebergError) {
    if !pairs.isEmpty { long(Int64(pairs.count)) }
    for pair in pairs {
      try value(pair.key, key)
      try value(pair.value, values)
    }
    long(0)
  }

  /// Takes the first branch that the value fits.
  private mutating func union(
    _ value: AvroValue, _ branches: [AvroSchema], _ schema: AvroSchema
  ) throws(IcebergError) {
    for (index, branch) in branches.enumerated() where (branch == .null) == (value == .null) {
      let before = bytes.count
      long(Int64(index))
      do {
        try self.value(value, branch)
        return
      } catch {
        bytes.removeSubrange(before...)
      }
    }
    throw misfit(value, schema)
  }

  private func misfit(_ value: AvroValue, _ schema: AvroSchema) -> IcebergError {
    IcebergError(.invalid, "the value \(value) does not fit the Avro type \(schema.text)")
  }
}
