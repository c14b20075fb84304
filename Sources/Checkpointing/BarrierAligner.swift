/// What an operator does when a barrier has arrived.
public enum AlignmentAction: Hashable, Sendable {
  /// Others are missing: take nothing more from this input until the barrier is aligned.
  case hold(Int)
  /// The barrier has come on every input: take the snapshot, send the barrier on, release all inputs.
  case aligned(CheckpointID)
  /// The barrier belongs to a checkpoint that is over: go on.
  case ignore
}

/// Aligns the barriers of an operator with several inputs.
///
/// ```
/// input 0  ──rows──▮n──(held back)────────┐
/// input 1  ──rows──rows──rows──▮n─────────┤ all have come: snapshot n, forward ▮n, release
/// ```
/// An idle input still brings barriers; an ended one counts as if it had brought every barrier.
public struct BarrierAligner: Hashable, Sendable {
  private enum Phase: Hashable, Sendable {
    /// No barrier is under way. To `.aligning` when the first input brings one.
    case flowing
    /// Some inputs have brought this barrier. To `.flowing` when the last one does, or the checkpoint is cancelled.
    case aligning(CheckpointID)
  }

  private var phase = Phase.flowing
  private var hasArrived: [Bool]
  private var hasEnded: [Bool]
  /// The newest checkpoint that was aligned, abandoned or cancelled here.
  private var newestDone = CheckpointID(0)

  /// An aligner for `inputCount` inputs, at least one.
  public init(inputCount: Int) {
    precondition(inputCount > 0, "an operator has inputs")
    hasArrived = Array(repeating: false, count: inputCount)
    hasEnded = Array(repeating: false, count: inputCount)
  }

  /// The checkpoint whose barriers are being aligned.
  public var aligning: CheckpointID? {
    if case .aligning(let checkpoint) = phase { return checkpoint }
    return nil
  }

  /// The inputs that have not brought the barrier that is being aligned.
  public var missingInputs: [Int] {
    aligning == nil ? [] : hasArrived.indices.filter { !hasArrived[$0] && !hasEnded[$0] }
  }

  /// A barrier came. A newer one than the one under way abandons that one; an older one is ignored.
  ///
  /// When the older alignment is abandoned, the inputs that it held back stay held if they wait for the newer one
  /// already; the others must go on, so the caller asks ``isHeld(_:)`` for each.
  public mutating func barrierArrived(input: Int, checkpoint: CheckpointID) -> AlignmentAction {
    precondition(!hasEnded[input], "input \(input) brought a barrier after its end")
    guard checkpoint > newestDone else { return .ignore }
    switch phase {
    case .flowing:
      phase = .aligning(checkpoint)
    case .aligning(let current):
      if checkpoint < current { return .ignore }
      if checkpoint > current { restart(with: checkpoint, abandoned: current) }
    }
    hasArrived[input] = true
    return alignedIfComplete() ?? .hold(input)
  }

  /// The input has ended: nothing is expected from it any more. Returns the checkpoint that this completes.
  public mutating func inputEnded(_ input: Int) -> CheckpointID? {
    hasEnded[input] = true
    if case .aligned(let checkpoint) = alignedIfComplete() { return checkpoint }
    return nil
  }

  /// The checkpoint was given up. Returns whether its alignment was under way: all inputs must be released then.
  public mutating func cancelled(_ checkpoint: CheckpointID) -> Bool {
    guard checkpoint > newestDone else { return false }
    switch phase {
    case .flowing:
      newestDone = checkpoint
      return false
    case .aligning(let current):
      guard current <= checkpoint else { return false }
      finish(checkpoint)
      return true
    }
  }

  /// Whether nothing may be taken from `input` now.
  public func isHeld(_ input: Int) -> Bool { aligning != nil && hasArrived[input] }

  private mutating func restart(with checkpoint: CheckpointID, abandoned: CheckpointID) {
    newestDone = abandoned
    phase = .aligning(checkpoint)
    for index in hasArrived.indices { hasArrived[index] = false }
  }

  private mutating func alignedIfComplete() -> AlignmentAction? {
    guard case .aligning(let checkpoint) = phase else { return nil }
    guard hasArrived.indices.allSatisfy({ hasArrived[$0] || hasEnded[$0] }) else { return nil }
    finish(checkpoint)
    return .aligned(checkpoint)
  }

  private mutating func finish(_ checkpoint: CheckpointID) {
    newestDone = checkpoint
    phase = .flowing
    for index in hasArrived.indices { hasArrived[index] = false }
  }
}
