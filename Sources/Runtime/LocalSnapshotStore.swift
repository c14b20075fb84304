import Checkpointing
import FoundationEssentials
import Synchronization

/// Checkpoints of one job in a directory.
///
/// ```
/// <directory>/<job>/lock                          held for the life of the process; the holder's process id
///                   job.json                      lineage and attempt
///                   checkpoints/<number>/manifest written last; without it the checkpoint does not exist
///                   checkpoints/<number>/*.state  zstd frames
///                   pending/*                     files of epochs that are not committed
/// ```
public final class LocalSnapshotStore: SnapshotStore {
  private struct State {
    /// The pending files that each stored manifest names.
    var pendingFiles: [CheckpointID: Set<String>] = [:]
    var nextFile = 0
    var madeDirectories: Set<CheckpointID> = []
    var lock: (any FileLock)?
    var highest: CheckpointID
  }

  private struct JobRecord: Codable {
    var format: Int
    var job: String
    var lineage: String
    var attempt: UInt64
  }

  private static let manifestName = "manifest"

  /// The job's directory.
  public let directory: String
  /// This start of the job.
  public let owner: JobOwner
  /// Files of epochs that are not committed yet.
  public let pendingFiles: any PendingFileStore
  private let files: DurableFiles
  private let state: Mutex<State>

  /// Opens, or creates, the store of `job`: takes the lock, counts the attempt, removes what crashes left behind.
  ///
  /// - Parameters:
  ///   - directory: where the checkpoints of all jobs are (`WEIR_CHECKPOINT_DIR`).
  ///   - job: the job's name.
  ///   - random: draws the lineage of a job that starts for the first time.
  ///   - fileSystem: where the directory is.
  /// - Throws: ``SnapshotStoreError``; `.locked` when another process runs the job.
  public init(
    directory: String, job: String, random: some RandomSource, fileSystem: any FileSystem = LocalFileSystem()
  ) throws {
    let path = directory + "/" + FileName.safe(job)
    files = DurableFiles(system: fileSystem)
    try files.makeDirectory(path + "/checkpoints")
    try files.makeDirectory(path + "/pending")
    let lock = try files.lock(path + "/lock")
    do {
      let numbers = try Self.checkpointNumbers(path, files)
      owner = try Self.countAttempt(path, job: job, hasCheckpoints: !numbers.isEmpty, random: random, files)
      self.directory = path
      pendingFiles = LocalPendingFiles(
        directory: path + "/pending", attempt: owner.attempt, fileSystem: fileSystem)
      state = Mutex(State(lock: lock, highest: numbers.last ?? CheckpointID(0)))
      try removeLeftovers(numbers)
    } catch {
      lock.release()
      throw error
    }
  }

  deinit { close() }

  /// The greatest number that was found at open, or used since.
  public var highestCheckpoint: CheckpointID { state.withLock { $0.highest } }

  /// Lets another process open the store.
  public func close() {
    state.withLock { state in
      state.lock?.release()
      state.lock = nil
    }
  }

  // MARK: State

  /// Stores a part of an operator's state as a zstd frame.
  public func storeState(
    _ content: [UInt8], operator name: String, keyGroups: Range<Int>, checkpoint: CheckpointID
  ) throws -> StateFile {
    let sequence = state.withLock { state in
      state.nextFile += 1
      return state.nextFile
    }
    let folder = try makeDirectory(checkpoint)
    let file = "\(FileName.safe(name))-\(sequence).state"
    let frame: [UInt8]
    do { frame = try ZstdFrame.compress(content) } catch {
      throw SnapshotStoreError(.unusable, path: folder + "/" + file, message: "\(error)")
    }
    try files.write(frame, to: folder + "/" + file)
    return StateFile(
      file: "\(checkpoint)/\(file)", keyGroups: keyGroups, bytes: frame.count, contentBytes: content.count,
      checksum: Checksum.xxh64(frame))
  }

  /// Reads a state file; its size, its checksum and the frame's must hold.
  public func loadState(_ file: StateFile) throws -> [UInt8] {
    let path = directory + "/checkpoints/" + file.file
    let frame = try readVerified(file)
    do { return try ZstdFrame.decompress(frame, contentBytes: file.contentBytes) } catch {
      throw SnapshotStoreError(.corrupt, path: path, message: "\(error)")
    }
  }

