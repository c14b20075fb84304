import Actors
import ArgumentParser
import Glibc
import Runtime
import ServiceLifecycle

/// `weir demo`.
struct DemoCommand: AsyncParsableCommand {
  /// The reference pipelines that can run by themselves.
  enum Name: String, ExpressibleByArgument, CaseIterable {
    case telemetry, weather
  }

  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Runs a whole pipeline on this machine, with everything that it needs.",
    discussion: """
      Starts a development broker, a private PostgreSQL, a generator and the job, and prints where to look; all of them end
      with the command. Files are kept below ./.weir. When root runs it where the user postgres cannot get to, PostgreSQL's
      are below /var/tmp instead, in a directory that is named after this one.
      """)

  @Argument(help: "telemetry or weather.") var name = Name.telemetry

  @Option(help: "Telemetry: events a second.") var rate = 20_000

  @Option(help: "Stop by itself after so long, such as 30s (default: Ctrl-C).") var duration: String?

  @Option(help: "Where everything is kept.") var directory = ".weir"

  @OptionGroup(title: "Settings") var options: SettingsOptions

  func run() async throws {
    guard (1...10_000_000).contains(rate) else {
      throw CommandFailure(.usage, "--rate takes events a second from 1 to 10000000, got \(rate)")
    }
    let limit = try duration.map { text in
      guard let nanoseconds = UnitText.nanoseconds(text) else {
        throw CommandFailure(.usage, "--duration takes a time such as 30s or 5m, got '\(text)'")
      }
      return nanoseconds
    }
    let clock = SystemClock()
    let children = ChildProcesses(clock: clock)
    do {
      let demo = Demo(
        name: name, rate: rate, directory: EngineAdapter.absolute(directory) + "/" + name.rawValue, limit: limit,
        flags: try options.overrides(), children: children, clock: clock)
      try await demo.run()
    } catch {
      await children.stopAll()
      throw error
    }
    await children.stopAll()
  }
}

/// One run of a demo.
struct Demo: Sendable {
  let name: DemoCommand.Name
  let rate: Int
  let directory: String
  let limit: Int64?
  let flags: [String: String]
  let children: ChildProcesses
  let clock: SystemClock

  private var logs: String { directory + "/logs" }

  func run() async throws {
    try DemoPlace.remove(logs)
    try DemoPlace.makeDirectory(logs)
    // The development broker forgets everything when it ends: each run begins a history of its own.
    try DemoPlace.remove(directory + "/checkpoints")
    try DemoPlace.remove(directory + "/warehouse")
    let broker = try await DemoPlace.startBroker(
      children, topic: name.rawValue, partitions: 3, log: logs + "/broker.log", clock: clock)
    let database = try await DemoDatabase.start(children, directory: directory, logs: logs, clock: clock)
    let settings = try settings(broker: broker, database: database)
    let plan = try EngineAdapter.plan(
      text: String(decoding: sql, as: UTF8.self), fileName: "Pipelines/\(name.rawValue)/pipeline.sql", variables: [:])
    let logger = EngineAdapter.logger(settings)
    let engine = try EngineAdapter.engine(plan: plan, jobName: name.rawValue, settings: settings, logger: logger)
    let maintenance = try JobMaintenance.service(plan, job: name.rawValue, settings: settings, logger: logger)
    let addresses = try await startProducers(broker: broker, database: database)
    let places = [("what is in PostgreSQL", database.shellCommand), ("the Iceberg tables", directory + "/warehouse")]
    show(addresses + places, settings)
    let runner = JobRunner(engine: engine, settings: settings, logger: logger, onListening: { _ in })
    let watch = DemoWatch(engine: engine, children: children, clock: clock, limit: limit)
    let summary = try await runner.run(untilEnd: false, extra: [watch] + (maintenance.map { [$0] } ?? []))
    if let failure = watch.failure { throw failure }
    Terminal.say(
      "\nread \(summary.rowsIn) rows in \(Int(summary.seconds)) s; everything is committed; kept in \(directory)")
  }

  private var sql: [UInt8] {
    switch name {
    case .telemetry: PackageResources.telemetry_sql
    case .weather: PackageResources.weather_sql
    }
  }

  private func settings(broker: String, database: DemoDatabase) throws -> Settings {
    var all = [
      "WEIR_KAFKA_BROKERS": broker, "WEIR_POSTGRES_URL": database.url,
      "WEIR_CHECKPOINT_DIR": directory + "/checkpoints", "WEIR_WAREHOUSE": directory + "/warehouse",
      "WEIR_LOG_LEVEL": "warning"
    ].merging(flags) { _, flag in flag }
    let wanted = try EngineAdapter.settings(flags: all)
    if wanted.httpPort != 0 {
      all["WEIR_HTTP_PORT"] = String(try DemoPlace.port(UInt16(wanted.httpPort), for: "Weir's dashboard"))
    }
    return try EngineAdapter.settings(flags: all)
  }

  /// Starts what produces and shows rows beside the job; returns what can be opened, each with its address.
  private func startProducers(broker: String, database: DemoDatabase) async throws -> [(String, String)] {
    let program = try DemoPlace.program()
    switch name {
    case .telemetry:
      let command = [
        program, "generate", "telemetry", "--brokers", broker, "--rate", "\(rate)", "--start", "now", "--disorder",
        "1500",
        "--late", "0.0005", "--malformed", "0.0002"
      ]
      try await children.start("the generator", command, log: logs + "/generator.log")
      return []
    case .weather:
      let server = try DemoPlace.port(9998, for: "the logging server")
      let page = try DemoPlace.port(3000, for: "the weather dashboard")
      try await children.start(
        "the logging server", [program, "weather", "server", "--brokers", broker, "--port", "\(server)"],
        log: logs + "/server.log")
      try await children.start(
        "the weather client", [program, "weather", "client", "--url", "http://127.0.0.1:\(server)"],
        log: logs + "/client.log")
      try await children.start(
        "the weather dashboard",
        [program, "weather", "dashboard", "--postgres-url", database.url, "--port", "\(page)"],
        log: logs + "/dashboard.log")
      return [
        ("weather per city", "http://127.0.0.1:\(page)/"),
        ("log a temperature", "curl 'http://127.0.0.1:\(server)/log?city=Denver&temperature=71.23'")
      ]
    }
  }

  private func show(_ addresses: [(String, String)], _ settings: Settings) {
    let all = [("the job, live", "http://127.0.0.1:\(settings.httpPort)/")] + addresses + [("logs", logs)]
    let width = all.map(\.0.count).max() ?? 0
    Terminal.say("")
    for (what, place) in all {
      Terminal.say("  \(what)\(String(repeating: " ", count: width - what.count))  \(place)")
    }
    Terminal.say(limit == nil ? "\nCtrl-C ends it.\n" : "")
  }
}
