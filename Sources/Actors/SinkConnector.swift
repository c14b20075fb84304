import Checkpointing
import Columnar
import Formats
import Runtime

/// One sink table. The writer runs inside the region and dies with it; the committer outlives it.
public protocol SinkConnector: Sendable {
  /// Checks, or creates, the target, and takes it over for `owner`: from here older attempts are fenced.
  ///
  /// - Parameter newest: the newest checkpoint that this instance restores from; 0 for a first start.
  /// - Returns: the checkpoint that the target holds; pending commits up to it are done.
  /// - Throws: ``SinkError``, ``PositionConflict``.
  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID

  /// The same for sinks whose target may hold less than was committed: epochs without rows leave it as it is.
  ///
  /// - Parameter committed: what the restored checkpoint says that this sink has committed; 0 when it says nothing. What
  ///   is returned is not less, unless the target has lost rows.
  /// - Throws: ``SinkError``, ``PositionConflict``.
  func claim(owner: JobOwner, newest: CheckpointID, committed: CheckpointID) async throws -> CheckpointID

  /// A writer for the epochs after `checkpoint`. It may write spill files only through `files`.
  /// - Throws: ``SinkError``.
  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter

  /// Makes one pending commit visible, atomically with the position, exactly once (see ``PendingCommit/decide(stored:owner:)``).
  /// A returned call means: durable. Tried again by the caller unless the error is fatal.
  /// - Returns: what became of the rows; rows that the target refused have been kept durably with the same commit.
  /// - Throws: ``SinkError``, ``PositionConflict``.
  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) async throws -> CommitOutcome

  /// Makes several pending commits visible, oldest first; one after the other unless ``commitsGroups``.
  /// - Returns: what became of the rows of all of them.
  /// - Throws: ``SinkError``, ``PositionConflict``. Those before the failure stay applied.
  func commit(_ pending: [PendingCommit], owner: JobOwner, files: any PendingFileStore) async throws -> CommitOutcome

  /// Names what this sink shares with others of the job so that one act may commit to all of them: sinks with equal
  /// names are committed by ``commit(together:owner:files:)`` of one of them. `nil`: each by itself.
  var commitGroup: String? { get }

  /// Makes the pending commits of several sinks of one ``commitGroup`` visible in one act: a reader sees all, or none.
  ///
  /// - Parameter parts: the sinks, this one among them, each with its commits, oldest first.
  /// - Returns: what became of the rows, by sink, in order.
  /// - Throws: ``SinkError``, which names the sink whose target is the reason, or none of them when it is not one of
  ///   theirs; ``SeparateCommits`` when they must be committed one by one; ``PositionConflict``. Nothing is applied then,
  ///   or it is not known whether all is.
  func commit(
    together parts: [SinkCommits], owner: JobOwner, files: any PendingFileStore
  ) async throws -> [CommitOutcome]

  /// Whether several pending commits are better made visible in one act of the target.
  var commitsGroups: Bool { get }

  /// Whether the target keeps its position only where rows change: commits without rows leave it as it is, and a claim
  /// finds the checkpoint of the last rows.
  var positionFollowsRows: Bool { get }

  /// The least time from one commit to the next, in nanoseconds; pending commits wait for it together. A job that ends
  /// does not wait.
  var commitInterval: Int64 { get }

  /// Closes connections.
  func close() async
}

extension SinkConnector {
  /// No other sink is committed in the same act.
  public var commitGroup: String? { nil }

  /// There is no such act.
  public func commit(
    together parts: [SinkCommits], owner: JobOwner, files: any PendingFileStore
  ) async throws -> [CommitOutcome] {
    throw SeparateCommits(reason: "the target has no transaction over several sinks")
  }

  /// Commits come one by one.
  public var commitsGroups: Bool { false }

  /// The position moves with every commit.
  public var positionFollowsRows: Bool { false }

  /// The target says by itself what it holds.
  public func claim(owner: JobOwner, newest: CheckpointID, committed: CheckpointID) async throws -> CheckpointID {
    try await claim(owner: owner, newest: newest)
  }

  /// Commits do not wait.
  public var commitInterval: Int64 { 0 }

  /// One after the other.
  public func commit(
    _ pending: [PendingCommit], owner: JobOwner, files: any PendingFileStore
  ) async throws -> CommitOutcome {
    var total = CommitOutcome(rowsApplied: 0, wasSkipped: true)
    for commit in pending {
      let outcome = try await self.commit(commit, owner: owner, files: files)
      total.rowsApplied += outcome.rowsApplied
      total.rejected += outcome.rejected.prefix(CommitOutcome.maximumRejectedRows - total.rejected.count)
      total.rejectedCount += outcome.rejectedCount
      total.wasSkipped = total.wasSkipped && outcome.wasSkipped
    }
    return total
  }
}

