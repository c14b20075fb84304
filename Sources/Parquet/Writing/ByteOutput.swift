#if canImport(Glibc)
  import Glibc
#endif

/// Where a Parquet file goes, byte after byte.
///
/// An output is used by one writer, from one task at a time.
public protocol ByteOutput: AnyObject {
  /// Takes `bytes`, which follow those of the calls before; they are valid only during the call.
  ///
  /// - Throws: ``ParquetError`` of kind `io` when they could not be taken; the file is then unusable.
  func write(_ bytes: UnsafeRawBufferPointer) throws(ParquetError)

  /// Makes the file durable; no call follows.
  ///
  /// - Throws: ``ParquetError`` of kind `io` when it may not be whole.
  func close() throws(ParquetError)

  /// Gives the file up, and removes what can be removed; no call follows.
  func abandon()
}

/// A file in a local file system.
public final class FileOutput: ByteOutput {
  /// The file's path.
  public let path: String
  private var descriptor: Int32

  /// Creates the file at `path`, whose directory exists.
  ///
  /// - Parameters:
  ///   - path: Where the file will be.
  ///   - replacing: Whether a file that is there is emptied; otherwise it is an error.
  /// - Throws: ``ParquetError`` of kind `io`.
  public init(path: String, replacing: Bool = false) throws(ParquetError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (replacing ? O_TRUNC : O_EXCL), 0o644)
    if descriptor < 0 { throw Self.failure("create", path) }
  }

  deinit {
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
  }

  private static func failure(_ action: String, _ path: String) -> ParquetError {
    ParquetError(.io, "cannot \(action) \(path): \(String(cString: strerror(errno)))")
  }

  /// Writes `bytes` at the end of the file.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(ParquetError) {
    guard descriptor >= 0 else { throw ParquetError(.io, "cannot write to \(path): it was closed") }
    var rest = bytes
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw Self.failure("write to", path)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
    }
  }

  /// Forces the file to the disk (`fsync`) and closes it.
  public func close() throws(ParquetError) {
    guard descriptor >= 0 else { return }
    let synced = fsync(descriptor)
    let reason = errno
    let closed = Glibc.close(descriptor)
    descriptor = -1
    if synced != 0 { errno = reason }
    if synced != 0 || closed != 0 { throw Self.failure("make durable", path) }
  }

  /// Closes the file and removes it.
  public func abandon() {
    guard descriptor >= 0 else { return }
    _ = Glibc.close(descriptor)
    descriptor = -1
    _ = unlink(path)
  }
}

/// A file in memory.
public final class MemoryOutput: ByteOutput {
  /// What was written.
  public private(set) var bytes: [UInt8] = []

  /// An empty file.
  public init() {}

  /// Adds `bytes`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(ParquetError) { self.bytes.append(contentsOf: bytes) }

  /// Does nothing: memory is as durable as it will be.
  public func close() throws(ParquetError) {}

  /// Forgets what was written.
  public func abandon() { bytes = [] }
}
