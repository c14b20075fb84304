import Synchronization

/// A catalog that is asked over HTTP (Iceberg REST catalog specification): Polaris, Nessie, Lakekeeper, Unity and
/// others.
///
/// | property | meaning |
/// |---|---|
/// | `uri` | where the catalog is, without `/v1` |
/// | `warehouse` | which one of the server's |
/// | `prefix` | goes into paths; servers give it themselves |
/// | `token` | a bearer token |
/// | `credential` | `id:secret` for the OAuth2 client credentials flow; also `oauth2-server-uri`, `scope`, `audience`, `resource` |
/// | `rest.auth.type` | `basic`, with `rest.auth.basic.username` and `rest.auth.basic.password` |
/// | `rest.sigv4-enabled` | `true`: signed for AWS, with `rest.signing-region`, `rest.signing-name`, `rest.access-key-id`, … |
/// | `header.<name>` | a header of all requests |
///
/// Properties that the server gives are used as the specification says: its defaults, these here, its overrides.
/// Temporary credentials of stores that come with a table are used for that table's files, and renewed.
public final class RESTCatalog: Catalog {
  /// Makes a store of properties such as `s3.access-key-id`.
  public typealias MakeStore = @Sendable ([String: String]) throws(IcebergError) -> any ObjectStore

  /// How many tables' stores are kept.
  private static let storesMax = 1024

  /// The name for messages.
  public let name: String
  let session: RESTSession
  private let makeStore: MakeStore
  private let stores = Mutex(BoundedCache<TableIdentifier, RESTTableStore>(costMax: storesMax))

  var settings: RESTSettings { session.settings }

  private init(name: String, session: RESTSession, makeStore: @escaping MakeStore) {
    self.name = name
    self.session = session
    self.makeStore = makeStore
  }

  /// Asks the server for its configuration.
  ///
  /// - Parameters:
  ///   - name: For messages.
  ///   - properties: The settings; see above.
  ///   - transport: Carries the requests. The caller closes it.
  ///   - retryPolicy: When a request that does no harm twice is sent again.
  ///   - environment: Time and chance.
  ///   - makeStore: Makes the stores of tables; they are closed with the catalog.
  /// - Throws: kind `invalid` when properties are missing or wrong, and what the server refuses.
  public static func connect(
    name: String, properties: [String: String], transport: any HTTPTransport, retryPolicy: RetryPolicy = RetryPolicy(),
    environment: TransportEnvironment = .system, makeStore: @escaping MakeStore
  ) async throws(IcebergError) -> RESTCatalog {
    let uri = properties["uri"] ?? ""
    guard uri.hasPrefix("http://") || uri.hasPrefix("https://") else {
      throw IcebergError(.invalid, "catalog \(name): expected a uri such as https://host/catalog, got '\(uri)'")
    }
    let sender = RetryingSender(transport: transport, policy: retryPolicy, environment: environment)
    let first = try RESTSession(RESTSettings(properties: properties), sender: sender)
    let warehouse = properties["warehouse"].map { "?warehouse=\(RESTText.encoded($0))" } ?? ""
    let what = "catalog \(name): reading its configuration"
    let result = try await first.send(
      "GET", address: "\(first.settings.base)/v1/config\(warehouse)", nil, .harmless, what)
    let settings: RESTSettings
    switch result {
    case .success(let answer): settings = try RESTSettings(client: properties, answer: answer.json)
    case .failure(let refused): throw refused.refusal.error(what, conflict: .invalid)
    }
    // The same tokens go on unless the server says otherwise.
    let isSame = RESTCredentials(settings) == RESTCredentials(first.settings)
    let session = try RESTSession(settings, sender: sender, authenticator: isSame ? first.authenticator : nil)
    return RESTCatalog(name: name, session: session, makeStore: makeStore)
  }

  /// Whether the server says so, or says nothing about what it can do.
  public var supportsMultiTableCommits: Bool { settings.supportsTransactions }

  /// Closes the stores of its tables.
  public func close() async {
    for store in stores.withLock({ $0.removeAll() }) { await store.close() }
  }

  private func forget(_ identifier: TableIdentifier) async {
    await stores.withLock { $0.remove(identifier) }?.close()
  }

  // MARK: Tables

