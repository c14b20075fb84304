import Actors
import Checkpointing
import Columnar
import Formats
import FoundationEssentials
import Glibc

/// A table of files: every file is a partition, an offset is a byte, and the end of the file is the end of the partition.
///
/// The actor runs on a thread of its own, because looking at files blocks; another one reads them ahead.
public actor FileConnector: SourceConnector {
  /// How much all files together are read ahead.
  private static let readAheadBytes = 64 << 20

  nonisolated private let thread: BlockingThread
  nonisolated private let readingThread: BlockingThread
  nonisolated private let settings: FileSettings
  private var fileCount = 1

  /// The thread that the actor is pinned to.
  nonisolated public var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// When `discovery_interval` is set.
  nonisolated public var discoversPartitions: Bool { settings.discoveryInterval != nil }

  /// The option `discovery_interval`.
  nonisolated public var discoveryInterval: Int64? { settings.discoveryInterval }

  init(_ settings: FileSettings) {
    self.settings = settings
    thread = BlockingThread(name: "file-\(settings.source)")
    readingThread = BlockingThread(name: "read-\(settings.source)")
  }

  /// The files that exist now, in the order of their names.
  /// - Throws: ``SourceError`` when there is none.
  public func partitions() async throws -> [PartitionID] {
    let names = try Self.names(settings)
    if names.isEmpty && settings.discoveryInterval == nil {
      throw failure(.fatal, "no file matches '\(settings.path)'; correct the option 'path'")
    }
    fileCount = max(1, names.count)
    return names.map { PartitionID(source: settings.source, name: $0) }
  }

  /// The sizes of the files; for a stream such as the standard input, which ends when it ends, the greatest offset.
  /// - Throws: ``SourceError``.
  public func endOffsets(_ partitions: [PartitionID]) async throws -> [PartitionID: Int64] {
    var ends: [PartitionID: Int64] = [:]
    for partition in partitions {
      if partition.name == FileSettings.standardInput {
        ends[partition] = .max
        continue
      }
      let descriptor = try openFile(partition)
      defer { _ = Glibc.close(descriptor) }
      ends[partition] = try size(of: descriptor, partition) ?? Int64.max
    }
    return ends
  }

  /// Files may be deleted. Only when none of the known ones is left, and none of their names is one that the option 'path'
  /// can give, they are probably still there under other names.
  /// - Throws: ``SourceError``.
  public func checkMissing(_ partitions: [PartitionID], found: [PartitionID]) async throws(SourceError) {
    guard found.isEmpty, let first = partitions.first, !partitions.contains(where: { canName($0.name) }) else { return }
    throw failure(
      .fatal,
      """
      the checkpoint knows '\(first.name)', which '\(settings.path)' cannot name: the option 'path' was changed, and files \
      that were read would be read again. Write it as it was, or give the job another name to start anew
      """, first)
  }

  /// Opens a file at a byte; a file that is now shorter, or goes on in the middle of a line, is refused.
  /// - Throws: ``SourceError``.
  public func open(_ partition: PartitionID, at position: ReadPosition, end: Int64?) async throws
    -> sending any PartitionReader
  {
    var start: Int64 = 0
    if case .offset(let offset) = position { start = offset }
    let isStream = partition.name == FileSettings.standardInput
    let descriptor = isStream ? dup(0) : try openFile(partition)
    var size: Int64?
    do {
      if descriptor < 0 { throw failure(.fatal, "the standard input is closed", partition) }
      size = try self.size(of: descriptor, partition)
      if let size { try check(descriptor, start: start, size: size, partition) }
    } catch {
      _ = Glibc.close(descriptor)
      throw error
    }
    let blockBytes = min(256 << 10, max(16 << 10, Self.readAheadBytes / (2 * fileCount)))
    // What is seekable but not a regular file (a terminal, a pipe) has no size and is read as a stream.
    let blocks = ReadAhead(
      descriptor: descriptor, isSeekable: size != nil && !isStream, offset: start, blockBytes: blockBytes,
      thread: readingThread)
    return FileReader(
      partition, blocks: blocks, start: start, end: end, size: isStream ? nil : size, settings: settings,
      expectedHeader: isStream ? settings.columns : nil)
  }

  /// Nothing: files do not want to know.
  public func report(committed positions: SourcePositions) async {}

  /// Nothing is held beside what readers close.
  public func close() async {}
}

