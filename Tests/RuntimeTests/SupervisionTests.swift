import Logging
import Runtime
import TestTraits
import Testing

@Suite("Restart policy and supervisor", .fewAtOnce)
struct SupervisionTests {
  private struct Transient: Error {}
  private struct Fatal: Error {}
  private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func supervisor(_ clock: ManualClock, limit: Int) -> Supervisor {
    Supervisor(
      name: "region", policy: RestartPolicy(limit: limit, window: 1000, initialDelay: 10, maximumDelay: 40, jitter: 0),
      clock: clock, random: SeededRandom(seed: 1), logger: quiet
    ) { $0 is Fatal ? .fatal : .failed }
  }

  @Test("delays double up to the maximum, and start anew after a quiet time")
  func delays() {
    var policy = RestartPolicy(limit: 10, window: 1000, initialDelay: 10, maximumDelay: 45, jitter: 0.5)
    let delays = (0..<4).map { policy.failureRecorded(at: Int64($0), random: 0) }
    #expect(delays == [.restart(after: 10), .restart(after: 20), .restart(after: 40), .restart(after: 45)])
    #expect(policy.failureRecorded(at: 5, random: 0.5) == .restart(after: 45 + 11))
    #expect(policy.failureRecorded(at: 5000, random: 0) == .restart(after: 10))
  }

  @Test("one failure more than the limit within the window escalates; spread out they do not")
  func intensity() {
    var policy = RestartPolicy(limit: 2, window: 100, initialDelay: 1, maximumDelay: 1, jitter: 0)
    for time in stride(from: Int64(0), to: 10000, by: 50) {
      guard case .restart = policy.failureRecorded(at: time, random: 0) else {
        Issue.record("escalated at \(time)")
        return
      }
    }
    guard case .escalate(let reason) = policy.failureRecorded(at: 9951, random: 0) else {
      Issue.record("expected an escalation")
      return
    }
    #expect(reason.contains("3 failures") && reason.contains("2 restarts"))
    var none = RestartPolicy(limit: 0, window: 100, initialDelay: 1, maximumDelay: 1)
    guard case .escalate = none.failureRecorded(at: 0, random: 0) else {
      Issue.record("expected an escalation")
      return
    }
  }

  @Test("a long streak of failures does not overflow")
  func longStreak() {
    var policy = RestartPolicy(limit: 1000, window: .max, initialDelay: .max / 4, maximumDelay: 77, jitter: 0)
    for _ in 0..<500 { #expect(policy.failureRecorded(at: 1, random: 0) == .restart(after: 77)) }
  }

  @Test("a failed body runs again after its delay, until it returns")
  func restarts() async throws {
    let clock = ManualClock()
    let seen = Shared<[Int64]>([])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await supervisor(clock, limit: 5).run(onRestart: { _, delay in seen.update { $0.append(delay) } }) {
          restarts in
          if restarts < 3 { throw Transient() }
        }
      }
      for expected in 1...3 {
        while seen.value.count < expected || clock.nextTimer == nil { await Task.yield() }
        clock.advance(by: 40)
      }
      try await group.waitForAll()
    }
    #expect(seen.value == [10, 20, 40])
  }

  @Test("a fatal error is not tried again")
  func fatal() async {
    let runs = Shared(0)
    await #expect(throws: Fatal.self) {
      try await supervisor(ManualClock(), limit: 5).run { _ in
        runs.update { $0 += 1 }
        throw Fatal()
      }
    }
    #expect(runs.value == 1)
  }

  @Test("too many failures end it with the last one named")
  func escalates() async {
    let clock = ManualClock()
    let error = await #expect(throws: RestartLimitError.self) {
      try await supervisor(clock, limit: 0).run { _ in throw Transient() }
    }
    #expect(error?.description.contains("region gives up") == true)
    #expect(error?.last is Transient)
  }

  @Test("cancelling a supervised part ends it as cancelled, without a restart")
  func cancellation() async {
    let restarted = Shared(false)
    let started = Signal()
    let result = await withTaskGroup(of: (any Error)?.self) { group in
      group.addTask {
        do {
          try await supervisor(ManualClock(), limit: 5).run(
            onRestart: { _, _ in restarted.update { $0 = true } }
          ) { _ in
            started.notify()
            try await Signal().wait()
          }
          return nil
        } catch { return error }
      }
      try? await started.wait()
      group.cancelAll()
      return await group.next() ?? nil
    }
    #expect(result is CancellationError)
    #expect(!restarted.value)
  }
}
