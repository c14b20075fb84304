import Checkpointing

/// The directory of checkpoints, seen from outside: by whoever must know what jobs still need, without running them.
/// All calls block on files.
public enum CheckpointDirectory {
  /// The manifests of every checkpoint of every job in `directory` (`WEIR_CHECKPOINT_DIR`), whether the jobs run or not.
  ///
  /// Checkpoints that a running job replaces meanwhile may be missing; newer ones are there then.
  /// - Throws: ``SnapshotStoreError``; `.corrupt` for a manifest that cannot be read: what it needs is unknown.
  public static func manifests(
    in directory: String, fileSystem: any FileSystem = LocalFileSystem()
  ) throws -> [Manifest] {
    let files = DurableFiles(system: fileSystem)
    guard try files.size(directory) != nil else { return [] }
    var result: [Manifest] = []
    for job in try files.names(in: directory) {
      let path = "\(directory)/\(job)/checkpoints"
      guard try files.size(path) != nil else { continue }
      for number in try files.names(in: path) where UInt64(number) != nil {
        let file = "\(path)/\(number)/manifest"
        guard let bytes = try files.read(file) else { continue }
        do { result.append(try Manifest(json: try ManifestFile.decode(bytes))) } catch {
          throw SnapshotStoreError(.corrupt, path: file, message: "\(error)")
        }
      }
    }
    return result
  }

  /// The jobs that some process runs on this machine, by the names of their directories.
  ///
  /// - Throws: ``SnapshotStoreError``.
  public static func runningJobs(
    in directory: String, fileSystem: any FileSystem = LocalFileSystem()
  ) throws -> [String] {
    let files = DurableFiles(system: fileSystem)
    guard try files.size(directory) != nil else { return [] }
    return try files.names(in: directory).filter { fileSystem.isLocked("\(directory)/\($0)/lock") }
  }

  /// The files of a job's epochs that are not committed, for reading only.
  public struct PendingFiles: PendingFileStore {
    /// Where the files are.
    public let fileSystem: any FileSystem
    private let directory: String

    /// The files of `job`, whose checkpoints are below `directory`.
    public init(directory: String, job: String, fileSystem: any FileSystem = LocalFileSystem()) {
      self.fileSystem = fileSystem
      self.directory = "\(directory)/\(FileName.safe(job))/pending"
    }

    /// - Throws: always; only the job itself makes such files.
    public func create(sink: String) throws -> (name: String, path: String) {
      throw SnapshotStoreError(.unusable, path: directory, message: "only the job itself makes pending files")
    }

    /// The path of a file that a manifest names.
    public func path(_ name: String) -> String { "\(directory)/\(FileName.safe(name))" }
  }

  /// An empty directory for files of `job` that nobody needs after a crash. The caller runs the job, so that nobody else
  /// uses it.
  /// - Throws: ``SnapshotStoreError``.
  public static func scratch(
    job: String, in directory: String, fileSystem: any FileSystem = LocalFileSystem()
  ) throws -> String {
    let files = DurableFiles(system: fileSystem)
    let path = "\(directory)/\(FileName.safe(job))/scratch"
    try files.makeDirectory(path)
    for name in try files.names(in: path) { try files.remove("\(path)/\(name)") }
    return path
  }
}
