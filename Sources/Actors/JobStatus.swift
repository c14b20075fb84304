import Checkpointing

/// Everything that a job tells about itself at one moment; the API and the dashboard show it as JSON.
public struct JobStatus: Hashable, Sendable, Codable {
  /// What a job is doing.
  public enum State: String, Hashable, Sendable, Codable {
    /// Claiming its sinks and restoring its state; no row was read yet.
    case starting
    /// Reading, computing and delivering.
    case running
    /// A region failed and comes back from the last checkpoint.
    case restarting
    /// Told to stop: draining, taking the final checkpoint.
    case stopping
    /// Ended as it should.
    case finished
    /// Ended because it could not go on; ``JobStatus/reason`` says why.
    case failed
  }

  /// The job's name.
  public var job: String
  /// What it is doing.
  public var state: State
  /// Why it is in this state, when there is something to say: the last failure.
  public var reason: String?
  /// When the process started the job.
  public var startedAt: WallTime
  /// When these figures were taken.
  public var reportedAt: WallTime
  /// The unbroken history of checkpoints that the job belongs to.
  public var lineage: String?
  /// Counts the starts of the job in this lineage.
  public var attempt: UInt64?
  /// Resident memory of the process, in bytes.
  public var residentBytes: Int64?
  /// Operators and what flows between them.
  public var graph: JobGraphStatus
  /// Every partition of every source.
  public var partitions: [PartitionStatus]
  /// Every operator that keeps state or a watermark.
  public var operators: [OperatorStatus]
  /// Every sink.
  public var sinks: [SinkStatus]
  /// The newest checkpoints, newest first; bounded.
  public var checkpoints: [CheckpointStatus]
  /// The newest restarts, newest first; bounded.
  public var restarts: [RestartStatus]
  /// Restarts since the job started.
  public var restartCount: Int
  /// Where the rows went, for each statement and partition.
  public var accounting: [AccountStatus]

  /// A job that has just begun: no figures yet.
  public init(job: String, state: State, startedAt: WallTime, graph: JobGraphStatus = JobGraphStatus()) {
    self.job = job
    self.state = state
    self.startedAt = startedAt
    reportedAt = startedAt
    self.graph = graph
    partitions = []
    operators = []
    sinks = []
    checkpoints = []
    restarts = []
    restartCount = 0
    accounting = []
  }
}

/// The job's operators and edges, as drawn.
public struct JobGraphStatus: Hashable, Sendable, Codable {
  /// What a node is.
  public enum Kind: String, Hashable, Sendable, Codable {
    case source, window, sink
  }

  /// One operator.
  public struct Node: Hashable, Sendable, Codable {
    /// Unique within the job; ``OperatorStatus/id``, ``PartitionStatus/source`` and ``SinkStatus/name`` refer to it.
    public var id: String
    /// What it is.
    public var kind: Kind
    /// A short name.
    public var label: String
    /// How many actors run it: partitions, shards, or 1.
    public var parallelism: Int
    /// One line about what it does: connector and topic, window and keys, target table.
    public var detail: String

    /// An operator.
    public init(id: String, kind: Kind, label: String, parallelism: Int, detail: String) {
      self.id = id
      self.kind = kind
      self.label = label
      self.parallelism = parallelism
      self.detail = detail
    }
  }

  /// Rows flow from one node to another.
  public struct Edge: Hashable, Sendable, Codable {
    /// The node that sends.
    public var from: String
    /// The node that receives.
    public var to: String
    /// How rows change hands: `forward`, or `by key`.
    public var exchange: String

    /// An edge.
    public init(from: String, to: String, exchange: String) {
      self.from = from
      self.to = to
      self.exchange = exchange
    }
  }

  /// The operators, sources first.
  public var nodes: [Node]
  /// What flows between them.
  public var edges: [Edge]

  /// A graph.
  public init(nodes: [Node] = [], edges: [Edge] = []) {
    self.nodes = nodes
    self.edges = edges
  }
}

/// One partition of a source.
public struct PartitionStatus: Hashable, Sendable, Codable {
  /// The source table: the id of its node.
  public var source: String
  /// The partition's name.
  public var partition: String
  /// The offset of the next record to read.
  public var nextOffset: Int64
  /// The offset after the partition's last record, when known.
  public var endOffset: Int64?
  /// Records behind the end, when known.
  public var lag: Int64?
  /// Records read since the process started the job.
  public var rowsIn: UInt64 = 0
  /// Bytes of their keys and values.
  public var bytesIn: UInt64 = 0
  /// The watermark; `nil` before the first row.
  public var watermark: WallTime?
  /// Whether the partition has been without data for so long that it no longer holds watermarks back.
  public var isIdle = false
  /// Whether fetching is paused because the pipeline cannot take more.
  public var isPaused = false
  /// Rows that came after their last window had closed.
  public var lateRows: UInt64 = 0
  /// Records that could not be processed.
  public var deadRows: UInt64 = 0

  /// A partition that was not read yet.
  public init(source: String, partition: String, nextOffset: Int64) {
    self.source = source
    self.partition = partition
    self.nextOffset = nextOffset
  }
}

