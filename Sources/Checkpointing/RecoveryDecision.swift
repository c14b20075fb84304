import Columnar

/// A checkpoint as it was found in the store: usable, or not and why.
public struct CheckpointCandidate: Hashable, Sendable {
  /// The checkpoint's number.
  public let checkpoint: CheckpointID
  /// The manifest; absent when it is not valid.
  public let manifest: Manifest?
  /// What is wrong; empty when the checkpoint can be used.
  public let problems: [String]

  /// A checkpoint that can be used.
  public init(valid manifest: Manifest) {
    checkpoint = manifest.checkpoint
    self.manifest = manifest
    problems = []
  }

  /// A checkpoint that cannot be used, and why.
  public init(rejected checkpoint: CheckpointID, problems: [String]) {
    self.checkpoint = checkpoint
    manifest = nil
    self.problems = problems
  }
}

/// What a starting job restores from.
public enum RecoveryDecision: Hashable, Sendable {
  /// Nothing was ever stored: start from the beginning.
  case fresh
  /// Restore this checkpoint. `rejected` are newer ones that cannot be used: to be reported loudly.
  case restore(Manifest, rejected: [CheckpointCandidate])
  /// Checkpoints exist and none can be used: starting anew would deliver rows twice, or lose some. Stop.
  case impossible(rejected: [CheckpointCandidate])

  /// Chooses the newest checkpoint that can be used.
  public static func decide(_ candidates: [CheckpointCandidate]) -> RecoveryDecision {
    let newestFirst = candidates.sorted { $0.checkpoint > $1.checkpoint }
    guard !newestFirst.isEmpty else { return .fresh }
    for (index, candidate) in newestFirst.enumerated() {
      if let manifest = candidate.manifest { return .restore(manifest, rejected: Array(newestFirst[..<index])) }
    }
    return .impossible(rejected: newestFirst)
  }
}

/// Whether the state of a checkpoint fits the plan that is about to run.
public enum Compatibility: Hashable, Sendable {
  /// It fits.
  case compatible
  /// It does not; what changed, in words.
  case refused([String])

  /// Compares what state depends on, by operator.
  ///
  /// - Parameters:
  ///   - stored: the signature in the manifest.
  ///   - current: the signature of the plan.
  public static func check(stored: [String: String], current: [String: String]) -> Compatibility {
    var changes: [String] = []
    for name in Set(stored.keys).union(current.keys).sorted() {
      switch (stored[name], current[name]) {
      case (let before?, let now?) where before != now:
        changes.append("'\(name)' changed: the checkpoint has \(before), the statement now has \(now)")
      case (let before?, nil):
        changes.append("'\(name)' is gone: the checkpoint holds its state (\(before))")
      case (nil, let now?):
        changes.append("'\(name)' is new: the checkpoint holds no state for it (\(now))")
      default:
        break
      }
    }
    return changes.isEmpty ? .compatible : .refused(changes)
  }

  /// Compares the whole of a manifest with the plan that is about to run.
  ///
  /// - Parameters:
  ///   - manifest: the manifest.
  ///   - signature: the signature of the plan.
  ///   - keyGroupCount: into how many key groups keyed state is split now.
  ///   - sources: the plan's source tables.
  public static func check(
    _ manifest: Manifest, signature: [String: String], keyGroupCount: Int, sources: Set<String>
  ) -> Compatibility {
    var changes: [String] = []
    if case .refused(let found) = check(stored: manifest.stateSignature, current: signature) { changes = found }
    if manifest.keyGroupCount != keyGroupCount {
      changes.append(
        "the number of key groups changed: the checkpoint has \(manifest.keyGroupCount), now it is \(keyGroupCount)")
    }
    for source in Set(manifest.partitions.map(\.partition.source)).subtracting(sources).sorted() {
      changes.append("source '\(source)' is gone: its positions would be lost")
    }
    return changes.isEmpty ? .compatible : .refused(changes)
  }
}
