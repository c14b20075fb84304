import Glibc
import Ingest
import Runtime

/// What was asked for on the command line.
struct BenchPlan: Sendable {
  let events: Int
  let partitions: Int
  let runs: Int
  let topic: String
  /// A real broker; `nil` starts one.
  let brokers: String?
  let isExisting: Bool
  /// Whether Weir is measured with its own fetch client too.
  let hasNativeFetch: Bool
  /// Settings of the measured jobs, by their name in the environment.
  let flags: [String: String]
  let directory: String
}

/// One benchmark: a topic, and everyone's turns at it.
struct BenchRun: Sendable {
  private enum Contender: Hashable {
    case raw, baseline
    case weir(interval: String, fetch: String)

    var name: String {
      switch self {
      case .raw: "raw consumer"
      case .baseline: "C decode and aggregate"
      case .weir(let interval, let fetch):
        "Weir\(fetch == BenchRun.native ? ", native fetch" : ""), "
          + (interval == BenchRun.never ? "only the last checkpoint" : "checkpoint every \(interval)")
      }
    }
  }

  /// Longer than any run.
  private static let never = "1h"
  private static let native = "native"

  let job: BenchJob
  let plan: BenchPlan
  let programs: BenchPrograms
  let children: ChildProcesses
  let clock: any EngineClock

  private var directory: String { plan.directory + "/" + job.rawValue }

  /// Runs all rounds.
  /// - Throws: ``CommandFailure``, also when a result is wrong.
  func report() async throws -> BenchReport {
    try DemoPlace.makeDirectory(directory + "/logs")
    let brokers = try await startBroker()
    try await generate(brokers)
    let database = try await database()
    var expected = try await baseline(.baseline, brokers, "check").result
    if plan.isExisting {
      guard expected.events > 0 else { throw CommandFailure(.usage, "topic '\(plan.topic)' has no events") }
    } else if let problem = missing(expected.events) {
      throw CommandFailure(.usage, problem)
    }
    expected.peakBytes = nil
    let fetches = ["librdkafka"] + (plan.hasNativeFetch ? [Self.native] : [])
    for fetch in fetches { try await check(brokers, fetch, expected: expected) }
    let interval = plan.flags["WEIR_CHECKPOINT_INTERVAL"] ?? "1s"
    let intervals = [Self.never] + (interval == Self.never ? [] : [interval])
    let contenders: [Contender] =
      [.raw, .baseline] + fetches.flatMap { fetch in intervals.map { .weir(interval: $0, fetch: fetch) } }
    var samples: [Contender: [BenchSample]] = [:]
    for round in 0..<plan.runs {
      Terminal.complain("\(job.rawValue): round \(round + 1) of \(plan.runs)")
      // Each round begins with another, so that nobody always follows the same neighbour.
      for turn in contenders.indices {
        let contender = contenders[(round + turn) % contenders.count]
        let sample = try await measure(contender, brokers, database, expected, number: round * 10 + turn)
        samples[contender, default: []].append(sample)
      }
    }
    return BenchReport(
      job: job, events: expected.events, partitions: plan.partitions, broker: plan.brokers ?? "development",
      resultRows: expected.rows, samples: contenders.map { ($0.name, samples[$0] ?? []) })
  }

  private func missing(_ events: Int) -> String? {
    guard events != plan.events else { return nil }
    let reason =
      plan.brokers == nil
      ? "the development broker keeps 5 MiB of each partition; use fewer --events or more --partitions"
      : "was the topic empty, and has it \(plan.partitions) partitions? with --existing it is taken as it is"
    return "\(plan.events) events were written to '\(plan.topic)', and \(events) are there: \(reason)"
  }

  // MARK: The world

  private func startBroker() async throws -> String {
    if let brokers = plan.brokers { return brokers }
    return try await DemoPlace.startBroker(
      children, topic: plan.topic, partitions: plan.partitions, log: directory + "/logs/broker.log", clock: clock)
  }

  private func generate(_ brokers: String) async throws {
    if plan.isExisting { return }
    Terminal.complain("\(job.rawValue): writing \(DemoLine.grouped(plan.events)) events")
    let log = directory + "/logs/generate.log"
    let command = [
      programs.weir, "generate", "telemetry", "--brokers", brokers, "--topic", plan.topic, "--count", "\(plan.events)",
      "--sensors", "\(job.sensors)"
    ]
    guard try await children.run(command, log: log) == 0 else {
      throw CommandFailure(.usage, "the events cannot be written:\n\(DemoPlace.lastLines(log))")
    }
  }

  private func database() async throws -> String? {
    guard job == .postgres else { return nil }
    if let url = plan.flags["WEIR_POSTGRES_URL"] { return url }
    // The server's own user must get at its files.
    chmod(plan.directory, 0o755)
    return try await DemoDatabase.start(children, directory: directory, logs: directory + "/logs", clock: clock).url
  }

  // MARK: Turns

