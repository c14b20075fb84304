import Iceberg

/// A catalog server in the world, and the requests that are on their way to it.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
final class SimulatedCatalogServer: @unchecked Sendable {
  static let address = "http://catalog"

  private let world: SimulatedWorld
  private let service: RESTCatalogService
  /// Requests whose answers were given up, and which have not arrived yet.
  private var late: [CatalogHTTPRequest] = []

  init(_ world: SimulatedWorld, service: RESTCatalogService) {
    self.world = world
    self.service = service
  }

  func respond(_ request: CatalogHTTPRequest) async -> CatalogHTTPResponse {
    let response = await service.respond(request)
    world.trace("catalog answers \(response.status) to \(request.method) \(request.path)")
    return response
  }

  func respondLater(_ request: CatalogHTTPRequest) { late.append(request) }

  /// Now and then a late request arrives.
  func maybeDeliver() async {
    if !late.isEmpty, Int.random(in: 0..<4, using: &world.random) == 0 { await deliverOne() }
  }

  /// Lets all that is under way arrive.
  func settle() async { while !late.isEmpty { await deliverOne() } }

  private func deliverOne() async {
    let request = late.removeFirst()
    world.trace("a late \(request.method) \(request.path) arrives")
    _ = await respond(request)
  }
}

/// Carries one process's requests to a ``SimulatedCatalogServer``, and loses some.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
final class SimulatedTransport: HTTPTransport, @unchecked Sendable {
  private let world: SimulatedWorld
  private let server: SimulatedCatalogServer
  private let process: SimulatedProcess
  /// Is called before a commit reaches the server: somebody else may be faster.
  private let beforeCommit: @Sendable () async -> Void

  init(
    _ world: SimulatedWorld, _ server: SimulatedCatalogServer, process: SimulatedProcess,
    beforeCommit: @escaping @Sendable () async -> Void
  ) {
    self.world = world
    self.server = server
    self.process = process
    self.beforeCommit = beforeCommit
  }

  func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    let what = request.summary
    try await arrive(what)
    if world.strikes(.catalogFailure, what) { return try refusal(what) }
    let sent = try Self.request(request)
    let isChange = request.method != "GET" && request.method != "HEAD"
    if world.strikes(.catalogLostRequest, what) {
      throw HTTPTransportError(.connectionLost, "\(what): connection reset")
    }
    if request.method == "POST", Self.isCommit(sent.path) {
      await beforeCommit()
      try checkAlive(what)
    }
    guard world.strikes(.catalogLostAnswer, what) else {
      let answer = await server.respond(sent)
      try crashPoint("after \(what)")
      return HTTPTransportResponse(status: answer.status, headers: answer.headers, body: answer.body)
    }
    if isChange, Int.random(in: 0..<4, using: &world.random) == 0 {
      server.respondLater(sent)
      throw HTTPTransportError(.timeout, "\(what): no answer in time")
    }
    _ = await server.respond(sent)
    try crashPoint("after \(what)")
    return try lostAnswer(what)
  }

  func close() async {}

  /// `/v1/namespaces/<namespace>/tables/<table>` or `/v1/transactions/commit`.
  private static func isCommit(_ path: String) -> Bool {
    path.hasSuffix("/transactions/commit") || path.split(separator: "/").dropLast().last == "tables"
  }

  private static func request(_ request: HTTPTransportRequest) throws(HTTPTransportError) -> CatalogHTTPRequest {
    guard request.url.hasPrefix(SimulatedCatalogServer.address) else {
      throw HTTPTransportError(.notSent, "\(request.summary): no such host")
    }
    var bytes: [UInt8] = []
    if case .bytes(let given) = request.body { bytes = given }
    return CatalogHTTPRequest(
      method: request.method, target: String(request.url.dropFirst(SimulatedCatalogServer.address.count)),
      headers: request.headers, body: bytes)
  }

  private func arrive(_ what: String) async throws(HTTPTransportError) {
    do {
      try world.crashPoint(process, what)
      try await world.latency(process, what)
    } catch {
      throw HTTPTransportError(.cancelled, "\(what): \(error)")
    }
    await server.maybeDeliver()
    try checkAlive(what)
  }

  /// What a server, or something before it, says that has done nothing.
  private func refusal(_ what: String) throws(HTTPTransportError) -> HTTPTransportResponse {
    switch Int.random(in: 0..<3, using: &world.random) {
    case 0: throw HTTPTransportError(.notSent, "\(what): connection refused")
    case 1: return HTTPTransportResponse(status: 429, headers: ["Retry-After": "1"])
    default: return HTTPTransportResponse(status: 503)
    }
  }

  /// What comes instead of the answer of a server that has acted.
  private func lostAnswer(_ what: String) throws(HTTPTransportError) -> HTTPTransportResponse {
    switch Int.random(in: 0..<4, using: &world.random) {
    case 0: throw HTTPTransportError(.connectionLost, "\(what): connection reset")
    case 1: return HTTPTransportResponse(status: 500)
    case 2: return HTTPTransportResponse(status: 502)
    default: return HTTPTransportResponse(status: 504)
    }
  }

  private func crashPoint(_ what: String) throws(HTTPTransportError) {
    do { try world.crashPoint(process, what) } catch { throw HTTPTransportError(.cancelled, "\(what): \(error)") }
  }

  private func checkAlive(_ what: String) throws(HTTPTransportError) {
    if process.isDead { throw HTTPTransportError(.cancelled, "\(what): the process has died") }
  }
}
