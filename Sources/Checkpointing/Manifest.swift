import Columnar
import FoundationEssentials

/// How far one source partition had been read.
public struct PartitionState: Hashable, Sendable, Codable {
  /// The partition.
  public var partition: PartitionID
  /// The offset of the next record to read.
  public var nextOffset: Int64
  /// The greatest event time seen; `nil` before the first row, or without event time.
  public var maxEventTime: Timestamp?
  /// Whether a bounded partition has ended.
  public var isEnded: Bool
  /// How many records have been read, over all lives of the job.
  public var records: UInt64
  /// What became of them, by statement.
  public var accounts: [String: RowAccount]

  /// The state of `partition`.
  public init(
    partition: PartitionID, nextOffset: Int64, maxEventTime: Timestamp? = nil, isEnded: Bool = false,
    records: UInt64 = 0, accounts: [String: RowAccount] = [:]
  ) {
    self.partition = partition
    self.nextOffset = nextOffset
    self.maxEventTime = maxEventTime
    self.isEnded = isEnded
    self.records = records
    self.accounts = accounts
  }
}

/// A file that holds the state of some key groups of an operator.
public struct StateFile: Hashable, Sendable, Codable {
  /// The file's name in the checkpoint store.
  public var file: String
  /// The first key group in it.
  public var firstKeyGroup: Int
  /// How many key groups are in it.
  public var keyGroupCount: Int
  /// The size of the file.
  public var bytes: Int
  /// The size of its content when uncompressed.
  public var contentBytes: Int
  /// The checksum of the file's bytes (XXH64).
  public var checksum: UInt64

  /// A file for the key groups `keyGroups`.
  public init(file: String, keyGroups: Range<Int>, bytes: Int, contentBytes: Int, checksum: UInt64) {
    self.file = file
    firstKeyGroup = keyGroups.lowerBound
    keyGroupCount = keyGroups.count
    self.bytes = bytes
    self.contentBytes = contentBytes
    self.checksum = checksum
  }

  /// The key groups in it.
  public var keyGroups: Range<Int> { firstKeyGroup..<firstKeyGroup + keyGroupCount }

  /// Whether key groups and sizes are ones that a file can have.
  var isPossible: Bool {
    let groups = 0...Int(Int32.max)
    return groups.contains(firstKeyGroup) && groups.contains(keyGroupCount) && bytes >= 0 && contentBytes >= 0
  }
}

/// The state of one operator: files by key groups, and its watermark.
public struct OperatorState: Hashable, Sendable, Codable {
  /// The files; together they hold every key group that has state.
  public var files: [StateFile]
  /// The operator's watermark; `nil` before the first.
  public var watermark: Timestamp?

  /// The state of an operator.
  public init(files: [StateFile] = [], watermark: Timestamp? = nil) {
    self.files = files
    self.watermark = watermark
  }
}

/// Everything that a checkpoint consists of. Once its manifest is stored, the checkpoint exists.
public struct Manifest: Hashable, Sendable {
  /// The format that this version writes.
  public static let currentFormat = 2

  /// The format's version.
  public var format: Int
  /// The job's name.
  public var job: String
  /// Who wrote it.
  public var owner: JobOwner
  /// The checkpoint.
  public var checkpoint: CheckpointID
  /// When it was completed: microseconds since the epoch, UTC.
  public var createdMicroseconds: Int64
  /// How far each source partition had been read, ordered by partition.
  public var partitions: [PartitionState]
  /// By operator: its state.
  public var operators: [String: OperatorState]
  /// Every commit that was not yet confirmed by its sink, per sink in the order in which they must be applied.
  public var pendingCommits: [PendingCommit]
  /// By sink: the checkpoint that it was known to have committed.
  public var committed: [String: CheckpointID]
  /// By operator: what its state depends on in the plan. See ``Compatibility``.
  public var stateSignature: [String: String]
  /// Into how many key groups keyed state is split.
  public var keyGroupCount: Int
  /// How many instances each keyed operator had.
  public var parallelism: Int

  /// A manifest in the current format.
  public init(
    job: String, owner: JobOwner, checkpoint: CheckpointID, createdMicroseconds: Int64,
    partitions: [PartitionState], operators: [String: OperatorState], pendingCommits: [PendingCommit],
    committed: [String: CheckpointID] = [:], stateSignature: [String: String], keyGroupCount: Int, parallelism: Int
  ) {
    format = Self.currentFormat
    self.job = job
    self.owner = owner
    self.checkpoint = checkpoint
    self.createdMicroseconds = createdMicroseconds
    self.partitions = partitions.sorted { $0.partition < $1.partition }
    self.operators = operators
    self.pendingCommits = pendingCommits
    self.committed = committed
    self.stateSignature = stateSignature
    self.keyGroupCount = keyGroupCount
    self.parallelism = parallelism
  }

