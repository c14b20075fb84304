import Logging

/// The REST catalog protocol over any catalog: requests in, answers out, without an HTTP library.
///
/// Specification: `open-api/rest-catalog-open-api.yaml` of Apache Iceberg. Namespaces, tables and commits are served
/// as far as the catalog below can; views and server-side planning are not. A table that was created as "staged" leaves
/// nothing behind until its first commit.
public struct RESTCatalogService: Sendable {
  let catalog: any Catalog
  let store: any ObjectStore
  let options: RESTCatalogOptions
  let environment: CommitEnvironment
  let logger: Logger
  let turns = CommitTurns()
  private let access: ServerAccess

  /// A service.
  ///
  /// - Parameters:
  ///   - catalog: What is served. The caller closes it.
  ///   - store: Where the first metadata files of staged tables are written: the catalog's own store.
  ///   - environment: Time and chance.
  public init(
    catalog: any Catalog, store: any ObjectStore, options: RESTCatalogOptions, logger: Logger,
    environment: CommitEnvironment = .system
  ) {
    self.catalog = catalog
    self.store = store
    self.options = options
    self.environment = environment
    self.logger = logger
    access = ServerAccess(token: options.token)
  }

  /// Whether a request is heard out.
  public enum Admission: Hashable, Sendable {
    /// Its body may be read, up to so many bytes.
    case accepted(bodyBytesMax: Int)
    /// Whatever its body is, this is the answer.
    case refused(CatalogHTTPResponse)
  }

  /// Looks at a request before its body is read: at the address, the token, the method and the length.
  ///
  /// - Parameter bodyBytes: the length of the body, as far as it is known.
  public func admit(_ request: CatalogHTTPRequest, bodyBytes: Int) -> Admission {
    do throws(ServerFailure) {
      return .accepted(bodyBytesMax: bodyBytesMax(try route(of: request, bodyBytes: bodyBytes)))
    } catch {
      return .refused(error.response)
    }
  }

  /// Answers one request; whatever is asked, there is an answer. May be called concurrently.
  public func respond(_ request: CatalogHTTPRequest) async -> CatalogHTTPResponse {
    do {
      return try await respond(request, try route(of: request, bodyBytes: request.body.count))
    } catch let failure as ServerFailure {
      return failure.response
    } catch {
      return ServerFailure(500, "InternalServerError", "\(error)").response
    }
  }

  /// The longest form that the OAuth endpoint reads, which answers whoever asks.
  private static let formBytesMax = 64 << 10

  private func bodyBytesMax(_ route: ServerRoute) -> Int {
    route == .tokens ? min(Self.formBytesMax, options.bodyBytesMax) : options.bodyBytesMax
  }

  private func route(of request: CatalogHTTPRequest, bodyBytes: Int) throws(ServerFailure) -> ServerRoute {
    let route = try ServerRoute(path: request.path, prefix: options.prefix)
    if route != .tokens { try access.check(request.headers) }
    let takesHead = route.methods.contains("GET")
    guard route.methods.contains(request.method) || takesHead && request.method == "HEAD" else {
      let allowed = (route.methods + (takesHead ? ["HEAD"] : [])).joined(separator: ", ")
      throw ServerFailure(
        405, "MethodNotAllowedException", "\(request.method.prefix(20)) is not possible here; use \(allowed)",
        headers: ["Allow": allowed])
    }
    let limit = bodyBytesMax(route)
    guard bodyBytes <= limit else {
      throw ServerFailure(
        413, "BadRequestException", "the body is longer than the \(limit) bytes that are accepted; commit less at once")
    }
    return route
  }

  private func respond(_ request: CatalogHTTPRequest, _ route: ServerRoute) async throws -> CatalogHTTPResponse {
    let exchange = ServerExchange(request: request, query: try ServerQuery(request.query))
    do {
      return try await answer(exchange, route)
    } catch let error as IcebergError {
      if error.kind == .corrupt || error.kind == .io || error.kind == .unauthorized {
        logger.warning(
          "a catalog request failed", metadata: ["path": "\(request.path)", "error": "\(error.message)"])
      }
      throw ServerFailure(error, route.subject)
    }
  }

  private func answer(_ exchange: ServerExchange, _ route: ServerRoute) async throws -> CatalogHTTPResponse {
    switch route {
    case .config: return .json(configuration)
    case .tokens: return access.exchange(exchange.request)
    case .namespaces, .namespace, .namespaceProperties: return try await answerNamespace(exchange, route)
    case .tables, .table, .register, .credentials, .metrics, .renameTable:
      return try await answerTable(exchange, route)
    case .transaction: return try await commitTransaction(exchange)
    case .views(let namespace):
      _ = try await catalog.namespaceProperties(namespace)
      return .json(.object(["identifiers": .array([])]))
    case .view(let identifier):
      throw ServerFailure(
        404, "NoSuchViewException", "view \(identifier) does not exist: this catalog has no views")
    case .registerView, .renameView:
      throw ServerFailure(406, "UnsupportedOperationException", "this catalog has no views")
    }
  }

  /// The answer to `GET /v1/config`, whatever warehouse was asked for: there is one.
  private var configuration: JSONValue {
    var endpoints = Self.endpoints
    if catalog.supportsMultiTableCommits { endpoints.append("POST /v1/{prefix}/transactions/commit") }
    return .object([
      "defaults": .object([:]), "overrides": .object([:]),
      "endpoints": .array(endpoints.map { .string($0) })
    ])
  }

  private static let endpoints = [
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials",
    "POST /v1/{prefix}/tables/rename"
  ]
}

/// A request with its query taken apart.
struct ServerExchange: Sendable {
  let request: CatalogHTTPRequest
  let query: ServerQuery

  /// What `read` makes of the body, which must be JSON.
  /// - Throws: 400; for a body that is no JSON, with the byte that is wrong.
  func body<Value>(_ read: (JSONValue) throws(IcebergError) -> Value) throws(ServerFailure) -> Value {
    do {
      return try read(try JSONValue(parsing: request.body))
    } catch {
      throw .badRequest("the request's body: \(error.message)")
    }
  }
}
