import Columnar

/// A pattern of `to_char` for times, read once: years to microseconds, names in English, `FM` and quoted text.
struct TimeFormat: Sendable {
  private enum Number: Sendable {
    case year, yearOfThousand, yearOfCentury, yearOfDecade, isoYear, isoWeek, isoDayOfWeek, century, quarter, month
    case day, dayOfYear, dayOfWeek, weekOfMonth, weekOfYear, julianDay
    case hour, hour12, minute, second, secondOfDay, millisecond, microsecond
  }

  private enum Name: Sendable {
    case month, monthAbbreviation, day, dayAbbreviation, meridiem, zone
  }

  private enum Field: Sendable {
    case number(Number, width: Int)
    case name(Name, width: Int)
    case text(String)
  }

  private enum LetterCase: Sendable {
    case upper, lower, mixed
  }

  private enum Part: Sendable {
    case text([UInt8])
    /// Numbers are filled with zeros to so many digits.
    case number(Number, width: Int)
    /// Names are filled with spaces to so many letters.
    case name(Name, LetterCase, width: Int)
  }

  private var parts: [Part] = []

  /// Longer patterns before their prefixes.
  private static let fields: [(pattern: String, field: Field)] = [
    ("HH24", .number(.hour, width: 2)), ("HH12", .number(.hour12, width: 2)), ("IYYY", .number(.isoYear, width: 4)),
    ("YYYY", .number(.year, width: 4)), ("SSSSS", .number(.secondOfDay, width: 1)),
    ("SSSS", .number(.secondOfDay, width: 1)), ("MONTH", .name(.month, width: 9)), ("Month", .name(.month, width: 9)),
    ("YYY", .number(.yearOfThousand, width: 3)), ("DDD", .number(.dayOfYear, width: 3)),
    ("DAY", .name(.day, width: 9)), ("Day", .name(.day, width: 9)), ("MON", .name(.monthAbbreviation, width: 3)),
    ("Mon", .name(.monthAbbreviation, width: 3)), ("HH", .number(.hour12, width: 2)),
    ("MI", .number(.minute, width: 2)), ("SS", .number(.second, width: 2)), ("MS", .number(.millisecond, width: 3)),
    ("US", .number(.microsecond, width: 6)),
    ("AM", .name(.meridiem, width: 2)), ("PM", .name(.meridiem, width: 2)), ("YY", .number(.yearOfCentury, width: 2)),
    ("IW", .number(.isoWeek, width: 2)), ("ID", .number(.isoDayOfWeek, width: 1)), ("MM", .number(.month, width: 2)),
    ("DD", .number(.day, width: 2)), ("DY", .name(.dayAbbreviation, width: 3)),
    ("Dy", .name(.dayAbbreviation, width: 3)), ("WW", .number(.weekOfYear, width: 2)),
    ("CC", .number(.century, width: 2)), ("TZ", .name(.zone, width: 3)), ("OF", .text("+00")),
    ("Q", .number(.quarter, width: 1)), ("D", .number(.dayOfWeek, width: 1)), ("W", .number(.weekOfMonth, width: 1)),
    ("J", .number(.julianDay, width: 1)), ("Y", .number(.yearOfDecade, width: 1))
  ]

  /// Reads a pattern. What is no field stands for itself.
  init(_ pattern: String, hasZone: Bool) {
    var rest = pattern[...]
    var isFilled = true
    while !rest.isEmpty {
      if rest.hasPrefix("FM") {
        isFilled = false
        rest = rest.dropFirst(2)
      } else if rest.hasPrefix("\"") {
        let quoted = rest.dropFirst().prefix { $0 != "\"" }
        parts.append(.text(Array(quoted.utf8)))
        rest = rest.dropFirst(quoted.count + 2)
      } else if let found = Self.fields.first(where: {
        rest.hasPrefix($0.pattern) || rest.hasPrefix($0.pattern.lowercased())
      }) {
        add(found.field, written: String(rest.prefix(found.pattern.count)), isFilled, hasZone)
        rest = rest.dropFirst(found.pattern.count)
        isFilled = true
      } else {
        parts.append(.text(Array(String(rest.removeFirst()).utf8)))
      }
    }
  }

