import SimulationKit
import TestTraits
import Testing

@Suite("The simulated world", .fewAtOnce)
struct SimulatedWorldTests {
  @Test("equal seeds draw equal numbers, branches draw their own")
  func seeds() {
    var one = SeededGenerator(seed: 7)
    var other = SeededGenerator(seed: 7)
    #expect((0..<5).map { _ in one.next() } == (0..<5).map { _ in other.next() })
    var faults = SeededGenerator(seed: 7).branch("faults")
    var schedule = SeededGenerator(seed: 7).branch("schedule")
    #expect(faults.next() != schedule.next())
  }
}
