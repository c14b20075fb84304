import PostgresClient

/// The server's refusal of a statement; the session lives on.
struct PostgresRefusal: Error {
  let code: String
  let message: String

  init(_ code: String, _ message: String) {
    self.code = code
    self.message = message
  }

  /// What libpq makes of it.
  var failure: PostgresFailure { PostgresFailure(code: code, message: message, isConnectionLost: false) }
}
