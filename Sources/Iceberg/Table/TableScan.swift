import Columnar
import Parquet

/// What a scan reads, and how.
public struct ScanOptions: Hashable, Sendable {
  /// The columns by name, in the order in which they are given back; `nil`: all.
  public var columns: [String]?
  /// Leaves out files, and in Parquet files row groups and pages, that cannot have matching rows. Rows of the others are
  /// given back whether they match or not.
  public var predicate: Predicate
  /// Columns that every row has besides; they follow the others.
  public var metadataColumns: [MetadataColumn]
  /// How many rows a batch has at most.
  public var batchRows: Int
  /// How many manifests are read at a time.
  public var concurrency: Int

  /// Options.
  public init(
    columns: [String]? = nil, predicate: Predicate = .alwaysTrue, metadataColumns: [MetadataColumn] = [],
    batchRows: Int = 8192, concurrency: Int = 4
  ) {
    self.columns = columns
    self.predicate = predicate
    self.metadataColumns = metadataColumns
    self.batchRows = max(1, batchRows)
    self.concurrency = max(1, concurrency)
  }
}

/// A data file to read, and the deletes of its rows.
public struct ScanTask: Hashable, Sendable {
  /// The file.
  public var entry: ManifestEntry
  /// The deletes.
  public var deletes: ApplicableDeletes

  /// A task.
  public init(entry: ManifestEntry, deletes: ApplicableDeletes) {
    self.entry = entry
    self.deletes = deletes
  }
}

/// Some rows of a table.
public struct ScanBatch: Hashable, Sendable {
  /// An array for each column of ``TableScan/schema``.
  public var columns: [ParquetArray]
  /// How many rows there are; also right when there are no columns.
  public var rowCount: Int
}

/// Reads the rows of a snapshot (Iceberg specification, "Scan Planning").
///
/// ```swift
/// let scan = try TableScan(table)
/// for task in try await scan.plan() {
///   var rows = try await scan.open(task)
///   while let batch = try await rows.next() { … }
/// }
/// ```
public struct TableScan: Sendable {
  /// The table.
  public let table: LoadedTable
  /// The snapshot; `nil` when the table is empty.
  public let snapshot: Snapshot?
  /// The columns of the batches.
  public let schema: TableSchema
  /// What is read, and how.
  public let options: ScanOptions
  let nameMapping: NameMapping?
  let deletes: DeleteLoader

  /// A scan of a snapshot of a table.
  ///
  /// A snapshot that is named by id, time or tag is read with its own schema, others with the current one.
  /// - Throws: kind `notFound` for a snapshot or column that is not there.
  public init(
    _ table: Table, snapshot selector: Table.SnapshotSelector = .current, options: ScanOptions = ScanOptions()
  ) throws(IcebergError) {
    let snapshot = try table.snapshot(selector)
    var usesOwnSchema = false
    switch selector {
    case .current: break
    case .id, .asOf: usesOwnSchema = true
    case .reference(let name): usesOwnSchema = table.metadata.references[name]?.kind == .tag
    }
    try self.init(
      table.loaded, snapshot: snapshot, schemaID: usesOwnSchema ? snapshot?.schemaID : nil, options: options)
  }

  package init(
    _ table: LoadedTable, snapshot: Snapshot?, schemaID: Int? = nil, options: ScanOptions
  ) throws(IcebergError) {
    let id = schemaID ?? table.metadata.currentSchemaID
    guard var schema = table.metadata.schema(id: id) ?? table.metadata.schemasCurrentFirst.first else {
      throw IcebergError(.corrupt, "the table \(table.identifier) has no schema \(id)")
    }
    if let columns = options.columns {
      var fields: [NestedField] = []
      for name in columns {
        guard let field = schema.fields.first(where: { $0.name == name }) else {
          throw IcebergError(
            .notFound,
            "the table \(table.identifier) has no column '\(name)'; it has: "
              + schema.fields.map(\.name).joined(separator: ", "))
        }
        fields.append(field)
      }
      schema.fields = fields
    }
    schema.fields += options.metadataColumns.map(\.field)
    self.table = table
    self.snapshot = snapshot
    self.schema = schema
    self.options = options
    nameMapping = try table.metadata.nameMapping()
    deletes = DeleteLoader(
      store: table.store, schemas: table.metadata.schemasCurrentFirst, nameMapping: nameMapping)
  }

  /// The data files that may have matching rows, each with its deletes; in the order of the manifests.
  public func plan() async throws(IcebergError) -> [ScanTask] {
    guard let snapshot else { return [] }
    let loader = ManifestLoader(table, concurrency: options.concurrency)
    let manifests = try await loader.manifests(of: snapshot).filter(\.mayHaveLiveFiles)
    let evaluator = InclusiveMetricsEvaluator(options.predicate, specs: loader.specs, schemas: loader.schemas)
    let wanted = manifests.filter { $0.content == .data && evaluator.mayMatch($0) }
    guard !wanted.isEmpty else { return [] }
    var deleteEntries: [ManifestEntry] = []
    for entries in try await loader.entries(ofAll: manifests.filter { $0.content == .deletes }, liveOnly: true) {
      deleteEntries += entries
    }
    let index = try DeleteFileIndex(entries: deleteEntries, specs: loader.specs, schemas: loader.schemas)
    var tasks: [ScanTask] = []
    for entries in try await loader.entries(ofAll: wanted, liveOnly: true) {
      for entry in entries where evaluator.mayMatch(entry.file) {
        tasks.append(ScanTask(entry: entry, deletes: try index.deletes(for: entry)))
      }
    }
    return tasks
  }

  /// Opens a data file.
  /// - Throws: kind `unsupported` for files that are not Parquet.
  public func open(_ task: ScanTask) async throws(IcebergError) -> ScanFileReader {
    try await ScanFileReader(task, scan: self)
  }

  /// Calls `body` with all rows, some at a time, file after file.
  public func forEachBatch(
    _ body: (ScanBatch) async throws(IcebergError) -> Void
  ) async throws(IcebergError) {
    for task in try await plan() {
      var reader = try await open(task)
      while let batch = try await reader.next() { try await body(batch) }
    }
  }
}
