import Checkpointing
import Columnar
import Operators
import Runtime
import SQL

/// Everything that the participants of one checkpoint handed over, but for the sinks' epochs.
struct CollectedCheckpoint: Sendable {
  let checkpoint: CheckpointID
  var partitions: [PartitionID: PartitionSnapshot] = [:]
  var endedPartitions: Set<PartitionID> = []
  var windows: [Wiring.Receiver: AggregatorSnapshot] = [:]

  /// How far the sources were read.
  var positions: SourcePositions {
    var positions = SourcePositions()
    for (partition, snapshot) in partitions { positions[partition] = snapshot.nextOffset }
    return positions
  }
}

/// Encodes and stores checkpoints, one at a time, beside the dataflow: the work runs on the store's IO lane.
struct CheckpointWriter: Sendable {
  private let job: JobContext
  private let stageIDs: [String]
  private let parallelism: Int
  /// Partitions that an earlier checkpoint knew and nobody reads now; they keep what they had.
  private let missing: [PartitionState]

  init(job: JobContext, wiring: Wiring, missing: [PartitionState]) {
    self.job = job
    self.missing = missing
    stageIDs = wiring.graph.stages.map(\.id)
    parallelism = wiring.parallelism
  }

  /// Stores state and manifest of `collected`.
  ///
  /// - Parameter sealed: the epochs that the manifest adds, in the order of commits per sink, with the positions that each
  ///   covers.
  /// - Returns: the pending commits that the manifest adds, and the bytes of the checkpoint.
  /// - Throws: ``Runtime/SnapshotStoreError``.
  func write(
    _ collected: CollectedCheckpoint, sealed: [(SealedCommit, SealedEpoch, SourcePositions)]
  ) async throws -> (commits: [PendingCommit], bytes: Int) {
    var operators: [String: OperatorState] = [:]
    for (receiver, snapshot) in collected.windows {
      guard case .window(let stage, let shard) = receiver else { continue }
      let id = stageIDs[stage]
      let groups = KeyGroups(count: job.settings.keyGroups).groups(ofShard: shard, parallelism: parallelism)
      let state = try await store(snapshot, of: groups, operatorID: id, collected.checkpoint)
      let known = operators[id]
      operators[id] = OperatorState(files: (known?.files ?? []) + state.files, watermark: Self.greatest(known, state))
    }
    let commits = pendingCommits(sealed)
    let manifest = Manifest(
      job: job.name, owner: job.store.store.owner, checkpoint: collected.checkpoint,
      createdMicroseconds: job.clock.wallMicroseconds(), partitions: partitionStates(collected), operators: operators,
      pendingCommits: job.ledger.uncommitted + commits, committed: job.ledger.heldBySink,
      stateSignature: job.plan.stateSignature,
      keyGroupCount: job.settings.keyGroups, parallelism: parallelism)
    let bytes = try await job.store.storeManifest(manifest)
    return (commits, bytes)
  }

  /// Each commit starts where the one before it ends. An epoch of an abandoned checkpoint is a commit of its own: its
  /// rows are in no other.
  private func pendingCommits(_ sealed: [(SealedCommit, SealedEpoch, SourcePositions)]) -> [PendingCommit] {
    var reached: [String: CheckpointID] = [:]
    return sealed.map { commit, epoch, positions in
      defer { reached[commit.sink] = commit.checkpoint }
      return PendingCommit(
        sink: commit.sink, checkpoint: commit.checkpoint, from: reached[commit.sink] ?? job.ledger.newest(commit.sink),
        sources: positions, rows: epoch.rows, payload: epoch.payload, files: epoch.files)
    }
  }

  private func store(
    _ snapshot: AggregatorSnapshot, of keyGroups: Range<Int>, operatorID: String, _ checkpoint: CheckpointID
  ) async throws -> OperatorState {
    var files: [StateFile] = []
    if snapshot.groupCount > 0 {
      // One file holds all key groups of a shard. A restore reads every file once, whatever the parallelism, and only
      // then, and only when the shards have changed, rows are dealt: checkpoints are many, restores are few.
      files.append(
        try await job.store.storeState(operator: operatorID, keyGroups: keyGroups, checkpoint: checkpoint) {
          StateCodec.encode(snapshot.batches())
        })
    }
    return OperatorState(files: files, watermark: snapshot.watermark == .minimum ? nil : snapshot.watermark)
  }

  /// Shards that align a barrier have seen the same watermarks. Only when their inputs have ended they differ, each
  /// having fired up to its own last window: then nothing is left in any, and the greatest holds for all.
  private static func greatest(_ left: OperatorState?, _ right: OperatorState) -> Timestamp? {
    guard let one = left?.watermark, let other = right.watermark else { return left?.watermark ?? right.watermark }
    return max(one, other)
  }

  private func partitionStates(_ collected: CollectedCheckpoint) -> [PartitionState] {
    missing
      + collected.partitions.map { partition, snapshot in
        PartitionState(
          partition: partition, nextOffset: snapshot.nextOffset,
          maxEventTime: snapshot.maxEventTime == .min ? nil : Timestamp(microseconds: snapshot.maxEventTime),
          isEnded: collected.endedPartitions.contains(partition),
          records: snapshot.records, accounts: snapshot.accounts)
      }
  }
}

/// The content of a state file: batches of partial aggregates, one behind the other.
package enum StateCodec {
  /// Encodes batches of partial aggregates.
  package static func encode(_ batches: [Batch]) -> [UInt8] {
    var bytes: [UInt8] = []
    // At once: growing batch by batch would copy all that is there each time.
    bytes.reserveCapacity(batches.reduce(0) { $0 + BatchCodec.capacity(for: $1) })
    for batch in batches { BatchCodec.encode(batch, into: &bytes) }
    return bytes
  }

  /// Decodes what ``encode(_:)`` wrote.
  /// - Throws: ``Columnar/BatchCodecError`` when the bytes are not what ``encode(_:)`` wrote.
  package static func decode(_ bytes: [UInt8]) throws(BatchCodecError) -> [Batch] {
    var batches: [Batch] = []
    var position = 0
    while position < bytes.count { batches.append(try BatchCodec.decode(bytes, from: &position)) }
    return batches
  }
}
