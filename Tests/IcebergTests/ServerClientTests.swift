import Iceberg
import TestTraits
import Testing

@Suite("The REST catalog service and this library's client", .fewAtOnce)
struct ServerClientTests {
  @Test("over directories, the client keeps what every catalog promises")
  func directories() async throws {
    let served = try ServedDirectory()
    let catalog = try await connect(served.service)
    try await CatalogContract(catalog: catalog, hasNamespaceProperties: false, canRename: false).run()
  }

  @Test("over a database, with a token, the client keeps what every catalog promises")
  func database() async throws {
    let directory = try CatalogFixture.directory()
    let url = try CatalogServer.database("served")
    let store = CatalogFixture.store()
    let under = try SQLCatalog(
      SQLCatalog.Configuration(name: "weir", url: url, warehouse: directory), store: store,
      logger: CatalogFixture.logger)
    let service = RESTCatalogService(
      catalog: under, store: store, options: RESTCatalogOptions(warehouse: directory, token: "hush", prefix: "weir"),
      logger: CatalogFixture.logger)
    let catalog = try await connect(service, ["credential": "me:hush", "prefix": "weir"])
    try await CatalogContract(catalog: catalog).run()
    await under.close()
  }

  @Test("the client is told that its token is wrong")
  func refused() async throws {
    let served = try ServedDirectory(token: "hush")
    let kind = await CatalogFixture.failure {
      let catalog = try await connect(served.service, ["token": "wrong"])
      return try await catalog.listNamespaces(parent: nil)
    }
    #expect(kind == .unauthorized)
  }

  private func connect(
    _ service: RESTCatalogService, _ properties: [String: String] = [:]
  ) async throws -> RESTCatalog {
    try await RESTCatalog.connect(
      name: "served", properties: properties.merging(["uri": "http://served"]) { given, _ in given },
      transport: ServedTransport(service: service)
    ) { (properties: [String: String]) throws(IcebergError) in CatalogFixture.store() }
  }
}

/// Hands requests to a service in this process.
private struct ServedTransport: HTTPTransport {
  let service: RESTCatalogService

  func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    guard request.url.hasPrefix("http://served/") else {
      throw HTTPTransportError(.invalidRequest, request.url)
    }
    var bytes: [UInt8] = []
    if case .bytes(let given) = request.body { bytes = given }
    let answer = await service.respond(
      CatalogHTTPRequest(
        method: request.method, target: String(request.url.dropFirst("http://served".count)),
        headers: request.headers, body: bytes))
    return HTTPTransportResponse(status: answer.status, headers: answer.headers, body: answer.body)
  }

  func close() async {}
}
