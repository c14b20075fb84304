import Checkpointing
import Columnar
import Formats

/// Where a partition starts to be read.
public enum ReadPosition: Hashable, Sendable {
  /// At this offset, from a checkpoint.
  case offset(Int64)
  /// Where the table's options say that a new job starts.
  case initial
  /// At the beginning: for a partition that appeared while the job ran.
  case beginning
}

/// What one call of ``PartitionReader/poll(limit:into:)`` did.
public struct PollResult: Hashable, Sendable {
  /// Records handed to the decoder.
  public var records: Int
  /// Bytes of their keys and values.
  public var bytes: Int
  /// The offset to go on from after these records. Never below the offset of an earlier poll.
  public var nextOffset: Int64
  /// Nothing will ever come after these records: a bounded source ended.
  public var isAtEnd: Bool

  /// The outcome of a poll.
  public init(records: Int, bytes: Int, nextOffset: Int64, isAtEnd: Bool) {
    self.records = records
    self.bytes = bytes
    self.nextOffset = nextOffset
    self.isAtEnd = isAtEnd
  }
}

/// One partition of a source, read by the actor that owns it and by nobody else. Calls come one at a time, on a
/// dataflow lane, and must not block.
public protocol PartitionReader: AnyObject {
  /// Hands at most `limit` records that have already arrived to `decoder`, in the order of their offsets.
  ///
  /// Returns at once when none has. Records after the end offset given to ``SourceConnector/open`` are not handed over.
  /// - Throws: ``SourceError``.
  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult

  /// Sets what to call, from any thread, when records may have arrived after a poll that found none.
  func setWakeup(_ wakeup: @escaping @Sendable () -> Void)

  /// Stops fetching while the pipeline cannot take more; `false` goes on. What has arrived can still be polled.
  func setPaused(_ isPaused: Bool)

  /// How many records are behind the reader, when known: the end offset minus the next offset.
  func lag() -> Int64?

  /// Lets go of everything. No call follows.
  func close()
}

/// One source table's connection: finds partitions and opens them. Shared by the region; calls may suspend, never block.
public protocol SourceConnector: Sendable {
  /// The partitions that exist now. Asked at start, and again at intervals when ``discoversPartitions``.
  /// - Throws: ``SourceError``.
  func partitions() async throws -> [PartitionID]

  /// Whether partitions can appear while the job runs. A job with such a source does not end by itself.
  var discoversPartitions: Bool { get }

  /// How often to look for partitions, in nanoseconds; `nil`: as often as the settings say.
  var discoveryInterval: Int64? { get }

  /// For each partition: the offset that is its end now; for `--until-end` and lag.
  /// - Throws: ``SourceError``.
  func endOffsets(_ partitions: [PartitionID]) async throws -> [PartitionID: Int64]

  /// Decides about partitions that the checkpoint knows and that are not there now. Those that are let pass keep their
  /// positions: one that comes back goes on where it was.
  ///
  /// - Parameters:
  ///   - partitions: the partitions that are not there; at least one.
  ///   - found: the partitions of the checkpoint that are.
  /// - Throws: ``SourceError`` when what they hold would be lost, or read twice under another name.
  func checkMissing(_ partitions: [PartitionID], found: [PartitionID]) async throws(SourceError)

  /// Opens a partition. `end` bounds it: the reader reports the end when it reaches that offset.
  /// - Throws: ``SourceError``.
  func open(_ partition: PartitionID, at position: ReadPosition, end: Int64?) async throws
    -> sending any PartitionReader

  /// Tells the source how far the sinks have committed, for monitoring only. Failures are logged, never thrown.
  func report(committed positions: SourcePositions) async

  /// Closes the connection after every reader was closed.
  func close() async
}

extension SourceConnector {
  /// As the settings say.
  public var discoveryInterval: Int64? { nil }
}

/// A source failed.
public struct SourceError: Error, CustomStringConvertible {
  /// What to do about it.
  public enum Severity: Hashable, Sendable {
    /// Restart the region: trying again can help.
    case failed
    /// Stop: configuration or data must change first.
    case fatal
  }

  /// The source table.
  public let source: String
  /// The partition, when one is concerned.
  public let partition: PartitionID?
  /// What to do about it.
  public let severity: Severity
  /// What was expected, what came, what to do.
  public let message: String

  /// A failure of `source`.
  public init(source: String, partition: PartitionID? = nil, severity: Severity, message: String) {
    self.source = source
    self.partition = partition
    self.severity = severity
    self.message = message
  }

  /// The source, the partition and the message.
  public var description: String { "source \(partition.map(\.description) ?? source): \(message)" }
}
