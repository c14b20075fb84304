import Actors
import Checkpointing
import Columnar
import FoundationEssentials
import Iceberg
import Logging
import Parquet

/// The tables of an Iceberg sink, each as of the metadata that holds the position: snapshots do not change.
package actor IcebergContent: SinkContent {
  /// A table as it was loaded.
  private struct Loaded: Sendable {
    let table: Table
    let columns: [IcebergColumn]
    let position: SinkPosition?
  }

  nonisolated private let configuration: IcebergConfiguration
  nonisolated private let loaded: [TableIdentifier: Loaded]
  nonisolated private let unseen: [IcebergColumn]
  nonisolated private let router: IcebergRouter
  package nonisolated let isUpsert: Bool
  private let catalog: any Catalog
  private var waiting: [TableIdentifier] = []
  private var reading: (identifier: TableIdentifier, scan: TableScan, tasks: ArraySlice<ScanTask>)?
  private var file: ScanFileReader?

  static func open(
    _ configuration: IcebergConfiguration, isUpsert: Bool, logger: Logger
  ) async throws(IcebergError) -> IcebergContent {
    let catalog = try await Catalogs.make(
      type: configuration.catalogType, properties: configuration.catalogProperties, logger: logger)
    do throws(IcebergError) {
      let loaded = try await load(configuration, catalog)
      return try IcebergContent(configuration, catalog: catalog, loaded: loaded, isUpsert: isUpsert)
    } catch {
      await catalog.close()
      throw error
    }
  }

  private init(
    _ configuration: IcebergConfiguration, catalog: any Catalog, loaded: [TableIdentifier: Loaded], isUpsert: Bool
  ) throws(IcebergError) {
    self.configuration = configuration
    self.catalog = catalog
    self.loaded = loaded
    self.isUpsert = isUpsert
    unseen = try IcebergColumns(declared: configuration.columns).columns
    router = IcebergRouter(configuration.name, columns: configuration.columns)
  }

  private static func load(
    _ configuration: IcebergConfiguration, _ catalog: any Catalog
  ) async throws(IcebergError) -> [TableIdentifier: Loaded] {
    if let fixed = configuration.name.fixed {
      return [fixed: try await load(fixed, configuration, catalog)]
    }
    var result: [TableIdentifier: Loaded] = [:]
    for identifier in try await IcebergDiscovery(name: configuration.name, catalog: catalog).tables() {
      let table = try await load(identifier, configuration, catalog)
      // A table that only looks as if it were of this sink belongs to somebody else.
      if table.position != nil { result[identifier] = table }
    }
    return result
  }

  private static func load(
    _ identifier: TableIdentifier, _ configuration: IcebergConfiguration, _ catalog: any Catalog
  ) async throws(IcebergError) -> Loaded {
    let table = try await Table(identifier, in: catalog)
    var position: SinkPosition?
    let property = IcebergFence.property(job: configuration.job, sink: configuration.sink)
    if let text = table.metadata.properties[property] {
      position = try? JSONDecoder().decode(SinkPosition.self, from: Data(text.utf8))
      guard position != nil else {
        throw IcebergError(.corrupt, "the property \(property) of table \(identifier) is not a position of Weir")
      }
    }
    guard position != nil, let schema = table.metadata.currentSchema else {
      return Loaded(table: table, columns: [], position: nil)
    }
    let columns = try IcebergColumns(schema, declared: configuration.columns, table: identifier).columns
    return Loaded(table: table, columns: columns.filter { $0.source != nil }, position: position)
  }

  package nonisolated var targets: [SinkTarget] {
    loaded.sorted { $0.key < $1.key }.map { identifier, loaded in
      SinkTarget(
        name: identifier.description, position: loaded.position,
        state: loaded.table.currentSnapshot.map { "snapshot \($0.snapshotID)" } ?? "no snapshot")
    }
  }

  package nonisolated func expected(_ batch: Batch) -> ExpectedRows {
    var refused: [Int: String] = [:]
    var result = ExpectedRows()
    for route in router.route(batch, refused: &refused) {
      let rows = IcebergRows(columns: loaded[route.table]?.columns ?? unseen)
      let part = batch.gather(route.rows)
      let problems = rows.problems(part)
      for (row, message) in problems { refused[Int(route.rows[row])] = message }
      let kept = problems.isEmpty ? part : part.gather((0..<Int32(part.count)).filter { problems[Int($0)] == nil })
      if kept.count > 0 { result.routed.append((route.table.description, kept)) }
    }
    result.refused = refused.sorted { $0.key < $1.key }.map { RowRejection(row: $0.key, message: $0.value) }
    return result
  }

  // MARK: Reading

  package func rewind() async throws {
    waiting = loaded.filter { $0.value.position != nil }.keys.sorted()
    reading = nil
    file = nil
  }

  package func next() async throws -> (target: String, batch: Batch)? {
    while true {
      if var current = file, let reading {
        let rows = try await current.next()
        file = current
        if let rows { return (reading.identifier.description, try batch(rows, reading.identifier)) }
        file = nil
      }
      if let task = reading?.tasks.popFirst(), let scan = reading?.scan {
        file = try await scan.open(task)
        continue
      }
      guard !waiting.isEmpty else { return nil }
      let identifier = waiting.removeFirst()
      guard let loaded = loaded[identifier] else { continue }
      let scan = try TableScan(
        loaded.table, options: ScanOptions(columns: loaded.columns.map(\.field.name), batchRows: 4_096))
      reading = (identifier, scan, try await scan.plan()[...])
    }
  }

  private func batch(_ rows: ScanBatch, _ identifier: TableIdentifier) throws -> Batch {
    guard let columns = loaded[identifier]?.columns else { return Batch(empty: Schema([])) }
    let fields = configuration.columns
    let result = try fields.indices.map { source -> Column in
      guard let place = columns.firstIndex(where: { $0.source == source }), case .leaf(let column) = rows.columns[place]
      else {
        throw IcebergError(.unsupported, "column \(fields[source].name) of table \(identifier) is not one of values")
      }
      return Self.declared(column, columns[place].field.type, as: fields[source].type)
    }
    return Batch(schema: Schema(fields), columns: result, count: rows.rowCount)
  }

  /// The values of a table's column in the type that the sink declares.
  private static func declared(_ column: Column, _ type: IcebergType, as declared: DataType) -> Column {
    switch (column.storage, type, declared) {
    case (.int64(let values), .timestampNanos, _), (.int64(let values), .timestamptzNanos, _):
      return Column(declared, .int64(values.map { $0 / 1000 }), validity: column.validity)
    case (.numeric(let values), _, .integer), (.numeric(let values), _, .bigint):
      // Digits after the point, which only somebody else writes, must not vanish: such a value differs from any other.
      let whole = values.map { value in
        value.rescaled(to: 0).flatMap { $0.compare(value) == 0 ? Int64(exactly: $0.unscaled) : nil } ?? .min
      }
      return Column(declared, .int64(whole), validity: column.validity)
    default: return Column(declared, column.storage, validity: column.validity)
    }
  }

  /// Rows are refused by the writer only.
  package func refusedByTarget() -> Int { 0 }

  package func close() async { await catalog.close() }
}
