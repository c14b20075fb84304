import Actors
import Formats
import Glibc
import Ingest
import Logging
import Metrics
import Operators
import Runtime
import SQL
import Sinks

extension EngineAdapter {
  /// All metrics of this process; installed once, when the first engine is made.
  private static let registry: PrometheusRegistry = {
    let registry = PrometheusRegistry()
    MetricsSystem.bootstrap(registry)
    return registry
  }()

  /// All metrics in Prometheus' text format.
  package static func metricsText() -> String { registry.render() }

  /// A logger as the settings want it.
  package static func logger(_ settings: Settings) -> Logger {
    let level = Logger.Level(rawValue: settings.logLevel) ?? .info
    let format = LogFormat(rawValue: settings.logFormat) ?? .text
    let clock = SystemClock()
    return Logger(label: "weir") { LineLogHandler(label: $0, format: format, level: level, clock: clock) }
  }

  /// Reads and plans an SQL file.
  /// - Throws: ``CommandFailure`` with every mistake in the file.
  package static func plan(_ path: String) throws -> JobPlan {
    try plan(text: try contents(path), fileName: path, variables: [:])
  }

  /// Plans the text of an SQL file.
  ///
  /// - Parameter variables: go before the environment.
  /// - Throws: ``CommandFailure`` with every mistake in the text.
  package static func plan(text: String, fileName: String, variables: [String: String]) throws -> JobPlan {
    let environment = environment.merging(variables) { _, given in given }
    let plan: JobPlan
    do {
      plan = try SQLFile.plan(text, fileName: fileName, check: SinkConnectors.problems) { environment[$0] }
    } catch {
      throw mistakes(error.all.count, in: fileName, "\(error)")
    }
    let problems = PlanCompilation.problems(of: plan)
    guard problems.isEmpty else {
      let lines = problems.map { problem in
        "\(fileName):\(problem.location.map { "\($0): " } ?? " ")error: \(problem.message)"
      }
      throw mistakes(problems.count, in: fileName, lines.joined(separator: "\n"))
    }
    return plan
  }

  private static func mistakes(_ count: Int, in fileName: String, _ text: String) -> CommandFailure {
    CommandFailure(.finding, "\(count) mistake\(count == 1 ? "" : "s") in \(fileName)\n\(text)")
  }

  private static let fileBytesMax = 16 << 20

  /// The text of an SQL file; `-` is standard input.
  /// - Throws: ``CommandFailure``.
  static func contents(_ path: String) throws -> String {
    let file = path == "-" ? fdopen(STDIN_FILENO, "r") : fopen(path, "r")
    guard let file else {
      throw CommandFailure(.usage, "the SQL file '\(path)' cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { if path != "-" { fclose(file) } }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      guard count > 0 else { break }
      bytes += chunk[..<count]
      guard bytes.count <= fileBytesMax else {
        throw CommandFailure(.usage, "the SQL file '\(path)' is longer than \(fileBytesMax >> 20) MiB")
      }
    }
    if ferror(file) != 0 { throw CommandFailure(.usage, "the SQL file '\(path)' cannot be read: is it a directory?") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CommandFailure(.usage, "the SQL file '\(path)' is not UTF-8")
    }
    return text
  }
}

extension EngineAdapter {
  /// An engine for a plan, with its checkpoint store opened: from here another process cannot run the job.
  ///
  /// - Throws: ``CommandFailure`` when the store cannot be opened or is locked.
  package static func engine(plan: JobPlan, jobName: String, settings: Settings, logger: Logger) throws -> Engine {
    _ = registry
    let clock = SystemClock()
    let random = SystemRandom()
    let store: LocalSnapshotStore
    do {
      store = try LocalSnapshotStore(directory: settings.checkpointDirectory, job: jobName, random: random)
    } catch {
      throw CommandFailure(.job, "the job cannot start: \(error)")
    }
    return Engine(
      plan: plan, job: jobName, settings: settings,
      factory: factory(jobName: jobName, settings: settings, clock: clock, logger: logger),
      store: SnapshotStoreActor(store: store, lane: Lane(name: "checkpoints")), clock: clock, random: random,
      logger: logger)
  }

  /// Connects what a job reads and writes.
  package static func factory(
    jobName: String, settings: Settings, clock: any EngineClock, logger: Logger
  ) -> ConnectorFactory {
    let sources = SourceDefaults(brokers: settings.kafkaBrokers, jobName: jobName)
    let sinks = sinkDefaults(settings)
    return ConnectorFactory(
      source: { table, schema in
        try SourceConnectors.make(table, schema: schema, defaults: sources, clock: clock, logger: logger)
      },
      decoder: { table, schema, partition in
        try SourceConnectors.decoderConfiguration(table, scan: schema, partition: partition)
      },
      sink: { table in try SinkConnectors.make(table, job: jobName, defaults: sinks, logger: logger) },
      deadLetters: { SinkConnectors.keptRecords(.deadLetter, source: $0, job: jobName, defaults: sinks) },
      late: { SinkConnectors.keptRecords(.late, source: $0, job: jobName, defaults: sinks) })
  }

  /// What sinks use where their table does not say otherwise.
  static func sinkDefaults(_ settings: Settings) -> SinkDefaults {
    // A REST catalog has warehouses of its own: the directory that others use by default is none of them.
    let isGiven = settings.entries.contains { $0.definition.name == "WEIR_WAREHOUSE" && $0.origin != .fallback }
    let warehouse = settings.catalog == "rest" && !isGiven ? nil : settings.warehouse
    return SinkDefaults(
      postgresURL: settings.postgresURL, kafkaBrokers: settings.kafkaBrokers,
      checkpointDirectory: settings.checkpointDirectory, warehouse: warehouse, catalogType: settings.catalog,
      catalogURL: settings.catalogURL, catalogName: settings.catalogName)
  }
}