  /// The next offset of every partition.
  public var sourcePositions: SourcePositions {
    var positions = SourcePositions()
    for state in partitions { positions[state.partition] = state.nextOffset }
    return positions
  }

  /// The names of all state files.
  public var stateFiles: [StateFile] { operators.values.flatMap(\.files) }

  /// The names of all pending files.
  public var pendingFiles: Set<String> { Set(pendingCommits.flatMap(\.files)) }
}

/// A manifest's bytes are not a manifest.
public struct ManifestError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what came.
  public let message: String

  /// An error that says what was expected and what came.
  public init(_ message: String) { self.message = message }

  /// The message.
  public var description: String { message }
}

extension Manifest: Codable {
  private enum CodingKeys: String, CodingKey {
    case format, job, owner, checkpoint, createdMicroseconds, partitions, operators, pendingCommits, stateSignature
    case committed, keyGroupCount, parallelism
  }

  /// A pending commit with its payload in base 64: as an array of numbers it would be four times as long.
  private struct StoredCommit: Codable {
    var sink: String
    var checkpoint: CheckpointID
    var from: CheckpointID
    var sources: SourcePositions
    var rows: Int
    var payload: Data
    var files: [String]
  }

  /// Decodes a manifest of the current format.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    format = try values.decode(Int.self, forKey: .format)
    guard format == Self.currentFormat else {
      throw ManifestError(
        "expected a manifest of format \(Self.currentFormat), found format \(format): it was written by another version"
      )
    }
    job = try values.decode(String.self, forKey: .job)
    owner = try values.decode(JobOwner.self, forKey: .owner)
    checkpoint = try values.decode(CheckpointID.self, forKey: .checkpoint)
    createdMicroseconds = try values.decode(Int64.self, forKey: .createdMicroseconds)
    partitions = try values.decode([PartitionState].self, forKey: .partitions)
    operators = try values.decode([String: OperatorState].self, forKey: .operators)
    pendingCommits = try values.decode([StoredCommit].self, forKey: .pendingCommits).map { commit in
      PendingCommit(
        sink: commit.sink, checkpoint: commit.checkpoint, from: commit.from, sources: commit.sources,
        rows: commit.rows, payload: Array(commit.payload), files: commit.files)
    }
    committed = try values.decode([String: CheckpointID].self, forKey: .committed)
    stateSignature = try values.decode([String: String].self, forKey: .stateSignature)
    keyGroupCount = try values.decode(Int.self, forKey: .keyGroupCount)
    parallelism = try values.decode(Int.self, forKey: .parallelism)
  }

  /// Encodes the manifest.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(format, forKey: .format)
    try values.encode(job, forKey: .job)
    try values.encode(owner, forKey: .owner)
    try values.encode(checkpoint, forKey: .checkpoint)
    try values.encode(createdMicroseconds, forKey: .createdMicroseconds)
    try values.encode(partitions, forKey: .partitions)
    try values.encode(operators, forKey: .operators)
    let commits = pendingCommits.map { commit in
      StoredCommit(
        sink: commit.sink, checkpoint: commit.checkpoint, from: commit.from, sources: commit.sources,
        rows: commit.rows, payload: Data(commit.payload), files: commit.files)
    }
    try values.encode(commits, forKey: .pendingCommits)
    try values.encode(committed, forKey: .committed)
    try values.encode(stateSignature, forKey: .stateSignature)
    try values.encode(keyGroupCount, forKey: .keyGroupCount)
    try values.encode(parallelism, forKey: .parallelism)
  }

  /// The manifest as JSON, keys in order.
  /// - Throws: ``ManifestError``.
  public func json() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    do { return Array(try encoder.encode(self)) } catch { throw ManifestError("cannot write a manifest: \(error)") }
  }

  /// Reads a manifest from JSON.
  /// - Throws: ``ManifestError``.
  public init(json: [UInt8]) throws {
    do {
      self = try JSONDecoder().decode(Manifest.self, from: Data(json))
      if let file = stateFiles.first(where: { !$0.isPossible }) {
        throw ManifestError(
          "expected sizes and key groups of 0 and more for the state file \(file.file), found \(file.bytes) bytes, "
            + "\(file.contentBytes) of content, key group \(file.firstKeyGroup) and \(file.keyGroupCount) groups")
      }
    } catch let error as ManifestError {
      throw error
    } catch {
      throw ManifestError("expected a manifest in JSON: \(error)")
    }
  }
}