  /// The tables in `namespace`.
  public func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] {
    let path = "\(try settings.path(namespace))/tables"
    var found: [TableIdentifier] = []
    try await forEachPage(path, query: [], "listing the tables of \(namespace)") { json throws(IcebergError) in
      found +=
        try json.optionalElements("identifiers") { json throws(IcebergError) in
          try TableIdentifier(json: json)
        } ?? []
    }
    return found.sorted()
  }

  /// The table as the server says now.
  public func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    let path = try settings.path(identifier)
    let answer = try await request("GET", path, nil, .harmless, "loading table \(identifier)", conflict: .conflict)
    return try await loaded(identifier, answer.json)
  }

  /// Makes an empty table.
  public func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws(IcebergError) -> LoadedTable {
    let path = "\(try settings.path(identifier.namespace))/tables"
    var creation = creation
    creation.properties["format-version"] = String(creation.formatVersion)
    let body = creation.json(name: identifier.name)
    return try await make(identifier, path, body, "creating table \(identifier)")
  }

  /// Takes an existing metadata file as a table.
  public func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable {
    let path = "\(try settings.path(identifier.namespace))/register"
    let body = JSONValue.object(["name": identifier.name, "metadata-location": metadataLocation])
    return try await make(identifier, path, body, "registering table \(identifier)")
  }

  /// Forgets a table; with `purge` the server is asked to remove its files.
  public func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {
    let path = "\(try settings.path(identifier))?purgeRequested=\(purge)"
    try await delete(path, "dropping table \(identifier)")
    await forget(identifier)
  }

  /// Renames a table.
  public func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {
    _ = try settings.path(identifier)
    _ = try settings.path(to)
    let body = JSONValue.object(["source": identifier.json, "destination": to.json])
    let what = "renaming table \(identifier) to \(to)"
    _ = try await request("POST", "/tables/rename", body, .harmful, what, conflict: .alreadyExists)
    await forget(identifier)
  }

  private func make(
    _ identifier: TableIdentifier, _ path: String, _ body: JSONValue, _ what: String
  ) async throws(IcebergError) -> LoadedTable {
    switch try await session.send("POST", path, body, .commit, what) {
    case .success(let answer): return try await loaded(identifier, answer.json, isWritten: true)
    case .failure(let refused) where refused.refusal.status == 409:
      throw refused.refusal.error(what, conflict: .alreadyExists)
    case .failure(let refused): throw refused.refusal.commitError(what)
    }
  }

  // MARK: Requests

  func request(
    _ method: String, _ path: String, _ body: JSONValue?, _ repetition: RESTSession.Repetition, _ what: String,
    conflict: IcebergError.Kind
  ) async throws(IcebergError) -> RESTSession.Answer {
    switch try await session.send(method, path, body, repetition, what) {
    case .success(let answer): return answer
    case .failure(let refused):
      let error = refused.refusal.error(what, conflict: conflict)
      guard repetition != .harmless, error.kind == .transient, ![429, 503].contains(refused.refusal.status) else {
        throw error
      }
      throw IcebergError(.unknownOutcome, "\(error.message); whether it was done is unknown: look before trying again")
    }
  }

  /// Removes something; that it is gone after an answer was lost is a success.
  func delete(
    _ path: String, conflict: IcebergError.Kind = .conflict, _ what: String
  ) async throws(IcebergError) {
    switch try await session.send("DELETE", path, nil, .harmless, what) {
    case .success: return
    case .failure(let refused):
      if refused.refusal.status == 404, refused.mayHaveBeenAppliedBefore { return }
      throw refused.refusal.error(what, conflict: conflict)
    }
  }

  /// Reads a listing page after page.
  func forEachPage(
    _ path: String, query: [String], _ what: String, _ body: (JSONValue) throws(IcebergError) -> Void
  ) async throws(IcebergError) {
    var token = ""
    var seen: Set<String> = []
    while true {
      let all = (query + ["pageToken=\(RESTText.encoded(token))"]).joined(separator: "&")
      let json = try await request("GET", "\(path)?\(all)", nil, .harmless, what, conflict: .conflict).json
      try body(json)
      guard let next = try json.optionalString("next-page-token"), !next.isEmpty else { return }
      guard seen.insert(next).inserted else {
        throw IcebergError(.corrupt, "\(what): the server gave the page token '\(next)' twice")
      }
      token = next
    }
  }

  // MARK: Answers

  /// A LoadTableResult.
  private func loaded(
    _ identifier: TableIdentifier, _ json: JSONValue, isWritten: Bool = false
  ) async throws(IcebergError) -> LoadedTable {
    do {
      let metadata = try TableMetadata(json: try json.required("metadata"))
      let storage = try RESTStorage(catalog: settings.properties, answer: json)
      return LoadedTable(
        identifier: identifier, metadata: metadata,
        metadataLocation: try json.optionalString("metadata-location") ?? "",
        store: try await store(identifier, storage))
    } catch {
      throw IcebergError(
        isWritten ? .unknownOutcome : error.kind,
        "table \(identifier): the server's answer is not what the specification says: \(error.message)")
    }
  }

  /// The store of a table, with what the catalog gave last; `nil` leaves it as it is.
  func store(_ identifier: TableIdentifier, _ storage: RESTStorage?) async throws(IcebergError) -> any ObjectStore {
    if let held = stores.withLock({ $0.value(identifier) }) {
      if let storage { held.update(storage) }
      return held
    }
    let session = self.session
    let what = "renewing the credentials of table \(identifier)"
    let path = try settings.path(identifier) + (settings.supportsCredentials ? "/credentials" : "")
    let given: RESTStorage
    if let storage {
      given = storage
    } else {
      given = try RESTStorage(catalog: settings.properties, answer: .object([JSONValue.Member]()))
    }
    let made = RESTTableStore(
      given, make: makeStore,
      nowMilliseconds: session.sender.environment.nowMilliseconds
    ) { () async throws(IcebergError) in
      switch try await session.send("GET", path, nil, .harmless, what) {
      case .success(let answer): return answer.json
      case .failure(let refused): throw refused.refusal.error(what, conflict: .conflict)
      }
    }
    for unused in stores.withLock({ $0.insert(made, for: identifier) }) { await unused.close() }
    return made
  }
}
