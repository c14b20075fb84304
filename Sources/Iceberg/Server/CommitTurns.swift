/// Whose turn it is to commit: of the commits that one server makes to a table, one after another in the order in
/// which they came.
///
/// Without it they would race each other, and the slowest of many writers could lose every race. Commits of others,
/// through another server or none, are still met as conflicts.
actor CommitTurns {
  /// Those who wait for a table; the key is there as long as somebody commits to it. Bounded by the requests that are
  /// being answered.
  private var waiting: [TableIdentifier: [CheckedContinuation<Void, Never>]] = [:]

  /// Runs `body` alone among all that name one of these tables.
  func whenFree<Value: Sendable>(
    _ tables: [TableIdentifier], _ body: @Sendable () async throws -> Value
  ) async throws -> Value {
    // Everybody takes several tables in the same order, so nobody waits for somebody who waits for them.
    let ordered = Set(tables).sorted()
    for table in ordered { await take(table) }
    defer { for table in ordered { pass(table) } }
    return try await body()
  }

  private func take(_ table: TableIdentifier) async {
    guard waiting[table] != nil else {
      waiting[table] = []
      return
    }
    // A caller that was cancelled waits as well: the turns before its own are short, and end whatever happens.
    await withCheckedContinuation { continuation in waiting[table]?.append(continuation) }
  }

  /// Hands the turn to the next without letting go in between: nobody who comes now gets ahead of who waited.
  private func pass(_ table: TableIdentifier) {
    guard var queue = waiting[table], !queue.isEmpty else {
      waiting[table] = nil
      return
    }
    let next = queue.removeFirst()
    waiting[table] = queue
    next.resume()
  }
}
