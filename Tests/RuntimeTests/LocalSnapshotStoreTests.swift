import Checkpointing
import Columnar
import Dispatch
import Glibc
import Runtime
import TestTraits
import Testing

@Suite("Local checkpoint store", .fewAtOnce)
struct LocalSnapshotStoreTests {
  private let random = SeededRandom(seed: 1)

  private func open(_ directory: TemporaryDirectory, job: String = "orders/daily") throws -> LocalSnapshotStore {
    try LocalSnapshotStore(directory: directory.path, job: job, random: random)
  }

  private func content(_ number: UInt64) -> [UInt8] { (0..<20000).map { UInt8(truncatingIfNeeded: $0 &* Int(number)) } }

  /// Stores checkpoint `number` with two state files and, when told, a pending file.
  @discardableResult
  private func store(
    _ number: UInt64, in store: LocalSnapshotStore, pending: [String] = []
  ) throws -> Manifest {
    let checkpoint = CheckpointID(number)
    let files = try [0..<64, 64..<128].map {
      try store.storeState(content(number), operator: "sums/0", keyGroups: $0, checkpoint: checkpoint)
    }
    let commits = pending.map {
      PendingCommit(
        sink: "s", checkpoint: checkpoint, from: CheckpointID(number - 1), sources: SourcePositions(), rows: 1,
        payload: [1], files: [$0])
    }
    let manifest = Manifest(
      job: "orders/daily", owner: store.owner, checkpoint: checkpoint, createdMicroseconds: 1,
      partitions: [PartitionState(partition: PartitionID(source: "s", name: "0"), nextOffset: Int64(number))],
      operators: ["sums/0": OperatorState(files: files, watermark: nil)], pendingCommits: commits,
      stateSignature: [:], keyGroupCount: 128, parallelism: 2)
    #expect(try store.storeManifest(manifest) > 0)
    return manifest
  }

  private func manifestPath(_ store: LocalSnapshotStore, _ number: UInt64) -> String {
    "\(store.directory)/checkpoints/\(number)/manifest"
  }

