import Columnar

/// A field of `extract`, `date_part` and `date_trunc`.
struct TimeField {
  private enum Unit {
    case microsecond, millisecond, second, minute, hour, day, week, month, quarter, year, decade, century, millennium
    case dayOfWeek, isoDayOfWeek, dayOfYear, isoYear, epoch, julian, timezone, timezoneHour, timezoneMinute
  }

  /// The field's name as it was given, in lower case.
  let name: String
  private let unit: Unit
  private let typeName: String

  private static let units: [String: Unit] = [
    "microsecond": .microsecond, "microseconds": .microsecond, "millisecond": .millisecond,
    "milliseconds": .millisecond, "second": .second, "seconds": .second, "minute": .minute, "minutes": .minute,
    "hour": .hour, "hours": .hour, "day": .day, "days": .day, "week": .week, "weeks": .week, "month": .month,
    "months": .month, "quarter": .quarter, "year": .year, "years": .year, "decade": .decade, "decades": .decade,
    "century": .century, "centuries": .century, "millennium": .millennium, "millennia": .millennium,
    "dow": .dayOfWeek, "isodow": .isoDayOfWeek, "doy": .dayOfYear, "isoyear": .isoYear, "epoch": .epoch,
    "julian": .julian, "timezone": .timezone, "timezone_hour": .timezoneHour, "timezone_minute": .timezoneMinute,
    "s": .second, "sec": .second, "secs": .second, "min": .minute, "mins": .minute, "h": .hour, "hr": .hour,
    "hrs": .hour, "d": .day, "w": .week, "mon": .month, "mons": .month, "y": .year, "yr": .year, "yrs": .year
  ]

  init(_ name: Bytes, _ typeName: String) throws(RowError) {
    self.name = name.string.lowercased()
    self.typeName = typeName
    guard let unit = Self.units[self.name] else {
      throw RowError("unit \"\(self.name)\" not recognized for type \(typeName)")
    }
    self.unit = unit
  }

  private var unsupported: RowError { RowError("unit \"\(name)\" not supported for type \(typeName)") }

  /// Whether `extract` has the field for a date.
  var isOfDate: Bool {
    switch unit {
    case .microsecond, .millisecond, .second, .minute, .hour, .timezone, .timezoneHour, .timezoneMinute: false
    default: true
    }
  }

  // MARK: Extract

  /// The field of a time.
  func extract(_ microseconds: Int64, hasZone: Bool) throws(RowError) -> Numeric {
    if unit == .epoch { return Numeric(unscaled: Int128(microseconds), scale: 6) }
    return try extract(CivilDateTime(microseconds: microseconds), hasZone: hasZone, isDate: false)
  }

  /// The field of a date, of which there are more than of times.
  func extract(daysSinceEpoch days: Int64) throws(RowError) -> Numeric {
    if unit == .epoch { return Numeric(unscaled: Int128(days) * 86_400, scale: 0) }
    let midnight = CivilDateTime(date: CivilDate(daysSinceEpoch: days), microsecondOfDay: 0)
    return try extract(midnight, hasZone: false, isDate: true)
  }

  private func extract(_ time: CivilDateTime, hasZone: Bool, isDate: Bool) throws(RowError) -> Numeric {
    let date = time.date
    let year = date.year
    switch unit {
    case .microsecond: return Numeric(Int64(time.second) * 1_000_000 + Int64(time.microsecond))
    case .millisecond:
      return Numeric(unscaled: Int128(time.second * 1_000_000 + time.microsecond), scale: 3)
    case .second: return Numeric(unscaled: Int128(time.second * 1_000_000 + time.microsecond), scale: 6)
    case .minute: return Numeric(Int64(time.minute))
    case .hour: return Numeric(Int64(time.hour))
    case .day: return Numeric(Int64(date.day))
    case .week: return Numeric(Int64(date.isoWeek.week))
    case .month: return Numeric(Int64(date.month))
    case .quarter: return Numeric(Int64((date.month - 1) / 3 + 1))
    case .year: return Numeric(Int64(year > 0 ? year : year - 1))
    case .decade: return Numeric(Int64(floorDivide(year, 10)))
    case .century: return Numeric(Int64(year > 0 ? (year + 99) / 100 : -((99 - (year - 1)) / 100)))
    case .millennium: return Numeric(Int64(year > 0 ? (year + 999) / 1000 : -((999 - (year - 1)) / 1000)))
    case .dayOfWeek: return Numeric(Int64(date.dayOfWeek))
    case .isoDayOfWeek: return Numeric(Int64(date.dayOfWeek == 0 ? 7 : date.dayOfWeek))
    case .dayOfYear: return Numeric(Int64(date.dayOfYear))
    case .isoYear: return Numeric(Int64(date.isoWeek.year > 0 ? date.isoWeek.year : date.isoWeek.year - 1))
    case .epoch: throw unsupported
    case .julian:
      let day = Numeric(date.daysSinceEpoch + 2_440_588)
      if isDate { return day }
      return try NumericArithmetic.add(
        day,
        NumericArithmetic.divide(Numeric(time.microsecondOfDay), Numeric(CivilDateTime.microsecondsPerDay)))
    case .timezone, .timezoneHour, .timezoneMinute:
      guard hasZone else { throw unsupported }
      return .zero
    }
  }

