import Logging

extension RESTCatalogService {
  /// `POST …/tables/{table}`.
  func commitTable(_ exchange: ServerExchange, _ identifier: TableIdentifier) async throws -> CatalogHTTPResponse {
    let commit = try exchange.body { json throws(IcebergError) in
      if try json.optional("identifier") != nil {
        let named = try Self.identifier(json, "identifier")
        guard named == identifier else {
          throw IcebergError(.invalid, "identifier: expected \(identifier), as in the path, found \(named)")
        }
      }
      return try Self.commit(json, identifier)
    }
    let table = try await commitOne(commit)
    return .json(
      .object(["metadata-location": .string(table.metadataLocation), "metadata": table.metadata.json]),
      headers: ["ETag": Self.entityTag(table.metadataLocation, onlyReferences: false)])
  }

  /// `POST /v1/transactions/commit`.
  func commitTransaction(_ exchange: ServerExchange) async throws -> CatalogHTTPResponse {
    let commits = try exchange.body { json throws(IcebergError) in
      try json.elements("table-changes") { change throws(IcebergError) in
        try Self.commit(change, try Self.identifier(change, "identifier"))
      }
    }
    guard Set(commits.map(\.identifier)).count == commits.count else {
      throw ServerFailure.badRequest("table-changes: expected each table once; put the changes of a table together")
    }
    if commits.count == 1, let commit = commits.first {
      _ = try await commitOne(commit)
      return .noContent
    }
    guard catalog.supportsMultiTableCommits else {
      throw ServerFailure(
        406, "UnsupportedOperationException",
        "catalog \(catalog.name) cannot change \(commits.count) tables at once: commit them one by one")
    }
    if let created = commits.first(where: { $0.requirements.contains(.tableDoesNotExist) }) {
      throw ServerFailure(
        406, "UnsupportedOperationException",
        "table \(created.identifier) cannot be created together with changes of other tables; commit it first")
    }
    _ = try await commitExisting(commits)
    return .noContent
  }

  private static func commit(_ json: JSONValue, _ identifier: TableIdentifier) throws(IcebergError) -> TableCommit {
    TableCommit(
      identifier: identifier,
      requirements: try json.elements("requirements") { value throws(IcebergError) in
        try TableRequirement(json: value)
      },
      updates: try json.elements("updates") { value throws(IcebergError) in try TableUpdate(json: value) })
  }

  private func commitOne(_ commit: TableCommit) async throws -> LoadedTable {
    if commit.requirements.contains(.tableDoesNotExist) { return try await createByCommit(commit) }
    let tables = try await commitExisting([commit])
    guard let table = tables.first else { throw IcebergError(.corrupt, "the catalog answered without the table") }
    return table
  }

  /// Commits, and tries again when another commit was faster but all requirements still hold: a client asked for
  /// nothing more.
  private func commitExisting(_ commits: [TableCommit]) async throws -> [LoadedTable] {
    try await turns.whenFree(commits.map(\.identifier)) { try await commitWithRetries(commits) }
  }

  @inline(never)
  private func commitWithRetries(_ commits: [TableCommit]) async throws -> [LoadedTable] {
    var attempt = 1
    while attempt < max(2, options.commitAttempts) {
      if let tables = try await commitOnce(commits) { return tables }
      try await waitForNext(attempt, commits)
      attempt += 1
    }
    return try await catalog.commit(commits)
  }

  /// The client waits meanwhile, and gives up after a minute or so.
  private static let betweenCommits = RetryPolicy(initialMilliseconds: 50, maximumMilliseconds: 2_000)

  /// Lets the other commit finish; throws the requirement that does not hold any more.
  @inline(never)  // Inlined, it makes the optimiser of Swift 6.3.1 crash while it splits the caller.
  private func waitForNext(_ attempt: Int, _ commits: [TableCommit]) async throws {
    for commit in commits { try await check(commit) }
    logger.debug(
      "a commit lost a race; trying again",
      metadata: ["tables": "\(commits.map(\.identifier))", "attempt": "\(attempt)"])
    let wait = Self.betweenCommits.backoff(attempt: attempt, random: Double(environment.random() >> 11) * 0x1p-53)
    try await environment.sleep(Int64(wait))
  }

  /// The tables after the commit; `nil` when it was in conflict.
  @inline(never)
  private func commitOnce(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable]? {
    do {
      return try await catalog.commit(commits)
    } catch  where error.kind == .conflict {
      return nil
    }
  }

  /// Throws the requirement that does not hold now.
  @inline(never)
  private func check(_ commit: TableCommit) async throws(IcebergError) {
    let table = try await catalog.loadTable(commit.identifier)
    try table.metadata.check(commit.requirements)
  }

  // MARK: Creating by commit

  /// Creates a staged table: writes its first metadata file and registers that, so that it appears with all it has.
  private func createByCommit(_ commit: TableCommit) async throws -> LoadedTable {
    let identifier = commit.identifier
    let exists = ServerFailure.commitFailed("requirement failed: table \(identifier) exists already")
    let location = try await defaultLocation(identifier)
    guard try await find(identifier) == nil else { throw exists }
    let metadata = try StagedTable(commit.updates).metadata(
      location: location, uuid: environment.makeUUID(), now: environment.nowMilliseconds())
    let file = try MetadataFiles.next(metadata, after: nil, uuid: environment.makeUUID())
    try await write(metadata, to: file)
    let table: LoadedTable
    do {
      table = try await catalog.registerTable(identifier, metadataLocation: file)
    } catch {
      if error.kind != .unknownOutcome { await remove(file) }
      if error.kind == .alreadyExists { throw exists }
      throw error
    }
    // A catalog of directories has the metadata under a name of its own.
    if !Locations.areEqual(table.metadataLocation, file) { await remove(file) }
    return table
  }

  private func write(_ metadata: TableMetadata, to file: String) async throws(IcebergError) {
    let bytes = metadata.serialized(compressed: try MetadataFiles.isCompressed(metadata))
    do {
      _ = try await store.write(file, bytes, ifAbsent: true)
    } catch  where error.kind == .unknownOutcome || error.kind == .alreadyExists {
      // Whatever became of the file, no table names it.
      throw IcebergError(.transient, "writing \(file): \(error.message)")
    }
  }

  private func remove(_ file: String) async {
    do {
      try await store.delete([file])
    } catch {
      logger.warning(
        "a metadata file that is not needed was not removed",
        metadata: ["location": "\(file)", "error": "\(error)"])
    }
  }
}
