import Glibc
import Runtime

/// A simulated disk as one process sees it. Each call is a place where the process may die, before it and after it.
struct DiskView: FileSystem {
  let disk: SimulatedDisk
  let process: SimulatedProcess

  func makeDirectory(_ path: String, mode: UInt32) throws {
    let operation = "create the directory"
    try call(operation, path) {
      let (directory, name) = try disk.place(path, operation)
      guard directory.entries[name] == nil else { throw FileFailure(operation, path, code: EEXIST) }
      try needSpace(operation, path)
      disk.apply(DiskDirectory.Change([(name, .directory(DiskDirectory()))]), to: directory)
    }
  }

  func create(_ path: String, mode: UInt32) throws -> any OpenFile {
    let operation = "create the file"
    return try call(operation, path) {
      DiskHandle(try makeFile(path, operation, isEmptied: true), path, in: self)
    }
  }

  func open(_ path: String) throws -> any OpenFile {
    let operation = "open the file"
    return try call(operation, path) {
      let file = try file(path, operation)
      // A data file that changes before its upload is not noticed; see docs/guarantees.md.
      let isNoticed = !path.hasSuffix(".parquet")
      if isNoticed, disk.world.strikes(.bitRot, path) { file.flipBit(&disk.world.random) }
      return DiskHandle(file, path, in: self)
    }
  }

  func status(_ path: String) throws -> FileStatus? {
    try call("examine the file", path) {
      switch disk.node(path) {
      case .file(let file): FileStatus(size: file.content.count, isDirectory: false)
      case .directory: FileStatus(size: DiskFile.pageBytes, isDirectory: true)
      case nil: nil
      }
    }
  }

  func names(in directory: String) throws -> [String] {
    let operation = "list the directory"
    return try call(operation, directory) { try node(directory, operation).names }
  }

  func rename(_ path: String, to newPath: String) throws {
    let operation = "give the name '\(newPath)' to the file"
    try call(operation, path) {
      let file = try file(path, operation)
      let (source, name) = try disk.place(path, operation)
      let (target, newName) = try disk.place(newPath, operation)
      switch target.entries[newName] {
      case .directory: throw FileFailure(operation, path, code: EISDIR)
      case .file(let replaced) where replaced === file: return
      default: break
      }
      if source === target {
        return disk.apply(DiskDirectory.Change([(name, nil), (newName, .file(file))]), to: target)
      }
      let arrival = DiskDirectory.Change([(newName, .file(file))])
      disk.apply(arrival, to: target)
      disk.apply(DiskDirectory.Change([(name, nil)], after: arrival), to: source)
    }
  }

  func link(_ path: String, to newPath: String) throws {
    let operation = "add the name '\(newPath)' to the file"
    try call(operation, path) {
      let file = try file(path, operation)
      let (target, name) = try disk.place(newPath, operation)
      guard target.entries[name] == nil else { throw FileFailure(operation, path, code: EEXIST) }
      try needSpace(operation, path)
      disk.apply(DiskDirectory.Change([(name, .file(file))]), to: target)
    }
  }

  func remove(_ path: String) throws {
    let operation = "remove the file"
    try call(operation, path) {
      switch disk.node(path) {
      case .directory: throw FileFailure(operation, path, code: EISDIR)
      case .file: try removeName(path, operation)
      case nil: break
      }
    }
  }

  func removeDirectory(_ path: String) throws {
    let operation = "remove the directory"
    try call(operation, path) {
      guard disk.node(path) != nil else { return }
      guard try node(path, operation).entries.isEmpty else { throw FileFailure(operation, path, code: ENOTEMPTY) }
      try removeName(path, operation)
    }
  }

  func synchronizeDirectory(_ directory: String) throws {
    let operation = "flush the directory"
    try call(operation, directory) {
      disk.synchronize(try node(directory, operation), directory)
      disk.world.blockLane(process, directory)
    }
  }

  func lock(_ path: String, mode: UInt32) throws -> any FileLock {
    let operation = "lock the file"
    return try call(operation, path) {
      let file = try makeFile(path, operation, isEmptied: false)
      guard file.lock?.isHeld != true else { throw FileFailure(operation, path, code: EWOULDBLOCK) }
      let handle = DiskHandle(file, path, in: self)
      handle.empty()
      try Array("\(process.number)\n".utf8).withUnsafeBytes { try handle.append($0) }
      let lock = DiskLock(file, process)
      file.lock = lock
      return lock
    }
  }

