import Columnar

extension AvroValue {
  /// The value of a partition field in Avro; `nil` when the literal is not of the type.
  init?(_ literal: Literal?, _ type: IcebergType) {
    guard let literal else {
      self = .null
      return
    }
    switch (literal.coerced(to: type), type) {
    case (.boolean(let value), .boolean): self = .boolean(value)
    case (.int(let value), .int), (.date(let value), .date): self = .integer(Int64(value))
    case (.long(let value), .long), (.time(let value), .time), (.timestamp(let value), .timestamp),
      (.timestamptz(let value), .timestamptz), (.timestampNanos(let value), .timestampNanos),
      (.timestamptzNanos(let value), .timestamptzNanos):
      self = .integer(value)
    case (.float(let value), .float): self = .float(value)
    case (.double(let value), .double): self = .double(value)
    case (.string(let value), .string): self = .string(value)
    case (.binary(let value), .binary): self = .bytes(value)
    case (.fixed(let value), .fixed(let length)) where value.count == length: self = .bytes(value)
    case (.uuid(let value), .uuid): self = .bytes(value.bigEndianBytes)
    case (.decimal(let unscaled, let scale), .decimal(let precision, let expected)) where scale == expected:
      let size = decimalSize(precision: precision)
      let high = unscaled >> Int128(min(127, 8 * size - 1))
      guard high == 0 || high == -1 else { return nil }
      self = .bytes((0..<size).map { UInt8(truncatingIfNeeded: unscaled >> Int128(8 * (size - 1 - $0))) })
    default: return nil
    }
  }
}

extension UUIDValue {
  /// A uuid of sixteen bytes.
  init?(bigEndianBytes bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.init(
      high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }, low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
  }
}

extension Literal {
  /// The value in a type that the column was changed to, or that its writer meant; the same when there is none.
  func coerced(to type: IcebergType) -> Literal {
    switch (self, type) {
    // A day partition may be written as a plain int.
    case (.int(let value), .date): .date(value)
    case (.date(let value), .int): .int(value)
    case (.binary(let bytes), .fixed(let length)) where bytes.count == length: .fixed(bytes)
    case (.fixed(let bytes), .binary): .binary(bytes)
    case (.binary(let bytes), .string): String(validating: bytes, as: UTF8.self).map { .string($0) } ?? self
    case (.string(let text), .binary): .binary(Array(text.utf8))
    case (.string(let text), .uuid): UUIDValue(avroText: text).map { .uuid($0) } ?? self
    case (.fixed(let bytes), .uuid), (.binary(let bytes), .uuid):
      UUIDValue(bigEndianBytes: bytes).map { .uuid($0) } ?? self
    case (.long(let value), .int): Int32(exactly: value).map { .int($0) } ?? self
    case (.long(let value), .date): Int32(exactly: value).map { .date($0) } ?? self
    case (.long(let value), .time): .time(value)
    case (.long(let value), .timestamp), (.timestamptz(let value), .timestamp): .timestamp(value)
    case (.long(let value), .timestamptz), (.timestamp(let value), .timestamptz): .timestamptz(value)
    case (.long(let value), .timestampNanos), (.timestamptzNanos(let value), .timestampNanos): .timestampNanos(value)
    case (.long(let value), .timestamptzNanos), (.timestampNanos(let value), .timestamptzNanos):
      .timestamptzNanos(value)
    default: promoted(to: type) ?? self
    }
  }

  /// Whether the literal is of the type.
  func isOf(_ type: IcebergType) -> Bool { AvroValue(self, type) != nil }

  /// The literal of an Avro value by its Avro type alone; `nil` when it is none of the types of partition values.
  init?(_ value: AvroValue, avro: AvroSchema) {
    switch (value, avro) {
    case (.boolean(let flag), _): self = .boolean(flag)
    case (.integer(let number), .int(.date)): self = .date(Int32(truncatingIfNeeded: number))
    case (.integer(let number), .int(.timeMillis)): self = .time(number &* 1000)
    case (.integer(let number), .int): self = .int(Int32(truncatingIfNeeded: number))
    case (.integer(let number), .long(let logical)):
      switch logical {
      case .timeMicros: self = .time(number)
      case .timestampMillis(let adjust): self = Literal.timestamp(number, scale: 1000, adjust)
      case .timestampMicros(let adjust): self = Literal.timestamp(number, scale: 1, adjust)
      case .timestampNanos(true): self = .timestamptzNanos(number)
      case .timestampNanos: self = .timestampNanos(number)
      default: self = .long(number)
      }
    case (.float(let number), _): self = .float(number)
    case (.double(let number), _): self = .double(number)
    case (.string(let text), .string(.uuid)): self = UUIDValue(avroText: text).map { .uuid($0) } ?? .string(text)
    case (.string(let text), _): self = .string(text)
    case (.bytes(let bytes), .fixed(_, _, .decimal(_, let scale))), (.bytes(let bytes), .bytes(.decimal(_, let scale))):
      guard let unscaled = Int128(bigEndianBytes: bytes) else { return nil }
      self = .decimal(unscaled: unscaled, scale: scale)
    case (.bytes(let bytes), .fixed(_, _, .uuid)):
      guard let uuid = UUIDValue(bigEndianBytes: bytes) else { return nil }
      self = .uuid(uuid)
    case (.bytes(let bytes), .fixed): self = .fixed(bytes)
    case (.bytes(let bytes), _): self = .binary(bytes)
    default: return nil
    }
  }

  private static func timestamp(_ number: Int64, scale: Int64, _ adjust: Bool?) -> Literal {
    let (micros, _) = number.multipliedReportingOverflow(by: scale)
    return adjust == true ? .timestamptz(micros) : .timestamp(micros)
  }
}

extension Int128 {
  /// A two's complement number; `nil` when it has more than 128 bits.
  init?(bigEndianBytes bytes: [UInt8]) {
    guard let first = bytes.first else { return nil }
    let sign: UInt8 = first & 0x80 == 0 ? 0 : 0xFF
    let extra = Swift.max(0, bytes.count - 16)
    guard bytes[..<extra].allSatisfy({ $0 == sign }) else { return nil }
    var result: Int128 = sign == 0 ? 0 : -1
    for byte in bytes[extra...] { result = (result << 8) | Int128(byte) }
    if extra > 0, (result < 0) != (sign != 0) { return nil }
    self = result
  }
}

extension UUIDValue {
  /// A uuid of its text: 32 hexadecimal digits, with or without hyphens.
  init?(avroText text: String) {
    var halves: [UInt64] = [0, 0]
    var count = 0
    for byte in text.utf8 where byte != 0x2D {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, count < 32 else { return nil }
      halves[count / 16] = halves[count / 16] << 4 | UInt64(digit)
      count += 1
    }
    guard count == 32 else { return nil }
    self.init(high: halves[0], low: halves[1])
  }
}
