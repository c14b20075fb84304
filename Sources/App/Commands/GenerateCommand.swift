import ArgumentParser
import Ingest
import Runtime
import UnixSignals

/// `weir generate`.
struct GenerateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Writes seeded, reproducible events to a Kafka topic.",
    discussion: "The same seed, rate and start give the same events. Ctrl-C ends it once everything is delivered.")

  @Argument(help: "telemetry or weather.") var name: String

  @Option(help: "Kafka's bootstrap servers (default: WEIR_KAFKA_BROKERS).") var brokers: String?

  @Option(help: "The topic (default: the name of the events).") var topic: String?

  @Option(help: "Events a second (default: telemetry as fast as possible, weather 2).") var rate: Double?

  @Option(help: "How many events (default: until it is told to stop).") var count: UInt64?

  @Option(help: "Events depend on this number and on nothing else that is random.") var seed: UInt64 = 1

  @Option(help: "murmur2 (as Java clients), crc32 (as librdkafka) or random.") var partitioner = "murmur2"

  @Option(help: "Telemetry: how many sensors.") var sensors = 1000

  @Option(help: "Telemetry: the event time of the first event: now, or milliseconds since the epoch.") var start:
    String?

  @Option(help: "Telemetry: events are out of order by up to so many milliseconds.") var disorder: Int64 = 0

  @Option(help: "Telemetry: this share of events is a minute late, 0 to 1.") var late: Double = 0

  @Option(help: "Telemetry: this share of events is not JSON, 0 to 1.") var malformed: Double = 0

  @Option(help: "Telemetry: how long a value is at least, in bytes.") var bytes = 0

  func run() async throws {
    let settings = try EngineAdapter.settings(flags: brokers.map { ["WEIR_KAFKA_BROKERS": $0] } ?? [:])
    let clock = SystemClock()
    let workload = try workload(clock)
    var configuration = EventProducer.Configuration(brokers: settings.kafkaBrokers, topic: topic ?? name)
    configuration.partitioner = try chosenPartitioner()
    configuration.prefersThroughput = (rate ?? .infinity) > 100_000
    // The development broker hands out one message set a fetch: at such a rate small ones would hold readers up.
    if let rate, (10_000...100_000).contains(rate) { configuration.properties["linger.ms"] = "50" }
    let generator = EventGenerator(
      configuration, workload: workload, rate: rate ?? EventGenerator.defaultRate(of: workload), count: count,
      clock: clock)
    do {
      let written = try await untilSignal { try await generator.run() }
      Terminal.say("delivered \(written) events to topic \(configuration.topic)")
    } catch let error as DevelopmentError {
      throw CommandFailure(.job, "\(error)")
    }
  }

  private func untilSignal(_ body: @escaping @Sendable () async throws -> UInt64) async throws -> UInt64 {
    try await withThrowingTaskGroup(of: UInt64?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { break }
        return nil
      }
      defer { group.cancelAll() }
      var written: UInt64?
      while written == nil, let finished = try await group.next() {
        written = finished
        group.cancelAll()
      }
      return written ?? 0
    }
  }

  private func workload(_ clock: SystemClock) throws -> EventGenerator.Workload {
    if let rate, !(rate > 0 && rate.isFinite) {
      throw CommandFailure(.usage, "--rate takes a positive number, got \(rate)")
    }
    guard let usual = EventGenerator.workload(named: name, seed: seed, rate: rate) else {
      let names = EventGenerator.names.joined(separator: " or ")
      throw CommandFailure(.usage, "there are no events called '\(name)'; expected \(names)")
    }
    guard case .telemetry(var telemetry) = usual else { return usual }
    telemetry.sensors = sensors
    telemetry.disorderMilliseconds = disorder
    telemetry.lateRatio = late
    telemetry.malformedRatio = malformed
    telemetry.valueBytes = bytes
    if start == "now" {
      telemetry.startMilliseconds = clock.wallMicroseconds() / 1000
    } else if let start {
      guard let milliseconds = Int64(start) else {
        throw CommandFailure(.usage, "--start takes 'now' or milliseconds since the epoch, got '\(start)'")
      }
      telemetry.startMilliseconds = milliseconds
    }
    return .telemetry(telemetry)
  }

  private func chosenPartitioner() throws -> Partitioner {
    switch partitioner {
    case "murmur2": return .murmur2
    case "crc32": return .crc32
    case "random": return .random
    default: throw CommandFailure(.usage, "--partitioner takes murmur2, crc32 or random, got '\(partitioner)'")
    }
  }
}
