import Glibc

/// A local file that is open for reading; it is closed when nobody refers to it any more.
final class ReadableFile: Sendable {
  let path: String
  private let descriptor: Int32

  init(path: String) throws(IcebergError) {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw FileFailures.error("open", path, errno) }
  }

  deinit { close(descriptor) }

  func size() throws(IcebergError) -> Int64 { try status().size }

  func status() throws(IcebergError) -> FileStatus {
    var value = stat()
    guard fstat(descriptor, &value) == 0 else { throw FileFailures.error("look at", path, errno) }
    return FileStatus(value)
  }

  /// The bytes of `range`, fewer when the file ends before.
  func read(_ range: Range<Int64>) throws(IcebergError) -> [UInt8] {
    let wanted = range.count
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
      filled = 0
      while filled < wanted {
        let count = pread(
          descriptor, buffer.baseAddress.map { $0 + filled }, wanted - filled, off_t(range.lowerBound) + off_t(filled))
        if count < 0 && errno == EINTR { continue }
        if count < 0 { failure = errno }
        if count <= 0 { break }
        filled += count
      }
    }
    if failure != 0 { throw FileFailures.error("read", path, failure) }
    return bytes
  }

  /// Makes the content durable.
  func synchronize() throws(IcebergError) {
    guard fsync(descriptor) == 0 else { throw FileFailures.error("make durable", path, errno) }
  }
}

/// What the operating system knows of a file.
struct FileStatus: Hashable, Sendable {
  var size: Int64
  var modifiedMilliseconds: Int64
  var isDirectory: Bool
  var isRegular: Bool

  init(_ value: stat) {
    size = Int64(value.st_size)
    modifiedMilliseconds = Int64(value.st_mtim.tv_sec) * 1000 + Int64(value.st_mtim.tv_nsec) / 1_000_000
    isDirectory = value.st_mode & S_IFMT == S_IFDIR
    isRegular = value.st_mode & S_IFMT == S_IFREG
  }
}

/// Failures of the operating system in words.
enum FileFailures {
  static func error(_ verb: String, _ path: String, _ code: Int32) -> IcebergError {
    let text = String(cString: strerror(code))
    switch code {
    case ENOENT, ENOTDIR: return IcebergError(.notFound, "cannot \(verb) \(path): \(text)")
    case ENOSPC, EDQUOT: return IcebergError(.io, "cannot \(verb) \(path): \(text); make room, then try again")
    case EACCES, EPERM, EROFS:
      return IcebergError(
        .io, "cannot \(verb) \(path): \(text); check owner and permissions of the file and its directories")
    case EMFILE, ENFILE:
      return IcebergError(.transient, "cannot \(verb) \(path): \(text); raise the limit of open files")
    default: return IcebergError(.io, "cannot \(verb) \(path): \(text) (errno \(code))")
    }
  }
}
