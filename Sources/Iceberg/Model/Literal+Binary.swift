import Columnar

extension Literal {
  /// A value of its single-value binary form (Iceberg specification, Appendix D).
  ///
  /// Bytes that were written before the column's type was promoted are taken: 4 bytes for `long`, `double` and, as a
  /// date, for a timestamp without zone.
  /// - Throws: ``IcebergError`` of kind `corrupt` when the bytes are no value of the type.
  public init(binary bytes: [UInt8], type: IcebergType) throws(IcebergError) {
    switch (type, bytes.count) {
    case (.boolean, 1): self = .boolean(bytes[0] != 0)
    case (.int, 4): self = .int(Int32(truncatingIfNeeded: Self.little(bytes)))
    case (.date, 4): self = .date(Int32(truncatingIfNeeded: Self.little(bytes)))
    case (.long, 8): self = .long(Int64(bitPattern: Self.little(bytes)))
    case (.long, 4): self = .long(Int64(Int32(truncatingIfNeeded: Self.little(bytes))))
    case (.float, 4): self = .float(Float(bitPattern: UInt32(truncatingIfNeeded: Self.little(bytes))))
    case (.double, 8): self = .double(Double(bitPattern: Self.little(bytes)))
    case (.double, 4): self = .double(Double(Float(bitPattern: UInt32(truncatingIfNeeded: Self.little(bytes)))))
    case (.time, 8): self = .time(Int64(bitPattern: Self.little(bytes)))
    case (.timestamp, 8): self = .timestamp(Int64(bitPattern: Self.little(bytes)))
    case (.timestamptz, 8): self = .timestamptz(Int64(bitPattern: Self.little(bytes)))
    case (.timestampNanos, 8): self = .timestampNanos(Int64(bitPattern: Self.little(bytes)))
    case (.timestamptzNanos, 8): self = .timestamptzNanos(Int64(bitPattern: Self.little(bytes)))
    case (.timestamp, 4), (.timestampNanos, 4):
      guard let value = Literal.date(Int32(truncatingIfNeeded: Self.little(bytes))).promoted(to: type) else {
        throw Self.failure(bytes, type)
      }
      self = value
    case (.string, _):
      guard let text = String(validating: bytes, as: UTF8.self) else { throw Self.failure(bytes, type) }
      self = .string(text)
    case (.uuid, 16):
      self = .uuid(UUIDValue(high: Self.big(bytes[0..<8]), low: Self.big(bytes[8..<16])))
    case (.fixed(let length), let count) where length == count: self = .fixed(bytes)
    case (.binary, _): self = .binary(bytes)
    case (.decimal(_, let scale), 1...16): self = .decimal(unscaled: Self.twosComplement(bytes), scale: scale)
    default: throw Self.failure(bytes, type)
    }
  }

  /// The single-value binary form (Iceberg specification, Appendix D).
  public var binary: [UInt8] {
    switch self {
    case .boolean(let value): [value ? 1 : 0]
    case .int(let value), .date(let value): Self.littleBytes(UInt64(UInt32(bitPattern: value)), 4)
    case .long(let value), .time(let value), .timestamp(let value), .timestamptz(let value),
      .timestampNanos(let value), .timestamptzNanos(let value):
      Self.littleBytes(UInt64(bitPattern: value), 8)
    case .float(let value): Self.littleBytes(UInt64(value.bitPattern), 4)
    case .double(let value): Self.littleBytes(value.bitPattern, 8)
    case .string(let value): Array(value.utf8)
    case .uuid(let value): value.bigEndianBytes
    case .fixed(let value), .binary(let value): value
    case .decimal(let unscaled, _): Self.minimalBytes(unscaled)
    }
  }

  private static func failure(_ bytes: [UInt8], _ type: IcebergType) -> IcebergError {
    IcebergError(.corrupt, "\(bytes.count) bytes are no single value of the type \(type.text)")
  }

  private static func little(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

  private static func big(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

  private static func littleBytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
  }

  /// The value of big-endian two's complement of 1 to 16 bytes.
  package static func twosComplement(_ bytes: [UInt8]) -> Int128 {
    bytes.dropFirst().reduce(Int128(Int8(bitPattern: bytes[0]))) { $0 << 8 | Int128($1) }
  }

  /// The fewest bytes of big-endian two's complement that hold the value.
  package static func minimalBytes(_ value: Int128) -> [UInt8] {
    var count = 1
    while count < 16, value >> Int128(count * 8 - 1) != (value < 0 ? -1 : 0) { count += 1 }
    return (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> Int128($0 * 8)) }
  }

  /// The value as one of a type that its type may be promoted to (Iceberg specification, "Schema Evolution"), or of its
  /// own type; `nil` when it has none there.
  public func promoted(to type: IcebergType) -> Literal? {
    switch (self, type) {
    case (.boolean, .boolean), (.int, .int), (.long, .long), (.float, .float), (.double, .double), (.date, .date),
      (.time, .time), (.timestamp, .timestamp), (.timestamptz, .timestamptz), (.timestampNanos, .timestampNanos),
      (.timestamptzNanos, .timestamptzNanos), (.string, .string), (.uuid, .uuid), (.binary, .binary):
      return self
    case (.int(let value), .long): return .long(Int64(value))
    case (.float(let value), .double): return .double(Double(value))
    case (.fixed(let value), .fixed(let length)): return value.count == length ? self : nil
    case (.date(let days), .timestamp):
      let (value, overflow) = Int64(days).multipliedReportingOverflow(by: CivilDateTime.microsecondsPerDay)
      return overflow ? nil : .timestamp(value)
    case (.date(let days), .timestampNanos):
      let (value, overflow) = Int64(days).multipliedReportingOverflow(by: CivilDateTime.microsecondsPerDay * 1000)
      return overflow ? nil : .timestampNanos(value)
    case (.decimal(let unscaled, let scale), .decimal(let precision, let newScale)):
      return Self.rescaled(unscaled, scale, precision, newScale)
    default: return nil
    }
  }

  /// A decimal of another scale and bounded digits; `nil` when that is not exact.
  static func rescaled(_ unscaled: Int128, _ scale: Int, _ precision: Int, _ newScale: Int) -> Literal? {
    guard (0...38).contains(scale), (0...38).contains(newScale), (1...38).contains(precision) else { return nil }
    var value = unscaled
    if newScale > scale {
      let (product, overflow) = unscaled.multipliedReportingOverflow(by: Numeric.powerOfTen(newScale - scale))
      guard !overflow else { return nil }
      value = product
    } else if newScale < scale {
      let (quotient, remainder) = unscaled.quotientAndRemainder(dividingBy: Numeric.powerOfTen(scale - newScale))
      guard remainder == 0 else { return nil }
      value = quotient
    }
    guard value.magnitude < Numeric.powerOfTen(precision).magnitude else { return nil }
    return .decimal(unscaled: value, scale: newScale)
  }
}

extension UUIDValue {
  /// The 16 bytes, in the order of the text.
  package var bigEndianBytes: [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - $0 % 8 * 8)) }
  }
}
