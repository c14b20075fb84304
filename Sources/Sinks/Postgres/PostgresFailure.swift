import PostgresClient

/// What a failure of the server means to a sink.
extension PostgresFailure {
  /// For how long another session may hold what this one waited for in vain: it is at a statement, then it says nothing.
  var heldNanoseconds: Int64 {
    guard code == "55P03" else { return 0 }
    return 1_000_000
      * Int64(PostgresConnection.statementTimeoutMilliseconds + PostgresConnection.idleInTransactionMilliseconds)
  }

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
