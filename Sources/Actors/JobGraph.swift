import Columnar
import SQL

/// The shape of a job: which operators exist and what flows where, derived from a ``SQL/JobPlan`` alone.
///
/// A statement becomes one *branch* per source that it reads, and one *stage* per windowed aggregation. Unions
/// disappear: what stands above a union is applied to each of its inputs.
public struct JobGraph: Sendable {
  /// Where the rows of a branch or of a stage go.
  public enum Destination: Hashable, Sendable {
    /// To the aggregation stage at this index of ``JobGraph/stages``.
    case stage(Int)
    /// To the sink table of this name.
    case sink(String)
  }

  /// What is done to the rows of one source for one statement, inside the partition actor.
  public struct Branch: Sendable {
    /// The index of the statement in the plan.
    public let statement: Int
    /// Unique among the branches of the source: the statement's name, for messages and accounting.
    public let name: String
    /// Filters and projections over the scan.
    public let chain: Relation
    /// Where the rows go.
    public let destination: Destination
  }

  /// One source table with all the branches that read it: it is consumed once.
  public struct Source: Sendable {
    /// The table.
    public let table: TableDefinition
    /// The columns that are decoded.
    public let scan: Schema
    /// What is done with the rows.
    public let branches: [Branch]
  }

  /// One windowed aggregation, run by as many window actors as there are shards.
  public struct Stage: Sendable {
    /// Stable over restarts; names the stage's state in checkpoints.
    public let id: String
    /// The index of the statement in the plan.
    public let statement: Int
    /// The statement's name.
    public let name: String
    /// What is computed.
    public let aggregate: WindowedAggregate
    /// Filters and projections over the aggregate's result.
    public let chain: Relation
    /// Where the results go.
    public let destination: Destination
    /// How far, in microseconds, the watermark that this stage forwards is behind its own: the length of its windows
    /// when the next stage's event time is `window_start`.
    public let watermarkLag: Int64
  }

  /// The sources that statements read, by name.
  public let sources: [Source]
  /// The aggregations; the stages that feed a stage come after it.
  public let stages: [Stage]
  /// The sink tables that statements write, in the order of the file.
  public let sinks: [TableDefinition]

  /// The graph of `plan`.
  public init(_ plan: JobPlan) {
    var builder = Builder(plan: plan)
    for (index, statement) in plan.statements.enumerated() {
      builder.name =
        plan.statements.count { $0.target == statement.target } > 1
        ? "\(statement.target)#\(index + 1)" : statement.target
      builder.statement = index
      builder.stageOrdinal = 0
      builder.connect(statement.query, to: .sink(statement.target))
    }
    stages = builder.stages
    sources = builder.branches.keys.sorted().compactMap { name in
      guard let table = plan.tables[name], let scan = plan.scans[name] else { return nil }
      return Source(table: table, scan: scan, branches: builder.branches[name] ?? [])
    }
    var seen: Set<String> = []
    sinks = plan.statements.compactMap { statement in
      seen.insert(statement.target).inserted ? plan.tables[statement.target] : nil
    }
  }

  private struct Builder {
    let plan: JobPlan
    var statement = 0
    var name = ""
    var stageOrdinal = 0
    var stages: [Stage] = []
    var branches: [String: [Branch]] = [:]

    mutating func connect(_ relation: Relation, to destination: Destination, timeColumn: Int? = nil) {
      for chain in JobGraph.withoutUnions(relation) {
        switch JobGraph.leaf(of: chain) {
        case .scan(let table, _):
          let earlier = branches[table, default: []].count { $0.statement == statement }
          branches[table, default: []].append(
            Branch(
              statement: statement, name: earlier == 0 ? name : "\(name)[\(earlier + 1)]", chain: chain,
              destination: destination))
        case .aggregate(let aggregate):
          let lag = timeColumn.map { JobGraph.readsWindowStart(chain, column: $0) } == true ? aggregate.window.size : 0
          let id = "\(name)/\(stageOrdinal)"
          stageOrdinal += 1
          let index = stages.count
          stages.append(
            Stage(
              id: id, statement: statement, name: name, aggregate: aggregate, chain: chain, destination: destination,
              watermarkLag: lag))
          connect(aggregate.input, to: .stage(index), timeColumn: aggregate.timeColumn)
        case .filter, .project, .unionAll:
          preconditionFailure("the leaf of a chain is a scan or an aggregate")
        }
      }
    }
  }

  /// The union-free chains whose union is `relation`.
  static func withoutUnions(_ relation: Relation) -> [Relation] {
    switch relation {
    case .scan, .aggregate: [relation]
    case .filter(let input, let predicate): withoutUnions(input).map { .filter($0, predicate) }
    case .project(let input, let expressions, let schema):
      withoutUnions(input).map { .project($0, expressions, schema) }
    case .unionAll(let inputs): inputs.flatMap(withoutUnions)
    }
  }

  /// The scan or the aggregate below the filters and projections of a union-free chain.
  static func leaf(of chain: Relation) -> Relation {
    switch chain {
    case .filter(let input, _), .project(let input, _, _): leaf(of: input)
    case .scan, .aggregate, .unionAll: chain
    }
  }

  /// Whether `column` of the chain's result is the `window_start` of the aggregate below.
  static func readsWindowStart(_ chain: Relation, column: Int) -> Bool {
    switch chain {
    case .filter(let input, _): return readsWindowStart(input, column: column)
    case .project(let input, let expressions, _):
      guard case .column(let index) = expressions[column].kind else { return true }
      return readsWindowStart(input, column: index)
    case .aggregate(let aggregate): return column == aggregate.keys.count
    case .scan, .unionAll: return false
    }
  }
}
