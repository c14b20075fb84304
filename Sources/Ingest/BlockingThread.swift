import CPosix
import Glibc

/// A thread for calls that block, which runs actors pinned to it and plain closures, one after another.
///
/// `Runtime.Lane` runs actors only. Here closures come too, from where nothing can be awaited: callbacks of librdkafka, and
/// each `deinit` that must destroy a handle behind the calls that still use it.
///
/// The thread starts with the first entry and ends when the last reference to this object is gone and every entry has
/// run; so work handed over by a `deinit` is never lost.
final class BlockingThread: SerialExecutor {
  private let core: Core

  /// A thread called `name` (15 bytes of it are shown by `top -H`).
  init(name: String) { core = Core(name: name) }

  deinit { core.stop() }

  /// Runs `job` of an actor that is pinned to this thread.
  func enqueue(_ job: consuming ExecutorJob) {
    core.append(.job(UnownedJob(job), asUnownedSerialExecutor()))
  }

  /// The reference that an actor's `unownedExecutor` returns.
  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  /// Runs `work` on the thread, after what came before it. Never waits; callable from any thread.
  func submit(_ work: @escaping @Sendable () -> Void) { core.append(.work(work)) }
}

extension BlockingThread {
  private enum Entry {
    /// An actor's job. The job keeps its actor, and so the executor, alive until it has run.
    case job(UnownedJob, UnownedSerialExecutor)
    case work(@Sendable () -> Void)
  }

  /// What the thread shares with the object that others hold.
  ///
  /// `@unchecked Sendable`: the stored variables are only touched while `mutex` is held.
  private final class Core: @unchecked Sendable {
    private let name: String
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var entries: [Entry] = []
    private var isRunning = false
    private var isStopping = false

    init(name: String) {
      self.name = name
      pthread_mutex_init(mutex, nil)
      pthread_cond_init(condition, nil)
    }

    deinit {
      pthread_cond_destroy(condition)
      pthread_mutex_destroy(mutex)
      condition.deallocate()
      mutex.deallocate()
    }

    func append(_ entry: Entry) {
      pthread_mutex_lock(mutex)
      entries.append(entry)
      let mustStart = !isRunning
      isRunning = true
      pthread_mutex_unlock(mutex)
      if mustStart { start() } else { pthread_cond_signal(condition) }
    }

    func stop() {
      pthread_mutex_lock(mutex)
      isStopping = true
      pthread_mutex_unlock(mutex)
      pthread_cond_signal(condition)
    }

    private func start() {
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { context in
          if let context { Unmanaged<Core>.fromOpaque(context).takeRetainedValue().run() }
          return nil
        }, Unmanaged.passRetained(self).toOpaque())
      // Without the thread no actor pinned to it could run again, not even to report the failure.
      precondition(status == 0, "cannot start the thread '\(name)': error \(status)")
      pthread_detach(thread)
    }

    private func run() {
      name.withCString { weir_thread_set_name($0) }
      var taken: [Entry] = []
      while take(into: &taken) {
        for entry in taken {
          switch entry {
          case .job(let job, let executor): job.runSynchronously(on: executor)
          case .work(let work): work()
          }
        }
        taken.removeAll(keepingCapacity: true)
      }
    }

    /// Waits for entries and takes all of them; `false` when the thread must end.
    private func take(into taken: inout [Entry]) -> Bool {
      pthread_mutex_lock(mutex)
      defer { pthread_mutex_unlock(mutex) }
      while entries.isEmpty && !isStopping { pthread_cond_wait(condition, mutex) }
      if entries.isEmpty {
        isRunning = false
        return false
      }
      swap(&taken, &entries)
      return true
    }
  }
}
