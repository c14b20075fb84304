import Synchronization

/// An access key. Its description never shows the secret parts.
public struct S3Credentials: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  /// The public part.
  public var accessKeyID: String
  /// The secret part.
  public var secretAccessKey: String
  /// The token of temporary credentials.
  public var sessionToken: String?
  /// When they stop working: milliseconds since the epoch; `nil` is never.
  public var expiresAtMilliseconds: Int64?

  /// An access key.
  public init(
    accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiresAtMilliseconds: Int64? = nil
  ) {
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken
    self.expiresAtMilliseconds = expiresAtMilliseconds
  }

  /// The public part.
  public var description: String { "S3Credentials(\(accessKeyID))" }
  /// The public part.
  public var debugDescription: String { description }
  /// The public part.
  public var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}

/// Where access keys come from: fixed ones, those of a machine's role, or those that a catalog hands out per table.
public protocol CredentialsProvider: Sendable {
  /// The credentials to use now.
  ///
  /// - Parameter refused: What the server has just refused as expired; the answer should be others if there are any.
  func credentials(insteadOf refused: S3Credentials?) async throws(IcebergError) -> S3Credentials
}

/// The same credentials always.
public struct FixedCredentials: CredentialsProvider {
  private let value: S3Credentials

  /// These credentials.
  public init(_ value: S3Credentials) { self.value = value }

  /// The credentials.
  public func credentials(insteadOf refused: S3Credentials?) async throws(IcebergError) -> S3Credentials { value }
}

/// Credentials that are fetched, kept, and fetched again five minutes before they expire, by one caller at a time.
public actor RefreshingCredentials: CredentialsProvider {
  /// How long before their end credentials are replaced, in milliseconds.
  public static let marginMilliseconds: Int64 = 300_000

  private let environment: TransportEnvironment
  private let fetch: @Sendable () async throws(IcebergError) -> S3Credentials
  private var current: S3Credentials?
  private var isFetching = false
  private var waiting: [UnsafeContinuation<Void, Never>] = []

  /// Credentials that `fetch` gets.
  public init(
    environment: TransportEnvironment = .system,
    fetch: @escaping @Sendable () async throws(IcebergError) -> S3Credentials
  ) {
    self.environment = environment
    self.fetch = fetch
  }

  /// The credentials that are kept, or fresh ones.
  public func credentials(insteadOf refused: S3Credentials?) async throws(IcebergError) -> S3Credentials {
    while true {
      if let current, current != refused, isGood(current, margin: Self.marginMilliseconds) { return current }
      guard isFetching else { break }
      await withUnsafeContinuation { waiting.append($0) }
    }
    isFetching = true
    defer {
      isFetching = false
      for continuation in waiting { continuation.resume() }
      waiting.removeAll()
    }
    do {
      let fresh = try await fetch()
      current = fresh
      return fresh
    } catch {
      // What is kept may still work for the rest of the margin.
      if let current, current != refused, isGood(current, margin: 0) { return current }
      throw error
    }
  }

  private func isGood(_ credentials: S3Credentials, margin: Int64) -> Bool {
    guard let end = credentials.expiresAtMilliseconds else { return true }
    return environment.nowMilliseconds() < end - margin
  }
}
