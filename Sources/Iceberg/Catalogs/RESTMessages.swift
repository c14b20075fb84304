/// What the REST catalog's `/v1/config` and the client's own settings come to.
struct RESTSettings: Hashable, Sendable {
  /// Endpoints in the words of `/v1/config`. A server that names none has the first of these, but not the second.
  private static let commitTransaction = "POST /v1/{prefix}/transactions/commit"
  private static let loadCredentials = "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials"

  /// Defaults, the client's properties and overrides, in this order.
  var properties: [String: String]
  /// What the server says it can do; `nil` when it does not say.
  var endpoints: Set<String>?

  init(properties: [String: String], endpoints: Set<String>? = nil) {
    self.properties = properties
    self.endpoints = endpoints
  }

  /// The settings after the server's answer.
  init(client: [String: String], answer: JSONValue) throws(IcebergError) {
    var merged = try Self.strings(answer, "defaults")
    merged.merge(client) { _, new in new }
    merged.merge(try Self.strings(answer, "overrides")) { _, new in new }
    properties = merged
    endpoints = try answer.optionalElements("endpoints") { value throws(IcebergError) in
      guard let text = value.stringValue else { throw IcebergError(.corrupt, "expected a string") }
      return text
    }.map(Set.init)
  }

  /// The strings of an object; other values, which some servers send, are left out.
  static func strings(_ json: JSONValue, _ name: String) throws(IcebergError) -> [String: String] {
    guard let members = try json.optional(name)?.objectValue else { return [:] }
    var result: [String: String] = [:]
    for member in members { result[member.name] = member.value.stringValue }
    return result
  }

  /// The address that paths are appended to.
  var base: String { RESTText.strippingSlash(properties["uri"] ?? "") }

  /// `/v1` and the server's prefix, which comes encoded.
  var root: String {
    let prefix = (properties["prefix"] ?? "").split(separator: "/").joined(separator: "/")
    return prefix.isEmpty ? "\(base)/v1" : "\(base)/v1/\(RESTText.encodingIllegal(prefix))"
  }

  /// What separates the levels of a namespace, encoded.
  var separator: String {
    let given = properties["namespace-separator"] ?? ""
    return given.isEmpty ? "%1F" : RESTText.encoded(RESTText.decoded(given))
  }

  var supportsTransactions: Bool { endpoints?.contains(Self.commitTransaction) ?? true }
  var supportsCredentials: Bool { endpoints?.contains(Self.loadCredentials) ?? false }

  /// The levels of a namespace, as a part of a path or a query.
  func encoded(_ namespace: Namespace) -> String {
    namespace.levels.map(RESTText.encoded).joined(separator: separator)
  }

  func path(_ namespace: Namespace) throws(IcebergError) -> String {
    guard !namespace.levels.isEmpty, !namespace.levels.contains("") else {
      throw IcebergError(.invalid, "namespace '\(namespace)': expected levels that are not empty")
    }
    return "/namespaces/\(encoded(namespace))"
  }

  func path(_ identifier: TableIdentifier) throws(IcebergError) -> String {
    guard !identifier.name.isEmpty else { throw IcebergError(.invalid, "expected a table name, got none") }
    return "\(try path(identifier.namespace))/tables/\(RESTText.encoded(identifier.name))"
  }
}

