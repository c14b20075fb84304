import HTTPTypes
import Hummingbird
import Iceberg
import Logging
import NIOCore
import ServiceLifecycle

/// Serves a catalog by HTTP until it is told to stop.
package struct CatalogServer: Service {
  private let host: String
  private let port: Int
  private let service: RESTCatalogService
  private let logger: Logger
  private let onListening: @Sendable (Int) async -> Void

  /// A server.
  ///
  /// - Parameters:
  ///   - host: the address to listen on.
  ///   - port: the port; 0 takes a free one.
  ///   - onListening: is told the port once connections are accepted.
  package init(
    host: String, port: Int, service: RESTCatalogService, logger: Logger,
    onListening: @escaping @Sendable (Int) async -> Void = { _ in }
  ) {
    self.host = host
    self.port = port
    self.service = service
    self.logger = logger
    self.onListening = onListening
  }

  /// Serves until graceful shutdown or cancellation.
  /// - Throws: ``CommandFailure`` when the address cannot be listened on.
  package func run() async throws {
    let listener = HTTPListener(
      host: (host, "WEIR_CATALOG_HOST"), port: (port, "WEIR_CATALOG_PORT"), logger: logger, onListening: onListening)
    try await listener.serve(respond)
  }

  private func respond(_ request: Request) async -> Response {
    let start = ContinuousClock.now
    let answer = await answer(to: request)
    logger.debug(
      "catalog request",
      metadata: [
        "method": "\(request.method.rawValue)", "path": "\(request.uri.path)", "status": "\(answer.status)",
        "duration": "\(ContinuousClock.now - start)"
      ])
    return Self.response(answer, isHead: request.method == .head)
  }

  private func answer(to request: Request) async -> CatalogHTTPResponse {
    var question = CatalogHTTPRequest(method: request.method.rawValue, target: request.uri.string)
    for field in request.headers { question.headers.add(field.name.rawName, field.value) }
    // Nothing is read of those who may not ask, or who announce too much.
    let announced = request.headers[.contentLength].flatMap { Int($0) }
    switch service.admit(question, bodyBytes: announced ?? 0) {
    case .refused(let answer): return answer
    case .accepted(let bodyBytesMax):
      do {
        let body = try await request.body.collect(upTo: bodyBytesMax)
        question.body = Array(body.readableBytesView)
      } catch {
        if error is NIOTooManyBytesError, case .refused(let answer) = service.admit(question, bodyBytes: .max) {
          return answer
        }
        // The connection is gone, or its chunks are malformed: whoever still listens is told.
        return .badRequest("the request's body cannot be read: \(error)")
      }
      return await service.respond(question)
    }
  }

  private static func response(_ answer: CatalogHTTPResponse, isHead: Bool) -> Response {
    var headers = HTTPFields()
    for field in answer.headers.fields {
      if let name = HTTPField.Name(field.name) { headers.append(HTTPField(name: name, value: field.value)) }
    }
    // An answer without content must not name a length (RFC 9110 §8.6).
    let isEmpty = answer.status == 204 || answer.status == 304
    if !isEmpty { headers[.contentLength] = String(answer.body.count) }
    return Response(
      status: HTTPResponse.Status(code: answer.status), headers: headers,
      body: isHead || isEmpty ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
  }
}