extension FileConnector {
  /// The names of a CSV file's values: from its first line, or the declared columns.
  ///
  /// Reads a few kilobytes of a local file, which is why it may be called from anywhere.
  static func names(ofCSV partition: PartitionID, _ settings: FileSettings) throws(SourceError) -> [String] {
    guard settings.hasHeader, partition.name != FileSettings.standardInput else { return settings.columns }
    func refusal(_ message: String) -> SourceError {
      SourceError(source: settings.source, partition: partition, severity: .fatal, message: message)
    }
    // Opening a pipe without a writer must not wait for one.
    let descriptor = Glibc.open(Self.path(of: partition, settings), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw refusal("cannot be opened: \(String(cString: strerror(errno)))") }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let file = fdopen(descriptor, "r") else {
      _ = Glibc.close(descriptor)
      throw refusal(
        "is not a regular file, so its header cannot be read before its rows: copy it to one, or set header = 'false'")
    }
    defer { fclose(file) }
    var line: [UInt8] = []
    while line.count < CSVHeader.bytesMax {
      let byte = getc(file)
      if byte < 0 || byte == 0x0a { break }
      line.append(UInt8(truncatingIfNeeded: byte))
    }
    return CSVHeader.names(line, delimiter: settings.delimiter)
  }

  private static func path(of partition: PartitionID, _ settings: FileSettings) -> String {
    isDirectory(settings.path) ? "\(settings.path)/\(partition.name)" : partition.name
  }

  private static func isDirectory(_ path: String) -> Bool {
    var isDirectory = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory
  }

  /// The names of the partitions: names within a directory, otherwise paths.
  private static func names(_ settings: FileSettings) throws(SourceError) -> [String] {
    if settings.path == FileSettings.standardInput { return [settings.path] }
    if isDirectory(settings.path) {
      do {
        return try FileManager.default.contentsOfDirectory(atPath: settings.path)
          .filter { !$0.hasPrefix(".") && !isDirectory("\(settings.path)/\($0)") }.sorted()
      } catch {
        throw SourceError(
          source: settings.source, severity: .fatal, message: "directory '\(settings.path)' cannot be read: \(error)")
      }
    }
    if FileManager.default.fileExists(atPath: settings.path) { return [settings.path] }
    var matches = glob_t()
    defer { globfree(&matches) }
    guard glob(settings.path, 0, nil, &matches) == 0 else { return [] }
    let paths = (0..<Int(matches.gl_pathc)).compactMap { matches.gl_pathv[$0].map { String(cString: $0) } }
    return paths.filter { !isDirectory($0) }.sorted()
  }

  /// Whether a partition of the option 'path' can have this name.
  private func canName(_ name: String) -> Bool {
    if settings.path == FileSettings.standardInput || name == FileSettings.standardInput {
      return name == settings.path
    }
    if Self.isDirectory(settings.path) { return !name.contains("/") }
    return name == settings.path || fnmatch(settings.path, name, FNM_PATHNAME | FNM_PERIOD) == 0
  }

  private func openFile(_ partition: PartitionID) throws(SourceError) -> Int32 {
    let descriptor = Glibc.open(Self.path(of: partition, settings), O_RDONLY | O_CLOEXEC)
    if descriptor >= 0 { return descriptor }
    throw failure(.fatal, "cannot be opened: \(String(cString: strerror(errno)))", partition)
  }

  /// The size of a regular file; `nil` for a stream.
  private func size(of descriptor: Int32, _ partition: PartitionID) throws(SourceError) -> Int64? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw failure(.failed, "its size is not known: \(String(cString: strerror(errno)))", partition)
    }
    return status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
  }

  private func check(_ descriptor: Int32, start: Int64, size: Int64, _ partition: PartitionID) throws(SourceError) {
    if start > size {
      throw failure(
        .fatal,
        """
        the checkpoint goes on at byte \(start), but the file now ends at \(size): it was replaced or cut. Restore it, or \
        give the job another name to start anew
        """, partition)
    }
    var last: UInt8 = 0x0a
    if start > 0 && start < size && pread(descriptor, &last, 1, Int(start - 1)) == 1 && last != 0x0a {
      throw failure(
        .fatal,
        """
        the checkpoint goes on at byte \(start), which is now within a line: the file was changed. Restore it, or give the \
        job another name to start anew
        """, partition)
    }
  }

  private nonisolated func failure(
    _ severity: SourceError.Severity, _ message: String, _ partition: PartitionID? = nil
  ) -> SourceError {
    SourceError(source: settings.source, partition: partition, severity: severity, message: message)
  }
}
