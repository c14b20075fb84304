import Logging
import PostgresClient

/// Rows: how tables come, change and are found.
extension SQLCatalog {
  /// What a table's row says.
  struct Pointer: Hashable, Sendable {
    var current: String
    var previous: String?
  }

  /// A change that is ready: its file is written, its row is not swapped.
  struct PreparedCommit: Sendable {
    var key: SQLNames.Key
    var base: LoadedTable
    /// The new state; the old one when there are no updates.
    var result: LoadedTable

    /// Whether there is something to swap.
    var isChange: Bool { result.metadataLocation != base.metadataLocation }
  }

  /// What became of a commit whose answer was lost.
  enum Settlement: Hashable, Sendable {
    case applied
    case notApplied(String)
    case unknown(String)
  }

  /// Applies the changes of all tables in one transaction of the database.
  public func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    guard Set(commits.map(\.identifier)).count == commits.count else {
      throw IcebergError(.invalid, "a commit names a table twice; put its changes together")
    }
    var prepared: [PreparedCommit] = []
    do {
      for commit in commits { prepared.append(try await prepare(commit)) }
    } catch {
      await discard(prepared)
      throw error
    }
    guard prepared.contains(where: \.isChange) else { return prepared.map(\.result) }
    switch try await swap(prepared) {
    case .applied: break
    case .notApplied(let message):
      await discard(prepared)
      throw IcebergError(.conflict, message)
    case .unknown(let message):
      throw IcebergError(
        .unknownOutcome,
        "\(message); whether the commit was applied is unknown: look at the table before trying again, delete nothing")
    }
    for change in prepared where change.isChange { await removeSuperseded(change) }
    return prepared.map(\.result)
  }

  /// The table's row; `nil` when there is none.
  func pointer(_ identifier: TableIdentifier) async throws(IcebergError) -> Pointer? {
    let key = try SQLNames.key(identifier)
    let catalog = name
    return try await session.read { connection, schema in
      try Self.pointer(key, catalog: catalog, connection, schema)
    }
  }

  private static func pointer(
    _ key: SQLNames.Key, catalog: String, _ connection: PostgresConnection, _ schema: SQLSchema, lock: String = ""
  ) throws -> Pointer? {
    let answer = try connection.run(
      """
      SELECT metadata_location, previous_metadata_location FROM iceberg_tables
      WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3\(schema.isTable) \(lock)
      """, [catalog, key.namespace, key.name])
    guard let row = answer.rows.first, row.count == 2 else { return nil }
    guard let current = row[0] else {
      throw IcebergError(.corrupt, "the row of table \(key.namespace).\(key.name) has no metadata_location")
    }
    return Pointer(current: current, previous: row[1])
  }

  private func prepare(_ commit: TableCommit) async throws(IcebergError) -> PreparedCommit {
    let key = try SQLNames.key(commit.identifier)
    let base = try await loadTable(commit.identifier)
    try base.metadata.check(commit.requirements)
    guard !commit.updates.isEmpty else { return PreparedCommit(key: key, base: base, result: base) }
    let metadata = try base.metadata.applying(
      commit.updates, now: environment.nowMilliseconds(), previousLocation: base.metadataLocation)
    guard metadata != base.metadata else { return PreparedCommit(key: key, base: base, result: base) }
    let file = try await writeFile(metadata, after: base.metadataLocation)
    let result = LoadedTable(
      identifier: commit.identifier, metadata: metadata, metadataLocation: file, store: store)
    return PreparedCommit(key: key, base: base, result: result)
  }

  /// Writes the file of a new state; no row names it yet.
  func writeFile(_ metadata: TableMetadata, after previous: String?) async throws(IcebergError) -> String {
    let location = try MetadataFiles.next(metadata, after: previous, uuid: environment.makeUUID())
    let bytes = metadata.serialized(compressed: try MetadataFiles.isCompressed(metadata))
    do {
      _ = try await store.write(location, bytes, ifAbsent: true)
    } catch {
      // Whatever became of the file, no table is changed by it.
      throw error.kind == .unknownOutcome || error.kind == .alreadyExists
        ? IcebergError(.transient, "writing \(location): \(error.message)") : error
    }
    return location
  }

  /// Swaps all rows, in one transaction.
  ///
  /// - Throws: what the database refused; then nothing was changed, and the new files are gone.
  private func swap(_ prepared: [PreparedCommit]) async throws(IcebergError) -> Settlement {
    // In the order of their names, so that two commits of the same tables cannot wait for each other.
    let ordered = prepared.sorted { ($0.key.namespace, $0.key.name) < ($1.key.namespace, $1.key.name) }
    let catalog = name
    let outcome: SQLOutcome<Void>
    do {
      outcome = try await session.transaction { connection, schema in
        for change in ordered { try Self.swap(change, catalog: catalog, connection, schema) }
      }
    } catch {
      await discard(prepared)
      throw error
    }
    switch outcome {
    case .committed: return .applied
    case .rolledBack(let refusal):
      await discard(prepared)
      throw SQLFailures.error(refusal)
    case .unknown(let message):
      logger.warning(
        "the answer to a commit was lost; looking whether it was applied",
        metadata: ["catalog": "\(name)", "error": "\(message)"])
      guard let change = ordered.first(where: \.isChange) else { return .unknown(message) }
      return await settle(change, message)
    }
  }

  private static func swap(
    _ change: PreparedCommit, catalog: String, _ connection: PostgresConnection, _ schema: SQLSchema
  ) throws {
    let condition =
      """
      catalog_name = $1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $4\(schema.isTable)
      """
    let key = [catalog, change.key.namespace, change.key.name, change.base.metadataLocation]
    let count: Int
    if change.isChange {
      count = try connection.run(
        "UPDATE iceberg_tables SET metadata_location = $5, previous_metadata_location = $4 WHERE \(condition)",
        key + [change.result.metadataLocation]
      ).affectedRows
    } else {
      // A table that is only required to be as it was read must stay so until the others are swapped.
      count = try connection.run("SELECT 1 FROM iceberg_tables WHERE \(condition) FOR SHARE", key).rows.count
    }
    guard count == 1 else {
      throw IcebergError(
        .conflict, "table \(change.base.identifier) was changed by another commit meanwhile; refresh and try again")
    }
  }

  // MARK: Lost answers

  /// Finds out whether a transaction was committed, by the row of one table that it swapped.
  private func settle(_ change: PreparedCommit, _ message: String) async -> Settlement {
    let catalog = name
    var lastMessage = message
    for attempt in 0..<Self.settleAttempts {
      do {
        // The row's lock is waited for: the lost transaction holds it as long as it may still be committed.
        let outcome = try await session.transaction { connection, schema in
          try Self.pointer(change.key, catalog: catalog, connection, schema, lock: "FOR UPDATE")
        }
        switch outcome {
        case .committed(let pointer): return await settle(change, by: pointer)
        case .rolledBack(let refusal): lastMessage = SQLFailures.error(refusal).message
        case .unknown(let text): lastMessage = text
        }
        if attempt + 1 < Self.settleAttempts { try await environment.sleep(Self.settlePauseMilliseconds) }
      } catch {
        lastMessage = "\(error)"
        if Task.isCancelled { break }
      }
    }
    return .unknown(
      "table \(change.base.identifier): the answer was lost (\(message)), reading back failed: \(lastMessage)")
  }

  private static let settleAttempts = 8
  private static let settlePauseMilliseconds: Int64 = 2000

  private func settle(_ change: PreparedCommit, by pointer: Pointer?) async -> Settlement {
    let ours = change.result.metadataLocation
    let base = change.base.metadataLocation
    let table = "table \(change.base.identifier)"
    guard let pointer else { return .unknown("\(table) is gone since its commit's answer was lost") }
    if pointer.current == ours || pointer.previous == ours { return .applied }
    if pointer.current == base { return .notApplied("\(table): the connection was lost, and nothing was changed") }
    if pointer.previous == base { return .notApplied("\(table) was changed by another commit meanwhile") }
    // Others have committed since: the log of their files tells, as long as it reaches back that far.
    guard let metadata = try? await MetadataFiles.read(pointer.current, store) else {
      return .unknown("\(table): its metadata file \(pointer.current) cannot be read")
    }
    let log = Set(metadata.metadataLog.map(\.metadataFile))
    if log.contains(ours) { return .applied }
    if log.contains(base) { return .notApplied("\(table) was changed by other commits meanwhile") }
    return .unknown("\(table): other commits followed, and the log of its metadata files does not reach back")
  }

  // MARK: New rows

  /// Adds the row of a new table.
  func insert(_ identifier: TableIdentifier, _ key: SQLNames.Key, location: String) async throws(IcebergError) {
    let catalog = name
    var lost: String?
    for _ in 0..<Self.settleAttempts {
      let outcome = try await session.transaction { connection, schema in
        guard try SQLNamespaces.lock(key.namespace, catalog: catalog, connection) else {
          throw SQLNames.missing(identifier.namespace)
        }
        let (column, value) = schema.hasType ? (", iceberg_type", ", 'TABLE'") : ("", "")
        try connection.run(
          """
          INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location,
            previous_metadata_location\(column)) VALUES ($1, $2, $3, $4, NULL\(value))
          """, [catalog, key.namespace, key.name, location])
      }
      switch outcome {
      case .committed: return
      case .unknown(let message): lost = message  // The same row again: it waits for the lost one, then tells.
      case .rolledBack(.server(let failure)) where failure.code == "23505":
        if lost != nil, try await pointer(identifier)?.current == location { return }
        throw SQLNames.exists(identifier)
      case .rolledBack(let refusal):
        guard let lost else { throw SQLFailures.error(refusal) }
        throw IcebergError(.unknownOutcome, "creating \(identifier): \(lost); then: \(SQLFailures.error(refusal))")
      }
    }
    throw IcebergError(.unknownOutcome, "creating \(identifier): \(lost ?? "no answer"); look whether it is there")
  }

  // MARK: Files

  private func discard(_ prepared: [PreparedCommit]) async {
    await discard(prepared.filter(\.isChange).map(\.result.metadataLocation))
  }

  /// Removes files that no row names, and none ever will.
  func discard(_ locations: [String]) async {
    guard !locations.isEmpty else { return }
    do {
      try await store.delete(locations)
    } catch {
      logger.warning(
        "the metadata file of a commit that was not applied stays behind",
        metadata: ["locations": "\(locations)", "error": "\(error)"])
    }
  }

  private func removeSuperseded(_ change: PreparedCommit) async {
    let old = MetadataFiles.superseded(by: change.result.metadata, from: change.base.metadata)
    guard !old.isEmpty else { return }
    do {
      try await store.delete(old)
    } catch {
      logger.warning(
        "old metadata files were not removed",
        metadata: ["table": "\(change.base.identifier)", "locations": "\(old)", "error": "\(error)"])
    }
  }
}
