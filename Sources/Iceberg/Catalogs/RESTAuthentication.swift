import Synchronization

/// How requests to a REST catalog say who sends them.
struct RESTCredentials: Hashable, Sendable {
  /// What was given.
  enum Method: Hashable, Sendable {
    /// Nothing.
    case none
    /// A token that somebody else renews.
    case token(String)
    /// The OAuth2 client credentials flow (RFC 6749 §4.4).
    case client(identifier: String?, secret: String)
    /// User and password (RFC 7617).
    case basic(user: String, password: String)
  }

  /// What was given.
  var method: Method
  /// Where tokens are given out.
  var tokenAddress: String
  /// What the token is for.
  var scope: String
  /// Further fields of the request for a token.
  var audience: String?
  var resource: String?

  init(_ settings: RESTSettings) {
    let properties = settings.properties
    let server = properties["oauth2-server-uri"] ?? ""
    if server.isEmpty {
      tokenAddress = "\(settings.base)/v1/oauth/tokens"
    } else if server.contains("://") {
      tokenAddress = server
    } else {
      tokenAddress = "\(settings.base)/\(server.drop { $0 == "/" })"
    }
    scope = properties["scope"] ?? "catalog"
    audience = properties["audience"]
    resource = properties["resource"]
    if properties["rest.auth.type"] == "none" || properties["rest.auth.type"] == "sigv4" {
      method = .none
    } else if properties["rest.auth.type"] == "basic" {
      method = .basic(
        user: properties["rest.auth.basic.username"] ?? "", password: properties["rest.auth.basic.password"] ?? "")
    } else if let credential = properties["credential"], !credential.isEmpty {
      let parts = credential.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      method =
        parts.count == 2 ? .client(identifier: parts[0], secret: parts[1]) : .client(identifier: nil, secret: parts[0])
    } else if let token = properties["token"], !token.isEmpty {
      method = .token(token)
    } else {
      method = .none
    }
  }
}

/// Gets tokens, keeps them, and gets new ones before they expire.
final class RESTAuthenticator: Sendable {
  private struct Token: Sendable {
    var text: String
    /// When a new one should be asked for; `nil`: only when the server refuses this one.
    var renewalMilliseconds: Int64?
  }

  private let credentials: RESTCredentials
  private let sender: RetryingSender
  private let headers: HTTPHeaderList
  private let token = Mutex<Token?>(nil)

  init(_ credentials: RESTCredentials, sender: RetryingSender, headers: HTTPHeaderList) {
    self.credentials = credentials
    self.sender = sender
    self.headers = headers
  }

  /// Whether a refused request may be worth sending again with a new token.
  var canRenew: Bool { if case .client = credentials.method { true } else { false } }

  /// The value of the header `Authorization`.
  func header() async throws(IcebergError) -> String? {
    switch credentials.method {
    case .none: return nil
    case .token(let text): return "Bearer \(text)"
    case .basic(let user, let password): return "Basic \(Base64.encode(Array("\(user):\(password)".utf8)))"
    case .client(let identifier, let secret):
      let now = sender.environment.nowMilliseconds()
      if let held = token.withLock({ $0 }), held.renewalMilliseconds.map({ now < $0 }) ?? true {
        return "Bearer \(held.text)"
      }
      return "Bearer \(try await renew(identifier, secret))"
    }
  }

  /// Forgets the token that the server refused.
  func forget(_ refused: String?) {
    token.withLock { held in
      if let text = held?.text, refused == "Bearer \(text)" { held = nil }
    }
  }

  private func renew(_ identifier: String?, _ secret: String) async throws(IcebergError) -> String {
    let body = RESTText.form([
      "grant_type": "client_credentials", "client_id": identifier, "client_secret": secret, "scope": credentials.scope,
      "audience": credentials.audience, "resource": credentials.resource
    ])
    var headers = self.headers
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    headers["Accept"] = "application/json"
    headers["Authorization"] = nil
    let request = HTTPTransportRequest(
      method: "POST", url: credentials.tokenAddress, headers: headers, body: .bytes(body),
      timeoutMilliseconds: 60_000, responseBytesMax: 1 << 20)
    let sentMilliseconds = sender.environment.nowMilliseconds()
    // Asking for a token twice only gives two of them.
    let answer = try await RESTExchange.send(sender, isIdempotent: true, "getting a token") { _ in request }
    guard answer.response.isSuccess else {
      let refusal = RESTRefusal(answer.response)
      // RFC 6749 §5.2 has 400 for a wrong secret.
      let kind: IcebergError.Kind = [400, 401, 403].contains(refusal.status) ? .unauthorized : .transient
      let error = refusal.error("getting a token", conflict: .invalid)
      throw kind == .unauthorized ? IcebergError(.unauthorized, error.message) : error
    }
    let json = try JSONValue(parsing: answer.response.body)
    let text = try json.string("access_token")
    var renewal: Int64?
    if let seconds = json["expires_in"]?.integerValue, seconds > 0, seconds < 1 << 40 {
      // A minute before its end, or for short ones after three quarters.
      renewal = sentMilliseconds + max(seconds * 750, (seconds - 60) * 1000)
    }
    token.withLock { $0 = Token(text: text, renewalMilliseconds: renewal) }
    return text
  }
}

/// Base 64 (RFC 4648 §4).
enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for position in 0..<4 {
        let index = Int(bits >> UInt32(18 - 6 * position) & 63)
        text.append(position <= group.count ? alphabet[index] : 0x3D)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
