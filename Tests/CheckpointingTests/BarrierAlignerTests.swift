import Checkpointing
import TestTraits
import Testing

@Suite("Barrier aligner", .fewAtOnce)
struct BarrierAlignerTests {
  private func id(_ number: UInt64) -> CheckpointID { CheckpointID(number) }

  @Test("a single input is aligned by its own barrier")
  func singleInput() {
    var aligner = BarrierAligner(inputCount: 1)
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(1)) == .aligned(id(1)))
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(2)) == .aligned(id(2)))
  }

  @Test("inputs are held until the last brings the barrier")
  func holdsUntilLast() {
    var aligner = BarrierAligner(inputCount: 3)
    #expect(aligner.barrierArrived(input: 2, checkpoint: id(1)) == .hold(2))
    #expect(aligner.missingInputs == [0, 1])
    #expect(aligner.isHeld(2) && !aligner.isHeld(0))
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(1)) == .hold(0))
    #expect(aligner.barrierArrived(input: 1, checkpoint: id(1)) == .aligned(id(1)))
    #expect(aligner.aligning == nil && !aligner.isHeld(2))
  }

  @Test("an input that ends completes an alignment that waited for it only")
  func endCompletes() {
    var aligner = BarrierAligner(inputCount: 2)
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(4)) == .hold(0))
    #expect(aligner.inputEnded(1) == id(4))
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(5)) == .aligned(id(5)))
    #expect(aligner.inputEnded(0) == nil)
  }

  /// Every state times every event; what must come out is written beside it.
  @Test("every event has its answer in every state")
  func matrix() {
    var flowing = BarrierAligner(inputCount: 2)
    #expect(flowing.barrierArrived(input: 0, checkpoint: id(5)) == .hold(0))
    #expect(flowing.barrierArrived(input: 1, checkpoint: id(5)) == .aligned(id(5)))
    var aligning = flowing
    #expect(aligning.barrierArrived(input: 0, checkpoint: id(7)) == .hold(0))

    let barriers: [(checkpoint: UInt64, flowing: AlignmentAction, aligning: AlignmentAction)] = [
      (4, .ignore, .ignore), (5, .ignore, .ignore), (6, .hold(1), .ignore), (7, .hold(1), .aligned(id(7))),
      (8, .hold(1), .hold(1))
    ]
    for row in barriers {
      var machine = flowing
      #expect(machine.barrierArrived(input: 1, checkpoint: id(row.checkpoint)) == row.flowing, "flowing, \(row)")
      machine = aligning
      #expect(machine.barrierArrived(input: 1, checkpoint: id(row.checkpoint)) == row.aligning, "aligning, \(row)")
    }
    let cancels: [(checkpoint: UInt64, flowing: Bool, aligning: Bool)] = [
      (5, false, false), (6, false, false), (7, false, true), (8, false, true)
    ]
    for row in cancels {
      var machine = flowing
      #expect(machine.cancelled(id(row.checkpoint)) == row.flowing, "flowing, \(row)")
      machine = aligning
      #expect(machine.cancelled(id(row.checkpoint)) == row.aligning, "aligning, \(row)")
    }
    var ended = flowing
    #expect(ended.inputEnded(1) == nil)
    ended = aligning
    #expect(ended.inputEnded(1) == id(7))
    ended = aligning
    #expect(ended.inputEnded(0) == nil)
  }

  @Test("a newer barrier abandons an older alignment, whose late barriers are ignored")
  func newerAbandonsOlder() {
    var aligner = BarrierAligner(inputCount: 2)
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(1)) == .hold(0))
    #expect(aligner.barrierArrived(input: 1, checkpoint: id(2)) == .hold(1))
    #expect(!aligner.isHeld(0))
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(1)) == .ignore)
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(2)) == .aligned(id(2)))
  }

  @Test("a cancelled checkpoint's barriers are ignored")
  func cancelledIsStale() {
    var aligner = BarrierAligner(inputCount: 2)
    #expect(aligner.barrierArrived(input: 0, checkpoint: id(1)) == .hold(0))
    #expect(aligner.cancelled(id(1)) == true)
    #expect(aligner.barrierArrived(input: 1, checkpoint: id(1)) == .ignore)
    #expect(aligner.missingInputs.isEmpty)
  }
}
