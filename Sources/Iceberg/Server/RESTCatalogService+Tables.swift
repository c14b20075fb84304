import Logging

extension RESTCatalogService {
  func answerTable(_ exchange: ServerExchange, _ route: ServerRoute) async throws -> CatalogHTTPResponse {
    switch (route, exchange.request.method) {
    case (.tables(let namespace), "POST"): return try await createTable(exchange, namespace)
    case (.tables(let namespace), _): return try await listTables(exchange, namespace)
    case (.register(let namespace), _): return try await registerTable(exchange, namespace)
    case (.renameTable, _): return try await renameTable(exchange)
    case (.metrics, _): return .noContent
    case (.credentials(let identifier), _):
      let table = try await catalog.loadTable(identifier)
      return .json(.object(["storage-credentials": .array(try await storage(table.metadata).credentials)]))
    case (.table(let identifier), "POST"): return try await commitTable(exchange, identifier)
    case (.table(let identifier), "DELETE"):
      try await catalog.dropTable(identifier, purge: try exchange.query.flag("purgeRequested"))
      return .noContent
    case (.table(let identifier), let method):
      let table = try await catalog.loadTable(identifier)
      return method == "HEAD" ? .noContent : try await loaded(table, exchange)
    default: throw ServerFailure(404, "NoSuchEndpointException", "there is nothing here")
    }
  }

  private func listTables(_ exchange: ServerExchange, _ namespace: Namespace) async throws -> CatalogHTTPResponse {
    let page = try ServerPage(exchange.query)
    let (tables, next) = page.cut(try await catalog.listTables(namespace)) { $0.name }
    let identifiers = tables.map { table in
      JSONValue.object(["namespace": Self.levels(table.namespace), "name": .string(table.name)])
    }
    return .json(.object(["identifiers": .array(identifiers), "next-page-token": next.map { .string($0) }]))
  }

  // MARK: Creating

  private func createTable(_ exchange: ServerExchange, _ namespace: Namespace) async throws -> CatalogHTTPResponse {
    let (name, isStaged, creation) = try exchange.body { json throws(IcebergError) in
      (try Self.name(json), try json.optionalBool("stage-create") ?? false, try TableCreation(json: json))
    }
    let identifier = TableIdentifier(namespace, name)
    if isStaged { return try await stageTable(identifier, creation) }
    return try await created(try await catalog.createTable(identifier, creation))
  }

  /// Answers what the table would be; its first commit creates it.
  private func stageTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws -> CatalogHTTPResponse {
    let location = try await defaultLocation(identifier)
    guard try await find(identifier) == nil else {
      throw ServerFailure(409, "AlreadyExistsException", "table \(identifier) exists already")
    }
    let metadata = try TableMetadata.create(
      creation, location: creation.location ?? location, uuid: environment.makeUUID(),
      now: environment.nowMilliseconds())
    await makeDirectories(metadata)
    return .json(try await result(metadata, location: nil, json: metadata.json))
  }

  /// DuckDB writes a staged table's first files, but not their directory, which local files need.
  private func makeDirectories(_ metadata: TableMetadata) async {
    guard let path = store.localPath(MetadataFiles.directory(metadata)) else { return }
    do {
      try await BlockingPool.shared.run { () throws(IcebergError) in try LocalFiles.makeDirectory(path) }
    } catch {
      logger.debug("no directory for a staged table", metadata: ["path": "\(path)", "error": "\(error)"])
    }
  }

  private func registerTable(_ exchange: ServerExchange, _ namespace: Namespace) async throws -> CatalogHTTPResponse {
    let (name, location, overwrites) = try exchange.body { json throws(IcebergError) in
      (try Self.name(json), try json.string("metadata-location"), try json.optionalBool("overwrite") ?? false)
    }
    guard !overwrites else {
      throw ServerFailure(
        406, "UnsupportedOperationException", "registering over an existing table is not possible; drop it first")
    }
    _ = try await catalog.namespaceProperties(namespace)
    let table: LoadedTable
    do {
      table = try await catalog.registerTable(TableIdentifier(namespace, name), metadataLocation: location)
    } catch {
      guard error.kind == .notFound || error.kind == .corrupt else { throw error }
      throw ServerFailure.badRequest("metadata-location: \(error.message)")
    }
    return try await created(table)
  }

  private func renameTable(_ exchange: ServerExchange) async throws -> CatalogHTTPResponse {
    let (source, destination) = try exchange.body { json throws(IcebergError) in
      (try Self.identifier(json, "source"), try Self.identifier(json, "destination"))
    }
    do {
      try await catalog.renameTable(source, to: destination)
    } catch {
      // What is missing is the source, or the destination's namespace.
      guard error.kind == .notFound, try await find(source) != nil else { throw error }
      throw ServerFailure(error, .namespace)
    }
    return .noContent
  }

