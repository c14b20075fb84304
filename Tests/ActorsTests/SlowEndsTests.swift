import Actors
import Foundation
import Runtime
import TestTraits
import Testing

/// Whole jobs whose store or sources take their time.
@Suite("Engine, when its ends are slow", .fewAtOnce)
struct SlowEndsTests {
  @Test("a job whose first checkpoint does not complete is not ready, and says what it waits for")
  func firstCheckpointStalls() async throws {
    let directory = EngineTests.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let isSlow = SlowStore.Switch()
    try await withThrowingTaskGroup(of: Void.self) { group in
      let (engine, store) = try EngineTests.engine(
        [EngineTests.rows(from: 1_767_225_600_000, count: 12)], EngineTests.Targets(), directory: directory,
        parallelism: 1, faults: FaultPlan(seed: 0, faults: 0), grows: true, flags: ["WEIR_STALL_TIMEOUT": "1s"]
      ) { SlowStore($0, isSlow) }
      group.addTask { _ = try await engine.run() }
      group.addTask {
        var readiness = Readiness(isReady: true, reason: "")
        // Minutes, for a machine that is busy with all tests at once.
        for _ in 0..<15_000 where !readiness.reason.contains("its state is being stored") {
          try await SystemClock().sleep(for: 20_000_000)
          readiness = await engine.readiness()
        }
        #expect(!readiness.isReady && readiness.reason.contains("no checkpoint for"), "\(readiness.reason)")
        isSlow.turnOff()
        engine.stop()
      }
      try await group.waitForAll()
      store.close()
    }
  }

  @Test("--until-end asks a source again that cannot say yet where it ends")
  func untilEndTriesAgain() async throws {
    let records = EngineTests.records(seed: 23)
    let (expected, _) = try await EngineTests.reference(records)
    let targets = EngineTests.Targets()
    let directory = EngineTests.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let (engine, store) = try EngineTests.engine(
      records, targets, directory: directory, parallelism: 2, faults: FaultPlan(seed: 1, faults: 3))
    let summary = try await engine.run(untilEnd: true)
    store.close()
    #expect(targets.result == expected && summary.restarts == 3)
  }

  @Test("a source that takes its time over what it is told holds up no checkpoint")
  func slowReports() async throws {
    let directory = EngineTests.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let isAway = SlowStore.Switch()
    try await withThrowingTaskGroup(of: Void.self) { group in
      let (engine, store) = try EngineTests.engine(
        [EngineTests.rows(from: 1_767_225_600_000, count: 12)], EngineTests.Targets(), directory: directory,
        parallelism: 1, faults: FaultPlan(seed: 0, faults: 0), grows: true, isAway: isAway)
      group.addTask { _ = try await engine.run() }
      group.addTask {
        let deadline = SystemClock.monotonicNanoseconds() + 300_000_000_000
        var completed = 0
        while completed < 10, SystemClock.monotonicNanoseconds() < deadline {
          try await SystemClock().sleep(for: 20_000_000)
          completed = await engine.status().checkpoints.count { $0.state == .completed }
        }
        #expect(completed >= 10)
        isAway.turnOff()
        engine.stop()
      }
      try await group.waitForAll()
      store.close()
    }
  }
}
