/// A request to a catalog server, independent of any HTTP library.
public struct CatalogHTTPRequest: Hashable, Sendable {
  /// `GET`, `POST`, and so on, in capitals.
  public var method: String
  /// The path as it came: percent-encoded, without the query.
  public var path: String
  /// What follows the `?`, as it came; empty when there is none.
  public var query: String
  /// Header fields.
  public var headers: HTTPHeaderList
  /// The whole body.
  public var body: [UInt8]

  /// A request.
  public init(
    method: String, path: String, query: String = "", headers: HTTPHeaderList = [:], body: [UInt8] = []
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
  }

  /// A request for a target such as `/v1/config?warehouse=w`.
  public init(method: String, target: String, headers: HTTPHeaderList = [:], body: [UInt8] = []) {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    self.init(
      method: method, path: parts.first.map(String.init) ?? "", query: parts.count > 1 ? String(parts[1]) : "",
      headers: headers, body: body)
  }
}

/// A catalog server's answer.
public struct CatalogHTTPResponse: Hashable, Sendable {
  /// The status code.
  public var status: Int
  /// Header fields; `Content-Length` is not among them.
  public var headers: HTTPHeaderList
  /// The whole body.
  public var body: [UInt8]

  /// An answer.
  public init(status: Int, headers: HTTPHeaderList = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// A request that makes no sense, in the error model of the specification.
  public static func badRequest(_ message: String) -> CatalogHTTPResponse {
    ServerFailure.badRequest(message).response
  }

  /// Nothing but that it was done.
  static let noContent = CatalogHTTPResponse(status: 204)

  static func json(_ value: JSONValue, status: Int = 200, headers: HTTPHeaderList = [:]) -> CatalogHTTPResponse {
    var headers = headers
    headers["Content-Type"] = "application/json"
    return CatalogHTTPResponse(status: status, headers: headers, body: value.bytes)
  }
}