  private func measure(
    _ contender: Contender, _ brokers: String, _ database: String?, _ expected: BenchResult, number: Int
  ) async throws -> BenchSample {
    switch contender {
    case .raw, .baseline:
      let (result, usage) = try await baseline(contender, brokers, "\(number)")
      // The raw consumer only counts.
      var right = expected
      if contender == .raw { (right.rows, right.sums) = (0, [0, 0, 0, 0]) }
      if let problem = result.problem(expected: right) { throw wrong(contender.name, problem) }
      return BenchSample(
        seconds: usage.seconds, cpuSeconds: usage.cpuSeconds, peakBytes: result.peakBytes ?? usage.peakBytes)
    case .weir(let interval, let fetch):
      let table = "weir_bench_\(getpid())_\(number)"
      let log = directory + "/logs/weir-\(number).log"
      let command = try weir(
        job.sql(topic: plan.topic, table: table, fetch: fetch), interval: interval, brokers, database,
        number: "\(number)")
      let usage = try await children.measure(command, log: log)
      guard usage.exitCode == 0, let result = BenchResult(summary: DemoPlace.end(log)) else {
        throw CommandFailure(.job, "the job ended with \(usage.exitCode):\n\(DemoPlace.lastLines(log))")
      }
      if let problem = result.problem(expected: expected) { throw wrong(contender.name, problem) }
      if let database { try await checkTable(table, database, expected) }
      try DemoPlace.remove(directory + "/run-\(number)")
      return BenchSample(seconds: usage.seconds, cpuSeconds: usage.cpuSeconds, peakBytes: usage.peakBytes)
    }
  }

  private func baseline(
    _ contender: Contender, _ brokers: String, _ number: String
  ) async throws -> (result: BenchResult, usage: ChildProcesses.Usage) {
    let work = contender == .raw ? ["raw"] : job.baseline
    let log = directory + "/logs/\(work[0])-\(number).log"
    var command = [programs.baseline] + work + ["--topic", plan.topic, "--partitions", "\(plan.partitions)"]
    for property in KafkaConsumerProperties.all(brokers: brokers, partitions: plan.partitions) {
      command += ["--set", "\(property.name)=\(property.value)"]
    }
    let usage = try await children.measure(command, log: log)
    guard usage.exitCode == 0, let result = BenchResult(baseline: DemoPlace.end(log)) else {
      throw CommandFailure(.job, "\(contender.name) ended with \(usage.exitCode):\n\(DemoPlace.lastLines(log))")
    }
    return (result, usage)
  }

  /// The command of a run; its checkpoints and tables are in a directory of its own.
  private func weir(
    _ sql: String, interval: String, _ brokers: String, _ database: String?, number: String
  ) throws -> [String] {
    let place = directory + "/run-\(number)"
    try DemoPlace.makeDirectory(place)
    let file = place + "/bench.sql"
    guard let stream = fopen(file, "w") else {
      throw CommandFailure(.usage, "\(file) cannot be written: \(String(cString: strerror(errno)))")
    }
    fputs(sql, stream)
    fclose(stream)
    var settings = plan.flags
    settings["WEIR_KAFKA_BROKERS"] = brokers
    settings["WEIR_CHECKPOINT_INTERVAL"] = interval
    settings["WEIR_CHECKPOINT_DIR"] = place + "/checkpoints"
    settings["WEIR_WAREHOUSE"] = place + "/warehouse"
    settings["WEIR_HTTP_PORT"] = "0"
    settings["WEIR_LOG_LEVEL"] = settings["WEIR_LOG_LEVEL"] ?? "error"
    settings["WEIR_POSTGRES_URL"] = database
    let name = "bench-\(getpid())-\(number)"
    return [programs.weir, "run", file, "--until-end", "--job", name]
      + settings.sorted { $0.key < $1.key }.flatMap { ["--set", "\($0.key)=\($0.value)"] }
  }

  // MARK: Checks

  /// Runs the job once with its rows on standard output, and compares their sums with the C program's.
  private func check(_ brokers: String, _ fetch: String, expected: BenchResult) async throws {
    Terminal.complain("\(job.rawValue): checking the result with fetch = '\(fetch)'")
    let sql = job.sql(topic: plan.topic, table: "", fetch: fetch, target: .standardOutput)
    let producer = try weir(sql, interval: "1s", brokers, nil, number: "check")
    let consumer = [programs.baseline, "digest"] + job.checkedColumns
    let line = [producer, consumer].map { $0.map(Self.quoted).joined(separator: " ") }.joined(separator: " | ")
    let log = directory + "/logs/digest.log"
    let usage = try await children.measure(["sh", "-c", line], log: log)
    guard usage.exitCode == 0, let result = BenchResult(baseline: DemoPlace.end(log)) else {
      throw CommandFailure(.job, "the job to check cannot be run:\n\(DemoPlace.lastLines(log))")
    }
    if let problem = result.problem(expected: expected, isDigest: true) {
      throw wrong("Weir", problem + "\n" + DemoPlace.lastLines(log))
    }
    try DemoPlace.remove(directory + "/run-check")
  }

  private func checkTable(_ table: String, _ database: String, _ expected: BenchResult) async throws {
    let log = directory + "/logs/\(table).log"
    let sums = job.checkedColumns.map { "sum(\($0))" }.joined(separator: ", ")
    let sql = "SELECT count(*), \(sums) FROM \(table)"
    let ask = ["psql", "-XAtq", "-F", " ", "-d", database, "-c"]
    guard try await children.run(ask + [sql], log: log) == 0 else {
      throw CommandFailure(.job, "the results cannot be read:\n\(DemoPlace.lastLines(log))")
    }
    let numbers = DemoPlace.end(log).split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    guard numbers.count == job.checkedColumns.count + 1 else { throw wrong("Weir", DemoPlace.lastLines(log)) }
    let found = BenchResult(events: expected.events, rows: Int(numbers[0]), sums: Array(numbers.dropFirst()))
    if let problem = found.problem(expected: expected) { throw wrong("Weir", "in PostgreSQL: \(problem)") }
    _ = try await children.run(ask + ["DROP TABLE \(table)"], log: log)
  }

  private func wrong(_ name: String, _ problem: String) -> CommandFailure {
    CommandFailure(.job, "\(job.rawValue): the result of '\(name)' is wrong: \(problem)")
  }

  /// A word for the shell.
  private static func quoted(_ word: String) -> String {
    "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
