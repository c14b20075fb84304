import Columnar

/// Dates and times as the table format's JSON and partition paths have them: ISO 8601, proleptic, UTC.
enum ISOTime {
  /// `2026-11-21`; years beyond four digits have a sign.
  static func date(_ days: Int64) -> String {
    let date = CivilDate(daysSinceEpoch: days)
    return year(date.year) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2)
  }

  /// `07:05:09.123456`, with all digits of the unit.
  static func time(_ value: Int64, unitsPerSecond: Int64) -> String {
    let seconds = floorDivide(value, unitsPerSecond)
    let fraction = value &- seconds &* unitsPerSecond
    let digits = unitsPerSecond == 1_000_000 ? 6 : 9
    return clock(seconds) + "." + padded(Int(fraction), digits)
  }

  /// `2026-11-21T07:05:09.123456`, with all digits of the unit.
  static func timestamp(_ value: Int64, unitsPerSecond: Int64) -> String {
    let days = floorDivide(value, unitsPerSecond * 86_400)
    return date(days) + "T" + time(floorModulo(value, unitsPerSecond * 86_400), unitsPerSecond: unitsPerSecond)
  }

  /// As Java prints times of a day: without seconds when there are none, and 0, 3, 6 or 9 digits of a fraction.
  static func shortTime(_ value: Int64, unitsPerSecond: Int64) -> String {
    let seconds = floorDivide(value, unitsPerSecond)
    let nanoseconds = (value &- seconds &* unitsPerSecond) * (1_000_000_000 / unitsPerSecond)
    let text = clock(seconds)
    if nanoseconds == 0 { return seconds % 60 == 0 ? String(text.prefix(5)) : text }
    let digits = padded(Int(nanoseconds), 9)
    return text + "." + digits.prefix(nanoseconds % 1_000_000 == 0 ? 3 : nanoseconds % 1000 == 0 ? 6 : 9)
  }

  /// As Java prints timestamps: with seconds, and only as many digits of a fraction as there are.
  static func shortTimestamp(_ value: Int64, unitsPerSecond: Int64) -> String {
    var text = timestamp(value, unitsPerSecond: unitsPerSecond)
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }

  private static func clock(_ seconds: Int64) -> String {
    padded(Int(seconds / 3600), 2) + ":" + padded(Int(seconds / 60 % 60), 2) + ":" + padded(Int(seconds % 60), 2)
  }

  static func year(_ year: Int) -> String {
    if year > 9999 { return "+" + String(year) }
    return (year < 0 ? "-" : "") + padded(Int(year.magnitude), 4)
  }

  static func padded(_ value: Int, _ digits: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  // MARK: Reading

  /// The days of `2026-11-21`.
  static func days(_ text: String) -> Int64? {
    var cursor = Cursor(text)
    guard let days = cursor.date(), cursor.isAtEnd else { return nil }
    return days
  }

  /// The nanoseconds of `07:05`, `07:05:09` or `07:05:09.123456`.
  static func nanosecondsOfDay(_ text: String) -> Int64? {
    var cursor = Cursor(text)
    guard let time = cursor.time(), cursor.isAtEnd else { return nil }
    return time
  }

  /// The units since the epoch of `2026-11-21T07:05:09.123456`, with `+00:00` or `Z` behind it when `hasZone`.
  static func timestamp(_ text: String, hasZone: Bool, nanoseconds: Bool) -> Int64? {
    var cursor = Cursor(text)
    guard let days = cursor.date(), cursor.take(UInt8(ascii: "T")), let time = cursor.time() else { return nil }
    if hasZone, !cursor.takeUTC() { return nil }
    guard cursor.isAtEnd else { return nil }
    let perDay: Int64 = nanoseconds ? 86_400_000_000_000 : 86_400_000_000
    let (start, overflow) = days.multipliedReportingOverflow(by: perDay)
    let (result, secondOverflow) = start.addingReportingOverflow(nanoseconds ? time : time / 1000)
    return overflow || secondOverflow ? nil : result
  }

  private struct Cursor {
    private let bytes: [UInt8]
    private var index = 0

    init(_ text: String) { bytes = Array(text.utf8.prefix(64)) }

    var isAtEnd: Bool { index == bytes.count }

    mutating func take(_ byte: UInt8) -> Bool {
      guard index < bytes.count, bytes[index] == byte else { return false }
      index += 1
      return true
    }

    mutating func number(_ digits: ClosedRange<Int>) -> Int? {
      var result = 0
      var count = 0
      while index < bytes.count, count < digits.upperBound, (0x30...0x39).contains(bytes[index]) {
        result = result * 10 + Int(bytes[index] - 0x30)
        index += 1
        count += 1
      }
      return count >= digits.lowerBound ? result : nil
    }

    mutating func date() -> Int64? {
      let isNegative = take(UInt8(ascii: "-"))
      let isLong = isNegative || take(UInt8(ascii: "+"))
      guard let year = number(4...(isLong ? 9 : 4)), take(UInt8(ascii: "-")), let month = number(2...2),
        take(UInt8(ascii: "-")), let day = number(2...2),
        let date = CivilDate(year: isNegative ? -year : year, month: month, day: day)
      else { return nil }
      return date.daysSinceEpoch
    }

    mutating func time() -> Int64? {
      guard let hour = number(2...2), hour < 24, take(UInt8(ascii: ":")), let minute = number(2...2), minute < 60
      else { return nil }
      var second = 0
      var fraction = 0
      if take(UInt8(ascii: ":")) {
        guard let value = number(2...2), value < 60 else { return nil }
        second = value
        if take(UInt8(ascii: ".")) {
          let start = index
          guard var value = number(1...9) else { return nil }
          for _ in (index - start)..<9 { value *= 10 }
          fraction = value
        }
      }
      return Int64(hour * 3600 + minute * 60 + second) * 1_000_000_000 + Int64(fraction)
    }

    mutating func takeUTC() -> Bool {
      if take(UInt8(ascii: "Z")) { return true }
      guard index + 6 == bytes.count, bytes[index...].elementsEqual("+00:00".utf8) else { return false }
      index += 6
      return true
    }
  }
}

/// The quotient, rounded towards negative infinity; `divisor` is positive.
@inline(__always)
func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
  let quotient = value / divisor
  return value % divisor < 0 ? quotient - 1 : quotient
}

/// What ``floorDivide(_:_:)`` leaves: 0 or more.
@inline(__always)
func floorModulo(_ value: Int64, _ divisor: Int64) -> Int64 {
  let remainder = value % divisor
  return remainder < 0 ? remainder + divisor : remainder
}