/// Collects the rows of an epoch. Owned by one actor on an IO lane, where blocking file writes are allowed.
public protocol SinkWriter: AnyObject {
  /// Adds rows. Rows that the target cannot take are returned, not thrown.
  /// - Throws: ``SinkError`` when the writer itself cannot go on (disk full).
  func write(_ batch: Batch) throws -> [RowRejection]

  /// Bytes held since the last seal, in memory or in the epoch's files: what asks for an early checkpoint.
  var epochBytes: Int { get }

  /// Ends the epoch: everything since the last seal becomes the sink's part of the checkpoint, durable when this
  /// returns. An epoch without rows still moves the position. Suspends while files are uploaded; no other call comes then.
  /// - Throws: ``SinkError``.
  nonisolated(nonsending) func seal(_ checkpoint: CheckpointID) async throws -> SealedEpoch

  /// Lets go of everything that was not sealed.
  func close()
}

/// What a writer hands over at a barrier: the sink's part of ``PendingCommit``.
public struct SealedEpoch: Hashable, Sendable {
  /// How many rows.
  public var rows: Int
  /// The sink's own description.
  public var payload: [UInt8]
  /// Names of the files, in the ``PendingFileStore``, that the payload refers to.
  public var files: [String]

  /// A sealed epoch.
  public init(rows: Int, payload: [UInt8], files: [String]) {
    self.rows = rows
    self.payload = payload
    self.files = files
  }
}

/// The pending commits of one sink among several that are committed together.
public struct SinkCommits: Sendable {
  /// The sink.
  public var connector: any SinkConnector
  /// Its pending commits, oldest first.
  public var pending: [PendingCommit]

  /// The commits of a sink.
  public init(connector: any SinkConnector, pending: [PendingCommit]) {
    self.connector = connector
    self.pending = pending
  }
}

/// Sinks of one group cannot be committed in one act after all; nothing was applied.
public struct SeparateCommits: Error, Hashable, Sendable {
  /// Why.
  public var reason: String

  /// Commit the sinks one by one, because of `reason`.
  public init(reason: String) { self.reason = reason }
}

/// What became of the rows of one commit.
public struct CommitOutcome: Hashable, Sendable {
  /// How many rows the target took; 0 for a commit that had been applied before.
  public var rowsApplied: Int
  /// Rows that only the target could refuse, at most ``maximumRejectedRows`` of them.
  public var rejected: [RejectedSinkRow]
  /// How many rows the target refused.
  public var rejectedCount: Int
  /// Whether the target already held this checkpoint.
  public var wasSkipped: Bool

  /// How many refused rows an outcome carries; the target keeps all of them.
  public static let maximumRejectedRows = 100

  /// An outcome.
  public init(
    rowsApplied: Int, rejected: [RejectedSinkRow] = [], rejectedCount: Int? = nil, wasSkipped: Bool = false
  ) {
    self.rowsApplied = rowsApplied
    self.rejected = rejected
    self.rejectedCount = rejectedCount ?? rejected.count
    self.wasSkipped = wasSkipped
  }
}

/// A row that the target refused at commit.
public struct RejectedSinkRow: Hashable, Sendable {
  /// The row as a JSON object.
  public var json: String
  /// What the target said.
  public var message: String

  /// A refused row.
  public init(json: String, message: String) {
    self.json = json
    self.message = message
  }
}

/// A row that a sink's writer refused.
public struct RowRejection: Hashable, Sendable {
  /// The row's index in the batch.
  public var row: Int
  /// What was expected and what came.
  public var message: String

  /// A refusal of `row`.
  public init(row: Int, message: String) {
    self.row = row
    self.message = message
  }
}

/// A sink failed.
public struct SinkError: Error, CustomStringConvertible {
  /// What to do about it.
  public enum Severity: Hashable, Sendable {
    /// A commit is tried again without end: connection lost, server restarting, serialization failure.
    case transient
    /// A writer's failure restarts the region. A commit is tried again a few times, then the job ends.
    case failed
    /// Stop: configuration or the target must change first.
    case fatal
  }

  /// The sink table.
  public let sink: String
  /// What to do about it.
  public let severity: Severity
  /// What was expected, what came, what to do.
  public let message: String
  /// For how long at most somebody else holds what the sink needs, in nanoseconds; 0: nobody does.
  public let heldNanoseconds: Int64

  /// A failure of `sink`.
  public init(sink: String, severity: Severity, message: String, heldNanoseconds: Int64 = 0) {
    self.sink = sink
    self.severity = severity
    self.message = message
    self.heldNanoseconds = heldNanoseconds
  }

  /// The sink and the message.
  public var description: String { "sink '\(sink)': \(message)" }
}
