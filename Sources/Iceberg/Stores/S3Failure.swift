/// What a server of S3 says is wrong, and what that means to a caller.
struct S3Failure: Hashable, Sendable {
  var status: Int
  /// The server's word for it: `NoSuchKey`.
  var code: String
  var message: String
  var requestID: String?
  /// The region in which the bucket is, when the server says so.
  var region: String?
  var serverTime: String?
  var requestTime: String?

  init(_ response: HTTPTransportResponse) {
    let root = response.body.count <= 1 << 20 ? XMLTree.parse(response.body) : nil
    let error = root?.name == "Error" ? root : nil
    status = response.status
    code = error?["Code"]?.text ?? ""
    message = String((error?["Message"]?.text ?? "").prefix(500))
    requestID = error?["RequestId"]?.text ?? response.headers["x-amz-request-id"]
    region = response.headers["x-amz-bucket-region"] ?? error?["Region"]?.text
    serverTime = error?["ServerTime"]?.text ?? response.headers["Date"]
    requestTime = error?["RequestTime"]?.text
  }

  /// Codes that ask for another attempt whatever the status is.
  var isTransient: Bool {
    switch code {
    case "SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "Throttling", "ThrottlingException",
      "RequestLimitExceeded", "RequestThrottled", "OperationAborted", "ConditionalRequestConflict",
      "BandwidthLimitExceeded":
      true
    default: false
    }
  }

  /// Whether other credentials may help.
  var isExpiredCredentials: Bool {
    ["ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"].contains(code)
  }

  /// Whether the request went to the wrong region.
  var isWrongRegion: Bool {
    region != nil
      && (status == 301 || status == 307
        || code == "AuthorizationHeaderMalformed" || code == "PermanentRedirect"
        || code == "IllegalLocationConstraintException"
        || status == 400 && code.isEmpty)
  }

  /// Whether the server does not know something that the request asked for.
  var isNotImplemented: Bool { status == 501 || code == "NotImplemented" }

  private var kind: IcebergError.Kind {
    if isTransient || status == 429 || status >= 500 && status != 501 { return .transient }
    if isNotImplemented || code == "MethodNotAllowed" { return .unsupported }
    switch status {
    case 401, 403: return .unauthorized
    case 404: return .notFound
    case 409: return .conflict
    case 412: return .alreadyExists
    default: return isExpiredCredentials ? .unauthorized : .invalid
    }
  }

  /// The error for a caller: what was asked, the server's words, and what to do.
  func error(_ what: String) -> IcebergError {
    var text = "\(what) failed with status \(status)"
    if !code.isEmpty { text += " \(code)" }
    if !message.isEmpty { text += ": \(message)" }
    if let requestID { text += " (request \(requestID))" }
    if let advice { text += "; \(advice)" }
    return IcebergError(kind, text)
  }

  private var advice: String? {
    switch code {
    case "RequestTimeTooSkewed":
      "this machine's clock said \(requestTime ?? "another time"), the server's \(serverTime ?? "differs"): set this machine's clock"
    case "NoSuchBucket": "create the bucket, or correct its name"
    case "SignatureDoesNotMatch", "InvalidAccessKeyId":
      "check s3.access-key-id, s3.secret-access-key and s3.region"
    case "AccessDenied", "": status == 403 ? "check the permissions of these credentials for the bucket" : nil
    case "ExpiredToken", "ExpiredTokenException": "the credentials' session has ended: refresh them"
    default: status == 301 || status == 307 ? "set s3.region or s3.endpoint to where the bucket is" : nil
    }
  }
}
