import AsyncHTTPClient
import Glibc
import Logging
import NIOCore
import NIOHTTP1

/// Requests over HTTP/1.1, with TLS for `https`, on connections that are kept and shared.
///
/// Call ``close()`` when it is no longer needed.
public final class AsyncHTTPTransport: HTTPTransport {
  /// The limits of a transport.
  public struct Limits: Hashable, Sendable {
    /// How long connecting, TLS included, may take.
    public var connectMilliseconds = 10_000
    /// How long the server may say nothing, or take nothing.
    public var idleMilliseconds = 60_000
    /// How long a whole exchange may take unless the request says otherwise.
    public var exchangeMilliseconds = 600_000
    /// How many connections there are to one host; further requests wait.
    public var connectionsPerHostMax = 16
    /// How many bytes of body are accepted unless the request says otherwise.
    public var responseBytesMax = 256 << 20

    /// The defaults.
    public init() {}
  }

  private let client: HTTPClient
  private let limits: Limits
  private let files: BlockingPool

  /// A transport with connections of its own.
  public init(limits: Limits = Limits()) {
    var configuration = HTTPClient.Configuration()
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    configuration.decompression = .disabled
    configuration.timeout.connect = .milliseconds(Int64(limits.connectMilliseconds))
    configuration.timeout.read = .milliseconds(Int64(limits.idleMilliseconds))
    configuration.timeout.write = .milliseconds(Int64(limits.idleMilliseconds))
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(1, limits.connectionsPerHostMax)
    configuration.connectionPool.idleTimeout = .seconds(20)
    // Whether to try again is decided by the policy of the transport's users.
    configuration.connectionPool.retryConnectionEstablishment = false
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    self.limits = limits
    files = .shared
  }

  // A client that was never closed must not end the process of who forgot it; the call keeps it alive till the end.
  deinit { client.shutdown { _ in } }

  /// Closes all connections.
  public func close() async { try? await client.shutdown().get() }

