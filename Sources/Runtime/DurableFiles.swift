import Glibc

/// Blocking file operations whose effect survives a loss of power once they return.
enum DurableFiles {
  /// Creates a directory and those above it.
  static func makeDirectory(_ path: String) throws {
    var partial = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
      partial += partial.isEmpty || partial == "/" ? component : "/" + component
      if mkdir(partial, 0o750) != 0, errno != EEXIST { throw failure(errno, partial, "create the directory") }
    }
    guard isDirectory(path) else {
      throw SnapshotStoreError(
        .unusable, path: path, message: "expected a directory, found something else; move it away")
    }
  }

  /// Writes a file and waits until it is on the disk.
  static func write(_ bytes: [UInt8], to path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw failure(errno, path, "create the file") }
    defer { Glibc.close(descriptor) }
    try bytes.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
    if fsync(descriptor) != 0, errno != EINVAL { throw failure(errno, path, "flush the file") }
  }

  /// Replaces a file's content atomically: a crash leaves the old content or the new.
  static func replace(_ path: String, with bytes: [UInt8]) throws {
    let temporary = path + ".tmp"
    try write(bytes, to: temporary)
    guard rename(temporary, path) == 0 else { throw failure(errno, path, "rename '\(temporary)'") }
    try syncDirectory(parent(of: path))
  }

  /// Makes the creation, renaming and removal of entries durable.
  static func syncDirectory(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno, path, "open the directory") }
    defer { Glibc.close(descriptor) }
    if fsync(descriptor) != 0, errno != EINVAL { throw failure(errno, path, "flush the directory") }
  }

  /// The whole content of a file; `nil` when there is none.
  static func read(_ path: String) throws -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw failure(errno, path, "open the file")
    }
    defer { Glibc.close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(errno, path, "examine the file") }
    let size = max(0, Int(status.st_size))
    var failed: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = 0
      while count < size {
        let got = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
        if got < 0, errno == EINTR { continue }
        if got < 0 { failed = errno }
        if got <= 0 { return }
        count += got
      }
    }
    guard failed == 0 else { throw failure(failed, path, "read the file") }
    return bytes
  }

  /// The size of a file; `nil` when there is none.
  static func size(_ path: String) -> Int? {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : nil
  }

  /// The names in a directory, in order, without `.` and `..`.
  static func names(in path: String) throws -> [String] {
    guard let directory = opendir(path) else { throw failure(errno, path, "list the directory") }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Removes a file; one that is not there is removed already.
  static func remove(_ path: String) throws {
    if unlink(path) != 0, errno != ENOENT { throw failure(errno, path, "remove the file") }
  }

  /// Removes a directory with the files in it, `first` before all others.
  static func removeDirectory(_ path: String, first: String) throws {
    try remove(path + "/" + first)
    for name in try names(in: path) { try remove(path + "/" + name) }
    if rmdir(path) != 0, errno != ENOENT { throw failure(errno, path, "remove the directory") }
  }

  /// The error that says what could not be done with `path`, and what to do about it.
  static func failure(_ code: Int32, _ path: String, _ attempt: String) -> SnapshotStoreError {
    let reason = String(cString: strerror(code))
    switch code {
    case ENOSPC, EDQUOT:
      return SnapshotStoreError(
        .full, path: path,
        message: "cannot \(attempt): \(reason); free space on the disk, or set WEIR_CHECKPOINT_DIR to a larger one")
    case EACCES, EPERM, EROFS:
      return SnapshotStoreError(
        .unusable, path: path,
        message: "cannot \(attempt): \(reason); let user \(geteuid()) write there, or set WEIR_CHECKPOINT_DIR")
    default:
      return SnapshotStoreError(.unusable, path: path, message: "cannot \(attempt): \(reason)")
    }
  }

  private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw failure(errno, path, "write the file") }
      written += count
    }
  }

  private static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
