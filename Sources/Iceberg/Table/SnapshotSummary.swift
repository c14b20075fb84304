/// Counts what a snapshot adds and removes, and writes its summary as the Java library does
/// (Iceberg specification, Appendix F, "Optional Snapshot Summary Fields").
public struct SnapshotSummary: Sendable {
  /// Files of one kind and what is in them.
  private struct Counts: Sendable {
    var dataFiles: Int64 = 0
    var records: Int64 = 0
    var sizeBytes: Int64 = 0
    var deleteFiles: Int64 = 0
    var positionDeleteFiles: Int64 = 0
    var deletionVectors: Int64 = 0
    var equalityDeleteFiles: Int64 = 0
    var positionDeletes: Int64 = 0
    var equalityDeletes: Int64 = 0

    mutating func count(_ file: DataFile) {
      sizeBytes &+= file.contentSizeInBytes ?? file.fileSizeInBytes
      switch file.content {
      case .data:
        dataFiles += 1
        records &+= file.recordCount
      case .positionDeletes:
        deleteFiles += 1
        if file.contentOffset != nil || file.fileFormat == "puffin" {
          deletionVectors += 1
        } else {
          positionDeleteFiles += 1
        }
        positionDeletes &+= file.recordCount
      case .equalityDeletes:
        deleteFiles += 1
        equalityDeleteFiles += 1
        equalityDeletes &+= file.recordCount
      }
    }
  }

  private struct TablePartition: Hashable, Sendable {
    var specID: Int
    var partition: PartitionTuple
  }

  private var added = Counts()
  private var removed = Counts()
  private var changedPartitions: Set<TablePartition> = []
  /// Further entries: a sink's position, counts of manifests.
  public var extra: [String: String] = [:]

  /// Nothing was added or removed yet.
  public init() {}

  /// Counts a file that the snapshot adds.
  public mutating func add(_ file: DataFile) {
    added.count(file)
    changedPartitions.insert(TablePartition(specID: file.specID, partition: file.partition))
  }

  /// Counts a file that the snapshot removes.
  public mutating func remove(_ file: DataFile) {
    removed.count(file)
    changedPartitions.insert(TablePartition(specID: file.specID, partition: file.partition))
  }

  /// Whether no file was added.
  public var addsNothing: Bool { added.dataFiles == 0 && added.deleteFiles == 0 }

  /// The summary of a snapshot.
  ///
  /// - Parameters:
  ///   - operation: `append`, `replace`, `overwrite` or `delete`.
  ///   - parent: the parent's summary; `nil` without a parent. A total that the parent lacks is left out.
  public func build(operation: String, parent: [String: String]?) -> [String: String] {
    var summary: [String: String] = ["operation": operation]
    func set(_ name: String, _ value: Int64) { if value > 0 { summary[name] = String(value) } }
    set("added-files-size", added.sizeBytes)
    set("removed-files-size", removed.sizeBytes)
    set("added-data-files", added.dataFiles)
    set("deleted-data-files", removed.dataFiles)
    set("added-equality-delete-files", added.equalityDeleteFiles)
    set("removed-equality-delete-files", removed.equalityDeleteFiles)
    set("added-position-delete-files", added.positionDeleteFiles)
    set("removed-position-delete-files", removed.positionDeleteFiles)
    set("added-dvs", added.deletionVectors)
    set("removed-dvs", removed.deletionVectors)
    set("added-delete-files", added.deleteFiles)
    set("removed-delete-files", removed.deleteFiles)
    set("added-records", added.records)
    set("deleted-records", removed.records)
    set("added-position-deletes", added.positionDeletes)
    set("removed-position-deletes", removed.positionDeletes)
    set("added-equality-deletes", added.equalityDeletes)
    set("removed-equality-deletes", removed.equalityDeletes)
    summary["changed-partition-count"] = String(changedPartitions.count)
    setTotals(parent: parent, in: &summary)
    for (name, value) in extra where name != "operation" { summary[name] = value }
    return summary
  }

  private func setTotals(parent: [String: String]?, in summary: inout [String: String]) {
    let totals: [(String, Int64, Int64)] = [
      ("total-records", added.records, removed.records),
      ("total-files-size", added.sizeBytes, removed.sizeBytes),
      ("total-data-files", added.dataFiles, removed.dataFiles),
      ("total-delete-files", added.deleteFiles, removed.deleteFiles),
      ("total-position-deletes", added.positionDeletes, removed.positionDeletes),
      ("total-equality-deletes", added.equalityDeletes, removed.equalityDeletes)
    ]
    for (name, plus, minus) in totals {
      let before: Int64
      if let parent {
        guard let text = parent[name], let value = Int64(text), value >= 0 else { continue }
        before = value
      } else {
        before = 0
      }
      let after = before &+ plus &- minus
      if after >= 0 { summary[name] = String(after) }
    }
  }
}
