import Glibc

/// A client for one short question at a time, as health checks need it: HTTP/1.1 without TLS, blocking, bounded.
package enum PlainHTTP {
  private static let timeoutSeconds = 5
  private static let answerBytesMax = 1 << 20

  /// Asks `url` and reads the whole answer.
  /// - Throws: ``CommandFailure`` when the URL is wrong, nobody listens, or the answer is not HTTP.
  package static func get(_ url: String) throws -> (status: Int, body: String) {
    guard let place = Place(url) else {
      throw CommandFailure(.usage, "expected a URL such as http://127.0.0.1:8080/healthz, got '\(url)'")
    }
    let descriptor = try connect(place, url)
    defer { close(descriptor) }
    let request =
      "GET \(place.path) HTTP/1.1\r\nHost: \(place.host):\(place.port)\r\nConnection: close\r\nAccept: */*\r\n\r\n"
    var rest = Array(request.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { throw CommandFailure(.job, "\(url): the connection was closed") }
      rest = rest.dropFirst(count)
    }
    let answer = try receive(descriptor, url)
    let lines = answer.split(separator: "\r\n", maxSplits: 1, omittingEmptySubsequences: false)
    let words = (lines.first ?? "").split(separator: " ")
    guard words.count >= 2, words[0].hasPrefix("HTTP/"), let status = Int(words[1]) else {
      throw CommandFailure(.job, "\(url) did not answer with HTTP")
    }
    let body = answer.firstRange(of: "\r\n\r\n").map { answer[$0.upperBound...] } ?? ""
    return (status, String(body))
  }

  private struct Place {
    var host: String
    var port: String
    var path: String

    init?(_ url: String) {
      guard url.hasPrefix("http://") else { return nil }
      let rest = url.dropFirst("http://".count)
      let authority = rest.prefix { $0 != "/" }
      let sides = authority.split(separator: ":", maxSplits: 1)
      guard let first = sides.first, sides.count == 1 || UInt16(sides[1]) != nil else { return nil }
      host = String(first)
      port = sides.count == 2 ? String(sides[1]) : "80"
      path = authority.endIndex == rest.endIndex ? "/" : String(rest[authority.endIndex...])
      guard !path.contains(where: { $0 == " " || $0.isNewline }) else { return nil }
    }
  }

  private static func connect(_ place: Place, _ url: String) throws -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(place.host, place.port, &hints, &found) == 0, let first = found else {
      throw CommandFailure(.job, "\(url): the host '\(place.host)' is not known")
    }
    defer { freeaddrinfo(found) }
    var candidate: UnsafeMutablePointer<addrinfo>? = first
    while let address = candidate {
      let descriptor = socket(address.pointee.ai_family, address.pointee.ai_socktype, 0)
      if descriptor >= 0 {
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
        if Glibc.connect(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 { return descriptor }
        close(descriptor)
      }
      candidate = address.pointee.ai_next
    }
    throw CommandFailure(.job, "\(url): nobody listens there")
  }

  private static func receive(_ descriptor: Int32, _ url: String) throws -> String {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while bytes.count < answerBytesMax {
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count == 0 { break }
      guard count > 0 else { throw CommandFailure(.job, "\(url) did not answer within \(timeoutSeconds) s") }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
