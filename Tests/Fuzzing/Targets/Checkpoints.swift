import Actors
import Checkpointing
import Columnar
import Formats
import Foundation
import Glibc
import Operators
import Runtime
import SQL

extension FuzzTarget {
  static let checkpoints: [FuzzTarget] = [
    FuzzTarget(
      "manifest", shape: .text, weight: 4, dictionary: manifestWords, seeds: { try [manifest().json(), full().json()] },
      check: checkManifest),
    FuzzTarget("checkpoint-store", weight: 1, memory: (128 << 20, 4096), seeds: storeSeeds, check: checkStore),
    FuzzTarget(
      "batch-codec", weight: 16,
      seeds: {
        [0, 1, 3, 70].map { BatchCodec.encode(Samples.batch(rows: $0)) }
          + Samples.types.map { BatchCodec.encode(Samples.batch([$0], rows: 5)) }
      }, check: checkBatch),
    FuzzTarget("state-file", weight: 8, memory: (256 << 20, 65_536), seeds: stateSeeds, check: checkState),
    FuzzTarget("sink-payloads", weight: 16, seeds: { StoredPayload.samples }, check: checkPayload)
  ]

  // MARK: Manifests

  private static let manifestWords = [
    "\"format\":", "\"checkpoint\":{\"number\":", "\"firstKeyGroup\":", "\"keyGroupCount\":", "\"payload\":", "null",
    "[", "{",
    "\"accounts\":", "-1", "1e400"
  ]

  private static func manifest() -> Manifest {
    Manifest(
      job: "job", owner: JobOwner(lineage: "abc", attempt: 2), checkpoint: CheckpointID(3), createdMicroseconds: 17,
      partitions: [PartitionState(partition: PartitionID(source: "s", name: "0"), nextOffset: 9)], operators: [:],
      pendingCommits: [], stateSignature: ["w": "x"], keyGroupCount: 128, parallelism: 2)
  }

  private static func full() -> Manifest {
    var result = manifest()
    result.operators["w"] = OperatorState(
      files: [StateFile(file: "3/w-1.state", keyGroups: 0..<64, bytes: 10, contentBytes: 20, checksum: 7)],
      watermark: Timestamp(microseconds: 5))
    result.pendingCommits = [
      PendingCommit(
        sink: "t", checkpoint: CheckpointID(3), from: CheckpointID(2), sources: SourcePositions(["s": ["0": 9]]),
        rows: 4,
        payload: StoredPayload.samples[0], files: ["t-1.rows"])
    ]
    return result
  }

  private static func checkManifest(_ bytes: [UInt8]) throws {
    let manifest: Manifest
    do { manifest = try Manifest(json: bytes) } catch let error as ManifestError {
      try requireMessage(error)
      return
    }
    for file in manifest.stateFiles { _ = file.keyGroups.count }
    _ = manifest.sourcePositions
    for commit in manifest.pendingCommits { try checkPayload(commit.payload) }
    _ = Compatibility.check(manifest, signature: [:], keyGroupCount: 128, sources: [])
    let again = try Manifest(json: try manifest.json())
    try require(again == manifest, "a manifest that changes when it is stored again")
  }

  /// One byte for the file to damage (manifest, state or the job's record), then what it holds.
  @Sendable private static func storeSeeds() throws -> [[UInt8]] {
    try withStore { store, directory in
      let files = try storedFiles(directory)
      return files.enumerated().map { [UInt8($0.offset)] + $0.element.bytes }
    }
  }

