import Iceberg
import Logging
import Testing

/// A served catalog in a directory of its own.
struct ServedDirectory: Sendable {
  let path: String
  let catalog: FileSystemCatalog
  let service: RESTCatalogService

  init(token: String? = nil, prefix: String? = nil, _ change: (inout RESTCatalogOptions) -> Void = { _ in }) throws {
    path = try CatalogFixture.directory()
    let store = LocalFileStore()
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    catalog = try FileSystemCatalog(name: "served", warehouse: path, store: store, logger: logger)
    var options = RESTCatalogOptions(warehouse: path, token: token, prefix: prefix)
    change(&options)
    service = RESTCatalogService(catalog: catalog, store: store, options: options, logger: logger)
  }

  func ask(
    _ method: String, _ target: String, _ body: String = "", headers: HTTPHeaderList = [:]
  ) async throws -> ServedAnswer {
    let request = CatalogHTTPRequest(method: method, target: target, headers: headers, body: Array(body.utf8))
    return try ServedAnswer(await service.respond(request))
  }

  /// A namespace `db` with a table `t` of one column.
  func makeTable() async throws {
    #expect(try await ask("POST", "/v1/namespaces", #"{"namespace":["db"]}"#).status == 200)
    #expect(try await ask("POST", "/v1/namespaces/db/tables", Self.creation("t")).status == 200)
  }

  static func creation(_ name: String, more: String = "") -> String {
    #"{"name":"\#(name)","schema":{"type":"struct","fields":"#
      + #"[{"id":1,"name":"a","type":"long","required":false}]}\#(more)}"#
  }
}

/// An answer with its JSON.
struct ServedAnswer {
  let status: Int
  let headers: HTTPHeaderList
  let json: JSONValue?

  init(_ response: CatalogHTTPResponse) throws {
    status = response.status
    headers = response.headers
    json = response.body.isEmpty ? nil : try JSONValue(parsing: response.body)
  }

  /// The exception's name.
  var type: String? { json?["error"]?["type"]?.stringValue }
  /// The error's message.
  var message: String { json?["error"]?["message"]?.stringValue ?? "" }

  /// Whether the error model is whole and says the same as the status.
  func isError(_ status: Int, _ type: String) -> Bool {
    self.status == status && self.type == type && json?["error"]?["code"]?.integerValue == Int64(status)
      && !message.isEmpty
  }
}

/// A catalog with one table whose commits end as a script says.
actor ScriptedCatalog: Catalog {
  nonisolated let name = "scripted"
  nonisolated let supportsMultiTableCommits: Bool
  private let table: LoadedTable
  private var outcomes: [IcebergError.Kind?]
  private(set) var commitsSeen = 0

  init(table: LoadedTable, outcomes: [IcebergError.Kind?], supportsMultiTableCommits: Bool = true) {
    self.table = table
    self.outcomes = outcomes
    self.supportsMultiTableCommits = supportsMultiTableCommits
  }

  func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] { [] }
  func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {}
  func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] { [:] }
  func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {}
  func dropNamespace(_ namespace: Namespace) async throws(IcebergError) {}
  func listTables(_ namespace: Namespace) async throws(IcebergError) -> [TableIdentifier] { [table.identifier] }
  func loadTable(_ identifier: TableIdentifier) async throws(IcebergError) -> LoadedTable { table }
  func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) async throws(IcebergError) -> LoadedTable { table }
  func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String
  ) async throws(IcebergError) -> LoadedTable { table }
  func dropTable(_ identifier: TableIdentifier, purge: Bool) async throws(IcebergError) {}
  func renameTable(_ identifier: TableIdentifier, to: TableIdentifier) async throws(IcebergError) {}

  func commit(_ commits: [TableCommit]) async throws(IcebergError) -> [LoadedTable] {
    commitsSeen += 1
    if !outcomes.isEmpty, let kind = outcomes.removeFirst() { throw IcebergError(kind, "scripted \(kind)") }
    return commits.map { _ in table }
  }

  func close() async {}
}
