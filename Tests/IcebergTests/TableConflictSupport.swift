import Iceberg
import IcebergSupport
import Synchronization
import TestSupport

/// A catalog in which others commit at the worst moment, and answers get lost.
final class RivalCatalog: Catalog {
  /// What happens to a commit.
  enum Fate: CaseIterable, Sendable {
    case calm, rival, lostBefore, lostAfter, refused, transient
  }

  private struct State {
    var random: SeededNumbers
    var isCalm = true
    var fates: [Fate: Int] = [:]
  }

  let base: any Catalog
  private let state: Mutex<State>
  private let rival: @Sendable () async throws -> Void

  /// - Parameter rival: commits something else through the base catalog.
  init(_ base: any Catalog, seed: UInt64, rival: @escaping @Sendable () async throws -> Void) {
    self.base = base
    self.rival = rival
    state = Mutex(State(random: SeededNumbers(seed: seed)))
  }

  /// How often each fate came.
  var fates: [Fate: Int] { state.withLock { $0.fates } }

  func setCalm(_ isCalm: Bool) { state.withLock { $0.isCalm = isCalm } }

  func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    let fate = state.withLock { state in
      guard !state.isCalm else { return Fate.calm }
      let fate = Fate.allCases[Int.random(in: 0..<Fate.allCases.count, using: &state.random)]
      state.fates[fate, default: 0] += 1
      return fate
    }
    switch fate {
    case .calm: return try await base.commit(commits)
    case .rival:
      do { try await rival() } catch { throw IcebergError(.io, "the rival failed: \(error)") }
      return try await base.commit(commits)
    case .lostBefore: throw IcebergError(.unknownOutcome, "the request was lost")
    case .lostAfter:
      _ = try await base.commit(commits)
      throw IcebergError(.unknownOutcome, "the answer was lost")
    case .refused: throw IcebergError(.conflict, "somebody was faster")
    case .transient: throw IcebergError(.transient, "the catalog is busy")
    }
  }

  var name: String { base.name }
  var supportsMultiTableCommits: Bool { base.supportsMultiTableCommits }
  func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] {
    try await base.listNamespaces(parent: parent)
  }
  func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {
    try await base.createNamespace(namespace, properties: properties)
  }
  func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] {
    try await base.namespaceProperties(namespace)
  }
  func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {
    try await base.updateNamespace(namespace, removing: removing, setting: setting)
  }
  func dropNamespace(_ namespace: Namespace) async throws(IcebergError) { try await base.dropNamespace(namespace) }
  func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] {
    try await base.listTables(namespace)
  }
  func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable {
    try await base.loadTable(identifier)
  }
  func createTable(_ identifier: TableIdentifier, _ creation: TableCreation) async throws(IcebergError) -> LoadedTable {
    try await base.createTable(identifier, creation)
  }
  func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable {
    try await base.registerTable(identifier, metadataLocation: metadataLocation)
  }
  func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {
    try await base.dropTable(identifier, purge: purge)
  }
  func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {
    try await base.renameTable(identifier, to: to)
  }
  func close() async { await base.close() }
}
