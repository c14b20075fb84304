import Checkpointing
import TestSupport
import TestTraits
import Testing

@Suite("Checkpoint coordinator", .fewAtOnce)
struct CoordinatorMachineTests {
  private let second: Int64 = 1_000_000_000
  private let participants: Set<String> = ["source", "window", "a", "b"]

  private func id(_ number: UInt64) -> CheckpointID { CheckpointID(number) }
  private func epoch(_ sink: String, _ number: UInt64) -> SealedCommit {
    SealedCommit(sink: sink, checkpoint: CheckpointID(number))
  }

  private func machine(maxBacklog: Int = 4, retain: Int = 2, minimumPause: Int64 = 0) -> CheckpointCoordinatorMachine {
    var machine = CheckpointCoordinatorMachine(
      policy: CheckpointPolicy(
        interval: second, minimumPause: minimumPause, timeout: 10 * second, maxBacklog: maxBacklog, retain: retain),
      sinks: ["a": id(0), "b": id(0)], now: 0)
    #expect(machine.regionStarted(participants: participants, now: 0).isEmpty)
    return machine
  }

  /// Lets every participant answer; returns what the last answer led to.
  private func acknowledgeAll(
    _ machine: inout CheckpointCoordinatorMachine, _ number: UInt64, now: Int64
  ) -> [CheckpointAction] {
    var actions: [CheckpointAction] = []
    for name in participants.sorted() { actions += machine.acknowledged(name, id(number), now: now) }
    return actions
  }

