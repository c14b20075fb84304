import Iceberg
import Logging
import TestTraits
import Testing

@Suite("The REST catalog service", .fewAtOnce)
struct ServerTests {
  @Test("the configuration lists what is served, multi-table commits only where the catalog has them")
  func configuration() async throws {
    let served = try ServedDirectory()
    let answer = try await served.ask("GET", "/v1/config?warehouse=any")
    let endpoints = try #require(answer.json?["endpoints"]?.arrayValue).compactMap(\.stringValue)
    #expect(answer.status == 200 && answer.json?["defaults"] != nil && answer.json?["overrides"] != nil)
    #expect(endpoints.contains("POST /v1/{prefix}/namespaces/{namespace}/tables/{table}"))
    #expect(!endpoints.contains { $0.contains("transactions") || $0.contains("views") })
  }

  @Test("namespaces are made, listed by parent, asked for, and dropped only when they are empty")
  func namespaces() async throws {
    let served = try ServedDirectory()
    let made = try await served.ask("POST", "/v1/namespaces", #"{"namespace":["a"],"properties":{"owner":"me"}}"#)
    #expect(made.status == 200 && made.json?["namespace"] == .array([.string("a")]))
    let again = try await served.ask("POST", "/v1/namespaces", #"{"namespace":["a"]}"#)
    #expect(again.isError(409, "AlreadyExistsException"))
    #expect(try await served.ask("POST", "/v1/namespaces", #"{"namespace":["a","b c"]}"#).status == 200)
    let inner = try await served.ask("GET", "/v1/namespaces?parent=a")
    #expect(inner.json?["namespaces"] == .array([.array([.string("a"), .string("b c")])]))
    for path in ["/v1/namespaces/a%1Fb%20c", "/v1/namespaces/a%1fb+c"] {
      #expect(try await served.ask("HEAD", path).status == 204)
      #expect(try await served.ask("GET", path).json?["properties"]?["location"] != nil)
    }
    #expect(try await served.ask("GET", "/v1/namespaces/nope").isError(404, "NoSuchNamespaceException"))
    #expect(try await served.ask("GET", "/v1/namespaces?parent=nope").isError(404, "NoSuchNamespaceException"))
    #expect(try await served.ask("DELETE", "/v1/namespaces/a").isError(409, "NamespaceNotEmptyException"))
    #expect(try await served.ask("DELETE", "/v1/namespaces/a%1Fb%20c").status == 204)
    #expect(try await served.ask("DELETE", "/v1/namespaces/a").status == 204)
    let refused = try await served.ask("POST", "/v1/namespaces", #"{"namespace":["z"],"properties":{"k":"v"}}"#)
    #expect(refused.isError(406, "UnsupportedOperationException"))
  }

  @Test("pages go on after the last name, whatever was added or removed between two requests")
  func pagination() async throws {
    let served = try ServedDirectory()
    for name in ["b", "a", "d", "é", "c"] {
      _ = try await served.ask("POST", "/v1/namespaces", #"{"namespace":["\#(name)"]}"#)
    }
    var names: [String] = []
    var token: String? = ""
    while let next = token {
      let page = try await served.ask("GET", "/v1/namespaces?pageSize=2&pageToken=\(next)")
      let found = try #require(page.json?["namespaces"]?.arrayValue)
      #expect(found.count <= 2)
      names += found.compactMap { $0.arrayValue?.first?.stringValue }
      if names.count == 2 { _ = try await served.ask("DELETE", "/v1/namespaces/b") }
      token = page.json?["next-page-token"]?.stringValue
    }
    #expect(names == ["a", "b", "c", "d", "é"])
    for query in ["pageSize=0", "pageSize=x", "pageToken=zz", "pageToken=f"] {
      #expect(try await served.ask("GET", "/v1/namespaces?\(query)").isError(400, "BadRequestException"))
    }
  }

  @Test("a table is created, loaded with a tag that answers 304, and dropped")
  func tables() async throws {
    let served = try ServedDirectory()
    try await served.makeTable()
    let path = "/v1/namespaces/db/tables/t"
    let loaded = try await served.ask("GET", path)
    let tag = try #require(loaded.headers["ETag"])
    #expect(loaded.json?["metadata-location"]?.stringValue?.hasSuffix("/db/t/metadata/v1.metadata.json") == true)
    #expect(loaded.json?["metadata"]?["format-version"]?.integerValue == 2)
    #expect(loaded.json?["config"] == .object([]))
    for known in [tag, "\"x\", W/\(tag)", "*"] {
      #expect(try await served.ask("GET", path, headers: ["If-None-Match": known]).status == 304)
    }
    #expect(try await served.ask("GET", path, headers: ["If-None-Match": "\"x\""]).status == 200)
    #expect(try await served.ask("GET", path + "?snapshots=refs", headers: ["If-None-Match": tag]).status == 200)
    #expect(try await served.ask("GET", path + "?snapshots=some").isError(400, "BadRequestException"))
    #expect(try await served.ask("HEAD", path).status == 204)
    let list = try await served.ask("GET", "/v1/namespaces/db/tables")
    #expect(list.json?["identifiers"]?.arrayValue?.first?["name"]?.stringValue == "t")
    let again = try await served.ask("POST", "/v1/namespaces/db/tables", ServedDirectory.creation("t"))
    #expect(again.isError(409, "AlreadyExistsException"))
    let nowhere = try await served.ask("POST", "/v1/namespaces/no/tables", ServedDirectory.creation("t"))
    #expect(nowhere.isError(404, "NoSuchNamespaceException"))
    #expect(try await served.ask("POST", path + "/metrics", "{}").status == 204)
    let credentials = try await served.ask("GET", path + "/credentials")
    #expect(credentials.json?["storage-credentials"] == .array([]))
    #expect(try await served.ask("DELETE", path + "?purgeRequested=maybe").isError(400, "BadRequestException"))
    #expect(try await served.ask("DELETE", path + "?purgeRequested=true").status == 204)
    #expect(try await served.ask("GET", path).isError(404, "NoSuchTableException"))
    #expect(try await served.ask("HEAD", path).status == 404)
  }

  @Test("a staged table leaves nothing behind until its commit, which creates it once")
  func staged() async throws {
    let served = try ServedDirectory()
    _ = try await served.ask("POST", "/v1/namespaces", #"{"namespace":["db"]}"#)
    let staged = try await served.ask(
      "POST", "/v1/namespaces/db/tables", ServedDirectory.creation("s", more: #","stage-create":true"#))
    let metadata = try #require(staged.json?["metadata"])
    #expect(staged.status == 200 && staged.json?["metadata-location"] == nil)
    #expect(try await served.ask("GET", "/v1/namespaces/db/tables/s").isError(404, "NoSuchTableException"))
    let uuid = try metadata.string("table-uuid")
    let commit = """
      {"requirements":[{"type":"assert-create"}],"updates":[
        {"action":"assign-uuid","uuid":"\(uuid)"},{"action":"upgrade-format-version","format-version":2},
        {"action":"add-schema","schema":\(try #require(metadata["schemas"]?.arrayValue?.first).text),"last-column-id":1},
        {"action":"set-current-schema","schema-id":-1},
        {"action":"add-spec","spec":{"spec-id":0,"fields":[]}},{"action":"set-default-spec","spec-id":-1},
        {"action":"add-sort-order","sort-order":{"order-id":0,"fields":[]}},
        {"action":"set-default-sort-order","sort-order-id":-1},
        {"action":"set-location","location":"\(try metadata.string("location"))"},
        {"action":"set-properties","updates":{"k":"v"}}]}
      """
    let created = try await served.ask("POST", "/v1/namespaces/db/tables/s", commit)
    #expect(created.status == 200, "\(created.message)")
    let loaded = try await served.catalog.loadTable(TableIdentifier(Namespace(["db"]), "s"))
    #expect(loaded.metadata.tableUUID == uuid && loaded.metadata.properties["k"] == "v")
    #expect(loaded.metadata.schemas.count == 1 && loaded.metadata.metadataLog.isEmpty)
    // The file that was registered is not left beside the catalog's own.
    let files = try await loaded.store.list(prefix: "file://\(served.path)/db/s/", after: nil).objects
    #expect(files.filter { $0.location.hasSuffix(".metadata.json") }.count == 1)
    let twice = try await served.ask("POST", "/v1/namespaces/db/tables/s", commit)
    #expect(twice.isError(409, "CommitFailedException"))
    let empty = #"{"requirements":[{"type":"assert-create"}],"updates":[]}"#
    #expect(try await served.ask("POST", "/v1/namespaces/db/tables/e", empty).isError(400, "BadRequestException"))
  }

  @Test("a commit whose requirement does not hold is a conflict, and one for a missing table says so")
  func commits() async throws {
    let served = try ServedDirectory()
    try await served.makeTable()
    let path = "/v1/namespaces/db/tables/t"
    let set = #""updates":[{"action":"set-properties","updates":{"a":"b"}}]"#
    let done = try await served.ask("POST", path, #"{"requirements":[],\#(set)}"#)
    #expect(done.status == 200 && done.json?["metadata"]?["properties"]?["a"]?.stringValue == "b")
    #expect(done.json?["metadata-location"]?.stringValue?.hasSuffix("v2.metadata.json") == true)
    let stale = #"{"requirements":[{"type":"assert-table-uuid","uuid":"other"}],\#(set)}"#
    #expect(try await served.ask("POST", path, stale).isError(409, "CommitFailedException"))
    let missing = try await served.ask("POST", "/v1/namespaces/db/tables/no", #"{"requirements":[],\#(set)}"#)
    #expect(missing.isError(404, "NoSuchTableException"))
    let other = #"{"identifier":{"namespace":["db"],"name":"u"},"requirements":[],\#(set)}"#
    #expect(try await served.ask("POST", path, other).isError(400, "BadRequestException"))
    let change = #"{"identifier":{"namespace":["db"],"name":"t"},"requirements":[],\#(set)}"#
    let one = try await served.ask("POST", "/v1/transactions/commit", #"{"table-changes":[\#(change)]}"#)
    #expect(one.status == 204)
    let twice = try await served.ask("POST", "/v1/transactions/commit", #"{"table-changes":[\#(change),\#(change)]}"#)
    #expect(twice.isError(400, "BadRequestException"))
    let two = change + "," + change.replacing("\"t\"", with: "\"u\"")
    let both = try await served.ask("POST", "/v1/transactions/commit", #"{"table-changes":[\#(two)]}"#)
    #expect(both.isError(406, "UnsupportedOperationException"))
  }

  @Test(
    "a lost race is tried again while the requirements hold; what is unknown or impossible is answered at once",
    arguments: [
      ([IcebergError.Kind.conflict, .conflict, nil], 200, nil, 3),
      (Array(repeating: .conflict, count: 8), 409, "CommitFailedException", 8),
      ([.unknownOutcome], 500, "CommitStateUnknownException", 1),
      ([.transient], 503, "ServiceUnavailableException", 1),
      ([.unauthorized], 403, "ForbiddenException", 1), ([.io], 500, "InternalServerError", 1)
    ] as [([IcebergError.Kind?], Int, String?, Int)])
  func races(outcomes: [IcebergError.Kind?], status: Int, type: String?, count: Int) async throws {
    let served = try ServedDirectory()
    try await served.makeTable()
    let table = try await served.catalog.loadTable(TableIdentifier(Namespace(["db"]), "t"))
    let catalog = ScriptedCatalog(table: table, outcomes: outcomes)
    var environment = CommitEnvironment.system
    environment.sleep = { _ in }
    let service = RESTCatalogService(
      catalog: catalog, store: LocalFileStore(), options: RESTCatalogOptions(warehouse: served.path),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, environment: environment)
    let body = #"{"requirements":[{"type":"assert-table-uuid","uuid":"\#(table.metadata.tableUUID)"}],"updates":[]}"#
    let answer = try ServedAnswer(
      await service.respond(
        CatalogHTTPRequest(method: "POST", target: "/v1/namespaces/db/tables/t", body: Array(body.utf8))))
    #expect(answer.status == status && answer.type == type)
    #expect(await catalog.commitsSeen == count)
    #expect((answer.headers["Retry-After"] != nil) == (status == 503))
  }

  @Test("of many that change a table at once, nobody loses a race against the others, however few the attempts")
  func turns() async throws {
    let served = try ServedDirectory { options in options.commitAttempts = 1 }
    try await served.makeTable()
    let answers = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<40 {
        let update = #"{"action":"set-properties","updates":{"p\#(number)":"x"}}"#
        group.addTask {
          try await served.ask(
            "POST", "/v1/namespaces/db/tables/t", #"{"requirements":[],"updates":[\#(update)]}"#
          ).status
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(answers == Array(repeating: 200, count: 40))
    let table = try await served.catalog.loadTable(TableIdentifier(Namespace(["db"]), "t"))
    #expect((0..<40).allSatisfy { table.metadata.properties["p\($0)"] == "x" })
  }

  @Test("a metadata file is registered; one that is not there, or no such namespace, is said to be so")
  func register() async throws {
    let served = try ServedDirectory()
    try await served.makeTable()
    let location = "\(served.path)/db/t/metadata/v7.metadata.json"
    let body = #"{"name":"r","metadata-location":"\#(location)"}"#
    #expect(try await served.ask("POST", "/v1/namespaces/db/register", body).isError(400, "BadRequestException"))
    #expect(try await served.ask("POST", "/v1/namespaces/no/register", body).isError(404, "NoSuchNamespaceException"))
    let rename = #"{"source":{"namespace":["db"],"name":"t"},"destination":{"namespace":["db"],"name":"u"}}"#
    let renamed = try await served.ask("POST", "/v1/tables/rename", rename)
    #expect(renamed.isError(406, "UnsupportedOperationException"))
  }

  @Test("views are neither there nor an error to look for")
  func views() async throws {
    let served = try ServedDirectory()
    try await served.makeTable()
    #expect(try await served.ask("GET", "/v1/namespaces/db/views").json?["identifiers"] == .array([]))
    #expect(try await served.ask("GET", "/v1/namespaces/db/views/v").isError(404, "NoSuchViewException"))
    #expect(try await served.ask("HEAD", "/v1/namespaces/db/views/v").status == 404)
    #expect(try await served.ask("GET", "/v1/namespaces/no/views").isError(404, "NoSuchNamespaceException"))
  }
}
