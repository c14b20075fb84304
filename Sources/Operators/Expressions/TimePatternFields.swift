import Columnar

/// The names of months and days, in English.
enum TimeNames {
  static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December"
  ]
  static let abbreviatedMonths = months.map { String($0.prefix(3)) }
  static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
}

/// What a text said by a ``TimePattern``, and the time that this makes.
struct TimePatternFields {
  /// A number that is kept; a field that is given twice must be the same.
  enum Slot: Hashable {
    case year, month, day, dayOfYear, hour, minute, second, secondOfDay, millisecond, microsecond, meridiem
    case zoneSign, zoneHour, zoneMinute, julianDay
  }

  private var values: [Slot: Int] = [:]
  private var hasTwelveHours = false

  private subscript(slot: Slot) -> Int { values[slot] ?? 0 }

  mutating func set(_ slot: Slot, _ value: Int, _ name: String) throws(RowError) {
    if slot == .meridiem { hasTwelveHours = true }
    if self[slot] != 0 && self[slot] != value {
      throw RowError("conflicting values for \"\(name)\" field in formatting string")
    }
    values[slot] = value
  }

  mutating func set(
    _ field: TimePattern.Field, _ value: Int, length: Int, width: Int, _ name: String
  ) throws(RowError) {
    switch field {
    case .year: try set(.year, length < 4 && width < 4 ? Self.completed(value) : value, name)
    case .month: try set(.month, value, name)
    case .day: try set(.day, value, name)
    case .dayOfYear: try set(.dayOfYear, value, name)
    case .hour: try set(.hour, value, name)
    case .hour12:
      try set(.hour, value, name)
      hasTwelveHours = true
    case .minute: try set(.minute, value, name)
    case .second: try set(.second, value, name)
    case .secondOfDay: try set(.secondOfDay, value, name)
    case .fraction:
      let slot = width == 3 && name.uppercased() == "MS" ? Slot.millisecond : .microsecond
      // `25` milliseconds are a quarter of a second, as behind a point; `025` are not.
      var scaled = value
      for _ in min(length, 6)..<(slot == .millisecond ? max(3, min(length, 6)) : 6) { scaled *= 10 }
      try set(slot, scaled, name)
    case .zoneHour: try set(.zoneHour, value, name)
    case .zoneMinute:
      if self[.zoneSign] == 0 { values[.zoneSign] = 1 }
      try set(.zoneMinute, value, name)
    case .julianDay: try set(.julianDay, value, name)
    default: break
    }
  }

  /// The year nearest to 2020 that ends with these digits.
  private static func completed(_ year: Int) -> Int {
    switch year {
    case ..<0: year
    case ..<70: year + 2000
    case ..<100: year + 1900
    case ..<520: year + 2000
    case ..<1000: year + 1000
    default: year
    }
  }

  // MARK: The time

  /// The day; what was not given is the first, of year 1 BC.
  func date(_ outOfRange: RowError) throws(RowError) -> CivilDate? {
    if self[.julianDay] != 0 { return CivilDate(daysSinceEpoch: Int64(self[.julianDay]) - 2_440_588) }
    let year = self[.year] < 0 ? self[.year] + 1 : self[.year]
    guard abs(year) < 300_000 else { throw outOfRange }
    let month = values[.month] ?? 1
    let day = self[.day] == 0 ? 1 : self[.day]
    if self[.dayOfYear] != 0, month <= 1 || day <= 1 {
      if year == 0 { throw RowError("cannot calculate day of year without year information") }
      guard let first = CivilDate(year: year, month: 1, day: 1),
        (1...(CivilDate.isLeap(year) ? 366 : 365)).contains(self[.dayOfYear])
      else { throw outOfRange }
      return CivilDate(daysSinceEpoch: first.daysSinceEpoch + Int64(self[.dayOfYear]) - 1)
    }
    return CivilDate(year: year, month: month == 0 ? 1 : month, day: day)
  }

  /// Microseconds since midnight.
  func clock(_ outOfRange: RowError) throws(RowError) -> Int64? {
    let ofDay = self[.secondOfDay]
    var hour = self[.hour] != 0 ? self[.hour] : ofDay / 3600
    let minute = self[.minute] != 0 ? self[.minute] : ofDay / 60 % 60
    let second = self[.second] != 0 ? self[.second] : ofDay % 60
    if hasTwelveHours {
      guard (1...12).contains(hour) else { throw RowError("hour \"\(hour)\" is invalid for the 12-hour clock") }
      if self[.meridiem] == 2 {
        hour = hour == 12 ? 12 : hour + 12
      } else if hour == 12 {
        hour = 0
      }
    }
    let fraction = self[.millisecond] * 1000 + self[.microsecond]
    guard (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second),
      (0..<1_000_000).contains(fraction)
    else { throw outOfRange }
    return Int64(hour * 3600 + minute * 60 + second) * 1_000_000 + Int64(fraction)
  }

  /// What the zone's clock is ahead of UTC, in microseconds.
  func zoneOffset(_ outOfRange: RowError) throws(RowError) -> Int64 {
    guard (0...15).contains(self[.zoneHour]), (0...59).contains(self[.zoneMinute]) else { throw outOfRange }
    return Int64(self[.zoneSign] * (self[.zoneHour] * 60 + self[.zoneMinute])) * 60_000_000
  }
}
