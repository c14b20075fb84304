import Actors
import Checkpointing
import Columnar
import FoundationEssentials
import Runtime

/// A directory of JSON-lines files, one a checkpoint that has rows.
///
/// A part appears under its final name in one step, and its name follows from the checkpoint: writing it again after a
/// crash replaces it by itself. Names that begin with `_` or `.` are not data.
final class FileSinkConnector: SinkConnector {
  private let sink: String
  private let schema: Schema
  private let committer: FileCommitter

  init(job: String, sink: String, schema: Schema, directory: String, fileSystem: any FileSystem) {
    self.sink = sink
    self.schema = schema
    committer = FileCommitter(job: job, sink: sink, directory: directory, fileSystem: fileSystem)
  }

  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID {
    try await committer.claim(owner: owner, newest: newest)
  }

  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    LinesWriter(sink: sink, schema: schema, files: files)
  }

  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) async throws -> CommitOutcome {
    try await committer.commit(pending, owner: owner, files: files)
  }

  func close() async { await committer.close() }
}

/// Publishes parts and keeps the position, on a lane of its own where file calls may block.
actor FileCommitter {
  nonisolated private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  private let sink: String
  private let fileSystem: any FileSystem
  private let directory: String
  private let positionPath: String
  private let partName: String

  init(job: String, sink: String, directory: String, fileSystem: any FileSystem) {
    self.sink = sink
    self.fileSystem = fileSystem
    self.directory = directory
    positionPath = "\(directory)/_weir/\(FilePath.safeName(job)).\(FilePath.safeName(sink)).json"
    partName = "part-\(FilePath.safeName(sink))"
    lane = Lane(name: "file-\(sink)")
  }

  func claim(owner: JobOwner, newest: CheckpointID) throws -> CheckpointID {
    try SinkFailures.translate(sink) {
      try fileSystem.makeDirectories("\(directory)/_weir", mode: FilePath.directoryMode)
      return try withLock {
        switch owner.claim(sink: sink, stored: try storedPosition(), newest: newest) {
        case .conflict(let conflict): throw conflict
        case .claim(let position):
          try store(position)
          try removeParts(after: position.checkpoint, owner)
          return position.checkpoint
        }
      }
    }
  }

  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) throws -> CommitOutcome {
    try SinkFailures.translate(sink) {
      let (payload, reader) = try LinesPayload.open(pending, files: files)
      return try withLock {
        switch pending.decide(stored: try storedPosition(), owner: owner) {
        case .conflict(let conflict): throw conflict
        case .skip:
          // The attempt that stored the position may have failed before its name was durable.
          try fileSystem.synchronizeDirectory(of: positionPath)
          return CommitOutcome(rowsApplied: 0, wasSkipped: true)
        case .apply:
          if payload.rowCount > 0 { try publish(reader, as: partPath(pending.checkpoint, owner)) }
          try store(SinkPosition(owner: owner, checkpoint: pending.checkpoint, sources: pending.sources))
          return CommitOutcome(rowsApplied: payload.rowCount)
        }
      }
    }
  }

  func close() { lane.stop() }

  private func partPath(_ checkpoint: CheckpointID, _ owner: JobOwner) -> String {
    let digits = String(checkpoint.number)
    let padded = String(repeating: "0", count: max(0, 12 - digits.count)) + digits
    return "\(directory)/\(partPrefix(owner))\(padded).jsonl"
  }

  private func partPrefix(_ owner: JobOwner) -> String {
    "\(partName)-\(FilePath.safeName(String(owner.lineage.prefix(8))))-"
  }

  /// Takes away what a commit published before it could store its position: it is published again if the checkpoint that
  /// holds it was restored, and its rows come in other parts if that one was damaged and an older one was restored.
  private func removeParts(after checkpoint: CheckpointID, _ owner: JobOwner) throws {
    let prefix = partPrefix(owner)
    var isChanged = false
    for name in try fileSystem.names(in: directory) where name.hasPrefix(prefix) && name.hasSuffix(".jsonl") {
      guard let number = UInt64(name.dropFirst(prefix.count).dropLast(".jsonl".count)), number > checkpoint.number
      else { continue }
      try fileSystem.remove("\(directory)/\(name)")
      isChanged = true
    }
    if isChanged { try fileSystem.synchronizeDirectory(directory) }
  }

  /// Puts the epoch's rows under their final name. The spill file keeps its own name too, for a replay.
  private func publish(_ reader: SpillReader, as path: String) throws {
    let temporary = "\(directory)/_weir/\(path.split(separator: "/").last ?? "part").tmp"
    try fileSystem.remove(temporary)
    var isLinked = false
    if let name = reader.rows.file {
      try reader.forEachPiece { _ in }
      isLinked = (try? fileSystem.link(reader.files.path(name), to: temporary)) != nil
    }
    if !isLinked {
      // Few rows, or a file system apart from the checkpoints': the rows are copied.
      let file = try fileSystem.create(temporary, mode: FilePath.dataMode)
      defer { file.close() }
      try reader.forEachPiece { try file.write($0) }
      try file.synchronize()
    }
    try fileSystem.rename(temporary, to: path)
    // Renaming one name of a file to another name of it does nothing: the temporary name would stay.
    try fileSystem.remove(temporary)
    try fileSystem.synchronizeDirectory(directory)
  }

  private func storedPosition() throws -> SinkPosition? {
    guard let bytes = try fileSystem.contents(of: positionPath) else { return nil }
    do { return try JSONDecoder().decode(SinkPosition.self, from: Data(bytes)) } catch {
      throw SinkError(
        sink: sink, severity: .fatal,
        message: "the position in '\(positionPath)' cannot be read; restore the file, or move the output away")
    }
  }

  private func store(_ position: SinkPosition) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try fileSystem.replace(positionPath, with: Array(try encoder.encode(position)), mode: FilePath.dataMode)
  }

  /// Keeps another process from reading and writing the position in between.
  private func withLock<Result>(_ body: () throws -> Result) throws -> Result {
    let lock: any FileLock
    do { lock = try fileSystem.lock(positionPath + ".lock", mode: FilePath.dataMode) } catch let failure as FileFailure
    {
      guard failure.isLocked else { throw failure }
      throw SinkError(
        sink: sink, severity: .transient, message: "another process is committing to '\(directory)' at the moment")
    }
    defer { lock.release() }
    return try body()
  }
}

extension FilePath {
  /// `name` with everything but letters, digits, `-` and `_` written as `%` and two digits.
  static func safeName(_ name: String) -> String {
    var result = ""
    for byte in name.utf8 {
      let scalar = Unicode.Scalar(byte)
      if scalar.isASCII,
        scalar.properties.isAlphabetic || scalar.properties.numericType != nil || byte == 0x2d || byte == 0x5f
      {
        result.unicodeScalars.append(scalar)
      } else {
        result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return result
  }
}
