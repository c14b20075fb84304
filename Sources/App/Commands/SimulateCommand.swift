import ArgumentParser
import Glibc
import SimulationKit

/// `weir sim`.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sim", abstract: "Runs the real job in a simulated world where everything fails, from seeds.",
    discussion: """
      Engine, actors, checkpoints, recovery, sinks and Iceberg commits run on one thread, in virtual time, against a
      simulated broker, disk, object store, catalog and PostgreSQL. A seed decides the records, the order of all steps and
      every fault, and repeats a run exactly. In the end each sink must hold what a plain recount of the records gives. The
      first seed for which it does not is printed with the invariant, the shortest run that still fails, and the command that
      repeats it. Exit codes: 1 an invariant is broken, 2 the run cannot begin.

      --pipeline runs your own file: sources get made-up JSON records, sinks become simulated tables, and what they must hold
      is found by a run of the same seed to which nothing happens. now() and an idle_timeout make results depend on the
      moment; leave them out.
      """)

  @Option(help: "The first seed.") var seed: UInt64 = 1

  @Option(help: "How many seeds to run, one after another.") var seeds: Int = 1

  @Option(
    help: ArgumentHelp(
      "'all', 'none', or names separated by commas.",
      discussion: "The faults: \(Fault.allCases.map(\.rawValue).joined(separator: ", ")).")) var faults = "all"

  @Option(help: "Where the job delivers to, instead of what the seed draws.") var sinks: SinkKind?

  @Option(
    help: "Runs this SQL file, with made-up records and simulated sinks, instead of the built-in jobs.",
    completion: .file(extensions: ["sql"])) var pipeline: String?

  @Option(help: "Writes the trace of the last run, or of the run that failed, to this file.") var trace: String?

  @Option(help: "Lets at most so many faults strike in a run (default: all).") var budget: Int?

  @Option(help: "Names of faults that are thrown dice for and never strike; shrinking uses it.") var withhold = ""

  @Flag(help: "Prints one JSON object.") var json = false

  func validate() throws {
    guard seeds >= 1 else { throw ValidationError("--seeds: expected at least 1, found \(seeds)") }
    if let budget, budget < 0 { throw ValidationError("--budget: expected 0 or more, found \(budget)") }
    guard pipeline == nil || sinks == nil else {
      throw ValidationError("--sinks has no meaning beside --pipeline: every sink of the file is simulated as it is")
    }
    _ = try Self.faults(faults, "--faults")
    _ = try Self.faults(withhold, "--withhold")
  }

  func run() throws {
    try Self.walkInOrder()
    var options = SimulationOptions(seed: seed, faults: try Self.faults(faults, "--faults"))
    options.withheld = try Self.faults(withhold, "--withhold")
    options.faultBudget = budget ?? .max
    options.sinks = sinks
    options.pipeline = try pipeline.map { try EngineAdapter.contents($0) }
    options.environment = EngineAdapter.environment
    let start = clock()
    var summary = Simulation.Summary()
    for index in 0..<seeds {
      options.seed = seed &+ UInt64(index)
      options.traceLines = trace != nil && index == seeds - 1 ? .max : 0
      let result = try simulate(options)
      summary.add(result)
      if result.violation != nil { try fail(options, result) }
      if options.traceLines > 0 { try write(result) }
      if !json, seeds > 1, (index + 1) % 1000 == 0 { Terminal.say("\(index + 1) seeds") }
    }
    report(summary, seconds: Double(clock() - start) / Double(CLOCKS_PER_SEC))
  }

  /// The order in which dictionaries and sets are walked must follow from the seed as well, and is decided before a
  /// process starts.
  private static func walkInOrder() throws {
    guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv("/proc/self/exe", &arguments)
    throw CommandFailure(.job, "the process cannot start itself anew: \(String(cString: strerror(errno)))")
  }

  private func simulate(_ options: SimulationOptions) throws -> SimulationResult {
    do { return try Simulation.run(options) } catch { throw CommandFailure(.usage, "the run cannot begin: \(error)") }
  }

  private static func faults(_ text: String, _ option: String) throws -> Set<Fault> {
    if text == "all" { return Set(Fault.allCases) }
    if text == "none" { return [] }
    return try Set(
      text.split(separator: ",").map { name in
        guard let fault = Fault(rawValue: String(name)) else {
          throw ValidationError("\(option): '\(name)' is not a fault; see weir sim --help")
        }
        return fault
      })
  }

  // MARK: Telling

  private func fail(_ options: SimulationOptions, _ result: SimulationResult) throws {
    // With --json standard output is for the object alone.
    let tell = json ? Terminal.complain : Terminal.say
    tell("seed \(options.seed): \(result.violation ?? ""); making it shorter")
    let short = try Simulation.shrink(options, result)
    for line in short.result.trace.suffix(40) { tell("  \(line)") }
    try write(short.result)
    var command = "weir sim --seed \(options.seed) --faults \(faults)"
    if short.options.faultBudget < .max { command += " --budget \(short.options.faultBudget)" }
    let withheld = short.options.withheld.map(\.rawValue).sorted().joined(separator: ",")
    if !withheld.isEmpty { command += " --withhold \(withheld)" }
    if let sinks { command += " --sinks \(sinks.rawValue)" }
    if let pipeline { command += " --pipeline \(pipeline)" }
    let violation = short.result.violation ?? result.violation ?? ""
    if json { say(Violation(violations: 1, seed: options.seed, violation: violation, command: command)) }
    throw CommandFailure(
      .finding,
      """
      seed \(options.seed) breaks an invariant: \(violation)
      faults that struck: \(Self.list(short.result.injected))
      repeat it: \(command) --trace trace.txt
      """)
  }

  private func say(_ object: some Encodable) {
    Terminal.say(String(decoding: HTTPAnswer.json(object).body.dropLast(), as: UTF8.self))
  }

  private func write(_ result: SimulationResult) throws {
    guard let trace else { return }
    guard let file = fopen(trace, "w") else {
      throw CommandFailure(.usage, "--trace: '\(trace)' cannot be written: \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    for line in result.trace { fputs(line + "\n", file) }
  }

  private func report(_ summary: Simulation.Summary, seconds: Double) {
    let struck = summary.injected.values.reduce(0, +)
    guard !json else { return say(Outcome(summary, firstSeed: seed, cpuSeconds: seconds)) }
    let rate = seconds > 0 ? Int(Double(summary.runs) / seconds * 60) : 0
    print(
      """
      \(summary.runs) seed\(summary.runs == 1 ? "" : "s"), every invariant held: \(summary.processes) processes, \
      \(summary.checkpoints) checkpoints, \(summary.records) records, \(summary.steps) steps, \
      \(Int(summary.virtualSeconds)) virtual seconds
      faults: \(struck)\(struck > 0 ? " (\(Self.list(summary.injected)))" : "")
      sinks: \(summary.sinks.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue) \($0.value)" }
        .joined(separator: ", "))
      refused to go on after a fault that breaks an assumption: \(summary.refusals)
      \(rate) seeds a minute of CPU time
      """)
  }

  private static func list(_ faults: [Fault: Int]) -> String {
    faults.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue) \($0.value)" }.joined(separator: ", ")
  }
}

