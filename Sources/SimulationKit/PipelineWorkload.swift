import Actors
import Columnar
import SQL

extension Workload {
  /// A workload of made-up records for the sources of a user's file. What its sinks must hold is found by a run to which
  /// nothing happens; see ``Simulation/run(_:)``.
  ///
  /// - Throws: ``SimulationSetupError`` for a source whose records cannot be made up.
  init(pipeline plan: JobPlan, sql: String, drawing random: inout SeededGenerator) throws {
    self.sql = sql
    isBounded = random.chance(0.5)
    topics = []
    expected = [:]
    dead = []
    late = []
    let partitions = Int.random(in: 1...3, using: &random)
    let count = [20, 60, 150][Int.random(in: 0..<3, using: &random)]
    let duration: Int64 = isBounded ? 0 : 1_000_000_000
    for source in plan.scans.keys.sorted() {
      guard let table = plan.tables[source] else { continue }
      let maker = try RecordMaker(table)
      let logs = (0..<partitions).map { partition in
        SimulatedTopic.Partition(
          records: (0..<count).map { index in
            SimulatedTopic.Record(
              offset: Int64(index), visibleAt: duration * Int64(index) / Int64(count),
              value: maker.record(number: index * partitions + partition, drawing: &random))
          })
      }
      topics.append((source, logs))
    }
  }
}

/// A run cannot begin.
public struct SimulationSetupError: Error, CustomStringConvertible {
  /// What was expected, what came, what to do.
  public let description: String
}

/// Makes up JSON records that fit a source table.
private struct RecordMaker {
  private let columns: [Field]
  private let eventTime: String?

  init(_ table: TableDefinition) throws {
    let format = table.options["format"] ?? "json"
    guard format == "json" else {
      throw SimulationSetupError(
        description: "table \(table.name) has format = '\(format)'; records are made up for 'json' only")
    }
    columns = table.schema.fields.filter { !$0.name.hasPrefix("_") }
    eventTime = table.options["event_time"]
  }

  func record(number: Int, drawing random: inout SeededGenerator) -> [UInt8] {
    if random.chance(0.01) { return Array("not JSON".utf8) }
    var text = "{"
    for (index, field) in columns.enumerated() {
      if index > 0 { text += "," }
      let isNull = field.isNullable && field.name != eventTime && random.chance(0.05)
      text += "\"\(field.name)\":" + (isNull ? "null" : value(of: field, number: number, drawing: &random))
    }
    return Array((text + "}").utf8)
  }

  private func value(of field: Field, number: Int, drawing random: inout SeededGenerator) -> String {
    // A step of 300 ms a record, with some disorder.
    let time = 1_750_000_000_000 + Int64(number) * 300 - Int64.random(in: 0...3000, using: &random)
    switch field.type {
    case .boolean: return Bool.random(using: &random) ? "true" : "false"
    case .integer, .bigint: return "\(Int.random(in: 0..<100, using: &random))"
    case .real, .double: return "\(Int.random(in: -1000...1000, using: &random)).25"
    case .numeric: return "\(Int.random(in: 0..<10, using: &random))"
    case .date: return "\"2025-06-\(Int.random(in: 10...28, using: &random))\""
    case .timestamp, .timestamptz: return "\"\(Reference.utc(time))\""
    case .interval: return "\"\(Int.random(in: 1..<60, using: &random)) seconds\""
    case .uuid: return "\"00000000-0000-4000-8000-0000000000\(Int.random(in: 10..<40, using: &random))\""
    case .jsonb: return "{\"a\":\(Int.random(in: 0..<10, using: &random))}"
    default: return "\"k\(Int.random(in: 0..<8, using: &random))\""
    }
  }
}
