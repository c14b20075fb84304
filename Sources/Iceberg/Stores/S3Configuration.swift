/// Where an S3 store is, and how it is spoken to.
public struct S3Configuration: Sendable {
  /// `http://host:port` or `https://host`, without a path; `nil` is AWS's endpoint of the region.
  public var endpoint: String?
  /// The region of the signature, until a bucket says that it is elsewhere.
  public var region: String
  /// Whether the bucket is in the path rather than in the host's name.
  public var usesPathStyle: Bool
  /// Objects larger than this are uploaded in parts, in bytes.
  public var multipartThresholdBytes: Int64 = 16 << 20
  /// The least size of a part, in bytes; at least 5 MiB on AWS.
  public var partBytesMin: Int64 = 8 << 20
  /// How many parts of one object are sent at the same time.
  public var concurrentParts = 4
  /// When a request is sent again.
  public var retryPolicy = RetryPolicy()

  /// A configuration. Without `usesPathStyle`, an own endpoint has the bucket in the path, AWS in the host's name.
  public init(endpoint: String? = nil, region: String = "us-east-1", usesPathStyle: Bool? = nil) {
    self.endpoint = endpoint.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
    self.region = region
    self.usesPathStyle = usesPathStyle ?? !(self.endpoint?.contains(".amazonaws.com") ?? true)
  }

  /// The configuration in table or catalog properties, else in the environment.
  ///
  /// `s3.endpoint` or `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`; `s3.region` or `client.region` or `AWS_REGION` or
  /// `AWS_DEFAULT_REGION`; `s3.path-style-access`, `s3.force-virtual-addressing`.
  /// - Throws: Kind `invalid` when a value makes no sense.
  public init(
    properties: [String: String], variable: @Sendable (String) -> String? = { _ in nil }
  ) throws(IcebergError) {
    func first(_ names: [String]) -> String? {
      for name in names { if let value = properties[name], !value.isEmpty { return value } }
      return nil
    }
    func environment(_ names: [String]) -> String? {
      for name in names { if let value = variable(name), !value.isEmpty { return value } }
      return nil
    }
    let endpoint = first(["s3.endpoint"]) ?? environment(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
    if let endpoint { try Self.check(endpoint) }
    var style = try Self.flag("s3.path-style-access", properties)
    if style == nil { style = try Self.flag("s3.force-virtual-addressing", properties).map { !$0 } }
    self.init(
      endpoint: endpoint,
      region: first(["s3.region", "client.region"]) ?? environment(["AWS_REGION", "AWS_DEFAULT_REGION"]) ?? "us-east-1",
      usesPathStyle: style)
  }

  private static func flag(_ name: String, _ properties: [String: String]) throws(IcebergError) -> Bool? {
    guard let text = properties[name] else { return nil }
    switch text.lowercased() {
    case "true": return true
    case "false": return false
    default: throw IcebergError(.invalid, "\(name) must be true or false, not \"\(text)\"")
    }
  }

  private static func check(_ endpoint: String) throws(IcebergError) {
    guard let range = endpoint.firstRange(of: "://"),
      ["http", "https"].contains(endpoint[..<range.lowerBound].lowercased()),
      case let rest = endpoint[range.upperBound...], !rest.isEmpty,
      let slash = Optional(rest.firstIndex(of: "/") ?? rest.endIndex), rest[slash...].allSatisfy({ $0 == "/" }),
      slash != rest.startIndex, !rest.contains("@"), !rest.contains("?")
    else {
      throw IcebergError(.invalid, "s3.endpoint must be like https://host or http://host:9000, without path and user")
    }
  }

  /// Scheme, host and path under which an object, or with an empty key its bucket, is addressed.
  func address(bucket: String, key: String, region: String) -> (url: String, host: String, path: String) {
    let base = endpoint ?? Self.amazonEndpoint(region)
    let split = base.firstRange(of: "://")
    let scheme = split.map { String(base[..<$0.lowerBound]).lowercased() } ?? "https"
    var host = split.map { String(base[$0.upperBound...]) } ?? base
    var path = "/" + PercentEncoding.encode(key, keepsSlash: true)
    if usesPathStyle || !Self.fitsHostName(bucket, isSecure: scheme == "https") || Self.isAddress(host) {
      path = "/" + PercentEncoding.encode(bucket) + (key.isEmpty ? "" : path)
    } else {
      host = "\(bucket).\(host)"
    }
    // The default port is not part of the Host header, so not of the signature either.
    let shown = scheme == "https" ? ":443" : ":80"
    if host.hasSuffix(shown) { host.removeLast(shown.count) }
    return ("\(scheme)://\(host)\(path)", host, path)
  }

  private static func amazonEndpoint(_ region: String) -> String {
    "https://s3.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
  }

  /// Certificates cover one level below the endpoint: names with a dot fail with TLS.
  private static func fitsHostName(_ bucket: String, isSecure: Bool) -> Bool {
    bucket.utf8.count >= 3 && bucket.utf8.count <= 63
      && bucket.utf8.allSatisfy { byte in
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x2E && !isSecure
      }
  }

  private static func isAddress(_ host: String) -> Bool {
    host.hasPrefix("[") || host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x3A }
  }
}

/// Bucket and key of a location.
package struct S3Location: Hashable, Sendable {
  /// `s3`, `s3a` or `s3n`, as it was given.
  package var scheme: String
  /// The bucket.
  package var bucket: String
  /// The key, taken literally: nothing is decoded.
  package var key: String

  /// The parts of `s3://bucket/key`.
  /// - Throws: Kind `invalid` when it is something else.
  package init(_ location: String) throws(IcebergError) {
    guard let range = location.firstRange(of: "://"),
      ["s3", "s3a", "s3n"].contains(location[..<range.lowerBound].lowercased())
    else { throw IcebergError(.invalid, "expected a location like s3://bucket/key, got \(location)") }
    scheme = String(location[..<range.lowerBound])
    let rest = location[range.upperBound...]
    let slash = rest.utf8.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
    bucket = String(rest[..<slash])
    key = slash == rest.endIndex ? "" : String(rest[rest.utf8.index(after: slash)...])
    guard !bucket.isEmpty else {
      throw IcebergError(.invalid, "\(location) has no bucket: s3://bucket/key is expected")
    }
  }

  /// The location of another key beside this one.
  package func location(ofKey key: String) -> String { "\(scheme)://\(bucket)/\(key)" }

  /// Requires that a key is given, at most 1024 bytes of it.
  package func requireKey() throws(IcebergError) {
    guard !key.isEmpty, key.utf8.count <= 1024 else {
      throw IcebergError(.invalid, "\(location(ofKey: key)): a key has 1 to 1024 bytes, not \(key.utf8.count)")
    }
  }
}
