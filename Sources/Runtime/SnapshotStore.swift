import Checkpointing

/// Where checkpoints are kept. All calls may block: on an IO lane only, see ``SnapshotStoreActor``.
public protocol SnapshotStore: Sendable {
  /// This start of the job: its lineage, and an attempt that no other start has or will have.
  var owner: JobOwner { get }

  /// Files of epochs that are not committed yet.
  var pendingFiles: any PendingFileStore { get }

  /// The greatest checkpoint number that any attempt has used; 0 before the first. New ones start above it.
  var highestCheckpoint: CheckpointID { get }

  /// Stores one part of an operator's state. Durable when it returns; it counts once a manifest names it.
  /// - Throws: ``SnapshotStoreError``.
  func storeState(
    _ content: [UInt8], operator name: String, keyGroups: Range<Int>, checkpoint: CheckpointID
  ) throws -> StateFile

  /// Reads a part of an operator's state and checks it.
  /// - Throws: ``SnapshotStoreError``.
  func loadState(_ file: StateFile) throws -> [UInt8]

  /// Stores the manifest: from here the checkpoint exists. Durable when it returns.
  /// - Returns: the bytes of the checkpoint in all, state included.
  /// - Throws: ``SnapshotStoreError``.
  func storeManifest(_ manifest: Manifest) throws -> Int

  /// Every checkpoint found, newest first, each checked as far as its files' sizes and checksums go.
  /// - Throws: ``SnapshotStoreError`` when the store cannot be read at all.
  func checkpoints() throws -> [CheckpointCandidate]

  /// Deletes every checkpoint up to and including `checkpoint`, and the pending files that only they refer to.
  /// - Throws: ``SnapshotStoreError``.
  func delete(through checkpoint: CheckpointID) throws

  /// Removes pending files that no manifest names. Only while nobody writes any: when the store is opened, and between two
  /// regions.
  /// - Throws: ``SnapshotStoreError``.
  func removeStrayFiles() throws

  /// Lets another process open the store.
  func close()
}

/// The checkpoint store failed.
public struct SnapshotStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of failure it is.
  public enum Code: Hashable, Sendable {
    /// Another process runs the job; its process id, when known.
    case locked(holder: Int32?)
    /// There is no room left.
    case full
    /// Stored bytes are not what was written.
    case corrupt
    /// The directory or a file cannot be used.
    case unusable
  }

  /// What kind of failure it is.
  public let code: Code
  /// The file or directory.
  public let path: String
  /// What was expected, what came, what to do.
  public let message: String

  /// A failure at `path`.
  public init(_ code: Code, path: String, message: String) {
    self.code = code
    self.path = path
    self.message = message
  }

  /// The path and the message.
  public var description: String { "checkpoint store \(path): \(message)" }

  /// Whether trying again, after a while, may help without anybody changing anything.
  public var isTransient: Bool { code == .full }
}

/// The checkpoint store for actors: every call runs on an IO lane.
public actor SnapshotStoreActor {
  /// The lane that the calls block.
  public nonisolated let lane: Lane
  /// The store.
  public nonisolated let store: any SnapshotStore
  /// The lane's executor.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  /// A façade over `store` on `lane`.
  public init(store: any SnapshotStore, lane: Lane) {
    self.store = store
    self.lane = lane
  }

  /// See ``SnapshotStore/storeState(_:operator:keyGroups:checkpoint:)``.
  public func storeState(
    _ content: [UInt8], operator name: String, keyGroups: Range<Int>, checkpoint: CheckpointID
  ) throws -> StateFile {
    try store.storeState(content, operator: name, keyGroups: keyGroups, checkpoint: checkpoint)
  }

  /// Runs `encode` on the lane and stores what it returns: neither the encoding nor the writing costs the caller's lane.
  public func storeState(
    operator name: String, keyGroups: Range<Int>, checkpoint: CheckpointID,
    encode: @Sendable () throws -> [UInt8]
  ) throws -> StateFile {
    try store.storeState(try encode(), operator: name, keyGroups: keyGroups, checkpoint: checkpoint)
  }

  /// See ``SnapshotStore/loadState(_:)``.
  public func loadState(_ file: StateFile) throws -> [UInt8] { try store.loadState(file) }

  /// See ``SnapshotStore/storeManifest(_:)``.
  public func storeManifest(_ manifest: Manifest) throws -> Int { try store.storeManifest(manifest) }

  /// See ``SnapshotStore/checkpoints()``.
  public func checkpoints() throws -> [CheckpointCandidate] { try store.checkpoints() }

  /// See ``SnapshotStore/removeStrayFiles()``.
  public func removeStrayFiles() throws { try store.removeStrayFiles() }

  /// See ``SnapshotStore/delete(through:)``.
  public func delete(through checkpoint: CheckpointID) throws { try store.delete(through: checkpoint) }
}
