/// The header fields of a message, in order; names are compared without regard to case.
public struct HTTPHeaderList: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  /// One field.
  public struct Field: Hashable, Sendable {
    /// The name, as it was written.
    public var name: String
    /// The value.
    public var value: String

    /// A field.
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The fields in the order in which they were added.
  public private(set) var fields: [Field]

  /// No fields, or the given ones.
  public init(_ fields: [Field] = []) { self.fields = fields }

  /// Fields in the order of the literal.
  public init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { Field(name: $0.0, value: $0.1) }
  }

  /// The first value of the field `name`. Setting it replaces all of them; `nil` removes them.
  public subscript(name: String) -> String? {
    get { fields.first { Self.areEqual($0.name, name) }?.value }
    set {
      fields.removeAll { Self.areEqual($0.name, name) }
      if let newValue { fields.append(Field(name: name, value: newValue)) }
    }
  }

  /// Adds a field beside those of the same name.
  public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

  private static func areEqual(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).allSatisfy { lowercase($0) == lowercase($1) }
  }

  private static func lowercase(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
}

/// What is sent with a request.
public enum HTTPTransportBody: Hashable, Sendable {
  /// Nothing.
  case none
  /// These bytes.
  case bytes([UInt8])
  /// A part of a local file, read while it is being sent; the file must not change meanwhile.
  case file(path: String, range: Range<Int64>)

  /// How many bytes are sent.
  public var count: Int64 {
    switch self {
    case .none: 0
    case .bytes(let bytes): Int64(bytes.count)
    case .file(_, let range): Int64(range.count)
    }
  }
}

/// A request as it is to be put on the wire.
public struct HTTPTransportRequest: Hashable, Sendable {
  /// `GET`, `PUT`, and so on, in capitals.
  public var method: String
  /// The whole address, percent-encoded: `http://host:port/path?query`. It is sent as it is.
  public var url: String
  /// Header fields; `Host` and `Content-Length` are added when missing.
  public var headers: HTTPHeaderList
  /// What is sent with it.
  public var body: HTTPTransportBody
  /// How long the whole exchange may take, in milliseconds; `nil` is the transport's own limit.
  public var timeoutMilliseconds: Int?
  /// How many bytes of body are accepted; `nil` is the transport's own limit.
  public var responseBytesMax: Int?
  /// Whether it is sent although the task is cancelled: for tidying up. Not for bodies from files.
  public var ignoresCancellation: Bool

  /// A request.
  public init(
    method: String, url: String, headers: HTTPHeaderList = [:], body: HTTPTransportBody = .none,
    timeoutMilliseconds: Int? = nil, responseBytesMax: Int? = nil, ignoresCancellation: Bool = false
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.timeoutMilliseconds = timeoutMilliseconds
    self.responseBytesMax = responseBytesMax
    self.ignoresCancellation = ignoresCancellation
  }

  /// Whether doing it twice is the same as doing it once (RFC 9110 §9.2.2).
  public var hasIdempotentMethod: Bool { method != "POST" && method != "PATCH" }
}

/// A complete answer.
public struct HTTPTransportResponse: Hashable, Sendable {
  /// The status code.
  public var status: Int
  /// Header fields.
  public var headers: HTTPHeaderList
  /// The whole body.
  public var body: [UInt8]

  /// An answer.
  public init(status: Int, headers: HTTPHeaderList = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// Whether the status is 2xx.
  public var isSuccess: Bool { (200..<300).contains(status) }

  /// What `Retry-After` asks for, in milliseconds, when it is given in seconds (RFC 9110 §10.2.3).
  public var retryAfterMilliseconds: Int? {
    guard let text = headers["Retry-After"], let seconds = Int(text), seconds >= 0, seconds < 1_000_000 else {
      return nil
    }
    return seconds * 1000
  }
}

/// There is no complete answer.
public struct HTTPTransportError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What the caller may conclude.
  public enum Kind: String, Hashable, Sendable {
    /// The server has not seen the request: no connection, unknown host, TLS refused.
    case notSent
    /// The connection was lost after sending had begun: whether the server acted is unknown.
    case connectionLost
    /// No answer in time: whether the server acted is unknown.
    case timeout
    /// The answer is longer than the limit; the server has acted.
    case responseTooLarge
    /// The answer breaks the protocol; the server may have acted.
    case malformedResponse
    /// The request cannot be sent as it is: its address, a header, or its file is wrong. Trying again does not help.
    case invalidRequest
    /// The task was cancelled: whether the server acted is unknown.
    case cancelled
  }

  /// What the caller may conclude.
  public let kind: Kind
  /// What happened, with method, host and path; never a query or a header, which may hold secrets.
  public let message: String

  /// A failure.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// Whether the server may have acted on the request.
  public var mayHaveBeenApplied: Bool { kind != .notSent && kind != .invalidRequest }

  /// The message.
  public var description: String { message }
}

/// Carries requests to servers. It neither retries nor follows redirects: its users decide that.
public protocol HTTPTransport: Sendable {
  /// Sends `request` and returns the whole answer, whatever its status.
  func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse

  /// Lets go of connections; requests after that fail.
  func close() async
}

extension HTTPTransportRequest {
  /// Method, host and path for messages: without user information and query.
  package var summary: String {
    var text = url[...]
    if let end = text.firstIndex(where: { $0 == "?" || $0 == "#" }) { text = text[..<end] }
    guard let scheme = text.firstRange(of: "://") else { return "\(method) \(text)" }
    let rest = text[scheme.upperBound...]
    let authorityEnd = rest.firstIndex(of: "/") ?? rest.endIndex
    guard let at = rest[..<authorityEnd].lastIndex(of: "@") else { return "\(method) \(text)" }
    return "\(method) \(text[..<scheme.upperBound])\(rest[rest.index(after: at)...])"
  }
}
