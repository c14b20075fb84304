import Glibc

/// The files of the checkpoint store: what fails says so as a ``SnapshotStoreError``.
struct DurableFiles: Sendable {
  private static let directoryMode: UInt32 = 0o750
  private static let fileMode: UInt32 = 0o640

  /// Where the files are.
  let system: any FileSystem

  /// Creates a directory, durably, and those above it.
  func makeDirectory(_ path: String) throws {
    do { try translated { try system.makeDirectories(path, mode: Self.directoryMode) } } catch let error
      as SnapshotStoreError
    {
      guard (try? system.status(error.path))?.isDirectory == false else { throw error }
      throw SnapshotStoreError(
        .unusable, path: error.path, message: "expected a directory, found something else; move it away")
    }
  }

  /// Writes a file and waits until its content is on the disk.
  func write(_ bytes: [UInt8], to path: String) throws {
    try translated { try system.write(bytes, to: path, mode: Self.fileMode) }
  }

  /// Replaces a file's content atomically: a crash leaves the old content or the new.
  func replace(_ path: String, with bytes: [UInt8]) throws {
    try translated { try system.replace(path, with: bytes, mode: Self.fileMode) }
  }

  /// Makes the creation, renaming and removal of entries durable.
  func syncDirectory(_ path: String) throws { try translated { try system.synchronizeDirectory(path) } }

  /// The whole content of a file; `nil` when there is none.
  func read(_ path: String) throws -> [UInt8]? { try translated { try system.contents(of: path) } }

  /// The size of a file; `nil` when there is none.
  func size(_ path: String) throws -> Int? { try translated { try system.status(path)?.size } }

  /// The names in a directory, in order.
  func names(in path: String) throws -> [String] { try translated { try system.names(in: path) } }

  /// Removes a file; one that is not there is removed already.
  func remove(_ path: String) throws { try translated { try system.remove(path) } }

  /// Removes a directory with the files in it, `first` before all others.
  func removeDirectory(_ path: String, first: String) throws {
    try remove(path + "/" + first)
    for name in try names(in: path) { try remove(path + "/" + name) }
    try translated { try system.removeDirectory(path) }
  }

  /// Takes the lock of a file.
  /// - Throws: ``SnapshotStoreError``; `.locked` when another process holds it.
  func lock(_ path: String) throws -> any FileLock {
    do { return try system.lock(path, mode: Self.fileMode) } catch let failure as FileFailure {
      guard failure.isLocked else { throw Self.error(failure) }
      let text = (try? read(path)).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
      let holder = text.flatMap { Int32($0.filter(\.isNumber)) }
      throw SnapshotStoreError(
        .locked(holder: holder), path: path,
        message: """
          process \(holder.map(String.init) ?? "(unknown)") runs this job already; stop it, \
          or give this job another name or another WEIR_CHECKPOINT_DIR
          """)
    }
  }

  private func translated<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let failure as FileFailure { throw Self.error(failure) }
  }

  /// The error that says what could not be done, and what to do about it.
  private static func error(_ failure: FileFailure) -> SnapshotStoreError {
    let attempt = "cannot \(failure.operation): \(failure.reason)"
    if failure.isFull {
      return SnapshotStoreError(
        .full, path: failure.path,
        message: "\(attempt); free space on the disk, or set WEIR_CHECKPOINT_DIR to a larger one")
    }
    if failure.isRefused {
      return SnapshotStoreError(
        .unusable, path: failure.path,
        message: "\(attempt); let user \(geteuid()) write there, or set WEIR_CHECKPOINT_DIR")
    }
    return SnapshotStoreError(.unusable, path: failure.path, message: attempt)
  }
}
