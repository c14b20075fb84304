import Checkpointing
import Runtime

extension FailureClass {
  /// What a failure of the region asks for.
  static func region(_ error: any Error) -> FailureClass {
    switch error {
    case let error as SourceError: error.severity == .fatal ? .fatal : .failed
    case let error as SinkError: error.severity == .fatal ? .fatal : .failed
    case is PositionConflict, is IncompatibleCheckpoint, is WiringError: .fatal
    case let error as SnapshotStoreError: error.isTransient ? .failed : .fatal
    default: .failed
    }
  }
}

/// The state in the checkpoint does not fit the SQL file.
public struct IncompatibleCheckpoint: Error, Hashable, Sendable, CustomStringConvertible {
  /// What changed, in words.
  public let changes: [String]

  /// What changed and what can be done.
  public var description: String {
    """
    the checkpoint does not fit this SQL file: \(changes.joined(separator: "; ")); \
    run the former file, or give the job another name so that it starts anew
    """
  }
}

/// A checkpoint was asked for while the job does not run.
public struct JobNotRunning: Error, Hashable, Sendable, CustomStringConvertible {
  /// What to do.
  public var description: String { "the job is not running; ask again when its state is 'running'" }
}

/// The job was asked to end before it ran.
struct StoppedWhileStarting: Error {}

/// Partitions appeared while the region ran.
struct TopologyChanged: Error {}
