import Checkpointing
import Columnar
import Logging
import Operators
import Runtime
import SQL

extension Engine {
  func restore() async throws -> RestoredState {
    let candidates = try await store.checkpoints()
    switch RecoveryDecision.decide(candidates) {
    case .fresh: return RestoredState()
    case .impossible(let rejected):
      throw SnapshotStoreError(
        .corrupt, path: name,
        message: "no checkpoint can be used: \(describe(rejected)); restore the directory from a backup, or remove it "
          + "and the job's rows in its sinks to start anew")
    case .restore(let manifest, let rejected):
      if !rejected.isEmpty {
        logger.critical(
          "newer checkpoints are damaged; an older one is restored",
          metadata: ["restored": "\(manifest.checkpoint)", "damaged": "\(describe(rejected))"])
      }
      return try await load(manifest, stored: candidates.filter { $0.manifest != nil }.map(\.checkpoint).sorted())
    }
  }

  /// Removes what the writers of a former region left behind. They have ended, and those of the next do not exist yet.
  func removeStrayFiles() async {
    do {
      try await store.removeStrayFiles()
    } catch {
      logger.warning("files of a former region could not be removed", metadata: ["error": "\(error)"])
    }
  }

  private func describe(_ rejected: [CheckpointCandidate]) -> String {
    rejected.map { "\($0.checkpoint): \($0.problems.joined(separator: ", "))" }.joined(separator: "; ")
  }

  private func load(_ manifest: Manifest, stored: [CheckpointID]) async throws -> RestoredState {
    try checkCompatible(manifest)
    var restored = RestoredState(manifest: manifest, stored: stored)
    for (id, operatorState) in manifest.operators { restored.state[id] = try await load(operatorState) }
    return restored
  }

  private func load(_ state: OperatorState) async throws -> [ShardState] {
    var shards: [ShardState] = []
    for file in state.files {
      shards.append(
        ShardState(keyGroups: file.keyGroups, batches: try StateCodec.decode(await store.loadState(file))))
    }
    return shards
  }

  private func checkCompatible(_ manifest: Manifest) throws {
    let compatibility = Compatibility.check(
      manifest, signature: plan.stateSignature, keyGroupCount: settings.keyGroups,
      sources: Set(graph.sources.map(\.table.name)))
    if case .refused(let changes) = compatibility { throw IncompatibleCheckpoint(changes: changes) }
  }
}