/// What `--json` prints of runs whose invariants held.
private struct Outcome: Encodable {
  let seeds: Int
  let firstSeed: UInt64
  let violations = 0
  let refusals: Int
  let processes: Int
  let checkpoints: UInt64
  let records: Int
  let steps: Int
  let virtualSeconds: Int
  let cpuSeconds: Double
  let faults: Int
  let faultsByKind: [String: Int]
  let runsBySink: [String: Int]

  init(_ summary: Simulation.Summary, firstSeed: UInt64, cpuSeconds: Double) {
    seeds = summary.runs
    self.firstSeed = firstSeed
    refusals = summary.refusals
    processes = summary.processes
    checkpoints = summary.checkpoints
    records = summary.records
    steps = summary.steps
    virtualSeconds = Int(summary.virtualSeconds)
    self.cpuSeconds = cpuSeconds
    faults = summary.injected.values.reduce(0, +)
    faultsByKind = Dictionary(uniqueKeysWithValues: summary.injected.map { ($0.key.rawValue, $0.value) })
    runsBySink = Dictionary(uniqueKeysWithValues: summary.sinks.map { ($0.key.rawValue, $0.value) })
  }
}

/// What `--json` prints of the first run that broke one.
private struct Violation: Encodable {
  let violations: Int
  let seed: UInt64
  let violation: String
  let command: String
}

extension SinkKind: ExpressibleByArgument {}
