import Actors
import Checkpointing
import Columnar
import SQL
import Sinks

/// Up to where one table holds the results of the source.
struct TableCut {
  /// The next offset of each partition.
  let positions: SourcePositions
  /// What the job's state was there, when that is still known: it says which windows had fired.
  let manifest: Manifest?
}

/// A sink that is compared, and its tables.
struct ComparedSink {
  let table: TableDefinition
  let content: any SinkContent
  /// The positions of the columns that are compared.
  let columns: [Int]
  /// The positions of the key's columns; empty without one.
  let key: [Int]
  /// Whether it holds dead letters or late rows.
  let isKeptOutput: Bool

  /// What tells a kept record from others. Its message is for people, and its watermark may be a stage's.
  private static let keptColumns: Set<String> = [
    "source", "partition", "offset", "timestamp", "key", "value", "reason", "event_time", "statement"
  ]

  init(_ table: TableDefinition, content: any SinkContent, isKeptOutput: Bool) {
    self.table = table
    self.content = content
    self.isKeptOutput = isKeptOutput
    let names = table.columns.map(\.field.name)
    columns = names.indices.filter { !isKeptOutput || Self.keptColumns.contains(names[$0]) }
    key = table.primaryKey.compactMap { name in names.firstIndex(of: name) }
  }

  /// Up to where each table is to be compared, and why others are not.
  ///
  /// A table whose position moves with its rows only may be far behind a checkpoint that brought it none: then the newest
  /// checkpoint counts, because what the job has done since must not show.
  ///
  /// - Parameters:
  ///   - before: the newest manifest that was there before the tables were looked at.
  ///   - checkpoints: all that are known.
  func cuts(before: Manifest?, checkpoints: JobCheckpoints) -> (cuts: [String: TableCut], others: TableCut?) {
    var cuts: [String: TableCut] = [:]
    let followsRows = table.options["connector"] == "iceberg"
    for target in content.targets {
      guard let position = target.position else { continue }
      if followsRows, let before, before.owner.lineage == position.owner.lineage,
        before.checkpoint > position.checkpoint, !hasPendingRows(before, after: position.checkpoint)
      {
        cuts[target.name] = TableCut(positions: before.sourcePositions, manifest: before)
      } else {
        cuts[target.name] = TableCut(positions: position.sources, manifest: checkpoints.manifest(of: position))
      }
    }
    var others: TableCut?
    if followsRows, let before, !hasPendingRows(before, after: CheckpointID(0)) {
      others = TableCut(positions: before.sourcePositions, manifest: before)
    }
    return (cuts, others)
  }

  private func hasPendingRows(_ manifest: Manifest, after checkpoint: CheckpointID) -> Bool {
    manifest.pendingCommits.contains { $0.sink == table.name && $0.rows > 0 && $0.checkpoint > checkpoint }
  }
}