  @Test("a checkpoint goes from its time to its commits")
  func wholeCourse() {
    var machine = machine()
    #expect(machine.nextDeadline == second)
    #expect(machine.timeAdvanced(to: second - 1).isEmpty)
    #expect(machine.timeAdvanced(to: second) == [.injectBarrier(id(1), .interval)])
    #expect(machine.inFlight == id(1))
    #expect(machine.timeAdvanced(to: second + 1).isEmpty)
    #expect(machine.acknowledged("a", id(1), now: second).isEmpty)
    #expect(
      acknowledgeAll(&machine, 1, now: second) == [.storeManifest(id(1), sealed: [epoch("a", 1), epoch("b", 1)])])
    #expect(machine.nextDeadline == nil)
    #expect(machine.manifestStored(id(1), now: second + 5) == [.commit(epoch("a", 1)), .commit(epoch("b", 1))])
    #expect(machine.committed(epoch("b", 1), now: second + 6).isEmpty)
    #expect(machine.committed(epoch("a", 1), now: second + 7) == [.reportPositions(id(1))])
    #expect(machine.nextDeadline == 2 * second)
  }

  @Test("the interval is from start to start, and a pause follows a slow checkpoint")
  func startToStart() {
    var machine = machine(minimumPause: second / 2)
    #expect(machine.timeAdvanced(to: second) == [.injectBarrier(id(1), .interval)])
    _ = acknowledgeAll(&machine, 1, now: 3 * second)
    #expect(machine.manifestStored(id(1), now: 3 * second).count == 2)
    #expect(machine.nextDeadline == 3 * second + second / 2)
    #expect(machine.timeAdvanced(to: 3 * second + second / 2) == [.injectBarrier(id(2), .interval)])
  }

  @Test("a checkpoint that times out is abandoned and what a sink sealed goes into the next")
  func carriesOver() {
    var machine = machine()
    #expect(machine.timeAdvanced(to: second) == [.injectBarrier(id(1), .interval)])
    _ = machine.acknowledged("source", id(1), now: second)
    _ = machine.acknowledged("a", id(1), now: second)
    #expect(machine.timeAdvanced(to: 11 * second) == [.abandon(id(1), reason: "no answer in time from b, window")])
    #expect(machine.consecutiveFailures == 1)
    #expect(machine.timeAdvanced(to: 12 * second) == [.injectBarrier(id(2), .interval)])
    // The late answer of the other sink: its rows are in nobody else's epoch either.
    #expect(machine.acknowledged("b", id(1), now: 12 * second).isEmpty)
    #expect(
      acknowledgeAll(&machine, 2, now: 12 * second) == [
        .storeManifest(id(2), sealed: [epoch("a", 1), epoch("a", 2), epoch("b", 1), epoch("b", 2)])
      ])
    #expect(
      machine.manifestStored(id(2), now: 13 * second - 1) == [.commit(epoch("a", 1)), .commit(epoch("b", 1))])
    #expect(machine.committed(epoch("a", 1), now: 13 * second - 1) == [.commit(epoch("a", 2))])
    #expect(machine.consecutiveFailures == 0)
  }

  @Test("a manifest that could not be stored leads to another checkpoint with the same epochs")
  func manifestFailed() {
    var machine = machine()
    _ = machine.timeAdvanced(to: second)
    _ = acknowledgeAll(&machine, 1, now: second)
    #expect(machine.manifestFailed(id(1), reason: "disk full", now: second) == [.abandon(id(1), reason: "disk full")])
    #expect(machine.timeAdvanced(to: 2 * second) == [.injectBarrier(id(2), .interval)])
    let actions = acknowledgeAll(&machine, 2, now: 2 * second)
    #expect(
      actions == [.storeManifest(id(2), sealed: [epoch("a", 1), epoch("a", 2), epoch("b", 1), epoch("b", 2)])])
  }

  @Test("while no manifest can be stored the sources pause, and each attempt waits longer than the one before")
  func storeAway() {
    var machine = machine(maxBacklog: 3)
    var now = second
    for (number, delay) in zip(UInt64(1)..., [1, 2, 4, 8, 16, 30, 30] as [Int64]) {
      #expect(machine.timeAdvanced(to: now - 1).isEmpty)
      #expect(machine.timeAdvanced(to: now) == [.injectBarrier(id(number), .interval)])
      _ = acknowledgeAll(&machine, number, now: now)
      let actions = machine.manifestFailed(id(number), reason: "disk full", now: now)
      #expect(actions.contains(.pauseSources) == (number == 3), "after \(number) failures")
      now += delay * second
      #expect(machine.nextDeadline == now)
    }
    #expect(machine.isPaused && machine.backlog == 7)
    // The way out: a manifest that names all of them, then their commits.
    #expect(machine.triggered(now: now - second) == [.injectBarrier(id(8), .manual)])
    _ = acknowledgeAll(&machine, 8, now: now)
    #expect(machine.manifestStored(id(8), now: now) == [.commit(epoch("a", 1)), .commit(epoch("b", 1))])
    #expect(machine.isPaused && machine.nextDeadline == nil)
    for number in UInt64(1)...8 {
      for sink in ["a", "b"] { _ = machine.committed(epoch(sink, number), now: now) }
    }
    #expect(!machine.isPaused && machine.backlog == 0)
  }

  @Test("a final checkpoint that cannot be stored is not tried again at once")
  func finalBacksOff() {
    var machine = machine()
    #expect(machine.finalRequested(now: 0) == [.injectBarrier(id(1), .final)])
    _ = acknowledgeAll(&machine, 1, now: 0)
    _ = machine.manifestFailed(id(1), reason: "disk full", now: 0)
    #expect(machine.nextDeadline == second)
    #expect(machine.timeAdvanced(to: second - 1).isEmpty)
    #expect(machine.timeAdvanced(to: second) == [.injectBarrier(id(2), .final)])
  }

  @Test("a restarted region voids what was sealed, and answers of the old one mean nothing")
  func regionRestarts() {
    var machine = machine()
    _ = machine.timeAdvanced(to: second)
    _ = machine.acknowledged("a", id(1), now: second)
    #expect(
      machine.regionStarted(participants: participants, now: 5 * second)
        == [.abandon(id(1), reason: "the region restarts")])
    #expect(machine.acknowledged("b", id(1), now: 5 * second).isEmpty)
    #expect(machine.timeAdvanced(to: 6 * second) == [.injectBarrier(id(2), .interval)])
    #expect(
      acknowledgeAll(&machine, 2, now: 6 * second) == [.storeManifest(id(2), sealed: [epoch("a", 2), epoch("b", 2)])])
  }

  @Test("sources pause when the slowest sink's backlog is full and go on when it has room")
  func backlog() {
    var machine = machine(maxBacklog: 2)
    var now: Int64 = 0
    for number in UInt64(1)...2 {
      now += second
      #expect(machine.timeAdvanced(to: now) == [.injectBarrier(id(number), .interval)])
      _ = acknowledgeAll(&machine, number, now: now)
      let actions = machine.manifestStored(id(number), now: now)
      #expect(actions.contains(.pauseSources) == (number == 2))
      _ = machine.committed(epoch("a", number), now: now)
    }
    #expect(machine.isPaused && machine.backlog == 2)
    #expect(machine.timeAdvanced(to: now + 60 * second).isEmpty)
    #expect(machine.triggered(now: now).isEmpty)
    let actions = machine.committed(epoch("b", 1), now: now)
    #expect(
      actions == [
        .commit(epoch("b", 2)), .resumeSources, .reportPositions(id(1)), .injectBarrier(id(3), .manual)
      ])
  }

  @Test("epochs that wait for a sink's commit interval are no backlog; those beyond them are")
  func allowance() {
    var machine = CheckpointCoordinatorMachine(
      policy: CheckpointPolicy(interval: second, timeout: 10 * second, maxBacklog: 2),
      sinks: ["a": id(0), "b": id(0)], allowances: ["b": 3], now: 0)
    _ = machine.regionStarted(participants: participants, now: 0)
    for number in UInt64(1)...5 {
      #expect(!machine.isPaused)
      _ = machine.timeAdvanced(to: Int64(number) * second)
      _ = acknowledgeAll(&machine, number, now: Int64(number) * second)
      _ = machine.manifestStored(id(number), now: Int64(number) * second)
      _ = machine.committed(epoch("a", number), now: Int64(number) * second)
    }
    #expect(machine.isPaused && machine.backlog == 2)
    // One commit of the target ends all of them.
    for number in UInt64(1)...5 { _ = machine.committed(epoch("b", number), now: 6 * second) }
    #expect(!machine.isPaused && machine.committedByAll == id(5))
  }

  @Test("checkpoints are deleted when all sinks are past them, and the newest are kept")
  func deletion() {
    var machine = machine(maxBacklog: 10, retain: 2)
    var deleted: [CheckpointAction] = []
    for number in UInt64(1)...5 {
      _ = machine.timeAdvanced(to: Int64(number) * second)
      _ = acknowledgeAll(&machine, number, now: Int64(number) * second)
      var actions = machine.manifestStored(id(number), now: Int64(number) * second)
      actions += machine.committed(epoch("a", number), now: Int64(number) * second)
      deleted += actions.filter { if case .deleteCheckpoints = $0 { true } else { false } }
    }
    // Sink b has committed nothing: everything stays.
    #expect(deleted.isEmpty)
    var seen: [CheckpointAction] = []
    for number in UInt64(1)...5 { seen += machine.committed(epoch("b", number), now: 6 * second) }
    let deletions = seen.filter { if case .deleteCheckpoints = $0 { true } else { false } }
    #expect(
      deletions == [
        .deleteCheckpoints(through: id(1)), .deleteCheckpoints(through: id(2)), .deleteCheckpoints(through: id(3))
      ])
  }

  @Test("a big epoch and a request by hand start checkpoints early, one at a time")
  func earlyTriggers() {
    var machine = machine()
    #expect(machine.sinkEpochGrew(now: 10) == [.injectBarrier(id(1), .size)])
    #expect(machine.sinkEpochGrew(now: 11).isEmpty)
    #expect(machine.triggered(now: 12).isEmpty)
    _ = acknowledgeAll(&machine, 1, now: 13)
    #expect(machine.manifestStored(id(1), now: 14).last == .injectBarrier(id(2), .manual))
  }

  @Test("the final checkpoint follows the one in flight, and the job ends when it is committed")
  func finalCheckpoint() {
    var machine = machine()
    #expect(machine.triggered(now: 1) == [.injectBarrier(id(1), .manual)])
    #expect(machine.finalRequested(now: 2).isEmpty)
    _ = acknowledgeAll(&machine, 1, now: 3)
    #expect(machine.manifestStored(id(1), now: 4).last == .injectBarrier(id(2), .final))
    _ = acknowledgeAll(&machine, 2, now: 5)
    #expect(machine.manifestStored(id(2), now: 6).isEmpty)
    #expect(machine.timeAdvanced(to: 100 * second).isEmpty)
    var actions: [CheckpointAction] = []
    for number in UInt64(1)...2 {
      for sink in ["a", "b"] { actions += machine.committed(epoch(sink, number), now: 7) }
    }
    #expect(actions.last == .finished(id(2)))
    #expect(machine.timeAdvanced(to: 200 * second).isEmpty && machine.nextDeadline == nil)
  }

  @Test("pending epochs of the restored checkpoint are committed first, those that the sink holds are not")
  func restored() {
    var machine = CheckpointCoordinatorMachine(
      policy: CheckpointPolicy(interval: second, timeout: second), sinks: ["a": id(7), "b": id(8)],
      pending: [epoch("a", 7), epoch("a", 8), epoch("b", 8)], stored: [id(6), id(7), id(8)], highest: id(9), now: 0)
    #expect(machine.regionStarted(participants: participants, now: 0) == [.commit(epoch("a", 8))])
    #expect(machine.committed(epoch("a", 8), now: 1) == [.reportPositions(id(8))])
    #expect(machine.timeAdvanced(to: second) == [.injectBarrier(id(10), .interval)])
  }

  /// Random events in random order; whatever happens, each sink's epochs are committed once and in order, a commit
  /// is only dispatched when a manifest names it, and one checkpoint is in flight at a time.
  @Test("random courses keep the promises", arguments: Array(1...40) as [UInt64])
  func randomCourses(seed: UInt64) {
    var generator = SeededNumbers(seed: seed)
    var machine = machine(maxBacklog: 3)
    var now: Int64 = 0
    var stored: Set<SealedCommit> = []
    var storing: [SealedCommit] = []
    var storingID = id(0)
    var inFlight: CheckpointID?
    var highest = id(0)
    var committing: [String: SealedCommit] = [:]
    var newest: [String: CheckpointID] = [:]
    var queue: [CheckpointAction] = []
    for step in 0..<3000 {
      let place = "seed \(seed), step \(step)"
      now += Int64(generator.next() % UInt64(second))
      switch generator.next() % 12 {
      case 0...2: queue += machine.timeAdvanced(to: now)
      case 3...7:
        let name = participants.sorted()[Int(generator.next() % 4)]
        let back = generator.next() % 10 == 0 ? 1 : 0 as UInt64
        queue += machine.acknowledged(name, id(highest.number - min(back, highest.number)), now: now)
      case 8:
        if !storing.isEmpty {
          if generator.next() % 4 == 0 {
            queue += machine.manifestFailed(storingID, reason: "x", now: now)
          } else {
            stored.formUnion(storing)
            queue += machine.manifestStored(storingID, now: now)
            if inFlight == storingID { inFlight = nil }
          }
          storing = []
        }
      case 9...10:
        if let commit = committing.values.randomElement(using: &generator) {
          committing[commit.sink] = nil
          #expect(commit.checkpoint > newest[commit.sink] ?? id(0), "\(place)")
          newest[commit.sink] = commit.checkpoint
          queue += machine.committed(commit, now: now)
        }
      default:
        if generator.next() % 20 == 0 {
          storing = []
          queue += machine.regionStarted(participants: participants, now: now)
        }
      }
      for action in queue {
        switch action {
        case .injectBarrier(let checkpoint, _):
          #expect(inFlight == nil && checkpoint > highest, "\(place)")
          inFlight = checkpoint
          highest = checkpoint
        case .abandon(let checkpoint, _):
          #expect(inFlight == checkpoint, "\(place)")
          inFlight = nil
          storing = []
        case .storeManifest(let checkpoint, let sealed):
          storing = sealed
          storingID = checkpoint
        case .commit(let commit):
          #expect(stored.contains(commit), "\(place)")
          #expect(committing[commit.sink] == nil, "\(place)")
          committing[commit.sink] = commit
        case .deleteCheckpoints(let through):
          #expect(through <= newest["a"] ?? id(0) && through <= newest["b"] ?? id(0), "\(place)")
        case .pauseSources, .resumeSources, .reportPositions, .finished: break
        }
      }
      #expect(machine.backlog <= 3 + 10, "\(place)")
      queue = []
    }
    #expect(newest.count == 2, "seed \(seed): nothing was ever committed")
  }
}
