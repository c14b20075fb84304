import Columnar
import Iceberg

/// Writes numbers, texts and files of an epoch as compact bytes.
struct IcebergEncoder {
  private(set) var bytes: [UInt8] = []

  /// A whole number, seven bits a byte.
  mutating func put(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func put(_ value: Int64) { put(UInt64(bitPattern: value << 1 ^ value >> 63)) }

  mutating func put(_ value: Int) { put(Int64(value)) }

  mutating func put(_ data: [UInt8]) {
    put(UInt64(data.count))
    bytes += data
  }

  mutating func put(_ text: String) { put(Array(text.utf8)) }

  mutating func put<Element>(list: [Element], _ body: (inout IcebergEncoder, Element) -> Void) {
    put(UInt64(list.count))
    for element in list { body(&self, element) }
  }

  mutating func put<Element>(optional value: Element?, _ body: (inout IcebergEncoder, Element) -> Void) {
    bytes.append(value == nil ? 0 : 1)
    if let value { body(&self, value) }
  }

  mutating func put<Value>(map: [Int: Value]?, _ body: @escaping (inout IcebergEncoder, Value) -> Void) {
    put(optional: map) { encoder, map in
      encoder.put(list: map.sorted { $0.key < $1.key }) { encoder, entry in
        encoder.put(entry.key)
        body(&encoder, entry.value)
      }
    }
  }

  mutating func put(_ identifier: TableIdentifier) {
    put(list: identifier.namespace.levels) { $0.put($1) }
    put(identifier.name)
  }

  mutating func put(_ literal: Literal) {
    let (tag, scale): (UInt8, Int) =
      switch literal {
      case .boolean: (0, 0)
      case .int: (1, 0)
      case .long: (2, 0)
      case .float: (3, 0)
      case .double: (4, 0)
      case .date: (5, 0)
      case .time: (6, 0)
      case .timestamp: (7, 0)
      case .timestamptz: (8, 0)
      case .timestampNanos: (9, 0)
      case .timestamptzNanos: (10, 0)
      case .string: (11, 0)
      case .uuid: (12, 0)
      case .fixed: (13, 0)
      case .binary: (14, 0)
      case .decimal(_, let scale): (15, scale)
      }
    bytes.append(tag)
    if tag == 15 { put(scale) }
    put(literal.binary)
  }

  mutating func put(_ file: DataFile) {
    put(file.content.rawValue)
    put(file.filePath)
    put(file.fileFormat)
    put(file.specID)
    put(list: file.partition.values) { $0.put(optional: $1) { $0.put($1) } }
    put(file.recordCount)
    put(file.fileSizeInBytes)
    for map in [file.columnSizes, file.valueCounts, file.nullValueCounts, file.nanValueCounts] {
      put(map: map) { $0.put($1) }
    }
    for map in [file.lowerBounds, file.upperBounds] { put(map: map) { $0.put($1) } }
    put(optional: file.keyMetadata) { $0.put($1) }
    put(optional: file.splitOffsets) { $0.put(list: $1) { $0.put($1) } }
    put(optional: file.equalityIDs) { $0.put(list: $1) { $0.put($1) } }
    put(optional: file.sortOrderID) { $0.put($1) }
    put(optional: file.firstRowID) { $0.put($1) }
    put(optional: file.referencedDataFile) { $0.put($1) }
    put(optional: file.contentOffset) { $0.put($1) }
    put(optional: file.contentSizeInBytes) { $0.put($1) }
  }
}

/// Reads what ``IcebergEncoder`` wrote; every length is checked against what is left.
package struct IcebergDecoder {
  /// The bytes are not what was written.
  package struct Damage: Error {}

  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position == bytes.count }

