import Glibc
import Logging
import Synchronization

/// Makes stores from the properties of catalogs and tables.
public enum ObjectStores {
  /// A store that sends each location to where its scheme says: local files, or S3.
  ///
  /// - Parameters:
  ///   - properties: `s3.endpoint`, `s3.region`, `client.region`, `s3.access-key-id`, `s3.secret-access-key`,
  ///     `s3.session-token`, `s3.path-style-access`; what is missing comes from the environment, as AWS's tools read it.
  ///   - logger: Hears of fall-backs.
  ///   - credentials: Instead of those of the properties: ones that a catalog hands out and refreshes.
  ///   - transport: Carries requests, and stays open; `nil` makes one when it is needed.
  ///   - environment: Time and chance.
  public static func make(
    properties: [String: String], logger: Logger, credentials: (any CredentialsProvider)? = nil,
    transport: (any HTTPTransport)? = nil, environment: TransportEnvironment = .system
  ) -> any ObjectStore {
    SchemeStore(
      properties: properties, logger: logger, credentials: credentials, transport: transport, environment: environment,
      variable: { name in getenv(name).map { String(cString: $0) } })
  }
}

/// Dispatches by scheme; the S3 store is made with the first location that needs it.
package final class SchemeStore: ObjectStore {
  private let local = LocalFileStore()
  private let made = Mutex<S3Store?>(nil)
  private let makeS3: @Sendable () throws(IcebergError) -> S3Store
  private let transport: LazyTransport

  package init(
    properties: [String: String], logger: Logger, credentials: (any CredentialsProvider)?,
    transport given: (any HTTPTransport)?, environment: TransportEnvironment,
    variable: @escaping @Sendable (String) -> String?
  ) {
    let transport = LazyTransport(given: given)
    self.transport = transport
    makeS3 = { () throws(IcebergError) in
      let configuration = try S3Configuration(properties: properties, variable: variable)
      let carrier = transport.get()
      let sources = CredentialSources(
        transport: carrier, environment: environment, variable: variable, region: configuration.region)
      let fixed = try Self.fixed(properties)
      let provider = credentials ?? fixed ?? sources.provider()
      return S3Store(
        configuration: configuration, credentials: provider, transport: carrier, environment: environment,
        logger: logger)
    }
  }

  private static func fixed(_ properties: [String: String]) throws(IcebergError) -> (any CredentialsProvider)? {
    switch (properties["s3.access-key-id"], properties["s3.secret-access-key"]) {
    case (let key?, let secret?):
      return FixedCredentials(
        S3Credentials(accessKeyID: key, secretAccessKey: secret, sessionToken: properties["s3.session-token"]))
    case (nil, nil): return nil
    default:
      throw IcebergError(.invalid, "s3.access-key-id and s3.secret-access-key belong together: one is missing")
    }
  }

  private func store(_ location: String) throws(IcebergError) -> any ObjectStore {
    guard let colon = location.utf8.firstIndex(of: UInt8(ascii: ":")), !location.hasPrefix("/") else {
      return local
    }
    switch location[..<colon].lowercased() {
    case "file": return local
    case "s3", "s3a", "s3n": return try s3()
    case let scheme:
      throw IcebergError(
        .unsupported, "\(location): no store for the scheme \(scheme); supported are file, s3, s3a and s3n")
    }
  }

  private func s3() throws(IcebergError) -> S3Store {
    let result: Result<S3Store, IcebergError> = made.withLock { store in
      if let store { return .success(store) }
      do throws(IcebergError) {
        let fresh = try makeS3()
        store = fresh
        return .success(fresh)
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  package func info(_ location: String) async throws(IcebergError) -> ObjectInfo? {
    try await store(location).info(location)
  }

  package func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    try await store(location).read(location, range: range)
  }

  package func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo {
    try await store(location).write(location, bytes, ifAbsent: ifAbsent)
  }

  package func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    try await store(location).upload(file: path, to: location)
  }

  package func delete(_ locations: [String]) async throws(IcebergError) {
    var remote: [String] = []
    var near: [String] = []
    for location in locations {
      if try store(location) is S3Store { remote.append(location) } else { near.append(location) }
    }
    if !near.isEmpty { try await local.delete(near) }
    if !remote.isEmpty { try await s3().delete(remote) }
  }

  package func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    try await store(prefix).list(prefix: prefix, after: after)
  }

  package func localPath(_ location: String) -> String? {
    guard let store = try? store(location), store is LocalFileStore else { return nil }
    return local.localPath(location)
  }

  package func close() async { await transport.close() }
}

/// A transport that is made when it is needed, and closed only if it was made here.
private final class LazyTransport: Sendable {
  private let given: (any HTTPTransport)?
  private let made = Mutex<AsyncHTTPTransport?>(nil)

  init(given: (any HTTPTransport)?) { self.given = given }

  func get() -> any HTTPTransport {
    if let given { return given }
    return made.withLock { transport in
      if let transport { return transport }
      let fresh = AsyncHTTPTransport()
      transport = fresh
      return fresh
    }
  }

  func close() async { await made.withLock { $0 }?.close() }
}
