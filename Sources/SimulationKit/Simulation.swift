/// Runs many seeds, adds up what happened, and makes failing runs short.
public struct Simulation {
  /// What many runs came to.
  public struct Summary: Sendable {
    /// How many runs there were.
    public var runs = 0
    /// Runs in which the job refused to go on, because a fault broke an assumption of the promise.
    public var refusals = 0
    /// How many processes were started.
    public var processes = 0
    /// How many checkpoints were taken.
    public var checkpoints: UInt64 = 0
    /// How many records were read at least once.
    public var records = 0
    /// How many jobs the schedulers ran.
    public var steps = 0
    /// Virtual time in all, in seconds.
    public var virtualSeconds = 0.0
    /// How often each fault struck.
    public var injected: [Fault: Int] = [:]
    /// Runs by where they delivered to.
    public var sinks: [SinkKind: Int] = [:]

    /// Nothing yet.
    public init() {}

    /// Adds a run.
    public mutating func add(_ result: SimulationResult) {
      runs += 1
      refusals += result.refusal == nil ? 0 : 1
      processes += result.processes
      checkpoints += result.checkpoints
      records += result.records
      steps += result.steps
      virtualSeconds += Double(result.virtualTime) / 1e9
      injected.merge(result.injected, uniquingKeysWith: +)
      sinks[result.sinks, default: 0] += 1
    }
  }

  /// Runs one seed.
  /// - Throws: ``SimulationSetupError`` when the run cannot begin: SQL or options are wrong.
  public static func run(_ options: SimulationOptions) throws -> SimulationResult { try SimulationRun(options).run() }

  /// The least that still fails of a run that failed: first as few kinds of faults as possible, then as few faults.
  ///
  /// Faults strike in the order of the run, so a smaller budget cuts the last ones off. Every candidate is a whole run of
  /// the same seed.
  /// - Parameter candidatesMax: how many candidates are run at most.
  /// - Returns: the options of the shortest run found, and its result with its trace.
  public static func shrink(
    _ options: SimulationOptions, _ failed: SimulationResult, candidatesMax: Int = .max
  ) throws -> (options: SimulationOptions, result: SimulationResult) {
    var best = options
    var result = failed
    var candidates = 0
    func accept(_ candidate: SimulationOptions) throws -> Bool {
      guard candidates < candidatesMax else { return false }
      candidates += 1
      let outcome = try run(candidate)
      guard outcome.violation != nil else { return false }
      best = candidate
      result = outcome
      return true
    }
    for fault in Fault.allCases where best.faults.contains(fault) && result.injected[fault] != nil {
      var candidate = best
      candidate.withheld.insert(fault)
      _ = try accept(candidate)
    }
    // The budget that still fails, by halving.
    var low = 0
    var high = result.injected.values.reduce(0, +)
    while low < high {
      var candidate = best
      candidate.faultBudget = (low + high) / 2
      if try accept(candidate) { high = candidate.faultBudget } else { low = candidate.faultBudget + 1 }
    }
    best.traceLines = .max
    return (best, try run(best))
  }
}