  @Test("what was stored is found after a restart, newest first")
  func roundTrip() throws {
    let directory = TemporaryDirectory()
    let first = try open(directory)
    #expect(first.owner.attempt == 1 && first.highestCheckpoint == CheckpointID(0))
    #expect(RecoveryDecision.decide(try first.checkpoints()) == .fresh)
    let manifests = try (UInt64(1)...3).map { try store($0, in: first) }
    first.close()
    let second = try open(directory)
    #expect(second.owner.lineage == first.owner.lineage && second.owner.attempt > first.owner.attempt)
    #expect(second.highestCheckpoint == CheckpointID(3))
    #expect(try second.checkpoints().map(\.manifest) == [manifests[2], manifests[1], manifests[0]])
    for file in manifests[2].stateFiles { #expect(try second.loadState(file) == content(3)) }
    try second.delete(through: CheckpointID(2))
    #expect(try second.checkpoints().map(\.checkpoint) == [CheckpointID(3)])
    let empty = try second.storeState([], operator: "e", keyGroups: 0..<1, checkpoint: CheckpointID(4))
    #expect(try second.loadState(empty) == [])
    #expect(second.highestCheckpoint == CheckpointID(4))
  }

  @Test("a second process is refused and told who holds the job; another job is not")
  func lock() throws {
    let directory = TemporaryDirectory()
    let first = try open(directory)
    let error = #expect(throws: SnapshotStoreError.self) { try open(directory) }
    #expect(error?.code == .locked(holder: getpid()))
    #expect(error?.description.contains("process \(getpid())") == true)
    #expect(try open(directory, job: "other").owner.attempt == 1)
    first.close()
    #expect(try open(directory).owner.attempt > 1)
  }

  @Test("a lock that is held for a moment only is waited for")
  func shortLock() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/lock"
    let probe = try LocalFileSystem().lock(path, mode: 0o600)
    // On a thread of its own: the lock blocks this one, and other tests may need the pool's.
    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(100)) { probe.release() }
    try LocalFileSystem().lock(path, mode: 0o600).release()
  }

  @Test("two copies of a directory are two owners, however often each is opened")
  func copies() throws {
    let original = TemporaryDirectory()
    let copy = TemporaryDirectory()
    let first = try open(original)
    first.close()
    let target = copy.path + first.directory.dropFirst(original.path.count)
    try #require(mkdir(target, 0o700) == 0)
    Files.write(Files.read(first.directory + "/job.json"), to: target + "/job.json")
    var owners: Set<JobOwner> = [first.owner]
    for directory in [original, copy, original, copy] {
      let store = try open(directory)
      #expect(store.owner.lineage == first.owner.lineage)
      #expect(owners.insert(store.owner).inserted, "\(store.owner) was there before")
      store.close()
    }
  }

  @Test("a manifest that is cut off anywhere, or has any bit flipped, is rejected and the older one is used")
  func damagedManifest() throws {
    let directory = TemporaryDirectory()
    let store = try open(directory)
    let good = try self.store(1, in: store)
    try self.store(2, in: store)
    let path = manifestPath(store, 2)
    let bytes = Files.read(path)
    var damaged: [[UInt8]] = stride(from: 0, to: bytes.count, by: 13).map { Array(bytes[..<$0]) }
    for position in stride(from: 0, to: bytes.count, by: 3) {
      var copy = bytes
      copy[position] ^= UInt8(1 << (position % 8))
      damaged.append(copy)
    }
    damaged.append(bytes + [0])
    for content in damaged {
      Files.write(content, to: path)
      guard case .restore(good, let rejected) = RecoveryDecision.decide(try store.checkpoints()) else {
        Issue.record("a damaged manifest of \(content.count) bytes was not rejected")
        return
      }
      #expect(rejected.map(\.checkpoint) == [CheckpointID(2)] && rejected[0].problems.count == 1)
    }
    Files.write(bytes, to: path)
    #expect(try store.checkpoints()[0].manifest != nil)
  }

  @Test("a state file that is missing, cut off or flipped rejects its checkpoint, and says which file")
  func damagedState() throws {
    let directory = TemporaryDirectory()
    let store = try open(directory)
    let older = try self.store(1, in: store)
    let newer = try self.store(2, in: store)
    let path = "\(store.directory)/checkpoints/\(newer.stateFiles[0].file)"
    let bytes = Files.read(path)
    var flipped = bytes
    flipped[bytes.count / 2] ^= 4
    for content in [flipped, Array(bytes.dropLast()), []] {
      Files.write(content, to: path)
      guard case .restore(older, let rejected) = RecoveryDecision.decide(try store.checkpoints()) else {
        Issue.record("a damaged state file was not rejected")
        return
      }
      #expect(rejected[0].problems[0].contains(path))
      let error = #expect(throws: SnapshotStoreError.self) { try store.loadState(newer.stateFiles[0]) }
      #expect(error?.code == .corrupt)
    }
    unlink(path)
    #expect(try store.checkpoints()[0].manifest == nil)
    // The content's own checksum finds what the file's cannot: a manifest that lies about the size.
    var lying = older.stateFiles[0]
    lying.contentBytes += 1
    #expect(throws: SnapshotStoreError.self) { try store.loadState(lying) }
  }

  @Test("opening removes checkpoints without a manifest and pending files that nobody names")
  func leftovers() throws {
    let directory = TemporaryDirectory()
    let first = try open(directory)
    let (kept, keptPath) = try first.pendingFiles.create(sink: "s/x")
    let (_, strayPath) = try first.pendingFiles.create(sink: "s/x")
    Files.write([1], to: keptPath)
    Files.write([2], to: strayPath)
    try store(1, in: first, pending: [kept])
    _ = try first.storeState([1], operator: "o", keyGroups: 0..<1, checkpoint: CheckpointID(2))
    first.close()
    let second = try open(directory)
    #expect(Files.exists(keptPath) && !Files.exists(strayPath))
    #expect(!Files.exists("\(second.directory)/checkpoints/2"))
    #expect(second.highestCheckpoint == CheckpointID(2))
    let (name, _) = try second.pendingFiles.create(sink: "s/x")
    #expect(name != kept)
    #expect(try second.checkpoints()[0].manifest != nil)
    try store(3, in: second)
    try second.delete(through: CheckpointID(1))
    #expect(!Files.exists(keptPath))
  }

  @Test("a pending file that a newer checkpoint still names is kept, and a missing one rejects the checkpoint")
  func pendingFiles() throws {
    let directory = TemporaryDirectory()
    let store = try open(directory)
    let (name, path) = try store.pendingFiles.create(sink: "s")
    Files.write([1], to: path)
    try self.store(1, in: store, pending: [name])
    try self.store(2, in: store, pending: [name])
    try store.delete(through: CheckpointID(1))
    #expect(Files.exists(path))
    unlink(path)
    #expect(try store.checkpoints().allSatisfy { $0.manifest == nil && $0.problems[0].contains(path) })
  }

  @Test("between two regions the files go that no manifest names, and only those")
  func strayFiles() throws {
    let directory = TemporaryDirectory()
    let store = try open(directory)
    let (kept, keptPath) = try store.pendingFiles.create(sink: "s")
    Files.write([1], to: keptPath)
    try self.store(1, in: store, pending: [kept])
    let (_, strayPath) = try store.pendingFiles.create(sink: "s")
    Files.write([2], to: strayPath)
    try store.removeStrayFiles()
    #expect(Files.exists(keptPath) && !Files.exists(strayPath))
    // A manifest that is damaged later: what it names is known from before.
    Files.write([0], to: manifestPath(store, 1))
    try store.removeStrayFiles()
    #expect(Files.exists(keptPath))
  }

  @Test("with a damaged manifest nothing pending is thrown away")
  func keepsPendingWhenDamaged() throws {
    let directory = TemporaryDirectory()
    let first = try open(directory)
    let (name, path) = try first.pendingFiles.create(sink: "s")
    Files.write([1], to: path)
    try store(1, in: first, pending: [name])
    Files.write([0], to: manifestPath(first, 1))
    first.close()
    let second = try open(directory)
    #expect(Files.exists(path))
    guard case .impossible = RecoveryDecision.decide(try second.checkpoints()) else {
      Issue.record("expected that nothing can be restored")
      return
    }
  }

  @Test("a full disk is a typed error that names the path and what to do")
  func diskFull() throws {
    let directory = TemporaryDirectory()
    let store = try open(directory)
    // /dev/full answers every write as a full disk does.
    let manifest = try self.store(1, in: store)
    mkdir("\(store.directory)/checkpoints/2", 0o755)
    symlink("/dev/full", "\(store.directory)/checkpoints/2/manifest.tmp")
    var next = manifest
    next.checkpoint = CheckpointID(2)
    let error = #expect(throws: SnapshotStoreError.self) { try store.storeManifest(next) }
    #expect(error?.code == .full && error?.isTransient == true)
    #expect(error?.description.contains("checkpoints/2/manifest.tmp") == true)
    #expect(error?.description.contains("WEIR_CHECKPOINT_DIR") == true)
    #expect(try store.checkpoints().map(\.checkpoint) == [CheckpointID(1)])
  }

  @Test("a lost or damaged job.json beside checkpoints stops the start")
  func jobRecord() throws {
    let directory = TemporaryDirectory()
    let first = try open(directory)
    try store(1, in: first)
    first.close()
    let path = first.directory + "/job.json"
    let bytes = Files.read(path)
    Files.write(Array(bytes.dropLast(4)), to: path)
    #expect(throws: SnapshotStoreError.self) { try open(directory) }
    unlink(path)
    #expect(throws: SnapshotStoreError.self) { try open(directory) }
    Files.write(bytes, to: path)
    #expect(try open(directory).owner.attempt > 1)
  }

  @Test("the actor works on its lane")
  func actor() async throws {
    let directory = TemporaryDirectory()
    let lane = Lane(name: "io-test")
    defer { lane.stop() }
    let actor = SnapshotStoreActor(store: try open(directory), lane: lane)
    let file = try await actor.storeState(operator: "o", keyGroups: 0..<4, checkpoint: CheckpointID(1)) {
      lane.isIsolatingCurrentContext() == true ? [1, 2, 3] : []
    }
    #expect(try await actor.loadState(file) == [1, 2, 3])
  }

  @Test("the checksum is XXH64")
  func checksum() {
    #expect(Checksum.xxh64([]) == 0xEF46_DB37_51D8_E999)
    #expect(Checksum.xxh64(Array("a".utf8)) == 0xD24E_C4F1_A98C_6E5B)
    #expect(Checksum.xxh64(Array("abc".utf8)) == 0x44BC_2CF5_AD77_0999)
    let long = Array("Nobody inspects the spammish repetition".utf8)
    #expect(Checksum.xxh64(long) == 0xFBCE_A83C_8A37_8BF1)
  }
}