  // MARK: Answers

  private func loaded(_ table: LoadedTable, _ exchange: ServerExchange) async throws -> CatalogHTTPResponse {
    let onlyReferences: Bool
    switch exchange.query["snapshots"] {
    case nil, "", "all": onlyReferences = false
    case "refs": onlyReferences = true
    case .some(let other): throw ServerFailure.badRequest("snapshots: expected all or refs, got '\(other)'")
    }
    let tag = Self.entityTag(table.metadataLocation, onlyReferences: onlyReferences)
    if let known = exchange.request.headers["If-None-Match"], Self.contains(known, tag) {
      return CatalogHTTPResponse(status: 304, headers: ["ETag": tag])
    }
    var metadata = table.metadata
    if onlyReferences {
      let kept = Set(metadata.references.values.map(\.snapshotID) + [metadata.currentSnapshotID].compactMap { $0 })
      metadata.snapshots.removeAll { !kept.contains($0.snapshotID) }
    }
    let answer = try await result(table.metadata, location: table.metadataLocation, json: metadata.json)
    return .json(answer, headers: ["ETag": tag])
  }

  private func created(_ table: LoadedTable) async throws -> CatalogHTTPResponse {
    .json(
      try await result(table.metadata, location: table.metadataLocation, json: table.metadata.json),
      headers: ["ETag": Self.entityTag(table.metadataLocation, onlyReferences: false)])
  }

  /// A `LoadTableResult`.
  private func result(_ metadata: TableMetadata, location: String?, json: JSONValue) async throws -> JSONValue {
    let storage = try await storage(metadata)
    return .object([
      "metadata-location": location.map { .string($0) }, "metadata": json, "config": .object(storage.properties),
      "storage-credentials": storage.credentials.isEmpty ? nil : .array(storage.credentials)
    ])
  }

  /// What a client needs to reach the table's files, as far as it is told.
  private func storage(
    _ metadata: TableMetadata
  ) async throws -> (properties: [String: String], credentials: [JSONValue]) {
    guard ["s3://", "s3a://", "s3n://"].contains(where: metadata.location.hasPrefix) else { return ([:], []) }
    guard let provider = options.vendedCredentials else { return (options.storageProperties, []) }
    let given = try await provider.credentials(insteadOf: nil)
    var secrets = ["s3.access-key-id": given.accessKeyID, "s3.secret-access-key": given.secretAccessKey]
    secrets["s3.session-token"] = given.sessionToken
    secrets["s3.session-token-expires-at-ms"] = given.expiresAtMilliseconds.map { String($0) }
    let properties = options.storageProperties.merging(secrets) { _, secret in secret }
    let credential = JSONValue.object([
      "prefix": .string(metadata.location), "config": .object(properties)
    ])
    return (properties, [credential])
  }

  /// A tag of the answer: a metadata file never changes.
  static func entityTag(_ location: String, onlyReferences: Bool) -> String {
    let text = (onlyReferences ? "refs " : "all ") + location
    return "\"\(Digests.sha256(Array(text.utf8)).prefix(32))\""
  }

  /// Whether a list of tags (RFC 9110 §13.1.2) has `tag` in it.
  private static func contains(_ list: String, _ tag: String) -> Bool {
    list.split(separator: ",").contains { part in
      let text = part.filter { $0 != " " && $0 != "\t" }
      return text == "*" || text == tag || text == "W/\(tag)"
    }
  }

  // MARK: Helpers

  /// The table; `nil` when there is none.
  func find(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable? {
    do {
      return try await catalog.loadTable(identifier)
    } catch  where error.kind == .notFound {
      return nil
    }
  }

  /// Where a table is put that does not say so.
  /// - Throws: 404 when the namespace is not there.
  func defaultLocation(_ identifier: TableIdentifier) async throws -> String {
    let properties: [String: String]
    do {
      properties = try await catalog.namespaceProperties(identifier.namespace)
    } catch {
      throw ServerFailure(error, .namespace)
    }
    let warehouse = try Locations.normalized(options.warehouse, what: "warehouse")
    let usual = ([warehouse] + identifier.namespace.levels).joined(separator: "/")
    let parent = try Locations.normalized(
      properties["location"] ?? usual, what: "location of namespace \(identifier.namespace)")
    return "\(parent)/\(identifier.name)"
  }

  static func identifier(_ json: JSONValue, _ member: String) throws(IcebergError) -> TableIdentifier {
    let object = try json.required(member)
    do {
      return TableIdentifier(try namespace(object), try name(object))
    } catch {
      throw error.within(member)
    }
  }

  private static func name(_ json: JSONValue) throws(IcebergError) -> String {
    let name = try json.string("name")
    guard !name.isEmpty else { throw IcebergError(.invalid, "name: expected a name that is not empty") }
    return name
  }
}
