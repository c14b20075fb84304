import Columnar

/// The number of a checkpoint; the first is 1, and each is greater than the one before.
public struct CheckpointID: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  /// The number.
  public let number: UInt64

  /// The checkpoint `number`; 0 stands for "before the first".
  public init(_ number: UInt64) { self.number = number }

  /// Orders by number.
  public static func < (left: CheckpointID, right: CheckpointID) -> Bool { left.number < right.number }

  /// The number.
  public var description: String { String(number) }
}

/// Who runs a job: its unbroken history of checkpoints, and the attempt within it. It fences what others write.
public struct JobOwner: Hashable, Sendable, Codable {
  /// Drawn at random when a job first starts with an empty checkpoint store; kept in every manifest.
  public let lineage: String
  /// Grows with each start of the job from this history, by steps that differ between copies of the history, so that no
  /// two instances are the same owner. A greater one fences a smaller.
  public let attempt: UInt64

  /// The `attempt` of `lineage`.
  public init(lineage: String, attempt: UInt64) {
    self.lineage = lineage
    self.attempt = attempt
  }
}

/// How far every partition of every source has been read: the next offset of each.
public struct SourcePositions: Hashable, Sendable, Codable {
  /// By source table, then by partition name: the offset of the next record to read.
  public var offsets: [String: [String: Int64]]

  /// Positions by source table and partition name.
  public init(_ offsets: [String: [String: Int64]] = [:]) { self.offsets = offsets }

  /// The next offset of `partition`.
  public subscript(partition: PartitionID) -> Int64? {
    get { offsets[partition.source]?[partition.name] }
    set { offsets[partition.source, default: [:]][partition.name] = newValue }
  }
}

/// What a sink has reached, kept in the same atomic act as its rows (the design's position).
public struct SinkPosition: Hashable, Sendable, Codable {
  /// Who wrote it.
  public let owner: JobOwner
  /// The last checkpoint that was committed; 0 before the first.
  public let checkpoint: CheckpointID
  /// The source positions that the sink's content covers.
  public let sources: SourcePositions

  /// A position.
  public init(owner: JobOwner, checkpoint: CheckpointID, sources: SourcePositions) {
    self.owner = owner
    self.checkpoint = checkpoint
    self.sources = sources
  }
}

/// What one sink must make visible for one checkpoint. `payload` is the sink's own; it is stored with the checkpoint.
public struct PendingCommit: Hashable, Sendable, Codable {
  /// The sink's name: the target table.
  public let sink: String
  /// The checkpoint that it belongs to.
  public let checkpoint: CheckpointID
  /// The checkpoint that the sink must have reached for this one to apply.
  public let from: CheckpointID
  /// Source positions after this commit.
  public let sources: SourcePositions
  /// How many rows it carries.
  public let rows: Int
  /// What the sink needs in order to commit: file names, or a description of a spill file under ``files``.
  public let payload: [UInt8]
  /// Names of files in the checkpoint store that the payload refers to; kept until the commit is done.
  public let files: [String]

  /// A pending commit.
  public init(
    sink: String, checkpoint: CheckpointID, from: CheckpointID, sources: SourcePositions, rows: Int, payload: [UInt8],
    files: [String]
  ) {
    self.sink = sink
    self.checkpoint = checkpoint
    self.from = from
    self.sources = sources
    self.rows = rows
    self.payload = payload
    self.files = files
  }
}

/// What a sink's stored position says about a pending commit.
public enum CommitDecision: Hashable, Sendable {
  /// The position is where the commit starts: apply it.
  case apply
  /// The position is at or beyond the commit: it was applied before, its answer was lost.
  case skip
  /// Somebody else owns the job, or history was lost: stop.
  case conflict(PositionConflict)
}

/// A sink's position is not one that this instance can go on from: another instance owns the job.
public struct PositionConflict: Error, Hashable, Sendable, CustomStringConvertible {
  /// The sink.
  public let sink: String
  /// What this instance expected to find.
  public let expected: SinkPosition?
  /// What the sink holds.
  public let found: SinkPosition?

  /// A conflict between what was expected and what was found.
  public init(sink: String, expected: SinkPosition?, found: SinkPosition?) {
    self.sink = sink
    self.expected = expected
    self.found = found
  }

  /// What was expected, what came, what to do.
  public var description: String {
    func text(_ position: SinkPosition?) -> String {
      guard let position else { return "no position" }
      return "checkpoint \(position.checkpoint) of lineage \(position.owner.lineage), attempt \(position.owner.attempt)"
    }
    return """
      sink '\(sink)' holds \(text(found)), this instance expected \(text(expected)): another instance owns the job, \
      or its checkpoint directory was lost; stop the other instance, restore the directory, or give the job another name
      """
  }
}

extension PendingCommit {
  /// What to do with this commit, given the position that the sink holds (`nil`: the sink never saw the job).
  ///
  /// - Parameters:
  ///   - stored: what was read in the same transaction, or under the same condition, that will write.
  ///   - owner: this instance.
  public func decide(stored: SinkPosition?, owner: JobOwner) -> CommitDecision {
    let expected = SinkPosition(owner: owner, checkpoint: from, sources: SourcePositions())
    guard let stored else {
      return from.number == 0
        ? .apply : .conflict(PositionConflict(sink: sink, expected: expected, found: nil))
    }
    guard stored.owner == owner else {
      return .conflict(PositionConflict(sink: sink, expected: expected, found: stored))
    }
    if stored.checkpoint >= checkpoint { return .skip }
    return stored.checkpoint == from
      ? .apply : .conflict(PositionConflict(sink: sink, expected: expected, found: stored))
  }
}

/// What a sink's stored position says about several pending commits that are to be made visible in one act.
public enum GroupCommitDecision: Hashable, Sendable {
  /// Apply these, the last ones of the group; those before them were applied earlier.
  case apply([PendingCommit])
  /// All of them were applied earlier.
  case skip
  /// Somebody else owns the job, or history was lost: stop.
  case conflict(PositionConflict)
}

extension PendingCommit {
  /// What to do with `group`, the commits of one sink in order, each starting where the one before it ends.
  public static func decide(_ group: [PendingCommit], stored: SinkPosition?, owner: JobOwner) -> GroupCommitDecision {
    for (index, commit) in group.enumerated() {
      switch commit.decide(stored: stored, owner: owner) {
      case .skip: continue
      case .conflict(let conflict): return .conflict(conflict)
      case .apply: return .apply(Array(group[index...]))
      }
    }
    return .skip
  }
}