  func isLocked(_ path: String) -> Bool {
    guard case .file(let file) = disk.node(path) else { return false }
    return file.lock?.isHeld == true
  }

  // MARK: Parts of calls

  /// Runs the effect of a call, unless the process is dead, dies, has lost its disk, or the disk fails.
  func call<Result>(_ operation: String, _ path: String, _ effect: () throws -> Result) throws -> Result {
    try step(operation, path)
    guard process.hasDisk, !disk.world.strikes(.diskError, "\(operation) \(path)") else {
      throw FileFailure(operation, path, code: EIO)
    }
    let result = try effect()
    try step(operation, path)
    return result
  }

  private func step(_ operation: String, _ path: String) throws {
    disk.onStep?(process)
    try disk.world.crashPoint(process, "\(operation) \(path)")
  }

  func needSpace(_ operation: String, _ path: String) throws {
    if disk.isFull(path) { throw FileFailure(operation, path, code: ENOSPC) }
  }

  private func node(_ path: String, _ operation: String) throws -> DiskDirectory {
    switch disk.node(path) {
    case .directory(let directory): return directory
    case .file: throw FileFailure(operation, path, code: ENOTDIR)
    case nil: throw FileFailure(operation, path, code: ENOENT)
    }
  }

  private func file(_ path: String, _ operation: String) throws -> DiskFile {
    switch disk.node(path) {
    case .file(let file): return file
    case .directory: throw FileFailure(operation, path, code: EISDIR)
    case nil: throw FileFailure(operation, path, code: ENOENT)
    }
  }

  private func makeFile(_ path: String, _ operation: String, isEmptied: Bool) throws -> DiskFile {
    if disk.node(path) == nil {
      let (directory, name) = try disk.place(path, operation)
      try needSpace(operation, path)
      let file = DiskFile()
      disk.apply(DiskDirectory.Change([(name, .file(file))]), to: directory)
      return file
    }
    let file = try file(path, operation)
    if isEmptied { DiskHandle(file, path, in: self).empty() }
    return file
  }

  private func removeName(_ path: String, _ operation: String) throws {
    let (directory, name) = try disk.place(path, operation)
    disk.apply(DiskDirectory.Change([(name, nil)]), to: directory)
  }
}

/// A file that a process has opened.
final class DiskHandle: OpenFile {
  private let file: DiskFile
  private let path: String
  private let view: DiskView
  private var position = 0

  init(_ file: DiskFile, _ path: String, in view: DiskView) {
    self.file = file
    self.path = path
    self.view = view
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    try view.call("write the file", path) { try append(bytes) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    try view.call("read the file", path) {
      let count = min(buffer.count, file.content.count - position)
      buffer.copyBytes(from: file.content[position..<position + count])
      position += count
      return count
    }
  }

  func synchronize() throws {
    let operation = "flush the file"
    do {
      try view.call(operation, path) {
        view.disk.synchronize(file, path)
        view.disk.world.blockLane(view.process, path)
      }
    } catch let failure as FileFailure {
      file.losePages()
      throw failure
    }
  }

  func close() {}

  func empty() {
    guard !file.content.isEmpty else { return }
    view.disk.change(file)
    file.empty()
  }

  /// Writes what there is room for.
  func append(_ bytes: UnsafeRawBufferPointer) throws {
    guard !bytes.isEmpty else { return }
    view.disk.change(file)
    guard view.disk.isFull(path) else { return file.append(bytes) }
    let count = Int.random(in: 0..<bytes.count, using: &view.disk.world.random)
    file.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    throw FileFailure("write the file", path, code: ENOSPC)
  }
}

/// A lock of a file, held by a process.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
final class DiskLock: FileLock, @unchecked Sendable {
  private let process: SimulatedProcess
  private weak var file: DiskFile?

  init(_ file: DiskFile, _ process: SimulatedProcess) {
    self.file = file
    self.process = process
  }

  deinit { release() }

  /// It dies with its process, and with the machine that the volume was taken from.
  var isHeld: Bool { !process.isDead && process.hasDisk }

  func release() {
    if let file, file.lock === self { file.lock = nil }
  }
}
