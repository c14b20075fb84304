extension Interval {
  /// The value of a text such as `10 seconds`, `1 year 2 mons -3 days 04:05:06.7`, `1 day ago` or `P1DT2H`.
  ///
  /// Units and fractions are PostgreSQL's: half a month is 15 days, half a day 12 hours, and a number without a unit is seconds.
  /// - Throws: `.malformed`; `.outOfRange`.
  public init(_ text: some StringProtocol) throws(ValueTextError) {
    self = try withBytes(of: text) { bytes throws(ValueTextError) in try Interval(utf8: bytes) }
  }

  /// The value of a text, see ``init(_:)-swift.init``.
  public init(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(ValueTextError) {
    var text = TextCursor(bytes)
    text.trim()
    guard !text.isAtEnd else { throw .malformed }
    var sum = IntervalSum()
    if text.current | 0x20 == 0x70 {
      text.advance()
      try sum.readISO8601(&text)
    } else {
      try sum.readPostgreSQL(&text)
    }
    self = try sum.interval()
  }

  /// Appends the text, as PostgreSQL prints it.
  public func appendText(to bytes: inout [UInt8]) {
    var isEmpty = true
    var isAfterNegative = false
    func part(_ value: Int64, _ unit: StaticString) {
      guard value != 0 else { return }
      if !isEmpty { bytes.append(0x20) }
      if isAfterNegative, value > 0 { bytes.append(0x2b) }
      bytes.appendDecimal(value)
      bytes.append(0x20)
      unit.withUTF8Buffer { bytes.append(contentsOf: $0) }
      if value != 1 { bytes.append(0x73) }
      isAfterNegative = value < 0
      isEmpty = false
    }
    part(Int64(months / 12), "year")
    part(Int64(months % 12), "mon")
    part(Int64(days), "day")
    guard isEmpty || microseconds != 0 else { return }
    if !isEmpty { bytes.append(0x20) }
    if microseconds < 0 { bytes.append(0x2d) } else if isAfterNegative { bytes.append(0x2b) }
    let magnitude = microseconds.magnitude
    bytes.appendDecimal(Int(magnitude / 3_600_000_000), width: 2)
    bytes.append(0x3a)
    bytes.appendDecimal(Int(magnitude / 60_000_000 % 60), width: 2)
    bytes.append(0x3a)
    bytes.appendDecimal(Int(magnitude / 1_000_000 % 60), width: 2)
    bytes.appendFraction(Int(magnitude % 1_000_000))
  }
}

extension Interval: CustomStringConvertible {
  /// The text, as PostgreSQL prints it: `1 day 02:00:00`.
  public var description: String { String(writing: { appendText(to: &$0) }) }
}

/// Adds up the parts of an interval's text, wide enough that only the end needs a range check.
private struct IntervalSum {
  var months: Int128 = 0
  var days: Int128 = 0
  var microseconds: Int128 = 0

  /// Units in months, days or microseconds.
  private enum Unit {
    case months(Int128)
    case days(Int128)
    case microseconds(Int128)
  }

  func interval() throws(ValueTextError) -> Interval {
    guard let months = Int32(exactly: months), let days = Int32(exactly: days),
      let microseconds = Int64(exactly: microseconds)
    else { throw .outOfRange }
    return Interval(months: months, days: days, microseconds: microseconds)
  }

  mutating func readPostgreSQL(_ text: inout TextCursor) throws(ValueTextError) {
    _ = text.take(0x40)
    var isAnything = false
    while true {
      text.skipSpaces()
      if text.isAtEnd { break }
      if isAnything, text.take(word: "ago") {
        (months, days, microseconds) = (-months, -days, -microseconds)
        text.skipSpaces()
        guard text.isAtEnd else { throw .malformed }
        break
      }
      try readPart(&text)
      isAnything = true
    }
    guard isAnything else { throw .malformed }
  }

  private mutating func readPart(_ text: inout TextCursor) throws(ValueTextError) {
    let isNegative = text.current == 0x2d
    if isNegative || text.current == 0x2b { text.advance() }
    let (value, fraction, count) = try readNumber(&text)
    if text.current == 0x3a, count > 0 {
      try readClock(&text, hours: value, isNegative: isNegative)
      return
    }
    if text.current == 0x2d, count > 0, isDigit(text.peek(1)) {
      text.advance()
      let part = text.digits(limit: 2)
      guard part.value < 12 else { throw .outOfRange }
      let sum = Int128(value) * 12 + Int128(part.value)
      months += isNegative ? -sum : sum
      return
    }
    text.skipSpaces()
    var unit = Unit.microseconds(1_000_000)
    if !text.isAtEnd {
      if isDigit(text.current) || text.current == 0x2d || text.current == 0x2b {
        // `1 04:05:06`: a number before a time of day is days.
        unit = .days(1)
      } else {
        unit = try readUnit(&text)
      }
    }
    add(value, fraction, unit, isNegative)
  }

  /// Whole part, millionths, and how many digits there were.
  private func readNumber(_ text: inout TextCursor) throws(ValueTextError) -> (Int64, Int64, Int) {
    let (count, value) = text.digits(limit: 18)
    if isDigit(text.current) { throw .outOfRange }
    var fraction: Int64 = 0
    if text.current == 0x2e, count > 0 || isDigit(text.peek(1)) {
      text.advance()
      fraction = text.millionths()
    } else if count == 0 {
      throw .malformed
    }
    return (value, fraction, max(count, 1))
  }

  private mutating func readClock(_ text: inout TextCursor, hours: Int64, isNegative: Bool) throws(ValueTextError) {
    text.advance()
    let minute = text.digits(limit: 2)
    guard minute.count > 0 else { throw .malformed }
    var second: (count: Int, value: Int64) = (0, 0)
    var fraction: Int64 = 0
    if text.take(0x3a) {
      second = text.digits(limit: 2)
      guard second.count > 0 else { throw .malformed }
      if text.take(0x2e) { fraction = text.millionths() }
    }
    guard minute.value < 60, second.value <= 60 else { throw .outOfRange }
    let clock =
      (Int128(hours) * 3_600 + Int128(minute.value * 60 + second.value)) * 1_000_000 + Int128(fraction)
    microseconds += isNegative ? -clock : clock
  }

  private func readUnit(_ text: inout TextCursor) throws(ValueTextError) -> Unit {
    let start = text
    var length = 0
    while text.current | 0x20 >= 0x61, text.current | 0x20 <= 0x7a {
      length += 1
      text.advance()
    }
    for entry in Self.units where entry.name.utf8CodeUnitCount == length {
      var word = start
      if word.take(word: entry.name) { return entry.unit }
    }
    throw .malformed
  }

  private static let units: [(name: StaticString, unit: Unit)] = {
    let day = Unit.days(1)
    let week = Unit.days(7)
    let hour = Unit.microseconds(3_600_000_000)
    let minute = Unit.microseconds(60_000_000)
    let second = Unit.microseconds(1_000_000)
    let millisecond = Unit.microseconds(1_000)
    let microsecond = Unit.microseconds(1)
    return [
      ("seconds", second), ("second", second), ("secs", second), ("sec", second), ("s", second),
      ("minutes", minute), ("minute", minute), ("mins", minute), ("min", minute), ("m", minute),
      ("hours", hour), ("hour", hour), ("hrs", hour), ("hr", hour), ("h", hour),
      ("days", day), ("day", day), ("d", day), ("weeks", week), ("week", week), ("w", week),
      ("months", .months(1)), ("month", .months(1)), ("mons", .months(1)), ("mon", .months(1)),
      ("years", .months(12)), ("year", .months(12)), ("yrs", .months(12)), ("yr", .months(12)), ("y", .months(12)),
      ("decades", .months(120)), ("decade", .months(120)), ("centuries", .months(1_200)), ("century", .months(1_200)),
      ("millennia", .months(12_000)), ("millennium", .months(12_000)),
      ("milliseconds", millisecond), ("millisecond", millisecond), ("msecs", millisecond), ("msec", millisecond),
      ("ms", millisecond), ("microseconds", microsecond), ("microsecond", microsecond), ("usecs", microsecond),
      ("usec", microsecond), ("us", microsecond)
    ]
  }()

  private mutating func add(_ value: Int64, _ fraction: Int64, _ unit: Unit, _ isNegative: Bool) {
    let sign: Int128 = isNegative ? -1 : 1
    let (whole, part) = (Int128(value) * sign, Int128(fraction) * sign)
    switch unit {
    case .microseconds(let size):
      microseconds += whole * size + roundedMillionths(part * size)
    case .days(let size):
      days += whole * size
      addDays(millionths: part * size)
    case .months(1):
      months += whole
      addDays(millionths: part * 30)
    case .months(let size):
      months += whole * size + roundedMillionths(part * size)
    }
  }

  private mutating func addDays(millionths: Int128) {
    days += millionths / 1_000_000
    microseconds += roundedMillionths(millionths % 1_000_000 * 86_400_000_000)
  }

  private func roundedMillionths(_ value: Int128) -> Int128 {
    (value + (value < 0 ? -500_000 : 500_000)) / 1_000_000
  }

  mutating func readISO8601(_ text: inout TextCursor) throws(ValueTextError) {
    var isTime = false
    var isAnything = false
    while !text.isAtEnd {
      if !isTime, text.take(word: "t") {
        isTime = true
        continue
      }
      let isNegative = text.current == 0x2d
      if isNegative || text.current == 0x2b { text.advance() }
      let (value, fraction, _) = try readNumber(&text)
      let designator = text.current & 0xdf
      text.advance()
      let unit: Unit
      switch (designator, isTime) {
      case (0x59, false): unit = .months(12)
      case (0x4d, false): unit = .months(1)
      case (0x57, false): unit = .days(7)
      case (0x44, false): unit = .days(1)
      case (0x48, true): unit = .microseconds(3_600_000_000)
      case (0x4d, true): unit = .microseconds(60_000_000)
      case (0x53, true): unit = .microseconds(1_000_000)
      default: throw .malformed
      }
      add(value, fraction, unit, isNegative)
      isAnything = true
    }
    guard isAnything else { throw .malformed }
  }
}
