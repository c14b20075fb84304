import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// Serves an interface by HTTP until it is told to stop.
package struct HTTPService: Service {
  private let host: String
  private let port: Int
  private let logger: Logger
  private let answer: @Sendable (HTTPQuestion) async -> HTTPAnswer
  private let onListening: @Sendable (Int) async -> Void

  /// A server.
  ///
  /// - Parameters:
  ///   - host: the address to listen on.
  ///   - port: the port; 0 takes a free one.
  ///   - onListening: is told the port once connections are accepted.
  ///   - answer: answers one question; called concurrently.
  package init(
    host: String, port: Int, logger: Logger, onListening: @escaping @Sendable (Int) async -> Void = { _ in },
    answer: @escaping @Sendable (HTTPQuestion) async -> HTTPAnswer
  ) {
    self.host = host
    self.port = port
    self.logger = logger
    self.onListening = onListening
    self.answer = answer
  }

  /// Serves until graceful shutdown or cancellation.
  /// - Throws: ``CommandFailure`` when the address cannot be listened on.
  package func run() async throws {
    let listener = HTTPListener(
      host: (host, "WEIR_HTTP_HOST"), port: (port, "WEIR_HTTP_PORT"), logger: logger, onListening: onListening)
    try await listener.serve { [answer] request in await Self.response(to: request, answer) }
  }

  private static func response(
    to request: Request, _ answer: @Sendable (HTTPQuestion) async -> HTTPAnswer
  ) async -> Response {
    let found =
      if let question = HTTPQuestion(method: request.method.rawValue, target: request.uri.string) {
        await answer(question)
      } else {
        HTTPAnswer.failure(400, "the path has a percent escape that is not UTF-8")
      }
    var headers = HTTPFields()
    for (name, value) in found.headers {
      if let field = HTTPField.Name(name) { headers[field] = value }
    }
    headers[.contentLength] = String(found.body.count)
    let isHead = request.method == .head
    return Response(
      status: HTTPResponse.Status(code: found.status), headers: headers,
      body: isHead ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: found.body)))
  }
}
