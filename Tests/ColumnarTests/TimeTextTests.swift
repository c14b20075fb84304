import Columnar
import TestSupport
import TestTraits
import Testing

@Suite("Times, intervals and uuids as text", .fewAtOnce)
struct TimeTextTests {
  private func printed(_ microseconds: Int64) -> String {
    var bytes: [UInt8] = []
    TimeText.appendTimestamp(microseconds, withZone: true, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(
    "a timestamp is read in ISO 8601 and in PostgreSQL's form",
    arguments: [
      ("2026-01-08", "2026-01-08 00:00:00+00"), ("2026-01-08T14:30:00.5Z", "2026-01-08 14:30:00.5+00"),
      ("2026-01-08 14:30:00+05:30", "2026-01-08 09:00:00+00"), ("2026-01-08 14:30:00-0800", "2026-01-08 22:30:00+00"),
      ("20260108T143000Z", "2026-01-08 14:30:00+00"), ("2026-01-08t14:30z", "2026-01-08 14:30:00+00"),
      ("2026-01-08 14:30:00.1234567", "2026-01-08 14:30:00.123457+00"), ("2026-1-8", "2026-01-08 00:00:00+00"),
      ("1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999+00"),
      ("2026-01-08 24:00:00", "2026-01-09 00:00:00+00"),
      ("0044-03-15 12:00:00 BC", "0044-03-15 12:00:00+00 BC"), ("-0043-03-15T12:00:00Z", "0044-03-15 12:00:00+00 BC"),
      ("9999-12-31 23:59:59 UTC", "9999-12-31 23:59:59+00"), ("+12026-01-01T00:00:00Z", "12026-01-01 00:00:00+00")
    ])
  func reads(text: String, expected: String) throws {
    #expect(printed(try TimeText.parseTimestamp(text).utc) == expected)
  }

  @Test(
    "a text that is no timestamp is refused",
    arguments: ["", "x", "2026", "2026-01", "2026-01-08T", "2026-01-08 1:2", "2026-01-08 14:30:00 +5", "2026-01-08x"])
  func refusesText(text: String) {
    #expect(throws: ValueTextError.malformed) { try TimeText.parseTimestamp(text) }
  }

  @Test(
    "a day or time that does not exist is out of range",
    arguments: ["2026-02-30", "2025-02-29", "2026-13-01", "2026-01-08 25:00:00", "2026-01-08 14:60:00", "400000-01-01"])
  func refusesRange(text: String) {
    #expect(throws: ValueTextError.outOfRange) { try TimeText.parseTimestamp(text) }
  }

  @Test("every day's civil date leads back to the day")
  func days() throws {
    var previous = CivilDate(daysSinceEpoch: -1_000_001)
    for day in Int64(-1_000_000)...1_000_000 {
      let date = CivilDate(daysSinceEpoch: day)
      let isNext =
        date.day == previous.day + 1 && date.month == previous.month
        || date.day == 1 && previous.day == CivilDate.days(inMonth: previous.month, ofYear: previous.year)
      guard date.daysSinceEpoch == day, isNext else {
        Issue.record("day \(day) is \(date)")
        return
      }
      previous = date
    }
  }

  @Test("weeks are ISO 8601's, and days of the week start with Sunday")
  func weeks() throws {
    let date = try #require(CivilDate(year: 2027, month: 1, day: 3))
    #expect(date.isoWeek == (2026, 53))
    #expect(date.dayOfWeek == 0)
    #expect(CivilDate(year: 2024, month: 12, day: 31)?.isoWeek.week == 1)
    #expect(CivilDate(year: 2024, month: 12, day: 31)?.dayOfYear == 366)
  }

  @Test("writing and reading ISO 8601 gives the same microsecond")
  func roundTrips() throws {
    let seed: UInt64 = 8
    var random = SeededNumbers(seed: seed)
    for _ in 0..<20_000 {
      let value = Int64.random(in: -210_866_803_200_000_000...(.max), using: &random)
      var bytes: [UInt8] = []
      TimeText.appendISO8601(value, withZone: true, to: &bytes)
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(try TimeText.parseTimestamp(text).utc == value, "seed \(seed): \(text)")
      #expect(try TimeText.parseTimestamp(printed(value)).utc == value, "seed \(seed): \(printed(value))")
    }
  }

  @Test(
    "an interval is read and printed as PostgreSQL does",
    arguments: [
      ("10 seconds", "00:00:10"), ("1 year 2 mons -3 days 04:05:06.7", "1 year 2 mons -3 days +04:05:06.7"),
      ("1 day ago", "-1 days"), ("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
      ("1.5 months", "1 mon 15 days"), ("-1.5 days", "-1 days -12:00:00"), ("04:05", "04:05:00"),
      ("1 04:05:06", "1 day 04:05:06"), ("1-2", "1 year 2 mons"), ("2", "00:00:02"), ("100 ms", "00:00:00.1"),
      ("@ 1 minute", "00:01:00"), ("2 weeks", "14 days"), ("PT0S", "00:00:00"), ("-00:00:01", "-00:00:01"),
      ("-13 months", "-1 years -1 mons"), ("1h30m", "01:30:00")
    ])
  func intervals(text: String, expected: String) throws {
    let interval = try Interval(text)
    #expect(interval.description == expected)
    #expect(try Interval(expected) == interval)
  }

  @Test("a text that is no interval is refused", arguments: ["", "x", "1 fortnight", "P", "P1H", "1 day x", "ago"])
  func refusesInterval(text: String) {
    #expect(throws: ValueTextError.malformed) { try Interval(text) }
  }

  @Test("an interval of too many months is out of range")
  func intervalRange() {
    #expect(throws: ValueTextError.outOfRange) { try Interval("999999999 years") }
    #expect(throws: ValueTextError.outOfRange) { try Interval("99999999999999999999 seconds") }
  }

  @Test("a uuid is read in PostgreSQL's forms")
  func uuids() throws {
    let printed = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    for text in [printed, "{A0EEBC99-9C0B4EF8-BB6D6BB9BD380A11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11"] {
      #expect(try UUIDValue(text).description == printed)
    }
    for text in ["", "a0eebc99", printed + "0", "{" + printed, "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"] {
      #expect(throws: ValueTextError.malformed) { try UUIDValue(text) }
    }
  }

  @Test("bytea is read and written as hexadecimal digits")
  func bytea() throws {
    #expect(try ByteaText.parse("\\x00fF7e") == [0, 255, 126])
    for text in ["00", "\\x0", "\\xgg", "x00"] {
      #expect(throws: ValueTextError.malformed) { try ByteaText.parse(text) }
    }
  }
}
