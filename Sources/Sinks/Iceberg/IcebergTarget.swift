import Checkpointing
import Columnar
import Iceberg
import Synchronization

/// A table that rows may be written to: it was claimed, and its columns fit.
struct IcebergTarget: Sendable {
  let identifier: TableIdentifier
  let uuid: String
  let columns: [IcebergColumn]
  let settings: WriteSettings
  let store: any ObjectStore

  /// - Throws: kind `invalid` when the columns, or the table's settings, do not fit.
  init(_ table: LoadedTable, _ configuration: IcebergConfiguration) throws(IcebergError) {
    var metadata = table.metadata
    guard let schema = metadata.currentSchema else {
      throw IcebergError(.corrupt, "table \(table.identifier) has no current schema")
    }
    let size = metadata.properties[IcebergConfiguration.fileSizeProperty]
    let wanted = configuration.targetFileSizeBytes.map { String($0) }
    metadata.properties[IcebergConfiguration.fileSizeProperty] =
      wanted ?? size ?? String(IcebergConfiguration.streamFileSizeBytes)
    identifier = table.identifier
    uuid = metadata.tableUUID
    columns = try IcebergColumns(schema, declared: configuration.columns, table: table.identifier).columns
    settings = try WriteSettings(metadata)
    store = table.store
  }
}

/// What the writer and the committer of a sink share.
final class IcebergTargets: Sendable {
  private struct State {
    var fence: IcebergFence?
    var targets: [TableIdentifier: IcebergTarget] = [:]
    var reached: [TableIdentifier: CheckpointID] = [:]
  }

  private let state = Mutex(State())

  /// The claim of this instance.
  var fence: IcebergFence? {
    get { state.withLock { $0.fence } }
    set { state.withLock { $0.fence = newValue } }
  }

  /// Forgets tables of an earlier claim.
  func reset(_ fence: IcebergFence) { state.withLock { $0 = State(fence: fence) } }

  subscript(identifier: TableIdentifier) -> IcebergTarget? { state.withLock { $0.targets[identifier] } }

  func add(_ target: IcebergTarget, reached: CheckpointID) {
    state.withLock { state in
      state.targets[target.identifier] = target
      state.reached[target.identifier] = max(reached, state.reached[target.identifier] ?? reached)
    }
  }

  /// The checkpoint that a table had when it was seen last; `nil`: it was not claimed.
  func reached(_ identifier: TableIdentifier) -> CheckpointID? { state.withLock { $0.reached[identifier] } }

  func didReach(_ identifier: TableIdentifier, _ checkpoint: CheckpointID) {
    state.withLock { $0.reached[identifier] = max(checkpoint, $0.reached[identifier] ?? checkpoint) }
  }

  /// The checkpoints of all tables that have rows of this job.
  var allReached: [TableIdentifier: CheckpointID] { state.withLock { $0.reached.filter { $0.value.number > 0 } } }
}
