import Columnar

/// Seeded weather records, one a city in turn: `{"city":"Denver","temperature":"71.23","ts":"2026-01-31-12"}`, keyed by city.
/// The temperature is a string, and `ts` an hour: the event time is the record's own timestamp.
public struct WeatherEvents: Sendable {
  /// The cities, in their turn.
  public static let cities = [
    "San Francisco", "New York", "Los Angeles", "Chicago", "Houston", "Phoenix", "Seattle", "Denver", "Miami", "Boston"
  ]

  private let seed: UInt64

  /// Records that depend on the seed and their number.
  public init(seed: UInt64) { self.seed = seed }

  /// Record `number` at a time (microseconds since the epoch).
  public func record(_ number: UInt64, atMicroseconds time: Int64) -> (key: [UInt8], value: [UInt8]) {
    let city = Self.cities[Int(number % UInt64(Self.cities.count))]
    let hundredths = Int64(GeneratorColumn.mix(seed, number) % 12_001)
    var text = Array(#"{"city":"\#(city)","temperature":""#.utf8)
    JSONText.appendHundredths(hundredths, to: &text)
    text.append(contentsOf: #"","ts":""#.utf8)
    TimeText.appendISO8601Date(time / 86_400_000_000, to: &text)
    text.append(UInt8(ascii: "-"))
    JSONText.appendPadded(time / 3_600_000_000 % 24, digits: 2, to: &text)
    text.append(contentsOf: "\"}".utf8)
    return (Array(city.utf8), text)
  }
}