  mutating func byte() throws(Damage) -> UInt8 {
    guard position < bytes.count else { throw Damage() }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func unsigned() throws(Damage) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      let next = try byte()
      guard shift < 63 || next <= 1 else { throw Damage() }
      value |= UInt64(next & 0x7f) << shift
      if next & 0x80 == 0 { return value }
    }
    throw Damage()
  }

  mutating func int64() throws(Damage) -> Int64 {
    let value = try unsigned()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  mutating func int() throws(Damage) -> Int { Int(try int64()) }

  mutating func data() throws(Damage) -> [UInt8] {
    let count = try unsigned()
    guard count <= UInt64(bytes.count - position) else { throw Damage() }
    defer { position += Int(count) }
    return Array(bytes[position..<position + Int(count)])
  }

  mutating func text() throws(Damage) -> String {
    guard let text = String(validating: try data(), as: UTF8.self) else { throw Damage() }
    return text
  }

  mutating func list<Element>(
    _ body: (inout IcebergDecoder) throws(Damage) -> Element
  ) throws(Damage) -> [Element] {
    let count = try unsigned()
    // An element has a byte at least.
    guard count <= UInt64(bytes.count - position) else { throw Damage() }
    var elements: [Element] = []
    for _ in 0..<count { elements.append(try body(&self)) }
    return elements
  }

  mutating func optional<Element>(
    _ body: (inout IcebergDecoder) throws(Damage) -> Element
  ) throws(Damage) -> Element? {
    switch try byte() {
    case 0: return nil
    case 1: return try body(&self)
    default: throw Damage()
    }
  }

  mutating func map<Value>(
    _ body: (inout IcebergDecoder) throws(Damage) -> Value
  ) throws(Damage) -> [Int: Value]? {
    try optional { decoder throws(Damage) in
      var map: [Int: Value] = [:]
      let count = try decoder.unsigned()
      guard count <= UInt64(decoder.bytes.count - decoder.position) else { throw Damage() }
      for _ in 0..<count {
        let key = try decoder.int()
        map[key] = try body(&decoder)
      }
      return map
    }
  }

  mutating func identifier() throws(Damage) -> TableIdentifier {
    let levels = try list { decoder throws(Damage) in try decoder.text() }
    return TableIdentifier(Namespace(levels), try text())
  }

  mutating func literal() throws(Damage) -> Literal {
    let tag = try byte()
    let types: [IcebergType] = [
      .boolean, .int, .long, .float, .double, .date, .time, .timestamp, .timestamptz, .timestampNanos,
      .timestamptzNanos, .string, .uuid
    ]
    let scale = tag == 15 ? try int() : 0
    let data = try data()
    let type: IcebergType
    switch tag {
    case 0...12: type = types[Int(tag)]
    case 13: type = .fixed(length: data.count)
    case 14: type = .binary
    case 15: type = .decimal(precision: 38, scale: scale)
    default: throw Damage()
    }
    guard let literal = try? Literal(binary: data, type: type) else { throw Damage() }
    return literal
  }

  mutating func dataFile() throws(Damage) -> DataFile {
    guard let content = FileContent(rawValue: try int()) else { throw Damage() }
    let path = try text()
    let format = try text()
    let specID = try int()
    let partition = try list { decoder throws(Damage) in
      try decoder.optional { decoder throws(Damage) in try decoder.literal() }
    }
    var file = DataFile(
      content: content, filePath: path, fileFormat: format, specID: specID, partition: PartitionTuple(partition),
      recordCount: try int64(), fileSizeInBytes: try int64())
    file.columnSizes = try counts()
    file.valueCounts = try counts()
    file.nullValueCounts = try counts()
    file.nanValueCounts = try counts()
    file.lowerBounds = try map { decoder throws(Damage) in try decoder.data() }
    file.upperBounds = try map { decoder throws(Damage) in try decoder.data() }
    file.keyMetadata = try optional { decoder throws(Damage) in try decoder.data() }
    file.splitOffsets = try optional { decoder throws(Damage) in
      try decoder.list { decoder throws(Damage) in try decoder.int64() }
    }
    file.equalityIDs = try optional { decoder throws(Damage) in
      try decoder.list { decoder throws(Damage) in try decoder.int() }
    }
    file.sortOrderID = try optional { decoder throws(Damage) in try decoder.int() }
    file.firstRowID = try optional { decoder throws(Damage) in try decoder.int64() }
    file.referencedDataFile = try optional { decoder throws(Damage) in try decoder.text() }
    file.contentOffset = try optional { decoder throws(Damage) in try decoder.int64() }
    file.contentSizeInBytes = try optional { decoder throws(Damage) in try decoder.int64() }
    return file
  }

  private mutating func counts() throws(Damage) -> [Int: Int64]? {
    try map { decoder throws(Damage) in try decoder.int64() }
  }
}
