import ArgumentParser
import Ingest
import Logging
import Runtime
import ServiceLifecycle

/// `weir weather`: what stands before and behind the weather pipeline.
struct WeatherCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "weather", abstract: "The weather pipeline's client, logging server and dashboard.",
    subcommands: [WeatherServerCommand.self, WeatherClientCommand.self, WeatherDashboardCommand.self])
}

/// `weir weather server`.
struct WeatherServerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "server", abstract: "Takes temperatures by HTTP and writes them to the topic weather.")

  @Option(help: "The port.") var port = 9998

  @Option(help: "The address to listen on.") var host = "127.0.0.1"

  @Option(help: "Kafka's bootstrap servers (default: WEIR_KAFKA_BROKERS).") var brokers: String?

  @Option(help: "The topic.") var topic = "weather"

  func run() async throws {
    let settings = try EngineAdapter.settings(flags: brokers.map { ["WEIR_KAFKA_BROKERS": $0] } ?? [:])
    let logger = EngineAdapter.logger(settings)
    let clock = SystemClock()
    let publisher = WeatherPublisher(brokers: settings.kafkaBrokers, topic: topic, clock: clock)
    let interface = WeatherServer(clock: clock) { try await publisher.publish($0) }
    try await WeatherService.run("logging server", host: host, port: port, logger: logger) {
      await interface.answer($0)
    }
  }
}

/// `weir weather client`.
struct WeatherClientCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "client", abstract: "Sends ten temperatures every five seconds, one per city.")

  @Option(help: "The logging server.") var url = "http://127.0.0.1:9998"

  @Option(help: "The temperatures depend on this number.") var seed: UInt64 = 1

  func run() async throws {
    let client = WeatherClient(url: url, random: SeededRandom(seed: seed), clock: SystemClock())
    let group = ServiceGroup(services: [client], logger: EngineAdapter.logger(try EngineAdapter.settings(flags: [:])))
    try await SignalGuard.run(group)
  }
}

/// `weir weather dashboard`.
struct WeatherDashboardCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dashboard", abstract: "Shows the averages per city, live, as line charts.")

  @Option(help: "The port.") var port = 3000

  @Option(help: "The address to listen on.") var host = "127.0.0.1"

  @Option(help: "The database with the table weather (default: WEIR_POSTGRES_URL).") var postgresUrl: String?

  func run() async throws {
    let settings = try EngineAdapter.settings(flags: postgresUrl.map { ["WEIR_POSTGRES_URL": $0] } ?? [:])
    guard let url = settings.postgresURL else {
      throw CommandFailure(.usage, "the dashboard needs a database: set WEIR_POSTGRES_URL or --postgres-url")
    }
    let reader = PostgresReader(url: url)
    let interface = WeatherDashboard { try await reader.rows($0, $1) }
    try await WeatherService.run("weather dashboard", host: host, port: port, logger: EngineAdapter.logger(settings)) {
      await interface.answer($0)
    }
  }
}

/// Serves an interface until a signal comes.
enum WeatherService {
  static func run(
    _ name: String, host: String, port: Int, logger: Logger,
    _ answer: @escaping @Sendable (HTTPQuestion) async -> HTTPAnswer
  ) async throws {
    let service = HTTPService(host: host, port: port, logger: logger) { port in
      Terminal.say("\(name) on http://\(host):\(port)/")
    } answer: {
      await answer($0)
    }
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .critical)
    try await SignalGuard.run(ServiceGroup(services: [service], logger: quiet))
  }
}
