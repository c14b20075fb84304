import Columnar
import TestSupport
import TestTraits
import Testing

@Suite("Numeric text", .fewAtOnce)
struct NumericTextTests {
  @Test(
    "a number is read and printed with its digits",
    arguments: [
      ("12.50", "12.50"), ("-3e5", "-300000"), ("1.5e-3", "0.0015"), (" 7 ", "7"), (".5", "0.5"), ("5.", "5"),
      ("+1", "1"), ("-0.00", "0.00"), ("nan", "NaN"), ("1.20e1", "12.0"), ("000123", "123"),
      ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
      ("-0.00000000000000000000000000000000000001", "-0.00000000000000000000000000000000000001")
    ])
  func reads(text: String, printed: String) throws {
    #expect(try Numeric(text).description == printed)
  }

  @Test(
    "a text that is no number is refused", arguments: ["", " ", "x", "1e", "1e+", "--1", "1.2.3", ".", "1 2", "0x1f"])
  func refusesText(text: String) {
    #expect(throws: ValueTextError.malformed) { try Numeric(text) }
  }

  @Test(
    "a number of more than 38 digits is out of range",
    arguments: ["1e38", "100000000000000000000000000000000000000", "1e999999999999", "Infinity", "-inf"])
  func refusesRange(text: String) {
    #expect(throws: ValueTextError.outOfRange) { try Numeric(text) }
  }

  @Test(
    "rescaling rounds half away from zero",
    arguments: [
      ("2.5", 0, "3"), ("-2.5", 0, "-3"), ("2.4999", 0, "2"), ("0.005", 2, "0.01"), ("-0.005", 2, "-0.01"),
      ("1", 3, "1.000"), ("9.99", 1, "10.0"), ("0.4", 0, "0")
    ])
  func rescales(text: String, scale: Int, expected: String) throws {
    #expect(try Numeric(text).rescaled(to: scale)?.description == expected)
    #expect(try Numeric(text, scale: scale).description == expected)
  }

  @Test("rescaling beyond the precision gives nothing")
  func overflows() throws {
    #expect(try Numeric("99.995").rescaled(to: 2, precision: 4) == nil)
    #expect(try Numeric("99.994").rescaled(to: 2, precision: 4)?.description == "99.99")
    #expect(try Numeric("99999999999999999999999999999999999999").rescaled(to: 1) == nil)
  }

  @Test("values compare without regard to their scale, and NaN is the greatest")
  func compares() throws {
    #expect(try Numeric("1.0").compare(Numeric("1.00")) == 0)
    #expect(try Numeric("-1.5").compare(Numeric("-1.49")) < 0)
    #expect(try Numeric("99999999999999999999999999999999999999").compare(Numeric("0.5")) > 0)
    #expect(try Numeric("-99999999999999999999999999999999999999").compare(Numeric("0.5")) < 0)
    #expect(Numeric.nan.compare(.nan) == 0)
    #expect(try Numeric.nan.compare(Numeric("1e30")) > 0)
    #expect(try Numeric("1.500").canonical == Numeric("1.5"))
  }

  @Test("printing and reading gives the same value")
  func roundTrips() throws {
    let seed: UInt64 = 20_261
    var random = SeededNumbers(seed: seed)
    for _ in 0..<20_000 {
      let digits = Int.random(in: 1...38, using: &random)
      var unscaled: Int128 = 0
      for _ in 0..<digits { unscaled = unscaled * 10 + Int128(Int.random(in: 0...9, using: &random)) }
      let value = Numeric(
        unscaled: Bool.random(using: &random) ? -unscaled : unscaled, scale: .random(in: 0...38, using: &random))
      #expect(try Numeric(value.description) == value, "seed \(seed)")
    }
  }

  @Test("the nearest double is found", arguments: ["0.1", "123.456", "-1e20", "12345678901234567890.123"])
  func doubles(text: String) throws {
    #expect(try Numeric(text).doubleValue == Double(text))
  }
}
