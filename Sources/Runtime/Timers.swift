import CPosix
import Glibc

/// Signals by due time: a binary heap. Of equal times the one that came first is first.
struct TimerHeap {
  private struct Entry {
    let time: Int64
    let sequence: UInt64
    let signal: Signal
    func isBefore(_ other: Entry) -> Bool { (time, sequence) < (other.time, other.sequence) }
  }

  private var entries: [Entry] = []
  private var nextSequence: UInt64 = 0

  /// When the earliest timer is due.
  var earliest: Int64? { entries.first?.time }

  mutating func insert(_ signal: Signal, at time: Int64) {
    entries.append(Entry(time: time, sequence: nextSequence, signal: signal))
    nextSequence += 1
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard entries[child].isBefore(entries[parent]) else { return }
      entries.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes out every timer that is due at `time`, earliest first.
  mutating func removeDue(at time: Int64) -> [Signal] {
    var due: [Signal] = []
    while let first = entries.first, first.time <= time {
      due.append(first.signal)
      removeFirst()
    }
    return due
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

/// A thread that notifies signals when they are due.
///
/// `@unchecked Sendable`: `heap`, `isRunning` and `isStopping` are only touched while `mutex` is held.
final class TimerThread: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var heap = TimerHeap()
  private var isRunning = false
  private var isStopping = false

  init() {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // Deadlines are monotonic: a change of the wall clock must not move them.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func add(_ signal: Signal, at time: Int64) {
    pthread_mutex_lock(mutex)
    let isEarliest = heap.earliest.map { time < $0 } ?? true
    heap.insert(signal, at: time)
    let mustStart = !isRunning && !isStopping
    if mustStart { isRunning = true }
    pthread_mutex_unlock(mutex)
    if mustStart { start() } else if isEarliest { pthread_cond_signal(condition) }
  }

  func stop() {
    pthread_mutex_lock(mutex)
    isStopping = true
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(condition)
  }

  private func start() {
    var handle = pthread_t()
    let retained = Unmanaged.passRetained(self)
    let status = pthread_create(
      &handle, nil,
      { context in
        if let context { Unmanaged<TimerThread>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, retained.toOpaque())
    precondition(status == 0, "cannot start the timer thread: error \(status)")
    pthread_detach(handle)
  }

  private func run() {
    weir_thread_set_name("timers")
    while let due = waitForDue() {
      for signal in due { signal.notify() }
    }
  }

  private func waitForDue() -> [Signal]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !isStopping {
      let due = heap.removeDue(at: SystemClock.monotonicNanoseconds())
      if !due.isEmpty { return due }
      if let earliest = heap.earliest {
        var deadline = timespec(tv_sec: Int(earliest / 1_000_000_000), tv_nsec: Int(earliest % 1_000_000_000))
        pthread_cond_timedwait(condition, mutex, &deadline)
      } else {
        pthread_cond_wait(condition, mutex)
      }
    }
    return nil
  }
}
