import Iceberg

/// An object store that outlives processes: strongly consistent reads, conditional writes, listings that may lag.
///
/// What a process sees of it is a ``SimulatedStoreView``. An object appears whole or not at all.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, like its ``SimulatedWorld``.
public final class SimulatedObjectStore: @unchecked Sendable {
  /// An object.
  public struct Object: Hashable, Sendable {
    /// The content.
    public let bytes: [UInt8]
    /// When it was written, in virtual nanoseconds.
    public let modifiedAt: Int64
    /// Counts the writes of the store: the entity tag.
    public let version: Int
  }

  /// A write whose answer was given up, and which has not arrived yet.
  private struct LateWrite {
    let location: String
    let bytes: [UInt8]
    let ifAbsent: Bool
  }

  /// For how long a listing may miss what was written, in virtual nanoseconds.
  public static let listingLag: Int64 = 5_000_000_000
  /// How many bytes a part of an upload has.
  public static let partBytes = 4096
  /// How many objects a page of a listing has at most.
  static let pageMax = 50

  /// The time, and what goes wrong.
  public let world: SimulatedWorld
  /// The locations of all objects, in the order of listings.
  public private(set) var locations: [String] = []
  /// Uploads that were begun and neither completed nor given up; nobody sees them.
  public private(set) var unfinishedUploads = 0
  private var objects: [String: Object] = [:]
  private var late: [LateWrite] = []
  private var version = 0

  /// An empty store.
  public init(_ world: SimulatedWorld) { self.world = world }

  /// The object at `location`.
  public func object(_ location: String) -> Object? { objects[location] }

  /// What a process sees of the store.
  ///
  /// - Parameter readFile: The content of a file of the process's own file system, for uploads; `nil` when there is none.
  public func view(
    of process: SimulatedProcess, readFile: @escaping @Sendable (_ path: String) throws -> [UInt8]?
  ) -> SimulatedStoreView {
    SimulatedStoreView(self, process: process, readFile: readFile)
  }

  /// A view to which nothing happens: of servers, strangers and checkers. It answers at once.
  public func calmView(
    readFile: @escaping @Sendable (_ path: String) throws -> [UInt8]? = { _ in nil }
  ) -> SimulatedStoreView {
    SimulatedStoreView(self, process: nil, readFile: readFile)
  }

  /// Lets the writes that are still under way arrive.
  public func settle() { while !late.isEmpty { deliverOne() } }

  // MARK: What views do

  func put(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) throws(IcebergError) -> ObjectInfo {
    if ifAbsent, objects[location] != nil {
      throw IcebergError(.alreadyExists, "\(location) exists already")
    }
    version += 1
    let object = Object(bytes: bytes, modifiedAt: world.now, version: version)
    if objects.updateValue(object, forKey: location) == nil { locations.insert(location, at: place(of: location)) }
    world.trace("store has \(location) \(bytes.count) bytes #\(Self.digest(bytes))")
    return info(location, object)
  }

  /// The write will arrive some time later, or never if the run ends before.
  func putLater(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) {
    late.append(LateWrite(location: location, bytes: bytes, ifAbsent: ifAbsent))
  }

  /// Now and then a late write arrives.
  func maybeDeliver() {
    if !late.isEmpty, Int.random(in: 0..<4, using: &world.random) == 0 { deliverOne() }
  }

  private func deliverOne() {
    let write = late.removeFirst()
    world.trace("a late write of \(write.location) arrives")
    _ = try? put(write.location, write.bytes, ifAbsent: write.ifAbsent)
  }

  func remove(_ location: String) {
    guard objects.removeValue(forKey: location) != nil else { return }
    locations.remove(at: place(of: location))
    world.trace("store loses \(location)")
  }

  func info(_ location: String, _ object: Object) -> ObjectInfo {
    ObjectInfo(
      location: location, size: Int64(object.bytes.count),
      modifiedMilliseconds: (world.wallStart + object.modifiedAt / 1000) / 1000, entityTag: "\(object.version)")
  }

  func page(prefix: String, after: String?, writtenBefore limit: Int64?) -> ObjectPage {
    var index = place(of: after.map { max($0, prefix) } ?? prefix)
    if let after, index < locations.count, locations[index] == after { index += 1 }
    var found: [ObjectInfo] = []
    while index < locations.count, locations[index].hasPrefix(prefix) {
      let location = locations[index]
      if let object = objects[location], limit.map({ object.modifiedAt < $0 }) ?? true {
        if found.count == Self.pageMax { return ObjectPage(objects: found, next: found[found.count - 1].location) }
        found.append(info(location, object))
      }
      index += 1
    }
    return ObjectPage(objects: found, next: nil)
  }

  func beginUpload() { unfinishedUploads += 1 }
  func endUpload() { unfinishedUploads -= 1 }

  /// The first place whose location is not before `location`.
  private func place(of location: String) -> Int {
    var low = 0
    var high = locations.count
    while low < high {
      let middle = (low + high) / 2
      if locations[middle] < location { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private static func digest(_ bytes: [UInt8]) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return String(hash, radix: 16)
  }
}
