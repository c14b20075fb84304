/// Where the fields of a record are, by Iceberg's ids or, without them, by their names.
struct AvroRecordLayout {
  let record: AvroRecordSchema
  private var positions: [Int: Int] = [:]
  private var names: [String: Int] = [:]

  init(_ record: AvroRecordSchema) {
    self.record = record
    for (index, field) in record.fields.enumerated() {
      if let id = field.fieldID { positions[id] = positions[id] ?? index }
      names[field.name] = index
    }
  }

  /// The position of a field; names count only for fields without an id.
  func position(_ id: Int, _ candidates: String...) -> Int? {
    if let position = positions[id] { return position }
    for name in candidates {
      if let position = names[name], record.fields[position].fieldID == nil { return position }
    }
    return nil
  }
}

/// A record's value with messages that say which field of which file is wrong.
struct AvroRow {
  let values: [AvroValue]
  /// The file, for messages.
  let path: String

  func value(_ position: Int?) -> AvroValue {
    guard let position, position < values.count else { return .null }
    return values[position]
  }

  func corrupt(_ name: String, _ expected: String) -> IcebergError {
    IcebergError(.corrupt, "\(path): expected \(expected) in '\(name)'")
  }

  func long(_ position: Int?, _ name: String) throws(IcebergError) -> Int64? {
    switch value(position) {
    case .null: return nil
    case .integer(let number): return number
    default: throw corrupt(name, "a number")
    }
  }

  func requiredLong(_ position: Int?, _ name: String) throws(IcebergError) -> Int64 {
    guard let number = try long(position, name) else { throw corrupt(name, "a number, found null or no such field,") }
    return number
  }

  func int(_ position: Int?, _ name: String) throws(IcebergError) -> Int? {
    guard let number = try long(position, name) else { return nil }
    guard let small = Int32(exactly: number) else { throw corrupt(name, "a number of 32 bits, found \(number)") }
    return Int(small)
  }

  func boolean(_ position: Int?, _ name: String) throws(IcebergError) -> Bool? {
    switch value(position) {
    case .null: return nil
    case .boolean(let flag): return flag
    default: throw corrupt(name, "a boolean")
    }
  }

  func text(_ position: Int?, _ name: String) throws(IcebergError) -> String? {
    switch value(position) {
    case .null: return nil
    case .string(let text): return text
    case .bytes(let bytes):
      guard let text = String(validating: bytes, as: UTF8.self) else { throw corrupt(name, "a string in UTF-8") }
      return text
    default: throw corrupt(name, "a string")
    }
  }

  func requiredText(_ position: Int?, _ name: String) throws(IcebergError) -> String {
    guard let text = try text(position, name) else { throw corrupt(name, "a string, found null or no such field,") }
    return text
  }

  func bytes(_ position: Int?, _ name: String) throws(IcebergError) -> [UInt8]? {
    try octets(value(position), name)
  }

  private func octets(_ value: AvroValue, _ name: String) throws(IcebergError) -> [UInt8]? {
    switch value {
    case .null: return nil
    case .bytes(let bytes): return bytes
    case .string(let text): return Array(text.utf8)
    default: throw corrupt(name, "bytes")
    }
  }

  func longs(_ position: Int?, _ name: String) throws(IcebergError) -> [Int64]? {
    switch value(position) {
    case .null: return nil
    case .array(let items):
      var result: [Int64] = []
      result.reserveCapacity(items.count)
      for item in items {
        guard case .integer(let number) = item else { throw corrupt(name, "numbers") }
        result.append(number)
      }
      return result
    default: throw corrupt(name, "a list of numbers")
    }
  }

  func counts(_ position: Int?, _ name: String) throws(IcebergError) -> [Int: Int64]? {
    guard let pairs = try pairs(position, name) else { return nil }
    var result: [Int: Int64] = [:]
    result.reserveCapacity(pairs.count)
    for pair in pairs {
      switch pair.value {
      case .integer(let number): result[try fieldID(pair.key, name)] = number
      case .null: continue
      default: throw corrupt(name, "numbers by field id")
      }
    }
    return result
  }

  func bounds(_ position: Int?, _ name: String) throws(IcebergError) -> [Int: [UInt8]]? {
    guard let pairs = try pairs(position, name) else { return nil }
    var result: [Int: [UInt8]] = [:]
    result.reserveCapacity(pairs.count)
    for pair in pairs {
      guard let bytes = try octets(pair.value, name) else { continue }
      result[try fieldID(pair.key, name)] = bytes
    }
    return result
  }

  private func pairs(_ position: Int?, _ name: String) throws(IcebergError) -> [AvroPair]? {
    switch value(position) {
    case .null: return nil
    case .map(let pairs): return pairs
    case .array(let items) where items.isEmpty: return []
    case .array(let items):
      var pairs: [AvroPair] = []
      for item in items {
        guard case .record(let values) = item, values.count == 2 else { throw corrupt(name, "a map by field id") }
        pairs.append(AvroPair(values[0], values[1]))
      }
      return pairs
    default: throw corrupt(name, "a map by field id")
    }
  }

  private func fieldID(_ key: AvroValue, _ name: String) throws(IcebergError) -> Int {
    switch key {
    case .integer(let number):
      guard let id = Int32(exactly: number) else { throw corrupt(name, "a field id, found \(number)") }
      return Int(id)
    case .string(let text):
      guard let id = Int(text) else { throw corrupt(name, "a field id, found '\(text)'") }
      return id
    default: throw corrupt(name, "field ids as keys")
    }
  }
}
