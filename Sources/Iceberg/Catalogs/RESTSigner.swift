import Glibc

/// Signs requests to catalogs of AWS: S3 Tables, Glue (Signature Version 4).
struct RESTSigner: Sendable {
  /// Whose requests they are.
  let provider: any CredentialsProvider
  /// The region in the signature.
  let region: String
  /// The service in the signature: `s3tables`, `glue`, `execute-api`.
  let service: String

  /// The signer that the properties ask for (`rest.sigv4-enabled`, or `rest.auth.type` = `sigv4`); `nil` when they do
  /// not.
  init?(
    _ properties: [String: String], transport: any HTTPTransport, environment: TransportEnvironment
  ) throws(IcebergError) {
    guard properties["rest.sigv4-enabled"]?.lowercased() == "true" || properties["rest.auth.type"] == "sigv4" else {
      return nil
    }
    let variable: @Sendable (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
    let regions = ["rest.signing-region", "client.region", "s3.region"].lazy.compactMap { properties[$0] }
    guard let region = regions.first ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") else {
      throw IcebergError(.invalid, "requests to the catalog are to be signed: set rest.signing-region")
    }
    self.region = region
    service = properties["rest.signing-name"] ?? "execute-api"
    for kind in ["rest", "client", "s3"] {
      guard let key = properties["\(kind).access-key-id"], let secret = properties["\(kind).secret-access-key"] else {
        continue
      }
      provider = FixedCredentials(
        S3Credentials(
          accessKeyID: key, secretAccessKey: secret, sessionToken: properties["\(kind).session-token"]))
      return
    }
    provider = CredentialSources(
      transport: transport, environment: environment, variable: variable, region: region
    ).provider()
  }

  /// The request with its signature.
  func sign(
    _ request: HTTPTransportRequest, atMilliseconds now: Int64
  ) async throws(IcebergError) -> HTTPTransportRequest {
    let credentials = try await provider.credentials(insteadOf: nil)
    var signed = request
    let rest = request.url.firstRange(of: "://").map { request.url[$0.upperBound...] } ?? request.url[...]
    let host = rest.prefix { $0 != "/" && $0 != "?" }
    let target = rest.dropFirst(host.count)
    let path = String(target.prefix { $0 != "?" })
    let query = target.dropFirst(path.count + 1).split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      return (name: RESTText.decoded(parts[0]), value: parts.count == 2 ? RESTText.decoded(parts[1]) : "")
    }
    var body: [UInt8] = []
    if case .bytes(let bytes) = request.body { body = bytes }
    let hash = Digests.sha256(body)
    signed.headers["Host"] = String(host)
    signed.headers["x-amz-content-sha256"] = hash
    // All services but S3 take the path as it is sent for the text to encode.
    signed.headers = SignatureV4(credentials: credentials, region: region, service: service).sign(
      SignatureV4.Message(
        method: request.method, encodedPath: PercentEncoding.encode(path.isEmpty ? "/" : path, keepsSlash: true),
        query: query, headers: signed.headers, payloadHash: hash), atMilliseconds: now)
    return signed
  }
}
