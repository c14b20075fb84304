import Glibc
import Runtime

/// Everything outside of the processes: time, chance, and what has gone wrong so far.
///
/// `@unchecked Sendable`: a world and all of its peers are touched on one thread only, the one that calls
/// ``run(until:_:)``; ``SimulatedProcess`` checks that no job was handed in from another one.
public final class SimulatedWorld: @unchecked Sendable {
  /// The dice of faults and latencies.
  public var random: SeededGenerator
  /// The dice of the scheduler: which job runs next.
  var schedule: SeededGenerator
  /// Virtual time in nanoseconds; starts at 0.
  public internal(set) var now: Int64 = 0
  /// Wall time at virtual time 0, in microseconds since the epoch.
  public let wallStart: Int64
  /// What happened, in order.
  public let record: SimulationTrace
  /// Which faults may strike.
  public var faults: FaultPlan
  /// Once calm, nothing goes wrong any more.
  public var isCalm = false
  /// How often each fault has struck.
  public private(set) var injected: [Fault: Int] = [:]
  /// The first thing that must not happen, and did.
  public private(set) var violation: String?
  /// How many faults may still strike: shrinking lowers it.
  public var faultBudget: Int
  /// Faults for which dice are thrown and that never strike.
  public let withheld: Set<Fault>

  var processes: [SimulatedProcess] = []
  var timers = VirtualTimers()
  /// Called at once when a process dies, with the process.
  public var onDeath: [(SimulatedProcess) -> Void] = []
  let thread = pthread_self()
  private(set) var steps = 0

  /// A world that `seed` determines.
  public init(
    seed: UInt64, faults: FaultPlan, withheld: Set<Fault> = [], faultBudget: Int = .max,
    wallStart: Int64 = 1_750_000_000_000_000,
    trace: SimulationTrace = SimulationTrace()
  ) {
    let root = SeededGenerator(seed: seed)
    random = root.branch("faults")
    schedule = root.branch("schedule")
    self.faults = faults
    self.withheld = withheld
    self.faultBudget = faultBudget
    self.wallStart = wallStart
    record = trace
  }

  /// Adds a line to the trace.
  public func trace(_ line: @autoclosure () -> String) { record.add(at: now, line) }

  /// Notes that an invariant does not hold; the first one counts.
  public func violate(_ invariant: String) {
    trace("VIOLATION \(invariant)")
    if violation == nil { violation = invariant }
  }

  // MARK: Chance

  /// Whether `fault` strikes here and now.
  public func strikes(_ fault: Fault, _ place: @autoclosure () -> String) -> Bool {
    guard let strength = faults.strengths[fault] else { return false }
    // The dice are thrown in any case, so that fewer faults leave the others as they are.
    let isHit = random.chance(fault.rate * strength)
    return isHit && inject(fault, place())
  }

  /// Lets `fault` strike unless the run has become calm or has had enough; whether it does.
  func inject(_ fault: Fault, _ place: @autoclosure () -> String) -> Bool {
    guard !isCalm, faultBudget > 0, !withheld.contains(fault) else { return false }
    faultBudget -= 1
    injected[fault, default: 0] += 1
    trace("fault \(fault.rawValue) at \(place())")
    return true
  }

  /// Whether a fault has struck that breaks an assumption of the promise.
  var isExcused: Bool { injected.contains { $0.key.breaksAssumption } }

  /// Maybe the process dies here.
  /// - Throws: ``ProcessDied`` when it is dead: what follows must have no effect.
  public func crashPoint(_ process: SimulatedProcess, _ place: @autoclosure () -> String) throws(ProcessDied) {
    if process.isDead { throw ProcessDied() }
    if strikes(.crash, place()) {
      process.die()
      throw ProcessDied()
    }
  }

  /// Lets virtual time pass until an answer comes: mostly a fraction of a millisecond, sometimes far longer.
  /// - Throws: ``ProcessDied``; `CancellationError` when the task is cancelled.
  public func latency(
    _ process: SimulatedProcess, _ place: @autoclosure () -> String, isolation: isolated (any Actor)? = #isolation
  ) async throws {
    if process.isDead { throw ProcessDied() }
    let delay = drawLatency(place())
    try await process.clock.sleep(for: delay)
    if process.isDead { throw ProcessDied() }
  }

  /// For calls that block: the lane that runs now takes up its next job only after the answer's latency.
  public func blockLane(_ process: SimulatedProcess, _ place: @autoclosure () -> String) {
    process.blockCurrentLane(until: now + drawLatency(place()))
  }

  private func drawLatency(_ place: @autoclosure () -> String) -> Int64 {
    let usual = Int64.random(in: 20_000...800_000, using: &random)
    trace("waits \(usual) for \(place())")
    guard strikes(.slow, place()) else { return usual }
    return Int64.random(in: 50_000_000...4_000_000_000, using: &random)
  }

  // MARK: Running

  private static let stepsMax = 5_000_000

  /// Runs jobs, and lets time pass when there is none, until `isDone`, a violation, or nothing is left that could happen.
  ///
  /// - Parameter deadline: the virtual time at which to stop in any case.
  /// - Returns: whether `isDone` came true.
  @discardableResult
  public func run(until deadline: Int64, _ isDone: () -> Bool) -> Bool {
    while violation == nil {
      if isDone() { return true }
      if now > deadline { return false }
      guard steps < Self.stepsMax else {
        violate("\(steps) jobs have run and it goes on, thousands of times more than a run takes: something spins")
        return false
      }
      if runOneJob() { continue }
      guard let next = nextMoment else { return false }
      now = max(now, next)
      fireTimers()
    }
    return false
  }

  /// Calls `action` when virtual time has come.
  public func after(_ nanoseconds: Int64, _ action: @escaping () -> Void) {
    timers.add(at: now + nanoseconds, owner: nil, action)
  }

  private func fireTimers() {
    guard let earliest = timers.earliest, earliest <= now else { return }
    for action in timers.removeDue(at: now) { action() }
  }

  private var nextMoment: Int64? {
    let lanes = processes.compactMap(\.nextUnblocking).min()
    guard let timer = timers.earliest else { return lanes }
    return min(timer, lanes ?? .max)
  }

  private func runOneJob() -> Bool {
    let count = processes.reduce(0) { $0 + $1.runnableCount(at: now) }
    guard count > 0 else { return false }
    var index = Int.random(in: 0..<count, using: &schedule)
    for process in processes {
      let own = process.runnableCount(at: now)
      if index < own {
        steps += 1
        process.runJob(index, at: now)
        now += Int64(schedule.next() & 0x3FFF)
        fireTimers()
        process.buryIfDead()
        return true
      }
      index -= own
    }
    return false
  }
}

/// The process is dead: it must not go on.
public struct ProcessDied: Error, CustomStringConvertible {
  /// What it says in a trace.
  public let description = "the simulated process has died"

  /// A death.
  public init() {}
}
