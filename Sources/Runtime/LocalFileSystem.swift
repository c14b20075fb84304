import CPosix
import Glibc
import Synchronization

/// The operating system's files.
public struct LocalFileSystem: FileSystem {
  /// How often a lock is tried again, 10 ms apart.
  private static let lockAttempts = 100

  /// The file system that this process sees.
  public init() {}

  /// See ``FileSystem/makeDirectory(_:mode:)``.
  public func makeDirectory(_ path: String, mode: UInt32) throws {
    guard mkdir(path, mode) == 0 else { throw Self.failure("create the directory", path) }
  }

  /// See ``FileSystem/create(_:mode:)``.
  public func create(_ path: String, mode: UInt32) throws -> any OpenFile {
    try LocalFile(path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: mode, "create the file")
  }

  /// See ``FileSystem/open(_:)``.
  public func open(_ path: String) throws -> any OpenFile { try LocalFile(path, flags: O_RDONLY, "open the file") }

  /// See ``FileSystem/status(_:)``.
  public func status(_ path: String) throws -> FileStatus? {
    var status = stat()
    if stat(path, &status) == 0 {
      return FileStatus(size: Int(status.st_size), isDirectory: status.st_mode & S_IFMT == S_IFDIR)
    }
    guard errno == ENOENT || errno == ENOTDIR else { throw Self.failure("examine the file", path) }
    return nil
  }

  /// See ``FileSystem/names(in:)``.
  public func names(in directory: String) throws -> [String] {
    guard let stream = opendir(directory) else { throw Self.failure("list the directory", directory) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw Self.failure("list the directory", directory) }
        return names.sorted()
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
  }

  /// See ``FileSystem/rename(_:to:)``.
  public func rename(_ path: String, to newPath: String) throws {
    guard Glibc.rename(path, newPath) == 0 else { throw Self.failure("give the name '\(newPath)' to the file", path) }
  }

  /// See ``FileSystem/link(_:to:)``.
  public func link(_ path: String, to newPath: String) throws {
    guard Glibc.link(path, newPath) == 0 else { throw Self.failure("add the name '\(newPath)' to the file", path) }
  }

  /// See ``FileSystem/remove(_:)``.
  public func remove(_ path: String) throws {
    guard unlink(path) == 0 || errno == ENOENT else { throw Self.failure("remove the file", path) }
  }

  /// See ``FileSystem/removeDirectory(_:)``.
  public func removeDirectory(_ path: String) throws {
    guard rmdir(path) == 0 || errno == ENOENT else { throw Self.failure("remove the directory", path) }
  }

  /// See ``FileSystem/synchronizeDirectory(_:)``.
  public func synchronizeDirectory(_ directory: String) throws {
    try LocalFile(directory, flags: O_RDONLY | O_DIRECTORY, "open the directory").synchronize("flush the directory")
  }

  /// See ``FileSystem/lock(_:mode:)``.
  public func lock(_ path: String, mode: UInt32) throws -> any FileLock {
    let file = try LocalFile(path, flags: O_RDWR | O_CREAT, mode: mode, "open the lock file")
    var code = weir_lock_file(file.descriptor)
    // Who only asks whether it is locked holds it for a moment: it is refused only when it stays so for a second. Like every call
    // of a file system this one may block: it is made at a start, or on a lane for input and output.
    for _ in 0..<Self.lockAttempts where code == EWOULDBLOCK {
      usleep(10_000)
      code = weir_lock_file(file.descriptor)
    }
    guard code == 0 else { throw FileFailure("lock the file", path, code: code) }
    guard ftruncate(file.descriptor, 0) == 0 else { throw Self.failure("write the lock file", path) }
    try Array("\(getpid())\n".utf8).withUnsafeBytes { try file.write($0) }
    return LocalLock(descriptor: file.surrender())
  }

  /// See ``FileSystem/isLocked(_:)``.
  public func isLocked(_ path: String) -> Bool {
    guard let file = try? LocalFile(path, flags: O_RDWR, "open the lock file") else { return false }
    // If nobody holds the lock, it is given back at once.
    return weir_lock_file(file.descriptor) != 0
  }

  /// The failure that `errno` describes.
  fileprivate static func failure(_ operation: String, _ path: String) -> FileFailure {
    FileFailure(operation, path, code: errno)
  }
}

/// An open descriptor; -1 once it is closed.
private final class LocalFile: OpenFile {
  private(set) var descriptor: Int32
  private let path: String

  init(_ path: String, flags: Int32, mode: UInt32 = 0, _ operation: String) throws {
    self.path = path
    descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
    if descriptor < 0 { throw LocalFileSystem.failure(operation, path) }
  }

  deinit { close() }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
      if count < 0 {
        if errno == EINTR { continue }
        throw LocalFileSystem.failure("write the file", path)
      }
      written += count
    }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw LocalFileSystem.failure("read the file", path) }
    }
  }

  func synchronize() throws { try synchronize("flush the file") }

  /// What cannot be synchronised at all, as some file systems' directories, answers `EINVAL`.
  func synchronize(_ operation: String) throws {
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw LocalFileSystem.failure(operation, path) }
  }

  func close() {
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
    descriptor = -1
  }

  /// Hands the descriptor over; the caller closes it.
  func surrender() -> Int32 {
    defer { descriptor = -1 }
    return descriptor
  }
}

/// A lock that lives as long as its descriptor is open.
private final class LocalLock: FileLock {
  private let descriptor: Atomic<Int32>

  init(descriptor: Int32) { self.descriptor = Atomic(descriptor) }

  deinit { release() }

  func release() {
    let held = descriptor.exchange(-1, ordering: .relaxed)
    if held >= 0 { _ = Glibc.close(held) }
  }
}