  func extract(_ interval: Interval) throws(RowError) -> Numeric {
    let (years, months) = (Int64(interval.months / 12), Int64(interval.months % 12))
    let subMinute = interval.microseconds % 60_000_000
    switch unit {
    case .microsecond: return Numeric(subMinute)
    case .millisecond: return Numeric(unscaled: Int128(subMinute), scale: 3)
    case .second: return Numeric(unscaled: Int128(subMinute), scale: 6)
    case .minute: return Numeric(interval.microseconds / 60_000_000 % 60)
    case .hour: return Numeric(interval.microseconds / 3_600_000_000)
    case .day: return Numeric(Int64(interval.days))
    case .month: return Numeric(months)
    case .quarter: return Numeric(months / 3 + 1)
    case .year: return Numeric(years)
    case .decade: return Numeric(years / 10)
    case .century: return Numeric(years / 100)
    case .millennium: return Numeric(years / 1000)
    case .epoch:
      // A year is 365.25 days, a month 30, as PostgreSQL counts them.
      let seconds =
        Int128(years) * 31_557_600 + Int128(months) * 2_592_000 + Int128(interval.days) * 86_400
      return Numeric(unscaled: seconds * 1_000_000 + Int128(interval.microseconds), scale: 6)
    default: throw unsupported
    }
  }

  // MARK: Truncate

  func truncate(_ microseconds: Int64) throws(RowError) -> Int64 {
    func times(_ count: Int64, _ size: Int64) throws(RowError) -> Int64 {
      let (result, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow { throw RowError("timestamp out of range") }
      return result
    }
    func multiple(_ size: Int64) throws(RowError) -> Int64 {
      try times(Int64(floorDivide(Int(microseconds), Int(size))), size)
    }
    let date = CivilDateTime(microseconds: microseconds).date
    switch unit {
    case .microsecond: return microseconds
    case .millisecond: return try multiple(1_000)
    case .second: return try multiple(1_000_000)
    case .minute: return try multiple(60_000_000)
    case .hour: return try multiple(3_600_000_000)
    case .day: return try multiple(CivilDateTime.microsecondsPerDay)
    case .week:
      return try times(date.daysSinceEpoch - Int64((date.dayOfWeek + 6) % 7), CivilDateTime.microsecondsPerDay)
    case .month: return try start(date.year, date.month)
    case .quarter: return try start(date.year, (date.month - 1) / 3 * 3 + 1)
    case .year: return try start(date.year, 1)
    case .decade: return try start(floorDivide(date.year, 10) * 10, 1)
    case .century: return try start(floorDivide(date.year - 1, 100) * 100 + 1, 1)
    case .millennium: return try start(floorDivide(date.year - 1, 1000) * 1000 + 1, 1)
    default: throw unsupported
    }
  }

  private func start(_ year: Int, _ month: Int) throws(RowError) -> Int64 {
    guard let date = CivilDate(year: year, month: month, day: 1),
      let result = CivilDateTime(date: date, microsecondOfDay: 0).microseconds
    else { throw RowError("timestamp out of range") }
    return result
  }

  func truncate(_ interval: Interval) throws(RowError) -> Interval {
    func months(_ size: Int32) -> Interval { Interval(months: interval.months / size * size) }
    func clock(_ size: Int64) -> Interval {
      Interval(months: interval.months, days: interval.days, microseconds: interval.microseconds / size * size)
    }
    switch unit {
    case .microsecond: return interval
    case .millisecond: return clock(1_000)
    case .second: return clock(1_000_000)
    case .minute: return clock(60_000_000)
    case .hour: return clock(3_600_000_000)
    case .day: return Interval(months: interval.months, days: interval.days)
    case .month: return months(1)
    case .quarter: return months(3)
    case .year: return months(12)
    case .decade: return months(120)
    case .century: return months(1_200)
    case .millennium: return months(12_000)
    default: throw unsupported
    }
  }
}
