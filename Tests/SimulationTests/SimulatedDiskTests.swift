import Glibc
import Runtime
import SimulationKit
import TestTraits
import Testing

/// A world with one disk and one process on it.
struct DiskWorld {
  let world: SimulatedWorld
  let disk: SimulatedDisk
  let process: SimulatedProcess
  let files: any FileSystem

  init(seed: UInt64, _ strengths: [Fault: Double] = [.tornWrite: 100]) {
    world = SimulatedWorld(seed: seed, faults: FaultPlan(strengths: strengths))
    disk = SimulatedDisk(in: world)
    process = SimulatedProcess(in: world)
    files = disk.fileSystem(of: process)
  }

  /// What a new process finds.
  func contents(_ path: String) throws -> [UInt8]? {
    try disk.fileSystem(of: SimulatedProcess(in: world)).contents(of: path)
  }
}

@Suite("The simulated disk", .fewAtOnce)
struct SimulatedDiskTests {
  private static let page = 4096

  /// Bytes that say where they are.
  private func bytes(_ count: Int, _ tag: UInt8 = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 / Self.page) &* 16 &+ tag }
  }

  private func write(_ bytes: [UInt8], to file: any OpenFile) throws {
    try bytes.withUnsafeBytes { try file.write($0) }
  }

  @Test("what was synchronised, content and names, survives every loss of power")
  func honest() throws {
    for seed in UInt64(0)..<200 {
      let world = DiskWorld(seed: seed)
      try world.files.makeDirectories("/a/b", mode: 0o750)
      let file = try world.files.create("/a/b/file", mode: 0o640)
      let kept = bytes(3 * Self.page + 17)
      try write(kept, to: file)
      try file.synchronize()
      try world.files.synchronizeDirectory("/a/b")
      try write(bytes(2 * Self.page, 2), to: file)
      world.disk.losePower()
      let found = try #require(try world.contents("/a/b/file"), "seed \(seed)")
      #expect(Array(found.prefix(kept.count)) == kept, "seed \(seed)")
      #expect(found.count <= kept.count + 2 * Self.page)
    }
  }

  @Test("of what was not synchronised all, nothing, a beginning, or later pages without earlier ones are left")
  func torn() throws {
    var seen: Set<String> = []
    let written = bytes(4 * Self.page)
    for seed in UInt64(0)..<300 {
      let world = DiskWorld(seed: seed)
      let file = try world.files.create("/file", mode: 0o640)
      try world.files.synchronizeDirectory("/")
      try write(written, to: file)
      world.disk.losePower()
      let found = try #require(try world.contents("/file"))
      let isPrefix = found == Array(written.prefix(found.count))
      let isWhole = found.count == written.count
      seen.insert(
        found.isEmpty
          ? "nothing" : isPrefix ? isWhole ? "all" : "a beginning" : isWhole ? "holes" : "holes and an early end")
      if isPrefix, found.count % Self.page != 0 { seen.insert("a torn page") }
      for (index, byte) in found.enumerated() { #expect(byte == 0 || byte == written[index]) }
    }
    #expect(seen == ["nothing", "all", "a beginning", "holes", "holes and an early end", "a torn page"])
  }

  @Test("without torn writes, what was not synchronised is there or not")
  func untorn() throws {
    var seen: Set<Int> = []
    for seed in UInt64(0)..<40 {
      let world = DiskWorld(seed: seed, [:])
      try write(bytes(5000), to: try world.files.create("/file", mode: 0o640))
      try world.files.synchronizeDirectory("/")
      world.disk.losePower()
      seen.insert(try #require(try world.contents("/file")).count)
    }
    #expect(seen == [0, 5000])
  }

  @Test("names that were not synchronised may be there or not; a renaming takes place as a whole")
  func names() throws {
    var seen: Set<[String]> = []
    for seed in UInt64(0)..<200 {
      let world = DiskWorld(seed: seed)
      try world.files.makeDirectories("/d", mode: 0o750)
      for name in ["old", "gone"] { try world.files.write([1], to: "/d/" + name, mode: 0o640) }
      try world.files.synchronizeDirectory("/d")
      try world.files.rename("/d/old", to: "/d/new")
      try world.files.remove("/d/gone")
      try world.files.write([2], to: "/d/made", mode: 0o640)
      #expect(try world.files.names(in: "/d") == ["made", "new"])
      world.disk.losePower()
      let successor = world.disk.fileSystem(of: SimulatedProcess(in: world.world))
      let names = try successor.names(in: "/d")
      #expect(names.contains("old") != names.contains("new"), "seed \(seed)")
      seen.insert(names)
      world.disk.losePower()
      #expect(try successor.names(in: "/d") == names)
    }
    #expect(seen.count == 8)
  }

  @Test("a file that moves to another directory is in one of them at the least, and a lost directory takes all with it")
  func moves() throws {
    var seen: Set<[Bool]> = []
    for seed in UInt64(0)..<200 {
      let world = DiskWorld(seed: seed)
      try world.files.makeDirectories("/from", mode: 0o750)
      try world.files.makeDirectories("/to", mode: 0o750)
      try world.files.replace("/from/file", with: [7], mode: 0o640)
      try world.files.rename("/from/file", to: "/to/file")
      if seed % 2 == 0 { try world.files.synchronizeDirectory("/from") }
      if seed % 3 == 0 { try world.files.synchronizeDirectory("/to") }
      try world.files.makeDirectory("/lost", mode: 0o750)
      try world.files.replace("/lost/file", with: [8], mode: 0o640)
      world.disk.losePower()
      let found = [try world.contents("/from/file"), try world.contents("/to/file")].map { $0 == [7] }
      #expect(found.contains(true), "seed \(seed)")
      if seed % 3 == 0 { #expect(found[1]) }
      seen.insert(found + [try world.contents("/lost/file") == [8]])
    }
    #expect(seen.count == 6)
  }

  @Test("a process that dies alone leaves all to its successor, as unsafe as it was; detaching a volume does not")
  func diesAlone() throws {
    var later: Set<Bool> = []
    for seed in UInt64(0)..<100 {
      let world = DiskWorld(seed: seed)
      let other = SimulatedProcess(in: world.world)
      let files = world.disk.fileSystem(of: other)
      try world.files.write([1], to: "/file", mode: 0o640)
      world.process.die()
      #expect(throws: ProcessDied.self) { try world.files.remove("/file") }
      #expect(try files.contents(of: "/file") == [1])
      world.disk.detach(other)
      #expect(throws: FileFailure("open the file", "/file", code: EIO)) { try files.open("/file") }
      later.insert(try world.contents("/file") == [1])
    }
    #expect(later == [true, false])
  }

  @Test("a synchronisation that lies keeps nothing for sure")
  func lostSync() throws {
    var seen: Set<Bool> = []
    for seed in UInt64(0)..<60 {
      let world = DiskWorld(seed: seed, [.lostSync: 1000])
      try world.files.replace("/file", with: [1], mode: 0o640)
      world.disk.losePower()
      seen.insert(try world.contents("/file") == [1])
      #expect(world.world.injected[.lostSync] == 2)
    }
    #expect(seen == [true, false])
  }

  @Test("a full disk takes a part, stays full for a while, and takes all once the world is calm")
  func full() throws {
    let world = DiskWorld(seed: 3, [:])
    let file = try world.files.create("/file", mode: 0o640)
    world.world.faults = FaultPlan(strengths: [.diskFull: 1000])
    let failure = #expect(throws: FileFailure.self) { try write(bytes(9000), to: file) }
    #expect(failure?.isFull == true)
    let taken = try #require(try world.files.status("/file")).size
    #expect(taken < 9000)
    #expect(throws: FileFailure("create the file", "/other", code: ENOSPC)) {
      try world.files.create("/other", mode: 0o640)
    }
    // One strike, for a while: no other one was counted.
    #expect(world.world.injected[.diskFull] == 1)
    world.world.isCalm = true
    try write(bytes(9000), to: file)
    #expect(try world.files.status("/file")?.size == taken + 9000)
  }

  @Test("after a synchronisation that failed, a second one that succeeds has written nothing")
  func failedSync() throws {
    var seen: Set<Bool> = []
    for seed in UInt64(0)..<60 {
      let world = DiskWorld(seed: seed, [:])
      let file = try world.files.create("/file", mode: 0o640)
      try world.files.synchronizeDirectory("/")
      try write([1], to: file)
      world.world.faults = FaultPlan(strengths: [.diskError: 1000])
      #expect(throws: FileFailure("flush the file", "/file", code: EIO)) { try file.synchronize() }
      world.world.faults = .none
      try file.synchronize()
      world.disk.losePower()
      seen.insert(try world.contents("/file") == [1])
    }
    #expect(seen == [true, false])
  }

  @Test("bit rot changes one bit of a stored file")
  func bitRot() throws {
    let world = DiskWorld(seed: 5, [:])
    let written = bytes(9000)
    try world.files.replace("/file", with: written, mode: 0o640)
    world.world.faults = FaultPlan(strengths: [.bitRot: 1000])
    world.disk.losePower()
    world.world.faults = .none
    let found = try #require(try world.contents("/file"))
    #expect(zip(found, written).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount } == 1 && found.count == written.count)
  }

  @Test("a lock is held by one process, which it names, and dies with it")
  func locks() throws {
    let world = DiskWorld(seed: 1, [:])
    var lock: (any FileLock)? = try world.files.lock("/lock", mode: 0o640)
    let other = SimulatedProcess(in: world.world)
    let files = world.disk.fileSystem(of: other)
    let refused = #expect(throws: FileFailure.self) { try files.lock("/lock", mode: 0o640) }
    #expect(refused?.isLocked == true && files.isLocked("/lock"))
    #expect(try files.contents(of: "/lock") == Array("1\n".utf8))
    lock = nil
    #expect(lock == nil && !files.isLocked("/lock"))
    lock = try world.files.lock("/lock", mode: 0o640)
    world.process.die()
    let second = try files.lock("/lock", mode: 0o640)
    // What the dead process lets go of is not what the living one holds.
    lock?.release()
    #expect(files.isLocked("/lock"))
    second.release()
    #expect(!files.isLocked("/lock"))
  }

  @Test("a dead process changes nothing, and equal seeds leave equal disks")
  func dead() throws {
    func run(_ seed: UInt64) throws -> [String: [UInt8]] {
      let world = DiskWorld(seed: seed, [.tornWrite: 1, .crash: 20])
      for number in 0..<200 where !world.process.isDead {
        try? world.files.write(bytes(number * 50), to: "/file\(number)", mode: 0o640)
      }
      #expect(world.process.isDead)
      let left = world.disk.files(below: "/")
      #expect(throws: ProcessDied.self) { try world.files.create("/after", mode: 0o640) }
      #expect(throws: ProcessDied.self) { try world.files.remove("/file0") }
      #expect(world.disk.files(below: "/") == left)
      return left
    }
    for seed in UInt64(0)..<20 { #expect(try run(seed) == run(seed)) }
  }
}
