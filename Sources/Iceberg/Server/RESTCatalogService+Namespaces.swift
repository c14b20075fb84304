extension RESTCatalogService {
  func answerNamespace(_ exchange: ServerExchange, _ route: ServerRoute) async throws -> CatalogHTTPResponse {
    switch (route, exchange.request.method) {
    case (.namespaces, "POST"): return try await createNamespace(exchange)
    case (.namespaces, _): return try await listNamespaces(exchange)
    case (.namespaceProperties(let namespace), _): return try await updateProperties(exchange, namespace)
    case (.namespace(let namespace), "DELETE"):
      try await catalog.dropNamespace(namespace)
      return .noContent
    case (.namespace(let namespace), let method):
      let properties = try await catalog.namespaceProperties(namespace)
      if method == "HEAD" { return .noContent }
      return .json(.object(["namespace": Self.levels(namespace), "properties": .object(properties)]))
    default: throw ServerFailure(404, "NoSuchEndpointException", "there is nothing here")
    }
  }

  private func listNamespaces(_ exchange: ServerExchange) async throws -> CatalogHTTPResponse {
    let page = try ServerPage(exchange.query)
    let text = exchange.query["parent"] ?? ""
    let parent = text.isEmpty ? nil : try ServerRoute.namespace(text)
    let found = try await catalog.listNamespaces(parent: parent)
    let (namespaces, next) = page.cut(found) { $0.levels.joined(separator: "\u{1F}") }
    return .json(
      .object([
        "namespaces": .array(namespaces.map(Self.levels)), "next-page-token": next.map { .string($0) }
      ]))
  }

  private func createNamespace(_ exchange: ServerExchange) async throws -> CatalogHTTPResponse {
    let (namespace, properties) = try exchange.body { json throws(IcebergError) in
      (try Self.namespace(json), try json.stringMap("properties"))
    }
    do {
      try await catalog.createNamespace(namespace, properties: properties)
    } catch {
      guard error.kind == .unsupported, properties.keys.allSatisfy({ $0 == "owner" }) else { throw error }
      // Spark always sends the user's name; Java's client leaves it out for catalogs that cannot keep it.
      try await catalog.createNamespace(namespace, properties: [:])
    }
    let kept = try await catalog.namespaceProperties(namespace)
    return .json(.object(["namespace": Self.levels(namespace), "properties": .object(kept)]))
  }

  private func updateProperties(
    _ exchange: ServerExchange, _ namespace: Namespace
  ) async throws -> CatalogHTTPResponse {
    let (removals, updates) = try exchange.body { json throws(IcebergError) in
      (try json.strings("removals") ?? [], try json.stringMap("updates"))
    }
    let both = Set(removals).intersection(updates.keys)
    guard both.isEmpty else {
      throw ServerFailure(
        422, "UnprocessableEntityException",
        "expected each property either in removals or in updates, got in both: \(both.sorted().joined(separator: ", "))"
      )
    }
    let present = try await catalog.namespaceProperties(namespace)
    let removed = Set(removals).filter { present[$0] != nil }.sorted()
    try await catalog.updateNamespace(namespace, removing: removed, setting: updates)
    return .json(
      .object([
        "updated": Self.strings(updates.keys.sorted()), "removed": Self.strings(removed),
        "missing": Self.strings(Set(removals).subtracting(removed).sorted())
      ]))
  }

  /// The member `namespace` of a request.
  static func namespace(_ json: JSONValue) throws(IcebergError) -> Namespace {
    let levels = try json.strings("namespace") ?? []
    guard !levels.isEmpty, !levels.contains(""), !levels.contains(where: { $0.utf8.contains(0x1F) }) else {
      throw IcebergError(.invalid, "namespace: expected an array of names that are not empty")
    }
    return Namespace(levels)
  }

  static func levels(_ namespace: Namespace) -> JSONValue { strings(namespace.levels) }

  private static func strings(_ strings: [String]) -> JSONValue { .array(strings.map { .string($0) }) }
}
