import CPosix
import Checkpointing
import Glibc

/// The directory of checkpoints, seen from outside: by whoever must know what jobs still need, without running them.
/// All calls block on files.
public enum CheckpointDirectory {
  /// The manifests of every checkpoint of every job in `directory` (`WEIR_CHECKPOINT_DIR`), whether the jobs run or not.
  ///
  /// Checkpoints that a running job replaces meanwhile may be missing; newer ones are there then.
  /// - Throws: ``SnapshotStoreError``; `.corrupt` for a manifest that cannot be read: what it needs is unknown.
  public static func manifests(in directory: String) throws -> [Manifest] {
    guard DurableFiles.size(directory) != nil else { return [] }
    var result: [Manifest] = []
    for job in try DurableFiles.names(in: directory) {
      let path = "\(directory)/\(job)/checkpoints"
      guard DurableFiles.size(path) != nil else { continue }
      for number in try DurableFiles.names(in: path) where UInt64(number) != nil {
        let file = "\(path)/\(number)/manifest"
        guard let bytes = try DurableFiles.read(file) else { continue }
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
  public static func runningJobs(in directory: String) throws -> [String] {
    guard DurableFiles.size(directory) != nil else { return [] }
    return try DurableFiles.names(in: directory).filter { job in
      let descriptor = open("\(directory)/\(job)/lock", O_RDWR | O_CLOEXEC)
      guard descriptor >= 0 else { return false }
      // Whoever runs the job holds the lock; if nobody does, it is given back at once.
      defer { Glibc.close(descriptor) }
      return weir_lock_file(descriptor) != 0
    }
  }

  /// The files of a job's epochs that are not committed, for reading only.
  public struct PendingFiles: PendingFileStore {
    private let directory: String

    /// The files of `job`, whose checkpoints are below `directory`.
    public init(directory: String, job: String) { self.directory = "\(directory)/\(FileName.safe(job))/pending" }

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
  public static func scratch(job: String, in directory: String) throws -> String {
    let path = "\(directory)/\(FileName.safe(job))/scratch"
    try DurableFiles.makeDirectory(path)
    for name in try DurableFiles.names(in: path) { try DurableFiles.remove("\(path)/\(name)") }
    return path
  }
}
