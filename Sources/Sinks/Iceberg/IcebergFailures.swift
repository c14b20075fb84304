import Actors
import Checkpointing
import Iceberg

/// Turns the failures of catalogs, stores and files into ``SinkError``.
enum IcebergFailures {
  /// Runs `body`; what it throws becomes the sink's own.
  static func translate<Result: Sendable>(
    _ sink: String, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
  ) async throws -> Result {
    do { return try await body() } catch { throw sinkError(error, sink: sink) }
  }

  /// `error` as the sink's own; conflicts of positions pass unchanged.
  static func sinkError(_ error: any Error, sink: String) -> any Error {
    guard let error = error as? IcebergError else { return SinkFailures.sinkError(error, sink: sink) }
    let severity: SinkError.Severity =
      switch error.kind {
      case .transient, .io, .conflict, .unknownOutcome, .alreadyExists: .transient
      case .invalid, .notFound, .unauthorized, .unsupported, .corrupt: .fatal
      }
    let advice =
      error.kind == .corrupt
      ? "; nothing was changed: restore that file from a backup, or let another engine set the table back to a snapshot "
        + "that can be read" : ""
    return SinkError(sink: sink, severity: severity, message: error.message + advice)
  }
}
