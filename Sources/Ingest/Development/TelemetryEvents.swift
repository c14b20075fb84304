/// Seeded, reproducible telemetry: event *n* depends on the seed and *n* alone.
///
/// `{"sensor_id":"s-000421","temperature":71.23,"humidity":40.1,"ts":1767882600123,"site":"plant-07","status":"ok"}`,
/// keyed by `sensor_id`.
public struct TelemetryEvents: Sendable {
  /// What the events are like.
  public struct Configuration: Hashable, Sendable {
    /// Makes everything that is random.
    public var seed: UInt64 = 1
    /// How many sensors there are, at most 1,000,000.
    public var sensors = 1000
    /// The event time of the first event, in milliseconds since the epoch (2026-01-01).
    public var startMilliseconds: Int64 = 1_767_225_600_000
    /// How fast event time passes: so many events make a second.
    public var eventsPerSecond: Double = 50_000
    /// By how much an event may be older than its turn, in milliseconds.
    public var disorderMilliseconds: Int64 = 0
    /// The share of events that are older by ``lateMilliseconds``.
    public var lateRatio: Double = 0
    /// How much late events are older, in milliseconds.
    public var lateMilliseconds: Int64 = 60_000
    /// The share of events that are not JSON.
    public var malformedRatio: Double = 0
    /// The share of events without a value.
    public var tombstoneRatio: Double = 0
    /// How long a value is at least, in bytes: shorter ones get another key, `note`.
    public var valueBytes = 0

    /// 1,000 sensors in order.
    public init() {}
  }

  /// What one event turned out to be.
  public enum Kind: Hashable, Sendable {
    /// In its turn, or out of order by at most the disorder.
    case regular
    /// Older by ``Configuration/lateMilliseconds``.
    case late
    /// Not JSON.
    case malformed
    /// Without a value.
    case tombstone
  }

  /// One event's values, for an independent recomputation.
  public struct Event: Hashable, Sendable {
    /// What it is.
    public let kind: Kind
    /// The sensor's number.
    public let sensor: Int
    /// The event time, in milliseconds since the epoch.
    public let milliseconds: Int64
    /// Hundredths of a degree.
    public let temperature: Int
    /// Tenths of a percent.
    public let humidity: Int
  }

  private let configuration: Configuration
  private let bounds: (late: UInt64, malformed: UInt64, tombstone: UInt64)
  private var template = Array(
    #"{"sensor_id":"s-000000","temperature":00.00,"humidity":00.0,"ts":0000000000000,"site":"plant-00","status":"ok"}"#
      .utf8)
  private var keyTemplate = Array("s-000000".utf8)

  /// Events as `configuration` says; numbers out of range are brought into it.
  public init(_ configuration: Configuration) {
    var configuration = configuration
    configuration.sensors = min(1_000_000, max(1, configuration.sensors))
    configuration.disorderMilliseconds = max(0, configuration.disorderMilliseconds)
    configuration.eventsPerSecond = max(0.001, configuration.eventsPerSecond)
    self.configuration = configuration
    func bound(_ ratio: Double) -> UInt64 { UInt64(min(1, max(0, ratio)) * 65_536) }
    let malformed = bound(configuration.malformedRatio)
    let tombstone = malformed + bound(configuration.tombstoneRatio)
    bounds = (tombstone + bound(configuration.lateRatio), malformed, tombstone)
    let (opening, end) = (Array(#","note":""#.utf8), Array(#""}"#.utf8))
    let missing = min(configuration.valueBytes, 1 << 20) - template.count + 1 - opening.count - end.count
    if missing >= 0 {
      template.removeLast()
      template += opening + Array(repeating: UInt8(ascii: "n"), count: missing) + end
    }
  }

  /// The values of event `number`.
  public func event(_ number: UInt64) -> Event {
    let bits = GeneratorColumn.mix(configuration.seed, number)
    let more = GeneratorColumn.mix(bits, 0)
    let lot = more & 0xffff
    let kind: Kind =
      lot < bounds.malformed ? .malformed : lot < bounds.tombstone ? .tombstone : lot < bounds.late ? .late : .regular
    var milliseconds =
      configuration.startMilliseconds &+ Int64(Double(number) * 1000 / configuration.eventsPerSecond)
    if configuration.disorderMilliseconds > 0 {
      milliseconds -= Int64((more >> 16) % UInt64(configuration.disorderMilliseconds + 1))
    }
    if kind == .late { milliseconds -= configuration.lateMilliseconds }
    return Event(
      kind: kind, sensor: Int((bits >> 32) % UInt64(configuration.sensors)), milliseconds: milliseconds,
      temperature: 5000 + Int(bits & 0xffff) % 5000, humidity: 300 + Int(bits >> 16 & 0xffff) % 600)
  }

  /// Calls `body` with the bytes of event `number`, valid during the call; `value` is `nil` for a tombstone.
  public mutating func withBytes(
    of number: UInt64, _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws -> Void
  ) rethrows {
    let event = event(number)
    Self.write(event.sensor, digits: 6, to: &keyTemplate, at: 2)
    Self.write(event.sensor, digits: 6, to: &template, at: 16)
    Self.write(event.temperature / 100, digits: 2, to: &template, at: 38)
    Self.write(event.temperature % 100, digits: 2, to: &template, at: 41)
    Self.write(event.humidity / 10, digits: 2, to: &template, at: 55)
    Self.write(event.humidity % 10, digits: 1, to: &template, at: 58)
    Self.write(Int(event.milliseconds), digits: 13, to: &template, at: 65)
    Self.write(event.sensor % 20, digits: 2, to: &template, at: 93)
    try keyTemplate.withUnsafeBytes { key in
      try template.withUnsafeBytes { value in
        switch event.kind {
        case .regular, .late: try body(key, value)
        case .tombstone: try body(key, nil)
        // Cut in the middle of the object.
        case .malformed: try body(key, UnsafeRawBufferPointer(rebasing: value[..<60]))
        }
      }
    }
  }

  private static func write(_ value: Int, digits: Int, to text: inout [UInt8], at index: Int) {
    var rest = UInt64(bitPattern: Int64(value))
    for position in stride(from: index + digits - 1, through: index, by: -1) {
      text[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
  }
}
