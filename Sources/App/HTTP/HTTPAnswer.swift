#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A complete answer to an HTTP request; bodies are small, nothing is streamed.
package struct HTTPAnswer: Sendable {
  /// The status code.
  package var status: Int
  /// Header names and values; `Content-Length` is added when it is sent.
  package var headers: [String: String]
  /// The body.
  package var body: [UInt8]

  /// An answer of a given type, never cached.
  package init(status: Int = 200, contentType: String, body: [UInt8]) {
    self.status = status
    self.body = body
    headers = ["Content-Type": contentType, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"]
  }

  /// Plain text.
  package static func text(_ text: String, contentType: String = "text/plain; charset=utf-8") -> HTTPAnswer {
    HTTPAnswer(contentType: contentType, body: Array(text.utf8))
  }

  /// A page that carries its own style and script and talks to nobody but this server; browsers hold it to that.
  package static func page(_ html: [UInt8]) -> HTTPAnswer {
    var answer = HTTPAnswer(contentType: "text/html; charset=utf-8", body: html)
    answer.headers["Content-Security-Policy"] =
      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return answer
  }

  /// A value as JSON, its keys in snake case.
  package static func json(_ value: some Encodable, status: Int = 200) -> HTTPAnswer {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    do {
      return HTTPAnswer(
        status: status, contentType: "application/json; charset=utf-8", body: Array(try encoder.encode(value)) + [10])
    } catch {
      return .text("cannot write the answer as JSON: \(error)\n").with(status: 500)
    }
  }

  /// `{"error": message}`.
  package static func failure(_ status: Int, _ message: String) -> HTTPAnswer {
    json(["error": message], status: status)
  }

  /// The answer for a path that exists, asked with a method that it does not take.
  package static func methodNotAllowed(_ method: String, allowed: [String]) -> HTTPAnswer {
    let list = allowed.joined(separator: ", ")
    var answer = failure(405, "\(method) is not possible here; use \(list)")
    answer.headers["Allow"] = list
    return answer
  }

  /// The same answer with another status.
  package func with(status: Int) -> HTTPAnswer {
    var copy = self
    copy.status = status
    return copy
  }
}

/// What of a request the interfaces look at.
package struct HTTPQuestion: Sendable {
  /// The method, in upper case.
  package var method: String
  /// The path's parts, percent-decoded; empty for `/`.
  package var path: [String]
  /// The query's parameters, percent-decoded; the first of equal names.
  package var query: [String: String]

  /// Takes a request target such as `/log?city=Denver&temperature=71.3` apart.
  ///
  /// Returns `nil` when a percent escape in the path is not UTF-8; in a query, such a parameter is left out.
  package init?(method: String, target: String) {
    self.method = method.uppercased()
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var path: [String] = []
    for part in (parts.first ?? "").split(separator: "/") {
      guard let decoded = Self.decoded(part) else { return nil }
      path.append(decoded)
    }
    self.path = path
    query = [:]
    for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        .map { Self.decoded($0, plusIsSpace: true) }
      guard let name = sides[0], let value = sides.count > 1 ? sides[1] : "" else { continue }
      if query[name] == nil { query[name] = value }
    }
  }

  /// The text with its percent escapes replaced; `nil` when one is incomplete or the result is not UTF-8.
  private static func decoded(_ text: Substring, plusIsSpace: Bool = false) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%") {
        guard rest.count >= 2, let high = Character(UnicodeScalar(rest.removeFirst())).hexDigitValue,
          let low = Character(UnicodeScalar(rest.removeFirst())).hexDigitValue
        else { return nil }
        bytes.append(UInt8(high * 16 + low))
      } else {
        bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
