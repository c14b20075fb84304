/// The server, or the way to it, refused something.
public struct PostgresFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The class of failure, from the SQLSTATE.
  public enum Category: Hashable, Sendable {
    /// Trying again can help: connection lost, restart, deadlock, lock or statement timeout, out of resources.
    case transient
    /// Some value, or row, is to blame.
    case data
    /// The statement, the tables or the configuration must change first.
    case fatal
    /// The server failed in a way that nobody expects.
    case unexpected
  }

  /// The server's code; `nil` when the connection failed.
  public let code: String?
  /// What the server, or libpq, said; never holds the password.
  public let message: String
  /// Whether the connection is gone.
  public let isConnectionLost: Bool

  /// A failure.
  public init(code: String?, message: String, isConnectionLost: Bool) {
    self.code = code
    self.message = message
    self.isConnectionLost = isConnectionLost
  }

  /// What to do about it.
  public var category: Category {
    guard let code else { return isConnectionLost ? .transient : .unexpected }
    switch code {
    // 57P01…57P04: the server goes down; 57014: a statement timeout; 55P03: a lock timeout; 25006: a standby.
    case "57P01", "57P02", "57P03", "57P05", "57014", "55P03", "55006", "25006", "25P03", "25P04": return .transient
    case "23001", "P0001", "44000", "21000": return .data
    default: break
    }
    switch code.prefix(2) {
    case "08", "40", "53", "58": return .transient
    case "22", "23": return .data
    case "XX": return .unexpected
    default: return isConnectionLost ? .transient : .fatal
    }
  }

  /// What the server said, with its code.
  public var description: String { code.map { "\(message) (SQLSTATE \($0))" } ?? message }
}
