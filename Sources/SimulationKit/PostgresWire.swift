import Columnar
import Operators
import SQL

/// Reads the rows of a binary COPY.
struct PostgresWireReader {
  private let bytes: [UInt8]
  private var position = 0

  private static let signature: [UInt8] = Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// All rows, each with a value for each of `types`.
  mutating func rows(_ types: [PostgresType]) throws -> [[Value]] {
    guard bytes.starts(with: Self.signature) else {
      throw PostgresRefusal("22P04", "COPY file signature not recognized")
    }
    position = Self.signature.count
    guard try whole(4) == 0 else { throw PostgresRefusal("22P04", "unrecognized critical flags in COPY file header") }
    position += Int(try whole(4))
    var rows: [[Value]] = []
    while true {
      let count = Int(Int16(truncatingIfNeeded: try whole(2)))
      if count == -1 { break }
      guard count == types.count else {
        throw PostgresRefusal("22P04", "row field count is \(count), expected \(types.count)")
      }
      var row: [Value] = []
      row.reserveCapacity(count)
      for type in types { row.append(try field(type)) }
      rows.append(row)
    }
    guard position == bytes.count else {
      throw PostgresRefusal("22P04", "received copy data after EOF marker")
    }
    return rows
  }

  private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count >= 0, position + count <= bytes.count else {
      throw PostgresRefusal("22P04", "unexpected EOF in COPY data")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  private mutating func whole(_ size: Int) throws -> Int64 {
    let bits = try take(size).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int64(bitPattern: bits << UInt64(64 - 8 * size)) >> Int64(64 - 8 * size)
  }

  private mutating func field(_ type: PostgresType) throws -> Value {
    let length = Int(try whole(4))
    if length == -1 { return .null }
    let end = position + length
    let value = try value(type, length)
    guard position == end else { throw PostgresRefusal("22P03", "incorrect binary data format") }
    return try type.coerced(value)
  }

  private mutating func value(_ type: PostgresType, _ length: Int) throws -> Value {
    switch type.kind {
    case .bool: return .boolean(try whole(1) != 0)
    case .int2: return .int64(try whole(2))
    case .int4: return .int64(try whole(4))
    case .int8: return .int64(try whole(8))
    case .float4: return .float64(Double(Float(bitPattern: UInt32(truncatingIfNeeded: try whole(4)))))
    case .float8: return .float64(Double(bitPattern: UInt64(bitPattern: try whole(8))))
    // From PostgreSQL's epoch, 2000, to Weir's, 1970.
    case .date: return .int64(try whole(4) + 10_957)
    case .timestamp, .timestamptz: return .int64(try whole(8) &+ 946_684_800_000_000)
    case .interval:
      let microseconds = try whole(8)
      let days = Int32(try whole(4))
      return .interval(Interval(months: Int32(try whole(4)), days: days, microseconds: microseconds))
    case .uuid:
      let high = UInt64(bitPattern: try whole(8))
      return .uuid(UUIDValue(high: high, low: UInt64(bitPattern: try whole(8))))
    case .numeric: return .numeric(try numeric())
    case .bytea: return .bytes(Array(try take(length)))
    case .text, .varchar, .bpchar: return .bytes(try text(length))
    case .json:
      let text = try text(length)
      _ = try PostgresType.jsonb(text)
      return .bytes(text)
    case .jsonb:
      guard try whole(1) == 1 else { throw PostgresRefusal("22P03", "unsupported jsonb version number") }
      return try PostgresType.jsonb(try text(length - 1))
    }
  }

  private mutating func text(_ length: Int) throws -> [UInt8] {
    let text = Array(try take(length))
    guard !text.contains(0), String(validating: text, as: UTF8.self) != nil else {
      throw PostgresRefusal("22021", "invalid byte sequence for encoding \"UTF8\"")
    }
    return text
  }

  private mutating func numeric() throws -> Numeric {
    let count = Int(try whole(2))
    let weight = Int(try whole(2))
    let sign = UInt16(truncatingIfNeeded: try whole(2))
    let scale = Int(try whole(2))
    if sign == 0xc000 { return .nan }
    var unscaled: Int128 = 0
    for _ in 0..<count {
      let group = try whole(2)
      guard 0..<10_000 ~= group else { throw PostgresRefusal("22P03", "invalid digit in external \"numeric\" value") }
      unscaled = unscaled * 10_000 + Int128(group)
    }
    // The groups stand for unscaled × 10,000^(weight + 1 - count), the value for unscaled × 10^-scale.
    var shift = 4 * (weight + 1 - count) + scale
    while shift > 0 {
      unscaled *= 10
      shift -= 1
    }
    while shift < 0 {
      unscaled /= 10
      shift += 1
    }
    return Numeric(unscaled: sign == 0x4000 ? -unscaled : unscaled, scale: Int16(scale))
  }
}

extension PostgresType {
  /// `text` as the server keeps a `jsonb`.
  static func jsonb(_ text: [UInt8]) throws -> Value {
    do {
      var bytes: [UInt8] = []
      try JSONTree(text[...]).append(to: &bytes)
      return .bytes(bytes)
    } catch {
      throw PostgresRefusal("22P02", "invalid input syntax for type json")
    }
  }

  static func appendFloat(_ value: Double, isSingle: Bool, to bytes: inout [UInt8]) {
    if isSingle { FloatText.append(Float(value), to: &bytes) } else { FloatText.append(value, to: &bytes) }
  }

