import Actors
import Columnar
import Runtime
import SQL

/// A job's graph in words.
struct JobExplanation {
  private let graph: JobGraph
  private let parallelism: Int
  private let keyGroups: Int

  init(_ graph: JobGraph, parallelism: Int, keyGroups: Int) {
    self.graph = graph
    self.parallelism = parallelism
    self.keyGroups = keyGroups
  }

  /// Sources with what is done inside their partitions, then windows, then sinks.
  var text: String {
    (graph.sources.map(source) + graph.stages.map(stage) + graph.sinks.map(sink)).joined(separator: "\n")
  }

  private func source(_ source: JobGraph.Source) -> String {
    let fields = source.scan.fields.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
    var lines = [
      "source \(source.table.name): \(connection(source.table)); one actor per partition", "  decode \(fields)"
    ]
    for branch in source.branches {
      lines.append("  for \(branch.name):")
      lines += steps(branch.chain).map { "    " + $0 }
      if case .stage = branch.destination {
        lines.append("    pre-aggregate by window and key until a window closes or a barrier comes")
      }
      lines.append("    → " + arrow(branch.destination))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func stage(_ stage: JobGraph.Stage) -> String {
    let aggregate = stage.aggregate
    let names = aggregate.schema.fields.map(\.name)
    let keys = names.prefix(aggregate.keys.count)
    let results = aggregate.aggregates.map { call in
      call.function.rawValue + (call.isDistinct ? " distinct" : "") + (call.filter == nil ? "" : " with filter")
    }
    let window = aggregate.window
    let kind =
      window.slide == window.size
      ? "tumble \(duration(window.size))" : "hop \(duration(window.size)) every \(duration(window.slide))"
    var lines = [
      "window \(stage.id): \(kind); \(parallelism) actors, \(keyGroups) key groups",
      "  group by \(keys.isEmpty ? "the window alone" : keys.joined(separator: ", "))",
      "  compute \(results.isEmpty ? "nothing: distinct groups" : results.joined(separator: ", "))",
      "  state: one row for each open window and key, until the watermark passes the window's end"
    ]
    lines += steps(stage.chain).map { "  " + $0 }
    lines.append("  → " + arrow(stage.destination))
    return lines.joined(separator: "\n") + "\n"
  }

  private func sink(_ table: TableDefinition) -> String {
    let key = table.primaryKey.isEmpty ? "append" : "by key (\(table.primaryKey.joined(separator: ", ")))"
    return "sink \(table.name): \(connection(table)); \(key); committed once per checkpoint\n"
  }

  private func connection(_ table: TableDefinition) -> String {
    let place = ["topic", "table", "path"].compactMap { name in table.options[name].map { "\(name) \($0)" } }
    return ([table.options["connector"] ?? "no connector"] + place).joined(separator: ", ")
  }

  private func steps(_ chain: Relation) -> [String] {
    switch chain {
    case .filter(let input, let predicate):
      steps(input) + ["filter" + (predicate.location.map { " by the condition at \($0)" } ?? "")]
    case .project(let input, _, let schema):
      steps(input) + ["compute \(schema.fields.map(\.name).joined(separator: ", "))"]
    case .scan, .aggregate, .unionAll: []
    }
  }

  private func arrow(_ destination: JobGraph.Destination) -> String {
    switch destination {
    case .stage(let index): "by key to window \(graph.stages[index].id)"
    case .sink(let name): "forward to sink \(name)"
    }
  }

  private func duration(_ microseconds: Int64) -> String { UnitText.duration(microseconds * 1000) }
}
