import CPosix
import Glibc

/// A few threads for calls that block, so that they do not block those on which Swift's tasks run.
///
/// `@unchecked Sendable`: `jobs`, `head`, `threads`, `idle` are only touched while `mutex` is held.
package final class BlockingPool: @unchecked Sendable {
  /// The pool of this process.
  package static let shared = BlockingPool(threadsMax: 4, waitingMax: 65_536)

  private let threadsMax: Int
  private let waitingMax: Int
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var jobs: [@Sendable () -> Void] = []
  private var head = 0
  private var threads = 0
  private var idle = 0

  /// A pool. Its threads start when they are needed, end after a while without work, and keep the pool alive till then.
  package init(threadsMax: Int, waitingMax: Int) {
    self.threadsMax = max(1, threadsMax)
    self.waitingMax = max(1, waitingMax)
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Runs `body` on one of the threads. A call that has begun is not interrupted by cancellation.
  ///
  /// - Throws: What `body` throws; kind `transient` when too many calls are waiting, or no thread can be started.
  package func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(IcebergError) -> Value
  ) async throws(IcebergError) -> Value {
    let result = await withUnsafeContinuation {
      (continuation: UnsafeContinuation<Result<Value, IcebergError>, Never>) in
      let refusal = submit { continuation.resume(returning: Self.result(of: body)) }
      if let refusal { continuation.resume(returning: .failure(refusal)) }
    }
    return try result.get()
  }

  private static func result<Value>(of body: () throws(IcebergError) -> Value) -> Result<Value, IcebergError> {
    do {
      return .success(try body())
    } catch {
      return .failure(error)
    }
  }

  /// Queues a job; an error says that it will not run.
  private func submit(_ job: @escaping @Sendable () -> Void) -> IcebergError? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard jobs.count - head < waitingMax else {
      return IcebergError(.transient, "\(waitingMax) file operations are waiting already: limit how many run at once")
    }
    if idle <= jobs.count - head && threads < threadsMax {
      let code = startThread()
      if code == 0 {
        threads += 1
      } else if threads == 0 {
        return IcebergError(.transient, "no thread can be started for a file operation: errno \(code)")
      }
    }
    jobs.append(job)
    pthread_cond_signal(condition)
    return nil
  }

  private func startThread() -> Int32 {
    var thread = pthread_t()
    let pool = Unmanaged.passRetained(self)
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        weir_thread_set_name("iceberg-files")
        Unmanaged<BlockingPool>.fromOpaque(argument).takeRetainedValue().work()
        return nil
      }, pool.toOpaque())
    if code == 0 { pthread_detach(thread) } else { pool.release() }
    return code
  }

  private func work() {
    while let job = nextJob() { job() }
  }

  /// The next job; `nil` after ten seconds without one.
  private func nextJob() -> (@Sendable () -> Void)? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_sec += 10
    while head == jobs.count {
      idle += 1
      let code = pthread_cond_timedwait(condition, mutex, &deadline)
      idle -= 1
      if code == ETIMEDOUT && head == jobs.count {
        threads -= 1
        return nil
      }
    }
    let job = jobs[head]
    head += 1
    if head == jobs.count || head >= 1024 {
      jobs.removeFirst(head)
      head = 0
    }
    return job
  }
}
