import Columnar
import SQL

extension Kernels {
  /// `to_char`, `to_timestamp(text, text)` and `to_date`; a constant pattern is read once.
  static func formatting(_ signature: FunctionSignature, _ constants: [Value?]) throws(RowError) -> Kernel? {
    var pattern: Bytes?
    if constants.count == 2, case .bytes(let bytes)? = constants[1] { pattern = bytes[...] }
    switch (signature.name, signature.arguments[...].first) {
    case ("to_char", .timestamp), ("to_char", .timestamptz):
      let hasZone = signature.arguments[0] == .timestamptz
      return strict2(.text) { (time: Int64, format: Bytes) -> Bytes? in
        format.isEmpty ? nil : TimeFormat.text(CivilDateTime(microseconds: time), format.string, hasZone: hasZone)
      }
    case ("to_char", .some(let type)): return try numberText(type, pattern)
    case ("to_timestamp", .text), ("to_date", .text):
      let constant = try pattern.map { bytes throws(RowError) in try TimePattern(bytes) }
      let isDate = signature.name == "to_date"
      return strict2(signature.result, canFail: true) { (text: Bytes, pattern: Bytes) throws(RowError) -> Int64? in
        let pattern = if let constant { constant } else { try TimePattern(pattern) }
        return try isDate ? pattern.day(text) : pattern.time(text)
      }
    default: return nil
    }
  }

  private static func numberText(_ type: DataType, _ pattern: Bytes?) throws(RowError) -> Kernel? {
    let constant = try pattern.map { bytes throws(RowError) in try NumberFormat(bytes) }
    switch type {
    case .integer, .bigint:
      return strict2(.text, canFail: constant == nil) { (value: Int64, pattern: Bytes) throws(RowError) -> Bytes? in
        let format = if let constant { constant } else { try NumberFormat(pattern) }
        return format.text(value)
      }
    case .real, .double:
      let digits = type == .real ? 6 : 15
      return strict2(.text, canFail: constant == nil) { (value: Double, pattern: Bytes) throws(RowError) -> Bytes? in
        let format = if let constant { constant } else { try NumberFormat(pattern) }
        return format.text(value, significant: digits)
      }
    case .numeric:
      return strict2(.text, canFail: true) { (value: Numeric, pattern: Bytes) throws(RowError) -> Bytes? in
        let format = if let constant { constant } else { try NumberFormat(pattern) }
        return try format.text(value)
      }
    default: return nil
    }
  }
}

/// The patterns of `to_char` for times: years to microseconds, names in English, `FM`, `TH` and quoted text.
private enum TimeFormat {
  /// Longer patterns before their prefixes.
  private static let patterns = [
    "HH24", "HH12", "IYYY", "YYYY", "SSSSS", "SSSS", "MONTH", "Month", "month", "YYY", "DDD", "DAY", "Day", "day",
    "MON", "Mon", "mon",
    "HH", "MI", "SS", "MS", "US", "AM", "PM", "am", "pm", "YY", "IW", "ID", "MM", "DD", "DY", "Dy", "dy", "WW", "CC",
    "TZ", "OF", "Q", "D", "W", "J", "Y"
  ]

  static func text(_ time: CivilDateTime, _ format: String, hasZone: Bool) -> Bytes {
    var result = ""
    var rest = format[...]
    var isFilled = true
    while !rest.isEmpty {
      if rest.hasPrefix("FM") {
        isFilled = false
        rest = rest.dropFirst(2)
      } else if rest.hasPrefix("\"") {
        let quoted = rest.dropFirst().prefix { $0 != "\"" }
        result += quoted
        rest = rest.dropFirst(quoted.count + 2)
      } else if let pattern = patterns.first(where: { rest.hasPrefix($0) || rest.hasPrefix($0.lowercased()) }) {
        let field = Self.field(String(rest.prefix(pattern.count)), pattern, time, isFilled, hasZone)
        rest = rest.dropFirst(pattern.count)
        isFilled = true
        result += field
      } else {
        result.append(rest.removeFirst())
      }
    }
    return Bytes(result)
  }

  private static func field(
    _ written: String, _ pattern: String, _ time: CivilDateTime, _ isFilled: Bool, _ hasZone: Bool
  ) -> String {
    let date = time.date
    func digits(_ value: Int, _ width: Int) -> String {
      let text = String(value)
      return isFilled && text.count < width ? String(repeating: "0", count: width - text.count) + text : text
    }
    func name(_ name: String, _ width: Int) -> String {
      let isUpper = written == written.uppercased()
      let isLower = written == written.lowercased()
      let cased = isUpper ? name.uppercased() : isLower ? name.lowercased() : name
      return isFilled && cased.count < width ? cased + String(repeating: " ", count: width - cased.count) : cased
    }
    let year = date.year > 0 ? date.year : 1 - date.year
    switch pattern.uppercased() {
    case "YYYY": return digits(year, 4)
    case "YYY": return digits(year % 1000, 3)
    case "YY": return digits(year % 100, 2)
    case "Y": return digits(year % 10, 1)
    case "IYYY": return digits(date.isoWeek.year, 4)
    case "IW": return digits(date.isoWeek.week, 2)
    case "ID": return digits(date.dayOfWeek == 0 ? 7 : date.dayOfWeek, 1)
    case "MM": return digits(date.month, 2)
    case "MONTH": return name(TimeNames.months[date.month - 1], 9)
    case "MON": return name(String(TimeNames.months[date.month - 1].prefix(3)), 3)
    case "DD": return digits(date.day, 2)
    case "DDD": return digits(date.dayOfYear, 3)
    case "DAY": return name(TimeNames.days[date.dayOfWeek], 9)
    case "DY": return name(String(TimeNames.days[date.dayOfWeek].prefix(3)), 3)
    case "D": return digits(date.dayOfWeek + 1, 1)
    case "W": return digits((date.day - 1) / 7 + 1, 1)
    case "WW": return digits((date.dayOfYear - 1) / 7 + 1, 2)
    case "Q": return digits((date.month - 1) / 3 + 1, 1)
    case "CC": return digits((year + 99) / 100, 2)
    case "J": return digits(Int(date.daysSinceEpoch) + 2_440_588, 1)
    case "HH24": return digits(time.hour, 2)
    case "HH", "HH12": return digits(time.hour % 12 == 0 ? 12 : time.hour % 12, 2)
    case "MI": return digits(time.minute, 2)
    case "SS": return digits(time.second, 2)
    case "SSSS", "SSSSS": return digits(Int(time.microsecondOfDay / 1_000_000), 1)
    case "MS": return digits(time.microsecond / 1000, 3)
    case "US": return digits(time.microsecond, 6)
    case "AM", "PM": return name(time.hour < 12 ? "AM" : "PM", 2)
    case "TZ": return hasZone ? name("UTC", 3) : ""
    case "OF": return "+00"
    default: return written
    }
  }
}
