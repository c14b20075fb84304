import Glibc

/// A directory for files of one run of a command, removed with what is in it at the end.
struct ScratchDirectory {
  /// The path.
  let path: String

  /// A new directory below `TMPDIR`, or `/tmp`.
  /// - Throws: ``CommandFailure``.
  init() throws {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    // mkdtemp puts characters of its own in place of the six.
    var template = Array("\(parent)/weir-maintain-XXXXXX".utf8CString)
    guard let made = template.withUnsafeMutableBufferPointer({ $0.baseAddress.flatMap { mkdtemp($0) } }) else {
      throw CommandFailure(
        .usage, "no directory can be made in \(parent): \(String(cString: strerror(errno))); set TMPDIR to another one")
    }
    path = String(cString: made)
  }

  /// Removes it; files are only in the directory itself.
  func remove() {
    guard let directory = opendir(path) else { return }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { unlink("\(path)/\(name)") }
    }
    closedir(directory)
    rmdir(path)
  }
}
