import Glibc

/// Files and directories, as checkpoints, pending files and the file sink need them: enough to make what was written
/// survive a loss of power, and no more.
///
/// Paths and errors are POSIX's. Content is durable once ``OpenFile/synchronize()`` has returned; the creation, renaming
/// and removal of a name once ``synchronizeDirectory(_:)`` of its directory has. Until then each may be lost or kept,
/// whatever was done before or after it. All calls may block: on IO lanes only. They throw ``FileFailure``.
public protocol FileSystem: Sendable {
  /// Creates one directory, whose parent exists.
  /// - Parameter mode: its permission bits, less the process' mask.
  func makeDirectory(_ path: String, mode: UInt32) throws

  /// Creates an empty file, or empties the one that is there, and opens it for writing.
  /// - Parameter mode: its permission bits, less the process' mask.
  func create(_ path: String, mode: UInt32) throws -> any OpenFile

  /// Opens a file for reading, from its beginning.
  func open(_ path: String) throws -> any OpenFile

  /// What is at `path`; `nil` when nothing is.
  func status(_ path: String) throws -> FileStatus?

  /// The names in a directory, in order.
  func names(in directory: String) throws -> [String]

  /// Gives a file another name in the same file system, in one step; a file that has it already is replaced.
  func rename(_ path: String, to newPath: String) throws

  /// Gives a file a second name in the same file system, which nothing has yet.
  func link(_ path: String, to newPath: String) throws

  /// Removes a name; one that is not there is removed already.
  func remove(_ path: String) throws

  /// Removes an empty directory; one that is not there is removed already.
  func removeDirectory(_ path: String) throws

  /// Makes the creation, renaming and removal of names in `directory` durable.
  func synchronizeDirectory(_ directory: String) throws

  /// Takes the exclusive lock of a file, which is created when it is missing, without waiting.
  ///
  /// The file's content becomes the holder's process id in digits. The lock ends with the process at the latest.
  /// - Throws: ``FileFailure``, with ``FileFailure/isLocked`` when another holds the lock.
  func lock(_ path: String, mode: UInt32) throws -> any FileLock

  /// Whether somebody holds the lock of a file; nobody does when there is no such file.
  func isLocked(_ path: String) -> Bool
}

/// A file that is open for writing or for reading. Used by one task at a time; closed at the latest when it goes away.
public protocol OpenFile: AnyObject {
  /// Writes all of `bytes` after what was written before. After a failure any part of them may have been written.
  func write(_ bytes: UnsafeRawBufferPointer) throws

  /// Reads the bytes that follow, up to the size of `buffer`.
  /// - Returns: how many; 0 at the end of the file only.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int

  /// Waits until everything written is durable.
  func synchronize() throws

  /// Lets go of the file; nothing may be done with it afterwards. What was not synchronised may still be lost.
  func close()
}

/// An exclusive lock; released at the latest when it goes away.
public protocol FileLock: Sendable {
  /// Lets another take the lock.
  func release()
}

/// What is at a path.
public struct FileStatus: Hashable, Sendable {
  /// The size in bytes.
  public var size: Int
  /// Whether it is a directory.
  public var isDirectory: Bool

  /// A file's or a directory's status.
  public init(size: Int, isDirectory: Bool) {
    self.size = size
    self.isDirectory = isDirectory
  }
}

/// A call of the operating system on a file failed.
public struct FileFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was tried, as in "cannot …".
  public let operation: String
  /// On which file or directory.
  public let path: String
  /// The value of `errno`.
  public let code: Int32

  /// The failure of `operation` on `path`.
  public init(_ operation: String, _ path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  /// Whether the file, or the directory above it, does not exist.
  public var isMissing: Bool { code == ENOENT }
  /// Whether there is no room left.
  public var isFull: Bool { code == ENOSPC || code == EDQUOT }
  /// Whether this user may not do it.
  public var isRefused: Bool { code == EACCES || code == EPERM || code == EROFS }
  /// Whether another holds the lock.
  public var isLocked: Bool { code == EWOULDBLOCK }

  /// What the system said.
  public var reason: String { String(cString: strerror(code)) }

  /// What was tried, on what, and what the system said.
  public var description: String {
    let hint =
      isFull ? "; make room on the disk" : isRefused ? "; give this user the right to do so there" : ""
    return "cannot \(operation) '\(path)': \(reason)\(hint)"
  }
}

extension FileSystem {
  /// The whole content of a file; `nil` when there is none.
  public func contents(of path: String) throws -> [UInt8]? {
    let file: any OpenFile
    do { file = try open(path) } catch let failure as FileFailure {
      if failure.isMissing { return nil }
      throw failure
    }
    defer { file.close() }
    // One byte more than its size shows that the file has ended, unless it grew meanwhile.
    var bytes = [UInt8](repeating: 0, count: (try status(path)?.size ?? 0) + 1)
    var length = 0
    while true {
      let count = try bytes.withUnsafeMutableBytes { buffer in
        try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[length...]))
      }
      length += count
      if count == 0 { break }
      if length == bytes.count { bytes += [UInt8](repeating: 0, count: length) }
    }
    bytes.removeSubrange(length...)
    return bytes
  }

  /// Writes a file whose content is durable when this returns; its name is not yet.
  public func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws {
    let file = try create(path, mode: mode)
    defer { file.close() }
    try bytes.withUnsafeBytes { try file.write($0) }
    try file.synchronize()
  }

  /// Replaces a file's content, durably and in one step: a crash leaves the old content or the new.
  public func replace(_ path: String, with bytes: [UInt8], mode: UInt32) throws {
    let temporary = path + ".tmp"
    try write(bytes, to: temporary, mode: mode)
    try rename(temporary, to: path)
    try synchronizeDirectory(of: path)
  }

  /// Removes a file, or a directory with everything in it; symbolic links are removed, not followed. What is not there is
  /// removed already.
  public func removeTree(_ path: String) throws {
    do { return try remove(path) } catch let failure as FileFailure {
      guard failure.code == EISDIR else { throw failure }
    }
    for name in try names(in: path) { try removeTree("\(path)/\(name)") }
    try removeDirectory(path)
  }

  /// Makes the name of a file or directory durable.
  public func synchronizeDirectory(of path: String) throws { try synchronizeDirectory(Self.parent(of: path)) }

  /// Creates a directory, durably, and those above it that are missing.
  ///
  /// Each name is made durable before anything is created below it. So of those that are there already only the last
  /// can be one whose creator died before its name was durable.
  /// - Throws: ``FileFailure`` with `ENOTDIR` when something else has the name.
  public func makeDirectories(_ path: String, mode: UInt32) throws {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    if let status = try status(trimmed) {
      guard status.isDirectory else { throw FileFailure("create the directory", trimmed, code: ENOTDIR) }
      do { try synchronizeDirectory(of: trimmed) } catch let failure as FileFailure {
        // Whoever may not read it has not made anything in it.
        guard failure.isRefused else { throw failure }
      }
      return
    }
    let parent = Self.parent(of: trimmed)
    if parent != trimmed { try makeDirectories(parent, mode: mode) }
    do { try makeDirectory(trimmed, mode: mode) } catch let failure as FileFailure {
      // Another process was faster.
      guard failure.code == EEXIST, try status(trimmed)?.isDirectory == true else { throw failure }
    }
    try synchronizeDirectory(parent)
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
