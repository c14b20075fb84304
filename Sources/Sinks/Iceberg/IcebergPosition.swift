import Actors
import Checkpointing
import FoundationEssentials
import Iceberg
import Synchronization

/// Who may commit to a sink's tables, and what their positions say. The position of a table is a property of it, which
/// changes in the same commit as its rows.
struct IcebergFence: Hashable, Sendable {
  /// The job's name.
  let job: String
  /// The sink's name.
  let sink: String
  /// This instance.
  let owner: JobOwner
  /// The newest checkpoint that this instance was restored from.
  let newest: CheckpointID
  /// What the sink's only table is known to hold; 0 when nothing is known, or the sink has several.
  var committed = CheckpointID(0)

  /// The name of the property.
  var property: String { Self.property(job: job, sink: sink) }

  static func property(job: String, sink: String) -> String { "weir.position.\(job).\(sink)" }

  /// The position that a table holds; `nil` when it never saw the job.
  func stored(_ metadata: TableMetadata) throws(IcebergError) -> SinkPosition? {
    guard let text = metadata.properties[property] else { return nil }
    guard let position = try? JSONDecoder().decode(SinkPosition.self, from: Data(text.utf8)) else {
      throw IcebergError(
        .corrupt, "the table property \(property) is not a position of Weir: restore it from an older metadata file")
    }
    return position
  }

