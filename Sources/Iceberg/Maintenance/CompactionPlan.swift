/// Which files are worth rewriting.
public struct CompactionPolicy: Hashable, Sendable {
  /// The wanted size of files; `nil`: as the table's property `write.target-file-size-bytes` says.
  public var targetFileSizeBytes: Int64?
  /// Files smaller than this part of the target are small.
  public var smallFileRatio: Double
  /// Files greater than this multiple of the target are split.
  public var largeFileRatio: Double
  /// How many small files of a partition there must be.
  public var minimumInputFiles: Int
  /// From this part of deleted rows on, a file is rewritten whatever its size.
  public var deletedRowsRatio: Double
  /// From this number of delete files on that concern a file, it is rewritten whatever its size.
  public var deleteFiles: Int
  /// A file is rewritten together with smaller ones of its partition when it has at most so many times their bytes:
  /// so files grow by steps, and no byte is rewritten with every new file. `nil`: whatever the sizes.
  public var growthRatio: Double?
  /// How many bytes one commit rewrites at most; a greater file is rewritten by itself.
  public var maximumGroupBytes: Int64
  /// How many bytes one run rewrites at most; the group that is begun is finished.
  public var maximumBytes: Int64

  /// A policy.
  public init(
    targetFileSizeBytes: Int64? = nil, smallFileRatio: Double = 0.75, largeFileRatio: Double = 1.8,
    minimumInputFiles: Int = 5, deletedRowsRatio: Double = 0.3, deleteFiles: Int = 10, growthRatio: Double? = nil,
    maximumGroupBytes: Int64 = 2 << 30, maximumBytes: Int64 = 10 << 30
  ) {
    self.targetFileSizeBytes = targetFileSizeBytes
    self.smallFileRatio = smallFileRatio
    self.largeFileRatio = largeFileRatio
    self.minimumInputFiles = max(2, minimumInputFiles)
    self.deletedRowsRatio = deletedRowsRatio
    self.deleteFiles = max(1, deleteFiles)
    self.growthRatio = growthRatio
    self.maximumGroupBytes = max(1, maximumGroupBytes)
    self.maximumBytes = max(1, maximumBytes)
  }
}

/// Files of one partition that are rewritten together.
public struct CompactionGroup: Hashable, Sendable {
  /// The partition.
  public var partition: TablePartition
  /// The files, with the deletes of their rows.
  public var tasks: [ScanTask]

  /// Bytes of all files.
  public var bytes: Int64 { tasks.reduce(0) { $0 &+ $1.entry.file.fileSizeInBytes } }
}

extension CompactionPolicy {
  /// The groups that are worth rewriting, those with most files first.
  ///
  /// - Parameters:
  ///   - tasks: all files of a snapshot.
  ///   - targetBytes: the wanted size of files.
  public func groups(_ tasks: [ScanTask], targetBytes: Int64) -> [CompactionGroup] {
    var partitions: [TablePartition: [ScanTask]] = [:]
    for task in tasks where isCandidate(task, targetBytes: targetBytes) {
      partitions[TablePartition(task.entry.file), default: []].append(task)
    }
    var groups: [CompactionGroup] = []
    for (partition, candidates) in partitions {
      for bin in bins(similar(candidates, targetBytes: targetBytes)) where isWorthIt(bin, targetBytes: targetBytes) {
        groups.append(CompactionGroup(partition: partition, tasks: bin))
      }
    }
    return groups.sorted { left, right in
      if left.tasks.count != right.tasks.count { return left.tasks.count > right.tasks.count }
      return left.tasks[0].entry.file.filePath < right.tasks[0].entry.file.filePath
    }
  }

  private func isCandidate(_ task: ScanTask, targetBytes: Int64) -> Bool {
    let size = Double(task.entry.file.fileSizeInBytes)
    return size < Double(targetBytes) * smallFileRatio || size > Double(targetBytes) * largeFileRatio
      || hasManyDeletes(task)
  }

  /// The candidates without those that are too great for the smaller ones; see ``growthRatio``.
  private func similar(_ tasks: [ScanTask], targetBytes: Int64) -> [ScanTask] {
    guard let growthRatio else { return tasks }
    let large = Double(targetBytes) * largeFileRatio
    var result: [ScanTask] = []
    var bytes: Int64 = 0
    for task in tasks.sorted(by: { $0.entry.file.fileSizeInBytes < $1.entry.file.fileSizeInBytes }) {
      let size = task.entry.file.fileSizeInBytes
      let isRewrittenAnyway = Double(size) > large || hasManyDeletes(task)
      // The first ones have nothing smaller to be compared with: those of a few commits differ by chance.
      let isSimilar = result.count < minimumInputFiles - 1 || Double(size) <= Double(bytes) * growthRatio
      guard isRewrittenAnyway || isSimilar else { continue }
      result.append(task)
      bytes &+= size
    }
    return result
  }

  private func hasManyDeletes(_ task: ScanTask) -> Bool {
    let deletes = task.deletes
    if deletes.positionDeletes.count + deletes.equalityDeletes.count >= deleteFiles { return true }
    var deleted = deletes.deletionVector?.file.recordCount ?? 0
    // A delete file that concerns other data files too says nothing about this one.
    for entry in deletes.positionDeletes where entry.file.referencedDataFile != nil {
      deleted += entry.file.recordCount
    }
    let rows = task.entry.file.recordCount
    return deleted > 0 && Double(deleted) >= Double(rows) * deletedRowsRatio
  }

  /// Neighbours, the oldest first, in bins of at most ``maximumGroupBytes``.
  private func bins(_ tasks: [ScanTask]) -> [[ScanTask]] {
    let sorted = tasks.sorted { left, right in
      let (a, b) = (left.entry.sequenceNumber ?? 0, right.entry.sequenceNumber ?? 0)
      return a == b ? left.entry.file.filePath < right.entry.file.filePath : a < b
    }
    var result: [[ScanTask]] = []
    var bin: [ScanTask] = []
    var bytes: Int64 = 0
    for task in sorted {
      if !bin.isEmpty, bytes &+ task.entry.file.fileSizeInBytes > maximumGroupBytes {
        result.append(bin)
        bin = []
        bytes = 0
      }
      bin.append(task)
      bytes &+= task.entry.file.fileSizeInBytes
    }
    if !bin.isEmpty { result.append(bin) }
    return result
  }

  private func isWorthIt(_ bin: [ScanTask], targetBytes: Int64) -> Bool {
    if bin.contains(where: hasManyDeletes) { return true }
    let large = Double(targetBytes) * largeFileRatio
    if bin.contains(where: { Double($0.entry.file.fileSizeInBytes) > large }) { return true }
    let bytes = bin.reduce(Int64(0)) { $0 &+ $1.entry.file.fileSizeInBytes }
    let outputs = max(1, bytes / targetBytes + (bytes % targetBytes == 0 ? 0 : 1))
    return bin.count >= minimumInputFiles && Int64(bin.count) > outputs
  }
}
