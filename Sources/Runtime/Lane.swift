import CPosix
import Glibc
import Synchronization

/// Runs the jobs of lanes in place of their threads: how a simulation decides what runs when.
public protocol LaneHost: Sendable {
  /// Runs `job` some time later with `lane` as its executor: jobs of one lane one at a time, in the order in which they came.
  func enqueue(_ job: UnownedJob, on lane: Lane)

  /// Whether the caller is a job of `lane`.
  func isRunning(_ lane: Lane) -> Bool
}

/// A serial executor with a thread of its own. Actors pinned to one lane reach each other without a thread switch.
///
/// An actor pins itself with two declarations; the stored lane keeps the executor alive:
/// ```swift
/// nonisolated let lane: Lane
/// nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }
/// ```
/// A blocking call stalls every actor of the lane: only lanes made for input and output may block.
///
/// It is a task executor as well. A task that waits is resumed on the executor that it prefers, and goes on to its actor from
/// there: one that prefers its actor's lane is resumed on it at once, any other by way of a thread of the default pool.
///
/// `@unchecked Sendable`: `queue`, `isParked`, `isStopping` and `isRunning` are only touched while `mutex` is held; what else
/// is stored never changes, and the memory of `mutex` and `condition` lives from `init` to `deinit`.
public final class Lane: SerialExecutor, TaskExecutor, @unchecked Sendable {
  /// Who runs the jobs of the lanes that the current task makes; `nil`: a thread for each.
  @TaskLocal public static var host: (any LaneHost)?

  /// The thread's name, as `top -H` shows it (15 bytes of it).
  public let name: String

  private let host: (any LaneHost)?
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var queue: [UnownedJob] = []
  private var isParked = false
  private var isStopping = false
  private var isRunning = false
  /// The running thread; 0 when there is none. Readable from anywhere.
  private let thread = Atomic<UInt>(0)
  private let didRunJob: (@Sendable (Int64) -> Void)?

  /// A lane whose thread starts with the first job, unless the current task has a ``host``.
  ///
  /// - Parameter didRunJob: told after each job, on the lane's thread, how many nanoseconds it kept the lane from others.
  ///   A host's jobs are not told of.
  public init(name: String, didRunJob: (@Sendable (Int64) -> Void)? = nil) {
    self.name = name
    self.didRunJob = didRunJob
    host = Lane.host
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    queue.reserveCapacity(64)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Runs `job` on the lane's thread after the jobs that came before it.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if let host { return host.enqueue(job, on: self) }
    pthread_mutex_lock(mutex)
    queue.append(job)
    let mustSignal = isParked
    let mustStart = !isRunning
    if mustStart { isRunning = true }
    pthread_mutex_unlock(mutex)
    if mustSignal { pthread_cond_signal(condition) }
    if mustStart { startThread() }
  }

  /// The reference that an actor's `unownedExecutor` returns.
  public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  /// Runs a job of this lane on the calling thread, which a ``LaneHost`` may do.
  public func run(_ job: UnownedJob) {
    job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
  }

  /// Whether the caller runs on this lane's thread.
  public func isIsolatingCurrentContext() -> Bool? { isCurrent }

  /// Traps when the caller does not run on this lane's thread.
  public func checkIsolated() { precondition(isCurrent, "expected to run on lane '\(name)'") }

  /// Lets the thread end once no job is left. A job that comes later starts a thread again: none is ever lost.
  public func stop() {
    pthread_mutex_lock(mutex)
    isStopping = true
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(condition)
  }

  private var isCurrent: Bool {
    if let host { return host.isRunning(self) }
    return thread.load(ordering: .relaxed) == UInt(pthread_self())
  }

  private func startThread() {
    var handle = pthread_t()
    let retained = Unmanaged.passRetained(self)
    let status = pthread_create(
      &handle, nil,
      { context in
        // The reference passed at creation keeps the lane alive for as long as its thread runs.
        if let context { Unmanaged<Lane>.fromOpaque(context).takeRetainedValue().runJobs() }
        return nil
      }, retained.toOpaque())
    // Without a thread no actor of the lane could ever run again, not even to report the failure.
    precondition(status == 0, "cannot start the thread of lane '\(name)': error \(status)")
    pthread_detach(handle)
  }

  private func runJobs() {
    name.withCString { weir_thread_set_name($0) }
    thread.store(UInt(pthread_self()), ordering: .relaxed)
    var batch: [UnownedJob] = []
    batch.reserveCapacity(64)
    while takeJobs(into: &batch) {
      for job in batch { runTimed(job) }
      batch.removeAll(keepingCapacity: true)
    }
  }

  private func runTimed(_ job: UnownedJob) {
    guard let didRunJob else { return run(job) }
    let began = SystemClock.monotonicNanoseconds()
    run(job)
    didRunJob(SystemClock.monotonicNanoseconds() - began)
  }

  /// Waits for jobs and takes all of them. Returns `false` when the thread must end.
  private func takeJobs(into batch: inout [UnownedJob]) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while queue.isEmpty && !isStopping {
      isParked = true
      pthread_cond_wait(condition, mutex)
      isParked = false
    }
    if queue.isEmpty {
      // The next job starts a new thread, which overwrites `thread`; until then nobody is on the lane.
      isRunning = false
      thread.store(0, ordering: .relaxed)
      return false
    }
    swap(&batch, &queue)
    return true
  }
}

/// The dataflow lanes of an engine: by default one per core. Nothing on them may block.
public final class LaneSet: Sendable {
  /// The lanes.
  public let lanes: [Lane]

  /// `count` lanes (at least one), called `prefix-0`, `prefix-1`, ….
  ///
  /// - Parameter observer: makes what a lane of that name tells its jobs' nanoseconds to; see ``Lane/init(name:didRunJob:)``.
  public init(
    count: Int = LaneSet.coreCount, prefix: String = "lane",
    observer: (_ lane: String) -> (@Sendable (Int64) -> Void)? = { _ in nil }
  ) {
    lanes = (0..<max(1, count)).map { Lane(name: "\(prefix)-\($0)", didRunJob: observer("\(prefix)-\($0)")) }
  }

  /// The lane of the `index`-th actor; indexes beyond the lanes wrap around.
  public func assign(_ index: Int) -> Lane { lanes[index % lanes.count] }

  /// Lets the threads end once they have nothing to do.
  public func stop() { for lane in lanes { lane.stop() } }

  /// How many cores this process may use.
  public static var coreCount: Int { Int(weir_cpu_count()) }
}
