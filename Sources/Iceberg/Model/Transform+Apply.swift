import Columnar

extension Transform {
  /// The type of the results for a source type; `nil` when the transform cannot be applied to it (Iceberg specification,
  /// "Partition Transforms"). Days are dates.
  public func resultType(of source: IcebergType) -> IcebergType? {
    if source.isNested { return nil }
    if case .unsupported = source { return nil }
    switch (self, source) {
    case (.identity, .unknown): return nil
    case (.identity, _), (.void, _): return source
    case (.bucket, .boolean), (.bucket, .float), (.bucket, .double), (.bucket, .unknown): return nil
    case (.bucket, _): return .int
    case (.truncate, .int), (.truncate, .long), (.truncate, .decimal), (.truncate, .string), (.truncate, .binary):
      return source
    case (.year, .date), (.month, .date): return .int
    case (.day, .date): return .date
    case (.year, .timestamp), (.year, .timestamptz), (.year, .timestampNanos), (.year, .timestamptzNanos),
      (.month, .timestamp), (.month, .timestamptz), (.month, .timestampNanos), (.month, .timestamptzNanos),
      (.hour, .timestamp), (.hour, .timestamptz), (.hour, .timestampNanos), (.hour, .timestamptzNanos):
      return .int
    case (.day, .timestamp), (.day, .timestamptz), (.day, .timestampNanos), (.day, .timestamptzNanos): return .date
    default: return nil
    }
  }

  /// The result for a value (Iceberg specification, "Partition Transforms"). Null gives null, and so does a value of a
  /// type that the transform does not take.
  public func apply(_ literal: Literal?) -> Literal? {
    guard let literal else { return nil }
    switch self {
    case .identity: return literal
    case .void, .unknown: return nil
    case .bucket(let count): return literal.bucketHash.map { .int(Self.bucket($0, count)) }
    case .truncate(let width): return Self.truncate(literal, width)
    case .year, .month, .day, .hour:
      guard let value = literal.integer, let unit = literal.timeUnit, let result = ordinal(value, unit) else {
        return nil
      }
      return self == .day ? .date(result) : .int(result)
    }
  }

  @inline(__always)
  static func bucket(_ hash: Int32, _ count: Int) -> Int32 {
    Int32(truncatingIfNeeded: Int(hash & Int32.max) % max(1, count))
  }

  /// A value without its remainder; near the type's minimum it wraps around, as in Java.
  @inline(__always)
  static func truncate<Value: FixedWidthInteger>(_ value: Value, _ width: Value) -> Value {
    value &- ((value % width) &+ width) % width
  }

  private static func truncate(_ literal: Literal, _ width: Int) -> Literal? {
    guard width > 0 else { return nil }
    switch literal {
    case .int(let value): return Int32(exactly: width).map { .int(truncate(value, $0)) }
    case .long(let value): return .long(truncate(value, Int64(width)))
    case .decimal(let unscaled, let scale): return .decimal(unscaled: truncate(unscaled, Int128(width)), scale: scale)
    case .string(let text):
      if text.utf8.count <= width { return literal }
      return .string(String(text.unicodeScalars.prefix(width)))
    case .binary(let bytes): return .binary(Array(bytes.prefix(width)))
    default: return nil
    }
  }

  /// What a date or time counts.
  enum SourceUnit {
    case days
    case microseconds
    case nanoseconds

    @inline(__always)
    var perHour: Int64 {
      switch self {
      case .days: 1
      case .microseconds: 3_600_000_000
      case .nanoseconds: 3_600_000_000_000
      }
    }
  }

  /// Years, months, days or hours since 1970, rounded down; `nil` when there is no such result.
  @inline(__always)
  func ordinal(_ value: Int64, _ unit: SourceUnit) -> Int32? {
    if case .hour = self {
      return unit == .days ? nil : Int32(exactly: floorDivide(value, unit.perHour))
    }
    let days = unit == .days ? value : floorDivide(value, unit.perHour * 24)
    if case .day = self { return Int32(exactly: days) }
    let date = CivilDate(daysSinceEpoch: days)
    return Int32(exactly: self == .year ? date.year - 1970 : (date.year - 1970) * 12 + date.month - 1)
  }

  /// The text of a partition value for people, as Java prints it in partition paths: `2026-11-21-07` for an hour,
  /// `null` for null.
  public func text(of value: Literal?) -> String {
    guard let value else { return "null" }
    switch (self, value) {
    case (.year, .int(let years)): return ISOTime.padded(1970 + Int(years), 4)
    case (.month, .int(let months)):
      let year = 1970 + Int(floorDivide(Int64(months), 12))
      return ISOTime.padded(year, 4) + "-" + ISOTime.padded(Int(floorModulo(Int64(months), 12)) + 1, 2)
    case (.day, .int(let days)), (.day, .date(let days)): return Self.dayText(Int64(days))
    case (.hour, .int(let hours)):
      return Self.dayText(floorDivide(Int64(hours), 24)) + "-"
        + ISOTime.padded(Int(floorModulo(Int64(hours), 24)), 2)
    case (.void, _): return "null"
    default: return value.text
    }
  }

  private static func dayText(_ days: Int64) -> String {
    let date = CivilDate(daysSinceEpoch: days)
    return ISOTime.padded(date.year, 4) + "-" + ISOTime.padded(date.month, 2) + "-" + ISOTime.padded(date.day, 2)
  }
}

extension Literal {
  var timeUnit: Transform.SourceUnit? {
    switch self {
    case .date: .days
    case .timestamp, .timestamptz: .microseconds
    case .timestampNanos, .timestamptzNanos: .nanoseconds
    default: nil
    }
  }
}
