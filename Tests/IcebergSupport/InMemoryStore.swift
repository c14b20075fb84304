import Glibc
import Iceberg
import Synchronization

/// Objects in memory, with conditional writes: one writer wins.
public final class InMemoryStore: ObjectStore {
  private struct Entry {
    var bytes: [UInt8]
    var modified: Int64
  }

  private struct State {
    var objects: [String: Entry] = [:]
    var time: Int64 = 1_700_000_000_000
  }

  private let state = Mutex(State())
  private let pageMax: Int

  /// An empty store.
  public init(pageMax: Int = 1000) { self.pageMax = max(1, pageMax) }

  /// All objects, for looking at directly.
  public var contents: [String: [UInt8]] { state.withLock { $0.objects.mapValues(\.bytes) } }

  /// What is known of an object.
  public func info(_ location: String) async throws(IcebergError) -> ObjectInfo? {
    state.withLock { state in state.objects[location].map { Self.info(location, $0) } }
  }

  /// The bytes of an object.
  public func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    guard let bytes = state.withLock({ $0.objects[location]?.bytes }) else {
      throw IcebergError(.notFound, "\(location) is not there")
    }
    guard let range else { return bytes }
    let start = min(max(0, range.lowerBound), Int64(bytes.count))
    return Array(bytes[Int(start)..<Int(max(start, min(range.upperBound, Int64(bytes.count))))])
  }

  /// Writes an object.
  public func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo {
    let info = state.withLock { state -> ObjectInfo? in
      if ifAbsent && state.objects[location] != nil { return nil }
      state.time += 1
      let entry = Entry(bytes: bytes, modified: state.time)
      state.objects[location] = entry
      return Self.info(location, entry)
    }
    guard let info else { throw IcebergError(.alreadyExists, "\(location) exists already") }
    return info
  }

  /// Copies a local file.
  public func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    let bytes = try await LocalFileStore().read(path, range: nil)
    return try await write(location, bytes, ifAbsent: false)
  }

  /// Removes objects.
  public func delete(_ locations: [String]) async throws(IcebergError) {
    state.withLock { state in for location in locations { state.objects[location] = nil } }
  }

  /// Lists objects in the order of their locations' bytes.
  public func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    let found = state.withLock { state in
      state.objects.filter { location, _ in
        location.utf8.starts(with: prefix.utf8)
          && (after.map { $0.utf8.lexicographicallyPrecedes(location.utf8) } ?? true)
      }.map { Self.info($0.key, $0.value) }
    }.sorted { $0.location.utf8.lexicographicallyPrecedes($1.location.utf8) }
    let page = Array(found.prefix(pageMax))
    return ObjectPage(objects: page, next: found.count > pageMax ? page.last?.location : nil)
  }

  /// There is none.
  public func localPath(_ location: String) -> String? { nil }

  /// Does nothing.
  public func close() async {}

  private static func info(_ location: String, _ entry: Entry) -> ObjectInfo {
    ObjectInfo(location: location, size: Int64(entry.bytes.count), modifiedMilliseconds: entry.modified)
  }
}
