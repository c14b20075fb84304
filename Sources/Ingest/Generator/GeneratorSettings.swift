import Actors
import Columnar
import SQL

/// What a generator table's options say.
struct GeneratorSettings: Sendable {
  /// 2026-01-01 00:00:00 UTC, in microseconds: where event time starts unless told otherwise.
  private static let defaultStart: Int64 = 1_767_225_600_000_000

  let source: String
  let partitions: Int
  /// Over all partitions; `nil`: as fast as they are taken.
  let rowsPerSecond: Double?
  /// Over all partitions; `nil`: without end.
  let rows: Int64?
  let seed: UInt64
  /// The time of the first row, in microseconds since the epoch.
  let start: Int64
  let columns: [GeneratorColumn]

  init(_ options: SourceOptions) throws(SourceError) {
    source = options.table.name
    partitions = Int(try options.integer("partitions", in: 1...4096, default: 1))
    rowsPerSecond = try options.double("rows_per_second")
    if let rowsPerSecond, rowsPerSecond <= 0 { throw options.invalid("rows_per_second", expected: "above 0") }
    rows = try options.optionalInteger("rows", in: 0...Int64.max)
    seed = UInt64(bitPattern: try options.integer("seed", in: Int64.min...Int64.max, default: 1))
    start = try options.moment("start") ?? Self.defaultStart
    var columns: [GeneratorColumn] = []
    for column in options.table.columns where !column.field.name.hasPrefix("_") {
      columns.append(try GeneratorColumn(column.field, options))
    }
    self.columns = columns
  }

  /// How far apart the times of two rows of the job are, in microseconds; a job without a rate counts as 1,000 rows/s.
  var microsecondsPerRow: Double { 1_000_000 / (rowsPerSecond ?? 1000) }

  /// How many rows `partition` has: the first ones get one more where the split is uneven.
  func rows(of partition: Int) -> Int64? {
    rows.map { $0 / Int64(partitions) + (Int64(partition) < $0 % Int64(partitions) ? 1 : 0) }
  }
}
