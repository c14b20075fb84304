/// What one simulated run is made of.
public struct SimulationOptions: Sendable {
  /// The seed: of the workload, the schedule, the latencies and the faults.
  public var seed: UInt64
  /// The faults that may be drawn.
  public var faults: Set<Fault>
  /// Faults that are drawn and do not strike: shrinking adds to them, so that all else is drawn as before.
  public var withheld: Set<Fault> = []
  /// At most so many faults strike: shrinking lowers it.
  public var faultBudget = Int.max
  /// How many lines of the trace are kept; 0 for none.
  public var traceLines = 0
  /// The text of an SQL file to run instead of the built-in jobs.
  public var pipeline: String?
  /// Variables for `${NAME}` in that file.
  public var environment: [String: String] = [:]
  /// Where the job delivers to; `nil` draws it.
  public var sinks: SinkKind?

  /// Options for `seed`.
  public init(seed: UInt64, faults: Set<Fault> = Set(Fault.allCases)) {
    self.seed = seed
    self.faults = faults
  }
}

/// What came of a run.
public struct SimulationResult: Sendable {
  /// The seed.
  public var seed: UInt64
  /// Where the job delivered to.
  public var sinks: SinkKind
  /// The invariant that did not hold; `nil` when all held.
  public var violation: String?
  /// The job refused to go on, because a fault broke an assumption that the promise rests on.
  public var refusal: String?
  /// How often each fault struck.
  public var injected: [Fault: Int]
  /// How many processes were started.
  public var processes: Int
  /// The number of the last checkpoint.
  public var checkpoints: UInt64
  /// How many records the workload has.
  public var records: Int
  /// Virtual time, in nanoseconds.
  public var virtualTime: Int64
  /// How many jobs the scheduler ran.
  public var steps: Int
  /// A digest of the trace: equal for equal runs. Only with a trace.
  public var digest: UInt64
  /// The trace's last lines.
  public var trace: [String]
}