  private func readVerified(_ file: StateFile) throws -> [UInt8] {
    let path = directory + "/checkpoints/" + file.file
    guard let frame = try files.read(path) else {
      throw SnapshotStoreError(
        .corrupt, path: path, message: "expected a state file of \(file.bytes) bytes, found none")
    }
    guard frame.count == file.bytes else {
      throw SnapshotStoreError(
        .corrupt, path: path, message: "expected a state file of \(file.bytes) bytes, found \(frame.count) bytes")
    }
    guard Checksum.xxh64(frame) == file.checksum else {
      throw SnapshotStoreError(.corrupt, path: path, message: "the state file's checksum does not hold: it was damaged")
    }
    return frame
  }

  // MARK: Manifests

  /// Stores the manifest: the checkpoint's directory, then the manifest in it, then the directory's entry for it.
  public func storeManifest(_ manifest: Manifest) throws -> Int {
    let folder = try makeDirectory(manifest.checkpoint)
    let bytes: [UInt8]
    do { bytes = ManifestFile.encode(try manifest.json()) } catch {
      throw SnapshotStoreError(.unusable, path: folder, message: "\(error)")
    }
    // The folder's own name is durable since it was made, and so is the content of state files; their names are flushed
    // here, before the manifest's name.
    try files.syncDirectory(folder)
    try files.syncDirectory(directory + "/pending")
    try files.replace(folder + "/" + Self.manifestName, with: bytes)
    state.withLock { $0.pendingFiles[manifest.checkpoint] = manifest.pendingFiles }
    return bytes.count + manifest.stateFiles.reduce(0) { $0 + $1.bytes }
  }

  /// Every checkpoint, newest first. State files are read until one checkpoint holds; of older ones only sizes count.
  public func checkpoints() throws -> [CheckpointCandidate] {
    var candidates: [CheckpointCandidate] = []
    var hasValid = false
    for checkpoint in try Self.checkpointNumbers(directory, files).reversed() {
      guard let candidate = try examine(checkpoint, readsState: !hasValid) else { continue }
      hasValid = hasValid || candidate.manifest != nil
      candidates.append(candidate)
    }
    return candidates
  }

  /// Deletes checkpoints, and the pending files that only they name.
  public func delete(through checkpoint: CheckpointID) throws {
    for number in try Self.checkpointNumbers(directory, files) where number <= checkpoint {
      try files.removeDirectory(folder(number), first: Self.manifestName)
    }
    let orphans = state.withLock { state in
      let kept = state.pendingFiles.filter { $0.key > checkpoint }
      let gone = state.pendingFiles.filter { $0.key <= checkpoint }
      state.pendingFiles = kept
      let named = kept.values.reduce(into: Set<String>()) { $0.formUnion($1) }
      return gone.values.reduce(into: Set<String>()) { $0.formUnion($1) }.subtracting(named)
    }
    for name in orphans.sorted() { try files.remove(pendingFiles.path(name)) }
  }

  /// `nil` when there is no manifest: the checkpoint never came to exist.
  private func examine(_ checkpoint: CheckpointID, readsState: Bool) throws -> CheckpointCandidate? {
    guard let bytes = try files.read(folder(checkpoint) + "/" + Self.manifestName) else { return nil }
    let manifest: Manifest
    do { manifest = try Manifest(json: try ManifestFile.decode(bytes)) } catch {
      return CheckpointCandidate(rejected: checkpoint, problems: ["\(folder(checkpoint))/manifest: \(error)"])
    }
    var problems: [String] = []
    if manifest.checkpoint != checkpoint {
      problems.append("expected the manifest of checkpoint \(checkpoint), found that of \(manifest.checkpoint)")
    }
    if manifest.owner.lineage != owner.lineage {
      problems.append("the manifest is of lineage \(manifest.owner.lineage), the job's is \(owner.lineage)")
    }
    for file in manifest.stateFiles {
      if let problem = try problem(of: file, readsState: readsState) { problems.append(problem) }
    }
    for name in manifest.pendingFiles.sorted() where try files.size(pendingFiles.path(name)) == nil {
      problems.append("the pending file \(pendingFiles.path(name)) is missing")
    }
    guard problems.isEmpty else { return CheckpointCandidate(rejected: checkpoint, problems: problems) }
    // Whoever stored it may have died, or failed, before its name was durable: what is restored must not vanish later.
    try files.syncDirectory(folder(checkpoint))
    return CheckpointCandidate(valid: manifest)
  }

