import Glibc
import Runtime

/// Writes reproducible events to a topic at a rate: what `weir generate` runs. On a thread of its own.
public actor EventGenerator {
  /// What is written.
  public enum Workload: Hashable, Sendable {
    /// ``TelemetryEvents``.
    case telemetry(TelemetryEvents.Configuration)
    /// ``WeatherEvents`` with the times of the clock.
    case weather(seed: UInt64)
  }

  /// The names that ``workload(named:seed:rate:)`` knows.
  public static let names = ["telemetry", "weather"]

  private let configuration: EventProducer.Configuration
  private let workload: Workload
  private let rate: Double?
  private let count: UInt64?
  private let clock: any EngineClock
  nonisolated private let thread = BlockingThread(name: "generate")

  /// The thread that the actor is pinned to.
  nonisolated public var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// A generator.
  ///
  /// - Parameters:
  ///   - configuration: where, and how, to write.
  ///   - workload: what to write.
  ///   - rate: events a second; `nil`: as fast as possible.
  ///   - count: how many; `nil`: until cancelled.
  ///   - clock: the time, for the rate and for weather.
  public init(
    _ configuration: EventProducer.Configuration, workload: Workload, rate: Double?, count: UInt64?,
    clock: any EngineClock
  ) {
    self.configuration = configuration
    self.workload = workload
    self.rate = rate.map { max(0.001, $0) }
    self.count = count
    self.clock = clock
  }

  /// The workload of this name, with its usual settings; `nil` for a name that does not exist.
  ///
  /// - Parameter rate: the rate at which it will be written; telemetry's event time passes as fast.
  public static func workload(named name: String, seed: UInt64, rate: Double?) -> Workload? {
    switch name {
    case "telemetry":
      var telemetry = TelemetryEvents.Configuration()
      telemetry.seed = seed
      if let rate { telemetry.eventsPerSecond = rate }
      return .telemetry(telemetry)
    case "weather": return .weather(seed: seed)
    default: return nil
    }
  }

  /// The rate at which a workload is written when none is asked for: weather has ten records every five seconds.
  public static func defaultRate(of workload: Workload) -> Double? {
    if case .weather = workload { 2 } else { nil }
  }

  /// Writes until `count` is reached or the task is cancelled, and waits until all of it is delivered.
  /// - Returns: how many events were written.
  /// - Throws: ``DevelopmentError``.
  public func run() async throws -> UInt64 {
    let producer = try EventProducer(configuration)
    let startedAt = clock.monotonicNanoseconds()
    var written: UInt64 = 0
    while written < count ?? .max && !Task.isCancelled {
      let room = min((count ?? .max) - written, 10_000)
      let due = rate.map { UInt64(Double(clock.monotonicNanoseconds() - startedAt) / 1e9 * $0) + 1 } ?? .max
      let number = min(room, due > written ? due - written : 0)
      if number == 0 {
        // The thread is this generator's own, and the wait bounds how far events lag behind their rate.
        usleep(2000)
      } else {
        try write(written..<(written + number), to: producer)
        written += number
      }
      try producer.serve()
      await Task.yield()
    }
    try producer.flush()
    return written
  }

  private func write(_ numbers: Range<UInt64>, to producer: EventProducer) throws {
    switch workload {
    case .telemetry(let configuration):
      var events = TelemetryEvents(configuration)
      for number in numbers {
        try events.withBytes(of: number) { key, value in
          try producer.produce(key: key, value: value)
        }
      }
    case .weather(let seed):
      let events = WeatherEvents(seed: seed)
      let now = clock.wallMicroseconds()
      for number in numbers {
        let record = events.record(number, atMicroseconds: now)
        try producer.produce(key: record.key, value: record.value, partition: nil, timestamp: now / 1000)
      }
    }
  }
}
