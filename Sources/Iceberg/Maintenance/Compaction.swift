import Parquet

/// Rewrites small files, and files with many deleted rows, while others write: one group of files of a partition for
/// each commit.
///
/// Rows keep their partition, their sequence number and, in v3, their ids. A group whose files others removed or
/// deleted rows of meanwhile is given up and counted; nothing of others' is lost.
public struct Compaction: Sendable {
  /// Which files are worth rewriting.
  public var policy: CompactionPolicy
  /// An existing local directory for files while they are written.
  public var scratchDirectory: String
  /// Is called after each batch of rows with the milliseconds that it took; pauses here leave the processor to others.
  public var pace: @Sendable (_ busyMilliseconds: Int64) async throws -> Void
  /// The branch.
  public var branch: String

  /// A compaction.
  ///
  /// - Parameters:
  ///   - policy: which files are worth rewriting.
  ///   - scratchDirectory: an existing local directory.
  ///   - branch: the branch.
  ///   - pace: see ``pace``; by default there are no pauses.
  public init(
    _ policy: CompactionPolicy = CompactionPolicy(), scratchDirectory: String, branch: String = "main",
    pace: @escaping @Sendable (_ busyMilliseconds: Int64) async throws -> Void = { _ in }
  ) {
    self.policy = policy
    self.scratchDirectory = scratchDirectory
    self.branch = branch
    self.pace = pace
  }

  /// A pace that leaves all but `share` (more than 0, at most 1) of the time to others.
  public static func share(
    _ share: Double, environment: CommitEnvironment = .system
  ) -> @Sendable (_ busyMilliseconds: Int64) async throws -> Void {
    let ratio = 1 / min(1, max(0.001, share)) - 1
    return { busy in
      let pause = Int64(Double(busy) * ratio)
      if pause > 0 { try await environment.sleep(pause) }
    }
  }

  /// Plans on the table's newest state and rewrites groups until none is left or the budget is used up.
  ///
  /// - Throws: kind `transient` when the task is cancelled, `unknownOutcome` when it is unknown whether a group was
  ///   committed, and what reading and writing throw. What was committed before stays.
  public func run(
    _ table: inout Table, environment: CommitEnvironment = .system
  ) async throws(IcebergError) -> MaintenanceReport {
    try await table.refresh()
    var report = MaintenanceReport()
    guard let snapshot = table.metadata.head(of: branch) else { return report }
    let isLineage = table.metadata.formatVersion >= 3
    let options = ScanOptions(metadataColumns: isLineage ? [.rowID, .lastUpdatedSequenceNumber] : [])
    let scan = try TableScan(table.loaded, snapshot: snapshot, options: options)
    let standard = try TableSettings(table.metadata).targetFileSizeBytes
    let target = policy.targetFileSizeBytes ?? standard
    for group in policy.groups(try await scan.plan(), targetBytes: target) {
      guard report.rewrittenBytes < policy.maximumBytes else { break }
      let rewrite = GroupRewrite(
        group: group, scan: scan, targetBytes: target, scratchDirectory: scratchDirectory, pace: pace,
        environment: environment)
      let files = try await rewrite.write()
      let done = try await commit(group, files, snapshot: snapshot, &table, environment, &report)
      guard done else { continue }
      report.compactedGroups += 1
      report.compactedFiles += group.tasks.count
      report.writtenFiles += files.count
      report.rewrittenBytes &+= group.bytes
      report.rewrittenRows &+= files.reduce(0) { $0 &+ $1.recordCount }
    }
    return report
  }

  /// Commits a group; `false` when others were faster.
  private func commit(
    _ group: CompactionGroup, _ files: [DataFile], snapshot: Snapshot, _ table: inout Table,
    _ environment: CommitEnvironment, _ report: inout MaintenanceReport
  ) async throws(IcebergError) -> Bool {
    let change = RewriteFiles(
      replacing: group.tasks.map(\.entry), adding: files, startingSnapshotID: snapshot.snapshotID,
      startingSequenceNumber: snapshot.sequenceNumber, branch: branch)
    do throws(IcebergError) {
      try await table.refresh()
      let outcome = try await table.commit([change], environment: environment)
      if let id = outcome.snapshotIDs.first, let summary = outcome.table.metadata.snapshot(withID: id)?.summary {
        report.removedDeleteFiles += summary["removed-delete-files"].flatMap { Int($0) } ?? 0
      }
      return true
    } catch {
      // Nobody refers to the new files, unless it is unknown.
      guard error.kind != .unknownOutcome else { throw error }
      try? await table.loaded.store.delete(files.map(\.filePath))
      guard error.kind == .conflict else { throw error }
      report.conflictedGroups += 1
      report.problems.append(error.message)
      return false
    }
  }
}

/// Writes the rows of a group anew.
private struct GroupRewrite: Sendable {
  var group: CompactionGroup
  var scan: TableScan
  var targetBytes: Int64
  var scratchDirectory: String
  var pace: @Sendable (_ busyMilliseconds: Int64) async throws -> Void
  var environment: CommitEnvironment

  /// The new files, published.
  func write() async throws(IcebergError) -> [DataFile] {
    let metadata = scan.table.metadata
    guard let spec = metadata.specsByID[group.partition.specID] else {
      throw IcebergError(.corrupt, "the table has no partition spec \(group.partition.specID)")
    }
    var properties = metadata
    properties.properties["write.target-file-size-bytes"] = String(targetBytes)
    let settings = try WriteSettings(properties, spec: spec, lineage: metadata.formatVersion >= 3)
    let writer = PartitionedWriter(
      settings, directory: scratchDirectory, prefix: "compacted-\(environment.makeUUID())",
      scratch: environment.scratch)
    var published: [DataFile] = []
    do throws(IcebergError) {
      for task in group.tasks { try await copy(task, writer, &published) }
      try await publish(try writer.finish(), &published)
      return published
    } catch {
      writer.abandon()
      try? await scan.table.store.delete(published.map(\.filePath))
      throw error
    }
  }

  private func copy(
    _ task: ScanTask, _ writer: PartitionedWriter, _ published: inout [DataFile]
  ) async throws(IcebergError) {
    var reader = try await scan.open(task)
    var start = environment.nowMilliseconds()
    while let batch = try await reader.next() {
      try writer.write(batch.columns, partition: group.partition.partition)
      try await publish(writer.takeSealed(), &published)
      do {
        try Task.checkCancellation()
        try await pace(environment.nowMilliseconds() &- start)
      } catch {
        throw IcebergError(.transient, "the compaction was cancelled: \(error)")
      }
      start = environment.nowMilliseconds()
    }
  }

  private func publish(_ sealed: [SealedFile], _ published: inout [DataFile]) async throws(IcebergError) {
    guard !sealed.isEmpty else { return }
    try await SealedFile.publish(sealed, to: scan.table.store, scratch: environment.scratch)
    published += sealed.map(\.file)
  }
}
