import Columnar

extension Literal {
  /// A value of its JSON single-value form (Iceberg specification, Appendix D).
  /// - Throws: ``IcebergError`` of kind `corrupt` when it is no value of the type.
  public init(json: JSONValue, type: IcebergType) throws(IcebergError) {
    guard let value = Self.parse(json, type) else {
      throw IcebergError(.corrupt, "\(json.shortened) is no value of the type \(type.text)")
    }
    self = value
  }

  private static func parse(_ json: JSONValue, _ type: IcebergType) -> Literal? {
    switch (type, json) {
    case (.boolean, .bool(let value)): .boolean(value)
    case (.int, .integer(let value)): Int32(exactly: value).map { .int($0) }
    case (.long, .integer(let value)): .long(value)
    case (.float, _): double(json).map { .float(Float($0)) }
    case (.double, _): double(json).map { .double($0) }
    case (.decimal(let precision, let scale), .string(let text)): decimal(text, precision, scale)
    case (.date, .string(let text)): ISOTime.days(text).flatMap { Int32(exactly: $0) }.map { .date($0) }
    case (.time, .string(let text)): ISOTime.nanosecondsOfDay(text).map { .time($0 / 1000) }
    case (.timestamp, .string(let text)):
      ISOTime.timestamp(text, hasZone: false, nanoseconds: false).map { .timestamp($0) }
    case (.timestamptz, .string(let text)):
      ISOTime.timestamp(text, hasZone: true, nanoseconds: false).map { .timestamptz($0) }
    case (.timestampNanos, .string(let text)):
      ISOTime.timestamp(text, hasZone: false, nanoseconds: true).map { .timestampNanos($0) }
    case (.timestamptzNanos, .string(let text)):
      ISOTime.timestamp(text, hasZone: true, nanoseconds: true).map { .timestamptzNanos($0) }
    case (.string, .string(let text)): .string(text)
    case (.uuid, .string(let text)): text.utf8.count == 36 ? (try? UUIDValue(text)).map { .uuid($0) } : nil
    case (.fixed(let length), .string(let text)): hexadecimal(text).flatMap { $0.count == length ? .fixed($0) : nil }
    case (.binary, .string(let text)): hexadecimal(text).map { .binary($0) }
    default: nil
    }
  }

  /// The JSON single-value form (Iceberg specification, Appendix D).
  public var json: JSONValue {
    switch self {
    case .boolean(let value): .bool(value)
    case .int(let value): .integer(Int64(value))
    case .long(let value): .integer(value)
    case .float(let value): value.isFinite ? .number("\(value)") : .string(Self.javaText(Double(value), "\(value)"))
    case .double(let value): value.isFinite ? .number("\(value)") : .string(Self.javaText(value, "\(value)"))
    case .date(let days): .string(ISOTime.date(Int64(days)))
    case .time(let value): .string(ISOTime.time(value, unitsPerSecond: 1_000_000))
    case .timestamp(let value): .string(ISOTime.timestamp(value, unitsPerSecond: 1_000_000))
    case .timestamptz(let value): .string(ISOTime.timestamp(value, unitsPerSecond: 1_000_000) + "+00:00")
    case .timestampNanos(let value): .string(ISOTime.timestamp(value, unitsPerSecond: 1_000_000_000))
    case .timestamptzNanos(let value): .string(ISOTime.timestamp(value, unitsPerSecond: 1_000_000_000) + "+00:00")
    case .string(let text): .string(text)
    case .uuid(let value): .string(value.description)
    case .fixed(let bytes), .binary(let bytes): .string(Self.hexadecimal(bytes))
    case .decimal(let unscaled, let scale): .string(Self.decimalText(unscaled, scale))
    }
  }

  private static func double(_ json: JSONValue) -> Double? {
    switch json {
    case .integer(let value): Double(value)
    case .number(let text): Double(text)
    case .string("NaN"): .nan
    case .string("Infinity"): .infinity
    case .string("-Infinity"): -.infinity
    default: nil
    }
  }

  private static func decimal(_ text: String, _ precision: Int, _ scale: Int) -> Literal? {
    guard text.utf8.count <= 64, let value = try? Numeric(text), !value.isNaN else { return nil }
    return rescaled(value.unscaled, Int(value.scale), precision, scale)
  }

  /// All digits, `scale` of them after the point.
  static func decimalText(_ unscaled: Int128, _ scale: Int) -> String {
    guard scale > 0 else { return String(unscaled) }
    var digits = String(unscaled.magnitude)
    digits = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
    return (unscaled < 0 ? "-" : "") + digits.dropLast(scale) + "." + digits.suffix(scale)
  }

  static func hexadecimal(_ bytes: [UInt8]) -> String {
    var result = ""
    for byte in bytes { result += (byte < 16 ? "0" : "") + String(byte, radix: 16) }
    return result
  }

  private static func hexadecimal(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var result: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = Character(UnicodeScalar(digits[index])).hexDigitValue,
        let low = Character(UnicodeScalar(digits[index + 1])).hexDigitValue
      else { return nil }
      result.append(UInt8(high << 4 | low))
    }
    return result
  }
}
