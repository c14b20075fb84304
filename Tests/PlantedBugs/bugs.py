"""The bugs that `plant.py` builds into a copy of the sources, one at a time switched on, for the simulator to find.

Each is a mistake that somebody could make: what it is, the file, the text that stands there, and what replaces it. In the
replacement `BUG` stands for "this bug is switched on". A text that is no longer found once stops the build of the copy:
then the code has changed, and the bug is to be written anew.
"""

from typing import NamedTuple


class Edit(NamedTuple):
    file: str
    find: str
    replace: str


class Bug(NamedTuple):
    name: str
    what: str
    edits: list[Edit]


def bug(name: str, what: str, *edits: tuple[str, str, str]) -> Bug:
    return Bug(name, what, [Edit(*edit) for edit in edits])


BUGS = [
    bug(
        "commit-before-manifest",
        "sinks commit an epoch before the manifest that names it is durable",
        (
            "Actors/CheckpointWriter.swift",
            "    let bytes = try await job.store.storeManifest(manifest)\n",
            """    if BUG {
      job.ledger.add(commits)
      for signal in job.committerSignals.values { signal.notify() }
      try await job.clock.sleep(for: 3_000_000)
    }
    let bytes = try await job.store.storeManifest(manifest)
""",
        ),
    ),
    bug(
        "position-outside-transaction",
        "PostgreSQL rows are committed before the position is written",
        (
            "Sinks/Postgres/PostgresCommitter.swift",
            "    let outcome = try epoch.finish()\n",
            """    let outcome = try epoch.finish()
    if BUG {
      try commitTransaction(session)
      try session.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    }
""",
        ),
    ),
    bug(
        "aligner-forwards-early",
        "the first barrier completes an alignment",
        (
            "Checkpointing/BarrierAligner.swift",
            "    guard hasArrived.indices.allSatisfy({ hasArrived[$0] || hasEnded[$0] }) else { return nil }\n",
            "    guard BUG || hasArrived.indices.allSatisfy({ hasArrived[$0] || hasEnded[$0] }) else { return nil }\n",
        ),
    ),
    bug(
        "input-not-held",
        "what follows a barrier is processed before the barriers of other inputs have come",
        (
            "Runtime/InputGateMachine.swift",
            "  package mutating func held(input: Int) { inputs[input].isHeld = true }",
            "  package mutating func held(input: Int) { inputs[input].isHeld = !BUG }",
        ),
    ),
    bug(
        "watermark-maximum",
        "an operator's watermark is the greatest of its inputs'",
        (
            "Checkpointing/WatermarkTracker.swift",
            "      if marks[input] < marks[other] { least = input }",
            "      if BUG ? marks[input] > marks[other] : marks[input] < marks[other] { least = input }",
        ),
    ),
    bug(
        "torn-manifest",
        "a damaged manifest is passed over as if it had never been there",
        (
            "Actors/Engine+Restore.swift",
            "    let candidates = try await store.checkpoints()\n    switch",
            "    let candidates = try await store.checkpoints().filter { !BUG || $0.manifest != nil }\n    switch",
        ),
        (
            "Checkpointing/Claim.swift",
            "    guard sameHistory, stored.checkpoint <= newest else {",
            "    guard sameHistory, BUG || stored.checkpoint <= newest else {",
        ),
        (
            "Actors/Engine+Start.swift",
            "    guard let (name, held) = ahead.first(where: { $0.1 > restored.checkpoint }) else { return }\n",
            "    guard !BUG, let (name, held) = ahead.first(where: { $0.1 > restored.checkpoint }) else { return }\n",
        ),
    ),
    bug(
        "no-read-back",
        "a commit whose answer was lost is applied again without looking at the position",
        (
            "Checkpointing/Positions.swift",
            "    if stored.checkpoint >= checkpoint { return .skip }",
            "    if stored.checkpoint >= checkpoint { return BUG ? .apply : .skip }",
        ),
    ),
    bug(
        "marker-of-current-snapshot",
        "the position is taken from the table's current snapshot alone, which may be a stranger's",
        (
            "Sinks/Iceberg/IcebergPosition.swift",
            """    guard let position = try? JSONDecoder().decode(SinkPosition.self, from: Data(text.utf8)) else {
""",
            """    let current = metadata.snapshots.first { $0.snapshotID == metadata.currentSnapshotID }
    if BUG, let current, current.summary["weir.sink"] != sink { return nil }
    guard let position = try? JSONDecoder().decode(SinkPosition.self, from: Data(text.utf8)) else {
""",
        ),
    ),
    bug(
        "expiry-removes-marker",
        "whoever expires snapshots removes the position",
        (
            "Iceberg/Table/ExpireSnapshots.swift",
            "    let metadata = table.metadata\n",
            """    let metadata = table.metadata
    let markers = metadata.properties.keys.filter { $0.hasPrefix("weir.position") }.sorted()
    if BUG, !markers.isEmpty {
      return PlannedChange(requirements: [.tableUUID(metadata.tableUUID)], updates: [.removeProperties(markers)])
    }
""",
        ),
    ),
    bug(
        "key-group-dealt-twice",
        "the first key group of a shard is restored by its neighbour as well",
        (
            "Actors/JobContext.swift",
            "    (state[stage] ?? []).filter { $0.keyGroups.overlaps(wanted) }.flatMap { shard in\n",
            """    let wanted = BUG && wanted.upperBound < keyGroups.count ? wanted.lowerBound..<wanted.upperBound + 1 : wanted
    return (state[stage] ?? []).filter { $0.keyGroups.overlaps(wanted) }.flatMap { shard in
""",
        ),
    ),
    bug(
        "shards-changed-unnoticed",
        "a shard restores all that a shard of another parallelism wrote, where both own some key groups",
        (
            "Actors/JobContext.swift",
            "      let isWhole = wanted.contains(shard.keyGroups)\n",
            "      let isWhole = BUG || wanted.contains(shard.keyGroups)\n",
        ),
    ),
    bug(
        "late-row-twice",
        "a late row is sent to its output twice",
        (
            "Actors/PartitionActor.swift",
            "    try await keep(kept, isLate: true)\n",
            "    try await keep(kept, isLate: true)\n    if BUG { try await keep(kept, isLate: true) }\n",
        ),
    ),
    bug(
        "offset-before-rows",
        "a checkpoint's offset counts rows that still wait in the decoder",
        (
            "Actors/PartitionActor.swift",
            """    try await processWaiting()
    for index in branches.indices { try await flushPartials(index, upTo: nil) }
    try coordinator.send(.partitionAcknowledged""",
            """    if !BUG { try await processWaiting() }
    for index in branches.indices { try await flushPartials(index, upTo: nil) }
    try coordinator.send(.partitionAcknowledged""",
        ),
    ),
    bug(
        "partials-after-barrier",
        "a partition keeps its partial aggregates over a barrier",
        (
            "Actors/PartitionActor.swift",
            """    for index in branches.indices { try await flushPartials(index, upTo: nil) }
    try coordinator.send(.partitionAcknowledged""",
            """    for index in branches.indices where !BUG { try await flushPartials(index, upTo: nil) }
    try coordinator.send(.partitionAcknowledged""",
        ),
    ),
    bug(
        "abandoned-epoch-dropped",
        "the rows that a sink sealed for an abandoned checkpoint are forgotten",
        (
            "Checkpointing/CheckpointCoordinatorMachine.swift",
            "      if trigger == .manual { wanted = .manual }\n",
            """      if trigger == .manual { wanted = .manual }
      if BUG { for name in sinks.keys { sinks[name]?.sealed = [] } }
""",
        ),
    ),
    bug(
        "abandoned-epoch-ahead",
        "the epoch of an abandoned checkpoint is committed with the positions of the newer one",
        (
            "Actors/Coordinator.swift",
            "(commit, $0, barriers[commit.checkpoint] ?? reached)",
            "(commit, $0, BUG ? reached : barriers[commit.checkpoint] ?? reached)",
        ),
    ),
    bug(
        "pending-commit-forgotten",
        "commits that a restored checkpoint names are not made",
        (
            "Actors/Engine.swift",
            "    context.ledger.add(restored.manifest?.pendingCommits ?? [])",
            "    if !BUG { context.ledger.add(restored.manifest?.pendingCommits ?? []) }",
        ),
    ),
    bug(
        "window-state-not-restored",
        "open windows are lost in a restart",
        (
            "Actors/WindowActor.swift",
            "    for batch in configuration.restored { aggregator.restore(batch) }",
            "    for batch in configuration.restored where !BUG { aggregator.restore(batch) }",
        ),
    ),
    bug(
        "partition-watermark-forgotten",
        "a restored partition does not know which rows are late",
        (
            "Actors/PartitionActor.swift",
            "    if let restored {\n      decoder.maxEventTime",
            "    if let restored, !BUG {\n      decoder.maxEventTime",
        ),
    ),
    bug(
        "restored-watermark-silent",
        "a restored partition's watermark counts only when its next record comes",
        (
            "Actors/PartitionActor.swift",
            "    try await forwardWatermark(Timestamp(microseconds: decoder.watermark))\n    while",
            "    if !BUG { try await forwardWatermark(Timestamp(microseconds: decoder.watermark)) }\n    while",
        ),
    ),
    bug(
        "manifest-renamed-before-durable",
        "files are renamed to their final names before their content is durable",
        (
            "Runtime/FileSystem.swift",
            """    try bytes.withUnsafeBytes { try file.write($0) }
    try file.synchronize()
  }
""",
            """    try bytes.withUnsafeBytes { try file.write($0) }
    if !BUG { try file.synchronize() }
  }
""",
        ),
    ),
    bug(
        "rename-not-durable",
        "a renamed file's directory is not synchronised",
        (
            "Runtime/FileSystem.swift",
            "    try rename(temporary, to: path)\n    try synchronizeDirectory(of: path)",
            "    try rename(temporary, to: path)\n    if !BUG { try synchronizeDirectory(of: path) }",
        ),
    ),
    bug(
        "lost-wake-up",
        "a producer that waits for room is not woken",
        (
            "Runtime/InputGateMachine.swift",
            "    guard inputs[input].count <= slots / 2, inputs[input].rows <= rowLimit / 2 else { return nil }",
            "    guard !BUG || inputs[input].count == slots - 1, inputs[input].count <= slots / 2,\n"
            "      inputs[input].rows <= rowLimit / 2\n    else { return nil }",
        ),
    ),
    bug(
        "orphans-by-local-clock",
        "the age of orphans is taken from this machine's clock, which may be ahead",
        (
            "Iceberg/Maintenance/OrphanRemoval.swift",
            "    guard graceMilliseconds > 0, !isDryRun else { return ours }",
            "    guard graceMilliseconds > 0, !isDryRun, !BUG else { return ours }",
        ),
    ),
    bug(
        "dead-letter-lost",
        "records that cannot be read vanish when a batch has more than one of them",
        (
            "Actors/PartitionActor.swift",
            "    guard !rejected.isEmpty else { return }\n    board.update",
            "    guard !rejected.isEmpty, !(BUG && rejected.count > 1) else { return }\n    board.update",
        ),
    ),
    bug(
        "row-on-the-border",
        "a row whose window ends just at the watermark counts as in time",
        (
            "Operators/Aggregation/WindowSplitter.swift",
            "    if assignment.end(last) <= watermark {",
            "    if BUG ? assignment.end(last) < watermark : assignment.end(last) <= watermark {",
        ),
    ),
    bug(
        "newest-commit-first",
        "a sink's newest pending commit is applied before the older ones",
        (
            "Actors/CommitLedger.swift",
            "    entries.withLock { $0[sink].map { Array($0.pending.prefix(limit)) } ?? [] }",
            "    entries.withLock { $0[sink].map { Array(BUG ? $0.pending.suffix(limit) : $0.pending.prefix(limit)) } ?? [] }",
        ),
    ),
    bug(
        "job-ends-uncommitted",
        "a job that is asked to stop does not wait for its sinks",
        (
            "Checkpointing/CheckpointCoordinatorMachine.swift",
            "    if let finalCheckpoint, sinks.values.allSatisfy({ $0.pending.isEmpty }) {",
            "    if let finalCheckpoint, BUG || sinks.values.allSatisfy({ $0.pending.isEmpty }) {",
        ),
    ),
    bug(
        "drain-forgets-rows",
        "a job that is asked to stop leaves out the rows that wait in its decoders",
        (
            "Actors/PartitionActor.swift",
            "      isDraining = true\n      try await processWaiting()",
            "      isDraining = true\n      if BUG { _ = decoder.finish() } else { try await processWaiting() }",
        ),
    ),
]
