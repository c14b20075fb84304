import Glibc

/// A file that is being written under a temporary name; closed when nobody refers to it any more.
final class TemporaryFile: Sendable {
  let path: String
  let descriptor: Int32

  init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  func status() throws(IcebergError) -> FileStatus {
    var value = stat()
    guard fstat(descriptor, &value) == 0 else { throw FileFailures.error("look at", path, errno) }
    return FileStatus(value)
  }
}

/// Steps of writing local files so that they are whole and durable, or not there.
enum LocalFiles {
  /// What is at `path`; `nil` when nothing is.
  static func status(_ path: String) throws(IcebergError) -> FileStatus? {
    var value = stat()
    if stat(path, &value) == 0 { return FileStatus(value) }
    if errno == ENOENT || errno == ENOTDIR { return nil }
    throw FileFailures.error("look at", path, errno)
  }

  static func directory(of path: String) -> String {
    let bytes = Array(path.utf8)
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")), slash > 0 else { return "/" }
    return String(decoding: bytes[..<slash], as: UTF8.self)
  }

  /// A new, empty file in the directory of `path`, which is made when missing.
  static func makeTemporary(for path: String) throws(IcebergError) -> TemporaryFile {
    let directory = directory(of: path)
    var hasMadeDirectory = false
    for _ in 0..<100 {
      let name = temporaryName(in: directory)
      let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return TemporaryFile(path: name, descriptor: descriptor) }
      if errno == EEXIST || errno == EINTR { continue }
      guard errno == ENOENT, !hasMadeDirectory else { throw writingError(name, errno) }
      try makeDirectory(directory)
      hasMadeDirectory = true
    }
    throw IcebergError(.io, "no free temporary name in \(directory)")
  }

  private static func temporaryName(in directory: String) -> String {
    let number = String(UInt64.random(in: .min ... .max), radix: 16)
    return "\(directory == "/" ? "" : directory)/.iceberg-\(number).tmp"
  }

  /// Whether a file of this name is one that a write had not finished.
  static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".iceberg-") && name.hasSuffix(".tmp") }

  /// Makes a directory and those above it, durably.
  static func makeDirectory(_ path: String) throws(IcebergError) {
    if mkdir(path, 0o777) == 0 { return try synchronizeDirectory(directory(of: path)) }
    switch errno {
    case EEXIST:
      guard try status(path)?.isDirectory == true else { throw writingError(path, ENOTDIR) }
    case ENOENT where path != "/":
      try makeDirectory(directory(of: path))
      guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw writingError(path, errno) }
      try synchronizeDirectory(directory(of: path))
    default: throw writingError(path, errno)
    }
  }

  /// Writes the bytes and makes them durable.
  static func fill(_ file: TemporaryFile, _ bytes: [UInt8]) throws(IcebergError) {
    try append(file, bytes)
    guard fsync(file.descriptor) == 0 else { throw writingError(file.path, errno) }
  }

  private static func append(_ file: TemporaryFile, _ bytes: [UInt8]) throws(IcebergError) {
    var failure: Int32 = 0
    bytes.withUnsafeBytes { buffer in
      var rest = buffer[...]
      while !rest.isEmpty {
        let count = Glibc.write(file.descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 {
          failure = count < 0 ? errno : EIO
          return
        }
        rest = rest.dropFirst(count)
      }
    }
    if failure != 0 { throw writingError(file.path, failure) }
  }

  /// Gives a complete temporary file its name, durably. With `ifAbsent`, only when the name is free; then the temporary
  /// name is gone, too.
  static func publish(_ temporary: String, as path: String, ifAbsent: Bool) throws(IcebergError) {
    if ifAbsent {
      try linkIfAbsent(temporary, path)
      unlink(temporary)
    } else if rename(temporary, path) != 0 {
      throw writingError(path, errno)
    }
    try synchronizeDirectory(directory(of: path))
  }

  private static func linkIfAbsent(_ temporary: String, _ path: String) throws(IcebergError) {
    if link(temporary, path) == 0 { return }
    let code = errno
    // A network file system may have linked, and lost the answer: then there are two names.
    var value = stat()
    if stat(temporary, &value) == 0 && value.st_nlink == 2 { return }
    switch code {
    case EEXIST: throw IcebergError(.alreadyExists, "\(path) exists already")
    case EPERM, EOPNOTSUPP, ENOSYS:
      throw IcebergError(
        .unsupported,
        "\(path): the file system cannot give a file a second name (link), by which only one of several writers can win"
      )
    default: throw writingError(path, code)
    }
  }

  /// A temporary name, in the directory of `path`, of a file or of a durable copy.
  static func linkOrCopy(_ file: ReadableFile, size: Int64, for path: String) throws(IcebergError) -> String {
    let directory = directory(of: path)
    try makeDirectory(directory)
    for _ in 0..<100 {
      let name = temporaryName(in: directory)
      if link(file.path, name) == 0 { return name }
      if errno != EEXIST { break }
    }
    let copy = try makeTemporary(for: path)
    do throws(IcebergError) {
      var offset: Int64 = 0
      while offset < size {
        let bytes = try file.read(offset..<min(offset + (1 << 20), size))
        guard !bytes.isEmpty else { throw IcebergError(.io, "\(file.path) was cut while it was being copied") }
        try append(copy, bytes)
        offset += Int64(bytes.count)
      }
      guard fsync(copy.descriptor) == 0 else { throw writingError(copy.path, errno) }
    } catch {
      unlink(copy.path)
      throw error
    }
    return copy.path
  }

  static func synchronizeDirectory(_ path: String) throws(IcebergError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw writingError(path, errno) }
    defer { close(descriptor) }
    // Some file systems keep directories durable by themselves and refuse the call.
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw writingError(path, errno) }
  }

  /// A missing directory is no missing object when something is being written.
  private static func writingError(_ path: String, _ code: Int32) -> IcebergError {
    let error = FileFailures.error("write", path, code)
    return error.kind == .notFound ? IcebergError(.io, error.message) : error
  }
}
