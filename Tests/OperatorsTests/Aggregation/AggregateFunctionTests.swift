import Columnar
import Operators
import SQL
import TestSupport
import TestTraits
import Testing

/// Single aggregates over few rows, where the exact result matters; expected numerics are PostgreSQL's.
@Suite(.fewAtOnce) struct AggregateFunctionTests {
  private func result(_ call: AggregateCall, _ rows: [TestRow]) throws -> Value {
    let results = try WindowedAggregate.test(size: 10, keys: [], [call]).results(rows)
    return results.first?.last ?? .null
  }

  private func rows<Element>(_ path: WritableKeyPath<TestRow, Element?>, _ values: [Element?]) -> [TestRow] {
    values.enumerated().map { index, value in
      var row = TestRow()
      row.offset = Int64(index)
      row[keyPath: path] = value
      return row
    }
  }

  private func numeric(_ unscaled: Int128, _ scale: Int16) -> Value {
    .numeric(Numeric(unscaled: unscaled, scale: scale))
  }

  @Test("averages of integers have PostgreSQL's scale")
  func averages() throws {
    #expect(try result(.of(.avg, .small), rows(\.small, [1, 2])) == numeric(15_000_000_000_000_000, 16))
    #expect(try result(.of(.avg, .small), rows(\.small, [1, 1, 2])) == numeric(13_333_333_333_333_333, 16))
    #expect(try result(.of(.avg, .small), rows(\.small, [10, 20])) == numeric(150_000_000_000_000_000, 16))
    #expect(
      try result(.of(.avg, .small), rows(\.small, [100_000, 200_001])) == numeric(150_000_500_000_000_000, 12))
    #expect(try result(.of(.avg, .big), rows(\.big, [-1, -1, -3])) == numeric(-16_666_666_666_666_667, 16))
    #expect(try result(.of(.avg, .big), rows(\.big, [nil, nil])) == .null)
  }

  @Test("deviations of integers are PostgreSQL's digits")
  func deviations() throws {
    let four = rows(\.small, [1, 2, 3, 4])
    #expect(try result(.of(.varSamp, .small), four) == numeric(16_666_666_666_666_667, 16))
    #expect(try result(.of(.stddevSamp, .small), four) == numeric(12_909_944_487_358_056, 16))
    #expect(try result(.of(.varPop, .small), four) == numeric(12_500_000_000_000_000, 16))
    let dogs = rows(\.big, [600, 470, 170, 430, 300])
    #expect(try result(.of(.varPop, .big), dogs) == numeric(21_704_000_000_000_000, 12))
    #expect(try result(.of(.stddevPop, .big), dogs) == numeric(147_322_774_885_623, 12))
    #expect(try result(.of(.stddevSamp, .big), dogs) == numeric(164_711_869_639_076, 12))
    #expect(try result(.of(.varSamp, .small), rows(\.small, [5])) == .null)
    #expect(try result(.of(.varPop, .small), rows(\.small, [5])) == numeric(0, 0))
  }

  @Test("bigints at the ends of their range keep exact sums and variances")
  func extremes() throws {
    let ends = rows(\.big, [Int64.max, .max, .min, .min])
    #expect(try result(.of(.sum, .big), ends) == numeric(-2, 0))
    let same = rows(\.big, [Int64.max, .max, .max])
    #expect(try result(.of(.varSamp, .big), same) == numeric(0, 0))
    #expect(try result(.of(.sum, .big), same) == numeric(Int128(Int64.max) * 3, 0))
  }

  @Test("a sum of doubles does not depend on the order, and cancels exactly")
  func doubleSums() throws {
    let values = [1e16, 1, -1e16, 1, 1e-3, 0.1, 0.2, 0.3]
    #expect(
      try result(.of(.sum, .float), rows(\.float, values))
        == result(.of(.sum, .float), rows(\.float, values.reversed())))
    #expect(try result(.of(.sum, .float), rows(\.float, [1e16, 1, -1e16, 1])) == .float64(2))
    #expect(try result(.of(.varPop, .float), rows(\.float, [0.1, 0.1, 0.1])) == .float64(0))
  }

  @Test("sums of many doubles are equal for every order and cut", arguments: 0..<20)
  func shuffledSums(seed: Int) throws {
    var random = SeededNumbers(seed: UInt64(seed))
    var stream = (0..<500).map { index in
      var row = TestRow()
      row.offset = Int64(index)
      row.float =
        Double.random(in: -1...1, using: &random) * Double(sign: .plus, exponent: random.below(40), significand: 1)
      return row
    }
    let aggregate = WindowedAggregate.test(size: 10, keys: [], [.of(.sum, .float), .of(.varSamp, .float)])
    let expected = try aggregate.results(stream)
    for _ in 0..<5 {
      stream.shuffle(using: &random)
      var window = try WindowAggregator(aggregate)
      for start in stride(from: 0, to: stream.count, by: 70) {
        var partial = try PartialAggregator(aggregate)
        _ = partial.add(Batch(Array(stream[start..<min(stream.count, start + 70)])), evaluationContext)
        for batch in partial.takeAll(shards: 1) { if let batch { _ = window.merge(batch) } }
      }
      #expect(window.advance(to: .maximum).flatMap(\.rows) == expected, "seed \(seed)")
    }
  }

  @Test("infinities and NaN add up as in PostgreSQL")
  func specialDoubles() throws {
    let infinity = Double.infinity
    #expect(try result(.of(.sum, .float), rows(\.float, [1, infinity, 2])) == .float64(infinity))
    guard case .float64(let mixed) = try result(.of(.sum, .float), rows(\.float, [infinity, -infinity, 1])) else {
      Issue.record("expected a double")
      return
    }
    #expect(mixed.isNaN)
    #expect(try result(.of(.min, .float), rows(\.float, [.nan, 3, infinity])) == .float64(3))
    guard case .float64(let greatest) = try result(.of(.max, .float), rows(\.float, [1, .nan, infinity])) else {
      Issue.record("expected a double")
      return
    }
    #expect(greatest.isNaN, "NaN is greater than every number")
  }

  @Test("a result out of range fails its group only, and the group is kept")
  func overflow() throws {
    let aggregate = WindowedAggregate.test(size: 10, keys: [.name], [.of(.sum, .float), .of(.count, nil)])
    var stream = rows(\.float, [Double.greatestFiniteMagnitude, .greatestFiniteMagnitude, 1])
    stream[2].name = [65]
    var partial = try PartialAggregator(aggregate)
    var window = try WindowAggregator(aggregate)
    _ = partial.add(Batch(stream), evaluationContext)
    for batch in partial.takeAll(shards: 1) { if let batch { _ = window.merge(batch) } }
    let results = window.advance(to: .maximum).flatMap(\.rows)
    #expect(results == [[.bytes([65]), .int64(0), .int64(10), .float64(1), .int64(1)]])
    let failed = window.takeFailedGroups()
    #expect(failed?.groups.rows == [[.null, .int64(0), .int64(10), .int64(2)]])
    #expect(failed?.messages.count == 1)
    #expect(window.takeFailedGroups() == nil)
  }

  @Test("averages and variances that need more than 38 digits lose the last ones; sums of more than 38 fail")
  func precision() throws {
    func values(_ unscaled: [Int128], _ scale: Int16) -> [TestRow] {
      rows(\.exact, unscaled.map { Numeric(unscaled: $0, scale: scale) })
    }
    // PostgreSQL gives these 48 and 40 digits after the point.
    #expect(try result(.of(.avg, .exact), values([1, 2], 30)) == numeric(150_000_000, 38))
    #expect(try result(.of(.avg, .exact), values([-1, -2], 38)) == numeric(-2, 38))
    #expect(try result(.of(.varPop, .exact), values([1, 5], 12)) == numeric(400_000_000_000_000, 38))
    // Squares of 20 digits after the point have 40.
    let one = Int128(100_000_000_000_000_000_000)
    let ten37 = Int128(10_000_000_000_000_000_000_000_000_000_000_000_000)
    #expect(try result(.of(.varPop, .exact), values([one, 3 * one], 20)) == numeric(ten37, 37))
    let third = (ten37 * 10 - 1) / 3
    #expect(try result(.of(.varSamp, .exact), values([0, 0, one], 20)) == numeric(third, 38))
    // 5/36 is 0.13888…
    let five36ths = Int128(13_888_888_888_888_888_888_888_888_888_888_888_889)
    #expect(try result(.of(.varPop, .exact), values([0, 0, 0, 0, 0, one], 20)) == numeric(five36ths, 38))
    #expect(try result(.of(.sum, .exact), values([ten37 * 10 - 1, 1], 0)) == .null, "the group failed")
  }

  @Test("numeric sums keep the greatest scale; beyond 38 digits they overflow")
  func numericSums() throws {
    let mixed = rows(\.exact, [Numeric(unscaled: 15, scale: 1), Numeric(unscaled: 225, scale: 2)])
    #expect(try result(.of(.sum, .exact), mixed) == numeric(375, 2))
    #expect(try result(.of(.max, .exact), mixed) == numeric(225, 2))
    let huge = rows(\.exact, [Numeric(unscaled: .max, scale: 0), Numeric(unscaled: .max, scale: 0)])
    #expect(try result(.of(.sum, .exact), huge) == .null, "the group failed")
    let notANumber = rows(\.exact, [Numeric(unscaled: 0, scale: Numeric.nanScale), Numeric(unscaled: 1, scale: 0)])
    #expect(try result(.of(.sum, .exact), notANumber) == numeric(0, Numeric.nanScale))
    #expect(try result(.of(.min, .exact), notANumber) == numeric(1, 0))
  }

  @Test("0.0 and -0.0 are one key, every NaN is one key, and 1.0 equals 1.00")
  func keyEquality() throws {
    let floats = rows(\.float, [0.0, -0.0, .nan, -.nan, 1])
    #expect(try WindowedAggregate.test(size: 10, keys: [.float], [.of(.count, nil)]).results(floats).count == 3)
    let numerics = rows(
      \.exact, [Numeric(unscaled: 10, scale: 1), Numeric(unscaled: 100, scale: 2), Numeric(unscaled: 1, scale: 0), nil])
    #expect(try WindowedAggregate.test(size: 10, keys: [.exact], [.of(.count, nil)]).results(numerics).count == 2)
  }

  @Test("an aggregate that is not supported is refused with its name")
  func unsupported() {
    #expect(throws: AggregationError.self) {
      try PartialAggregator(.test(size: 10, keys: [], [.of(.sum, .text)]))
    }
  }
}
