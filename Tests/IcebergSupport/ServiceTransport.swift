import Iceberg

/// Hands requests for `http://served` to a REST catalog service in this process.
public struct ServiceTransport: HTTPTransport {
  private let service: RESTCatalogService

  /// A transport to `service`.
  public init(_ service: RESTCatalogService) { self.service = service }

  /// Asks the service.
  public func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    let server = "http://served"
    guard request.url.hasPrefix(server + "/") else { throw HTTPTransportError(.invalidRequest, request.url) }
    var bytes: [UInt8] = []
    if case .bytes(let given) = request.body { bytes = given }
    let answer = await service.respond(
      CatalogHTTPRequest(
        method: request.method, target: String(request.url.dropFirst(server.count)), headers: request.headers,
        body: bytes))
    return HTTPTransportResponse(status: answer.status, headers: answer.headers, body: answer.body)
  }

  /// Does nothing.
  public func close() async {}
}
