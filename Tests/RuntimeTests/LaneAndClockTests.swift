import Runtime
import Synchronization
import TestTraits
import Testing

@Suite("Lanes, clocks and signals", .fewAtOnce)
struct LaneAndClockTests {
  private actor Counter {
    let lane: Lane
    var value = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }
    init(lane: Lane) { self.lane = lane }
    func add() {
      lane.preconditionIsolated()
      value += 1
    }
    func isOnLane() -> Bool { lane.isIsolatingCurrentContext() == true }
  }

  @Test("actors of a lane run on its thread, and a stopped lane still runs what comes")
  func lane() async throws {
    let jobs = Mutex(0)
    let lane = Lane(name: "test-lane-with-a-long-name") { nanoseconds in
      jobs.withLock { $0 += nanoseconds >= 0 ? 1 : 0 }
    }
    let counter = Counter(lane: lane)
    for _ in 0..<50 {
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<20 { group.addTask { await counter.add() } }
      }
      lane.stop()
    }
    let value = await counter.value
    #expect(value == 1000)
    #expect(await counter.isOnLane())
    #expect(lane.isIsolatingCurrentContext() == false)
    // The task may have gone on to several calls within one job, never in none.
    #expect(jobs.withLock { $0 } > 0)
  }

  @Test("lanes are dealt in turn")
  func laneSet() {
    let set = LaneSet(count: 3)
    #expect(set.assign(0) === set.assign(3))
    #expect(set.assign(1) !== set.assign(2))
    #expect(LaneSet.coreCount >= 1)
  }

  @Test("timers fire in the order of their times when a manual clock goes on")
  func manualClock() async throws {
    let clock = ManualClock(nanoseconds: 100, wallMicroseconds: 5_000_000)
    let order = Shared<[Int64]>([])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for delay in [30, 10, 20] as [Int64] {
        group.addTask {
          try await clock.sleep(for: delay)
          order.update { $0.append(delay) }
        }
      }
      for expected in 1...3 {
        let due = 100 + Int64(expected) * 10
        while clock.nextTimer != due { await Task.yield() }
        clock.advance(by: 10)
        while order.value.count < expected { await Task.yield() }
      }
      try await group.waitForAll()
    }
    #expect(order.value == [10, 20, 30])
    clock.advance(by: 2_000_000)
    #expect(clock.wallMicroseconds() == 5_002_000)
  }

  @Test("a sleep on the system's clock ends after its time, or with its task")
  func systemClock() async throws {
    let clock = SystemClock()
    let start = clock.monotonicNanoseconds()
    try await clock.sleep(for: 2_000_000)
    #expect(clock.monotonicNanoseconds() - start >= 2_000_000)
    let result = await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        do {
          try await clock.sleep(for: 3_600_000_000_000)
          return false
        } catch { return error is CancellationError }
      }
      group.cancelAll()
      return await group.next()
    }
    #expect(result == true)
  }

  @Test("many notifications before a wait are one, and none is lost")
  func signal() async throws {
    let signal = Signal()
    signal.notify()
    signal.notify()
    try await signal.wait()
    let total = 20000
    let handed = Shared(0)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for _ in 0..<total {
          handed.update { $0 += 1 }
          signal.notify()
        }
      }
      while handed.value < total { try await signal.wait() }
      try await group.waitForAll()
    }
  }

  @Test("a wait with a deadline ends at it, and a later wait is not cut short for good by an earlier timer")
  func waitUntil() async throws {
    let clock = ManualClock()
    let signal = Signal()
    let ends = Shared<[Int64]>([])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for deadline in [10, 50, 30] as [Int64] {
          while clock.monotonicNanoseconds() < deadline { try await signal.wait(until: deadline, clock: clock) }
          ends.update { $0.append(clock.monotonicNanoseconds()) }
        }
      }
      while clock.nextTimer != 10 { await Task.yield() }
      signal.notify()
      clock.advance(by: 10)
      while clock.nextTimer != 50 { await Task.yield() }
      clock.advance(by: 39)
      signal.notify()
      clock.advance(by: 1)
      try await group.waitForAll()
    }
    #expect(ends.value == [10, 50, 50])
    #expect(clock.nextTimer == nil)
  }

  @Test("an inbox keeps order, is bounded and wakes its owner")
  func inbox() async throws {
    let inbox = Inbox<Int>(capacity: 3)
    #expect(inbox.drain().isEmpty)
    #expect(inbox.post(1) && inbox.post(2) && inbox.post(3))
    #expect(!inbox.post(4))
    try await inbox.signal.wait()
    #expect(inbox.drain() == [1, 2, 3])
    #expect(inbox.post(5) && inbox.drain() == [5])
  }

  @Test("a seed gives the same numbers again")
  func seeded() {
    let (one, other) = (SeededRandom(seed: 7), SeededRandom(seed: 7))
    for _ in 0..<100 { #expect(one.next() == other.next()) }
    #expect(SeededRandom(seed: 1).hexadecimal(byteCount: 4).count == 8)
    let unit = SeededRandom(seed: 9).unitInterval()
    #expect(unit >= 0 && unit < 1)
  }
}
