import SimulationKit
import TestTraits
import Testing

@Suite("Checkpoint store, spilled epochs and file sink on a disk that fails", .fewAtOnce)
struct DiskJobTests {
  /// Runs a job to its end; says with which seed it went wrong.
  private func run(_ job: DiskJob, checkpoints: Int, crashes: [Int], _ note: String) async -> Bool {
    do {
      try await job.run(checkpoints: checkpoints, crashes: crashes)
      job.world.isCalm = true
      try await job.run(checkpoints: 2)
      if !job.hasRefused { try job.checkOutput() }
      return true
    } catch {
      Issue.record("\(note): \(error)")
      return false
    }
  }

  @Test("a crash at every single operation, and a second one soon after, leaves the former checkpoint or the new one")
  func everyStep() async throws {
    let whole = DiskJob(seed: 0)
    try await whole.run(checkpoints: 2)
    #expect(whole.steps > 150)
    for step in 1...whole.steps {
      for seed in UInt64(0)..<4 {
        let second = 1 + (step &* 7 &+ Int(seed) &* 31) % 60
        let job = DiskJob(seed: seed, faults: seed % 2 == 0 ? [.tornWrite: 100] : [:])
        let note = "seed \(seed), crashes after \(step) and \(second) operations"
        guard await run(job, checkpoints: 2, crashes: [step, second], note) else { return }
      }
    }
  }

  @Test("a checkpoint that was restored from stays, though whoever stored it died before its name was safe")
  func restoredStays() async throws {
    let whole = DiskJob(seed: 0)
    try await whole.run(checkpoints: 2)
    for step in 1...whole.steps {
      for seed in UInt64(0)..<3 {
        let job = DiskJob(seed: seed, epochs: [3])
        job.disk.diesAlone = 1
        job.losesPowerAfterRestore = true
        guard await run(job, checkpoints: 2, crashes: [step], "seed \(seed), crash after \(step) operations") else {
          return
        }
      }
    }
  }

  @Test("crashes, full disks and failing calls, at random: nothing is lost, nothing comes twice")
  func chaos() async {
    for seed in UInt64(0)..<300 {
      var random = SeededGenerator(seed: seed).branch("crashes")
      let crashes = (0..<6).map { _ in Int.random(in: 1...260, using: &random) }
      let job = DiskJob(seed: seed, faults: [.tornWrite: 1, .diskFull: 0.5, .diskError: 0.5, .slow: 1])
      guard await run(job, checkpoints: 4, crashes: crashes, "seed \(seed), crashes \(crashes)") else { return }
    }
  }

  @Test("a disk that lies or rots is noticed: no state is restored that was not stored")
  func dishonest() async {
    var refusals = 0
    for seed in UInt64(0)..<200 {
      var random = SeededGenerator(seed: seed).branch("crashes")
      let crashes = (0..<6).map { _ in Int.random(in: 1...260, using: &random) }
      let job = DiskJob(seed: seed, faults: [.tornWrite: 1, seed % 2 == 0 ? .lostSync : .bitRot: 3])
      do { try await job.run(checkpoints: 4, crashes: crashes) } catch {
        Issue.record("seed \(seed), crashes \(crashes): \(error)")
        return
      }
      refusals += job.hasRefused ? 1 : 0
    }
    #expect(refusals > 0 && refusals < 200)
  }
}
