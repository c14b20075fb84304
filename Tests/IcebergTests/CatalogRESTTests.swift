import Foundation
import Iceberg
import TestTraits
import Testing

@Suite("The REST catalog", .fewAtOnce)
struct CatalogRESTTests {
  private static let config = CatalogScript.json(#"{"defaults": {}, "overrides": {}}"#)

  private static func isConfig(_ request: HTTPTransportRequest) -> Bool { request.url.contains("/v1/config") }

  private func environment(_ now: CatalogBox<Int64> = CatalogBox(0)) -> TransportEnvironment {
    TransportEnvironment(nowMilliseconds: { now.value }, sleep: { _ in }, random: { 0.5 })
  }

  private func connect(
    _ script: CatalogScript, _ properties: [String: String] = [:], now: CatalogBox<Int64> = CatalogBox(0),
    makeStore: @escaping RESTCatalog.MakeStore = { _ in CatalogFixture.store() }
  ) async throws -> RESTCatalog {
    try await RESTCatalog.connect(
      name: "r", properties: ["uri": "http://host/base/"].merging(properties) { $1 }, transport: script,
      environment: environment(now), makeStore: makeStore)
  }

  /// A LoadTableResult.
  private func table(_ members: String = "") throws -> String {
    let metadata = try TableMetadata.create(
      CatalogFixture.creation(), location: "s3://bucket/t", uuid: "9c12d441-03fe-4693-9a96-a0705ddf69c1", now: 1)
    return #"{"metadata-location": "s3://bucket/t/metadata/1.json", "metadata": \#(metadata.json.text)\#(members)}"#
  }

  @Test("keeps what every catalog promises, with Java's handlers as the server")
  func contract() async throws {
    let directory = try CatalogFixture.directory()
    let url = try CatalogServer.database("rest_contract")
    let java = try CatalogJavaServer(database: "rest_contract", warehouse: "file://\(directory)", catalog: "shared")
    let catalog = try await Catalogs.make(
      type: "rest", properties: ["uri": java.address], logger: CatalogFixture.logger)
    let shared = CatalogFixture.table("shared", "t")
    // Java's JdbcCatalog drops a namespace that has others below it.
    try await CatalogContract(catalog: catalog, hasNestedNamespaces: false).run()
    let nested = Namespace(["outer", "in/ner ü"])
    try await catalog.createNamespace(nested, properties: ["a": "b"])
    #expect(try await catalog.listNamespaces(parent: Namespace(["outer"])) == [nested])
    #expect(try await catalog.namespaceProperties(nested)["a"] == "b")
    try await catalog.createNamespace(shared.namespace, properties: [:])
    let created = try await catalog.createTable(shared, CatalogFixture.creation())
    let direct = try await Catalogs.make(
      type: "sql", properties: ["uri": url, "catalog-name": "shared", "warehouse": directory],
      logger: CatalogFixture.logger)
    #expect(try await direct.loadTable(shared).metadata == created.metadata)
    _ = try await direct.commit([CatalogFixture.setting(shared, ["x": "1"])])
    #expect(try await catalog.loadTable(shared).metadata.properties["x"] == "1")
    let other = CatalogFixture.table("shared", "u")
    _ = try await catalog.createTable(other, CatalogFixture.creation())
    let both = try await catalog.commit([
      CatalogFixture.setting(shared, ["y": "1"]), CatalogFixture.setting(other, ["y": "2"])
    ])
    #expect(both.map { $0.metadata.properties["y"] } == ["1", "2"])
    await catalog.close()
    await direct.close()
  }

  @Test("lets exactly one of many writers win each round at Java's server")
  func races() async throws {
    let directory = try CatalogFixture.directory()
    _ = try CatalogServer.database("rest_races")
    let java = try CatalogJavaServer(database: "rest_races", warehouse: "file://\(directory)", catalog: "c")
    let catalog = try await Catalogs.make(
      type: "rest", properties: ["uri": java.address], logger: CatalogFixture.logger)
    let identifier = CatalogFixture.table("ns", "t")
    try await catalog.createNamespace(identifier.namespace, properties: [:])
    _ = try await catalog.createTable(identifier, CatalogFixture.creation())
    let race = CatalogRace(catalogs: Array(repeating: catalog, count: 4), identifier: identifier, rounds: 5)
    let winners = try await race.exactlyOneWins()
    #expect(try await catalog.loadTable(identifier).metadata.snapshots.map(\.snapshotID) == winners)
    await catalog.close()
  }

  @Test("takes the server's defaults, its own properties and the server's overrides in this order")
  func configuration() async throws {
    let script = CatalogScript { request, _ throws(HTTPTransportError) in
      Self.isConfig(request)
        ? CatalogScript.json(
          """
          {"defaults": {"header.a": "default", "header.b": "default", "clients": "4"},
           "overrides": {"prefix": "main|wh", "namespace-separator": "%2E", "header.c": "override"},
           "endpoints": ["GET /v1/{prefix}/namespaces"]}
          """) : CatalogScript.json(#"{"identifiers": []}"#)
    }
    let catalog = try await connect(
      script, ["warehouse": "s3://a b", "header.b": "client", "header.c": "client", "token": "secret"])
    #expect(script.sent[0].url == "http://host/base/v1/config?warehouse=s3%3A%2F%2Fa%20b")
    _ = try await catalog.listTables(Namespace(["a.b/c", "ü"]))
    let request = script.sent[1]
    #expect(request.url == "http://host/base/v1/main%7Cwh/namespaces/a.b%2Fc.%C3%BC/tables?pageToken=")
    #expect(["a", "b", "c"].map { request.headers[$0] } == ["default", "client", "override"])
    #expect(request.headers["Authorization"] == "Bearer secret")
    #expect(request.headers["X-Iceberg-Access-Delegation"] == "vended-credentials")
    #expect(!catalog.supportsMultiTableCommits)
    #expect(
      await CatalogFixture.failure { try await connect(script, ["uri": "host"]) } == .invalid)
  }

  @Test("separates levels of namespaces by 0x1F, and reads page after page")
  func pages() async throws {
    let script = CatalogScript { request, number throws(HTTPTransportError) in
      switch number {
      case 1: Self.config
      case 2: CatalogScript.json(#"{"namespaces": [["a", "b", "x"]], "next-page-token": "t/1"}"#)
      case 3: CatalogScript.json(#"{"namespaces": [["a", "b", "y"]], "next-page-token": null}"#)
      default: CatalogScript.json(#"{"namespaces": [], "next-page-token": "same"}"#)
      }
    }
    let catalog = try await connect(script)
    let found = try await catalog.listNamespaces(parent: Namespace(["a", "b"]))
    #expect(found == [Namespace(["a", "b", "x"]), Namespace(["a", "b", "y"])])
    #expect(script.sent[1].url == "http://host/base/v1/namespaces?parent=a%1Fb&pageToken=")
    #expect(script.sent[2].url == "http://host/base/v1/namespaces?parent=a%1Fb&pageToken=t%2F1")
    #expect(await CatalogFixture.failure { try await catalog.listNamespaces(parent: nil) } == .corrupt)
  }

  @Test(
    "says after a commit exactly what is known, and sends it once",
    arguments: [
      (400, "BadRequestException", IcebergError.Kind.invalid), (401, "NotAuthorizedException", .unauthorized),
      (403, "ForbiddenException", .unauthorized), (404, "NoSuchTableException", .notFound),
      (409, "CommitFailedException", .conflict), (429, "TooManyRequests", .transient),
      (500, "CommitStateUnknownException", .unknownOutcome), (502, "", .unknownOutcome),
      (503, "SlowDownException", .transient), (503, "", .unknownOutcome), (504, "", .unknownOutcome)
    ])
  func commitRefusals(status: Int, type: String, kind: IcebergError.Kind) async throws {
    let script = CatalogScript { _, _ throws(HTTPTransportError) in Self.config }
    let catalog = try await connect(script)
    script.forget()
    script.answering { _, _ throws(HTTPTransportError) in
      type.isEmpty ? CatalogScript.json("<html>", status: status) : CatalogScript.error(status, type)
    }
    let commit = CatalogFixture.setting(CatalogFixture.table("ns", "t"), ["a": "b"])
    #expect(await CatalogFixture.failure { try await catalog.commit([commit]) } == kind)
    #expect(script.sent.count == 1)
    #expect(script.sent[0].method == "POST")
    #expect(script.sent[0].url == "http://host/base/v1/namespaces/ns/tables/t")
  }

  @Test(
    "takes a commit whose answer was lost as unknown, and one that was never sent as undone",
    arguments: [
      (HTTPTransportError.Kind.connectionLost, IcebergError.Kind.unknownOutcome, 1), (.timeout, .unknownOutcome, 1),
      (.malformedResponse, .unknownOutcome, 1), (.cancelled, .unknownOutcome, 1), (.notSent, .transient, 8),
      (.invalidRequest, .invalid, 1)
    ])
  func lostCommits(lost: HTTPTransportError.Kind, kind: IcebergError.Kind, attempts: Int) async throws {
    let script = CatalogScript { _, _ throws(HTTPTransportError) in Self.config }
    let catalog = try await connect(script)
    script.forget()
    script.answering { _, _ throws(HTTPTransportError) in throw HTTPTransportError(lost, "lost") }
    let tables = ["t", "u"].map { CatalogFixture.setting(CatalogFixture.table("ns", $0), ["a": "b"]) }
    #expect(await CatalogFixture.failure { try await catalog.commit([tables[0]]) } == kind)
    #expect(script.sent.count == attempts)
    #expect(await CatalogFixture.failure { try await catalog.commit(tables) } == kind)
    #expect(
      await CatalogFixture.failure {
        try await catalog.createTable(CatalogFixture.table("ns", "t"), CatalogFixture.creation())
      } == kind)
    #expect(script.sent.count == 3 * attempts)
    // A success that cannot be read is a success that nobody knows.
    script.answering { _, _ throws(HTTPTransportError) in CatalogScript.json("{") }
    #expect(await CatalogFixture.failure { try await catalog.commit([tables[0]]) } == .unknownOutcome)
  }

  @Test("repeats what does no harm twice, and takes a table that is gone after that as dropped")
  func repetition() async throws {
    let script = CatalogScript { _, _ throws(HTTPTransportError) in Self.config }
    let catalog = try await connect(script)
    let body = try table()
    script.forget()
    script.answering { _, number throws(HTTPTransportError) in
      if number == 1 { throw HTTPTransportError(.connectionLost, "lost") }
      return number == 2 ? CatalogScript.json("", status: 503) : CatalogScript.json(body)
    }
    let table = CatalogFixture.table("ns", "t")
    #expect(try await catalog.loadTable(table).metadataLocation == "s3://bucket/t/metadata/1.json")
    #expect(script.sent.count == 3)
    script.forget()
    script.answering { _, number throws(HTTPTransportError) in
      if number == 1 { throw HTTPTransportError(.timeout, "lost") }
      return CatalogScript.error(404, "NoSuchTableException")
    }
    try await catalog.dropTable(table, purge: true)
    #expect(script.sent[0].url.hasSuffix("/tables/t?purgeRequested=true"))
    #expect(await CatalogFixture.failure { try await catalog.dropTable(table, purge: true) } == .notFound)
  }

  @Test("closes the store of a table that it forgets")
  func forgetsStores() async throws {
    let script = CatalogScript { _, _ throws(HTTPTransportError) in Self.config }
    let made = CatalogBox<[CatalogFaultyStore]>([])
    let catalog = try await connect(script) { _ in
      let store = CatalogFaultyStore(CatalogFixture.store())
      made.change { $0.append(store) }
      return store
    }
    let body = try table()
    script.answering { _, _ throws(HTTPTransportError) in CatalogScript.json(body) }
    for (count, forget) in [true, false].enumerated() {
      let identifier = CatalogFixture.table("ns", "t\(count)")
      // The store is made with the first location that is asked for.
      _ = try await catalog.loadTable(identifier).store.info("file:///nonexistent")
      #expect(made.value.count == count + 1)
      if forget {
        try await catalog.dropTable(identifier, purge: false)
      } else {
        try await catalog.renameTable(identifier, to: CatalogFixture.table("ns", "u"))
      }
      #expect(made.value[count].closeCount == 1)
    }
    await catalog.close()
  }

  @Test("says that several tables cannot be committed when the server does not do that", arguments: [404, 405, 501])
  func noTransactions(status: Int) async throws {
    let script = CatalogScript { _, _ throws(HTTPTransportError) in Self.config }
    let catalog = try await connect(script)
    let commits = ["t", "u"].map { CatalogFixture.setting(CatalogFixture.table("ns", $0), ["a": "b"]) }
    script.answering { _, _ throws(HTTPTransportError) in CatalogScript.json("", status: status) }
    #expect(await CatalogFixture.failure { try await catalog.commit(commits) } == .unsupported)
    script.answering { _, _ throws(HTTPTransportError) in CatalogScript.error(409, "CommitFailedException") }
    #expect(await CatalogFixture.failure { try await catalog.commit(commits) } == .conflict)
    #expect(script.sent.last?.url == "http://host/base/v1/transactions/commit")
  }

  @Test("gets a token, renews it before it ends, and once when it is refused")
  func tokens() async throws {
    let now = CatalogBox<Int64>(1_000_000)
    let given = CatalogBox(0)
    let refused = CatalogBox<Set<String>>([])
    let script = CatalogScript { request, _ throws(HTTPTransportError) in
      if request.url == "http://host/base/v1/oauth/tokens" {
        let number = given.change { value in
          value += 1
          return value
        }
        return CatalogScript.json(#"{"access_token": "t\#(number)", "token_type": "bearer", "expires_in": 3600}"#)
      }
      if refused.value.contains(request.headers["Authorization"] ?? "") {
        return CatalogScript.error(401, "NotAuthorizedException")
      }
      return Self.isConfig(request) ? Self.config : CatalogScript.json(#"{"identifiers": []}"#)
    }
    let catalog = try await connect(script, ["credential": "me:se:cr&t", "scope": "PRINCIPAL_ROLE:ALL"], now: now)
    #expect(
      String(decoding: body(script.sent[0]), as: UTF8.self)
        == "grant_type=client_credentials&client_id=me&client_secret=se%3Acr%26t&scope=PRINCIPAL_ROLE%3AALL")
    #expect(script.sent[0].headers["Authorization"] == nil)
    let namespace = Namespace(["ns"])
    _ = try await catalog.listTables(namespace)
    #expect(script.sent.last?.headers["Authorization"] == "Bearer t1")
    now.change { $0 += 3_541_000 }
    _ = try await catalog.listTables(namespace)
    #expect(script.sent.last?.headers["Authorization"] == "Bearer t2")
    refused.change { $0 = ["Bearer t2"] }
    _ = try await catalog.listTables(namespace)
    #expect(script.sent.last?.headers["Authorization"] == "Bearer t3")
    refused.change { $0 = ["Bearer t3", "Bearer t4", "Bearer t5"] }
    #expect(await CatalogFixture.failure { try await catalog.listTables(namespace) } == .unauthorized)
    #expect(given.value == 4)
  }

  private func body(_ request: HTTPTransportRequest) -> [UInt8] {
    if case .bytes(let bytes) = request.body { bytes } else { [] }
  }

  @Test("signs requests to AWS's catalogs as botocore does")
  func signatures() async throws {
    let script = CatalogScript { request, _ throws(HTTPTransportError) in
      Self.isConfig(request)
        ? CatalogScript.json(#"{"overrides": {"prefix": "arn%3Aaws%3As3tables%3Aus-east-1%3A1%3Abucket%2Fb"}}"#)
        : CatalogScript.json(#"{"namespaces": []}"#)
    }
    let catalog = try await connect(
      script,
      [
        "uri": "https://s3tables.us-east-1.amazonaws.com/iceberg", "rest.sigv4-enabled": "true",
        "rest.signing-name": "s3tables", "rest.signing-region": "us-east-1", "rest.access-key-id": "AKID",
        "rest.secret-access-key": "secret", "warehouse": "arn:aws:s3tables:us-east-1:1:bucket/b"
      ], now: CatalogBox(1_700_000_000_000))
    _ = try await catalog.listNamespaces(parent: Namespace(["a", "ü"]))
    try await catalog.createNamespace(Namespace(["n"]), properties: ["k": "v"])
    for request in script.sent {
      let names = request.headers.fields.map(\.name).filter { !["Authorization", "x-amz-date"].contains($0) }
      let headers = names.flatMap { [$0, request.headers[$0] ?? ""] }
      let expected = try CatalogJudge.script(
        """
        import sys, datetime, botocore.auth as a
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        a.get_current_datetime = lambda *_, **__: datetime.datetime(2023, 11, 14, 22, 13, 20)
        r = AWSRequest(method=sys.argv[1], url=sys.argv[2], data=sys.argv[3],
          headers=dict(zip(sys.argv[4::2], sys.argv[5::2])))
        a.SigV4Auth(Credentials("AKID", "secret"), "s3tables", "us-east-1").add_auth(r)
        print(r.headers["Authorization"])
        """,
        [request.method, request.url, String(decoding: body(request), as: UTF8.self)] + headers)
      #expect("\(request.headers["Authorization"] ?? "")\n" == expected)
    }
    #expect(script.sent.count == 3)
  }

  @Test("uses the credentials that came with a table where their prefix says, and renews them")
  func storage() async throws {
    let now = CatalogBox<Int64>(0)
    let made = CatalogBox<[[String: String]]>([])
    let generation = CatalogBox(1)
    let metadata = try table()
    let script = CatalogScript { request, _ throws(HTTPTransportError) in
      if Self.isConfig(request) { return Self.config }
      let key = "k\(generation.value)"
      let ends = generation.value * 1_000_000
      return CatalogScript.json(
        metadata.dropLast() + #"""
          , "config": {"s3.region": "x", "s3.access-key-id": "plain"}, "storage-credentials": [
            {"prefix": "s3://bucket", "config": {"s3.access-key-id": "\#(key)", "s3.session-token-expires-at-ms": "\#(ends)"}},
            {"prefix": "s3://bucket/t/deep", "config": {"s3.access-key-id": "deep"}}]}
          """#)
    }
    let catalog = try await connect(script, ["s3.endpoint": "http://s3"], now: now) {
      (properties: [String: String]) throws(IcebergError) in
      made.change { $0.append(properties) }
      return CatalogKeyStore(key: properties["s3.access-key-id"] ?? "", refused: "k2")
    }
    let store = try await catalog.loadTable(CatalogFixture.table("ns", "t")).store
    func key(_ location: String) async throws -> String {
      String(decoding: try await store.read(location, range: nil), as: UTF8.self)
    }
    #expect(try await key("s3://bucket/t/a") == "k1")
    #expect(try await key("s3://bucket/t/deep/a") == "deep")
    #expect(try await key("s3://elsewhere/a") == "plain")
    #expect(made.value.allSatisfy { $0["s3.endpoint"] == "http://s3" && $0["s3.region"] == "x" })
    let before = script.sent.count
    #expect(try await key("s3://bucket/t/b") == "k1")
    #expect(script.sent.count == before)
    // They end soon: new ones are asked for; those the store refuses, so there are newer ones.
    now.change { $0 = 950_000 }
    generation.change { $0 = 2 }
    async let last = key("s3://bucket/t/c")
    _ = try? await last
    generation.change { $0 = 3 }
    #expect(try await key("s3://bucket/t/c") == "k3")
  }
}
