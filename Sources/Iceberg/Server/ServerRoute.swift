/// What a path of the REST catalog names.
enum ServerRoute: Hashable, Sendable {
  case config
  case tokens
  case namespaces
  case namespace(Namespace)
  case namespaceProperties(Namespace)
  case tables(Namespace)
  case register(Namespace)
  case table(TableIdentifier)
  case credentials(TableIdentifier)
  case metrics(TableIdentifier)
  case renameTable
  case transaction
  case views(Namespace)
  case view(TableIdentifier)
  case registerView(Namespace)
  case renameView

  /// The route of a path; `prefix` may stand after `/v1`.
  /// - Throws: ``ServerFailure`` with 404 for a path that the specification does not have, 400 for a malformed one.
  init(path: String, prefix: String?) throws(ServerFailure) {
    var parts = try Self.parts(path)[...]
    let isVersioned = parts.popFirst() == "v1"
    guard isVersioned else { throw Self.unknown(path) }
    if Array(parts) == ["config"] || Array(parts) == ["oauth", "tokens"] {
      self = parts.count == 1 ? .config : .tokens
      return
    }
    if let prefix, parts.first == prefix, parts.count > 1, !Self.isUnprefixed(parts) { parts = parts.dropFirst() }
    switch (parts.first, parts.count) {
    case ("tables", 2) where parts.last == "rename": self = .renameTable
    case ("views", 2) where parts.last == "rename": self = .renameView
    case ("transactions", 2) where parts.last == "commit": self = .transaction
    case ("namespaces", 1): self = .namespaces
    case ("namespaces", _):
      let namespace = try Self.namespace(parts[parts.startIndex + 1])
      guard let route = Self.route(namespace, Array(parts.dropFirst(2))) else { throw Self.unknown(path) }
      self = route
    default: throw Self.unknown(path)
    }
  }

  /// A prefix may be called as a route is.
  private static func isUnprefixed(_ parts: ArraySlice<String>) -> Bool {
    guard let first = parts.first, ["namespaces", "tables", "views", "transactions"].contains(first) else {
      return false
    }
    return !["namespaces", "tables", "views", "transactions"].contains(parts[parts.startIndex + 1])
  }

  private static func route(_ namespace: Namespace, _ rest: [String]) -> ServerRoute? {
    if rest.count >= 2, rest[1].isEmpty { return nil }
    switch (rest.first, rest.count) {
    case (nil, _): return .namespace(namespace)
    case ("properties", 1): return .namespaceProperties(namespace)
    case ("tables", 1): return .tables(namespace)
    case ("register", 1): return .register(namespace)
    case ("register-view", 1): return .registerView(namespace)
    case ("views", 1): return .views(namespace)
    case ("tables", 2): return .table(TableIdentifier(namespace, rest[1]))
    case ("views", 2): return .view(TableIdentifier(namespace, rest[1]))
    case ("tables", 3) where rest[2] == "metrics": return .metrics(TableIdentifier(namespace, rest[1]))
    case ("tables", 3) where rest[2] == "credentials": return .credentials(TableIdentifier(namespace, rest[1]))
    default: return nil
    }
  }

  /// The decoded parts between slashes. Java encodes a space as `+`; all clients encode `+` itself as `%2B`.
  private static func parts(_ path: String) throws(ServerFailure) -> [String] {
    var parts: [String] = []
    for part in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      guard let decoded = PercentEncoding.decodeForm(String(part)) else {
        throw .badRequest("the path has a percent escape that is incomplete or not UTF-8")
      }
      parts.append(decoded)
    }
    if parts.last?.isEmpty == true { parts.removeLast() }
    return parts
  }

  /// The levels in a path or a query, which the byte 0x1F separates.
  static func namespace(_ text: String) throws(ServerFailure) -> Namespace {
    let levels = text.split(separator: "\u{1F}", omittingEmptySubsequences: false).map(String.init)
    guard !levels.contains("") else {
      throw .badRequest("expected a namespace whose levels are not empty and separated by %1F, got '\(text)'")
    }
    return Namespace(levels)
  }

  private static func unknown(_ path: String) -> ServerFailure {
    ServerFailure(404, "NoSuchEndpointException", "there is nothing at \(path.prefix(500)); see GET /v1/config")
  }

  /// The methods that it takes; where there is `GET`, `HEAD` is taken, too.
  var methods: [String] {
    switch self {
    case .config, .credentials, .views: ["GET"]
    case .tokens, .namespaceProperties, .register, .metrics, .renameTable, .transaction, .registerView, .renameView:
      ["POST"]
    case .namespaces, .tables: ["GET", "POST"]
    case .namespace: ["GET", "DELETE"]
    case .table, .view: ["GET", "POST", "DELETE"]
    }
  }

  /// What a failure is about.
  var subject: ServerFailure.Subject {
    switch self {
    case .table, .credentials, .metrics, .renameTable, .transaction: .table
    case .view, .renameView: .view
    default: .namespace
    }
  }
}

/// The parameters of a query.
struct ServerQuery: Hashable, Sendable {
  private var values: [String: String] = [:]

  init(_ text: String) throws(ServerFailure) {
    for pair in text.split(separator: "&") {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = PercentEncoding.decodeForm(String(sides[0])),
        let value = PercentEncoding.decodeForm(sides.count > 1 ? String(sides[1]) : "")
      else { throw .badRequest("the query has a percent escape that is incomplete or not UTF-8") }
      if values[name] == nil { values[name] = value }
    }
  }

  /// The first value of a parameter.
  subscript(name: String) -> String? { values[name] }

  /// A parameter that is `true` or `false`.
  func flag(_ name: String) throws(ServerFailure) -> Bool {
    switch values[name]?.lowercased() {
    case nil, "", "false": return false
    case "true": return true
    case .some(let value): throw .badRequest("\(name): expected true or false, got '\(value)'")
    }
  }
}
