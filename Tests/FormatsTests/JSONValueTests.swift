import Columnar
import Formats
import TestSupport
import TestTraits
import Testing

@Suite("JSON values in typed columns", .fewAtOnce)
struct JSONValueTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var type: DataType
    var json: String
    var value: Value
    var testDescription: String { "\(type.sqlName) from \(json)" }

    init(_ type: DataType, _ json: String, _ value: Value) {
      (self.type, self.json, self.value) = (type, json, value)
    }
  }

  static let accepted: [Case] = [
    Case(.bigint, "12", .int64(12)), Case(.bigint, "-9223372036854775808", .int64(.min)),
    Case(.bigint, "9223372036854775807", .int64(.max)), Case(.bigint, "1e3", .int64(1_000)),
    Case(.bigint, "12.0", .int64(12)), Case(.bigint, "\"12\"", .int64(12)), Case(.bigint, "0", .int64(0)),
    Case(.bigint, "123456789012345678", .int64(123_456_789_012_345_678)), Case(.bigint, "null", .null),
    Case(.bigint, "-12345678", .int64(-12_345_678)), Case(.bigint, "1234567890123456", .int64(1_234_567_890_123_456)),
    Case(.integer, "2147483647", .int64(2_147_483_647)), Case(.integer, "-2147483648", .int64(-2_147_483_648)),
    Case(.double, "21.5", .float64(21.5)), Case(.double, "-0.1", .float64(-0.1)), Case(.double, "7", .float64(7)),
    Case(.double, "1e22", .float64(1e22)), Case(.double, "1.7976931348623157e308", .float64(.greatestFiniteMagnitude)),
    Case(.double, "0.30000000000000004", .float64(0.30000000000000004)),
    Case(.double, "5e-324", .float64(.leastNonzeroMagnitude)),
    Case(.double, "9007199254740993", .float64(9_007_199_254_740_992)), Case(.double, "0e-999", .float64(0)),
    Case(.double, "\" 12.5 \"", .float64(12.5)), Case(.double, "\"Infinity\"", .float64(.infinity)),
    Case(.double, "\"-inf\"", .float64(-.infinity)),
    Case(.double, "123456789012345678901234567890", .float64(1.2345678901234568e29)),
    Case(.real, "0.1", .float64(Double(Float(0.1)))), Case(.real, "16777217", .float64(16_777_216)),
    Case(.numeric, "12.50", .numeric(Numeric(unscaled: 1_250, scale: 2))),
    Case(.numeric, "\"NaN\"", .numeric(.nan)),
    Case(.numeric(precision: 6, scale: 2), "1.005", .numeric(Numeric(unscaled: 101, scale: 2))),
    Case(.boolean, "true", .boolean(true)), Case(.boolean, "false", .boolean(false)),
    Case(.boolean, "\"off\"", .boolean(false)),
    Case(.text, "\"héllo\"", .text("héllo")), Case(.text, "\"\"", .text("")), Case(.text, "1.50", .text("1.50")),
    Case(.text, "true", .text("true")), Case(.text, "{\"a\": [1, {}]}", .text("{\"a\": [1, {}]}")),
    Case(.text, "\"a\\n\\\"\\\\\\/\\b\\f\\r\\t\\u00e9\\u20ac\\ud83d\\ude00\"", .text("a\n\"\\/\u{8}\u{c}\r\té€😀")),
    Case(.text, "\"a text of more than sixteen bytes\"", .text("a text of more than sixteen bytes")),
    Case(.jsonb, "[1, \"x\"]", .text("[1, \"x\"]")), Case(.jsonb, "\"s\"", .text("\"s\"")),
    Case(.jsonb, "1.50", .text("1.50")), Case(.jsonb, "null", .null), Case(.jsonb, "true", .text("true")),
    Case(.bytea, "\"\\\\x00ff\"", .bytes([0, 255])), Case(.bytea, "\"\\\\x\"", .bytes([])),
    Case(.date, "\"1970-01-02\"", .int64(1)), Case(.interval, "\"1 day\"", .interval(Interval(days: 1))),
    Case(.uuid, "\"00000000-0000-0001-0000-000000000002\"", .uuid(UUIDValue(high: 1, low: 2))),
    Case(.timestamptz, "1500", .int64(1_500_000)), Case(.timestamptz, "1.5", .int64(1_500)),
    Case(.timestamptz, "-1", .int64(-1_000)), Case(.timestamptz, "\"1970-01-01T00:00:01Z\"", .int64(1_000_000)),
    Case(.timestamptz, "\"1970-01-01T00:00:01.000002Z\"", .int64(1_000_002)),
    Case(.timestamptz, "\"1970-01-01 01:00:01.5+01\"", .int64(1_500_000)),
    Case(.timestamptz, "\"1970-01-01T00:00:01\"", .int64(1_000_000)),
    Case(.timestamp, "\"1970-01-01T01:00:00+01:00\"", .int64(3_600_000_000))
  ]

  @Test("a value that fits its column is converted", arguments: accepted)
  func accepts(example: Case) throws {
    #expect(try decodeValue(example.json, example.type).get() == example.value)
    // The same in other white space, and at the very end of the record's memory.
    let spaced = try decode([" { \"x\" :\n\(example.json)\t} "], [Field("x", example.type)])
    #expect(rows(spaced.batch) == [[example.value]])
  }

  @Test("NaN is read from a string")
  func nan() throws {
    guard case .success(.float64(let value)) = try decodeValue("\"nan\"", .double) else {
      Issue.record("not a double")
      return
    }
    #expect(value.isNaN)
  }

  @Test(
    "a value that does not fit is rejected with the column, the type, what came and where",
    arguments: [
      (DataType.bigint, "\"abc\"", RejectionReason.type), (.bigint, "1.5", .type), (.bigint, "true", .type),
      (.bigint, "[1]", .type), (.bigint, "9223372036854775808", .range), (.bigint, "1e400", .range),
      (.integer, "2147483648", .range), (.integer, "-2147483649", .range), (.double, "1e999", .range),
      (.double, "1e-999", .range), (.double, "\"0x10\"", .type), (.double, "\"\"", .type), (.double, "true", .type),
      (.real, "1e39", .range), (.numeric, "1e38", .range), (.numeric(precision: 4, scale: 2), "100", .range),
      (.boolean, "1", .type), (.boolean, "\"maybe\"", .type), (.date, "12", .type), (.date, "\"2026-02-30\"", .range),
      (.timestamptz, "\"soon\"", .type), (.timestamptz, "\"2026-02-30T00:00:00Z\"", .range),
      (.timestamptz, "1e300", .range), (.timestamptz, "-9e15", .range), (.timestamptz, "{}", .type),
      (.uuid, "\"x\"", .type), (.interval, "\"x\"", .type), (.bytea, "\"00\"", .type),
      (.text, "\"\\u0000\"", .encoding), (.text, "\"\\ud800\"", .encoding), (.text, "\"\\ud800\\u0041\"", .encoding),
      (.jsonb, "[\"\\u0000\"]", .encoding), (.jsonb, "[\"\\udc00\"]", .encoding)
    ])
  func rejects(type: DataType, json: String, reason: RejectionReason) throws {
    guard case .failure(let rejection) = try decodeValue(json, type) else {
      Issue.record("\(json) was accepted as \(type.sqlName)")
      return
    }
    let rejected = rejection.record
    #expect(rejected.reason == reason)
    #expect(rejected.message.contains("column 'x'"))
    #expect(rejected.message.contains("found"))
    #expect(rejected.message.contains("at byte"))
    if reason != .encoding {
      #expect(rejected.message.contains("expected \(type.sqlName)"))
      #expect(rejected.message.hasSuffix("found \(json) at byte 11"))
    }
  }

  @Test("a long value is shortened in the message")
  func shortens() throws {
    let text = "\"" + String(repeating: "y", count: 500) + "\""
    guard case .failure(let rejection) = try decodeValue(text, .bigint) else {
      Issue.record("accepted")
      return
    }
    #expect(rejection.record.message.utf8.count < 160)
    #expect(rejection.record.message.contains("…"))
  }

  @Test(
    "a number in a timestamp column counts the table's unit",
    arguments: [
      (TimestampUnit.seconds, "1.25", Int64(1_250_000)), (.seconds, "3", 3_000_000), (.milliseconds, "1.0005", 1_001),
      (.microseconds, "7", 7), (.nanoseconds, "1999", 1), (.nanoseconds, "-1", -1)
    ])
  func units(unit: TimestampUnit, json: String, micros: Int64) throws {
    let value = try decodeValue(json, .timestamptz) { $0.timestampUnit = unit }.get()
    #expect(value == .int64(micros))
  }

  @Test("doubles are rounded correctly, whatever their digits")
  func roundsDoubles() throws {
    let seed: UInt64 = 77
    var random = SeededNumbers(seed: seed)
    var texts: [String] = []
    for _ in 0..<20_000 {
      switch Int.random(in: 0..<4, using: &random) {
      case 0: texts.append("\(Double(bitPattern: random.next()))")
      case 1:
        texts.append("\(Int.random(in: 0...99_999, using: &random)).\(Int.random(in: 0...99_999, using: &random))")
      case 2:
        texts.append("\(Int64.random(in: .min ... .max, using: &random))e\(Int.random(in: -330...280, using: &random))")
      default: texts.append("0.\(random.next())\(random.next())")
      }
    }
    texts.removeAll { text in Double(text).map { !$0.isFinite || ($0 == 0) } ?? true }
    let decoded = try decode(texts.map { "{\"x\":\($0)}" }, [Field("x", .double)])
    #expect(decoded.rejected.isEmpty)
    for (row, text) in texts.enumerated() {
      #expect(decoded.batch.columns[0].value(row) == .float64(Double(text) ?? .nan), "\(text), seed \(seed)")
    }
  }
}
