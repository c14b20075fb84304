/// Something is wrong with a table, a catalog or a store.
public struct IcebergError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What a caller may do about it.
  public enum Kind: String, Hashable, Sendable {
    /// The caller's request makes no sense; nothing was changed.
    case invalid
    /// Table, namespace, snapshot or file is not there.
    case notFound
    /// It is there already.
    case alreadyExists
    /// A requirement did not hold, definitely nothing was changed: refresh and try again.
    case conflict
    /// The commit may or may not have been applied: look before trying again, delete nothing.
    case unknownOutcome
    /// No, or wrong, credentials; or not allowed.
    case unauthorized
    /// It may work later: connection lost, timeout, too many requests, server error. Nothing was changed.
    case transient
    /// The specification allows it, this library does not.
    case unsupported
    /// Bytes are not what the specification says.
    case corrupt
    /// The disk is full, a file cannot be written, and the like.
    case io
  }

  /// What a caller may do about it.
  public let kind: Kind
  /// What was expected, what came, where, what to do. Never a secret.
  public let message: String

  /// A failure.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// The message.
  public var description: String { message }
}
