import Glibc
import Runtime

/// A process of the job: its tasks and lanes run under the world's scheduler, and die with it.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, which every hand-over of a job checks.
public final class SimulatedProcess: TaskExecutor, LaneHost, @unchecked Sendable {
  /// 1, 2, … in the order of starts.
  public let number: Int
  /// Virtual time, and the wall time of this process's machine.
  public let clock: ProcessClock
  /// From the crash on nothing that the process does has an effect.
  public private(set) var isDead = false
  /// Whether its volume is still its own; false once a successor has it.
  public var hasDisk = true
  /// While stalled, none of its jobs runs; the world goes on.
  public var stalledUntil: Int64 = 0

  private unowned let world: SimulatedWorld
  /// Jobs of tasks: any of them may be next.
  private var pool: [UnownedJob] = []
  private var lanes: [LaneQueue] = []
  private var current: LaneQueue?
  private var isBuried = false
  /// Ends the process's main task when it dies.
  var cancel: (() -> Void)?
  var hasFinished = false

  private final class LaneQueue {
    let lane: Lane
    var jobs: [UnownedJob] = []
    var blockedUntil: Int64 = 0
    init(_ lane: Lane) { self.lane = lane }
  }

  /// A process in `world`, whose wall clock is off by `skew` microseconds.
  public init(in world: SimulatedWorld, skew: Int64 = 0) {
    self.world = world
    number = world.processes.count + 1
    clock = ProcessClock(world, skew: skew)
    world.processes.append(self)
    clock.process = self
  }

  // MARK: Jobs

  /// Takes a task's job.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    checkThread()
    pool.append(job)
  }

  /// Takes a lane's job.
  public func enqueue(_ job: UnownedJob, on lane: Lane) {
    checkThread()
    queue(of: lane).jobs.append(job)
  }

  /// Whether the job that runs now is one of `lane`.
  public func isRunning(_ lane: Lane) -> Bool { current?.lane === lane }

  private func queue(of lane: Lane) -> LaneQueue {
    if let queue = lanes.first(where: { $0.lane === lane }) { return queue }
    let queue = LaneQueue(lane)
    lanes.append(queue)
    return queue
  }

  private func checkThread() {
    precondition(pthread_equal(pthread_self(), world.thread) != 0, "a job came from outside of the simulation")
  }

  func runnableCount(at now: Int64) -> Int {
    guard stalledUntil <= now, current == nil else { return 0 }
    return lanes.reduce(pool.count) { $0 + ($1.jobs.isEmpty || $1.blockedUntil > now ? 0 : 1) }
  }

  /// When the next job that waits for its lane, or for the end of a stall, can run.
  var nextUnblocking: Int64? {
    // In the middle of a job that lets others go on: nothing of its own runs before that has ended.
    guard current == nil else { return nil }
    let waiting = lanes.filter { !$0.jobs.isEmpty }.map(\.blockedUntil) + (pool.isEmpty ? [] : [0])
    return waiting.min().map { max($0, stalledUntil) }
  }

  func runJob(_ index: Int, at now: Int64) {
    if index < pool.count {
      let job = pool[index]
      pool.remove(at: index)
      job.runSynchronously(on: asUnownedTaskExecutor())
      return
    }
    var remaining = index - pool.count
    for queue in lanes where !queue.jobs.isEmpty && queue.blockedUntil <= now {
      if remaining == 0 { return run(queue) }
      remaining -= 1
    }
  }

  private func run(_ queue: LaneQueue) {
    let job = queue.jobs.removeFirst()
    current = queue
    queue.lane.run(job)
    current = nil
  }

  func blockCurrentLane(until time: Int64) {
    if let current, !isDead { current.blockedUntil = max(current.blockedUntil, time) }
  }

  // MARK: Death

  /// The process dies now: what it does from here on has no effect, and its tasks are brought to their end unseen.
  public func die() {
    guard !isDead else { return }
    isDead = true
    world.trace("process \(number) dies")
    for action in world.onDeath { action(self) }
    // At once: whoever would only wait, or try again, must come to its end instead.
    cancel?()
  }

  /// Lets the tasks of a dead process run to their end, in a fixed order and in no time, so that their memory is freed.
  func buryIfDead() {
    guard isDead, !isBuried else { return }
    isBuried = true
    clock.fireAll()
    for queue in lanes { queue.blockedUntil = 0 }
    stalledUntil = 0
    var steps = 0
    while !hasFinished || !pool.isEmpty || lanes.contains(where: { !$0.jobs.isEmpty }) {
      guard steps < 2_000_000, runAny() else {
        world.violate("a cancelled process does not end: some task waits for what cancellation does not interrupt")
        return
      }
      steps += 1
    }
  }

  private func runAny() -> Bool {
    if !pool.isEmpty {
      pool.removeFirst().runSynchronously(on: asUnownedTaskExecutor())
      return true
    }
    guard let queue = lanes.first(where: { !$0.jobs.isEmpty }) else { return false }
    run(queue)
    return true
  }
}

/// The clocks of one process: virtual time, and a wall clock that may be off.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, see ``SimulatedWorld``.
public final class ProcessClock: EngineClock, @unchecked Sendable {
  /// How far the wall clock is off, in microseconds.
  public var skew: Int64
  fileprivate weak var process: SimulatedProcess?
  private unowned let world: SimulatedWorld

  init(_ world: SimulatedWorld, skew: Int64) {
    self.world = world
    self.skew = skew
  }

  /// The machine's wall time.
  public func wallMicroseconds() -> Int64 { world.wallStart + world.now / 1000 + skew }

  /// The virtual time.
  public func monotonicNanoseconds() -> Int64 { world.now }

  /// Notifies `signal` when the virtual time has come; at once when the process is dead.
  public func notify(_ signal: Signal, at nanoseconds: Int64) {
    if process?.isDead == true || nanoseconds <= world.now { return signal.notify() }
    world.timers.add(at: nanoseconds, owner: process) { signal.notify() }
  }

  func fireAll() { for action in world.timers.removeAll(of: process) { action() } }
}

/// What is to be done, by due time. Of equal times what came first is first.
struct VirtualTimers {
  private struct Entry {
    let time: Int64
    let sequence: UInt64
    let action: () -> Void
    let owner: SimulatedProcess?
    func isBefore(_ other: Entry) -> Bool { (time, sequence) < (other.time, other.sequence) }
  }

  private var entries: [Entry] = []
  private var sequence: UInt64 = 0

  var earliest: Int64? { entries.first?.time }

  mutating func add(at time: Int64, owner: SimulatedProcess?, _ action: @escaping () -> Void) {
    sequence += 1
    entries.append(Entry(time: time, sequence: sequence, action: action, owner: owner))
    var child = entries.count - 1
    while child > 0, entries[child].isBefore(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Takes out what is due, earliest first.
  mutating func removeDue(at now: Int64) -> [() -> Void] {
    var due: [() -> Void] = []
    while let first = entries.first, first.time <= now {
      removeFirst()
      due.append(first.action)
    }
    return due
  }

  /// Takes out what a dead process waits for.
  mutating func removeAll(of owner: SimulatedProcess?) -> [() -> Void] {
    let all = entries.sorted { $0.isBefore($1) }
    entries = all.filter { $0.owner !== owner }
    return all.filter { $0.owner === owner }.map(\.action)
  }

  private mutating func removeFirst() {
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
        if entries[child].isBefore(entries[least]) { least = child }
      }
      if least == parent { return }
      entries.swapAt(parent, least)
      parent = least
    }
  }
}
