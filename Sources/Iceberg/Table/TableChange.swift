/// What a change needs while it is planned.
public struct ChangeContext: Sendable {
  /// The time, pauses, chance.
  public var environment: CommitEnvironment
  /// Identifies the commit over all its attempts; goes into the summary as `weir.commit-id`.
  public var commitID: String
  /// Which attempt it is, from 1.
  public var attempt: Int
  /// How many files are read at a time.
  public var concurrency: Int

  /// A context.
  public init(environment: CommitEnvironment, commitID: String, attempt: Int = 1, concurrency: Int = 4) {
    self.environment = environment
    self.commitID = commitID
    self.attempt = attempt
    self.concurrency = max(1, concurrency)
  }
}

/// A change as it is to be committed onto one state of a table.
public struct PlannedChange: Sendable {
  /// What must hold.
  public var requirements: [TableRequirement]
  /// What changes.
  public var updates: [TableUpdate]
  /// The snapshot among the updates.
  public var snapshotID: Int64?
  /// The files that the planning wrote, now or for an earlier attempt, and the updates refer to.
  public var referencedFiles: [String]
  /// What the caller should hear of: a clock that is off.
  public var warnings: [String]

  /// A planned change.
  public init(
    requirements: [TableRequirement] = [], updates: [TableUpdate], snapshotID: Int64? = nil,
    referencedFiles: [String] = [], warnings: [String] = []
  ) {
    self.requirements = requirements
    self.updates = updates
    self.snapshotID = snapshotID
    self.referencedFiles = referencedFiles
    self.warnings = warnings
  }
}

/// A change of a table as a value: it is planned anew onto the table's state for each attempt to commit it.
public protocol TableChange: Sendable {
  /// What to commit onto `table`; `nil` when nothing is to be done.
  ///
  /// The change may keep what it wrote for the next attempt.
  /// - Throws: ``IcebergError``; kind `conflict` is for changes that can never be applied to this state, which also
  ///   ends the attempts.
  mutating func plan(on table: LoadedTable, context: ChangeContext) async throws(IcebergError) -> PlannedChange?

  /// All files that planning wrote so far, in all attempts: those that the table does not refer to in the end are
  /// removed.
  var writtenFiles: [String] { get }
}

extension TableChange {
  /// No files.
  public var writtenFiles: [String] { [] }
}

/// Identifies a data or delete file in a table: several deletion vectors share one Puffin file.
public struct FileKey: Hashable, Sendable {
  /// The file's location as the table has it.
  public var path: String
  /// Where the deletion vector begins, in a Puffin file.
  public var contentOffset: Int64?

  /// The key of the file at `path`.
  public init(path: String, contentOffset: Int64? = nil) {
    self.path = path
    self.contentOffset = contentOffset
  }

  /// The key of `file`.
  public init(_ file: DataFile) { self.init(path: file.filePath, contentOffset: file.contentOffset) }
}

/// A partition of one spec.
public struct TablePartition: Hashable, Sendable {
  /// The spec.
  public var specID: Int
  /// The values.
  public var partition: PartitionTuple

  /// The partition `partition` of the spec `specID`.
  public init(specID: Int, partition: PartitionTuple) {
    self.specID = specID
    self.partition = partition
  }

  /// The partition of `file`.
  public init(_ file: DataFile) { self.init(specID: file.specID, partition: file.partition) }
}

extension TableMetadata {
  /// The schemas, the current one first, then the newest first: the order in which columns are looked up.
  package var schemasCurrentFirst: [TableSchema] {
    let others = schemas.filter { $0.schemaID != currentSchemaID }.sorted { $0.schemaID > $1.schemaID }
    return schemas.filter { $0.schemaID == currentSchemaID } + others
  }

  /// The specs by id.
  package var specsByID: [Int: PartitionSpec] {
    Dictionary(partitionSpecs.map { ($0.specID, $0) }, uniquingKeysWith: { _, last in last })
  }

  /// The snapshot of that id.
  package func snapshot(withID id: Int64) -> Snapshot? { snapshots.first { $0.snapshotID == id } }

  /// The snapshot that `branch` is at; `nil` when the branch, or every snapshot, is missing.
  package func head(of branch: String) -> Snapshot? {
    if let reference = references[branch] { return snapshot(withID: reference.snapshotID) }
    if branch == "main", let currentSnapshotID { return snapshot(withID: currentSnapshotID) }
    return nil
  }

  /// The snapshot that a commit to `branch` builds on; a branch that is not there yet begins at the current one.
  package func base(of branch: String) -> Snapshot? {
    references[branch] == nil ? head(of: "main") : head(of: branch)
  }

  /// Refuses to commit to a tag.
  package func requireBranch(_ name: String) throws(IcebergError) {
    guard references[name]?.kind == .tag else { return }
    throw IcebergError(.invalid, "'\(name)' is a tag: it stays where it is; commit to a branch")
  }

  /// `snapshotID` and its ancestors, the newest first, as far as they are retained.
  package func ancestors(of snapshotID: Int64?) -> [Snapshot] {
    let byID = Dictionary(snapshots.map { ($0.snapshotID, $0) }, uniquingKeysWith: { first, _ in first })
    var result: [Snapshot] = []
    var seen: Set<Int64> = []
    var next = snapshotID
    while let id = next, seen.insert(id).inserted, let snapshot = byID[id] {
      result.append(snapshot)
      next = snapshot.parentID
    }
    return result
  }

  /// The columns to which the spec's sources belong: the newest schema that has them all.
  package func schema(for spec: PartitionSpec) -> TableSchema? {
    schemasCurrentFirst.first { schema in
      let ids = Set(schema.allFieldIDs)
      return spec.fields.allSatisfy { $0.transform == .void || ids.contains($0.sourceID) }
    } ?? schemasCurrentFirst.first
  }
}

extension TableSchema {
  /// The ids of all fields, nested ones included.
  package var allFieldIDs: [Int] {
    var result: [Int] = []
    func visit(_ field: NestedField) {
      result.append(field.id)
      switch field.type {
      case .structure(let fields): fields.forEach(visit)
      case .list(let element): visit(element)
      case .map(let key, let value):
        visit(key)
        visit(value)
      default: break
      }
    }
    fields.forEach(visit)
    return result
  }
}
