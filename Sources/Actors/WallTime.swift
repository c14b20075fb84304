import Columnar

/// A point in time as people read it: microseconds since the epoch, written in JSON as ISO 8601 in UTC.
public struct WallTime: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  /// Microseconds since 1970-01-01T00:00:00Z.
  public let microseconds: Int64

  /// The time `microseconds` after the epoch.
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// Reads the form that ``description`` writes.
  /// - Throws: `DecodingError` for any other text.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let microseconds = WallTime.parse(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "expected a time such as 2026-01-31T12:00:00.000000Z, got '\(text)'")
    }
    self.microseconds = microseconds
  }

  /// Writes ``description``.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  /// Orders by time.
  public static func < (left: WallTime, right: WallTime) -> Bool { left.microseconds < right.microseconds }

  /// `YYYY-MM-DDThh:mm:ss.ffffffZ`.
  public var description: String {
    let time = CivilDateTime(microseconds: microseconds)
    let date = "\(padded(time.date.year, 4))-\(padded(time.date.month, 2))-\(padded(time.date.day, 2))"
    let clock = "\(padded(time.hour, 2)):\(padded(time.minute, 2)):\(padded(time.second, 2))"
    return "\(date)T\(clock).\(padded(time.microsecond, 6))Z"
  }

  private static func parse(_ text: String) -> Int64? {
    guard text.hasSuffix("Z") else { return nil }
    let numbers = text.dropLast().split(whereSeparator: { "-T:.".contains($0) }).compactMap { Int($0) }
    guard numbers.count == 7, text.utf8.count == 27, (0...23).contains(numbers[3]), (0...59).contains(numbers[4]),
      (0...59).contains(numbers[5]), let date = CivilDate(year: numbers[0], month: numbers[1], day: numbers[2])
    else { return nil }
    let seconds = Int64((numbers[3] * 60 + numbers[4]) * 60 + numbers[5])
    return CivilDateTime(date: date, microsecondOfDay: seconds * 1_000_000 + Int64(numbers[6])).microseconds
  }
}

private func padded(_ number: Int, _ width: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