  private static func storedFiles(_ directory: String) throws -> [(path: String, bytes: [UInt8])] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: directory).sorted()
    return try names.compactMap { name in
      let url = URL(fileURLWithPath: "\(directory)/\(name)")
      guard try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else { return nil }
      return (url.path, Array(try Data(contentsOf: url)))
    }
  }

  private static func withStore<Result>(_ body: (LocalSnapshotStore, String) throws -> Result) throws -> Result {
    let root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory()
    let directory = "\(root)/weir-fuzzing-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let store = try LocalSnapshotStore(directory: directory, job: "job", random: SystemRandom())
    let state = try store.storeState(
      StateCodec.encode([Samples.batch(rows: 3)]), operator: "w", keyGroups: 0..<64,
      checkpoint: CheckpointID(3))
    var manifest = manifest()
    manifest = Manifest(
      job: "job", owner: store.owner, checkpoint: CheckpointID(3), createdMicroseconds: 17,
      partitions: manifest.partitions,
      operators: ["w": OperatorState(files: [state])], pendingCommits: [], stateSignature: [:], keyGroupCount: 128,
      parallelism: 1)
    _ = try store.storeManifest(manifest)
    store.close()
    return try body(store, directory)
  }

  private static func checkStore(_ bytes: [UInt8]) throws {
    guard let selector = bytes.first else { return }
    try withStore { _, directory in
      let files = try storedFiles(directory)
      try Data(bytes.dropFirst()).write(to: URL(fileURLWithPath: files[Int(selector) % files.count].path))
      do {
        let reopened = try LocalSnapshotStore(directory: directory, job: "job", random: SystemRandom())
        defer { reopened.close() }
        for candidate in try reopened.checkpoints() {
          try require(candidate.manifest != nil || !candidate.problems.isEmpty, "a checkpoint refused without a reason")
          for file in candidate.manifest?.stateFiles ?? [] { _ = try StateCodec.decode(try reopened.loadState(file)) }
        }
        _ = try CheckpointDirectory.manifests(in: directory)
        try reopened.delete(through: CheckpointID(3))
      } catch let error as SnapshotStoreError {
        try require(!error.message.isEmpty && !error.path.isEmpty, "an error of the store without text or path")
      }
    }
  }

  // MARK: State

  private static func checkBatch(_ bytes: [UInt8]) throws {
    let batch: Batch
    do throws(BatchCodecError) { batch = try BatchCodec.decode(bytes) } catch {
      try requireMessage(error)
      return
    }
    try use(batch)
    let again = BatchCodec.encode(batch)
    try require(
      BatchCodec.encode(try BatchCodec.decode(again)) == again, "a batch that changes when it is stored again")
  }

  /// What is done with rows: nothing that the codec lets pass may trap.
  private static func use(_ batch: Batch) throws {
    // Rows without columns take no bytes of input: there may be thousands of millions of them.
    let written = batch.columns.isEmpty ? batch.slice(0..<min(batch.count, 100)) : batch
    var text: [UInt8] = []
    JSONRowEncoder(batch.schema).append(written, to: &text)
    let rows = (0..<Int32(min(batch.count, 100))).map { $0 }
    let some = batch.gather(rows.reversed())
    _ = Batch.concatenate([some, batch.slice(0..<min(batch.count, 5))], schema: batch.schema)
    _ = batch.memoryBytes
  }

  private static let stateAggregate: WindowedAggregate? = {
    let file =
      SQLGrammar.tables + """
        INSERT INTO averages (note, window_start, average, readings)
        SELECT note, window_start, avg(price)::double precision + sum(temperature) + max(battery),
          count(DISTINCT note) + min(serial) + count(first_value(pause)) FROM tumble(readings, ts, INTERVAL '10 seconds')
        GROUP BY note, window_start, window_end;
        """
    let simple = file.replacing("count(first_value(pause))", with: "count(*)")
    guard let job = try? SQLFile.plan(simple, fileName: "job.sql", environment: { _ in nil }) else { return nil }
    guard case .aggregate(let aggregate) = RowPipeline.leaf(of: job.statements[0].query) else { return nil }
    return aggregate
  }()

  @Sendable private static func stateSeeds() throws -> [[UInt8]] {
    guard let aggregate = stateAggregate, case .scan(_, let schema) = aggregate.input else {
      throw FuzzFailure("expected a plan with an aggregate over a table")
    }
    var windows = try WindowAggregator(aggregate)
    var partial = try PartialAggregator(aggregate)
    let columns = Samples.batch(schema.fields.map(\.type), rows: 12).columns
    _ = partial.add(
      Batch(schema: schema, columns: columns, count: 12), EvaluationContext(now: Timestamp(microseconds: 0)))
    for case let rows? in partial.takeAll(shards: 1) { _ = windows.merge(rows) }
    let batches = windows.snapshot().batches()
    try require(!batches.isEmpty, "expected groups in the state to start from")
    return [StateCodec.encode(batches), StateCodec.encode(Array(batches.prefix(1))), StateCodec.encode([])]
  }

  private static func checkState(_ bytes: [UInt8]) throws {
    guard let aggregate = stateAggregate else { return }
    let batches: [Batch]
    do { batches = try StateCodec.decode(bytes) } catch {
      try requireMessage(error)
      return
    }
    var windows = try WindowAggregator(aggregate)
    // State of another plan is refused before, by the signature in the manifest.
    for batch in batches where batch.schema == windows.partialSchema {
      windows.restore(KeyGroups().rows(of: batch, keyCount: aggregate.keys.count, in: 0..<KeyGroups.defaultCount / 2))
    }
    _ = windows.snapshot().batches()
    for result in windows.advance(to: .maximum) { try use(result) }
    _ = windows.takeFailedGroups()
  }

  private static func checkPayload(_ bytes: [UInt8]) throws {
    do { try StoredPayload.read(bytes) } catch { try requireMessage(error) }
  }
}