/// Texts of addresses and forms.
enum RESTText {
  private static let digits = Array("0123456789ABCDEF".utf8)

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
    default: false
    }
  }

  /// Everything but unreserved characters percent-encoded (RFC 3986 §2.3).
  static func encoded(_ text: String) -> String { encoding(text) { isUnreserved($0) } }

  /// Percent-encodes only what may not stand in a path; what is encoded already stays.
  static func encodingIllegal(_ text: String) -> String {
    encoding(text) { isUnreserved($0) || "%/:@!$&'()*+,;=".utf8.contains($0) }
  }

  private static func encoding(_ text: String, unless isKept: (UInt8) -> Bool) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      if isKept(byte) {
        bytes.append(byte)
      } else {
        bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// `%41` becomes `A`; what is no encoding stays as it is.
  static func decoded(_ text: String) -> String {
    let source = Array(text.utf8)
    var bytes: [UInt8] = []
    var index = 0
    while index < source.count {
      if source[index] == 0x25, index + 2 < source.count,
        let value = UInt8(String(decoding: source[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        index += 3
      } else {
        bytes.append(source[index])
        index += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// `application/x-www-form-urlencoded`.
  static func form(_ fields: KeyValuePairs<String, String?>) -> [UInt8] {
    let pairs = fields.compactMap { name, value in value.map { "\(encoded(name))=\(encoded($0))" } }
    return Array(pairs.joined(separator: "&").utf8)
  }

  static func strippingSlash(_ text: String) -> String {
    var rest = text[...]
    while rest.last == "/" { rest = rest.dropLast() }
    return String(rest)
  }
}

/// An answer that is no success, in the terms of the error model.
struct RESTRefusal: Hashable, Sendable {
  /// The status code.
  var status: Int
  /// The name of the server's exception; `nil` when the body is none of the catalog's.
  var type: String?
  /// What the server says; `nil` likewise.
  var message: String?
  /// Whether the server says when to come back.
  var hasRetryAfter: Bool

  init(_ response: HTTPTransportResponse) {
    status = response.status
    hasRetryAfter = response.headers["Retry-After"] != nil
    guard let json = try? JSONValue(parsing: response.body) else { return }
    // OAuth answers have `error` as a string (RFC 6749 §5.2).
    if let code = json["error"]?.stringValue {
      type = code
      message = json["error_description"]?.stringValue
      return
    }
    type = json["error"]?["type"]?.stringValue
    message = json["error"]?["message"]?.stringValue
  }

  /// Whether the catalog itself answered, rather than something on the way to it.
  var isFromCatalog: Bool { type != nil || message != nil }

  /// The failure, for requests that may be repeated.
  ///
  /// - Parameter conflict: What 409 means.
  func error(_ what: String, conflict: IcebergError.Kind) -> IcebergError {
    let text = "\(what): \(description)"
    switch status {
    case 401, 419: return IcebergError(.unauthorized, "\(text); check token or credential")
    case 403: return IcebergError(.unauthorized, "\(text); these credentials are not allowed to")
    case 404 where isFromCatalog: return IcebergError(.notFound, text)
    case 404: return IcebergError(.notFound, "\(text); if no catalog answered here, correct its uri")
    case 405, 406, 501: return IcebergError(.unsupported, "\(text); the server does not do that")
    case 409: return IcebergError(conflict, text)
    case 400 where type == "NamespaceNotEmptyException": return IcebergError(.conflict, text)
    case 408, 429, 500...: return IcebergError(.transient, text)
    case 300..<400: return IcebergError(.invalid, "\(text); the server is elsewhere: correct the uri")
    default: return IcebergError(.invalid, text)
    }
  }

  /// The failure of a commit: nothing may be concluded from an answer that may have come after the deed.
  func commitError(_ what: String) -> IcebergError {
    switch status {
    case 429: return error(what, conflict: .conflict)
    // A proxy also says 503 when it lost the server after having passed the request on.
    case 503 where hasRetryAfter || isFromCatalog: return error(what, conflict: .conflict)
    case 408, 500...:
      if status == 501 { return error(what, conflict: .conflict) }
      return IcebergError(
        .unknownOutcome,
        "\(what): \(description); whether the commit was applied is unknown: look at the table before trying again, "
          + "delete nothing")
    default: return error(what, conflict: .conflict)
    }
  }

  private var description: String {
    var text = "the server answered \(status)"
    if let type { text += " \(type)" }
    if let message { text += ": \(message.prefix(2000))" }
    return text
  }
}
