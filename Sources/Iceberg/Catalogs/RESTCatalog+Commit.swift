/// Commits, and namespaces.
extension RESTCatalog {
  /// Applies the changes; those of several tables in the server's transaction.
  ///
  /// - Throws: kind `unknownOutcome` when the answer was lost, or was a server error: it is never sent again then.
  public func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    if commits.isEmpty { return [] }
    guard Set(commits.map(\.identifier)).count == commits.count else {
      throw IcebergError(.invalid, "a commit names a table twice; put its changes together")
    }
    if commits.count == 1 { return [try await commitOne(commits[0])] }
    guard settings.supportsTransactions else { throw noTransactions("does not list transactions among its endpoints") }
    let what = "committing \(commits.map(\.identifier.description).joined(separator: ", "))"
    let body = JSONValue.object(["table-changes": .array(commits.map(\.json))])
    switch try await session.send("POST", "/transactions/commit", body, .commit, what) {
    case .success: break
    case .failure(let refused):
      let refusal = refused.refusal
      if [404, 405, 406, 501].contains(refusal.status), refusal.type?.hasPrefix("NoSuch") != true {
        throw noTransactions("answered \(refusal.status)")
      }
      throw refusal.commitError(what)
    }
    do {
      var tables: [LoadedTable] = []
      for commit in commits { tables.append(try await loadTable(commit.identifier)) }
      return tables
    } catch {
      throw IcebergError(
        .unknownOutcome, "\(what): applied, but the tables could not be read after that: \(error.message)")
    }
  }

  private func noTransactions(_ why: String) -> IcebergError {
    IcebergError(
      .unsupported, "catalog \(name) cannot commit several tables at once (it \(why)); commit one table at a time")
  }

  private func commitOne(_ commit: TableCommit) async throws(IcebergError) -> LoadedTable {
    let what = "committing to table \(commit.identifier)"
    let path = try settings.path(commit.identifier)
    switch try await session.send("POST", path, commit.json, .commit, what) {
    case .failure(let refused): throw refused.refusal.commitError(what)
    case .success(let answer):
      do {
        let metadata = try TableMetadata(json: try answer.json.required("metadata"))
        return LoadedTable(
          identifier: commit.identifier, metadata: metadata,
          metadataLocation: try answer.json.optionalString("metadata-location") ?? "",
          store: try await store(commit.identifier, nil))
      } catch {
        throw IcebergError(
          .unknownOutcome, "\(what): the server said that it was applied, but not in words: \(error.message)")
      }
    }
  }

  // MARK: Namespaces

  /// Namespaces directly below `parent`.
  public func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] {
    let levels = parent?.levels ?? []
    let query = levels.isEmpty ? [] : ["parent=\(settings.encoded(Namespace(levels)))"]
    var found: Set<Namespace> = []
    let what = "listing namespaces\(levels.isEmpty ? "" : " of \(Namespace(levels))")"
    try await forEachPage("/namespaces", query: query, what) { json throws(IcebergError) in
      let page = try json.optionalElements("namespaces") { json throws(IcebergError) in try Namespace(json: json) }
      found.formUnion(page ?? [])
    }
    return found.sorted()
  }

  /// Makes a namespace.
  public func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {
    _ = try settings.path(namespace)
    let body = JSONValue.object(["namespace": namespace.json, "properties": .object(properties)])
    _ = try await request(
      "POST", "/namespaces", body, .harmful, "creating namespace \(namespace)", conflict: .alreadyExists)
  }

  /// Its properties.
  public func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] {
    let answer = try await request(
      "GET", try settings.path(namespace), nil, .harmless, "reading namespace \(namespace)", conflict: .conflict)
    return try RESTSettings.strings(answer.json, "properties")
  }

  /// Changes its properties.
  public func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {
    if let both = removing.first(where: { setting[$0] != nil }) {
      throw IcebergError(.invalid, "property \(both) of namespace \(namespace) is both removed and set")
    }
    let path = "\(try settings.path(namespace))/properties"
    let body = JSONValue.object([
      "removals": .array(removing.map { .string($0) }), "updates": .object(setting)
    ])
    _ = try await request("POST", path, body, .harmless, "changing namespace \(namespace)", conflict: .conflict)
  }

  /// Removes an empty namespace.
  public func dropNamespace(_ namespace: Namespace) async throws(IcebergError) {
    try await delete(try settings.path(namespace), "dropping namespace \(namespace)")
  }
}
