import Foundation
import Synchronization

/// Carries out a task on the thread that waits for it: what the task allocates, and what its children and the actors do that
/// it calls, is counted as this thread's.
final class CallingThread: TaskExecutor {
  private let jobs = Mutex<[UnownedJob]>([])
  private let waiting = DispatchSemaphore(value: 0)

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
    waiting.signal()
  }

  /// Runs `body` to its end; blocks the thread while there is nothing to do.
  static func run(_ body: @escaping @Sendable () async throws -> Void) throws {
    let thread = CallingThread()
    let outcome = Mutex<Result<Void, any Error>?>(nil)
    Task(executorPreference: thread) {
      do {
        try await body()
        outcome.withLock { $0 = .success(()) }
      } catch {
        outcome.withLock { $0 = .failure(error) }
      }
    }
    while true {
      thread.runNext()
      if let outcome = outcome.withLock({ $0 }) { return try outcome.get() }
    }
  }

  private func runNext() {
    waiting.wait()
    jobs.withLock { $0.removeFirst() }.runSynchronously(on: asUnownedTaskExecutor())
  }
}
