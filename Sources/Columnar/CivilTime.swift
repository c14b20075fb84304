/// A day of the proleptic Gregorian calendar; year 0 is 1 BC.
public struct CivilDate: Hashable, Sendable {
  /// The astronomical year: 0 is 1 BC, -1 is 2 BC.
  public let year: Int
  /// 1 to 12.
  public let month: Int
  /// 1 to 31.
  public let day: Int

  /// The day, if the calendar has it.
  public init?(year: Int, month: Int, day: Int) {
    guard month >= 1, month <= 12, day >= 1, day <= CivilDate.days(inMonth: month, ofYear: year) else { return nil }
    self.year = year
    self.month = month
    self.day = day
  }

  /// The day that is `daysSinceEpoch` days after 1970-01-01.
  public init(daysSinceEpoch: Int64) {
    // Years are counted from March, so that the leap day is a year's last; an era of 400 years has 146,097 days.
    let shifted = Int(daysSinceEpoch) + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Days since 1970-01-01.
  public var daysSinceEpoch: Int64 {
    let yearFromMarch = month <= 2 ? year - 1 : year
    let era = floorDivide(yearFromMarch, 400)
    let yearOfEra = yearFromMarch - era * 400
    let monthFromMarch = month > 2 ? month - 3 : month + 9
    let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Int64(era * 146_097 + dayOfEra - 719_468)
  }

  /// 0 is Sunday, as PostgreSQL's `dow`.
  public var dayOfWeek: Int {
    let days = Int(daysSinceEpoch) + 4
    return days - floorDivide(days, 7) * 7
  }

  /// 1 to 366.
  public var dayOfYear: Int {
    Int(daysSinceEpoch - CivilDate.january(1, year).daysSinceEpoch) + 1
  }

  /// The ISO 8601 week, 1 to 53, and the year that it belongs to.
  public var isoWeek: (year: Int, week: Int) {
    let weekday = (dayOfWeek + 6) % 7
    // A week belongs to the year of its Thursday.
    let thursday = CivilDate(daysSinceEpoch: daysSinceEpoch + Int64(3 - weekday))
    return (thursday.year, (thursday.dayOfYear - 1) / 7 + 1)
  }

  /// Whether `year` has a February 29.
  public static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  /// The length of a month (1 to 12).
  public static func days(inMonth month: Int, ofYear year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func january(_ day: Int, _ year: Int) -> CivilDate { CivilDate(unchecked: year, 1, day) }

  private init(unchecked year: Int, _ month: Int, _ day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }
}

/// A day and a time of day.
public struct CivilDateTime: Hashable, Sendable {
  /// Microseconds in a day.
  public static let microsecondsPerDay: Int64 = 86_400_000_000

  /// The day.
  public var date: CivilDate
  /// Microseconds since midnight, below ``microsecondsPerDay``.
  public var microsecondOfDay: Int64

  /// A day and the microseconds since its midnight.
  public init(date: CivilDate, microsecondOfDay: Int64) {
    self.date = date
    self.microsecondOfDay = microsecondOfDay
  }

  /// The date and time `microseconds` after 1970-01-01 00:00:00.
  public init(microseconds: Int64) {
    let days = floorDivide(Int(microseconds), Int(Self.microsecondsPerDay))
    date = CivilDate(daysSinceEpoch: Int64(days))
    // The first day begins below the least Int64; the difference is right all the same.
    microsecondOfDay = microseconds &- Int64(days) &* Self.microsecondsPerDay
  }

  /// Microseconds since 1970-01-01 00:00:00; `nil` outside the range of `Int64`.
  public var microseconds: Int64? {
    let (product, overflow) = date.daysSinceEpoch.multipliedReportingOverflow(by: Self.microsecondsPerDay)
    let (sum, sumOverflow) = product.addingReportingOverflow(microsecondOfDay)
    return overflow || sumOverflow ? nil : sum
  }

  /// 0 to 23.
  public var hour: Int { Int(microsecondOfDay / 3_600_000_000) }
  /// 0 to 59.
  public var minute: Int { Int(microsecondOfDay / 60_000_000 % 60) }
  /// 0 to 59.
  public var second: Int { Int(microsecondOfDay / 1_000_000 % 60) }
  /// 0 to 999,999.
  public var microsecond: Int { Int(microsecondOfDay % 1_000_000) }
}

/// `dividend` / `divisor`, rounded towards minus infinity; the divisor is positive.
@inlinable
package func floorDivide(_ dividend: Int, _ divisor: Int) -> Int {
  let quotient = dividend / divisor
  return dividend % divisor < 0 ? quotient - 1 : quotient
}
