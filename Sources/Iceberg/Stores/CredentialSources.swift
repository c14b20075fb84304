import FoundationEssentials

/// Where the machine's own credentials come from, in the order of AWS's tools: environment variables, web identity,
/// the container's endpoint, the instance's metadata service (IMDSv2).
package struct CredentialSources: Sendable {
  let transport: any HTTPTransport
  let environment: TransportEnvironment
  let variable: @Sendable (String) -> String?
  let region: String

  package init(
    transport: any HTTPTransport, environment: TransportEnvironment, variable: @escaping @Sendable (String) -> String?,
    region: String
  ) {
    self.transport = transport
    self.environment = environment
    self.variable = variable
    self.region = region
  }

  /// The first source that is configured.
  package func provider() -> any CredentialsProvider {
    if let key = variable("AWS_ACCESS_KEY_ID"), let secret = variable("AWS_SECRET_ACCESS_KEY") {
      return FixedCredentials(
        S3Credentials(accessKeyID: key, secretAccessKey: secret, sessionToken: variable("AWS_SESSION_TOKEN")))
    }
    return RefreshingCredentials(environment: environment) { () async throws(IcebergError) in try await fetch() }
  }

  private func fetch() async throws(IcebergError) -> S3Credentials {
    if let file = variable("AWS_WEB_IDENTITY_TOKEN_FILE"), let role = variable("AWS_ROLE_ARN") {
      return try await webIdentity(tokenFile: file, role: role)
    }
    if let path = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
      return try await container("http://169.254.170.2\(path)")
    }
    if let url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") { return try await container(url) }
    if variable("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true" { return try await instance() }
    throw Self.nothingFound("the instance's metadata service is disabled by AWS_EC2_METADATA_DISABLED")
  }

  private static func nothingFound(_ reason: String) -> IcebergError {
    IcebergError(
      .unauthorized,
      "no credentials for S3: set s3.access-key-id and s3.secret-access-key, or AWS_ACCESS_KEY_ID and "
        + "AWS_SECRET_ACCESS_KEY, or give this machine a role (\(reason))")
  }

  // MARK: Sources

  private func webIdentity(tokenFile: String, role: String) async throws(IcebergError) -> S3Credentials {
    let token = try await text(ofFile: tokenFile)
    let session = variable("AWS_ROLE_SESSION_NAME") ?? "iceberg-\(environment.nowMilliseconds())"
    let body = SignatureV4.encodedQuery([
      ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
      ("RoleSessionName", session), ("WebIdentityToken", token)
    ])
    let url = variable("AWS_ENDPOINT_URL_STS") ?? "https://sts.\(region).amazonaws.com/"
    let response = try await get(
      HTTPTransportRequest(
        method: "POST", url: url, headers: ["Content-Type": "application/x-www-form-urlencoded"],
        body: .bytes(Array(body.utf8))), isIdempotent: true, name: "STS")
    guard let root = XMLTree.parse(response.body),
      let found = root["AssumeRoleWithWebIdentityResult"]?["Credentials"], let key = found["AccessKeyId"]?.text,
      let secret = found["SecretAccessKey"]?.text, let sessionToken = found["SessionToken"]?.text
    else { throw IcebergError(.unauthorized, "STS answered \(url) with something else than credentials") }
    return S3Credentials(
      accessKeyID: key, secretAccessKey: secret, sessionToken: sessionToken,
      expiresAtMilliseconds: found["Expiration"].flatMap { CivilTime.extended($0.text) })
  }

  private func container(_ url: String) async throws(IcebergError) -> S3Credentials {
    try Self.requireTrustworthy(url)
    var headers: HTTPHeaderList = [:]
    if let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
      headers["Authorization"] = try await text(ofFile: file)
    } else if let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN") {
      headers["Authorization"] = token
    }
    let response = try await get(
      HTTPTransportRequest(method: "GET", url: url, headers: headers), name: "the container's credentials endpoint")
    return try Self.decode(response.body, from: url)
  }

  /// Credentials travel over TLS, or stay on the machine or its link.
  private static func requireTrustworthy(_ url: String) throws(IcebergError) {
    if url.hasPrefix("https://") { return }
    let local = [
      "http://169.254.170.2", "http://169.254.170.23", "http://127.0.0.1", "http://localhost", "http://[::1]"
    ]
    let isLocal = local.contains { prefix in
      guard url.hasPrefix(prefix) else { return false }
      let rest = url.dropFirst(prefix.count)
      return rest.isEmpty || rest.hasPrefix("/") || rest.hasPrefix(":")
    }
    guard isLocal else {
      throw IcebergError(
        .invalid, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine, not \(url)")
    }
  }

  private func instance() async throws(IcebergError) -> S3Credentials {
    let base = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? "http://169.254.169.254"
    let name = "the instance's metadata service"
    let token: HTTPTransportResponse
    do {
      // Where there is no such service, nobody answers: one short attempt decides.
      token = try await get(
        HTTPTransportRequest(
          method: "PUT", url: "\(base)/latest/api/token",
          headers: ["X-aws-ec2-metadata-token-ttl-seconds": "21600"], timeoutMilliseconds: 2000), name: name,
        attempts: 2)
    } catch {
      throw Self.nothingFound(error.message)
    }
    let header: HTTPHeaderList = ["X-aws-ec2-metadata-token": String(decoding: token.body, as: UTF8.self)]
    let path = "\(base)/latest/meta-data/iam/security-credentials/"
    let roles = try await get(
      HTTPTransportRequest(method: "GET", url: path, headers: header, timeoutMilliseconds: 5000), name: name)
    guard let role = String(decoding: roles.body, as: UTF8.self).split(whereSeparator: \.isNewline).first else {
      throw Self.nothingFound("the instance has no role")
    }
    let url = path + PercentEncoding.encode(String(role))
    let answer = try await get(
      HTTPTransportRequest(method: "GET", url: url, headers: header, timeoutMilliseconds: 5000), name: name)
    return try Self.decode(answer.body, from: url)
  }

  // MARK: Answers

  private func get(
    _ request: HTTPTransportRequest, isIdempotent: Bool = true, name: String, attempts: Int = 4
  ) async throws(IcebergError) -> HTTPTransportResponse {
    var request = request
    request.responseBytesMax = 1 << 20
    request.timeoutMilliseconds = request.timeoutMilliseconds ?? 10_000
    let sender = RetryingSender(
      transport: transport, policy: RetryPolicy(attempts: attempts), environment: environment)
    let response: HTTPTransportResponse
    do {
      response = try await sender.send(isIdempotent: isIdempotent, makeRequest: { [request] _ in request }).response
    } catch {
      throw (error as? IcebergError) ?? IcebergError(.transient, "no credentials from \(name): \(error)")
    }
    guard response.isSuccess else {
      throw IcebergError(
        response.status >= 500 ? .transient : .unauthorized,
        "no credentials from \(name): \(request.summary) was answered with status \(response.status)")
    }
    return response
  }

  private func text(ofFile path: String) async throws(IcebergError) -> String {
    let bytes = try await BlockingPool.shared.run { () throws(IcebergError) in
      try ReadableFile(path: path).read(0..<(1 << 20))
    }
    return String(
      String(decoding: bytes, as: UTF8.self).drop(while: \.isWhitespace).reversed()
        .drop(while: \.isWhitespace).reversed())
  }

  /// The form that the container's endpoint and the instance's service share.
  private struct Answer: Decodable {
    var accessKey: String
    var secretKey: String
    var token: String?
    var expiration: String?

    enum CodingKeys: String, CodingKey {
      case accessKey = "AccessKeyId"
      case secretKey = "SecretAccessKey"
      case token = "Token"
      case expiration = "Expiration"
    }
  }

  private static func decode(_ body: [UInt8], from url: String) throws(IcebergError) -> S3Credentials {
    guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(body)) else {
      throw IcebergError(.unauthorized, "\(url) answered with something else than credentials")
    }
    return S3Credentials(
      accessKeyID: answer.accessKey, secretAccessKey: answer.secretKey, sessionToken: answer.token,
      expiresAtMilliseconds: answer.expiration.flatMap { CivilTime.extended($0) })
  }
}
