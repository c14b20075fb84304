import Actors
import Checkpointing
import PostgresClient
import Runtime

/// Turns the failures of files and servers into ``SinkError``, with their severity.
enum SinkFailures {
  /// Runs `body`; what it throws becomes a ``SinkError`` of `sink`. Conflicts and sink errors pass unchanged.
  static func translate<Result>(_ sink: String, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch { throw sinkError(error, sink: sink) }
  }

  /// `error` as the sink's own.
  static func sinkError(_ error: any Error, sink: String) -> any Error {
    switch error {
    case is SinkError, is PositionConflict: return error
    case let failure as PostgresFailure:
      let severity: SinkError.Severity =
        switch failure.category {
        case .transient: .transient
        case .unexpected: .failed
        case .data, .fatal: .fatal
        }
      return SinkError(
        sink: sink, severity: severity, message: failure.description + failure.hint,
        heldNanoseconds: failure.heldNanoseconds)
    case let damage as SpillReader.Damage:
      return SinkError(sink: sink, severity: .fatal, message: damage.description)
    case let failure as FileFailure:
      // A full disk is waited for, like a server that is away: somebody makes room, or another process does.
      let severity: SinkError.Severity = failure.isFull ? .transient : failure.isMissing ? .fatal : .failed
      return SinkError(sink: sink, severity: severity, message: failure.description)
    default: return SinkError(sink: sink, severity: .failed, message: String(describing: error))
    }
  }
}
