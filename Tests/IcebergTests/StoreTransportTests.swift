import Foundation
import Glibc
import Iceberg
import IcebergSupport
import TestTraits
import Testing

/// A server that accepts one connection after the other, reads a request, and answers it with fixed bytes.
private final class CannedServer: Sendable {
  let port: UInt16
  private let descriptor: Int32
  private let thread: BlockingPool

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listening = descriptor
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(listening, generic, length) == 0 && listen(listening, 16) == 0
          ? getsockname(listening, generic, &length) : -1
      }
    }
    guard result == 0 else { throw IcebergError(.io, "no server: errno \(errno)") }
    port = UInt16(bigEndian: address.sin_port)
    thread = BlockingPool(threadsMax: 1, waitingMax: 1)
  }

  deinit { close(descriptor) }

  /// Gives each request for `/<number>` the answer of that number, and closes the connection; an answer of nothing only
  /// closes it. Ends once every answer was given: a client may also connect without asking anything.
  func serve(_ answers: [String], bodyBytes: Int) async throws {
    let listening = descriptor
    try await thread.run {
      var missing = Set(answers.indices)
      while !missing.isEmpty {
        let connection = accept(listening, nil, nil)
        defer { close(connection) }
        guard let number = Self.number(ofRequestOn: connection, bodyBytes: bodyBytes) else { continue }
        missing.remove(number)
        let bytes = Array(answers[number].utf8)
        if !bytes.isEmpty { _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
      }
    }
  }

  /// Reads all of a request: closing a connection with something unread takes the answer with it.
  private static func number(ofRequestOn connection: Int32, bodyBytes: Int) -> Int? {
    var request = ""
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0 else { return nil }
      request += String(decoding: buffer[..<count], as: UTF8.self)
      guard let end = request.range(of: "\r\n\r\n")?.upperBound, request[end...].utf8.count >= bodyBytes else {
        continue
      }
      return Int(request.drop { $0 != "/" }.dropFirst().prefix { $0.isNumber })
    }
  }
}

@Suite("HTTP transport", .fewAtOnce)
struct StoreTransportTests {
  private func kind(
    _ transport: AsyncHTTPTransport, _ request: HTTPTransportRequest
  ) async -> (HTTPTransportError.Kind?, HTTPTransportResponse?, String) {
    do throws(HTTPTransportError) {
      return (nil, try await transport.send(request), "")
    } catch {
      return (error.kind, nil, error.message)
    }
  }

  @Test("failures say whether the server may have acted")
  func failures() async throws {
    let cases: [(answer: String, kind: HTTPTransportError.Kind?)] = [
      ("HTTP/1.1 204 No Content\r\n\r\n", nil),
      ("", .connectionLost),
      ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", .connectionLost),
      ("HTTP/1.1 200 OK\r\nContent-Le", .connectionLost),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + String(repeating: "x", count: 1000), .responseTooLarge),
      ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1000), .responseTooLarge),
      ("SSH-2.0-OpenSSH\r\n\r\n", .malformedResponse)
    ]
    let server = try CannedServer()
    let transport = AsyncHTTPTransport()
    async let serving: Void = server.serve(cases.map(\.answer), bodyBytes: 2)
    for (number, (answer, expected)) in cases.enumerated() {
      let request = HTTPTransportRequest(
        method: "PUT", url: "http://user:pw@127.0.0.1:\(server.port)/\(number)?token=hidden", body: .bytes([1, 2]),
        // A machine that is busy with all tests at once may be long in answering.
        timeoutMilliseconds: 600_000, responseBytesMax: 100)
      let (kind, response, message) = await kind(transport, request)
      #expect(kind == expected, "\(answer.prefix(60)): \(message)")
      #expect(expected != nil || response?.status == 204)
      #expect(!message.contains("hidden") && !message.contains("pw"), "\(message)")
    }
    try await serving
    await transport.close()
  }

  @Test("nobody listening is not sent; silence is a timeout; a missing file is an invalid request")
  func notSent() async throws {
    let server = try CannedServer()
    let transport = AsyncHTTPTransport()
    let url = "http://127.0.0.1:\(server.port)/x"
    // Nobody accepts, but the system's queue lets the client connect and send.
    let silent = await kind(transport, HTTPTransportRequest(method: "GET", url: url, timeoutMilliseconds: 50))
    #expect(silent.0 == .timeout, "\(silent.2)")
    let file = HTTPTransportRequest(method: "PUT", url: url, body: .file(path: "/nonexistent", range: 0..<5))
    let missing = await kind(transport, file)
    #expect(missing.0 == .invalidRequest && missing.2.contains("/nonexistent"), "\(missing.2)")
    let refused = await kind(transport, HTTPTransportRequest(method: "GET", url: "http://127.0.0.1:1/x"))
    #expect(refused.0 == .notSent, "\(refused.2)")
    let unknown = await kind(transport, HTTPTransportRequest(method: "GET", url: "http://no-such-host.invalid/"))
    #expect(unknown.0 == .notSent, "\(unknown.2)")
    let wrong = await kind(transport, HTTPTransportRequest(method: "GET", url: "ftp://x/"))
    #expect(wrong.0 == .invalidRequest, "\(wrong.2)")
    await transport.close()
    let closed = await kind(transport, HTTPTransportRequest(method: "GET", url: url))
    #expect(closed.0 == .notSent, "\(closed.2)")
  }
}
