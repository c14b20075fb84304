import Checkpointing
import Columnar
import TestSupport
import TestTraits
import Testing

@Suite("Watermark tracker", .fewAtOnce)
struct WatermarkTrackerTests {
  private func at(_ microseconds: Int64) -> Timestamp { Timestamp(microseconds: microseconds) }

  @Test("the watermark is the least of the inputs and appears when all have one")
  func minimum() {
    var tracker = WatermarkTracker(inputCount: 2, now: 1)
    #expect(tracker.advance(input: 0, to: at(10), now: 2) == nil)
    #expect(tracker.holder == 1)
    #expect(tracker.advance(input: 1, to: at(5), now: 3) == at(5))
    #expect(tracker.holder == 1 && tracker.holderSince == 3)
    #expect(tracker.advance(input: 1, to: at(20), now: 4) == at(10))
    #expect(tracker.holder == 0 && tracker.holderSince == 4)
    #expect(tracker.advance(input: 1, to: at(30), now: 9) == nil)
    #expect(tracker.holderSince == 4)
  }

  @Test("an idle input does not hold back; one that wakes up behind does not pull back")
  func idleInput() {
    var tracker = WatermarkTracker(inputCount: 2)
    _ = tracker.advance(input: 0, to: at(10))
    let change = tracker.idle(input: 1)
    #expect(change.watermark == at(10) && !change.isIdle)
    #expect(tracker.advance(input: 1, to: at(3)) == nil)
    #expect(tracker.watermark == at(10) && tracker.holder == 1)
    #expect(tracker.advance(input: 1, to: at(12)) == nil)
    #expect(tracker.advance(input: 0, to: at(15)) == at(12))
  }

  @Test("the watermark stays while all inputs are idle")
  func allIdle() {
    var tracker = WatermarkTracker(inputCount: 2)
    _ = tracker.advance(input: 0, to: at(10))
    _ = tracker.advance(input: 1, to: at(20))
    #expect(tracker.idle(input: 0).watermark == at(20))
    let change = tracker.idle(input: 1)
    #expect(change.watermark == nil && change.isIdle)
    #expect(tracker.watermark == at(20) && tracker.holder == nil)
  }

  @Test("an ended input counts no more; when all have ended the watermark stays")
  func ended() {
    var tracker = WatermarkTracker(inputCount: 2)
    _ = tracker.advance(input: 0, to: at(10))
    #expect(tracker.end(input: 1) == at(10))
    #expect(tracker.advance(input: 1, to: at(50)) == nil)
    #expect(tracker.end(input: 0) == nil)
    #expect(tracker.watermark == at(10) && tracker.isIdle)
  }

  @Test("a restored watermark does not fall")
  func restored() {
    var tracker = WatermarkTracker(inputCount: 1, watermark: at(100))
    #expect(tracker.advance(input: 0, to: at(50)) == nil)
    #expect(tracker.watermark == at(100))
    #expect(tracker.advance(input: 0, to: at(101)) == at(101))
  }

  /// Random events; after each the watermark is compared with one computed from scratch.
  @Test("random events agree with the definition", arguments: [1, 2, 3, 4, 5] as [UInt64])
  func random(seed: UInt64) {
    var generator = SeededNumbers(seed: seed)
    let count = 4
    var tracker = WatermarkTracker(inputCount: count)
    var marks = [Int64?](repeating: nil, count: count)
    var state = [String](repeating: "active", count: count)
    var expected = Int64.min
    for step in 0..<2000 {
      let input = Int(generator.next() % UInt64(count))
      switch generator.next() % 20 {
      case 0:
        _ = tracker.idle(input: input)
        if state[input] == "active" { state[input] = "idle" }
      case 1 where step > 1500:
        _ = tracker.end(input: input)
        state[input] = "ended"
      default:
        let mark = Int64(step) + Int64(generator.next() % 50)
        _ = tracker.advance(input: input, to: at(mark))
        if state[input] != "ended" {
          state[input] = "active"
          marks[input] = max(marks[input] ?? .min, mark)
        }
      }
      let active = (0..<count).filter { state[$0] == "active" }.map { marks[$0] ?? .min }
      if let least = active.min() { expected = max(expected, least) }
      #expect(tracker.watermark == at(expected), "seed \(seed), step \(step)")
    }
  }
}