  private mutating func add(_ field: Field, written: String, _ isFilled: Bool, _ hasZone: Bool) {
    switch field {
    case .text(let text): parts.append(.text(Array(text.utf8)))
    case .number(let number, let width): parts.append(.number(number, width: isFilled ? width : 0))
    case .name(.zone, _) where !hasZone: break
    case .name(let name, let width):
      let letters: LetterCase =
        written == written.uppercased() ? .upper : written == written.lowercased() ? .lower : .mixed
      parts.append(.name(name, letters, width: isFilled ? width : 0))
    }
  }

  /// What the pattern makes of a time.
  func text(_ time: CivilDateTime) -> Bytes {
    var result: [UInt8] = []
    result.reserveCapacity(32)
    let date = time.date
    for part in parts {
      switch part {
      case .text(let text): result += text
      case .number(let number, let width): Self.append(Self.value(number, time, date), width, to: &result)
      case .name(let name, let letters, let width):
        let text = Self.text(name, time, date)
        switch letters {
        case .upper: result += text.uppercased().utf8
        case .lower: result += text.lowercased().utf8
        case .mixed: result += text.utf8
        }
        for _ in 0..<max(0, width - text.utf8.count) { result.append(0x20) }
      }
    }
    return result[...]
  }

  private static func append(_ value: Int, _ width: Int, to text: inout [UInt8]) {
    if value >= 0, value < 100, width <= 2 {
      if width == 2 || value >= 10 { text.append(UInt8(0x30 + value / 10)) }
      text.append(UInt8(0x30 + value % 10))
      return
    }
    let digits = String(value)
    for _ in 0..<max(0, width - digits.utf8.count) { text.append(0x30) }
    text += digits.utf8
  }

  private static func value(_ number: Number, _ time: CivilDateTime, _ date: CivilDate) -> Int {
    // The year 0 is 1 BC.
    let year = date.year > 0 ? date.year : 1 - date.year
    return switch number {
    case .year: year
    case .yearOfThousand: year % 1000
    case .yearOfCentury: year % 100
    case .yearOfDecade: year % 10
    case .isoYear: date.isoWeek.year
    case .isoWeek: date.isoWeek.week
    case .isoDayOfWeek: date.dayOfWeek == 0 ? 7 : date.dayOfWeek
    case .century: (year + 99) / 100
    case .quarter: (date.month - 1) / 3 + 1
    case .month: date.month
    case .day: date.day
    case .dayOfYear: date.dayOfYear
    case .dayOfWeek: date.dayOfWeek + 1
    case .weekOfMonth: (date.day - 1) / 7 + 1
    case .weekOfYear: (date.dayOfYear - 1) / 7 + 1
    case .julianDay: Int(date.daysSinceEpoch) + 2_440_588
    case .hour: time.hour
    case .hour12: time.hour % 12 == 0 ? 12 : time.hour % 12
    case .minute: time.minute
    case .second: time.second
    case .secondOfDay: Int(time.microsecondOfDay / 1_000_000)
    case .millisecond: time.microsecond / 1000
    case .microsecond: time.microsecond
    }
  }

  private static func text(_ name: Name, _ time: CivilDateTime, _ date: CivilDate) -> String {
    switch name {
    case .month: TimeNames.months[date.month - 1]
    case .monthAbbreviation: TimeNames.abbreviatedMonths[date.month - 1]
    case .day: TimeNames.days[date.dayOfWeek]
    case .dayAbbreviation: String(TimeNames.days[date.dayOfWeek].prefix(3))
    case .meridiem: time.hour < 12 ? "AM" : "PM"
    case .zone: "UTC"
    }
  }
}
