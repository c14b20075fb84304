import Columnar

/// Lengths of time in option values: `200ms`, `2 seconds`, `1 minute 30 seconds`.
public enum DurationText {
  /// The length in microseconds; `nil` when the text is none, is negative, or has months.
  public static func parse(_ text: String) -> Int64? {
    if let short = parseShort(text) { return short }
    guard text.contains(where: \.isLetter) || text.contains(":"), let interval = try? Interval(text),
      interval.months == 0
    else { return nil }
    let (days, overflow) = Int64(interval.days).multipliedReportingOverflow(by: 86_400_000_000)
    let (total, overflowed) = days.addingReportingOverflow(interval.microseconds)
    return overflow || overflowed || total < 0 ? nil : total
  }

  /// A number and a unit, with or without a space between.
  private static func parseShort(_ text: String) -> Int64? {
    let compact = text.lowercased().filter { !$0.isWhitespace }
    let digits = compact.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let unit = units.first(where: { $0.names.contains(String(compact.dropFirst(digits.count))) }) else {
      return nil
    }
    // Whole numbers are exact, however large.
    if let whole = Int64(digits) {
      let (microseconds, overflow) = whole.multipliedReportingOverflow(by: unit.microseconds)
      return overflow ? nil : microseconds
    }
    guard let number = Double(digits), number >= 0 else { return nil }
    let microseconds = (number * Double(unit.microseconds)).rounded()
    return microseconds < 9e18 ? Int64(microseconds) : nil
  }

  /// The shortest exact text: `10s`, `1500ms`, `2h`.
  public static func text(_ microseconds: Int64) -> String {
    for unit in units.reversed() where microseconds != 0 && microseconds % unit.microseconds == 0 {
      return "\(microseconds / unit.microseconds)\(unit.names[0])"
    }
    return microseconds == 0 ? "0s" : "\(microseconds)us"
  }

  private static let units: [(names: [String], microseconds: Int64)] = [
    (["us", "microsecond", "microseconds"], 1), (["ms", "millisecond", "milliseconds"], 1_000),
    (["s", "sec", "secs", "second", "seconds"], 1_000_000), (["m", "min", "mins", "minute", "minutes"], 60_000_000),
    (["h", "hr", "hour", "hours"], 3_600_000_000), (["d", "day", "days"], 86_400_000_000)
  ]
}