  /// The value of the property.
  static func text(_ position: SinkPosition) throws(IcebergError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let bytes = try? encoder.encode(position) else {
      throw IcebergError(.invalid, "a position cannot be written as JSON")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Somebody emptied the table, restored a backup, or put another one into its place.
  func lostHistory(_ stored: SinkPosition?) -> PositionConflict {
    PositionConflict(
      sink: sink, expected: SinkPosition(owner: owner, checkpoint: committed, sources: SourcePositions()), found: stored
    )
  }

  /// What a table's position says about commits of this instance.
  enum Decision: Hashable, Sendable {
    /// Commits after this checkpoint are to be applied, those up to it were.
    case applyAfter(CheckpointID)
    /// Somebody else owns the job, or history was lost.
    case conflict(PositionConflict)
  }

  /// What to do with commits to a table that holds `stored`.
  ///
  /// A commit of an older attempt may land after this instance claimed the table, when it was on its way. Up to the
  /// checkpoint that this instance was restored from it is the very commit that this instance would make.
  /// - Parameter reached: the checkpoint that the table had reached when this instance saw it last.
  func decide(stored: SinkPosition?, reached: CheckpointID) -> Decision {
    let conflict = Decision.conflict(
      PositionConflict(
        sink: sink, expected: SinkPosition(owner: owner, checkpoint: reached, sources: SourcePositions()),
        found: stored))
    guard let stored, stored.owner.lineage == owner.lineage, stored.checkpoint >= reached else { return conflict }
    if stored.owner.attempt == owner.attempt { return .applyAfter(stored.checkpoint) }
    guard stored.owner.attempt < owner.attempt, stored.checkpoint <= newest else { return conflict }
    return .applyAfter(stored.checkpoint)
  }
}

/// Carries out of a transaction what its errors cannot say.
final class IcebergVerdict: Sendable {
  private struct State {
    var failure: (any Error)?
    var trouble: IcebergError?
    var rows = 0
  }

  private let state = Mutex(State())

  /// Why the transaction was ended from inside.
  var failure: (any Error)? { state.withLock { $0.failure } }
  /// Why the newest plan failed; `nil` when it did not.
  var trouble: IcebergError? { state.withLock { $0.trouble } }
  /// The rows of the newest plan.
  var rows: Int { state.withLock { $0.rows } }

  /// Ends the transaction.
  func refuse(_ error: any Error) -> IcebergError {
    state.withLock { $0.failure = error }
    return IcebergError(.invalid, "\(error)")
  }

  func planned(rows: Int) { state.withLock { $0.rows = rows } }

  func planned(trouble: IcebergError?) { state.withLock { $0.trouble = trouble } }
}

/// Writes the position with this instance as its owner: older attempts find it and stop.
struct ClaimPosition: TableChange {
  let fence: IcebergFence
  let verdict: IcebergVerdict

  mutating func plan(on table: LoadedTable, context: ChangeContext) async throws(IcebergError) -> PlannedChange? {
    let stored = try fence.stored(table.metadata)
    switch fence.owner.claim(sink: fence.sink, stored: stored, newest: fence.newest) {
    case .conflict(let conflict): throw verdict.refuse(conflict)
    case .claim(let position):
      guard position.checkpoint >= fence.committed else { throw verdict.refuse(fence.lostHistory(stored)) }
      if stored == position { return nil }
      return PlannedChange(
        requirements: [.tableUUID(table.metadata.tableUUID)],
        updates: [.setProperties([fence.property: try IcebergFence.text(position)])])
    }
  }
}

/// The rows of one checkpoint for one table.
struct IcebergEpoch: Hashable, Sendable {
  let checkpoint: CheckpointID
  let sources: SourcePositions
  let files: [DataFile]
}

/// Appends the files of epochs, and moves the position, in one snapshot; epochs that the table has already are left out.
struct PositionedAppend: TableChange {
  let fence: IcebergFence
  let reached: CheckpointID
  let epochs: [IcebergEpoch]
  /// The position after the append.
  let position: SinkPosition
  let verdict: IcebergVerdict
  private var append: AppendFiles?
  private var appended = 0
  private var abandoned: [String] = []

  init(
    _ fence: IcebergFence, reached: CheckpointID, epochs: [IcebergEpoch], position: SinkPosition,
    verdict: IcebergVerdict
  ) {
    self.fence = fence
    self.reached = reached
    self.epochs = epochs
    self.position = position
    self.verdict = verdict
  }

  var writtenFiles: [String] { abandoned + (append?.writtenFiles ?? []) }

  /// The epochs that `metadata` lacks.
  func missing(in metadata: TableMetadata) throws(IcebergError) -> ArraySlice<IcebergEpoch> {
    switch fence.decide(stored: try fence.stored(metadata), reached: reached) {
    case .conflict(let conflict): throw verdict.refuse(conflict)
    case .applyAfter(let checkpoint): return epochs.drop { $0.checkpoint <= checkpoint }
    }
  }

  mutating func plan(on table: LoadedTable, context: ChangeContext) async throws(IcebergError) -> PlannedChange? {
    let missing = try missing(in: table.metadata)
    verdict.planned(rows: missing.reduce(0) { $0 + $1.files.reduce(0) { $0 + Int($1.recordCount) } })
    guard !missing.isEmpty else { return nil }
    if append == nil || appended != missing.count {
      abandoned += append?.writtenFiles ?? []
      append = AppendFiles(missing.flatMap(\.files), summary: try summary())
      appended = missing.count
    }
    guard var plan = try await planAppend(on: table, context: context) else { return nil }
    plan.updates.append(.setProperties([fence.property: try IcebergFence.text(position)]))
    return plan
  }

  /// Keeps what the append wrote even when planning fails.
  private mutating func planAppend(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    guard var current = append else { return nil }
    do throws(IcebergError) {
      let plan = try await current.plan(on: table, context: context)
      append = current
      verdict.planned(trouble: nil)
      return plan
    } catch {
      append = current
      verdict.planned(trouble: error)
      throw error
    }
  }

  private func summary() throws(IcebergError) -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let positions = try? encoder.encode(position.sources.offsets) else {
      throw IcebergError(.invalid, "source positions cannot be written as JSON")
    }
    return [
      "weir.job": fence.job, "weir.sink": fence.sink, "weir.checkpoint": "\(position.checkpoint)",
      "engine-name": "weir", "weir.lineage": fence.owner.lineage,
      "weir.positions": String(decoding: positions, as: UTF8.self)
    ]
  }
}
