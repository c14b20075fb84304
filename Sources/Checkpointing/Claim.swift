import Columnar

/// What a starting instance may do with a sink, given the position that the sink holds.
public enum ClaimDecision: Hashable, Sendable {
  /// Write the new owner beside the stored checkpoint and go on: older attempts are fenced from here.
  case claim(SinkPosition)
  /// The sink belongs to another history.
  case conflict(PositionConflict)
}

extension JobOwner {
  /// Decides whether this instance may take over `sink`, whose stored position is `stored`.
  ///
  /// - Parameters:
  ///   - sink: the sink's name, for messages.
  ///   - stored: the position found, `nil` when the sink never saw the job.
  ///   - newest: the newest checkpoint that this instance restores from; 0 for a first start.
  public func claim(sink: String, stored: SinkPosition?, newest: CheckpointID) -> ClaimDecision {
    guard let stored else {
      return .claim(SinkPosition(owner: self, checkpoint: CheckpointID(0), sources: SourcePositions()))
    }
    let sameHistory = stored.owner.lineage == lineage && stored.owner.attempt <= attempt
    guard sameHistory, stored.checkpoint <= newest else {
      let expected = SinkPosition(owner: self, checkpoint: newest, sources: SourcePositions())
      return .conflict(PositionConflict(sink: sink, expected: expected, found: stored))
    }
    return .claim(SinkPosition(owner: self, checkpoint: stored.checkpoint, sources: stored.sources))
  }
}
