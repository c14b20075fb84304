import Glibc
import Runtime
import TestTraits
import Testing

@Suite("Local file system", .fewAtOnce)
struct LocalFileSystemTests {
  private let system = LocalFileSystem()

  @Test("files are made, replaced, linked, renamed, listed and removed")
  func files() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/a/b/c"
    try system.makeDirectories(path, mode: 0o750)
    try system.makeDirectories(path + "/", mode: 0o750)
    #expect(try system.status(path)?.isDirectory == true)
    let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
    try system.replace(path + "/two", with: content, mode: 0o640)
    try system.write([1], to: path + "/one", mode: 0o640)
    #expect(try system.names(in: path) == ["one", "two"])
    #expect(try system.status(path + "/two") == FileStatus(size: 100_000, isDirectory: false))
    #expect(try system.contents(of: path + "/two") == content)
    try system.link(path + "/two", to: path + "/three")
    #expect(throws: FileFailure("add the name '\(path)/three' to the file", path + "/two", code: EEXIST)) {
      try system.link(path + "/two", to: path + "/three")
    }
    try system.rename(path + "/one", to: path + "/two")
    #expect(try system.contents(of: path + "/two") == [1])
    #expect(try system.contents(of: path + "/three") == content)
    for name in try system.names(in: path) { try system.remove("\(path)/\(name)") }
    try system.remove(path + "/two")
    try system.removeDirectory(path)
    try system.removeDirectory(path)
    #expect(try system.status(path) == nil)
    #expect(try system.contents(of: path + "/two") == nil)
  }

  @Test("a tree is removed with everything in it, and nothing that its links point to")
  func trees() throws {
    let directory = TemporaryDirectory()
    let tree = directory.path + "/tree"
    try system.makeDirectories(tree + "/a/b", mode: 0o750)
    try system.write([1], to: tree + "/a/b/file", mode: 0o640)
    try system.makeDirectories(directory.path + "/other", mode: 0o750)
    try system.write([1], to: directory.path + "/other/kept", mode: 0o640)
    #expect(symlink(directory.path + "/other", tree + "/a/link") == 0)
    try system.removeTree(tree)
    try system.removeTree(tree)
    #expect(try system.status(tree) == nil)
    #expect(try system.contents(of: directory.path + "/other/kept") == [1])
    try system.removeTree(directory.path + "/other/kept")
    #expect(try system.names(in: directory.path + "/other") == [])
  }

  @Test("what fails says what was tried, on what, and why")
  func failures() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/file"
    try system.write([1], to: path, mode: 0o640)
    #expect(throws: FileFailure("create the directory", path, code: ENOTDIR)) {
      try system.makeDirectories(path + "/below", mode: 0o750)
    }
    #expect(throws: FileFailure("open the file", directory.path + "/none", code: ENOENT)) {
      try system.open(directory.path + "/none")
    }
    let full = #expect(throws: FileFailure.self) { try system.write([1], to: "/dev/full", mode: 0o640) }
    #expect(full?.isFull == true)
    #expect(full?.description == "cannot write the file '/dev/full': No space left on device; make room on the disk")
    #expect(throws: FileFailure.self) { try system.synchronizeDirectory(path) }
    #expect(throws: FileFailure.self) { try system.removeDirectory(directory.path) }
  }

  @Test("a lock is held by one, names its holder, and ends with its owner")
  func lock() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/lock"
    #expect(!system.isLocked(path))
    var lock: (any FileLock)? = try system.lock(path, mode: 0o640)
    #expect(try system.contents(of: path) == Array("\(getpid())\n".utf8))
    #expect(system.isLocked(path))
    let refused = #expect(throws: FileFailure.self) { try system.lock(path, mode: 0o640) }
    #expect(refused?.isLocked == true)
    lock?.release()
    #expect(!system.isLocked(path))
    lock = try system.lock(path, mode: 0o640)
    #expect(system.isLocked(path))
    lock = nil
    #expect(!system.isLocked(path))
  }
}