  /// `value` of the same kind as a column of this type keeps it: rounded, padded, or refused.
  func coerced(_ value: Value) throws -> Value {
    switch (kind, value) {
    case (.int2, .int64(let number)) where Int16(exactly: number) == nil:
      throw PostgresRefusal("22003", "smallint out of range")
    case (.int4, .int64(let number)) where Int32(exactly: number) == nil:
      throw PostgresRefusal("22003", "integer out of range")
    case (.numeric, .numeric(let number)):
      guard let limit = precisionAndScale, !number.isNaN else { return value }
      guard let rounded = number.rescaled(to: limit.scale, precision: limit.precision) else {
        throw PostgresRefusal("22003", "numeric field overflow")
      }
      return .numeric(rounded)
    case (.varchar, .bytes(let bytes)), (.bpchar, .bytes(let bytes)):
      return modifier < 4 ? value : try limited(bytes, to: modifier - 4)
    case (.timestamp, .int64(let time)), (.timestamptz, .int64(let time)):
      guard (0..<6).contains(modifier) else { return value }
      let step = (0..<(6 - modifier)).reduce(Int64(1)) { step, _ in step * 10 }
      // As in the server: half a step is rounded away from zero, counted from the year 2000.
      let shifted = time - 946_684_800_000_000
      let rounded = (shifted < 0 ? shifted - step / 2 : shifted + step / 2) / step * step
      return .int64(rounded + 946_684_800_000_000)
    default: return value
    }
  }

  private func limited(_ bytes: [UInt8], to limit: Int) throws -> Value {
    func count(_ bytes: some Sequence<UInt8>) -> Int { bytes.count { $0 & 0xc0 != 0x80 } }
    var bytes = bytes
    var length = count(bytes)
    while length > limit, bytes.last == 0x20 {
      bytes.removeLast()
      length -= 1
    }
    guard length <= limit else { throw PostgresRefusal("22001", "value too long for type \(name)") }
    if kind == .bpchar { bytes.append(contentsOf: repeatElement(0x20, count: limit - length)) }
    return .bytes(bytes)
  }

  /// `value`, of a column of type `other`, as an assignment to a column of this type converts it.
  func assigned(_ value: Value, from other: PostgresType) throws -> Value {
    if other.kind == kind { return try coerced(value) }
    switch (value, kind) {
    case (.null, _): return .null
    case (.int64(let number), .numeric) where other.isWhole:
      return try coerced(.numeric(Numeric(unscaled: Int128(number), scale: 0)))
    case (.int64(let number), .float4) where other.isWhole: return .float64(Double(Float(number)))
    case (.int64(let number), .float8) where other.isWhole: return .float64(Double(number))
    case (.int64, .int2) where other.isWhole, (.int64, .int4) where other.isWhole, (.int64, .int8) where other.isWhole:
      return try coerced(value)
    case (_, .text), (_, .varchar), (_, .bpchar): return try coerced(other.text(value).map { .text($0) } ?? .null)
    default: throw PostgresParser.Unknown(expected: "an assignment that is simulated, not of \(other.name) to \(name)")
    }
  }

  private var isWhole: Bool { kind == .int2 || kind == .int4 || kind == .int8 }

  /// Appends what is equal for equal values only, whatever values follow.
  func appendKey(_ value: Value, to key: inout [UInt8]) {
    var bytes: [UInt8] = []
    switch value {
    case .float64(let number): bytes = Array("\(number.isNaN ? .nan : number == 0 ? 0 : number)".utf8)
    case .numeric(let number): number.canonical.appendText(to: &bytes)
    case .interval(let span): bytes = Array("\(Self.length(span))".utf8)
    case .bytes(let text) where kind == .jsonb:
      try? JSONTree(text[...], isComparable: true).append(to: &bytes)
    case .bytes(let text): bytes = Array(comparable(text))
    default: bytes = Array((text(value) ?? "").utf8)
    }
    withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { key.append(contentsOf: $0) }
    key.append(contentsOf: bytes)
  }

  /// `value` as `to_jsonb` makes it.
  func json(_ value: Value) -> [UInt8] {
    guard let text = text(value) else { return Array("null".utf8) }
    switch kind {
    case .bool: return Array((text == "t" ? "true" : "false").utf8)
    case .int2, .int4, .int8, .json, .jsonb: return Array(text.utf8)
    case .float4, .float8, .numeric:
      let isFinite = text != "NaN" && !text.hasSuffix("Infinity")
      return isFinite ? Array(text.utf8) : Self.quoted(Array(text.utf8))
    case .timestamp, .timestamptz:
      var bytes = Array(text.utf8)
      if let space = bytes.firstIndex(of: 0x20) { bytes[space] = 0x54 }
      if kind == .timestamptz { bytes.append(contentsOf: ":00".utf8) }
      return Self.quoted(bytes)
    default: return Self.quoted(Array(text.utf8))
    }
  }

  static func quoted(_ text: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0x22]
    let digits = Array("0123456789abcdef".utf8)
    for byte in text {
      switch byte {
      case 0x22, 0x5c: bytes.append(contentsOf: [0x5c, byte])
      case 0..<0x20: bytes.append(contentsOf: Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]])
      default: bytes.append(byte)
      }
    }
    return bytes + [0x22]
  }
}
