/// The server, or the way to it, refused something.
struct PostgresFailure: Error, CustomStringConvertible {
  /// The class of failure, from the SQLSTATE.
  enum Category: Hashable {
    /// Trying again can help: connection lost, restart, deadlock, lock or statement timeout, out of resources.
    case transient
    /// Some row is to blame.
    case data
    /// The target or the configuration must change first.
    case fatal
    /// The server failed in a way that nobody expects.
    case unexpected
  }

  /// The server's code; `nil` when the connection failed.
  let code: String?
  /// What the server, or libpq, said; never holds the password.
  let message: String
  /// Whether the connection is gone.
  let isConnectionLost: Bool

  /// What to do about it.
  var category: Category {
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
  var description: String { code.map { "\(message) (SQLSTATE \($0))" } ?? message }

  /// What a person can do about it.
  var hint: String {
    switch code ?? "" {
    case "42501": "; grant the missing right to this user"
    case "42P01", "42703", "42704", "3F000":
      "; the target was changed while the job ran: restore it, or restart the job"
    case "28P01", "28000": "; check user and password in the url"
    case "3D000": "; create the database, or name another one in the url"
    case "53100": "; make room on the server's disk"
    default: ""
    }
  }
}
