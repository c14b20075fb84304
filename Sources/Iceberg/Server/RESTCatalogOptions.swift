/// How a catalog is served.
public struct RESTCatalogOptions: Sendable {
  /// The token that requests must carry, which is also the OAuth client secret; `nil` lets everybody in.
  public var token: String?
  /// A part of the path that may stand after `/v1/`; the name of the catalog in clients that are configured with one.
  public var prefix: String?
  /// Where tables of namespaces without a `location` are put.
  public var warehouse: String
  /// What clients are told about the store of tables on S3: `s3.endpoint`, `s3.region`, and so on. No secrets.
  public var storageProperties: [String: String] = [:]
  /// The credentials that clients are given for tables on S3; `nil` leaves them to bring their own.
  public var vendedCredentials: (any CredentialsProvider)?
  /// The largest body of a request, in bytes.
  public var bodyBytesMax = 32 << 20
  /// How often a commit that lost a race against another program, but whose requirements still hold, is tried.
  public var commitAttempts = 8

  /// The usual options.
  public init(warehouse: String, token: String? = nil, prefix: String? = nil) {
    self.warehouse = warehouse
    self.token = token
    self.prefix = prefix
  }
}
