/// Who may ask, and the OAuth endpoint that hands the token out.
struct ServerAccess: Sendable {
  /// The token; `nil` lets everybody in.
  let token: String?

  /// For how long clients are told that a token is good, in seconds; they may always ask for it again.
  private static let lifetime = 3600

  /// Checks the `Authorization` field.
  /// - Throws: 401.
  func check(_ headers: HTTPHeaderList) throws(ServerFailure) {
    guard let token else { return }
    guard let given = Self.credentials(headers, scheme: "bearer"), Self.areEqual(given, token) else {
      throw ServerFailure(
        401, "NotAuthorizedException", "expected the catalog's token as a bearer token in the field Authorization",
        headers: ["WWW-Authenticate": "Bearer"])
    }
  }

  /// Answers `POST /v1/oauth/tokens` (RFC 6749 §4.4, RFC 8693): whoever knows the token gets it.
  func exchange(_ request: CatalogHTTPRequest) -> CatalogHTTPResponse {
    guard let form = try? ServerQuery(String(decoding: request.body, as: UTF8.self)) else {
      return Self.refusal(400, "invalid_request", "expected a form: grant_type=client_credentials&…")
    }
    let given: String?
    switch form["grant_type"] {
    case "client_credentials": given = form["client_secret"] ?? Self.basicSecret(request.headers)
    case "urn:ietf:params:oauth:grant-type:token-exchange": given = form["subject_token"]
    case let other:
      return Self.refusal(
        400, "unsupported_grant_type",
        "expected grant_type client_credentials or token-exchange, got '\(other?.prefix(100) ?? "")'")
    }
    if let token {
      guard let given, Self.areEqual(given, token) else {
        return Self.refusal(401, "invalid_client", "the client secret is not the catalog's token")
      }
    }
    return .json(
      .object([
        "access_token": .string(token ?? "none"), "token_type": .string("bearer"),
        "issued_token_type": .string("urn:ietf:params:oauth:token-type:access_token"),
        "expires_in": .integer(Self.lifetime)
      ]), headers: ["Cache-Control": "no-store"])
  }

  private static func refusal(_ status: Int, _ code: String, _ message: String) -> CatalogHTTPResponse {
    .json(.object(["error": .string(code), "error_description": .string(message)]), status: status)
  }

  private static func credentials(_ headers: HTTPHeaderList, scheme: String) -> String? {
    guard let value = headers["Authorization"] else { return nil }
    let parts = value.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == scheme else { return nil }
    return String(parts[1])
  }

  /// The password of `Authorization: Basic` (RFC 6749 §2.3.1).
  private static func basicSecret(_ headers: HTTPHeaderList) -> String? {
    guard let encoded = credentials(headers, scheme: "basic"), let bytes = decodedBase64(encoded),
      let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
    else { return nil }
    return PercentEncoding.decodeForm(String(decoding: bytes[(colon + 1)...], as: UTF8.self))
  }

  private static func decodedBase64(_ text: String) -> [UInt8]? {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var bytes: [UInt8] = []
    var bits = 0
    var value = 0
    for byte in text.utf8 where byte != UInt8(ascii: "=") {
      guard let digit = alphabet.firstIndex(of: byte) else { return nil }
      value = (value << 6 | digit) & 0xFFFF
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: value >> bits))
      }
    }
    return bytes
  }

  /// Takes as long for every text of the same length, so that the time does not tell how much of a guess is right.
  private static func areEqual(_ left: String, _ right: String) -> Bool {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
