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
    var quiet = logger
    // The server announces itself at this level; what it listens on is said once, by the command.
    if quiet.logLevel == .info { quiet.logLevel = .notice }
    let application = Application(
      responder: CallbackResponder<BasicRequestContext> { [answer] request, _ in
        await Self.response(to: request, answer)
      },
      configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: "weir"),
      onServerRunning: { [onListening] channel in
        // No address: it is closed again already.
        if let port = channel.localAddress?.port { await onListening(port) }
      },
      logger: quiet)
    do {
      try await application.run()
    } catch let error as IOError {
      throw CommandFailure(.usage, Self.message(host: host, port: port, error: error))
    } catch let error as SocketAddressError {
      throw CommandFailure(
        .usage, "cannot listen on \(host):\(port): \(error); set WEIR_HTTP_HOST to an address of this machine")
    }
  }

  private static func message(host: String, port: Int, error: IOError) -> String {
    let advice =
      switch error.errnoCode {
      case 98: "another program listens there; set WEIR_HTTP_PORT to another port, or to 0 for a free one"
      case 99: "this machine does not have that address; set WEIR_HTTP_HOST to one that it has"
      case 13: "ports below 1024 need privileges; set WEIR_HTTP_PORT to a greater one"
      default: "\(error)"
      }
    return "cannot listen on \(host):\(port): \(advice)"
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
