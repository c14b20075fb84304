import Glibc

/// A call of the operating system on a file failed.
struct FileFailure: Error, CustomStringConvertible {
  /// What was tried.
  let operation: String
  /// On which file.
  let path: String
  /// The value of `errno`.
  let code: Int32

  /// Whether the file, or the directory above it, does not exist.
  var isMissing: Bool { code == ENOENT }

  /// What was tried, on what, and what the system said.
  var description: String {
    let hint =
      switch code {
      case ENOSPC, EDQUOT: "; make room on the disk"
      case EACCES, EPERM, EROFS: "; give this user the right to write there"
      default: ""
      }
    return "cannot \(operation) '\(path)': \(String(cString: strerror(code)))\(hint)"
  }

  /// The failure that `errno` describes.
  static func last(_ operation: String, _ path: String) -> FileFailure {
    FileFailure(operation: operation, path: path, code: errno)
  }
}

/// An open file; closed when it goes away. All calls may block.
struct FileHandle: ~Copyable {
  let descriptor: Int32
  let path: String

  /// Opens `path` with the flags of `open(2)`.
  init(_ path: String, flags: Int32, mode: mode_t = 0o644) throws(FileFailure) {
    let descriptor = open(path, flags | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw FileFailure.last("open", path) }
    self.descriptor = descriptor
    self.path = path
  }

  deinit { _ = close(descriptor) }

  /// Writes all of `bytes`.
  borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(FileFailure) {
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileFailure.last("write to", path)
      }
      written += count
    }
  }

  /// Reads up to `capacity` bytes; none at the end.
  borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileFailure) -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw FileFailure.last("read", path) }
    }
  }

  /// Waits until everything written is on the disk.
  borrowing func synchronize() throws(FileFailure) {
    guard fsync(descriptor) == 0 else { throw FileFailure.last("flush to disk", path) }
  }
}

/// Small operations on paths. All calls may block.
enum FilePath {
  /// The directory that holds `path`.
  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// `path` with the working directory before it when it is relative.
  static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let directory = getcwd(nil, 0) else { return path }
    defer { free(directory) }
    var rest = path[...]
    while rest.hasPrefix("./") { rest = rest.dropFirst(2) }
    return rest == "." ? String(cString: directory) : "\(String(cString: directory))/\(rest)"
  }

  /// Removes a file; one that is not there is no failure.
  static func remove(_ path: String) { _ = unlink(path) }

  /// Makes names that were added to or removed from `directory` durable.
  static func synchronizeDirectory(_ directory: String) throws(FileFailure) {
    try FileHandle(directory, flags: O_RDONLY | O_DIRECTORY).synchronize()
  }

  /// Creates `path` and the directories above it.
  static func createDirectories(_ path: String) throws(FileFailure) {
    if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, parent(of: path) != path else { throw FileFailure.last("create the directory", path) }
    try createDirectories(parent(of: path))
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw FileFailure.last("create the directory", path) }
  }

  /// The size of the file at `path`; `nil` when there is none.
  static func size(of path: String) throws(FileFailure) -> Int? {
    var status = stat()
    if stat(path, &status) == 0 { return Int(status.st_size) }
    guard errno == ENOENT else { throw FileFailure.last("look at", path) }
    return nil
  }

  /// The content of a small file; `nil` when there is none.
  static func contents(of path: String) throws -> [UInt8]? {
    guard let size = try size(of: path) else { return nil }
    let handle = try FileHandle(path, flags: O_RDONLY)
    var bytes = [UInt8](repeating: 0, count: size + 1)
    var length = 0
    while length < bytes.count {
      let count = try bytes.withUnsafeMutableBytes { buffer in
        try handle.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[length...]))
      }
      if count == 0 { break }
      length += count
    }
    return Array(bytes[..<length])
  }

  /// Replaces the file at `path` by `bytes`, atomically and durably.
  static func replace(_ path: String, with bytes: [UInt8]) throws {
    let temporary = path + ".tmp"
    do {
      let handle = try FileHandle(temporary, flags: O_WRONLY | O_CREAT | O_TRUNC)
      try bytes.withUnsafeBytes { try handle.write($0) }
      try handle.synchronize()
    }
    try rename(temporary, to: path)
    try synchronizeDirectory(parent(of: path))
  }

  /// Gives a file another name on the same file system; a file that has it already is replaced.
  static func rename(_ path: String, to newPath: String) throws(FileFailure) {
    guard Glibc.rename(path, newPath) == 0 else { throw FileFailure.last("rename to '\(newPath)' the file", path) }
  }
}