  private func problem(of file: StateFile, readsState: Bool) throws -> String? {
    let path = directory + "/checkpoints/" + file.file
    if !readsState {
      let size = try files.size(path)
      return size == file.bytes
        ? nil : "\(path): expected \(file.bytes) bytes, found \(size.map(String.init) ?? "none")"
    }
    do {
      _ = try readVerified(file)
      return nil
    } catch let error as SnapshotStoreError {
      // A file that cannot be read at the moment says nothing about what is in it.
      guard error.code == .corrupt else { throw error }
      return "\(error)"
    }
  }

  // MARK: Opening

  private static func countAttempt(
    _ path: String, job: String, hasCheckpoints: Bool, random: some RandomSource, _ files: DurableFiles
  ) throws -> JobOwner {
    let file = path + "/job.json"
    var record = JobRecord(format: 1, job: job, lineage: random.hexadecimal(byteCount: 8), attempt: 0)
    if let bytes = try files.read(file) {
      do { record = try JSONDecoder().decode(JobRecord.self, from: Data(bytes)) } catch {
        throw SnapshotStoreError(
          .corrupt, path: file,
          message: "expected the job's lineage and attempt in JSON, found something else; restore the file from a copy")
      }
      guard record.format == 1, record.job == job else {
        throw SnapshotStoreError(
          .unusable, path: file,
          message: "expected job '\(job)' in format 1, found job '\(record.job)' in format \(record.format)")
      }
    } else if hasCheckpoints {
      throw SnapshotStoreError(
        .corrupt, path: file, message: "there are checkpoints but no job.json beside them; restore it from a copy")
    }
    if record.attempt > 0 {
      // A copied directory counts on from the same number: by a stride of its own, so that two copies are never equal.
      record.attempt += 1 + random.next() >> 32
    } else {
      record.attempt = 1
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    let bytes: [UInt8]
    do { bytes = Array(try encoder.encode(record)) } catch {
      throw SnapshotStoreError(.unusable, path: file, message: "\(error)")
    }
    try files.replace(file, with: bytes)
    return JobOwner(lineage: record.lineage, attempt: record.attempt)
  }

  /// Removes checkpoints that never got their manifest, and pending files that no manifest names.
  private func removeLeftovers(_ numbers: [CheckpointID]) throws {
    for number in numbers where try files.size(folder(number) + "/" + Self.manifestName) == nil {
      try files.removeDirectory(folder(number), first: Self.manifestName)
    }
    try removeStrayFiles()
  }

  /// Removes pending files that no manifest names.
  public func removeStrayFiles() throws {
    var named = state.withLock { $0.pendingFiles }
    var isReadable = true
    // Not only what this process has stored without an error: a manifest whose name was not flushed is there as well.
    for number in try Self.checkpointNumbers(directory, files) {
      guard let bytes = try files.read(folder(number) + "/" + Self.manifestName) else { continue }
      if let json = try? ManifestFile.decode(bytes), let manifest = try? Manifest(json: json) {
        named[number] = manifest.pendingFiles
      } else if named[number] == nil {
        isReadable = false
      }
    }
    let found = named
    state.withLock { $0.pendingFiles = found }
    // What a damaged manifest names is unknown: then everything stays for whoever repairs it.
    guard isReadable else { return }
    let all = found.values.reduce(into: Set<String>()) { $0.formUnion($1) }
    for name in try files.names(in: directory + "/pending") where !all.contains(name) {
      try files.remove(pendingFiles.path(name))
    }
  }

  private static func checkpointNumbers(_ path: String, _ files: DurableFiles) throws -> [CheckpointID] {
    try files.names(in: path + "/checkpoints").compactMap { UInt64($0).map { CheckpointID($0) } }.sorted()
  }

  private func makeDirectory(_ checkpoint: CheckpointID) throws -> String {
    let path = folder(checkpoint)
    let isNew = state.withLock { state in
      state.highest = max(state.highest, checkpoint)
      return state.madeDirectories.insert(checkpoint).inserted
    }
    if isNew {
      do { try files.makeDirectory(path) } catch {
        state.withLock { _ = $0.madeDirectories.remove(checkpoint) }
        throw error
      }
      state.withLock { state in state.madeDirectories = state.madeDirectories.filter { $0 >= checkpoint } }
    }
    return path
  }

  private func folder(_ checkpoint: CheckpointID) -> String { "\(directory)/checkpoints/\(checkpoint)" }
}
