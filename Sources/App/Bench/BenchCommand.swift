import ArgumentParser
import Glibc
import Runtime

/// `weir bench`.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures jobs against a raw consumer and a C program, on the same broker and topic.",
    discussion: """
      The benchmarks:
      \(BenchJob.allCases.map { "  \($0.rawValue): \($0.summary)" }.joined(separator: "\n"))
      All processes have the same allocator and settings of librdkafka, and run in turns. Before anything is measured, the
      job's rows are summed up and compared with the C program's. Without --brokers, a development broker is started; it
      keeps the newest 5 MiB of each partition, so many events need many partitions.
      """)

  @Argument(help: "The benchmark, or all.") var name = BenchJob.tumble.rawValue

  @Option(help: "How many events the topic gets.") var events = 10_000_000

  @Option(help: "How many partitions the topic has.") var partitions = 128

  @Option(help: "How often each contender is run.") var runs = 5

  @Option(help: "The topic; with --brokers it must exist, and be empty or used with --existing.") var topic =
    "weir-bench"

  @Flag(help: "With --brokers: the topic has its events already, as `weir generate telemetry` writes them.")
  var existing = false

  @Flag(help: "Measure Weir with fetch = 'native' too, its own Kafka fetch client.") var nativeFetch = false

  @Flag(help: "Print one JSON object.") var json = false

  @Option(help: "Write a chart to this SVG file.", completion: .file(extensions: ["svg"])) var chart: String?

  @Option(help: "Checkpoints, tables and logs of the runs are kept below it, and removed.") var directory = ".weir"

  @OptionGroup(title: "Settings of the measured jobs") var options: SettingsOptions

  func validate() throws {
    let names = BenchJob.allCases.map(\.rawValue) + ["all"]
    guard names.contains(name) else {
      throw ValidationError("there is no benchmark '\(name)'; expected \(names.joined(separator: ", "))")
    }
    guard (1...10_000_000_000).contains(events) else { throw ValidationError("--events: at least 1, got \(events)") }
    guard (1...10_000).contains(partitions) else {
      throw ValidationError("--partitions: from 1 to 10000, got \(partitions)")
    }
    guard (1...1000).contains(runs) else { throw ValidationError("--runs: from 1 to 1000, got \(runs)") }
    guard !topic.isEmpty, topic.utf8.allSatisfy({ Self.isTopicByte($0) }) else {
      throw ValidationError("--topic: letters, digits, '.', '_' and '-', got '\(topic)'")
    }
    guard !existing || options.brokers != nil else { throw ValidationError("--existing needs --brokers") }
    guard options.brokers == nil || name != "all" else {
      throw ValidationError("with --brokers, name one benchmark: each needs a topic of its own")
    }
  }

  func run() async throws {
    let jobs = name == "all" ? BenchJob.allCases : BenchJob.allCases.filter { $0.rawValue == name }
    let flags = try options.overrides()
    _ = try EngineAdapter.settings(flags: flags)
    let programs = try BenchPrograms()
    let place = EngineAdapter.absolute(directory) + "/bench-\(getpid())"
    let clock = SystemClock()
    let children = ChildProcesses(clock: clock)
    let plan = BenchPlan(
      events: events, partitions: partitions, runs: runs, topic: topic, brokers: options.brokers,
      isExisting: existing, hasNativeFetch: nativeFetch, flags: flags, directory: place)
    let outcome = await Result {
      var reports: [BenchReport] = []
      for job in jobs {
        reports.append(
          try await BenchRun(job: job, plan: plan, programs: programs, children: children, clock: clock).report())
        await children.stopAll()
      }
      return reports
    }
    await children.stopAll()
    let removal = Result(catching: { try Self.remove(place, jobs) })
    try show(try outcome.get())
    try removal.get()
  }

  private static func remove(_ place: String, _ jobs: [BenchJob]) throws {
    for job in jobs { try DemoDatabase.remove(of: place + "/" + job.rawValue) }
    try DemoPlace.remove(place)
  }

  private func show(_ reports: [BenchReport]) throws {
    if let chart {
      guard let file = fopen(chart, "w") else {
        throw CommandFailure(.usage, "--chart: '\(chart)' cannot be written: \(String(cString: strerror(errno)))")
      }
      defer { fclose(file) }
      fputs(BenchChart.svg(reports), file)
    }
    guard json else { return Terminal.say(reports.map(\.text).joined(separator: "\n\n")) }
    let answer = name == "all" ? HTTPAnswer.json(["benchmarks": reports]) : HTTPAnswer.json(reports.first)
    Terminal.say(String(decoding: answer.body.dropLast(), as: UTF8.self))
  }

  private static func isTopicByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}

/// The programs that are run.
struct BenchPrograms: Sendable {
  /// This one.
  let weir: String
  /// The C programs.
  let baseline: String

  /// Finds them.
  /// - Throws: ``CommandFailure`` that says how to build the C programs when they are missing.
  init() throws {
    weir = try DemoPlace.program()
    baseline = weir.split(separator: "/").dropLast().reduce(into: "") { $0 += "/" + $1 } + "/BenchBaseline"
    guard access(baseline, X_OK) == 0 else {
      throw CommandFailure(
        .usage,
        "the C programs to compare with are not at \(baseline); build them: "
          + "swift build -c release --product BenchBaseline")
    }
  }
}
