/// Dates and times as text: ISO 8601 and PostgreSQL's form are read, either can be written.
public enum TimeText {
  /// A point in time as it was written.
  public struct ParsedTime: Hashable, Sendable {
    /// Microseconds since 1970-01-01 00:00:00 of the zone that the text names; of UTC when it names none.
    public var local: Int64
    /// How far the named zone is ahead of UTC, in microseconds; `nil` when the text names none.
    public var zoneOffset: Int64?
    /// Microseconds since the epoch; a text without a zone is in UTC.
    public var utc: Int64
  }

  /// Reads `2026-01-08`, `2026-01-08T14:30:00.5Z`, `2026-01-08 14:30:00+05:30`, `20260108T143000Z`.
  ///
  /// Seconds and their fraction may be missing, `T` and the space are the same, zones are `Z`, `UTC`, `GMT` and offsets; a year before 1 is
  /// written with ` BC`, or with a sign as ISO 8601 has it. A seventh and later digit of the fraction rounds.
  /// - Throws: `.malformed`; `.outOfRange` for a day that the calendar does not have.
  public static func parseTimestamp(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(ValueTextError) -> ParsedTime {
    var text = TextCursor(bytes)
    text.trim()
    let (writtenYear, month, day) = try parseDateParts(&text)
    var year = writtenYear
    var timeOfDay: Int64 = 0
    if text.current | 0x20 == 0x74 || (TextCursor.isSpace(text.current) && startsWithDigitAfterSpaces(text)) {
      text.advance()
      text.skipSpaces()
      timeOfDay = try parseTimeOfDay(&text)
    }
    text.skipSpaces()
    let zone = try parseZone(&text)
    try parseEra(&text, &year)
    guard text.isAtEnd else { throw .malformed }
    guard let date = CivilDate(year: year, month: month, day: day),
      let local = CivilDateTime(date: date, microsecondOfDay: timeOfDay).microseconds
    else { throw .outOfRange }
    let (utc, overflow) = local.subtractingReportingOverflow(zone ?? 0)
    if overflow { throw .outOfRange }
    return ParsedTime(local: local, zoneOffset: zone, utc: utc)
  }

  /// Reads a timestamp, see ``parseTimestamp(utf8:)``.
  public static func parseTimestamp(_ text: some StringProtocol) throws(ValueTextError) -> ParsedTime {
    try withBytes(of: text) { bytes throws(ValueTextError) in try parseTimestamp(utf8: bytes) }
  }

  /// Reads a date, and ignores a time that follows it, as PostgreSQL does; days since 1970-01-01.
  /// - Throws: `.malformed`; `.outOfRange` for a day that the calendar does not have.
  public static func parseDate(utf8 bytes: UnsafeBufferPointer<UInt8>) throws(ValueTextError) -> Int64 {
    var text = TextCursor(bytes)
    text.trim()
    let (writtenYear, month, day) = try parseDateParts(&text)
    var year = writtenYear
    text.skipSpaces()
    try parseEra(&text, &year)
    guard text.isAtEnd else {
      let time = try parseTimestamp(utf8: bytes)
      return Int64(floorDivide(Int(time.local), Int(CivilDateTime.microsecondsPerDay)))
    }
    guard let date = CivilDate(year: year, month: month, day: day) else { throw .outOfRange }
    return date.daysSinceEpoch
  }

  /// Reads a date, see ``parseDate(utf8:)``.
  public static func parseDate(_ text: some StringProtocol) throws(ValueTextError) -> Int64 {
    try withBytes(of: text) { bytes throws(ValueTextError) in try parseDate(utf8: bytes) }
  }

  private static func startsWithDigitAfterSpaces(_ text: TextCursor) -> Bool {
    var text = text
    text.skipSpaces()
    return isDigit(text.current)
  }

  private static func parseDateParts(_ text: inout TextCursor) throws(ValueTextError) -> (Int, Int, Int) {
    let isNegative = text.current == 0x2d
    let isSigned = isNegative || text.current == 0x2b
    if isSigned { text.advance() }
    let (count, value) = text.digits(limit: 9)
    if count == 8, text.current != 0x2d, !isSigned {
      return (Int(value / 10_000), Int(value / 100 % 100), Int(value % 100))
    }
    guard count >= 4, text.take(0x2d) else { throw .malformed }
    let month = text.digits(limit: 2)
    guard month.count > 0, text.take(0x2d) else { throw .malformed }
    let day = text.digits(limit: 2)
    guard day.count > 0 else { throw .malformed }
    if value > 300_000 { throw .outOfRange }
    return (isNegative ? -Int(value) : Int(value), Int(month.value), Int(day.value))
  }

  private static func parseEra(_ text: inout TextCursor, _ year: inout Int) throws(ValueTextError) {
    text.skipSpaces()
    if text.take(word: "bc") {
      guard year > 0 else { throw .outOfRange }
      year = 1 - year
    }
  }

  private static func parseTimeOfDay(_ text: inout TextCursor) throws(ValueTextError) -> Int64 {
    guard let hour = text.twoDigits() else { throw .malformed }
    let isExtended = text.take(0x3a)
    guard let minute = text.twoDigits() else { throw .malformed }
    var second = 0
    var fraction: Int64 = 0
    if isExtended ? text.take(0x3a) : isDigit(text.current) {
      guard let value = text.twoDigits() else { throw .malformed }
      second = value
      if text.current == 0x2e, isDigit(text.peek(1)) {
        text.advance()
        fraction = text.millionths()
      }
    }
    let total = Int64(hour * 3_600 + minute * 60 + second) * 1_000_000 + fraction
    // 24:00:00 and a leap second are the next moment, as in PostgreSQL.
    guard minute <= 59, second <= 60, total <= CivilDateTime.microsecondsPerDay else { throw .outOfRange }
    return total
  }

  private static func parseZone(_ text: inout TextCursor) throws(ValueTextError) -> Int64? {
    if text.take(word: "z") || text.take(word: "utc") || text.take(word: "gmt") { return 0 }
    let isNegative = text.current == 0x2d
    guard isNegative || text.current == 0x2b else { return nil }
    text.advance()
    guard let hour = text.twoDigits() else { throw .malformed }
    var minute = 0
    var second = 0
    if text.take(0x3a) {
      guard let value = text.twoDigits() else { throw .malformed }
      minute = value
      if text.take(0x3a) {
        guard let value = text.twoDigits() else { throw .malformed }
        second = value
      }
    } else if isDigit(text.current) {
      guard let value = text.twoDigits() else { throw .malformed }
      minute = value
    }
    guard hour < 16, minute < 60, second < 60 else { throw .outOfRange }
    let offset = Int64(hour * 3_600 + minute * 60 + second) * 1_000_000
    return isNegative ? -offset : offset
  }

  /// Appends `2026-01-08`, for a `date`: days since 1970-01-01.
  public static func appendDate(_ days: Int64, to bytes: inout [UInt8]) {
    let date = CivilDate(daysSinceEpoch: days)
    append(date, to: &bytes)
    if date.year < 1 { bytes.append(contentsOf: " BC".utf8) }
  }

  /// Appends `2026-01-08 14:30:00.5`, and `+00` for a `timestamptz`, as PostgreSQL prints it in UTC.
  public static func appendTimestamp(_ microseconds: Int64, withZone: Bool, to bytes: inout [UInt8]) {
    let time = CivilDateTime(microseconds: microseconds)
    append(time.date, to: &bytes)
    bytes.append(0x20)
    appendTimeOfDay(time, to: &bytes)
    bytes.appendFraction(time.microsecond)
    if withZone { bytes.append(contentsOf: "+00".utf8) }
    if time.date.year < 1 { bytes.append(contentsOf: " BC".utf8) }
  }

  /// Appends `2026-01-08T14:30:00.500000`, and `Z` for a `timestamptz`: ISO 8601 with microseconds.
  ///
  /// Years before 1 and after 9999 have a sign, as ISO 8601's expanded form.
  public static func appendISO8601(_ microseconds: Int64, withZone: Bool, to bytes: inout [UInt8]) {
    let time = CivilDateTime(microseconds: microseconds)
    appendISO8601(time.date, to: &bytes)
    bytes.append(0x54)
    appendTimeOfDay(time, to: &bytes)
    bytes.append(0x2e)
    bytes.appendDecimal(time.microsecond, width: 6)
    if withZone { bytes.append(0x5a) }
  }

  /// Appends a `date` as ISO 8601.
  public static func appendISO8601Date(_ days: Int64, to bytes: inout [UInt8]) {
    appendISO8601(CivilDate(daysSinceEpoch: days), to: &bytes)
  }

  private static func appendISO8601(_ date: CivilDate, to bytes: inout [UInt8]) {
    if date.year >= 1 && date.year <= 9_999 {
      append(date, to: &bytes)
      return
    }
    bytes.append(date.year < 0 ? 0x2d : 0x2b)
    bytes.appendDecimal(abs(date.year), width: 4)
    appendMonthAndDay(date, to: &bytes)
  }

  private static func append(_ date: CivilDate, to bytes: inout [UInt8]) {
    bytes.appendDecimal(date.year < 1 ? 1 - date.year : date.year, width: 4)
    appendMonthAndDay(date, to: &bytes)
  }

  private static func appendMonthAndDay(_ date: CivilDate, to bytes: inout [UInt8]) {
    bytes.append(0x2d)
    bytes.appendDecimal(date.month, width: 2)
    bytes.append(0x2d)
    bytes.appendDecimal(date.day, width: 2)
  }

  private static func appendTimeOfDay(_ time: CivilDateTime, to bytes: inout [UInt8]) {
    bytes.appendDecimal(time.hour, width: 2)
    bytes.append(0x3a)
    bytes.appendDecimal(time.minute, width: 2)
    bytes.append(0x3a)
    bytes.appendDecimal(time.second, width: 2)
  }
}

extension Timestamp: CustomStringConvertible {
  /// ISO 8601 in UTC with microseconds; the two ends of the range by name.
  public var description: String {
    if self == .minimum { return "minimum" }
    if self == .maximum { return "maximum" }
    return String(writing: { TimeText.appendISO8601(microseconds, withZone: true, to: &$0) })
  }
}
