import Glibc
import Runtime

/// A disk that outlives processes, with what a file system may do to content and names that were not synchronised.
///
/// What a process synchronised is never lost, unless ``Fault/lostSync`` made the synchronisation a lie. Of the rest, a
/// loss of power keeps each file's content or not, or any part of it (``Fault/tornWrite``), and each change of a name
/// or not; a parent's name that was not synchronised takes everything below it away. A process may also die alone: then
/// its successor sees all that it did, and none of that is any safer than before.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
public final class SimulatedDisk: @unchecked Sendable {
  let world: SimulatedWorld
  private let root = DiskDirectory()
  private var pendingFiles: [DiskFile] = []
  private var pendingDirectories: [DiskDirectory] = []
  private var users: [SimulatedProcess] = []
  private var fullUntil: Int64 = 0
  /// How often a process dies alone, from 0 to 1; otherwise its machine loses power.
  public var diesAlone = 0.35
  /// Called at each point at which a process may die: a test kills it at the one it chose.
  public var onStep: ((SimulatedProcess) -> Void)?

  /// An empty disk, which loses power when processes of `world` die.
  public init(in world: SimulatedWorld) {
    self.world = world
    world.onDeath.append { [weak self] in self?.crash($0) }
  }

  /// The disk as `process` sees it.
  public func fileSystem(of process: SimulatedProcess) -> any FileSystem {
    users.append(process)
    return DiskView(disk: self, process: process)
  }

  // MARK: Crashes

  /// A process has died, alone or with its machine. The machine stays up while another process lives on it.
  public func crash(_ process: SimulatedProcess) {
    guard users.contains(where: { $0 === process }), process.hasDisk else { return }
    users.removeAll { $0 === process || $0.isDead || $0.hasFinished }
    if users.allSatisfy({ !$0.hasDisk }), !world.random.chance(diesAlone) { losePower() }
  }

  /// Takes the volume away from the process, whose machine cannot be reached: what it had not synchronised may be lost,
  /// its locks are gone, and its calls fail from here on.
  public func detach(_ process: SimulatedProcess) {
    guard process.hasDisk else { return }
    process.hasDisk = false
    if users.allSatisfy({ !$0.hasDisk || $0.isDead || $0.hasFinished }) { losePower() }
  }

  /// Decides what of everything that was not synchronised is there from now on.
  public func losePower() {
    let isTorn = world.strikes(.tornWrite, "disk")
    world.trace("power is lost with \(pendingFiles.count) files and \(pendingDirectories.count) directories pending")
    for directory in pendingDirectories { directory.resolve(&world.random) }
    for file in pendingFiles where file.isPending { file.resolve(isTorn: isTorn, &world.random) }
    pendingDirectories = []
    pendingFiles = []
    if world.strikes(.bitRot, "disk") { flipBit() }
  }

  private func flipBit() {
    let files = root.files()
    guard let file = files.randomElement(using: &world.random) else { return }
    file.flipBit(&world.random)
  }

  // MARK: Content

  func change(_ file: DiskFile) {
    if !file.isPending { pendingFiles.append(file) }
    file.isPending = true
  }

  func apply(_ change: DiskDirectory.Change, to directory: DiskDirectory) {
    if directory.changes.isEmpty { pendingDirectories.append(directory) }
    directory.apply(change)
  }

  func synchronize(_ file: DiskFile, _ path: String) {
    guard !world.strikes(.lostSync, path) else { return }
    file.synchronize()
    if !file.isPending { pendingFiles.removeAll { $0 === file } }
  }

  func synchronize(_ directory: DiskDirectory, _ path: String) {
    guard !world.strikes(.lostSync, path) else { return }
    directory.synchronize()
    if directory.changes.isEmpty { pendingDirectories.removeAll { $0 === directory } }
  }

  /// Whether there is no room now. Once the disk is full, it stays so for a while.
  func isFull(_ path: String) -> Bool {
    if world.isCalm { return false }
    if world.now < fullUntil { return true }
    guard world.strikes(.diskFull, path) else { return false }
    fullUntil = world.now + Int64.random(in: 1_000_000...3_000_000_000, using: &world.random)
    return true
  }

  // MARK: Paths

  /// What is at `path`; `nil` when nothing is, or what is above it is no directory.
  func node(_ path: String) -> DiskDirectory.Node? {
    var node = DiskDirectory.Node.directory(root)
    for name in path.split(separator: "/") where name != "." {
      guard case .directory(let directory) = node, let next = directory.entries[String(name)] else { return nil }
      node = next
    }
    return node
  }

  /// The directory that holds `path`, and the name in it.
  func place(_ path: String, _ operation: String) throws -> (directory: DiskDirectory, name: String) {
    let parts = path.split(separator: "/").filter { $0 != "." }
    guard let name = parts.last else { throw FileFailure(operation, path, code: EBUSY) }
    switch node(parts.dropLast().joined(separator: "/")) {
    case .directory(let directory): return (directory, String(name))
    case .file: throw FileFailure(operation, path, code: ENOTDIR)
    case nil: throw FileFailure(operation, path, code: ENOENT)
    }
  }

  /// What lies below a path, for tests: names of files with their content.
  public func files(below path: String) -> [String: [UInt8]] {
    guard case .directory(let directory) = node(path) else { return [:] }
    return directory.contents(path)
  }
}

extension DiskDirectory {
  /// All files in it and below, in a fixed order.
  func files() -> [DiskFile] {
    names.flatMap { name -> [DiskFile] in
      switch entries[name] {
      case .file(let file): [file]
      case .directory(let directory): directory.files()
      case nil: []
      }
    }
  }

  fileprivate func contents(_ path: String) -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for (name, node) in entries {
      switch node {
      case .file(let file): result["\(path)/\(name)"] = file.content
      case .directory(let directory): result.merge(directory.contents("\(path)/\(name)")) { first, _ in first }
      }
    }
    return result
  }
}
