import Synchronization

/// The properties of stores that a REST catalog gave with a table.
struct RESTStorage: Hashable, Sendable {
  /// Properties for locations that begin with a prefix.
  struct Part: Hashable, Sendable {
    var prefix: String
    var properties: [String: String]
  }

  /// For all other locations.
  var properties: [String: String]
  /// The longest prefix first.
  var parts: [Part]

  /// What is valid for a table.
  ///
  /// - Parameters:
  ///   - catalog: The catalog's properties, which the table's go before.
  ///   - answer: A LoadTableResult, or a LoadCredentialsResponse.
  init(catalog: [String: String], answer: JSONValue) throws(IcebergError) {
    let properties = catalog.merging(try RESTSettings.strings(answer, "config")) { _, new in new }
    self.properties = properties
    let given = try answer.optionalElements("storage-credentials") { json throws(IcebergError) in
      Part(
        prefix: try json.string("prefix"),
        properties: properties.merging(try RESTSettings.strings(json, "config")) { _, new in new })
    }
    parts = (given ?? []).sorted { $0.prefix.utf8.count > $1.prefix.utf8.count }
  }

  /// As before, with new credentials.
  mutating func renew(_ answer: JSONValue) throws(IcebergError) {
    let new = try RESTStorage(catalog: properties, answer: answer)
    if new.properties != properties || !new.parts.isEmpty { self = new }
  }

  /// The properties for `location`.
  func properties(for location: String) -> [String: String] {
    parts.first { location.hasPrefix($0.prefix) }?.properties ?? properties
  }

  /// When the first of the credentials ends: milliseconds since the epoch.
  var expiresMilliseconds: Int64? {
    ([properties] + parts.map(\.properties)).compactMap { $0["s3.session-token-expires-at-ms"].flatMap { Int64($0) } }
      .min()
  }
}

/// The files of one table of a REST catalog, with the credentials that the catalog gives, and gives anew.
final class RESTTableStore: ObjectStore {
  typealias MakeStore = @Sendable ([String: String]) throws(IcebergError) -> any ObjectStore

  private struct State {
    var storage: RESTStorage
    var generation = 0
    /// By their properties: the few that are in use.
    var stores: [[String: String]: any ObjectStore] = [:]
  }

  /// Credentials are renewed so long before they end.
  private static let marginMilliseconds: Int64 = 120_000

  private let state: Mutex<State>
  private let make: MakeStore
  private let renew: @Sendable () async throws(IcebergError) -> JSONValue
  private let nowMilliseconds: @Sendable () -> Int64

  /// - Parameters:
  ///   - make: Makes the store of some properties.
  ///   - renew: Asks the catalog for new credentials.
  init(
    _ storage: RESTStorage, make: @escaping MakeStore, nowMilliseconds: @escaping @Sendable () -> Int64,
    renew: @escaping @Sendable () async throws(IcebergError) -> JSONValue
  ) {
    state = Mutex(State(storage: storage))
    self.make = make
    self.nowMilliseconds = nowMilliseconds
    self.renew = renew
  }

  /// Takes what the catalog gave with a newer answer.
  func update(_ storage: RESTStorage) {
    state.withLock { state in
      guard state.storage != storage else { return }
      state.storage = storage
      state.generation += 1
      let wanted = Set([storage.properties] + storage.parts.map(\.properties))
      state.stores = state.stores.filter { wanted.contains($0.key) }
    }
  }

  private func store(_ location: String) throws(IcebergError) -> any ObjectStore {
    let properties = state.withLock { $0.storage.properties(for: location) }
    if let store = state.withLock({ $0.stores[properties] }) { return store }
    let made = try make(properties)
    return state.withLock { state in
      if let other = state.stores[properties] { return other }
      state.stores[properties] = made
      return made
    }
  }

  private func refresh(seen generation: Int) async throws(IcebergError) {
    guard state.withLock({ $0.generation }) == generation else { return }
    let answer = try await renew()
    var storage = state.withLock { $0.storage }
    try storage.renew(answer)
    update(storage)
  }

  /// Runs `body` on the store of `location`, once more with new credentials when those were refused.
  private func run<Value>(
    _ location: String, _ body: (any ObjectStore) async throws(IcebergError) -> Value
  ) async throws(IcebergError) -> Value {
    let (generation, expires) = state.withLock { ($0.generation, $0.storage.expiresMilliseconds) }
    if let expires, nowMilliseconds() > expires - Self.marginMilliseconds { try await refresh(seen: generation) }
    let seen = state.withLock { $0.generation }
    do {
      return try await body(try store(location))
    } catch  where error.kind == .unauthorized {
      try await refresh(seen: seen)
      guard state.withLock({ $0.generation }) != seen else { throw error }
      return try await body(try store(location))
    }
  }

  func info(_ location: String) async throws(IcebergError) -> ObjectInfo? {
    try await run(location) { store throws(IcebergError) in try await store.info(location) }
  }

  func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    try await run(location) { store throws(IcebergError) in try await store.read(location, range: range) }
  }

  func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo {
    try await run(location) { store throws(IcebergError) in
      try await store.write(location, bytes, ifAbsent: ifAbsent)
    }
  }

  func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    try await run(location) { store throws(IcebergError) in try await store.upload(file: path, to: location) }
  }

  func delete(_ locations: [String]) async throws(IcebergError) {
    let groups = state.withLock { state in
      Dictionary(grouping: locations) { state.storage.properties(for: $0) }.values.map { $0 }
    }
    for group in groups {
      guard let first = group.first else { continue }
      try await run(first) { store throws(IcebergError) in try await store.delete(group) }
    }
  }

  func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    try await run(prefix) { store throws(IcebergError) in try await store.list(prefix: prefix, after: after) }
  }

  func localPath(_ location: String) -> String? { (try? store(location))?.localPath(location) }

  func close() async {
    let stores = state.withLock { state in
      defer { state.stores = [:] }
      return Array(state.stores.values)
    }
    for store in stores { await store.close() }
  }
}