/// One operator: all its shards together.
public struct OperatorStatus: Hashable, Sendable, Codable {
  /// The id of its node.
  public var id: String
  /// The least watermark of its shards; `nil` before the first.
  public var watermark: WallTime?
  /// The partition (`source/partition`) with the least watermark, while one holds the operator back.
  public var heldBy: String?
  /// For how long that partition has been the one that holds, in seconds.
  public var heldForSeconds: Double = 0
  /// Open groups: keys times windows.
  public var groups: Int = 0
  /// Bytes of state.
  public var stateBytes: Int = 0
  /// How full the fullest input channel is, 0 to 1.
  public var channelFill: Double = 0
  /// How long senders have waited for this operator, all together, in seconds.
  public var blockedSeconds: Double = 0
  /// Rows that the operator sent on.
  public var rowsOut: UInt64 = 0

  /// An operator that saw nothing yet.
  public init(id: String) { self.id = id }
}

/// One sink.
public struct SinkStatus: Hashable, Sendable, Codable {
  /// The sink table: the id of its node.
  public var name: String
  /// Rows committed since the process started the job.
  public var rowsOut: UInt64 = 0
  /// Bytes sealed for them.
  public var bytesOut: UInt64 = 0
  /// When the last commit became durable.
  public var lastCommitAt: WallTime?
  /// The checkpoint that the target holds; 0 before the first.
  public var committedCheckpoint: UInt64 = 0
  /// Checkpoints that are complete and not yet committed.
  public var pendingCommits: Int = 0
  /// Why the last commit failed; `nil` once one succeeds.
  public var lastError: String?
  /// How long the last commit took, in seconds.
  public var commitSeconds: Double?
  /// How full the writer's input channel is, 0 to 1.
  public var channelFill: Double = 0
  /// How long senders have waited for the writer, in seconds.
  public var blockedSeconds: Double = 0

  /// A sink without commits.
  public init(name: String) { self.name = name }
}

/// One checkpoint.
public struct CheckpointStatus: Hashable, Sendable, Codable {
  /// How it ended.
  public enum State: String, Hashable, Sendable, Codable {
    case inProgress = "in_progress"
    case completed
    case failed
  }

  /// Its number.
  public var id: UInt64
  /// When the barriers were asked for.
  public var startedAt: WallTime
  /// How long it took, or has taken so far, in seconds.
  public var durationSeconds: Double
  /// The size of everything stored for it.
  public var bytes: Int64
  /// How it ended.
  public var state: State
  /// Why it failed, and who did not answer; while it is in progress, that it is being stored.
  public var reason: String?

  /// A checkpoint.
  public init(
    id: UInt64, startedAt: WallTime, durationSeconds: Double, bytes: Int64, state: State, reason: String? = nil
  ) {
    self.id = id
    self.startedAt = startedAt
    self.durationSeconds = durationSeconds
    self.bytes = bytes
    self.state = state
    self.reason = reason
  }
}

/// One restart of a part of the job.
public struct RestartStatus: Hashable, Sendable, Codable {
  /// When.
  public var at: WallTime
  /// What was restarted: `region`.
  public var scope: String
  /// The failure that led to it.
  public var reason: String

  /// A restart.
  public init(at: WallTime, scope: String, reason: String) {
    self.at = at
    self.scope = scope
    self.reason = reason
  }
}

/// Where the rows of one partition went, for one statement, as of the last checkpoint.
public struct AccountStatus: Hashable, Sendable, Codable {
  /// The statement's name.
  public var statement: String
  /// The source table.
  public var source: String
  /// The partition's name.
  public var partition: String
  /// Records read from the partition, counted where they were read.
  public var rowsIn: UInt64
  /// Their fates, counted where they met them.
  public var account: RowAccount
  /// Whether the two agree: nothing vanished, nothing was counted twice.
  public var isBalanced: Bool

  /// An account; it is balanced when the fates sum up to `rowsIn`.
  public init(statement: String, source: String, partition: String, rowsIn: UInt64, account: RowAccount) {
    self.statement = statement
    self.source = source
    self.partition = partition
    self.rowsIn = rowsIn
    self.account = account
    isBalanced = account.total == rowsIn
  }
}

/// Whether a job makes progress.
public struct Readiness: Hashable, Sendable, Codable {
  /// Whether it does.
  public var isReady: Bool
  /// Which actor, sink or partition is the cause when it does not; otherwise what is well.
  public var reason: String

  /// A verdict.
  public init(isReady: Bool, reason: String) {
    self.isReady = isReady
    self.reason = reason
  }
}

/// A running job, seen from outside. Calls may come from any task at any time, also before the start and after the end.
public protocol JobHandle: Sendable {
  /// What the job tells about itself now.
  func status() async -> JobStatus

  /// Starts a checkpoint now and returns its number; when one is in progress, that one's.
  /// - Throws: an error that says why not: the job is not running.
  func triggerCheckpoint() async throws -> CheckpointID

  /// Whether the job makes progress.
  func readiness() async -> Readiness
}
