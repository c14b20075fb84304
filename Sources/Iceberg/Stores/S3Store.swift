import Logging
import Synchronization

/// Objects in S3, or in a store that speaks like it. Locations are `s3://bucket/key`; `s3a` and `s3n` mean the same.
///
/// Requests are signed with Signature Version 4, their bodies included, so that neither can be altered on the way.
public final class S3Store: ObjectStore {
  let configuration: S3Configuration
  let client: S3Client
  let environment: TransportEnvironment
  let files: BlockingPool
  let logger: Logger
  private let transport: any HTTPTransport
  private let ownsTransport: Bool
  private let conditionalWritesRefused = Mutex(false)

  /// A store.
  ///
  /// - Parameters:
  ///   - configuration: Where it is.
  ///   - credentials: Whose requests they are.
  ///   - transport: Carries them; `nil` makes one, which ``close()`` closes.
  ///   - environment: Time and chance.
  ///   - logger: Hears of fall-backs; never of secrets.
  public init(
    configuration: S3Configuration, credentials: any CredentialsProvider, transport: (any HTTPTransport)? = nil,
    environment: TransportEnvironment = .system, logger: Logger = Logger(label: "iceberg.s3")
  ) {
    self.configuration = configuration
    self.environment = environment
    self.logger = logger
    files = .shared
    ownsTransport = transport == nil
    let carrier = transport ?? AsyncHTTPTransport()
    self.transport = carrier
    client = S3Client(
      configuration: configuration, credentials: credentials, transport: carrier, environment: environment)
  }

  /// Whether `ifAbsent` is decided by the store itself.
  ///
  /// False once the store has refused `If-None-Match`: since then it is looked first and written then, which two
  /// writers may do at the same time.
  public var offersConditionalWrites: Bool { !conditionalWritesRefused.withLock { $0 } }

  /// Notes that the store does not know conditional writes.
  func refuseConditionalWrites() {
    let isFirst = conditionalWritesRefused.withLock { refused in
      defer { refused = true }
      return !refused
    }
    if isFirst {
      logger.warning(
        "the store does not know If-None-Match: writing only what is absent is not safe against other writers",
        metadata: ["endpoint": "\(configuration.endpoint ?? "AWS")"])
    }
  }

  /// What is known of an object; `nil` when nothing is there.
  public func info(_ location: String) async throws(IcebergError) -> ObjectInfo? {
    let place = try S3Location(location)
    try place.requireKey()
    return try await head(place)
  }

  func head(_ place: S3Location) async throws(IcebergError) -> ObjectInfo? {
    let call = S3Call(method: "HEAD", bucket: place.bucket, key: place.key)
    switch try await client.perform(call) {
    case .lost(let failure): throw S3Client.error(failure)
    case .answer(let answer):
      let response = answer.response
      if response.status == 404 { return nil }
      guard response.isSuccess else { throw S3Failure(response).error(call.summary) }
      guard let size = response.headers["Content-Length"].flatMap({ Int64($0) }), size >= 0 else {
        throw IcebergError(.corrupt, "\(call.summary): the answer has no Content-Length")
      }
      return ObjectInfo(
        location: place.location(ofKey: place.key), size: size,
        modifiedMilliseconds: response.headers["Last-Modified"].flatMap { CivilTime.http($0) } ?? 0,
        entityTag: response.headers["ETag"])
    }
  }

  /// The bytes of an object, or of a part of it. A range beyond the end is cut.
  public func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    let place = try S3Location(location)
    try place.requireKey()
    var call = S3Call(method: "GET", bucket: place.bucket, key: place.key)
    call.responseBytesMax = 1 << 31
    if let range {
      guard range.lowerBound >= 0 else {
        throw IcebergError(.invalid, "\(location): the range \(range) begins before the object")
      }
      guard !range.isEmpty else {
        guard try await head(place) != nil else { throw IcebergError(.notFound, "\(location) is not there") }
        return []
      }
      call.headers["Range"] = "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
    }
    switch try await client.perform(call) {
    case .lost(let failure): throw S3Client.error(failure)
    case .answer(let answer): return try Self.content(answer.response, range: range, call: call)
    }
  }

  private static func content(
    _ response: HTTPTransportResponse, range: Range<Int64>?, call: S3Call
  ) throws(IcebergError) -> [UInt8] {
    // The range begins at or after the end.
    if range != nil && response.status == 416 { return [] }
    guard response.isSuccess else { throw S3Failure(response).error(call.summary) }
    guard let range else { return response.body }
    let body = response.body
    if response.status == 200 {
      // A server may ignore the range and send all.
      let start = Int(min(range.lowerBound, Int64(body.count)))
      return Array(body[start..<Int(min(range.upperBound, Int64(body.count)))])
    }
    guard Int64(body.count) <= range.upperBound - range.lowerBound else {
      throw IcebergError(.corrupt, "\(call.summary): \(body.count) bytes came for the range \(range)")
    }
    if let given = response.headers["Content-Range"], !given.hasPrefix("bytes \(range.lowerBound)-") {
      throw IcebergError(.corrupt, "\(call.summary): the answer is for \(given), not for the range \(range)")
    }
    return body
  }

  /// The local path: there is none.
  public func localPath(_ location: String) -> String? { nil }

  /// Lets go of connections, if they are the store's own.
  public func close() async {
    if ownsTransport { await transport.close() }
  }
}