  /// Sends `request` and returns the whole answer, whatever its status.
  public func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    let limit = request.responseBytesMax ?? limits.responseBytesMax
    let milliseconds = request.timeoutMilliseconds ?? limits.exchangeMilliseconds
    let fileFailure = FileFailure()
    let message = makeMessage(request, fileFailure: fileFailure)
    do {
      if request.ignoresCancellation, Task.isCancelled { return try await sendShielded(request, milliseconds) }
      let response = try await client.execute(
        message, deadline: .now() + .milliseconds(Int64(milliseconds)), logger: Self.silent)
      return try await collect(response, of: request, limit: limit)
    } catch let error as HTTPTransportError {
      throw error
    } catch {
      if let text = fileFailure.message {
        throw HTTPTransportError(.invalidRequest, "\(request.summary): the body cannot be read: \(text)")
      }
      throw Self.translated(error, request)
    }
  }

  /// The library logs what it does; its users do that, with their own words.
  private static let silent = Logger(label: "http", factory: { _ in SwiftLogNoOpLogHandler() })

  private func makeMessage(_ request: HTTPTransportRequest, fileFailure: FileFailure) -> HTTPClientRequest {
    var message = HTTPClientRequest(url: request.url)
    message.method = HTTPMethod(rawValue: request.method)
    for field in request.headers.fields { message.headers.add(name: field.name, value: field.value) }
    switch request.body {
    case .none: break
    case .bytes(let bytes): message.body = .bytes(ByteBuffer(bytes: bytes))
    case .file(let path, let range):
      let chunks = FileChunks(path: path, range: range, pool: files, failure: fileFailure)
      message.body = .stream(chunks, length: .known(Int64(range.count)))
    }
    return message
  }

  /// Sends without the task's cancellation: the library's futures know nothing of it.
  private func sendShielded(
    _ request: HTTPTransportRequest, _ milliseconds: Int
  ) async throws -> HTTPTransportResponse {
    var headers = HTTPHeaders()
    for field in request.headers.fields { headers.add(name: field.name, value: field.value) }
    var body: HTTPClient.Body?
    if case .bytes(let bytes) = request.body { body = .byteBuffer(ByteBuffer(bytes: bytes)) }
    let message = try HTTPClient.Request(
      url: request.url, method: HTTPMethod(rawValue: request.method), headers: headers, body: body)
    let response = try await client.execute(
      request: message, deadline: .now() + .milliseconds(Int64(milliseconds)), logger: Self.silent
    ).get()
    var fields = HTTPHeaderList()
    for (name, value) in response.headers { fields.add(name, value) }
    return HTTPTransportResponse(
      status: Int(response.status.code), headers: fields,
      body: response.body.map { Array($0.readableBytesView) } ?? [])
  }

  private func collect(
    _ response: HTTPClientResponse, of request: HTTPTransportRequest, limit: Int
  ) async throws -> HTTPTransportResponse {
    var headers = HTTPHeaderList()
    for (name, value) in response.headers { headers.add(name, value) }
    var body: [UInt8] = []
    let announced = headers["Content-Length"].flatMap { Int($0) }
    if request.method != "HEAD", let announced {
      guard announced <= limit else { throw Self.tooLarge(request, limit) }
      body.reserveCapacity(max(0, announced))
    }
    for try await chunk in response.body {
      guard body.count + chunk.readableBytes <= limit else { throw Self.tooLarge(request, limit) }
      body.append(contentsOf: chunk.readableBytesView)
    }
    if request.method != "HEAD", response.status != .notModified, let announced, announced != body.count {
      throw HTTPTransportError(
        .connectionLost, "\(request.summary): \(announced) bytes were announced, \(body.count) came")
    }
    return HTTPTransportResponse(status: Int(response.status.code), headers: headers, body: body)
  }

  private static func tooLarge(_ request: HTTPTransportRequest, _ limit: Int) -> HTTPTransportError {
    HTTPTransportError(.responseTooLarge, "\(request.summary): the answer is longer than the limit of \(limit) bytes")
  }

  /// Sorts the library's errors by what they say about the server.
  private static func translated(_ error: any Error, _ request: HTTPTransportRequest) -> HTTPTransportError {
    func failure(_ kind: HTTPTransportError.Kind, _ text: String) -> HTTPTransportError {
      HTTPTransportError(kind, "\(request.summary): \(text)")
    }
    if error is CancellationError { return failure(.cancelled, "cancelled") }
    if let error = error as? HTTPClientError { return failure(kind(of: error), error.shortDescription) }
    if error is SocketAddressError { return failure(.notSent, "no connection: \(error)") }
    if let error = error as? HTTPParserError {
      if error == .invalidEOFState { return failure(.connectionLost, "the connection ended within the answer") }
      return failure(.malformedResponse, "the answer is not HTTP: \(error)")
    }
    if let error = error as? IOError {
      // Reaching nobody also comes as a plain error of the operating system.
      let isRefusal =
        error.errnoCode == ECONNREFUSED || error.errnoCode == EHOSTUNREACH
        || error.errnoCode == ENETUNREACH
      return failure(isRefusal ? .notSent : .connectionLost, "\(error)")
    }
    // Connections and TLS handshakes that fail have types of modules which are not imported here; both come before sending.
    let type = String(describing: Swift.type(of: error))
    if type == "NIOConnectionError" { return failure(.notSent, "no connection: \(error)") }
    let isHandshake = type == "NIOSSLExtraError" || "\(error)".hasPrefix("handshakeFailed")
    if isHandshake { return failure(.notSent, "TLS: \(error)") }
    return failure(.connectionLost, "\(error)")
  }

  private static func kind(of error: HTTPClientError) -> HTTPTransportError.Kind {
    if notSent.contains(error) { return .notSent }
    if timeouts.contains(error) { return .timeout }
    if lost.contains(error) { return .connectionLost }
    if error == .cancelled || error == .requestStreamCancelled { return .cancelled }
    return .invalidRequest
  }

  private static let notSent: [HTTPClientError] = [
    .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout, .socksHandshakeTimeout,
    .httpProxyHandshakeTimeout, .alreadyShutdown
  ]
  private static let timeouts: [HTTPClientError] = [.readTimeout, .writeTimeout, .deadlineExceeded]
  private static let lost: [HTTPClientError] = [.remoteConnectionClosed, .uncleanShutdown]
}
