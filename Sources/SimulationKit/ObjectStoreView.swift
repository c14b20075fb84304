import Iceberg

/// What one process sees of a ``SimulatedObjectStore``, with all that can befall its requests.
///
/// A call of a dead process has no effect and fails. As every store does, the view has tried again by itself what it
/// reports as transient.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
public final class SimulatedStoreView: ObjectStore, @unchecked Sendable {
  /// Is called before a conditional write reaches the store: somebody else may be faster.
  public var beforeConditionalWrite: (@Sendable (_ location: String) async -> Void)?

  private let store: SimulatedObjectStore
  private let process: SimulatedProcess?
  private let readFile: @Sendable (String) throws -> [UInt8]?
  /// So many more calls are refused.
  private var throttledCalls = 0

  private enum Fate { case done, answerLost, late }

  init(
    _ store: SimulatedObjectStore, process: SimulatedProcess?,
    readFile: @escaping @Sendable (String) throws -> [UInt8]?
  ) {
    self.store = store
    self.process = process
    self.readFile = readFile
  }

  private var world: SimulatedWorld { store.world }

  /// What is known of an object.
  public func info(_ location: String) async throws(IcebergError) -> ObjectInfo? {
    try await arrive("look at \(location)")
    return store.object(location).map { store.info(location, $0) }
  }

  /// The bytes of an object, or of a part of it.
  public func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    try await arrive("read \(location)")
    guard let object = store.object(location) else { throw IcebergError(.notFound, "\(location) is not there") }
    guard let range else { return object.bytes }
    let count = Int64(object.bytes.count)
    let start = min(max(0, range.lowerBound), count)
    return Array(object.bytes[Int(start)..<Int(max(start, min(range.upperBound, count)))])
  }

  /// Writes an object.
  public func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo {
    let what = "write \(location)"
    try await arrive(what)
    let fate = try fateOfChange(what, mayBeLate: true)
    if ifAbsent, let beforeConditionalWrite {
      await beforeConditionalWrite(location)
      try checkAlive(what)
    }
    if fate == .late {
      store.putLater(location, bytes, ifAbsent: ifAbsent)
      throw lost(what)
    }
    let info = try store.put(location, bytes, ifAbsent: ifAbsent)
    try await answer(what, fate)
    return info
  }

  /// Puts a file of the process there, part by part; it appears with the last step.
  public func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    let what = "upload \(location)"
    try await arrive(what)
    let bytes: [UInt8]
    do {
      guard let content = try readFile(path) else { throw IcebergError(.io, "\(path) is not there") }
      bytes = content
    } catch let error as IcebergError {
      throw error
    } catch {
      throw IcebergError(.io, "reading \(path): \(error)")
    }
    let parts = bytes.count / SimulatedObjectStore.partBytes
    if parts > 0 {
      // A process that dies in the middle leaves an upload that nobody completes.
      store.beginUpload()
      for part in 0..<parts { try await sendPart(part, what) }
      store.endUpload()
    }
    let fate = try fateOfChange(what, mayBeLate: false)
    let info = try store.put(location, bytes, ifAbsent: false)
    try await answer(what, fate)
    return info
  }

  private func sendPart(_ part: Int, _ what: String) async throws(IcebergError) {
    do throws(IcebergError) {
      try await arrive("\(what) part \(part)")
    } catch {
      // A living process gives the upload up.
      if process?.isDead != true { store.endUpload() }
      throw error
    }
  }

  /// Removes objects, one after the other.
  public func delete(_ locations: [String]) async throws(IcebergError) {
    guard !locations.isEmpty else { return }
    let what = "delete \(locations[0]) and \(locations.count - 1) more"
    try await arrive(what)
    let fate = try fateOfChange(what, mayBeLate: false)
    // Without an answer nobody knows how many are gone.
    let count = fate == .done ? locations.count : Int.random(in: 0...locations.count, using: &world.random)
    for location in locations.prefix(count) { store.remove(location) }
    try await answer(what, fate)
  }

  /// Lists objects; what was written a moment ago may be missing.
  public func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    try await arrive("list \(prefix)")
    var limit: Int64?
    if process != nil, world.strikes(.storeLateList, "list \(prefix)") {
      limit = world.now - Int64.random(in: 0..<SimulatedObjectStore.listingLag, using: &world.random)
    }
    return store.page(prefix: prefix, after: after, writtenBefore: limit)
  }

  /// There are no local files.
  public func localPath(_ location: String) -> String? { nil }

  /// There are no connections.
  public func close() async {}

  // MARK: What befalls calls

  /// A request on its way to the store: it takes time, may be refused, and the process may die.
  private func arrive(_ what: String) async throws(IcebergError) {
    guard let process else { return }
    do {
      try world.crashPoint(process, what)
      try await world.latency(process, what)
    } catch {
      throw IcebergError(.transient, "\(what): \(error)")
    }
    store.maybeDeliver()
    if throttledCalls == 0, world.strikes(.storeThrottle, what) {
      throttledCalls = Int.random(in: 1...4, using: &world.random)
    }
    if throttledCalls > 0, !world.isCalm {
      throttledCalls -= 1
      throw IcebergError(.transient, "\(what): 503 SlowDown")
    }
    if world.strikes(.storeFailure, what) { throw IcebergError(.transient, "\(what): 500 InternalError") }
  }

  private func fateOfChange(_ what: String, mayBeLate: Bool) throws(IcebergError) -> Fate {
    guard process != nil else { return .done }
    if world.strikes(.storeLostRequest, what) { throw lost(what) }
    guard world.strikes(.storeLostAnswer, what) else { return .done }
    return mayBeLate && Int.random(in: 0..<4, using: &world.random) == 0 ? .late : .answerLost
  }

  /// The answer to a change on its way back.
  private func answer(_ what: String, _ fate: Fate) async throws(IcebergError) {
    guard let process else { return }
    do { try world.crashPoint(process, "after \(what)") } catch { throw IcebergError(.transient, "\(what): \(error)") }
    if fate != .done { throw lost(what) }
  }

  private func checkAlive(_ what: String) throws(IcebergError) {
    if process?.isDead == true { throw IcebergError(.transient, "\(what): the process has died") }
  }

  private func lost(_ what: String) -> IcebergError {
    IcebergError(.unknownOutcome, "\(what): the connection was lost; whether it was done is unknown")
  }
}
