import Columnar
import Iceberg
import Parquet

/// Somebody else who writes to the job's tables, through the library as any program would: appends rows that can be
/// told from the job's, compacts, expires snapshots, sets properties, adds columns.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
final class ForeignWriter: @unchecked Sendable {
  /// What a foreign text begins with; where a table has no text column, its whole numbers tell.
  static let mark = "foreign-"
  /// Foreign whole numbers are at or below this.
  static let numberLimit: Int64 = -8_000_000_000_000_000_000

  private let world: SimulatedWorld
  private let catalog: any Catalog
  private let environment: CommitEnvironment
  private let scratch: MemoryScratch
  private var count = 0
  private var isBusy = false
  /// How many rows were added.
  private(set) var rowsAdded = 0

  init(_ world: SimulatedWorld, catalog: any Catalog, environment: CommitEnvironment, scratch: MemoryScratch) {
    self.world = world
    self.catalog = catalog
    self.environment = environment
    self.scratch = scratch
  }

  /// Does something to a table that is there. A conflict with others ends it.
  func act(on identifier: TableIdentifier) async {
    guard !isBusy else { return }
    isBusy = true
    defer { isBusy = false }
    count += 1
    let choice = Int.random(in: 0..<10, using: &world.random)
    do throws(IcebergError) {
      var table = try await Table(identifier, in: catalog)
      switch choice {
      case 0..<4: try await append(&table)
      case 4, 5: try await compact(&table)
      case 6, 7: try await expire(&table)
      case 8: try await table.commit([UpdateProperties(setting: ["stranger": "\(count)"])], environment: environment)
      default: try await evolve(&table)
      }
      world.trace("stranger did \(choice) to \(identifier)")
    } catch {
      world.trace("stranger could not do \(choice) to \(identifier): \(error.kind)")
    }
  }

  private func append(_ table: inout Table) async throws(IcebergError) {
    let settings = try WriteSettings(table.metadata)
    let rows = Int.random(in: 1...3, using: &world.random)
    let writer = PartitionedWriter(
      settings, directory: "stranger", prefix: "stranger-\(environment.makeUUID())", scratch: scratch)
    let number = count
    try writer.write(settings.schema.fields.map { Self.values($0.type, rows: rows, number: number) })
    let sealed = try writer.finish()
    try await SealedFile.publish(sealed, to: table.loaded.store, scratch: scratch)
    try await table.commit([AppendFiles(sealed.map(\.file))], environment: environment)
    rowsAdded += rows
  }

  private func compact(_ table: inout Table) async throws(IcebergError) {
    let compaction = Compaction(CompactionPolicy(minimumInputFiles: 2), scratchDirectory: "stranger")
    _ = try await compaction.run(&table, environment: environment)
  }

  private func expire(_ table: inout Table) async throws(IcebergError) {
    let keep = Int.random(in: 1...3, using: &world.random)
    let change = ExpireSnapshots(
      olderThanMilliseconds: environment.nowMilliseconds(), minimumSnapshotsToKeep: keep)
    _ = try await SnapshotExpiry(change).run(&table, environment: environment)
  }

  private func evolve(_ table: inout Table) async throws(IcebergError) {
    let name = "stranger_\(count)"
    let change = UpdateSchema { update throws(IcebergError) in try update.addColumn(name, .string) }
    try await table.commit([change], environment: environment)
  }

  private static func values(_ type: IcebergType, rows: Int, number: Int) -> ParquetArray {
    let column: Column =
      switch type {
      case .string: Column(repeating: .text("\(mark)\(number)"), .text, count: rows)
      case .long: Column(repeating: .int64(numberLimit - Int64(number)), .bigint, count: rows)
      case .int: Column(repeating: .int64(Int64(Int32.min)), .integer, count: rows)
      case .boolean: Column(repeating: .boolean(false), .boolean, count: rows)
      case .double: Column(repeating: .float64(-1), .double, count: rows)
      case .timestamptz: Column(repeating: .int64(0), .timestamptz, count: rows)
      case .timestamp: Column(repeating: .int64(0), .timestamp, count: rows)
      case .date: Column(repeating: .int64(0), .date, count: rows)
      default: Column(repeating: .null, type.columnType ?? .text, count: rows)
      }
    return .leaf(column)
  }
}
