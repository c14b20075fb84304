/// An answer that is no success, in the error model of the specification (`IcebergErrorResponse`).
struct ServerFailure: Error, Hashable, Sendable {
  /// What a request is about: decides what "not found" and "conflict" mean.
  enum Subject: Hashable, Sendable {
    /// A namespace, or something that is looked for or put in one.
    case namespace
    /// A table.
    case table
    /// A view.
    case view
  }

  /// The status code.
  var status: Int
  /// The name of the exception that Java's client makes of it.
  var type: String
  /// What was expected, what came.
  var message: String
  /// Header fields beside the content's type.
  var headers: HTTPHeaderList = [:]

  /// What a failure of the catalog means to who asked about `subject`.
  init(_ error: IcebergError, _ subject: Subject) {
    switch error.kind {
    case .invalid: self.init(400, "BadRequestException", error.message)
    case .notFound: self.init(404, Self.missing(subject), error.message)
    case .alreadyExists: self.init(409, "AlreadyExistsException", error.message)
    case .conflict where subject == .namespace: self.init(409, "NamespaceNotEmptyException", error.message)
    case .conflict: self.init(409, "CommitFailedException", error.message)
    case .unknownOutcome: self.init(500, "CommitStateUnknownException", error.message)
    case .unauthorized:
      self.init(403, "ForbiddenException", "the catalog's own credentials are refused: \(error.message)")
    case .transient: self.init(503, "ServiceUnavailableException", error.message, headers: ["Retry-After": "1"])
    case .unsupported: self.init(406, "UnsupportedOperationException", error.message)
    case .corrupt, .io: self.init(500, "InternalServerError", error.message)
    }
  }

  init(_ status: Int, _ type: String, _ message: String, headers: HTTPHeaderList = [:]) {
    self.status = status
    self.type = type
    self.message = message
    self.headers = headers
  }

  static func badRequest(_ message: String) -> ServerFailure { ServerFailure(400, "BadRequestException", message) }

  /// A requirement of a commit does not hold.
  static func commitFailed(_ message: String) -> ServerFailure { ServerFailure(409, "CommitFailedException", message) }

  var response: CatalogHTTPResponse {
    let error = JSONValue.object(["message": .string(message), "type": .string(type), "code": .integer(status)])
    return .json(.object(["error": error]), status: status, headers: headers)
  }

  private static func missing(_ subject: Subject) -> String {
    switch subject {
    case .namespace: "NoSuchNamespaceException"
    case .table: "NoSuchTableException"
    case .view: "NoSuchViewException"
    }
  }
}
